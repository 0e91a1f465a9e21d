#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "controller/worker/worker_types.h"

/// Clients whose media does not get through, told once per address: one behind a firewall tries
/// again and again.
namespace sluice::controller {

class UnreachedLog {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::hours kForgetAfter{1};
  static constexpr size_t kMaxAddresses = 1'000;

  /// Whether a line is due for the address: none was in the last hour. False too for a new one
  /// beyond kMaxAddresses in that time.
  bool TakeTurn(const std::string& address, Clock::time_point now);

 private:
  std::map<std::string, Clock::time_point> told_;
};

/// As "UDP 192.0.2.1 port 40000, TCP 192.0.2.1 port 40000".
std::string DescribeCandidates(const std::vector<IceCandidate>& candidates);

}  // namespace sluice::controller
