#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "worker/core/environment.h"

namespace sluice::worker {

/// The world of a test: a clock that moves only when told to, timers in exact order, random bytes
/// from a seed. The same seed and the same calls give the same run, whatever the machine.
///
/// Time starts at kStart, not at zero, so that code that takes Timestamp() for "never" is not
/// lucky. Events of one moment run in the order in which they were armed. After each event the turn
/// ends: hooks of AtTurnEnd() run in the order of their stage, as the loop of `io/` does it.
class VirtualEnvironment final : public Environment {
 public:
  static constexpr Timestamp kStart = Timestamp::Millis(1'000'000);
  /// Time of day at kStart: 2026-01-01T00:00:00Z in microseconds since 1900.
  static constexpr int64_t kNtpStartUs = 3'976'214'400LL * 1'000'000;
  static constexpr Duration kTimerFloor = Duration::Millis(1);  // as Timer::Start promises

  /// Order of the hooks at the end of a turn.
  enum class TurnStage : uint8_t { kEngine, kWriters };

  explicit VirtualEnvironment(uint64_t seed = 1) : random_state_(seed) {}

  Timestamp Now() const override { return now_; }
  NtpTime NtpNow() const override {
    return NtpTime::FromMicros(kNtpStartUs + (now_ - kStart).us());
  }
  std::unique_ptr<Timer> CreateTimer(std::function<void(Timestamp)> on_expiry) override {
    return std::make_unique<VirtualTimer>(*this, std::move(on_expiry));
  }
  void RandomBytes(std::span<uint8_t> out) override {
    for (uint8_t& byte : out) byte = static_cast<uint8_t>(NextRandom() >> 56);
  }

  /// Runs `event` once, `delay` from now (zero allowed: after the current event).
  void Schedule(Duration delay, std::function<void()> event) {
    queue_.emplace(Key{now_ + std::max(delay, Duration::Zero()), next_order_++},
                   Entry{nullptr, std::move(event)});
  }
  /// Calls `hook` after every event, and before time moves on: Engine::OnTurnEnd, a writer's flush.
  void AtTurnEnd(TurnStage stage, std::function<void(Timestamp)> hook) {
    hooks_[static_cast<size_t>(stage)].push_back(std::move(hook));
  }
  /// Ends the turn of what the test itself has called.
  void EndTurn() {
    for (auto& stage : hooks_) {
      for (size_t i = 0; i < stage.size(); ++i) stage[i](now_);
    }
  }

  /// Runs everything that is due up to `end`, then stands at `end`.
  void AdvanceTo(Timestamp end) {
    EndTurn();
    while (!queue_.empty() && queue_.begin()->first.first <= end) RunFirst();
    now_ = std::max(now_, end);
  }
  void AdvanceBy(Duration duration) { AdvanceTo(now_ + duration); }
  /// Runs the next event, moving the clock to it. False when nothing is armed.
  bool RunNext() {
    EndTurn();
    if (queue_.empty()) return false;
    RunFirst();
    return true;
  }
  /// Runs events until `done` says so; false when `limit` has passed first.
  bool AdvanceUntil(const std::function<bool()>& done, Duration limit) {
    const Timestamp end = now_ + limit;
    EndTurn();
    while (!done()) {
      if (queue_.empty() || queue_.begin()->first.first > end) {
        now_ = std::max(now_, end);
        return false;
      }
      RunFirst();
    }
    return true;
  }

  /// Armed timers and scheduled events.
  size_t pending() const { return queue_.size(); }

 private:
  class VirtualTimer;
  using Key = std::pair<Timestamp, uint64_t>;
  struct Entry {
    VirtualTimer* timer = nullptr;
    std::function<void()> event;
  };

  class VirtualTimer final : public Timer {
   public:
    VirtualTimer(VirtualEnvironment& environment, std::function<void(Timestamp)> on_expiry)
        : environment_(environment),
          on_expiry_(std::make_shared<std::function<void(Timestamp)>>(std::move(on_expiry))) {}
    ~VirtualTimer() override { Stop(); }

    void Start(Duration delay) override {
      Stop();
      // An endless delay must not wrap round into the past.
      constexpr Duration kFarthest = Duration::Seconds(100'000'000);
      const Duration bounded = std::clamp(delay, kTimerFloor, kFarthest);
      key_ = Key{environment_.now_ + bounded, environment_.next_order_++};
      environment_.queue_.emplace(key_, Entry{this, nullptr});
      armed_ = true;
    }
    void Stop() override {
      if (armed_) environment_.queue_.erase(key_);
      armed_ = false;
    }
    bool armed() const override { return armed_; }

    void Fire() {
      armed_ = false;
      const auto callback = on_expiry_;  // the callback may destroy this timer
      (*callback)(environment_.now_);
    }

   private:
    VirtualEnvironment& environment_;
    std::shared_ptr<std::function<void(Timestamp)>> on_expiry_;
    Key key_;
    bool armed_ = false;
  };

  void RunFirst() {
    const auto first = queue_.begin();
    now_ = std::max(now_, first->first.first);
    const Entry entry = std::move(first->second);
    queue_.erase(first);
    if (entry.timer != nullptr) {
      entry.timer->Fire();
    } else {
      entry.event();
    }
    EndTurn();
  }

  // SplitMix64 (public domain algorithm by S. Vigna): well distributed for any seed.
  uint64_t NextRandom() {
    random_state_ += 0x9E3779B97F4A7C15u;
    uint64_t z = random_state_;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }

  Timestamp now_ = kStart;
  uint64_t random_state_;
  uint64_t next_order_ = 0;
  std::map<Key, Entry> queue_;
  std::vector<std::function<void(Timestamp)>> hooks_[2];
};

}  // namespace sluice::worker
