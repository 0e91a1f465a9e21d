#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace sluice::controller {

/// Writes text to a descriptor on a thread of its own, so that a terminal, pipe or disk that takes
/// nothing never stops the caller. What waits is bounded; what finds no room is dropped and
/// counted, and the count is written as a line as soon as there is room again.
///
/// Write may be called from any thread.
class LineWriter {
 public:
  static constexpr size_t kMaxQueued = 1 << 20;  // bytes: some thousand lines

  enum class Weight { kOrdinary, kImportant };

  struct Counters {
    uint64_t written = 0;  ///< lines
    uint64_t dropped = 0;  ///< lines that found no room
  };

  /// `fd` stays the caller's and must live as long as the process: the thread may hang in it.
  /// At most `max_queued` bytes wait. The last quarter is for what matters: a flood of ordinary
  /// lines must not hide an error.
  explicit LineWriter(int fd, size_t max_queued = kMaxQueued);
  /// Stop(kDrainTime).
  ~LineWriter();
  LineWriter(const LineWriter&) = delete;
  LineWriter& operator=(const LineWriter&) = delete;

  /// Queues `text` (its line end included). Never blocks.
  void Write(std::string text, Weight weight);
  /// Writes what waits, for at most `patience`; what is left then is dropped. Later calls do
  /// nothing.
  void Stop(std::chrono::milliseconds patience);
  Counters counters() const;

 private:
  struct State;

  static constexpr std::chrono::milliseconds kDrainTime{500};
  const size_t max_queued_;
  std::shared_ptr<State> state_;  ///< the thread's too: it may outlive us
};

}  // namespace sluice::controller
