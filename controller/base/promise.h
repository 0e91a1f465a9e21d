#pragma once

#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <utility>

#include "controller/base/event.h"
#include "controller/base/task.h"

namespace sluice::controller {

/// A value that comes once, for any number of coroutines, each of which gets a copy. Copies of a
/// promise are the same promise.
template <typename T>
class Promise {
 public:
  explicit Promise(const asio::any_io_executor& executor)
      : state_(std::make_shared<State>(executor)) {}

  bool has_value() const { return state_->value.has_value(); }

  /// Gives the value and wakes who waits; the second time does nothing.
  void Set(T value) const {
    if (state_->value) return;
    state_->value = std::move(value);
    state_->set.Fire();
  }

  /// The value. Waits for ever when it never comes: whoever owns the other end sets it in all
  /// cases.
  Task<T> Wait() const { return WaitUnlimited(state_); }
  /// nullopt when `limit` passes first.
  Task<std::optional<T>> Wait(std::chrono::milliseconds limit) const {
    return WaitLimited(state_, limit);
  }

 private:
  struct State {
    explicit State(const asio::any_io_executor& executor) : set(executor) {}
    Event set;
    std::optional<T> value;
  };
  static Task<T> WaitUnlimited(std::shared_ptr<State> state) {
    co_await state->set.Wait();
    // Without a value the waiter was cancelled (TaskScope): it is unwound as Asio does it.
    if (!state->value) throw boost::system::system_error(asio::error::operation_aborted);
    co_return *state->value;
  }
  static Task<std::optional<T>> WaitLimited(std::shared_ptr<State> state,
                                            std::chrono::milliseconds limit) {
    co_await state->set.Wait(limit);
    co_return state->value;
  }

  std::shared_ptr<State> state_;
};

}  // namespace sluice::controller
