#include "controller/room/unreached_log.h"

namespace sluice::controller {

std::string DescribeCandidates(const std::vector<IceCandidate>& candidates) {
  std::string text;
  for (const IceCandidate& candidate : candidates) {
    const bool udp = candidate.protocol == TransportProtocol::kUdp;
    text += (text.empty() ? "" : ", ") + std::string(udp ? "UDP " : "TCP ") + candidate.address +
            " port " + std::to_string(candidate.port);
  }
  return text;
}

bool UnreachedLog::TakeTurn(const std::string& address, Clock::time_point now) {
  std::erase_if(told_, [&](const auto& entry) { return now - entry.second >= kForgetAfter; });
  return told_.size() < kMaxAddresses && told_.emplace(address, now).second;
}

}  // namespace sluice::controller
