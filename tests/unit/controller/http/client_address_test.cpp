#include "controller/http/client_address.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

namespace sluice::controller {
namespace {

TEST_CASE("proxies: the client is the rightmost address that is no trusted proxy's") {
  const TrustedProxies proxies =
      *TrustedProxies::Parse({"10.0.0.0/8", "192.0.2.7", "2001:db8:1::/48", "172.16.0.0/13"});
  struct Row {
    std::string peer;
    std::string forwarded_for;
    std::string client;
  };
  const std::vector<Row> rows = {
      {"10.1.2.3", "198.51.100.1", "198.51.100.1"},
      {"10.1.2.3", "", "10.1.2.3"},
      // Who is no proxy is not believed.
      {"198.51.100.9", "203.0.113.1", "198.51.100.9"},
      {"192.0.2.8", "203.0.113.1", "192.0.2.8"},
      // What the client wrote itself stands to the left.
      {"10.1.2.3", "127.0.0.1, 198.51.100.1", "198.51.100.1"},
      {"10.1.2.3", "127.0.0.1,198.51.100.1 , 192.0.2.7,10.9.9.9", "198.51.100.1"},
      // Nothing but proxies: the first of them asked.
      {"10.1.2.3", "10.0.0.1, 10.0.0.2", "10.0.0.1"},
      // Junk ends the list.
      {"10.1.2.3", "unknown", "10.1.2.3"},
      {"10.1.2.3", "198.51.100.1, <script>, 10.0.0.2", "10.0.0.2"},
      {"10.1.2.3", "198.51.100.1,", "10.1.2.3"},
      {"10.1.2.3", ",", "10.1.2.3"},
      {"10.1.2.3", "198.51.100.1 198.51.100.2", "10.1.2.3"},
      {"10.1.2.3", std::string(5'000, '1'), "10.1.2.3"},
      // Ports and families.
      {"10.1.2.3", "198.51.100.1:4711", "198.51.100.1"},
      {"10.1.2.3", "[2001:db8::9]:4711", "2001:db8::9"},
      {"10.1.2.3", "[2001:db8::9", "10.1.2.3"},
      {"10.1.2.3", "2001:db8::9", "2001:db8::9"},
      {"2001:db8:1:2::3", "198.51.100.1", "198.51.100.1"},
      {"2001:db8:2::3", "198.51.100.1", "2001:db8:2::3"},
      {"10.1.2.3", "::ffff:198.51.100.1", "198.51.100.1"},
      {"10.1.2.3", "::ffff:10.4.4.4", "10.4.4.4"},
      {"172.23.255.255", "198.51.100.1", "198.51.100.1"},
      {"172.24.0.0", "198.51.100.1", "172.24.0.0"},
  };
  for (const Row& row : rows) {
    INFO(row.peer << " | " << row.forwarded_for.substr(0, 80));
    CHECK(proxies.ClientOf(row.peer, row.forwarded_for) == row.client);
  }
  CHECK(TrustedProxies().ClientOf("10.1.2.3", "198.51.100.1") == "10.1.2.3");
  CHECK(TrustedProxies::Parse({"0.0.0.0/0"})->Trusts("8.8.8.8"));
  CHECK_FALSE(TrustedProxies::Parse({"0.0.0.0/0"})->Trusts("2001:db8::1"));
  CHECK(TrustedProxies::Parse({"::/0"})->Trusts("8.8.8.8"));
  const auto single = TrustedProxies::Parse({"192.0.2.1/32", "2001:db8::1/128"});
  REQUIRE(single.ok());
  CHECK(single->Trusts("192.0.2.1"));
  CHECK_FALSE(single->Trusts("192.0.2.0"));
  CHECK(single->Trusts("2001:db8::1"));
  CHECK_FALSE(single->Trusts("2001:db8::"));
}

TEST_CASE("proxies: what is no address and no network is named") {
  for (const std::string text : {"", "localhost", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/x",
                                 "::1/129", "10.0.0.0/-1", "/8"}) {
    const auto proxies = TrustedProxies::Parse({"127.0.0.1", text});
    REQUIRE_FALSE(proxies.ok());
    CHECK(std::string(proxies.status().message()).find("\"" + text + "\"") != std::string::npos);
  }
}

TEST_CASE("a client counts for its IPv4 address or its /64") {
  CHECK(SourceOf("198.51.100.1") == "198.51.100.1");
  CHECK(SourceOf("2001:db8:1:2:3:4:5:6") == "2001:db8:1:2::");
  CHECK(AddressText(boost::asio::ip::make_address("::ffff:198.51.100.1")) == "198.51.100.1");
}

}  // namespace
}  // namespace sluice::controller
