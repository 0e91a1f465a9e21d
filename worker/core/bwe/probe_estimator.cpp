#include "worker/core/bwe/probe_estimator.h"

#include <algorithm>

namespace sluice::worker {

void ProbeEstimator::Expect(const ProbePlan& plan) {
  Cluster& cluster = clusters_[plan.id % kKept];
  cluster = Cluster();
  cluster.plan = plan;
}

std::optional<DataRate> ProbeEstimator::OnPacket(const PacketResult& packet) {
  if (packet.probe == 0 || !packet.received) return std::nullopt;
  Cluster& cluster = clusters_[packet.probe % kKept];
  if (cluster.plan.id != packet.probe) return std::nullopt;
  const double size = packet.size;
  if (cluster.packets == 0 || packet.sent_at < cluster.first_sent) {
    cluster.first_sent = packet.sent_at;
  }
  if (cluster.packets == 0 || packet.sent_at > cluster.last_sent) {
    cluster.last_sent = packet.sent_at;
    cluster.size_last_sent = 0;
  }
  // All of the last burst was still to be sent.
  if (packet.sent_at == cluster.last_sent) cluster.size_last_sent += size;
  if (cluster.packets == 0 || packet.received_at < cluster.first_received) {
    cluster.first_received = packet.received_at;
    cluster.size_first_received = size;
  }
  if (cluster.packets == 0 || packet.received_at > cluster.last_received) {
    cluster.last_received = packet.received_at;
  }
  ++cluster.packets;
  cluster.bytes += size;
  return Measure(cluster);
}

std::optional<DataRate> ProbeEstimator::Measure(const Cluster& cluster) {
  if (cluster.packets < cluster.plan.min_packets * kMinArrived ||
      cluster.bytes < static_cast<double>(cluster.plan.min_bytes) * kMinArrived) {
    return std::nullopt;
  }
  const Duration sending = cluster.last_sent - cluster.first_sent;
  const Duration receiving = cluster.last_received - cluster.first_received;
  if (sending <= Duration::Zero() || sending > kMaxInterval || receiving <= Duration::Zero() ||
      receiving > kMaxInterval) {
    return std::nullopt;
  }
  const double sent = (cluster.bytes - cluster.size_last_sent) * 8 / sending.seconds();
  const double received = (cluster.bytes - cluster.size_first_received) * 8 / receiving.seconds();
  if (sent <= 0 || received / sent > kMaxRatio) return std::nullopt;
  double rate = std::min(sent, received);
  saturated_ = received < kUnsaturated * sent;
  if (saturated_) rate = kOfSaturated * received;
  return DataRate::BitsPerSecond(static_cast<int64_t>(rate));
}

}  // namespace sluice::worker
