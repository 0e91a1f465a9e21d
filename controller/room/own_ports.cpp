#include "controller/room/own_ports.h"

#include <boost/asio/ip/address.hpp>
#include <optional>
#include <utility>

namespace sluice::controller {

namespace net = boost::asio::ip;

namespace {

/// An IPv4 address that is written as IPv6 is an IPv4 one.
std::optional<net::address> Parse(const std::string& text) {
  boost::system::error_code error;
  const net::address address = net::make_address(text, error);
  if (error) return std::nullopt;
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    return net::make_address_v4(net::v4_mapped, address.to_v6());
  }
  return address;
}

}  // namespace

OwnPorts::Lease OwnPorts::Take(std::vector<uint16_t> ports) {
  for (const uint16_t port : ports) ++(*taken_)[port];
  // The pointer itself means nothing: what counts is the call when its last copy goes.
  return Lease(taken_.get(), [taken = taken_, ports = std::move(ports)](void*) {
    for (const uint16_t port : ports) {
      const auto it = taken->find(port);
      if (--it->second == 0) taken->erase(it);
    }
  });
}

bool OwnPorts::Has(const std::string& ip, uint16_t port) const {
  if (!taken_->contains(port)) return false;
  const std::optional<net::address> address = Parse(ip);
  if (!address) return false;
  if (address->is_loopback()) return true;
  if (!addresses_) return false;
  for (const std::string& own : addresses_()) {
    if (Parse(own) == address) return true;
  }
  return false;
}

}  // namespace sluice::controller
