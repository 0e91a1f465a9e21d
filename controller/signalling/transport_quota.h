#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "common/status.h"

namespace sluice::controller {

/// How many transports, which take ports, one broadcaster, and one source of requests for its
/// broadcasters and for its peers, may have. A
/// source is an IPv4 address or the /64 of an IPv6 one.
class TransportQuota {
 public:
  /// 0 = no limit.
  struct Limits {
    size_t per_broadcaster = 16;  ///< scripts make one for each kind of media
    size_t per_source = 100;
    /// Of all peers of a source: two each, and some that are being replaced.
    size_t peers_per_source = 1'000;
  };
  /// Given back when the last copy is gone; kept with the transport that it is for.
  using Place = std::shared_ptr<void>;

  explicit TransportQuota(Limits limits) : limits_(limits) {}

  /// A place for a transport that will be made. Error names the limit that is reached.
  Result<Place> Take(const std::string& broadcaster, const std::string& source);
  /// The same for a peer's transport. How many one peer may have, its room says.
  Result<Place> TakeForPeer(const std::string& source);

  /// Transports refused, by the limit that it was.
  struct Refused {
    uint64_t per_broadcaster = 0;
    uint64_t per_source = 0;
    uint64_t peers_per_source = 0;
  };
  const Refused& refused() const { return refused_; }

 private:
  struct Counts {
    std::map<std::string, size_t> broadcasters;
    std::map<std::string, size_t> sources;
    std::map<std::string, size_t> peer_sources;
  };

  Limits limits_;
  std::shared_ptr<Counts> counts_ = std::make_shared<Counts>();  ///< places may outlive us
  Refused refused_;
};

}  // namespace sluice::controller
