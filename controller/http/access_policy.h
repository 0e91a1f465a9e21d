#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "controller/http/http_types.h"

namespace sluice::controller {

/// Decides whether a request may come from where its browser says that it comes from. A page of a
/// stranger can make a visitor's browser talk to a server on the visitor's machine or network:
///   - to its address, which the browser tells us by an Origin that is not ours;
///   - to a name of the stranger's own that was made to resolve to that address (DNS rebinding),
///     which shows in the Host. TLS excludes this: no certificate of ours is for that name.
/// Programs that are no browsers send no Origin and are let through.
class AccessPolicy {
 public:
  struct Rules {
    /// Origins besides the server's own: "https://app.example.com", "null", or "*" for any.
    std::vector<std::string> allowed_origins;
    /// Hosts served without TLS besides localhost and the address that was connected to: names or
    /// addresses without a port, or "*" for any.
    std::vector<std::string> allowed_hosts;
    /// Nothing is done without a token, so that a page which brings one does not use that of a
    /// visitor: its origin does not matter.
    bool needs_token = false;
  };
  struct Counters {
    uint64_t refused_hosts = 0;
    uint64_t refused_origins = 0;
  };

  explicit AccessPolicy(Rules rules);

  /// The answer to a request that is refused (403); nullopt: go on. `opens` is true for a
  /// WebSocket handshake, which counts as unsafe whatever its method.
  std::optional<HttpResponse> Refuse(const HttpRequest& request, bool opens);

  /// Whether pages of the request's origin may read the answer (CORS). True without an origin.
  bool MayRead(const HttpRequest& request) const {
    return rules_.needs_token || OriginAllowed(request);
  }

  const Counters& counters() const { return counters_; }

 private:
  bool HostAllowed(const HttpRequest& request) const;
  bool OriginAllowed(const HttpRequest& request) const;

  Rules rules_;
  Counters counters_;
};

}  // namespace sluice::controller
