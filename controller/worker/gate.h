#pragma once

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>

#include "controller/worker/task.h"

namespace sluice::controller {

/// Something that happens once and that coroutines wait for. Must outlive its waiters.
class Gate {
 public:
  explicit Gate(const asio::any_io_executor& executor)
      : timer_(executor, asio::steady_timer::time_point::max()) {}

  bool open() const { return open_; }

  void Open() {
    open_ = true;
    timer_.cancel();
  }

  /// True once open, false when `limit` passes first. One waiter at a time.
  Task<bool> Wait(std::chrono::milliseconds limit) {
    if (!open_) {
      timer_.expires_after(limit);
      co_await Sleep();
    }
    co_return open_;
  }

  Task<void> Wait() {
    if (!open_) {
      timer_.expires_at(asio::steady_timer::time_point::max());
      co_await Sleep();
    }
  }

 private:
  Task<void> Sleep() {
    boost::system::error_code ignored;
    co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }

  asio::steady_timer timer_;
  bool open_ = false;
};

/// Suspends the calling coroutine.
inline Task<void> Delay(std::chrono::milliseconds duration) {
  asio::steady_timer timer(co_await asio::this_coro::executor, duration);
  boost::system::error_code ignored;
  co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

}  // namespace sluice::controller
