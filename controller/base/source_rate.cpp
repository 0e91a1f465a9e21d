#include "controller/base/source_rate.h"

namespace sluice::controller {

bool SourceRate::Take(const std::string& source, TimePoint now) {
  return per_second_ == 0 || BucketOf(source, now).Take(now);
}

std::chrono::duration<double> SourceRate::Owe(const std::string& source, double tokens,
                                              TimePoint now) {
  if (per_second_ == 0) return {};
  return BucketOf(source, now).Owe(tokens, now);
}

TokenBucket& SourceRate::BucketOf(const std::string& source, TimePoint now) {
  const auto known = by_source_.find(source);
  if (known != by_source_.end()) {
    sources_.splice(sources_.begin(), sources_, known->second);
  } else {
    Forget(now);
    sources_.push_front({source, TokenBucket(per_second_, burst_, now)});
    by_source_.emplace(source, sources_.begin());
  }
  return sources_.front().bucket;
}

void SourceRate::Forget(TimePoint now) {
  constexpr int kAtOnce = 4;  // more than come in, so that the list gets shorter
  for (int i = 0; i < kAtOnce && !sources_.empty(); ++i) {
    if (by_source_.size() < kMaxSources && !sources_.back().bucket.IsFull(now)) return;
    by_source_.erase(sources_.back().name);
    sources_.pop_back();
  }
}

}  // namespace sluice::controller
