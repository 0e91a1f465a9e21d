#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <vector>

#include "common/units.h"
#include "worker/core/bwe/network_controller.h"

namespace sluice::worker {

/// At which rate packets arrive: the lesser of how fast they were sent and how fast they came, over
/// the last of them, with the longest pause between two arrivals left out (libwebrtc M150,
/// robust_throughput_estimator.cc). So neither a burst that was held up and came at once, nor one
/// that a feedback reports twice as fast, talks it up.
class AcknowledgedRate {
 public:
  static constexpr size_t kMinWindow = 20;  // packets
  static constexpr size_t kMaxWindow = 500;
  static constexpr Duration kMinWindowTime = Duration::Seconds(1);
  static constexpr Duration kMaxWindowTime = Duration::Seconds(5);
  static constexpr size_t kRequired = 10;  // packets
  /// A packet that was overtaken by more than this means that the clock was set.
  static constexpr Duration kMaxReordering = Duration::Seconds(1);

  void OnPackets(std::span<const PacketResult> packets);
  /// nullopt: too few packets yet.
  std::optional<DataRate> rate() const { return rate_; }
  /// How fast the last of them came. While they wait in a queue that is what the path takes, long
  /// before rate() says so. nullopt: too few packets yet.
  std::optional<DataRate> recent() const;
  static constexpr Duration kRecentTime = Duration::Millis(200);
  void Reset();

 private:
  struct Arrival {
    Timestamp sent_at;
    Timestamp received_at;
    uint32_t size = 0;  ///< bytes, with those that were not tracked
  };

  void Insert(const PacketResult& packet);
  bool FirstIsOld() const;
  std::optional<DataRate> Measure() const;

  std::deque<Arrival> window_;  // in order of arrival
  Timestamp newest_discarded_;  ///< time of sending of what has left the window
  std::optional<DataRate> rate_;
};

}  // namespace sluice::worker
