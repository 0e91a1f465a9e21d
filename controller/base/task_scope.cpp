#include "controller/base/task_scope.h"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/system/system_error.hpp>
#include <exception>
#include <list>
#include <utility>
#include <vector>

#include "controller/base/event.h"

namespace sluice::controller {

void Spawn(const asio::any_io_executor& executor, Task<void> task) {
  asio::co_spawn(executor, std::move(task), [](const std::exception_ptr& failure) {
    if (failure) std::rethrow_exception(failure);
  });
}

struct TaskScope::Running {
  asio::cancellation_signal cancel;
};

struct TaskScope::State {
  explicit State(asio::any_io_executor on) : executor(std::move(on)) {}
  asio::any_io_executor executor;
  bool cancelled = false;
  std::list<std::shared_ptr<Running>> tasks;
  std::vector<std::shared_ptr<Event>> joiners;
};

TaskScope::TaskScope(const asio::any_io_executor& executor)
    : state_(std::make_shared<State>(executor)) {}

TaskScope::~TaskScope() { Cancel(); }

void TaskScope::Spawn(Task<void> task) {
  if (state_->cancelled) return;
  const auto place = state_->tasks.insert(state_->tasks.end(), std::make_shared<Running>());
  const auto ended = [state = state_, place, running = *place](const std::exception_ptr& failure) {
    state->tasks.erase(place);
    if (state->tasks.empty()) {
      for (const auto& joiner : std::exchange(state->joiners, {})) joiner->Fire();
    }
    if (!failure) return;
    try {
      std::rethrow_exception(failure);
    } catch (const boost::system::system_error& error) {
      // How Asio unwinds a coroutine that was cancelled.
      if (!state->cancelled || error.code() != asio::error::operation_aborted) throw;
    }
  };
  asio::co_spawn(state_->executor, std::move(task),
                 asio::bind_cancellation_slot((*place)->cancel.slot(), ended));
}

void TaskScope::Cancel() {
  if (std::exchange(state_->cancelled, true)) return;
  // Posted: a task that cancels its own scope must have been suspended before it can be ended.
  asio::post(state_->executor, [state = state_] {
    const auto tasks = state->tasks;
    for (const auto& task : tasks) task->cancel.emit(asio::cancellation_type::terminal);
  });
}

Task<bool> TaskScope::Join(std::chrono::milliseconds limit) {
  const auto state = state_;
  if (state->tasks.empty()) co_return true;
  const auto ended = std::make_shared<Event>(state->executor);
  state->joiners.push_back(ended);
  co_return co_await ended->Wait(limit);
}

size_t TaskScope::size() const { return state_->tasks.size(); }

}  // namespace sluice::controller
