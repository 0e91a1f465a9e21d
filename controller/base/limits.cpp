#include "controller/base/limits.h"

#include <array>

namespace sluice::controller {

namespace {

constexpr std::string_view kPayload = "sluice/limit";

/// The limits that are counted by name. Where one is missing here, it is counted all the same once
/// it was reached.
constexpr std::array<std::string_view, 18> kNames = {
    "connectTimeout",
    "maxAnnouncementsPerSecond",
    "maxAppData",
    "maxBroadcastersPerRoom",
    "maxChannelsPerDataClient",
    "maxConsumersPerBroadcaster",
    "maxDevice",
    "maxDisplayName",
    "maxEventStreams",
    "maxPeersPerRoom",
    "maxProducersPerPeer",
    "maxRequestsPerSecond",
    "maxRestRequestsPerSecond",
    "maxRtpCapabilities",
    "maxRtpParameters",
    "maxTracksPerPublisher",
    "maxTransportsPerPeer",
    "maxWaitingRequests",
};

}  // namespace

Status LimitError(std::string_view limit, const Status& status) {
  if (limit.empty()) return status;
  Status named(status.code(), std::string(status.message()) + " (" + std::string(limit) + ")");
  status.ForEachPayload(
      [&](absl::string_view type, const absl::Cord& value) { named.SetPayload(type, value); });
  named.SetPayload({kPayload.data(), kPayload.size()},
                   absl::Cord(absl::string_view(limit.data(), limit.size())));
  return named;
}

std::string LimitOf(const Status& status) {
  const auto limit = status.GetPayload({kPayload.data(), kPayload.size()});
  return limit ? std::string(*limit) : std::string();
}

LimitCounters::LimitCounters() {
  for (const std::string_view name : kNames) counts_.emplace(name, 0);
}

void LimitCounters::Count(const std::string& limit) {
  if (!limit.empty()) ++counts_[limit];
}

}  // namespace sluice::controller
