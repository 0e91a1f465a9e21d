#pragma once

#include <sys/socket.h>

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sluice {

/// An IPv4 or IPv6 address. A value: compared, hashed and copied whole.
/// IPv4-mapped IPv6 (::ffff:a.b.c.d) is stored as IPv4, so that one peer is one address.
class IpAddress {
 public:
  enum class Family : uint8_t { kUnspecified, kIpv4, kIpv6 };

  constexpr IpAddress() = default;
  static IpAddress V4(const std::array<uint8_t, 4>& bytes);
  static IpAddress V6(const std::array<uint8_t, 16>& bytes);
  /// Parses literal text ("127.0.0.1", "::1"); nullopt for anything else, host names included.
  static std::optional<IpAddress> Parse(std::string_view text);

  Family family() const { return family_; }
  bool is_v4() const { return family_ == Family::kIpv4; }
  bool is_v6() const { return family_ == Family::kIpv6; }
  bool is_unspecified() const;  ///< 0.0.0.0, :: or no address at all
  /// Network byte order; 4 bytes used for IPv4, 16 for IPv6.
  const std::array<uint8_t, 16>& bytes() const { return bytes_; }
  std::string ToString() const;

  friend constexpr auto operator<=>(const IpAddress&, const IpAddress&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const IpAddress& a) {
    return H::combine(std::move(h), a.family_, a.bytes_);
  }

 private:
  Family family_ = Family::kUnspecified;
  std::array<uint8_t, 16> bytes_{};
};

/// An IP address and a port.
struct SocketAddress {
  IpAddress ip;
  uint16_t port = 0;

  /// Fills `storage`, returns the length to pass to the kernel.
  socklen_t ToSockaddr(sockaddr_storage* storage) const;
  static SocketAddress FromSockaddr(const sockaddr* address);
  std::string ToString() const;  ///< "127.0.0.1:4000", "[::1]:4000"

  friend constexpr auto operator<=>(const SocketAddress&, const SocketAddress&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const SocketAddress& a) {
    return H::combine(std::move(h), a.ip, a.port);
  }
};

enum class TransportProtocol : uint8_t { kUdp, kTcp };

/// What names a path between us and a peer: protocol, our address, theirs. Looked up by value.
struct FiveTuple {
  TransportProtocol protocol = TransportProtocol::kUdp;
  SocketAddress local;
  SocketAddress remote;

  friend constexpr auto operator<=>(const FiveTuple&, const FiveTuple&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const FiveTuple& t) {
    return H::combine(std::move(h), t.protocol, t.local, t.remote);
  }
};

}  // namespace sluice
