#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <memory>
#include <utility>

#include "common/status.h"
#include "controller/auth/secret.h"
#include "controller/base/task.h"

namespace sluice::controller {

/// The network that applyNetworkThrottle asks for (docs/protocols/room-api.md §3). Seen from this
/// machine: what it sends goes up.
struct NetworkConditions {
  static constexpr uint32_t kUnlimited = 1'000'000;  ///< a rate from here on is no limit, kbit/s

  uint32_t uplink = kUnlimited;    ///< kbit/s that this machine may send
  uint32_t downlink = kUnlimited;  ///< kbit/s that it may receive
  uint32_t rtt = 0;                ///< milliseconds that are added to each round trip
  uint32_t packet_loss = 0;        ///< percent of the packets of each direction
};

/// "uplink", "downlink", "rtt" and "packetLoss", each optional. TypeError names the field.
Result<NetworkConditions> ReadNetworkConditions(const boost::json::object& request);

/// Makes the network of this machine worse, for all who use it: for tests of applications.
class NetworkThrottle {
 public:
  virtual ~NetworkThrottle() = default;
  /// In place of what was applied before. UnsupportedError where this machine cannot do it, with
  /// what is missing.
  virtual Task<Status> Apply(NetworkConditions conditions) = 0;
  /// As it was before anything was applied, by this process or one before it; nothing to do is no
  /// error.
  virtual Task<Status> Reset() = 0;
};

/// Lets those who know a secret use a NetworkThrottle; without a secret nobody may.
class ThrottleAccess {
 public:
  ThrottleAccess(Secret secret, std::shared_ptr<NetworkThrottle> throttle)
      : secret_(std::move(secret)), throttle_(std::move(throttle)) {}

  /// The throttle for a request with the right "secret". PermissionDenied for all others.
  Result<std::shared_ptr<NetworkThrottle>> Open(const boost::json::object& request) const;

 private:
  Secret secret_;
  std::shared_ptr<NetworkThrottle> throttle_;
};

}  // namespace sluice::controller
