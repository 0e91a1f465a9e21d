#include "controller/broadcast/broadcast.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <utility>

#include "common/printable.h"
#include "controller/base/delay.h"
#include "controller/base/logging.h"
#include "controller/broadcast/server_url.h"
#include "controller/broadcast/times.h"

namespace sluice::controller::broadcast {

namespace {

constexpr size_t kMaxPayload = 1'188;  // packets of 1200 bytes pass every network once encrypted
constexpr int64_t kSpeedWindow = 3 * kSecond;
constexpr int64_t kLiveSpeedWindow = 6 * kSecond;
constexpr int kExitFailure = 1;
constexpr int kExitWrong = 2;
constexpr int kExitSignal = 128;  // and the signal's number, as a shell says it

void Say(const std::string& text) {
  std::printf("broadcast: %s\n", text.c_str());
  std::fflush(stdout);
}

void Complain(const std::string& text) { std::fprintf(stderr, "broadcast: %s\n", text.c_str()); }

int64_t UnixMicroseconds() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

/// The beginning of a file of this machine; "" for anything else.
std::string BeginningOf(const std::string& path) {
  constexpr std::streamsize kSize = 64 * 1024;
  struct stat status {};
  if (stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return "";
  std::ifstream stream(path, std::ios::binary);
  std::string text(kSize, '\0');
  stream.read(text.data(), kSize);
  text.resize(static_cast<size_t>(stream.gcount()));
  return text;
}

std::string FolderOf(const std::string& path) {
  std::array<char, PATH_MAX> absolute{};
  if (!realpath(path.c_str(), absolute.data())) return ".";
  const std::string text = absolute.data();
  return text.substr(0, text.rfind('/'));
}

/// The name of a file in memory with this text, which a child can open as long as we live.
std::string FileInMemory(const std::string& text) {
  const int fd = memfd_create("playlist", MFD_CLOEXEC);  // it stays open
  if (fd < 0 || write(fd, text.data(), text.size()) != static_cast<ssize_t>(text.size())) return "";
  return "/proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(fd);
}

/// What is at standard input when that is a file: then it can be read from any place on.
std::string FileAtStandardInput() {
  struct stat status {};
  if (fstat(STDIN_FILENO, &status) != 0 || !S_ISREG(status.st_mode)) return "";
  std::array<char, PATH_MAX> path{};
  const ssize_t size = readlink("/proc/self/fd/0", path.data(), path.size() - 1);
  return size > 0 && access(path.data(), R_OK) == 0 ? std::string(path.data()) : "";
}

SourceInfo TestPicture(const Options& options) {
  constexpr double kRate = 30;
  SourceInfo info;
  const Size size = options.size.value_or(Size{1280, 720});
  if (!options.video.none) {
    info.video = VideoTrack{};
    info.video->codec = "rawvideo";
    info.video->width = size.width;
    info.video->height = size.height;
    info.video->rate = options.rate.value_or(kRate);
  }
  if (!options.audio.none) info.audio = AudioTrack{"pcm", 2};
  return info;
}

std::string InputName(const Options& options) {
  if (options.input.empty()) return "a test picture and a tone";
  if (options.input == "-") return "standard input";
  return "'" + Printable(WithoutPasswords(options.input)) + "'";
}

}  // namespace

Broadcast::Broadcast(asio::io_context* context, Options options, std::unique_ptr<RestClient> rest)
    : context_(context),
      options_(std::move(options)),
      rest_(std::move(rest)),
      scope_(context->get_executor()),
      done_(context->get_executor()),
      standard_input_(context->get_executor()),
      encoder_(context->get_executor(), &scope_, &options_, &standard_input_),
      publication_(context->get_executor(), rest_.get(), &options_),
      pacer_(false),
      speed_(kSpeedWindow) {}

int Broadcast::Run() {
  asio::signal_set signals(*context_, SIGINT, SIGTERM);
  signals.async_wait([this](const boost::system::error_code& error, int number) {
    if (!error) Finish(kExitSignal + number, "");
  });
  scope_.Spawn(Work());
  Spawn(context_->get_executor(), End());
  context_->run();
  return exit_code_;
}

void Broadcast::Finish(int code, const std::string& error) {
  if (done_.happened()) return;
  if (!error.empty()) Complain(error);
  exit_code_ = code;
  done_.Fire();
}

Task<void> Broadcast::Work() {
  const Status begun = co_await Begin();
  if (!begun.ok()) {
    Finish(absl::IsInvalidArgument(begun) ? kExitWrong : kExitFailure, std::string(Reason(begun)));
    co_return;
  }
  scope_.Spawn(publication_.Listen());
  scope_.Spawn(ReportTimes());
  scope_.Spawn(WatchServer());
  scope_.Spawn(WatchSpeed());
  co_await SendFrames();
}

Task<Status> Broadcast::Begin() {
  Status status = co_await FindRoom();
  if (!status.ok()) co_return status;
  status = co_await LookAtInput();
  if (!status.ok()) co_return status;
  Result<Plan> plan = MakePlan(options_, source_, info_, room_);
  if (!plan.ok()) co_return plan.status();
  plan_ = *std::move(plan);
  pacer_ = Pacer(live());
  speed_ = SpeedWatch(live() ? kLiveSpeedWindow : kSpeedWindow);
  status = co_await StartEncoder();
  if (!status.ok()) co_return status;
  status = co_await publication_.Register(Specs());
  if (!status.ok()) co_return status;
  last_registered_ = Now();
  started_ = true;
  const std::string why = plan_.why_encoded.empty() ? "" : " (encoded: " + plan_.why_encoded + ")";
  const std::string what = options_.input.empty() ? "test picture and a tone" : InputName(options_);
  Say(what + " into room '" + Printable(options_.room) + "': " + Describe(plan_) +
      (options_.input.empty() ? "" : why));
  co_return absl::OkStatus();
}

Task<Status> Broadcast::FindRoom() {
  Result<RestReply> room = co_await rest_->Ask("GET", "/rooms/" + PathSegment(options_.room), "");
  if (!room.ok()) {
    co_return Error("no answer from " + WithoutPasswords(options_.url) + ": " +
                    std::string(Reason(room.status())) + "; is scripts/run.sh running?");
  }
  constexpr int kOk = 200;
  if (room->status != kOk) {
    co_return Error(
        fmt::format("room '{}': {} {}", Printable(options_.room), room->status, room->message));
  }
  room_ = ReadRoomCodecs(room->body);
  co_return absl::OkStatus();
}

Task<Status> Broadcast::LookAtInput() {
  if (options_.input == "-") {
    const std::string file = FileAtStandardInput();
    if (!file.empty()) options_.input = file;
  }
  const std::string beginning = BeginningOf(options_.input);
  const bool list = IsFileList(beginning);
  source_ = MakeSource(options_, list);
  if (list) {
    std::ifstream stream(options_.input);
    const std::string text{std::istreambuf_iterator<char>(stream),
                           std::istreambuf_iterator<char>()};
    source_.input = FileInMemory(ConcatScript(text, FolderOf(options_.input)));
  }
  if (source_.kind == SourceKind::kTest) {
    info_ = TestPicture(options_);
    co_return absl::OkStatus();
  }
  if (source_.kind == SourceKind::kPipe) co_await standard_input_.ReadBeginning();
  if (!source_.probe) {
    info_.known = false;
    co_return absl::OkStatus();
  }
  Result<SourceInfo> info = co_await Probe(&source_, &options_, &standard_input_);
  if (!info.ok()) co_return info.status();
  info_ = *std::move(info);
  const bool fetched = options_.input.starts_with("http");
  if (fetched && source_.kind == SourceKind::kFile && !info_.duration &&
      options_.live == LiveChoice::kAuto) {
    source_.kind = SourceKind::kLive;  // a station, not a file
  }
  co_return absl::OkStatus();
}

/// Until ffmpeg has made enough to begin with, at a speed that will do.
Task<Status> Broadcast::StartEncoder() {
  constexpr std::chrono::milliseconds kPoll{20};
  constexpr int64_t kMeasured = 1'200 * kMillisecond;
  constexpr double kSafeSpeed = 1.1;
  constexpr double kTooSlow = 0.9;  // the beginning costs more than what follows
  Status started = encoder_.Start(source_, info_, plan_);
  if (!started.ok()) co_return started;
  if (!source_.probe) Say("waiting for " + InputName(options_));
  for (;;) {
    co_await Delay(kPoll);
    if (encoder_.ended() && encoder_.empty()) {
      const std::string hint = source_.kind == SourceKind::kPipe
                                   ? " (an mp4 whose index is at its end cannot be piped)"
                                   : "";
      co_return Error("nothing can be sent of " + InputName(options_) +
                      (encoder_.failure().empty() ? "" : ": " + encoder_.failure() + hint));
    }
    if (!encoder_.first_frame_at()) continue;
    const bool enough = encoder_.TakeWaited() || encoder_.ended();
    const int64_t busy = Now() - *encoder_.first_frame_at();
    if (enough || live() || source_.kind == SourceKind::kPipe || busy <= 0) {
      if (enough || busy > 0) break;
      continue;
    }
    const double speed = static_cast<double>(encoder_.made()) / static_cast<double>(busy);
    if (busy < kMeasured / 4 || (speed < kSafeSpeed && busy < kMeasured)) continue;
    if (speed >= kTooSlow) break;
    const std::optional<Plan> next =
        options_.step_down && plan_.video ? StepDown(plan_, speed) : std::nullopt;
    if (!next) break;
    Say(fmt::format("this machine makes {:.2f} s of {} a second: it will be {}", speed,
                    Describe(plan_), Describe(*next)));
    plan_ = *next;
    encoder_.Discard();
    started = encoder_.Start(source_, info_, plan_);
    if (!started.ok()) co_return started;
  }
  // What could not be looked at may have less than was planned.
  if (plan_.video && !encoder_.has_track(true)) plan_.video.reset();
  if (plan_.audio && !encoder_.has_track(false)) plan_.audio.reset();
  co_return absl::OkStatus();
}

std::vector<TrackSpec> Broadcast::Specs() const {
  std::vector<TrackSpec> specs;
  if (plan_.audio) specs.push_back({Codec::kOpus, ""});
  if (plan_.video) specs.push_back({plan_.video->codec, plan_.video->profile});
  return specs;
}

Task<void> Broadcast::SendFrames() {
  began_ = Now();
  encoder_.ArriveNow();  // what has been made so far begins now
  while (!encoder_.ended() || !encoder_.empty()) {
    if (encoder_.empty()) {
      co_await encoder_.WaitForMore(Now() + kSecond);
      continue;
    }
    const int64_t due = pacer_.DueAt(encoder_.NextTime(), encoder_.Next().arrived);
    if (due > Now()) {
      co_await encoder_.WaitForMore(due);
      continue;
    }
    QueuedFrame frame = encoder_.Take();
    const Status sent = co_await SendFrame(std::move(frame));
    if (!sent.ok()) {
      Finish(kExitFailure, std::string(Reason(sent)));
      co_return;
    }
  }
  if (!encoder_.failure().empty()) {
    Finish(kExitFailure, encoder_.failure());
    co_return;
  }
  constexpr std::chrono::milliseconds kLastFrame{200};
  co_await Delay(kLastFrame);
  Finish(0, "");
}

Task<Status> Broadcast::SendFrame(QueuedFrame frame) {
  if (frame.generation != packetizes_ && plan_.video) {
    picture_.emplace(plan_.video->codec, encoder_.CodecData(true), kMaxPayload);
  }
  packetizes_ = frame.generation;
  if (Specs() != publication_.tracks() && !registering_) {
    registering_ = true;
    Status again = co_await publication_.Register(Specs());
    registering_ = false;
    if (absl::IsPermissionDenied(again)) co_return again;
    if (!again.ok()) Complain(std::string(Reason(again)));  // WatchServer() tries again
  }
  const size_t track = frame.video && plan_.audio ? 1 : 0;
  const int64_t time = pacer_.StreamTime(frame.time);
  constexpr int64_t kPerMillisecond = 1'000;
  if (frame.video) {
    constexpr int64_t kTicks = 90;
    if (!picture_) co_return absl::OkStatus();
    co_await publication_.Send(track, picture_->Packetize(frame.data, frame.key),
                               time * kTicks / kPerMillisecond);
    co_return absl::OkStatus();
  }
  constexpr int64_t kTicks = 48;
  const uint32_t samples = OpusSamples(frame.data);
  if (samples == 0) co_return absl::OkStatus();
  const int64_t ticks = sound_clock_.TimeOf(time * kTicks / kPerMillisecond, samples);
  std::vector<Payload> payloads;
  payloads.push_back(std::move(frame.data));
  co_await publication_.Send(track, std::move(payloads), ticks);
  co_return absl::OkStatus();
}

Task<void> Broadcast::ReportTimes() {
  constexpr std::chrono::milliseconds kInterval{1'000};
  constexpr std::chrono::milliseconds kSoon{10};
  for (;;) {
    const std::optional<int64_t> time = pacer_.StreamNow(Now());
    if (time && publication_.registered()) publication_.Report(*time, UnixMicroseconds());
    co_await Delay(time ? kInterval : kSoon);
  }
}

Task<void> Broadcast::WatchSpeed() {
  constexpr std::chrono::milliseconds kInterval{250};
  constexpr int64_t kReserve = 250 * kMillisecond;
  constexpr int64_t kLiveTolerance = 1'500 * kMillisecond;
  std::optional<int64_t> least_lag;
  uint64_t generation = encoder_.generation();
  for (;;) {
    co_await Delay(kInterval);
    const int64_t now = Now();
    if (encoder_.ended()) continue;
    if (encoder_.TakeWaited() || generation != encoder_.generation() ||
        !encoder_.first_frame_at() || standard_input_.starving()) {
      speed_.Reset();
      if (generation != encoder_.generation()) least_lag.reset();
      generation = encoder_.generation();
      continue;
    }
    const int64_t lag = now - encoder_.made();
    least_lag = std::min(least_lag.value_or(lag), lag);
    const std::optional<int64_t> shown = pacer_.MediaTime(now);
    const int64_t spare = live() ? kLiveTolerance - (lag - *least_lag)
                                 : encoder_.made() - shown.value_or(0) - kReserve;
    speed_.Add(now, encoder_.made(), spare);
    const std::optional<double> slow = speed_.TooSlow();
    if (!slow) continue;
    const Status status = StepDownOrSay(*slow);
    if (!status.ok()) Finish(kExitFailure, std::string(Reason(status)));
    speed_.Reset();
  }
}

Status Broadcast::StepDownOrSay(double speed) {
  const bool encodes = (plan_.video && !plan_.video->copy) || (plan_.audio && !plan_.audio->copy);
  if (!encodes) return absl::OkStatus();  // then it is the input that is slow
  const std::optional<Plan> next = options_.step_down && source_.kind != SourceKind::kPipe
                                       ? StepDown(plan_, speed)
                                       : std::nullopt;
  if (!next) {
    if (!said_slow_) {
      Complain(
          fmt::format("ffmpeg makes only {:.2f} s of {} a second: it stutters; --size, --rate "
                      "or --codec h264 ask for less",
                      speed, Describe(plan_)));
    }
    said_slow_ = true;
    return absl::OkStatus();
  }
  Say(fmt::format("this machine makes {:.2f} s of {} a second: from here on it is {}", speed,
                  Describe(plan_), Describe(*next)));
  plan_ = *next;
  return encoder_.Start(source_, info_, plan_);
}

Task<void> Broadcast::WatchServer() {
  constexpr std::chrono::milliseconds kSoon{100};
  constexpr int64_t kInterval = 2 * kSecond;
  constexpr int64_t kPatience = 500 * kMillisecond;
  constexpr int64_t kSilence = 10 * kSecond;
  bool away = false;
  bool said_silent = false;
  int64_t checked = Now();
  for (;;) {
    co_await Delay(kSoon);
    const int64_t since = Now() - checked;
    const bool due = since > kInterval || (since > kPatience && (publication_.refused() || away));
    if (!due || registering_) continue;
    checked = Now();
    const Publication::Presence presence = co_await publication_.Check();
    if (registering_) continue;
    if (presence == Publication::Presence::kUnreachable) {
      if (!away) Complain("the server does not answer: trying again until it does");
      away = true;
      continue;
    }
    if (presence == Publication::Presence::kGone) {
      // Who is thrown out again at once is not wanted.
      constexpr int64_t kUnwanted = 20 * kSecond;
      if (!away && Now() - last_registered_ < kUnwanted && said_again_) {
        Finish(kExitFailure, "the server has ended the broadcast");
        co_return;
      }
      const Status again = co_await RegisterAgain(away ? "the server is there again"
                                                       : "the server no longer has this broadcast");
      if (absl::IsPermissionDenied(again)) {
        Finish(kExitFailure, std::string(Reason(again)));
        co_return;
      }
      if (!again.ok() && !away) Complain(std::string(Reason(again)));
      away = !again.ok();
      said_again_ = again.ok();
      continue;
    }
    away = false;
    if (!said_silent && !publication_.heard() && Now() - last_registered_ > kSilence) {
      said_silent = true;
      Complain("nothing comes back from " + publication_.destination() +
               ": is UDP to it let through?");
    }
  }
}

Task<Status> Broadcast::RegisterAgain(const char* why) {
  registering_ = true;
  Status again = co_await publication_.Register(Specs());
  registering_ = false;
  if (again.ok()) {
    last_registered_ = Now();
    Say(std::string(why) + ": registered again");
  }
  co_return again;
}

Task<void> Broadcast::End() {
  constexpr std::chrono::milliseconds kJoin{500};
  (void)co_await done_.Wait();
  scope_.Cancel();
  encoder_.Kill();
  (void)co_await scope_.Join(kJoin);
  if (publication_.registered()) co_await publication_.Remove();
  if (started_) {
    const double seconds = static_cast<double>(Now() - began_) / kSecond;
    Say(fmt::format("ended after {:.1f} s: {} into room '{}'", began_ > 0 ? seconds : 0.0,
                    Describe(plan_), Printable(options_.room)));
  }
  context_->stop();
}

int RunBroadcast(const std::vector<std::string>& arguments, const Environment& environment) {
  Result<CommandLine> command = ReadCommandLine(arguments, environment);
  if (!command.ok()) {
    Complain(std::string(Reason(command.status())));
    return kExitWrong;
  }
  if (command->print) {
    std::fputs(command->print->c_str(), stdout);
    return 0;
  }
  Options options = std::move(command->options);
  Result<ServerUrl> url = ParseServerUrl(options.url);
  if (!url.ok()) {
    Complain(std::string(Reason(url.status())));
    return kExitWrong;
  }
  auto rest = RestClient::Make({*std::move(url), options.token, options.ca_file});
  if (!rest.ok()) {
    Complain(std::string(Reason(rest.status())));
    return kExitWrong;
  }
  ::signal(SIGPIPE, SIG_IGN);
  asio::io_context context(1);
  Broadcast broadcast(&context, std::move(options), *std::move(rest));
  return broadcast.Run();
}

}  // namespace sluice::controller::broadcast
