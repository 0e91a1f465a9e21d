#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace sluice::controller {

/// The ports that this server and its media workers listen on, so that media is never sent to one
/// of them: two transports that send to each other would do so for ever.
class OwnPorts {
 public:
  /// Every address that leads to this machine; loopback need not be among them.
  using Addresses = std::function<std::vector<std::string>()>;
  /// Given back when the last copy is gone; kept with the transport that the ports are of.
  using Lease = std::shared_ptr<void>;

  explicit OwnPorts(Addresses addresses = nullptr) : addresses_(std::move(addresses)) {}

  Lease Take(std::vector<uint16_t> ports);
  /// Whether the address is this machine's and the port one of ours.
  bool Has(const std::string& ip, uint16_t port) const;

 private:
  Addresses addresses_;
  /// How often each is taken: UDP and TCP may have the same. Leases may outlive us.
  std::shared_ptr<std::map<uint16_t, size_t>> taken_ =
      std::make_shared<std::map<uint16_t, size_t>>();
};

}  // namespace sluice::controller
