#include "controller/worker/worker_pool.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "controller/base/delay.h"
#include "controller/base/log.h"
#include "controller/base/logging.h"
#include "controller/worker/worker_channel.h"

namespace sluice::controller {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

milliseconds RespawnBackoff::Next(milliseconds lived) {
  if (lived >= kHealthyLife) next_ = kFirst;
  const milliseconds delay = next_;
  next_ = std::min(next_ * 2, kMax);
  return delay;
}

namespace {

/// Longest line of a worker's log that is kept; packet traces are long.
constexpr size_t kMaxWorkerLine = 4'096;  // bytes

/// As WorkerHandle::WaitForExit() says it.
constexpr const char* kNormalExit = "exit code 0";

/// Of a log line on the channel, by its letter there.
LogSeverity SeverityOf(char level) {
  switch (level) {
    case 'D':
      return LogSeverity::kDebug;
    case 'W':
      return LogSeverity::kWarn;
    case 'E':
      return LogSeverity::kError;
    default:
      return LogSeverity::kInfo;
  }
}

}  // namespace

/// One worker of the pool through all its lives.
class WorkerPool::Slot : public std::enable_shared_from_this<Slot>, public ChannelEvents {
 public:
  Slot(WorkerPool* pool, int index) : pool_(pool), index_(index), stop_(pool->executor_) {}

  const std::shared_ptr<MediaWorker>& worker() const { return worker_; }

  /// Adds what the pipe of this life has counted.
  void AddTo(ChannelCounters* counters) const {
    if (!channel_) return;
    counters->invalid_frames += channel_->invalid_frames();
  }

  static Task<void> Run(std::shared_ptr<Slot> self) {
    while (!self->EndIsExpected()) {
      const Clock::time_point started = Clock::now();
      co_await self->LiveOnce();
      if (self->EndIsExpected()) break;
      const auto lived = std::chrono::duration_cast<milliseconds>(Clock::now() - started);
      co_await self->stop_.Wait(self->backoff_.Next(lived));
    }
  }

  const std::shared_ptr<WorkerChannel>& channel() const { return channel_; }

  void Stop() {
    stop_.Fire();
    if (channel_) channel_->Notify(FBS::Notification::Event::WORKER_CLOSE, "");
  }

  /// Lets go of everything: the pool is going, the loop runs no more.
  void Abandon() {
    stop_.Fire();
    if (channel_) channel_->Close();
    started_.reset();
    ended_.reset();
  }

  void OnNotification(const FBS::Notification::Notification& notification) override {
    if (notification.event() == FBS::Notification::Event::WORKER_RUNNING) {
      if (started_ && notification.handler_id()->string_view() == ready_id_) started_->Fire();
      return;
    }
    if (candidate_) candidate_->Dispatch(notification);
  }

  void OnLog(char level, std::string_view text) override {
    LogText(SeverityOf(level), "worker " + std::to_string(index_) + ": ", text, kMaxWorkerLine);
  }

  void OnAnswer() override { liveness_.OnAnswer(); }

  void OnChannelClosed(const std::string& why) override {
    end_reason_ = why;
    if (started_) started_->Fire();
    if (ended_) ended_->Fire();
  }

