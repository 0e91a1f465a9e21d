#include "controller/signalling/transport_quota.h"

namespace sluice::controller {

namespace {

using Count = std::map<std::string, size_t>;

bool IsFull(const Count& counts, const std::string& key, size_t limit) {
  const auto it = counts.find(key);
  return limit != 0 && it != counts.end() && it->second >= limit;
}

void GiveBack(Count* counts, const std::string& key) {
  const auto it = counts->find(key);
  if (--it->second == 0) counts->erase(it);
}

}  // namespace

Result<TransportQuota::Place> TransportQuota::Take(const std::string& broadcaster,
                                                   const std::string& source) {
  if (IsFull(counts_->broadcasters, broadcaster, limits_.per_broadcaster)) {
    ++refused_.per_broadcaster;
    return absl::ResourceExhaustedError(
        "the broadcaster has " + std::to_string(limits_.per_broadcaster) +
        " transports already, which is the most (maxTransportsPerBroadcaster)");
  }
  if (IsFull(counts_->sources, source, limits_.per_source)) {
    ++refused_.per_source;
    return absl::ResourceExhaustedError(
        "this address has " + std::to_string(limits_.per_source) +
        " broadcasters' transports already, which is the most (maxTransportsPerIp)");
  }
  ++counts_->broadcasters[broadcaster];
  ++counts_->sources[source];
  // The pointer itself means nothing: what counts is the call when its last copy goes.
  return Place(counts_.get(), [counts = counts_, broadcaster, source](void*) {
    GiveBack(&counts->broadcasters, broadcaster);
    GiveBack(&counts->sources, source);
  });
}

Result<TransportQuota::Place> TransportQuota::TakeForPeer(const std::string& source) {
  if (IsFull(counts_->peer_sources, source, limits_.peers_per_source)) {
    ++refused_.peers_per_source;
    return absl::ResourceExhaustedError("the peers of this address have " +
                                        std::to_string(limits_.peers_per_source) +
                                        " transports already (maxPeerTransportsPerIp)");
  }
  ++counts_->peer_sources[source];
  return Place(counts_.get(),
               [counts = counts_, source](void*) { GiveBack(&counts->peer_sources, source); });
}

}  // namespace sluice::controller
