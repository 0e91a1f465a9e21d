// A client that has the password of its own transport says that it is somewhere else. What is sent
// there must not be more than what came from there, until the address shows that it receives.
#include <catch2/catch.hpp>

#include <algorithm>

#include "tests/sim/video_call.h"
#include "worker/media/webrtc_transport.h"
#include "worker/wire/rtcp.h"
#include "worker/wire/stun.h"

namespace sluice::worker {
namespace {

/// A third party's address: datagrams with it as their source go to the engine, and what the engine
/// sends there is counted. It answers nothing.
class ThirdParty final : private DatagramHandler {
 public:
  ThirdParty(CallFixture& call, const std::string& ip) : call_(call) {
    ListenInfo info;
    info.ip = ip;
    info.port = 5000;
    socket_ = *call.links.Open(info, *this);
  }
  /// A nominating check of transport `id`, by who knows its password.
  void ForgeCheck(const std::string& id) {
    const auto dump = call_.engine->DumpWebRtcTransport(id);
    const IceCandidateReport& candidate = dump->ice_candidates.at(0);
    server_ = {*IpAddress::Parse(candidate.address), candidate.port};
    std::array<uint8_t, 256> bytes{};
    StunWriter stun(bytes, StunClass::kRequest, kStunMethodBinding, {++checks_, 2});
    stun.AddUsername(dump->ice_parameters.username_fragment + ":peer");
    stun.AddPriority(1);
    stun.AddIceControlling(42);
    stun.AddUseCandidate();
    Send({bytes.data(), stun.FinishWithIntegrity(StunIntegrityKey(dump->ice_parameters.password))});
  }
  void Send(std::span<const uint8_t> bytes) {
    std::copy(bytes.begin(), bytes.end(), socket_->writer()->Reserve(bytes.size()));
    socket_->writer()->Commit(bytes.size(), server_, PacketKind::kStun);
    sent_ += bytes.size();
  }
  size_t sent() const { return sent_; }
  size_t received() const { return received_; }

 private:
  void OnDatagram(PacketRef, size_t size, const NetworkPath&, Timestamp) override {
    received_ += size;
  }
  void OnPathClosed(const NetworkPath&) override {}

