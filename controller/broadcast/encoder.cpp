#include "controller/broadcast/encoder.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <cmath>
#include <utility>

#include "controller/base/delay.h"
#include "controller/base/logging.h"
#include "controller/broadcast/ffmpeg_arguments.h"
#include "controller/broadcast/server_url.h"
#include "controller/broadcast/times.h"

namespace sluice::controller::broadcast {

namespace {

constexpr int64_t kAhead = kSecond;
/// A browser plays sound later than a picture that comes at the same time, by what it buffers of
/// it; it makes up for that, but only for what is beyond 30 ms (measured: 25 to 45 ms behind
/// without this). EBU R 37 wants it at most 40 ms before and 60 ms behind its picture.
constexpr int64_t kSoundLead = 20 * kMillisecond;
constexpr size_t kMaxQueuedBytes = 32 * 1024 * 1024;
constexpr size_t kChunk = 64 * 1024;

Task<void> WriteAll(std::shared_ptr<ChildProcess> to, std::vector<uint8_t> bytes) {
  (void)co_await to->Write(bytes);
  to->CloseInput();
}

void WakeUp(asio::steady_timer* timer) { timer->cancel(); }

}  // namespace

int64_t Now() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

StandardInput::StandardInput(const asio::any_io_executor& executor) : input_(executor) {}

Task<void> StandardInput::ReadBeginning() {
  constexpr std::chrono::milliseconds kLongest{2'500};
  boost::system::error_code error;
  input_.assign(dup(STDIN_FILENO), error);
  std::vector<uint8_t> chunk(kChunk);
  // Who writes has its time to begin; then it is a matter of how much it writes.
  asio::steady_timer limit(co_await asio::this_coro::executor);
  while (!error && beginning_.size() < kMaxBeginning) {
    const size_t size = co_await input_.async_read_some(
        asio::buffer(chunk), asio::redirect_error(asio::use_awaitable, error));
    if (error) break;
    if (beginning_.empty()) {
      limit.expires_after(kLongest);
      limit.async_wait([this](const boost::system::error_code& stopped) {
        boost::system::error_code ignored;
        if (!stopped) input_.cancel(ignored);
      });
    }
    beginning_.insert(beginning_.end(), chunk.begin(),
                      chunk.begin() + static_cast<std::ptrdiff_t>(size));
  }
  limit.cancel();
  ended_ = error && error != asio::error::operation_aborted;
}

Task<void> StandardInput::PumpInto(std::shared_ptr<ChildProcess> program) {
  bool taken = co_await program->Write(beginning_);
  beginning_.clear();
  std::vector<uint8_t> chunk(kChunk);
  while (taken && !ended_) {
    boost::system::error_code error;
    starving_ = true;
    const size_t size = co_await input_.async_read_some(
        asio::buffer(chunk), asio::redirect_error(asio::use_awaitable, error));
    ended_ = static_cast<bool>(error);
    if (error) break;
    starving_ = false;
    taken = co_await program->Write(std::span(chunk).first(size));
  }
  program->CloseInput();
}

Task<Result<SourceInfo>> Probe(const Source* source, const Options* options,
                               const StandardInput* standard_input) {
  constexpr std::chrono::seconds kPatience{20};
  constexpr size_t kMaxAnswer = 32 * 1024 * 1024;  // bytes
  const auto executor = co_await asio::this_coro::executor;
  std::vector<std::string> command = ProbeArguments(*source);
  command.insert(command.begin(), "ffprobe");
  const bool piped = source->kind == SourceKind::kPipe;
  auto started = ChildProcess::Start(executor, command, piped);
  if (!started.ok()) co_return started.status();
  const std::shared_ptr<ChildProcess> process = *started;
  if (piped) {
    Spawn(executor, WriteAll(process, standard_input->beginning()));
  }
  bool timed_out = false;
  asio::steady_timer patience(executor, kPatience);
  patience.async_wait([&timed_out, process](const boost::system::error_code& stopped) {
    if (stopped) return;
    timed_out = true;
    process->Kill();
  });
  std::string answer;
  std::vector<uint8_t> chunk(kChunk);
  for (;;) {
    const size_t size = co_await process->Read(chunk);
    if (size == 0) break;
    if (answer.size() < kMaxAnswer) {
      answer.append(chunk.begin(), chunk.begin() + static_cast<std::ptrdiff_t>(size));
    }
  }
  const std::string end = co_await process->Wait();
  patience.cancel();
  const std::string what = "cannot read " + WithoutPasswords(options->input) + ": ";
  if (timed_out) co_return Error(what + "nothing came for 20 seconds");
  if (!end.empty()) {
    std::string words = LastWords(process->errors());
    const std::string name = WithoutPasswords(source->input) + ": ";
    if (words.starts_with(name)) words.erase(0, name.size());
    co_return Error(what + (words.empty() ? end : words));
  }
  Result<SourceInfo> info = ReadProbe(answer, *options);
  if (!info.ok() && !absl::IsInvalidArgument(info.status())) {
    co_return Error(what + std::string(Reason(info.status())));
  }
  co_return info;
}

Encoder::Encoder(const asio::any_io_executor& executor, TaskScope* scope, const Options* options,
                 StandardInput* standard_input)
    : executor_(executor),
      scope_(scope),
      options_(options),
      standard_input_(standard_input),
      changed_(executor) {}

Status Encoder::Start(const Source& source, const SourceInfo& info, const Plan& plan) {
  Kill();
  // Where the next frame will be; what is live has gone on in the meantime.
  constexpr int64_t kFrame = 20'000;
  const int64_t gap = source.kind == SourceKind::kLive ? Now() - last_arrival_ : kFrame;
  offset_ = made_ > 0 ? made_ + gap : 0;
  double at = options_->start + static_cast<double>(offset_) / kSecond;
  if (options_->loop && info.duration && *info.duration > 0) at = std::fmod(at, *info.duration);
  const int threads = static_cast<int>(std::clamp(sysconf(_SC_NPROCESSORS_ONLN), 1L, 8L));
  std::vector<std::string> command = FfmpegArguments(*options_, source, plan, at, threads);
  command.insert(command.begin(), "ffmpeg");
  const bool piped = source.kind == SourceKind::kPipe;
  auto started = ChildProcess::Start(executor_, command, piped);
  if (!started.ok()) return started.status();
  process_ = *started;
  nut_ = std::make_shared<NutReader>();
  ended_ = false;
  first_frame_at_.reset();
  ++generation_;
  if (piped) scope_->Spawn(standard_input_->PumpInto(process_));
  scope_->Spawn(Read(this, generation_, process_, nut_, source.kind == SourceKind::kLive));
  return absl::OkStatus();
}

void Encoder::Discard() {
  Kill();
  sounds_.clear();
  pictures_.clear();
  queued_bytes_ = 0;
  made_ = 0;
  taken_ = 0;
}

void Encoder::Kill() {
  if (process_) process_->Kill();
  ++generation_;
}

const std::vector<uint8_t>& Encoder::CodecData(bool video) const {
  static const std::vector<uint8_t> kNone;
  for (const NutTrack& track : nut_->tracks()) {
    if (video ? track.video : track.audio) return track.codec_data;
  }
  return kNone;
}

bool Encoder::has_track(bool video) const {
  if (!nut_) return false;
  const auto& tracks = nut_->tracks();
  return std::any_of(tracks.begin(), tracks.end(),
                     [video](const NutTrack& track) { return video ? track.video : track.audio; });
}

void Encoder::ArriveNow() {
  const int64_t now = Now();
  for (QueuedFrame& frame : sounds_) frame.arrived = now;
  for (QueuedFrame& frame : pictures_) frame.arrived = now;
}

const QueuedFrame& Encoder::Next() const {
  if (sounds_.empty()) return pictures_.front();
  if (pictures_.empty()) return sounds_.front();
  const bool sound = sounds_.front().time <= pictures_.front().time + kSoundLead;
  return sound ? sounds_.front() : pictures_.front();
}

int64_t Encoder::NextTime() const {
  const QueuedFrame& next = Next();
  return next.time + (next.video ? kSoundLead : 0);
}

QueuedFrame Encoder::Take() {
  std::deque<QueuedFrame>& from = Next().video ? pictures_ : sounds_;
  QueuedFrame frame = std::move(from.front());
  from.pop_front();
  queued_bytes_ -= frame.data.size();
  taken_ = std::max(taken_, frame.time);
  return frame;
}

Task<void> Encoder::WaitForMore(int64_t moment) {
  if (ended_ && empty()) co_return;
  boost::system::error_code ignored;
  changed_.expires_at(std::chrono::steady_clock::time_point(std::chrono::microseconds(moment)));
  co_await changed_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

bool Encoder::FarEnough(bool live) const {
  // What is live does not wait for us: too much of it would be an error of ours.
  if (live) return queued_bytes_ > kMaxQueuedBytes;
  return !empty() && (made_ - taken_ > kAhead || queued_bytes_ > kMaxQueuedBytes);
}

void Encoder::TakeFrames(uint64_t generation, NutReader* nut) {
  const int64_t now = Now();
  while (std::optional<NutFrame> frame = nut->Next()) {
    const NutTrack& track = nut->tracks()[frame->track];
    if (!track.video && !track.audio) continue;
    QueuedFrame queued;
    queued.video = track.video;
    queued.time = offset_ + frame->time;
    queued.arrived = now;
    queued.key = frame->key;
    queued.generation = generation;
    queued.data = std::move(frame->data);
    made_ = std::max(made_, queued.time);
    queued_bytes_ += queued.data.size();
    (queued.video ? pictures_ : sounds_).push_back(std::move(queued));
    last_arrival_ = now;
    if (!first_frame_at_) first_frame_at_ = now;
  }
}

Task<void> Encoder::Read(Encoder* self, uint64_t generation, std::shared_ptr<ChildProcess> process,
                         std::shared_ptr<NutReader> nut, bool live) {
  constexpr std::chrono::milliseconds kPoll{20};
  std::vector<uint8_t> chunk(kChunk);
  Status read;
  while (read.ok()) {
    while (self->FarEnough(live) && self->generation_ == generation) {
      self->waited_ = true;
      co_await Delay(kPoll);
    }
    const size_t size = co_await process->Read(chunk);
    if (self->generation_ != generation) co_return;
    if (size == 0) break;
    read = nut->Feed(std::span(chunk).first(size));
    if (!read.ok()) process->Kill();
    self->TakeFrames(generation, nut.get());
    WakeUp(&self->changed_);
  }
  const std::string end = co_await process->Wait();
  if (self->generation_ != generation) co_return;
  const std::string words = LastWords(process->errors());
  if (!read.ok()) {
    self->failure_ = std::string(Reason(read));
  } else if (!end.empty()) {
    self->failure_ = "ffmpeg ended with " + end + (words.empty() ? "" : ": " + words);
  }
  self->ended_ = true;
  WakeUp(&self->changed_);
}

}  // namespace sluice::controller::broadcast
