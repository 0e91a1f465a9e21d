#include "controller/base/event.h"

#include <absl/functional/any_invocable.h>

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <list>
#include <optional>
#include <utility>

namespace sluice::controller {

namespace {
constexpr std::chrono::milliseconds kNoLimit = std::chrono::milliseconds::max();
}  // namespace

/// One suspended coroutine. Resumed once: `resume` is empty afterwards.
struct Event::Waiter {
  absl::AnyInvocable<void()> resume;
  std::optional<asio::steady_timer> limit;
  std::list<std::shared_ptr<Waiter>>::iterator place;
};

struct Event::State : std::enable_shared_from_this<State> {
  explicit State(asio::any_io_executor on) : executor(std::move(on)) {}

  void Resume(const std::shared_ptr<Waiter>& waiter) {
    if (!waiter->resume) return;
    waiters.erase(waiter->place);
    waiter->limit.reset();
    asio::post(executor, std::exchange(waiter->resume, nullptr));
  }

  void ResumeAll() {
    while (!waiters.empty()) {
      const std::shared_ptr<Waiter> first = waiters.front();
      Resume(first);
    }
  }

  void Add(absl::AnyInvocable<void()> resume, asio::cancellation_slot cancelled,
           std::chrono::milliseconds limit) {
    const auto waiter = std::make_shared<Waiter>();
    waiter->resume = std::move(resume);
    waiter->place = waiters.insert(waiters.end(), waiter);
    const std::weak_ptr<State> self = weak_from_this();
    const std::weak_ptr<Waiter> weak = waiter;
    const auto give_up = [self, weak] {
      const auto state = self.lock();
      const auto waiting = weak.lock();
      if (state && waiting) state->Resume(waiting);
    };
    if (cancelled.is_connected()) {
      cancelled.assign([give_up](asio::cancellation_type /*type*/) { give_up(); });
    }
    if (limit == kNoLimit) return;
    waiter->limit.emplace(executor, limit);
    waiter->limit->async_wait([give_up](const boost::system::error_code& error) {
      if (!error) give_up();
    });
  }

  asio::any_io_executor executor;
  bool happened = false;
  bool abandoned = false;
  std::list<std::shared_ptr<Waiter>> waiters;  // in order of arrival
};

Event::Event(const asio::any_io_executor& executor) : state_(std::make_shared<State>(executor)) {}

Event::~Event() {
  if (!state_) return;  // moved from
  state_->abandoned = true;
  state_->ResumeAll();
}

bool Event::happened() const { return state_->happened; }

void Event::Fire() {
  state_->happened = true;
  state_->ResumeAll();
}

Task<bool> Event::Wait() const { return WaitFor(state_, kNoLimit); }

Task<bool> Event::Wait(std::chrono::milliseconds limit) const { return WaitFor(state_, limit); }

Task<bool> Event::WaitFor(std::shared_ptr<State> state, std::chrono::milliseconds limit) {
  if (!state->happened && !state->abandoned) {
    // Captures nothing that has a destructor: g++ 12 destroys a temporary of the operand of
    // co_await twice. This frame holds the state.
    State* const held = state.get();
    const auto suspend = [held, limit](auto handler) {
      const asio::cancellation_slot slot = asio::get_associated_cancellation_slot(handler);
      held->Add(std::move(handler), slot, limit);
    };
    co_await asio::async_initiate<const asio::use_awaitable_t<>&, void()>(suspend,
                                                                          asio::use_awaitable);
  }
  co_return state->happened;
}

}  // namespace sluice::controller
