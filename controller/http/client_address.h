#pragma once

#include <array>
#include <boost/asio/ip/address.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "common/status.h"

/// Who a client is: the one notion of its address that limits, ownership, media and the log use.
namespace sluice::controller {

/// The address as text; an IPv4 address that came over an IPv6 socket is an IPv4 one.
std::string AddressText(const boost::asio::ip::address& address);
/// Whom a client of that address (as AddressText() writes it) counts for: itself, or the /64 that
/// one IPv6 site has (RFC 6177).
std::string SourceOf(const std::string& client_ip);
/// Whether an address is one of this machine to itself: 127.0.0.0/8, ::1, also IPv4 in IPv6.
bool IsLoopback(const std::string& ip);

/// The reverse proxies whose X-Forwarded-For is believed. Each proxy adds on the right the address
/// that it was asked by, so the list is read from there for as long as proxies of ours wrote it;
/// what stands further left is what the client claims.
class TrustedProxies {
 public:
  /// No proxy is trusted.
  TrustedProxies() = default;
  /// Addresses and networks such as "10.0.0.0/8" or "2001:db8::/32". TypeError names the wrong one.
  static Result<TrustedProxies> Parse(const std::vector<std::string>& texts);

  /// Whether the address (as AddressText() writes it) is that of a proxy.
  bool Trusts(const std::string& ip) const;
  /// Who sent a request that came from `peer` with that X-Forwarded-For: the rightmost address that
  /// is no trusted proxy's. What is no address ends the list: then it is the last one before it.
  std::string ClientOf(const std::string& peer, std::string_view forwarded_for) const;

 private:
  struct Network {
    std::array<unsigned char, 16> prefix{};  ///< IPv4 as ::ffff:a.b.c.d
    int bits = 0;                            ///< of the 128
  };
  std::vector<Network> networks_;
};

}  // namespace sluice::controller
