// Consent to send (RFC 7675) belongs to one pair of addresses.
#include <catch2/catch.hpp>

#include "tests/sim/call_fixture.h"
#include "worker/media/datagram_kind.h"
#include "worker/wire/stun.h"

namespace sluice::worker {
namespace {

/// Another interface of a viewer: it checks the pair from there, and counts the media that comes.
class BackupInterface final : private DatagramHandler {
 public:
  BackupInterface(CallFixture& call, const std::string& transport_id)
      : call_(call),
        transport_id_(transport_id),
        address_(call.NextAddress()),
        timer_(call.environment.CreateTimer([this](Timestamp) { Check(); })) {
    ListenInfo info;
    info.ip = address_.ip.ToString();
    info.port = address_.port;
    socket_ = *call.links.Open(info, *this);
  }

  void Check() {
    const auto dump = call_.engine->DumpWebRtcTransport(transport_id_);
    const IceCandidateReport& candidate = dump->ice_candidates.at(0);
    PacketWriter* writer = socket_->writer();
    StunWriter stun({writer->Reserve(512), 512}, StunClass::kRequest, kStunMethodBinding, {1, 2});
    stun.AddUsername(dump->ice_parameters.username_fragment + ":peer");
    stun.AddPriority(1);
    stun.AddIceControlling(42);
    writer->Commit(stun.FinishWithIntegrity(StunIntegrityKey(dump->ice_parameters.password)),
                   {*IpAddress::Parse(candidate.address), candidate.port}, PacketKind::kStun);
    timer_->Start(WebRtcPeer::kConsentInterval);
  }
  void Stop() { timer_->Stop(); }

  uint16_t port() const { return address_.port; }
  uint64_t media() const { return media_; }

 private:
  void OnDatagram(PacketRef buffer, size_t size, const NetworkPath&, Timestamp) override {
    if (ClassifyDatagram({buffer.data(), size}) == DatagramKind::kRtp) ++media_;
  }
  void OnPathClosed(const NetworkPath&) override {}

  CallFixture& call_;
  const std::string transport_id_;
  const SocketAddress address_;
  std::unique_ptr<Timer> timer_;
  std::unique_ptr<ServerSocket> socket_;
  uint64_t media_ = 0;
};

}  // namespace

TEST_CASE("checks of a backup interface do not keep media flowing to a dead address", "[sim]") {
  CallFixture call;
  const auto publisher = call.Join("pub");
  const auto viewer = call.Join("view");
  REQUIRE(call.AwaitConnected(*publisher, "pub", Duration::Seconds(30)));
  REQUIRE(call.AwaitConnected(*viewer, "view", Duration::Seconds(30)));
  REQUIRE(call.engine->Produce("pub", call.VideoOptions()).ok());
  VideoSender sender(call.environment, *publisher, CallFixture::kVideoSsrc, CallFixture::kVideoRtx);
  VideoReceiver receiver(call.environment, *viewer, 3000, 3001);
  sender.Start();
  REQUIRE(call.engine->Consume("view", samples::ConsumerOf(call.VideoOptions(), "c", 3000)).ok());
  BackupInterface backup(call, "view");
  backup.Check();
  call.environment.AdvanceBy(Duration::Seconds(5));
  REQUIRE(receiver.received() > 500);
  CHECK(backup.media() == 0);

  viewer->StopChecks();  // the interface is gone
  call.environment.AdvanceBy(Duration::Seconds(31));
  const uint64_t received = receiver.received();
  const uint64_t before = backup.media();
  call.environment.AdvanceBy(Duration::Seconds(2));
  CHECK(receiver.received() == received);
  CHECK(backup.media() > before + 250);
  CHECK(call.Ice("view") == IceState::kCompleted);
  CHECK(call.engine->DumpWebRtcTransport("view")->ice_selected_tuple->remote_port == backup.port());

  backup.Stop();
  call.environment.AdvanceBy(Duration::Seconds(31));
  CHECK(call.Ice("view") == IceState::kDisconnected);
  const uint64_t last = backup.media();
  call.environment.AdvanceBy(Duration::Seconds(2));
  CHECK(backup.media() == last);
}

TEST_CASE("media that chooses another path of its sender is taken by it", "[sim]") {
  CallFixture call;
  WebRtcTransportOptions options;
  options.webrtc_server_id = "s";
  const auto dump = call.engine->CreateWebRtcTransport("r", "pub", options);
  WebRtcPeer publisher({call.environment, call.links, *call.srtp, CallFixture::PeerDtls()},
                       call.NextAddress());
  publisher.SetNominating(false);  // then it is media that says which
  DtlsParameters parameters;
  parameters.role = DtlsRole::kClient;
  parameters.fingerprints = {CallFixture::PeerDtls()->fingerprints().at(CallFixture::kSha256)};
  REQUIRE(call.engine->ConnectWebRtcTransport("pub", parameters).ok());
  publisher.Connect(dump->ice_candidates.at(0), dump->ice_parameters,
                    dump->dtls_fingerprints.at(CallFixture::kSha256), DtlsRole::kClient);
  REQUIRE(call.AwaitConnected(publisher, "pub", Duration::Seconds(30)));
  REQUIRE(call.Ice("pub") == IceState::kConnected);
  REQUIRE(call.engine->Produce("pub", call.VideoOptions()).ok());
  const SocketAddress other = call.NextAddress();
  publisher.MoveTo(other);
  call.environment.AdvanceBy(Duration::Seconds(5));  // tuples that change often are told late
  const auto selected_port = [&] {
    return call.engine->DumpWebRtcTransport("pub")->ice_selected_tuple->remote_port;
  };
  CHECK(selected_port() != other.port);
  const auto packet = samples::Rtp(samples::kVp8, CallFixture::kVideoSsrc, 1, 3000,
                                   samples::Vp8Payload(true, 1), true);
  SECTION("and goes on") {
    CHECK(publisher.SendRtp(packet));
    call.environment.AdvanceBy(Duration::Millis(200));
    CHECK(selected_port() == other.port);
    const auto stats = call.engine->GetProducerStats("v");
    REQUIRE(stats.ok());
    REQUIRE(stats->size() == 1);
    CHECK(stats->at(0).packet_count == 1);
  }
  SECTION("unless somebody who hears of it closes the transport") {
    call.events.on_line = [&](const std::string& line) {
      if (line.starts_with("tuple ")) (void)call.engine->CloseTransport("r", "pub");
    };
    CHECK(publisher.SendRtp(packet));
    call.environment.AdvanceBy(Duration::Millis(200));
    CHECK_FALSE(call.engine->DumpWebRtcTransport("pub").ok());
  }
  call.events.on_line = nullptr;
}

}  // namespace sluice::worker
