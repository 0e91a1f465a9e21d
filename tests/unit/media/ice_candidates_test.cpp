#include "worker/media/ice_candidates.h"

#include <catch2/catch.hpp>

#include "tests/unit/media/fake_sockets.h"

namespace sluice::worker {
namespace {

class NoHandler final : public DatagramHandler {
 public:
  void OnDatagram(PacketRef, size_t, const NetworkPath&, Timestamp) override {}
  void OnPathClosed(const NetworkPath&) override {}
};

ListenInfo Info(TransportProtocol protocol, std::string announced = "", bool expose = false) {
  ListenInfo info;
  info.protocol = protocol;
  info.ip = "127.0.0.1";
  info.announced_address = std::move(announced);
  info.expose_internal_ip = expose;
  return info;
}

constexpr auto kUdp = TransportProtocol::kUdp;
constexpr auto kTcp = TransportProtocol::kTcp;

TEST_CASE("candidate priorities match the protocol's samples", "[ice_candidates]") {
  FakeNetwork network;
  NoHandler handler;
  const auto points = *OpenListenPoints(
      {Info(kUdp), Info(kTcp, "sfu.example.org", /*expose=*/true)}, network, handler);

  const auto candidates = MakeCandidates(points, {});
  REQUIRE(candidates.size() == 3);
  CHECK(candidates[0].foundation == "udpcandidate");
  CHECK(candidates[0].priority == 1076302079);
  CHECK(candidates[0].address == "127.0.0.1");
  CHECK(candidates[0].port == points[0].socket->local_address().port);
  CHECK(candidates[1].foundation == "tcpcandidate");
  CHECK(candidates[1].priority == 1076276479);
  CHECK(candidates[1].address == "sfu.example.org");
  CHECK(candidates[2].priority == 1076275479);
  CHECK(candidates[2].address == "127.0.0.1");
  CHECK(candidates[2].protocol == kTcp);

  const auto preferred = MakeCandidates(points, {true, true, false, true});
  CHECK(preferred[1].priority == 1076532479);
  const auto tcp_only = MakeCandidates(points, {false, true, false, false});
  REQUIRE(tcp_only.size() == 2);
  CHECK(tcp_only[0].priority == 1076276479);  // the index of the listen info counts
  CHECK(MakeCandidates(points, {false, false, false, false}).empty());
}

TEST_CASE("a failed listen info closes the ones before it", "[ice_candidates]") {
  FakeNetwork network;
  NoHandler handler;
  ListenInfo bad = Info(kUdp);
  bad.ip = "localhost";
  const auto points = OpenListenPoints({Info(kUdp), bad}, network, handler);
  CHECK(std::string(ErrorClassName(points.status())) == "TypeError");
  CHECK(network.open_sockets() == 0);
}

TEST_CASE("a tuple shows the announced address and no remote until it is known",
          "[ice_candidates]") {
  FakeNetwork network;
  NoHandler handler;
  const auto points = *OpenListenPoints({Info(kUdp, "203.0.113.9")}, network, handler);
  FiveTuple tuple{kUdp, points[0].socket->local_address(), {}};
  TupleReport report = MakeTupleReport(tuple, points);
  CHECK(report.local_address == "203.0.113.9");
  CHECK(report.remote_ip.empty());
  CHECK(report.remote_port == 0);
  tuple.remote = {*IpAddress::Parse("192.0.2.1"), 5000};
  report = MakeTupleReport(tuple, points);
  CHECK(report.remote_ip == "192.0.2.1");
  CHECK(report.remote_port == 5000);
}

}  // namespace
}  // namespace sluice::worker
