#include "controller/signalling/ice_servers.h"

#include <catch2/catch.hpp>
#include <string>

namespace sluice::controller {
namespace {

TEST_CASE("ICE servers: what they look like in a Link field") {
  struct Case {
    std::string text, link;
  };
  const Case cases[] = {
      {"stun:stun.example.com:3478", "<stun:stun.example.com:3478>; rel=\"ice-server\""},
      {"stuns:[2001:db8::1]", "<stuns:[2001:db8::1]>; rel=\"ice-server\""},
      {"turn:turn.example.com:3478?transport=udp;username=ann;credential=a=b",
       "<turn:turn.example.com:3478?transport=udp>; rel=\"ice-server\"; username=\"ann\"; "
       "credential=\"a=b\"; credential-type=\"password\""},
  };
  for (const Case& each : cases) {
    INFO(each.text);
    const auto server = ParseIceServer(each.text);
    REQUIRE(server.ok());
    CHECK(LinkOf(*server) == each.link);
    CHECK(IceServerLinks({each.text}) == std::vector<std::string>{each.link});
  }
}

TEST_CASE("ICE servers: what is none") {
  struct Case {
    std::string text, reason;
  };
  const Case cases[] = {
      {"", "must look like"},
      {"stun:", "must look like"},
      {"stun://host", "must look like"},
      {"http://host", "must look like"},
      {"stun:host;username=a;credential=b", "a STUN server neither"},
      {"turn:host", "a TURN server has"},
      {"turn:host;username=a", "a TURN server has"},
      {"turn:host;username=a;password=b", "credential=TEXT"},
      {"stun:ho st", "printable ASCII"},
      {"stun:h>ost", "printable ASCII"},
      {"turn:host;username=\"a;credential=b", "printable ASCII"},
      {"turn:host;username=a;credential=b\r\nX-Evil: 1", "printable ASCII"},
  };
  for (const Case& each : cases) {
    INFO(each.text);
    CHECK_THAT(std::string(ParseIceServer(each.text).status().message()),
               Catch::Contains(each.reason));
  }
}

}  // namespace
}  // namespace sluice::controller
