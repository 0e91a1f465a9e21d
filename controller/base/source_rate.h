#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <string>
#include <unordered_map>

#include "controller/base/token_bucket.h"

namespace sluice::controller {

/// How often each source of requests may ask: a token bucket for each. A source is an IPv4 address
/// or the /64 of an IPv6 one.
///
/// A source whose bucket is full again is forgotten, which changes nothing. When there are more
/// than kMaxSources whose buckets are not, the one that has been quiet for longest is.
class SourceRate {
 public:
  static constexpr size_t kMaxSources = 65'536;  // some 10 MB
  using TimePoint = TokenBucket::TimePoint;

  /// 0 per second: no limit.
  SourceRate(uint32_t per_second, uint32_t burst) : per_second_(per_second), burst_(burst) {}

  /// False when the source asks too often.
  bool Take(const std::string& source, TimePoint now);
  /// Takes `tokens`, as many as it may be (TokenBucket::Owe): how long the source should wait now.
  std::chrono::duration<double> Owe(const std::string& source, double tokens, TimePoint now);

  uint32_t per_second() const { return per_second_; }
  uint32_t burst() const { return burst_; }
  size_t size() const { return by_source_.size(); }

 private:
  struct Source {
    std::string name;
    TokenBucket bucket;
  };
  TokenBucket& BucketOf(const std::string& source, TimePoint now);
  /// Takes those out of the end of the list whose buckets are full by now.
  void Forget(TimePoint now);

  uint32_t per_second_;
  uint32_t burst_;
  std::list<Source> sources_;  ///< who asked last comes first
  std::unordered_map<std::string, std::list<Source>::iterator> by_source_;
};

}  // namespace sluice::controller
