#include "controller/worker/worker_pool.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "controller/ops/logging.h"
#include "controller/worker/gate.h"
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

/// One worker of the pool through all its lives.
class WorkerPool::Slot : public std::enable_shared_from_this<Slot>, public ChannelEvents {
 public:
  Slot(WorkerPool* pool, int index) : pool_(pool), index_(index), stop_(pool->executor_) {}

  const std::shared_ptr<MediaWorker>& worker() const { return worker_; }
  bool finished() const { return finished_; }

  Task<void> Run() {
    const auto self = shared_from_this();
    while (!stopping_) {
      const Clock::time_point started = Clock::now();
      co_await LiveOnce();
      if (stopping_) break;
      const auto lived = std::chrono::duration_cast<milliseconds>(Clock::now() - started);
      co_await stop_.Wait(backoff_.Next(lived));
    }
    finished_ = true;
  }

  void Stop() {
    stopping_ = true;
    stop_.Open();
    if (channel_) channel_->Notify(FBS::Notification::Event::WORKER_CLOSE, "");
  }

  void OnNotification(const FBS::Notification::Notification& notification) override {
    if (notification.event() == FBS::Notification::Event::WORKER_RUNNING) {
      if (started_ && notification.handler_id()->string_view() == ready_id_) started_->Open();
      return;
    }
    if (candidate_) candidate_->Dispatch(notification);
  }

  void OnLog(char level, std::string_view text) override {
    switch (level) {
      case 'D':
        spdlog::debug("worker {}: {}", index_, text);
        break;
      case 'W':
        spdlog::warn("worker {}: {}", index_, text);
        break;
      case 'E':
        spdlog::error("worker {}: {}", index_, text);
        break;
      default:
        spdlog::info("worker {}: {}", index_, text);
    }
  }

  void OnUnresponsive() override {
    spdlog::error("worker {}: no answer to a request in {} ms, ending it", index_,
                  WorkerChannel::kRequestTimeout.count());
    if (handle_) handle_->Kill();
  }

  void OnChannelClosed(const std::string& why) override {
    end_reason_ = why;
    if (started_) started_->Open();
    if (ended_) ended_->Open();
  }

 private:
  /// One life: launch, ready, end. Returns when the worker is gone.
  Task<void> LiveOnce() {
    Result<LaunchedWorker> launched = pool_->launcher_->Launch(index_);
    if (!launched.ok()) {
      spdlog::error("worker {}: {}", index_, Reason(launched.status()));
      co_return;
    }
    started_ = std::make_shared<Gate>(pool_->executor_);
    ended_ = std::make_shared<Gate>(pool_->executor_);
    ready_id_ = launched->ready_id;
    handle_ = std::move(launched->handle);
    channel_ = std::make_shared<WorkerChannel>(pool_->executor_, launched->read_fd,
                                               launched->write_fd, this);
    candidate_ = std::make_shared<MediaWorker>(index_, channel_);
    channel_->Start();
    if (stopping_) channel_->Notify(FBS::Notification::Event::WORKER_CLOSE, "");

    const bool ready = co_await started_->Wait(kStartTimeout);
    if (!ready) {
      spdlog::error("worker {}: not ready after {} ms, ending it", index_, kStartTimeout.count());
      handle_->Kill();
    } else if (!channel_->closed()) {
      co_await MakeServer();
      if (!channel_->closed()) {
        worker_ = candidate_;
        spdlog::info("worker {} ready (pid {})", index_, ready_id_);
      }
    }
    co_await ended_->Wait();
    const std::string how = co_await handle_->WaitForExit();
    Bury(how);
  }

  void Bury(const std::string& how) {
    if (stopping_) {
      spdlog::info("worker {} ended: {}", index_, how);
    } else {
      spdlog::error("worker {} (pid {}) died: {} ({})", index_, ready_id_, how, end_reason_);
    }
    const std::shared_ptr<MediaWorker> dead = std::exchange(worker_, nullptr);
    candidate_.reset();
    channel_.reset();
    handle_.reset();
    if (dead && pool_->on_died_ && !stopping_) pool_->on_died_(dead);
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
    spdlog::error(
        "worker {}: cannot listen on RTC port {}: {}; its transports use the port range instead",
        index_, port, Reason(made));
  }

  WorkerPool* pool_;
  int index_;
  RespawnBackoff backoff_;
  bool stopping_ = false;
  Gate stop_;  ///< wakes the back-off
  bool finished_ = false;
  std::string ready_id_;
  std::string end_reason_;
  std::shared_ptr<Gate> started_;
  std::shared_ptr<Gate> ended_;
  std::unique_ptr<WorkerHandle> handle_;
  std::shared_ptr<WorkerChannel> channel_;
  std::shared_ptr<MediaWorker> candidate_;  ///< from launch on
  std::shared_ptr<MediaWorker> worker_;     ///< once ready
};

WorkerPool::WorkerPool(const asio::any_io_executor& executor, WorkerLauncher* launcher,
                       Options options)
    : executor_(executor), launcher_(launcher), options_(std::move(options)) {}

WorkerPool::~WorkerPool() = default;

void WorkerPool::Start() {
  for (int index = 0; index < options_.workers; ++index) {
    slots_.push_back(std::make_shared<Slot>(this, index));
    Spawn(executor_, slots_.back()->Run());
  }
}

std::shared_ptr<MediaWorker> WorkerPool::LeastLoaded() {
  std::shared_ptr<MediaWorker> best;
  size_t best_slot = 0;
  for (size_t step = 0; step < slots_.size(); ++step) {
    const size_t slot = (next_slot_ + step) % slots_.size();
    const std::shared_ptr<MediaWorker>& worker = slots_[slot]->worker();
    if (!worker || !worker->alive()) continue;
    if (!best || worker->room_count < best->room_count) {
      best = worker;
      best_slot = slot;
    }
  }
  if (best) next_slot_ = (best_slot + 1) % slots_.size();
  return best;
}

Task<Result<std::shared_ptr<MediaWorker>>> WorkerPool::Acquire() {
  constexpr milliseconds kStep{20};
  for (milliseconds waited{0}; waited < kAcquireTimeout; waited += kStep) {
    if (std::shared_ptr<MediaWorker> worker = LeastLoaded()) co_return worker;
    co_await Delay(kStep);
  }
  co_return absl::UnavailableError("no media worker is running");
}

Task<void> WorkerPool::Stop() {
  constexpr milliseconds kStep{10};
  constexpr milliseconds kLimit{3'000};
  for (const auto& slot : slots_) slot->Stop();
  for (milliseconds waited{0}; waited < kLimit; waited += kStep) {
    if (std::all_of(slots_.begin(), slots_.end(),
                    [](const auto& slot) { return slot->finished(); })) {
      break;
    }
    co_await Delay(kStep);
  }
}

int WorkerPool::ready_count() const {
  return static_cast<int>(std::count_if(slots_.begin(), slots_.end(), [](const auto& slot) {
    return slot->worker() && slot->worker()->alive();
  }));
}

}  // namespace sluice::controller