 private:
  /// One life: launch, ready, end. Returns when the worker is gone.
  Task<void> LiveOnce() {
    Result<LaunchedWorker> launched = pool_->launcher_->Launch(index_);
    if (!launched.ok()) {
      const std::string why(Reason(launched.status()));
      LogError("worker {}: {}", index_, why);
      pool_->OnStartFailed(++failed_starts_, why);
      co_return;
    }
    started_.emplace(pool_->executor_);
    ended_.emplace(pool_->executor_);
    ready_id_ = launched->ready_id;
    handle_ = std::move(launched->handle);
    channel_ = std::make_shared<WorkerChannel>(pool_->executor_, launched->read_fd,
                                               launched->write_fd, this, pool_->options_.channel);
    candidate_ = std::make_shared<MediaWorker>(index_, channel_);
    channel_->Start();
    if (stop_.happened()) channel_->Notify(FBS::Notification::Event::WORKER_CLOSE, "");

    const bool started = co_await started_->Wait(kStartTimeout);
    if (!started) {
      LogError("worker {}: not ready after {} ms, ending it", index_, kStartTimeout.count());
      handle_->Kill();
    } else if (!channel_->closed()) {
      liveness_ = LivenessProbe(pool_->options_.max_unanswered);
      TaskScope watch(pool_->executor_);
      watch.Spawn(Watch(shared_from_this(), channel_));
      co_await MakeServer();
      if (!channel_->closed()) {
        worker_ = candidate_;
        failed_starts_ = 0;
        LogInfo("worker {} ready (pid {})", index_, ready_id_);
        pool_->OnReady();
      }
      co_await ended_->Wait();  // inside, so that the watch lasts as long
    }
    co_await ended_->Wait();
    const std::string how = co_await handle_->WaitForExit();
    // Who ends us, by Ctrl-C or as a supervisor does, often tells the workers as well, and they are
    // quicker: such an end is a normal one.
    constexpr milliseconds kWord{200};
    if (how == kNormalExit && !EndIsExpected()) co_await stop_.Wait(kWord);
    Bury(how);
  }

  /// Looks after one life until its scope ends.
  static Task<void> Watch(std::shared_ptr<Slot> self, std::shared_ptr<WorkerChannel> channel) {
    while (!channel->closed()) {
      co_await Delay(self->pool_->options_.probe_period);
      if (channel->closed()) co_return;
      channel->Tick();
      switch (self->liveness_.OnTick()) {
        case LivenessProbe::Verdict::kAlive:
          break;
        case LivenessProbe::Verdict::kAsk:
          channel->Probe();
          break;
        case LivenessProbe::Verdict::kDead:
          LogError(
              "worker {}: no sign of life for {} probe periods, ending it (workerSilenceTimeout)",
              self->index_, self->pool_->options_.max_unanswered);
          ++self->pool_->unresponsive_;
          self->handle_->Kill();
          co_return;
      }
    }
  }

  bool EndIsExpected() const { return stop_.happened() || pool_->ending_; }

  void Bury(const std::string& how) {
    const bool asked = EndIsExpected();
    if (asked) {
      LogInfo("worker {} ended: {}", index_, how);
    } else if (how == kNormalExit) {
      LogWarn("worker {} (pid {}) was ended by somebody else: it is started again", index_,
              ready_id_);
    } else {
      LogError("worker {} (pid {}) died: {} ({})", index_, ready_id_, how, end_reason_);
    }
    const std::shared_ptr<MediaWorker> dead = std::exchange(worker_, nullptr);
    candidate_.reset();
    AddTo(&pool_->closed_channels_);
    pool_->past_refused_ += channel_->refused_requests();
    pool_->past_timed_out_ += channel_->timed_out_requests();
    channel_.reset();
    const std::string words = handle_->LastWords();
    handle_.reset();
    if (asked) return;
    if (!dead) {
      pool_->OnStartFailed(++failed_starts_, words.empty() ? how : how + ": " + words);
      return;
    }
    ++pool_->deaths_;
    if (pool_->on_died_) pool_->on_died_(dead);
  }

  Task<void> MakeServer() {
    if (pool_->options_.server_listen.empty()) co_return;
    std::vector<ListenAddress> listen = pool_->options_.server_listen;
    for (ListenAddress& address : listen) {
      address.port = static_cast<uint16_t>(address.port + index_);
    }
    const std::string id = "server-" + ready_id_;
    const uint16_t port = listen.front().port;
    const Status made = co_await candidate_->CreateWebRtcServer(id, std::move(listen));
    if (made.ok()) {
      candidate_->set_webrtc_server_id(id);
      co_return;
    }
    LogError(
        "worker {}: cannot listen on RTC port {}: {}; its transports use the port range instead "
        "(ss -lntup names who has the port; rtcPort chooses another)",
        index_, port, Reason(made));
  }

