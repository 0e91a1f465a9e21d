#pragma once

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/status.h"
#include "controller/base/task.h"
#include "controller/base/task_scope.h"
#include "controller/broadcast/child_process.h"
#include "controller/broadcast/nut_reader.h"
#include "controller/broadcast/options.h"
#include "controller/broadcast/plan.h"
#include "controller/broadcast/source_info.h"

namespace sluice::controller::broadcast {

/// Microseconds of the clock by which everything is sent.
int64_t Now();

/// What comes through our standard input: its beginning is kept, for ffprobe and then for ffmpeg.
class StandardInput {
 public:
  static constexpr size_t kMaxBeginning = 4 * 1024 * 1024;  // bytes
  explicit StandardInput(const asio::any_io_executor& executor);

  /// Reads the beginning: all that comes within some seconds, up to kMaxBeginning.
  Task<void> ReadBeginning();
  const std::vector<uint8_t>& beginning() const { return beginning_; }
  /// Hands everything to a program until the end.
  Task<void> PumpInto(std::shared_ptr<ChildProcess> program);
  /// The program takes what it gets faster than it comes.
  bool starving() const { return starving_; }

 private:
  asio::posix::stream_descriptor input_;
  std::vector<uint8_t> beginning_;
  bool ended_ = false;
  bool starving_ = false;
};

/// Asks ffprobe what is in the input. Error with ffprobe's own words.
Task<Result<SourceInfo>> Probe(const Source* source, const Options* options,
                               const StandardInput* standard_input);

/// A frame that waits for its moment.
struct QueuedFrame {
  bool video = false;
  int64_t time = 0;     ///< of the media, microseconds from the start of the broadcast
  int64_t arrived = 0;  ///< Now() at that time
  bool key = false;
  uint64_t generation = 0;  ///< which ffmpeg made it
  std::vector<uint8_t> data;
};

/// ffmpeg, and what it has made that is not sent yet. It is let run ahead by a second or so, which
/// makes up for its hiccups, and waits then.
class Encoder {
 public:
  Encoder(const asio::any_io_executor& executor, TaskScope* scope, const Options* options,
          StandardInput* standard_input);

  /// Starts ffmpeg, or another one in place of the one that runs: it goes on where that one's
  /// last frame ends. What was made before stays in the queue.
  Status Start(const Source& source, const SourceInfo& info, const Plan& plan);
  /// Throws away what is made and begins at the start again.
  void Discard();
  void Kill();

  /// The codec's own data, of the ffmpeg that made a frame.
  const std::vector<uint8_t>& CodecData(bool video) const;
  bool has_tracks() const { return nut_ && !nut_->tracks().empty(); }
  bool has_track(bool video) const;
  /// Nothing waits to be sent.
  bool empty() const { return sounds_.empty() && pictures_.empty(); }
  /// What waits has come just now: for who begins with it.
  void ArriveNow();
  /// The frame that is next, and when it is to be sent by the media's clock: sound goes somewhat
  /// before the picture that it belongs to. Not to be called when empty().
  const QueuedFrame& Next() const;
  int64_t NextTime() const;
  QueuedFrame Take();
  /// Until something new has come, the end, or `moment` of Now().
  Task<void> WaitForMore(int64_t moment);

  bool ended() const { return ended_; }
  /// Why ffmpeg ended, "" when well.
  const std::string& failure() const { return failure_; }
  /// How far it has got, and since when it has been making that.
  int64_t made() const { return made_; }
  std::optional<int64_t> first_frame_at() const { return first_frame_at_; }
  /// It has had to wait since the last call.
  bool TakeWaited() { return std::exchange(waited_, false); }
  uint64_t generation() const { return generation_; }

 private:
  static Task<void> Read(Encoder* self, uint64_t generation, std::shared_ptr<ChildProcess> process,
                         std::shared_ptr<NutReader> nut, bool live);
  void TakeFrames(uint64_t generation, NutReader* nut);
  bool FarEnough(bool live) const;

  asio::any_io_executor executor_;
  TaskScope* scope_;
  const Options* options_;
  StandardInput* standard_input_;
  asio::steady_timer changed_;
  std::shared_ptr<ChildProcess> process_;
  std::shared_ptr<NutReader> nut_;
  uint64_t generation_ = 0;
  std::deque<QueuedFrame> sounds_;
  std::deque<QueuedFrame> pictures_;
  size_t queued_bytes_ = 0;
  int64_t offset_ = 0;
  int64_t made_ = 0;
  int64_t taken_ = 0;
  int64_t last_arrival_ = 0;
  std::optional<int64_t> first_frame_at_;
  bool waited_ = false;
  bool ended_ = false;
  std::string failure_;
};

}  // namespace sluice::controller::broadcast
