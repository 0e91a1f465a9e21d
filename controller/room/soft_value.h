#pragma once

#include <chrono>
#include <optional>
#include <utility>

namespace sluice::controller {

/// Something that changes often and of which only the newest value counts: scores, layers,
/// estimates. It is told when it changes, at most once per period: a sender that makes its score
/// flutter costs each of its viewers one message a second.
template <typename T>
class SoftValue {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  static constexpr std::chrono::milliseconds kPeriod{1'000};

  enum class Then {
    kNothing,  ///< it is what was told last, or the next telling is under way
    kTell,     ///< tell it now
    kLater,    ///< call TakeDue() at due()
  };

  Then Set(T value, TimePoint now) {
    newest_.emplace(std::move(value));
    if (waiting_) return Then::kNothing;
    if (newest_ == told_) return Then::kNothing;
    if (told_ && now < due()) {
      waiting_ = true;
      return Then::kLater;
    }
    MarkTold(now);
    return Then::kTell;
  }

  /// What is to be told now that the time has come; nullopt when it is again what was told.
  std::optional<T> TakeDue(TimePoint now) {
    waiting_ = false;
    if (newest_ == told_) return std::nullopt;
    MarkTold(now);
    return told_;
  }

  TimePoint due() const { return told_at_ + kPeriod; }
  const std::optional<T>& newest() const { return newest_; }

 private:
  void MarkTold(TimePoint now) {
    told_ = newest_;
    told_at_ = now;
  }

  std::optional<T> newest_;
  std::optional<T> told_;
  TimePoint told_at_{};
  bool waiting_ = false;
};

}  // namespace sluice::controller
