#pragma once

#include <uv.h>

#include <functional>
#include <memory>
#include <span>

#include "common/status.h"
#include "common/units.h"
#include "worker/core/environment.h"
#include "worker/io/clock.h"
#include "worker/io/timer_queue.h"

namespace sluice::worker {

/// The worker's libuv loop and its only Environment.
///
/// A *turn* is what one return of epoll or one expiry of the alarm causes. At its end, after all
/// callbacks of it, the turn-end hook runs (route, encrypt, flush): what I/O, timers or channel
/// commands queued leaves in the same turn, and nothing waits for a timer to be sent.
/// Single-threaded. Must outlive every FdWatcher and Timer made on it.
class Loop final : public Environment, private TimerHost {
 public:
  static Result<std::unique_ptr<Loop>> Create();
  ~Loop() override;
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Environment
  Timestamp Now() const override;
  NtpTime NtpNow() const override;
  std::unique_ptr<Timer> CreateTimer(std::function<void(Timestamp)> on_expiry) override;
  void RandomBytes(std::span<uint8_t> out) override;

  /// Called at the end of each turn in which anything happened, with its Now().
  void SetTurnEnd(std::function<void(Timestamp)> on_turn_end);
  /// Runs until Stop(); returns at once when that was called before.
  void Run();
  /// Waits for something to happen and handles it: one turn, or two when a timer and a
  /// descriptor are ready together.
  void RunOnce();
  /// As RunOnce() without waiting: only what is ready already.
  void RunReady();
  /// Run() returns after the turn-end hook of the current turn.
  void Stop();

  /// Reads both clocks and moves Now() forward to this moment: within a long turn each batch of
  /// datagrams gets its own time. Now() never goes back.
  ClockReading AdvanceClock();
  /// Says that the current turn has work that its end must see. FdWatcher and timers do this.
  void NoteWork() { turn_has_work_ = true; }
  uv_loop_t* uv() { return &loop_; }

 private:
  Loop();
  Status Init();
  void EndTurn();
  void OnAlarm();
  // TimerHost
  Timestamp TimerNow() const override { return Now(); }
  void WakeAt(Timestamp deadline) override;

  uv_loop_t loop_{};
  uv_timer_t alarm_{};
  uv_check_t after_poll_{};
  uv_prepare_t before_poll_{};
  bool initialised_ = false;
  TimerQueue timers_;
  std::optional<Timestamp> alarm_deadline_;
  std::function<void(Timestamp)> on_turn_end_;
  bool turn_has_work_ = true;  // what start-up queued leaves in the first turn
  bool stopped_ = false;
  mutable Timestamp now_;
  mutable bool now_valid_ = false;
  int64_t ntp_offset_us_ = 0;  // Now() + this = microseconds since 1900
};

}  // namespace sluice::worker