  CallFixture& call_;
  std::unique_ptr<ServerSocket> socket_;
  SocketAddress server_;
  uint8_t checks_ = 0;
  size_t sent_ = 0;
  size_t received_ = 0;
};

constexpr const char* kVictim = "198.51.100.7";

SocketAddress Mobile(uint16_t port = 7000) { return {*IpAddress::Parse("203.0.113.9"), port}; }

std::string SelectedIp(const CallFixture& call, const std::string& id) {
  const auto tuple = call.engine->DumpWebRtcTransport(id)->ice_selected_tuple;
  return tuple ? tuple->remote_ip : "";
}

IceStats Ice(CallFixture& call) { return call.engine->ReadCounters().counters.ice; }

}  // namespace

TEST_CASE("a check from a forged address does not take a viewer's media there",
          "[sim][reflection]") {
  VideoCall call;
  auto viewer = call.View("view", 3000);
  ThirdParty victim(call, kVictim);
  call.environment.AdvanceBy(Duration::Seconds(2));
  viewer.receiver->ResetGap();
  std::array<uint8_t, 64> memory{};
  rtcp::Builder report(memory);
  report.AddReceiverReport(Ssrc(1), {});
  for (int i = 0; i < 600; ++i) {
    if (i % 10 == 0) victim.ForgeCheck("view");
    if (i % 4 == 0) viewer.peer->SendRtcp(report.packet());  // as a receiver of video does
    call.environment.AdvanceBy(Duration::Millis(100));
  }
  CHECK(victim.received() > 0);  // an answer to each
  CHECK(victim.received() <= victim.sent());
  CHECK(SelectedIp(call, "view") == CallFixture::kPeerIp);
  CHECK(viewer.receiver->longest_gap() < Duration::Millis(100));
  CHECK(viewer.receiver->missing() == 0);
  CHECK(Ice(call).moves_refused > 10);
}

TEST_CASE("nor when who forges it is silent where it is", "[sim][reflection]") {
  VideoCall call;
  auto viewer = call.View("view", 3000);
  call.environment.AdvanceBy(Duration::Seconds(2));
  ThirdParty victim(call, kVictim);
  viewer.receiver.reset();
  viewer.peer.reset();
  SECTION("with a check now and then") {
    for (int i = 0; i < 20; ++i) {
      victim.ForgeCheck("view");
      call.environment.AdvanceBy(Duration::Seconds(5));
    }
  }
  SECTION("with what looks like media") {
    const std::vector<uint8_t> rtp = samples::Rtp(96, 77, 1, 1, {1, 2, 3});
    for (int i = 0; i < 100; ++i) {
      if (i % 5 == 0) victim.ForgeCheck("view");
      for (int packet = 0; packet < 10; ++packet) victim.Send(rtp);
      call.environment.AdvanceBy(Duration::Seconds(1));
    }
  }
  SECTION("with a check only when consent has expired") {
    call.environment.AdvanceBy(Duration::Seconds(40));
    REQUIRE(call.Ice("view") == IceState::kDisconnected);
    for (int i = 0; i < 20; ++i) {
      victim.ForgeCheck("view");
      call.environment.AdvanceBy(Duration::Seconds(5));
    }
  }
  CHECK(call.Ice("view") == IceState::kCompleted);  // the address is the peer's wish
  CHECK(victim.received() > 0);
  CHECK(victim.received() <= victim.sent());
  CHECK(call.engine->ReadCounters().counters.transports.send_withheld > 100);
}

TEST_CASE("a handshake that is aimed at a third party ends soon", "[sim][reflection]") {
  CallFixture call;
  WebRtcTransportOptions options;
  options.webrtc_server_id = "s";
  REQUIRE(call.engine->CreateWebRtcTransport("r", "t", options).ok());
  DtlsParameters parameters;
  parameters.role = DtlsRole::kServer;  // so that we begin
  parameters.fingerprints = {CallFixture::PeerDtls()->fingerprints().at(CallFixture::kSha256)};
  REQUIRE(call.engine->ConnectWebRtcTransport("t", parameters).ok());
  ThirdParty victim(call, kVictim);
  for (int i = 0; i < 120; ++i) {
    victim.ForgeCheck("t");
    call.environment.AdvanceBy(Duration::Seconds(1));
  }
  CHECK(victim.received() > 1000);
  CHECK(victim.received() <= victim.sent() + WebRtcTransport::kHandshakeCredit);
}

TEST_CASE("a viewer that goes from Wi-Fi to mobile sees no gap", "[sim][reflection]") {
  for (const bool publishes_too : {false, true}) {
    INFO("the publisher moves, too: " << publishes_too);
    VideoCall call;
    call.SetDelay(Duration::Millis(50));
    auto viewer = call.View("view", 3000);
    call.environment.AdvanceBy(Duration::Seconds(2));
    viewer.receiver->ResetGap();
    viewer.peer->MoveTo(Mobile());
    if (publishes_too) call.publisher->MoveTo(Mobile(7001));
    call.environment.AdvanceBy(Duration::Seconds(5));
    CHECK(SelectedIp(call, "view") == "203.0.113.9");
    // There and back for the check and for the probe.
    CHECK(viewer.receiver->longest_gap() < Duration::Millis(300));
    CHECK(viewer.receiver->missing() == 0);
    CHECK(Ice(call).addresses_proven == (publishes_too ? 2U : 1U));
    CHECK(Ice(call).moves_unproven == 0);
    // And back, where nobody has to show anything again while the tuple is known.
    viewer.receiver->ResetGap();
    viewer.peer->MoveTo(call.NextAddress());
    call.environment.AdvanceBy(Duration::Seconds(5));
    CHECK(SelectedIp(call, "view") == CallFixture::kPeerIp);
    CHECK(viewer.receiver->longest_gap() < Duration::Millis(200));
    CHECK(viewer.receiver->missing() == 0);
  }
}

TEST_CASE("a NAT that gives a viewer another port costs nothing", "[sim][reflection]") {
  VideoCall call;
  auto viewer = call.View("view", 3000);
  call.environment.AdvanceBy(Duration::Seconds(2));
  viewer.receiver->ResetGap();
  viewer.peer->MoveTo(call.NextAddress());
  call.environment.AdvanceBy(Duration::Seconds(2));
  CHECK(viewer.receiver->longest_gap() < Duration::Millis(100));
  CHECK(Ice(call).probes_sent == 0);
}

TEST_CASE("moves survive a network that loses", "[sim][reflection]") {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    INFO("seed " << seed);
    VideoCall call(seed);
    call.SetLoss(0.2);
    auto viewer = call.View("view", 3000);
    call.environment.AdvanceBy(Duration::Seconds(3));
    viewer.peer->MoveTo(Mobile());
    CHECK(call.environment.AdvanceUntil(
        [&] {
          return Ice(call).addresses_proven == 1 && SelectedIp(call, "view") == "203.0.113.9";
        },
        Duration::Seconds(30)));
  }
}

TEST_CASE("a viewer that comes back from elsewhere after all was lost", "[sim][reflection]") {
  VideoCall call;
  auto viewer = call.View("view", 3000);
  call.environment.AdvanceBy(Duration::Seconds(2));
  viewer.peer->StopChecks();
  call.environment.AdvanceBy(Duration::Seconds(35));
  REQUIRE(call.Ice("view") == IceState::kDisconnected);
  const uint64_t received = viewer.receiver->received();
  viewer.peer->MoveTo(Mobile());
  call.environment.AdvanceBy(Duration::Seconds(2));
  CHECK(call.Ice("view") == IceState::kCompleted);
  CHECK(viewer.receiver->received() > received + 150);
  CHECK(Ice(call).addresses_proven == 1);
}

}  // namespace sluice::worker
