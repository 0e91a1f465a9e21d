#include "common/socket_address.h"

#include <catch2/catch.hpp>

namespace sluice {

TEST_CASE("IpAddress parses literals only") {
  CHECK(IpAddress::Parse("127.0.0.1")->is_v4());
  CHECK(IpAddress::Parse("::1")->is_v6());
  CHECK_FALSE(IpAddress::Parse("localhost"));
  CHECK_FALSE(IpAddress::Parse("1.2.3"));
  CHECK_FALSE(IpAddress::Parse(""));
}

TEST_CASE("An IPv4-mapped IPv6 address is the IPv4 address") {
  CHECK(*IpAddress::Parse("::ffff:10.0.0.1") == *IpAddress::Parse("10.0.0.1"));
}

TEST_CASE("SocketAddress survives the kernel's form") {
  for (const char* text : {"192.168.1.2", "2001:db8::7"}) {
    const SocketAddress address{*IpAddress::Parse(text), 4443};
    sockaddr_storage storage;
    address.ToSockaddr(&storage);
    CHECK(SocketAddress::FromSockaddr(reinterpret_cast<sockaddr*>(&storage)) == address);
  }
}

}  // namespace sluice
