#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sluice::controller {

/// Cuts what a process writes into lines, and leaves out what is too much: a process that floods
/// costs reading and nothing more.
class OutputLines {
 public:
  using Clock = std::chrono::steady_clock;
  /// Longest line that is kept whole; the rest becomes lines of its own.
  static constexpr size_t kMaxLine = 4'096;             // bytes
  static constexpr size_t kBytesPerSecond = 64 * 1024;  // a verbose start writes some KiB
  static constexpr size_t kBurst = 4 * kBytesPerSecond;

  explicit OutputLines(Clock::time_point now) : refilled_(now) {}

  /// The lines that `bytes` complete, without their ends; empty ones are left out.
  std::vector<std::string> Feed(std::string_view bytes, Clock::time_point now);
  /// What was written behind the last line end; "" when nothing was.
  std::string TakeRest() { return std::exchange(line_, {}); }
  /// Whether the last bytes were left out.
  bool flooded() const { return flooded_; }
  /// Bytes left out since the last call.
  uint64_t TakeLeftOut() { return std::exchange(left_out_, 0); }

 private:
  size_t allowance_ = kBurst;  ///< bytes
  Clock::time_point refilled_;
  uint64_t left_out_ = 0;
  bool flooded_ = false;
  std::string line_;
};

}  // namespace sluice::controller
