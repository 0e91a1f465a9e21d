#include "worker/core/rtp/resend_guard.h"

#include <algorithm>

namespace sluice::worker {

bool ResendGuard::AllowLookup(Timestamp now) {
  if (now - lookup_window_start_ >= kLookupWindow) {
    lookup_window_start_ = now;
    lookups_ = 0;
  }
  return ++lookups_ <= kMaxLookups;
}

bool ResendGuard::SentRecently(SeqNumber own, Timestamp now, Duration round_trip) const {
  if (!marks_) return false;
  const Mark& mark = (*marks_)[own.value() % marks_->size()];
  if (!mark.used || mark.own != own) return false;
  const auto age = static_cast<uint32_t>(now.ms()) - mark.sent_at_ms;
  return Duration::Millis(age) < std::max(round_trip, kMinResendInterval);
}

bool ResendGuard::MarkSent(SeqNumber own, Timestamp now) {
  if (!marks_) marks_ = std::make_unique<Marks>();
  Mark& mark = (*marks_)[own.value() % marks_->size()];
  const bool first = !mark.used || mark.own != own;
  mark = {static_cast<uint32_t>(now.ms()), own, true};
  return first;
}

}  // namespace sluice::worker
