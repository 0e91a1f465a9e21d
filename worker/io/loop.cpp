#include "worker/io/loop.h"

#include <openssl/rand.h>
#include <sys/random.h>

#include <algorithm>
#include <utility>

namespace sluice::worker {

namespace {
constexpr int64_t kNtpEpochSeconds = 2'208'988'800;  // 1900 to 1970 (RFC 5905 §6)

/// Not from OpenSSL's generator but from the kernel's: for the case that the former fails.
void KernelRandomBytes(std::span<uint8_t> out) {
  while (!out.empty()) {
    const ssize_t got = getrandom(out.data(), out.size(), 0);
    if (got > 0) out = out.subspan(static_cast<size_t>(got));
  }
}
}  // namespace

Result<std::unique_ptr<Loop>> Loop::Create() {
  std::unique_ptr<Loop> loop(new Loop);
  SLUICE_RETURN_IF_ERROR(loop->Init());
  return loop;
}

Loop::Loop() : timers_(*this) {}

Status Loop::Init() {
  if (const int rc = uv_loop_init(&loop_); rc != 0) {
    return Error(std::string("cannot create the event loop: ") + uv_strerror(rc));
  }
  initialised_ = true;
  uv_timer_init(&loop_, &alarm_);
  uv_check_init(&loop_, &after_poll_);
  uv_prepare_init(&loop_, &before_poll_);
  alarm_.data = after_poll_.data = before_poll_.data = this;
  // Order of a libuv iteration: timers, prepare, poll and its callbacks, check.
  uv_check_start(&after_poll_, [](uv_check_t* h) { static_cast<Loop*>(h->data)->EndTurn(); });
  uv_prepare_start(&before_poll_, [](uv_prepare_t* h) { static_cast<Loop*>(h->data)->EndTurn(); });
  // Fixed for the life of the process: sender reports must not jump when the time of day is set.
  const ClockReading reading = ClockReading::Now();
  ntp_offset_us_ = reading.realtime_us - reading.monotonic_us + kNtpEpochSeconds * 1'000'000;
  return absl::OkStatus();
}

Loop::~Loop() {
  if (!initialised_) return;
  uv_close(reinterpret_cast<uv_handle_t*>(&alarm_), nullptr);
  uv_close(reinterpret_cast<uv_handle_t*>(&after_poll_), nullptr);
  uv_close(reinterpret_cast<uv_handle_t*>(&before_poll_), nullptr);
  uv_run(&loop_, UV_RUN_DEFAULT);  // runs the close callbacks of everything
  uv_loop_close(&loop_);
}

Timestamp Loop::Now() const {
  if (!now_valid_) {
    now_ = std::max(now_, ReadMonotonicClock());
    now_valid_ = true;
  }
  return now_;
}

NtpTime Loop::NtpNow() const { return NtpTime::FromMicros(Now().us() + ntp_offset_us_); }

ClockReading Loop::AdvanceClock() {
  const ClockReading reading = ClockReading::Now();
  now_ = std::max(now_, Timestamp::Micros(reading.monotonic_us));
  now_valid_ = true;
  return reading;
}

std::unique_ptr<Timer> Loop::CreateTimer(std::function<void(Timestamp)> on_expiry) {
  return timers_.Create(std::move(on_expiry));
}

void Loop::RandomBytes(std::span<uint8_t> out) {
  while (!out.empty()) {
    const size_t part = std::min<size_t>(out.size(), 4096);
    if (RAND_bytes(out.data(), static_cast<int>(part)) != 1) KernelRandomBytes(out.first(part));
    out = out.subspan(part);
  }
}

void Loop::SetTurnEnd(std::function<void(Timestamp)> on_turn_end) {
  on_turn_end_ = std::move(on_turn_end);
}

void Loop::Run() {
  while (!stopped_) uv_run(&loop_, UV_RUN_DEFAULT);
}

void Loop::RunOnce() {
  uv_run(&loop_, UV_RUN_ONCE);
  EndTurn();  // in this mode libuv looks at its timers once more after the poll
}

void Loop::RunReady() { uv_run(&loop_, UV_RUN_NOWAIT); }

void Loop::Stop() {
  stopped_ = true;
  uv_stop(&loop_);
}

void Loop::EndTurn() {
  if (turn_has_work_) {
    turn_has_work_ = false;
    if (on_turn_end_) on_turn_end_(Now());
  }
  now_valid_ = false;
}

void Loop::WakeAt(Timestamp deadline) {
  if (alarm_deadline_ && *alarm_deadline_ <= deadline) return;
  alarm_deadline_ = deadline;
  // libuv counts in whole milliseconds of the same monotonic clock: round up, never fire early.
  const int64_t at_ms = (deadline.us() + 999) / 1000;
  const int64_t delay_ms = std::max<int64_t>(0, at_ms - static_cast<int64_t>(uv_now(&loop_)));
  uv_timer_start(
      &alarm_, [](uv_timer_t* h) { static_cast<Loop*>(h->data)->OnAlarm(); },
      static_cast<uint64_t>(delay_ms), 0);
}

void Loop::OnAlarm() {
  NoteWork();
  alarm_deadline_.reset();
  now_valid_ = false;
  timers_.Expire(Now());
  if (const auto next = timers_.NextDeadline()) WakeAt(*next);
}

}  // namespace sluice::worker
