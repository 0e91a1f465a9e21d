#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "common/units.h"

namespace sluice::worker {

/// Delays counted in buckets whose bounds double.
struct DelayHistogram {
  /// Upper bound of the first bucket: what an idle worker takes.
  static constexpr Duration kFirstBound = Duration::Micros(32);
  /// Bounded buckets; the last of them ends at 1.05 s, and one more has no bound.
  static constexpr size_t kBounds = 16;

  std::array<uint64_t, kBounds + 1> counts{};
  uint64_t sum_us = 0;  ///< of all delays

  static constexpr Duration Bound(size_t bucket) {
    return Duration::Micros(kFirstBound.us() << bucket);
  }
  /// A delay of exactly a bound belongs to that bound's bucket.
  void Add(Duration delay) {
    const uint64_t us = static_cast<uint64_t>(std::max<int64_t>(delay.us(), 0));
    const uint64_t units = us == 0 ? 0 : (us - 1) / static_cast<uint64_t>(kFirstBound.us());
    const auto bucket = static_cast<size_t>(std::bit_width(units));
    ++counts[std::min(bucket, kBounds)];
    sum_us += us;
  }
};

/// How long packets take through the worker: from the kernel's receive time to the moment at which
/// everything that they caused has been handed to the kernel, at the end of their turn.
///
/// Owned by the engine. Costs one store per packet received for an active consumer, whatever the
/// number of consumers, and one look at the clock per turn.
class ForwardingDelay {
 public:
  /// Packets measured in one turn; a longer turn measures its first ones.
  static constexpr size_t kMaxPerTurn = 4096;

  ForwardingDelay() { received_.reserve(kMaxPerTurn); }

  /// A packet that goes to consumers at the end of this turn.
  void OnForwarded(Timestamp received_at) {
    if (received_.size() < kMaxPerTurn) received_.push_back(received_at);
  }
  bool empty() const { return received_.empty(); }
  /// The turn's packets are with the kernel.
  void OnFlushed(Timestamp now) {
    for (const Timestamp received_at : received_) histogram_.Add(now - received_at);
    received_.clear();
  }
  const DelayHistogram& histogram() const { return histogram_; }

 private:
  std::vector<Timestamp> received_;
  DelayHistogram histogram_;
};

}  // namespace sluice::worker
