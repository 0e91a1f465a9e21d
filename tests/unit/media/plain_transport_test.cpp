#include "worker/media/plain_transport.h"

#include <catch2/catch.hpp>

#include "tests/unit/media/engine_fixture.h"
#include "worker/wire/rtcp.h"
#include "worker/wire/rtp_packet.h"

namespace sluice::worker {
namespace {

using samples::Rtp;
using samples::Vp8Payload;

constexpr uint32_t kSsrc = 1111;

std::string ClassOf(const Status& status) { return status.ok() ? "ok" : ErrorClassName(status); }

struct PlainFixture : EngineFixture {
  PlainFixture() { REQUIRE(engine->CreateRouter("r").ok()); }
  PlainTransportDump Add(const std::string& id, const PlainTransportOptions& options) {
    auto dump = engine->CreatePlainTransport("r", id, options);
    REQUIRE(dump.ok());
    return *dump;
  }
  std::vector<uint8_t> Rr() {
    std::vector<uint8_t> bytes(100);
    rtcp::Builder builder(bytes);
    builder.AddReceiverReport(Ssrc(7), {});
    bytes.resize(builder.size());
    return bytes;
  }
  const SocketAddress peer = Address("192.0.2.1", 5000);
  const SocketAddress other = Address("192.0.2.2", 5000);
};

PlainTransportOptions Options() {
  PlainTransportOptions options;
  options.listen_info = EngineFixture::Listen();
  return options;
}
PlainConnectOptions To(std::string ip, std::optional<uint16_t> port,
                       std::optional<uint16_t> rtcp_port = {}) {
  PlainConnectOptions options;
  options.ip = std::move(ip);
  options.port = port;
  options.rtcp_port = rtcp_port;
  return options;
}

TEST_CASE_METHOD(PlainFixture, "a remote address that the socket cannot reach is refused",
                 "[plain_transport]") {
  struct Case {
    const char* listen;
    bool ipv6_only;
    const char* remote;
    bool reaches;
  };
  const std::vector<Case> cases = {
      {"127.0.0.1", false, "2001:db8::7", false}, {"127.0.0.1", false, "192.0.2.1", true},
      {"::", false, "192.0.2.1", true},           {"::", false, "2001:db8::7", true},
      {"::", true, "192.0.2.1", false},           {"2001:db8::1", false, "192.0.2.1", false},
      {"2001:db8::1", false, "2001:db8::7", true}};
  for (size_t i = 0; i < cases.size(); ++i) {
    INFO("case " << i);
    PlainTransportOptions options = Options();
    options.listen_info.ip = cases[i].listen;
    options.listen_info.ipv6_only = cases[i].ipv6_only;
    const std::string id = "f" + std::to_string(i);
    Add(id, options);
    const auto connected = engine->ConnectPlainTransport(id, To(cases[i].remote, 5000));
    CHECK(connected.ok() == cases[i].reaches);
    if (connected.ok()) continue;
    CHECK(ClassOf(connected.status()) == "TypeError");
    const std::string text(connected.status().message());
    CHECK(text.find(cases[i].remote) != std::string::npos);
    CHECK(text.find(cases[i].listen) != std::string::npos);
    // Refused, not half done: the right address is taken afterwards.
    const bool v4 = std::string(cases[i].remote).find(':') != std::string::npos &&
                    std::string(cases[i].listen).find(':') == std::string::npos;
    CHECK(engine->ConnectPlainTransport(id, To(v4 ? "192.0.2.1" : "2001:db8::7", 5000)).ok());
  }
  // RTCP of its own port, of another family.
  PlainTransportOptions options = Options();
  options.rtcp_mux = false;
  options.rtcp_listen_info = Listen();
  options.rtcp_listen_info->ip = "2001:db8::1";
  Add("two", options);
  CHECK_FALSE(engine->ConnectPlainTransport("two", To("192.0.2.1", 5000, 5001)).ok());
}

TEST_CASE_METHOD(PlainFixture, "connect rules of a plain transport", "[plain_transport]") {
  struct Case {
    bool rtcp_mux;
    bool srtp;
    PlainConnectOptions connect;
    bool with_key;
    const char* result;
  };
  const std::vector<Case> cases = {
      {true, false, To("192.0.2.1", 5000), false, "ok"},
      {true, false, To("", 5000), false, "TypeError"},
      {true, false, To("example.org", 5000), false, "TypeError"},
      {true, false, To("192.0.2.1", {}), false, "TypeError"},
      {true, false, To("192.0.2.1", 0), false, "TypeError"},
      {true, false, To("192.0.2.1", 5000, 5001), false, "TypeError"},
      {false, false, To("192.0.2.1", 5000, 5001), false, "ok"},
      {false, false, To("192.0.2.1", 5000), false, "TypeError"},
      {true, true, To("192.0.2.1", 5000), false, "TypeError"},
      {true, true, To("192.0.2.1", 5000), true, "ok"},
      {true, false, To("192.0.2.1", 5000), true, "TypeError"},
  };
  for (size_t i = 0; i < cases.size(); ++i) {
    INFO("case " << i);
    PlainTransportOptions options = Options();
    options.rtcp_mux = cases[i].rtcp_mux;
    options.enable_srtp = cases[i].srtp;
    options.srtp_crypto_suite = SrtpProfile::kAesCm128HmacSha1_80;
    const std::string id = "t" + std::to_string(i);
    Add(id, options);
    PlainConnectOptions connect = cases[i].connect;
    if (cases[i].with_key) {
      connect.srtp_parameters =
          ToSrtpParameters(GenerateSrtpKey(SrtpProfile::kAesCm128HmacSha1_80, environment));
    }
    const auto report = engine->ConnectPlainTransport(id, connect);
    CHECK(ClassOf(report.status()) == cases[i].result);
    if (!report.ok()) continue;
    REQUIRE(report->tuple);
    CHECK(report->tuple->remote_ip == "192.0.2.1");
    CHECK(report->rtcp_tuple.has_value() == !cases[i].rtcp_mux);
    CHECK(report->srtp_parameters.has_value() == cases[i].srtp);
    CHECK(ClassOf(engine->ConnectPlainTransport(id, connect).status()) == "Error");
  }
}

TEST_CASE_METHOD(PlainFixture, "a failed connect changes nothing", "[plain_transport]") {
  PlainTransportOptions options = Options();
  options.enable_srtp = true;
  options.srtp_crypto_suite = SrtpProfile::kAeadAes256Gcm;
  const auto before = Add("t", options).srtp_parameters;
  PlainConnectOptions connect = To("192.0.2.1", 5000);
  connect.srtp_parameters = SrtpParameters{SrtpProfile::kAeadAes128Gcm, "AAAA"};
  CHECK(ClassOf(engine->ConnectPlainTransport("t", connect).status()) == "TypeError");
  CHECK(engine->DumpPlainTransport("t")->srtp_parameters->key_base64 == before->key_base64);
  // The caller's suite wins, with a new key of ours.
  connect.srtp_parameters =
      ToSrtpParameters(GenerateSrtpKey(SrtpProfile::kAeadAes128Gcm, environment));
  const auto report = engine->ConnectPlainTransport("t", connect);
  REQUIRE(report.ok());
  CHECK(report->srtp_parameters->crypto_suite == SrtpProfile::kAeadAes128Gcm);
  CHECK(report->srtp_parameters->key_base64 != before->key_base64);
}

TEST_CASE_METHOD(PlainFixture, "create rules of a plain transport", "[plain_transport]") {
  PlainTransportOptions options = Options();
  options.listen_info.protocol = TransportProtocol::kTcp;
  CHECK(ClassOf(engine->CreatePlainTransport("r", "t", options).status()) == "TypeError");
  options = Options();
  options.listen_info.ip = "localhost";
  CHECK(ClassOf(engine->CreatePlainTransport("r", "t", options).status()) == "TypeError");
  options = Options();
  options.enable_srtp = true;
  CHECK(ClassOf(engine->CreatePlainTransport("r", "t", options).status()) == "TypeError");
  options.srtp_crypto_suite = static_cast<SrtpProfile>(4);
  CHECK(ClassOf(engine->CreatePlainTransport("r", "t", options).status()) == "TypeError");
  for (const int suite : {0, 1, 2, 3}) {
    options.srtp_crypto_suite = static_cast<SrtpProfile>(suite);
    CHECK(engine->CreatePlainTransport("r", "t", options).ok());
    CHECK(engine->CloseTransport("r", "t").ok());
  }
  options = Options();
  options.base.enable_sctp = true;
  options.base.max_receive_message_size = DataCore::kMaxBuffer + 1;
  CHECK(ClassOf(engine->CreatePlainTransport("r", "t", options).status()) == "TypeError");
  options = Options();
  options.rtcp_mux = false;
  options.listen_info.port = 7000;  // the copy for RTCP conflicts
  CHECK(ClassOf(engine->CreatePlainTransport("r", "t", options).status()) == "Error");
  CHECK(network.open_sockets() == 0);
  CHECK(engine->Dump().request_handler_ids == std::vector<std::string>{"r"});
}

TEST_CASE_METHOD(PlainFixture, "comedia learns the peer from its first good packet, once",
                 "[plain_transport]") {
  const auto dump = AddComedia("r", "in");
  CHECK(dump.tuple.remote_ip.empty());
  REQUIRE(engine->Produce("in", samples::Video("v", kSsrc)).ok());
  const SocketAddress local = LocalOf(dump.tuple);

  Deliver({1, 2, 3}, local, other);  // not RTP: teaches nothing
  Deliver(
      Rtp(96, kSsrc, 1, 1, {}).empty() ? std::vector<uint8_t>{} : std::vector<uint8_t>(12, 0x9F),
      local, other);  // malformed RTP (CSRCs past the end)
  CHECK(events.Take().empty());
  Deliver(Rtp(96, kSsrc, 1, 1, Vp8Payload(true, 1)), local, peer);
  CHECK(events.Take() == std::vector<std::string>{"plain-tuple in 192.0.2.1:5000"});
  Deliver(Rtp(96, kSsrc, 2, 1, Vp8Payload(false, 2)), local, other);  // another source
  CHECK(events.Take().empty());
  CHECK((*engine->Find<PlainTransport>("in"))->core().counters().wrong_source == 1);
  const auto stats = engine->GetPlainTransportStats("in");
  CHECK(stats->tuple.remote_ip == "192.0.2.1");
  CHECK(stats->base.rtp_bytes_received == 212);
  CHECK(stats->base.bytes_received == 3 + 12 + 212 + 212);
}

TEST_CASE_METHOD(PlainFixture, "without rtcp-mux comedia learns RTP and RTCP apart",
                 "[plain_transport]") {
  PlainTransportOptions options = Options();
  options.comedia = true;
  options.rtcp_mux = false;
  const auto dump = Add("in", options);
  REQUIRE(dump.rtcp_tuple);
  REQUIRE(engine->Produce("in", samples::Video("v", kSsrc)).ok());
  const SocketAddress rtp = LocalOf(dump.tuple);
  const SocketAddress rtcp = LocalOf(*dump.rtcp_tuple);

  Deliver(Rr(), rtp, peer);                                        // RTCP on the RTP port
  Deliver(Rtp(96, kSsrc, 1, 1, Vp8Payload(true, 1)), rtcp, peer);  // and the other way round
  CHECK(events.Take().empty());
  Deliver(Rr(), rtcp, other);
  CHECK(events.Take() == std::vector<std::string>{"plain-rtcp-tuple in 192.0.2.2:5000"});
  Deliver(Rtp(96, kSsrc, 1, 1, Vp8Payload(true, 1)), rtp, peer);
  CHECK(events.Take() == std::vector<std::string>{"plain-tuple in 192.0.2.1:5000"});

  // Receiver reports go to the RTCP address.
  (void)network.TakeSent();
  environment.AdvanceBy(Duration::Millis(600));
  const auto sent = network.TakeSent();
  REQUIRE(sent.size() == 1);
  CHECK(sent[0].tuple.local == rtcp);
  CHECK(sent[0].tuple.remote == other);
  CHECK(rtcp::LooksLikeRtcp(sent[0].bytes));
}

TEST_CASE_METHOD(PlainFixture, "packets before connect are dropped without comedia",
                 "[plain_transport]") {
  const auto dump = Add("in", Options());
  REQUIRE(engine->Produce("in", samples::Video("v", kSsrc)).ok());
  const auto packet = Rtp(96, kSsrc, 1, 1, Vp8Payload(true, 1));
  Deliver(packet, LocalOf(dump.tuple), peer);
  CHECK(engine->GetPlainTransportStats("in")->base.rtp_bytes_received == 0);
  REQUIRE(engine->ConnectPlainTransport("in", To("192.0.2.1", 5000)).ok());
  Deliver(packet, LocalOf(dump.tuple), peer);
  CHECK(engine->GetPlainTransportStats("in")->base.rtp_bytes_received == 212);
}

TEST_CASE_METHOD(PlainFixture, "media goes from one plain transport to two others",
                 "[plain_transport]") {
  const auto in = AddComedia("r", "in");
  const auto produced = samples::Video("v", kSsrc, kSsrc + 1);
  REQUIRE(engine->Produce("in", produced).ok());
  AddSender("r", "out1", Address("192.0.2.8", 6000));
  AddSender("r", "out2", Address("192.0.2.9", 6000));
  REQUIRE(engine->Consume("out1", samples::ConsumerOf(produced, "c1", 3000)).ok());
  REQUIRE(engine->Consume("out2", samples::ConsumerOf(produced, "c2", 4000)).ok());

  Deliver(Rtp(96, kSsrc, 10, 9000, Vp8Payload(true, 5), true), LocalOf(in.tuple), peer);
  Deliver(Rtp(96, kSsrc, 11, 12000, Vp8Payload(false, 6), true), LocalOf(in.tuple), peer);
  std::vector<SentDatagram> media;
  for (SentDatagram& sent : EndTurnAndTake()) {
    CHECK((sent.kind == PacketKind::kRtcp) == rtcp::LooksLikeRtcp(sent.bytes));
    if (!rtcp::LooksLikeRtcp(sent.bytes)) media.push_back(std::move(sent));
  }
  REQUIRE(media.size() == 4);
  // Consumer-major: both packets of one consumer, then both of the other.
  CHECK(media[0].tuple.remote == media[1].tuple.remote);
  CHECK(media[2].tuple.remote == media[3].tuple.remote);
  for (const SentDatagram& sent : media) {
    std::vector<uint8_t> bytes = sent.bytes;
    const auto packet = RtpPacket::Parse(bytes);
    REQUIRE(packet);
    CHECK(packet->payload_type() == PayloadType(samples::kRoutedVp8));
    CHECK(packet->payload().size() == 200);
    CHECK(sent.kind == PacketKind::kVideo);
    const bool first = sent.tuple.remote == Address("192.0.2.8", 6000);
    CHECK(packet->ssrc() == Ssrc(first ? 3000 : 4000));
  }
  const auto stats = engine->GetPlainTransportStats("out1");
  CHECK(stats->base.rtp_bytes_sent >= 2 * 212);
  CHECK(stats->base.bytes_sent == stats->base.rtp_bytes_sent);
}

TEST_CASE_METHOD(PlainFixture, "media crosses SRTP in both directions", "[plain_transport]") {
  // "in" and "out" are given each other's part by the test: it stands for both remote ends.
  PlainTransportOptions options = Options();
  options.enable_srtp = true;
  options.comedia = true;
  options.srtp_crypto_suite = SrtpProfile::kAeadAes128Gcm;
  const auto in = Add("in", options);
  options.comedia = false;
  const auto out = Add("out", options);

  const SrtpMasterKey sender_key = GenerateSrtpKey(SrtpProfile::kAeadAes128Gcm, environment);
  const SrtpMasterKey viewer_key = GenerateSrtpKey(SrtpProfile::kAeadAes128Gcm, environment);
  PlainConnectOptions connect;
  connect.srtp_parameters = ToSrtpParameters(sender_key);
  const auto in_report = engine->ConnectPlainTransport("in", connect);
  REQUIRE(in_report.ok());
  CHECK_FALSE(in_report->tuple);  // not known yet
  connect = To("192.0.2.8", 6000);
  connect.srtp_parameters = ToSrtpParameters(viewer_key);
  REQUIRE(engine->ConnectPlainTransport("out", connect).ok());

  const auto produced = samples::Video("v", kSsrc);
  REQUIRE(engine->Produce("in", produced).ok());
  REQUIRE(engine->Consume("out", samples::ConsumerOf(produced, "c", 3000)).ok());
  environment.EndTurn();

  auto sender = *SrtpSender::Create(sender_key, *srtp);
  const auto payload = Vp8Payload(true, 5);
  std::vector<uint8_t> packet = Rtp(96, kSsrc, 10, 9000, payload, true);
  const std::vector<uint8_t> plain = packet;
  packet.resize(packet.size() + kMaxSrtpTag);
  packet.resize(sender->ProtectRtp(packet.data(), 12, payload));
  srtp->Flush();

  Deliver(plain, LocalOf(in.tuple), other);  // in the clear: teaches nothing
  CHECK(events.Take().empty());
  CHECK((*engine->Find<PlainTransport>("in"))->core().counters().srtp_auth_failed == 1);
  Deliver(packet, LocalOf(in.tuple), peer);
  CHECK(events.Take() == std::vector<std::string>{"plain-tuple in 192.0.2.1:5000"});

  auto receiver = *SrtpReceiver::Create(*ParseSrtpParameters(*out.srtp_parameters));
  size_t received = 0;
  for (SentDatagram& sent : EndTurnAndTake()) {
    if (sent.tuple.remote != Address("192.0.2.8", 6000)) continue;
    if (rtcp::LooksLikeRtcp(sent.bytes)) continue;
    SrtpUnprotectError error{};
    const size_t size = receiver->UnprotectRtp(sent.bytes.data(), sent.bytes.size(), {}, &error);
    REQUIRE(size > 0);
    const auto parsed = RtpPacket::Parse({sent.bytes.data(), size});
    REQUIRE(parsed);
    CHECK(parsed->ssrc() == Ssrc(3000));
    CHECK(parsed->payload().size() == payload.size());
    ++received;
  }
  CHECK(received == 1);

  Deliver(packet, LocalOf(in.tuple), peer);  // replayed
  CHECK((*engine->Find<PlainTransport>("in"))->core().counters().srtp_replayed == 1);
}

}  // namespace
}  // namespace sluice::worker