  WorkerPool* pool_;
  int index_;
  RespawnBackoff backoff_;
  LivenessProbe liveness_;
  Event stop_;             ///< ends the lives; wakes the back-off
  int failed_starts_ = 0;  ///< since a worker was ready here
  std::string ready_id_;
  std::string end_reason_;
  std::optional<Event> started_;
  std::optional<Event> ended_;
  std::unique_ptr<WorkerHandle> handle_;
  std::shared_ptr<WorkerChannel> channel_;
  std::shared_ptr<MediaWorker> candidate_;  ///< from launch on
  std::shared_ptr<MediaWorker> worker_;     ///< once ready
};

WorkerPool::WorkerPool(const asio::any_io_executor& executor, WorkerLauncher* launcher,
                       Options options)
    : executor_(executor),
      launcher_(launcher),
      options_(std::move(options)),
      became_ready_(std::make_shared<Event>(executor)),
      lives_(executor) {}

WorkerPool::~WorkerPool() {
  became_ready_->Fire();
  for (const auto& slot : slots_) slot->Abandon();
}

void WorkerPool::Start() {
  for (int index = 0; index < options_.workers; ++index) {
    slots_.push_back(std::make_shared<Slot>(this, index));
    lives_.Spawn(Slot::Run(slots_.back()));
  }
}

void WorkerPool::OnReady() {
  was_ready_ = true;
  const auto waiting = std::exchange(became_ready_, std::make_shared<Event>(executor_));
  waiting->Fire();
}

void WorkerPool::OnStartFailed(int failures, const std::string& why) {
  if (was_ready_ || failures < kMaxFirstFailures || !on_hopeless_) return;
  std::exchange(on_hopeless_, nullptr)(why);
}

std::shared_ptr<MediaWorker> WorkerPool::LeastLoaded() {
  std::shared_ptr<MediaWorker> best;
  size_t best_slot = 0;
  for (size_t step = 0; step < slots_.size(); ++step) {
    const size_t slot = (next_slot_ + step) % slots_.size();
    const std::shared_ptr<MediaWorker>& worker = slots_[slot]->worker();
    if (!worker || !worker->alive()) continue;
    if (!best || worker->room_count() < best->room_count()) {
      best = worker;
      best_slot = slot;
    }
  }
  if (best) next_slot_ = (best_slot + 1) % slots_.size();
  return best;
}

Task<Result<std::shared_ptr<MediaWorker>>> WorkerPool::Acquire() {
  const Clock::time_point until = Clock::now() + options_.acquire_timeout;
  for (;;) {
    if (std::shared_ptr<MediaWorker> worker = LeastLoaded()) co_return worker;
    const auto left = std::chrono::ceil<milliseconds>(until - Clock::now());
    if (left <= milliseconds(0)) break;
    const std::shared_ptr<Event> became_ready = became_ready_;
    co_await became_ready->Wait(left);
  }
  ++waited_in_vain_;
  co_return absl::UnavailableError("no media worker is running (workerWaitTimeout)");
}

uint64_t WorkerPool::refused_requests() const {
  uint64_t sum = past_refused_;
  for (const auto& slot : slots_) {
    if (slot->channel()) sum += slot->channel()->refused_requests();
  }
  return sum;
}

uint64_t WorkerPool::timed_out_requests() const {
  uint64_t sum = past_timed_out_;
  for (const auto& slot : slots_) {
    if (slot->channel()) sum += slot->channel()->timed_out_requests();
  }
  return sum;
}

Task<void> WorkerPool::Stop() {
  constexpr milliseconds kLimit{3'000};
  for (const auto& slot : slots_) slot->Stop();
  co_await lives_.Join(kLimit);
}

int WorkerPool::ready_count() const {
  return static_cast<int>(std::count_if(slots_.begin(), slots_.end(), [](const auto& slot) {
    return slot->worker() && slot->worker()->alive();
  }));
}

WorkerPool::ChannelCounters WorkerPool::channel_counters() const {
  ChannelCounters counters = closed_channels_;
  for (const auto& slot : slots_) slot->AddTo(&counters);
  return counters;
}

std::vector<std::shared_ptr<MediaWorker>> WorkerPool::ReadyWorkers() const {
  std::vector<std::shared_ptr<MediaWorker>> ready;
  for (const auto& slot : slots_) {
    if (slot->worker() && slot->worker()->alive()) ready.push_back(slot->worker());
  }
  return ready;
}

}  // namespace sluice::controller
