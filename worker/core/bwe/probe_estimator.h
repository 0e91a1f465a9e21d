#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "common/units.h"
#include "worker/core/bwe/network_controller.h"

namespace sluice::worker {

/// The rate at which a probe arrived (libwebrtc M150, probe_bitrate_estimator.cc).
class ProbeEstimator {
 public:
  static constexpr double kMinArrived = 0.80;  // of its packets and bytes
  static constexpr double kMaxRatio = 2;       // received faster than sent by more: nonsense
  static constexpr double kUnsaturated = 0.9;  // received as fast as sent
  static constexpr double kOfSaturated = 0.95;
  static constexpr Duration kMaxInterval = Duration::Seconds(1);
  /// Probes whose packets may still be on their way.
  static constexpr size_t kKept = 8;

  /// The probe will be sent.
  void Expect(const ProbePlan& plan);
  /// A packet of it has arrived. The rate, once that is known.
  std::optional<DataRate> OnPacket(const PacketResult& packet);
  /// The last result was slower than it was sent: others, or the path, held it up.
  bool saturated() const { return saturated_; }

 private:
  struct Cluster {
    ProbePlan plan;
    int packets = 0;
    double bytes = 0;
    Timestamp first_sent;
    Timestamp last_sent;
    Timestamp first_received;
    Timestamp last_received;
    double size_last_sent = 0;
    double size_first_received = 0;
  };
  std::optional<DataRate> Measure(const Cluster& cluster);

  std::array<Cluster, kKept> clusters_{};
  bool saturated_ = false;
};

}  // namespace sluice::worker
