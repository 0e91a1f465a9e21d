#pragma once

#include <cstdint>

namespace sluice::controller {

/// Decides whether a worker lives, from a tick that the controller's own loop gives once a second.
///
/// It counts ticks and reads no clock: while the controller itself does not run (a stall, a machine
/// asleep) there are no ticks, so that silence which the controller could not have heard does not
/// count. Any answered request is a sign of life; a probe is sent when there was none.
class LivenessProbe {
 public:
  /// Ticks, seconds, that a probe may stay unanswered where nothing else is set. A worker's loop
  /// turns in milliseconds.
  static constexpr uint32_t kMaxUnanswered = 5;

  enum class Verdict : uint8_t {
    kAlive,
    kAsk,   ///< send a probe; the silence so far is no reason
    kDead,  ///< unanswered for so many ticks
  };

  explicit LivenessProbe(uint32_t max_unanswered = kMaxUnanswered)
      : max_unanswered_(max_unanswered) {}

  void OnAnswer() {
    asked_ = false;
    unanswered_ = 0;
  }

  Verdict OnTick() {
    if (!asked_) {
      asked_ = true;
      return Verdict::kAsk;
    }
    return ++unanswered_ >= max_unanswered_ ? Verdict::kDead : Verdict::kAlive;
  }

 private:
  uint32_t max_unanswered_;
  bool asked_ = false;  ///< and not answered by anything since
  uint32_t unanswered_ = 0;
};

}  // namespace sluice::controller
