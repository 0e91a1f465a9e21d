// What a stranger, and a peer, may send to the port of a WebRTC transport: every class of datagram
// in every length.
#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <utility>
#include <vector>

#include "tests/unit/media/engine_fixture.h"
#include "tests/unit/media/stun_samples.h"

namespace sluice::worker {
namespace {

/// Every length up to here, then some; the longest that UDP over IPv4 carries is the last.
constexpr size_t kEachLength = 1500;
const std::vector<size_t> kLongLengths = {2047, 4096, 16'383, 16'384, 16'385, 32'768, 65'507};
/// STUN, DTLS, TURN's channels, RTP, RTCP, and the gaps between them (RFC 7983).
const std::vector<std::pair<uint8_t, uint8_t>> kFirstBytes = {
    {0, 1},     {3, 0},    {4, 0},    {19, 0},    {20, 254}, {22, 254},  {23, 254},
    {63, 0},    {64, 0},   {79, 0},   {80, 0},    {127, 0},  {128, 96},  {143, 223},
    {128, 200}, {129, 64}, {159, 95}, {191, 127}, {192, 0},  {255, 255},
};

struct AttackFixture : EngineFixture {
  AttackFixture() {
    REQUIRE(engine->CreateRouter("r").ok());
    REQUIRE(engine->CreateWebRtcServer("s", {Listen()}).ok());
    local = engine->DumpWebRtcServer("s")->udp_sockets.at(0);
    WebRtcTransportOptions options;
    options.webrtc_server_id = "s";
    auto dump = engine->CreateWebRtcTransport("r", "t", options);
    REQUIRE(dump.ok());
    credentials = dump->ice_parameters;
  }
  /// Sends one datagram of each class and length. No answer may be larger than what it answers.
  void SendAll(const SocketAddress& from) {
    for (const auto& [first, second] : kFirstBytes) {
      for (size_t size = 0; size <= kEachLength; ++size) SendOne(first, second, size, from);
      for (const size_t size : kLongLengths) SendOne(first, second, size, from);
    }
  }
  void SendOne(uint8_t first, uint8_t second, size_t size, const SocketAddress& from) {
    std::vector<uint8_t> datagram(size, static_cast<uint8_t>(size));
    if (size > 0) datagram[0] = first;
    if (size > 1) datagram[1] = second;
    if (size > 7 && first == 0) {  // with the magic cookie it goes on as STUN
      const std::array<uint8_t, 4> cookie = {0x21, 0x12, 0xA4, 0x42};
      std::copy(cookie.begin(), cookie.end(), datagram.begin() + 4);
      datagram[2] = static_cast<uint8_t>((size - 20) >> 8);
      datagram[3] = static_cast<uint8_t>(size - 20);
    }
    Deliver(datagram, local, from);
    size_t back = 0;
    for (const SentDatagram& sent : EndTurnAndTake()) back += sent.bytes.size();
    REQUIRE(back <= size);
    sent_back += back;
  }

  SocketAddress local;
  IceCredentials credentials;
  size_t sent_back = 0;
};

}  // namespace

TEST_CASE_METHOD(AttackFixture, "a stranger's datagrams of every class and length change nothing",
                 "[attack]") {
  SendAll(Address("192.0.2.66", 666));
  CHECK(events.Take().empty());
  CHECK(sent_back == 0);  // nothing of it authenticates, nor asks for an answer
  CHECK(engine->DumpWebRtcTransport("t")->ice_state == IceState::kNew);
  CHECK(engine->DumpWebRtcTransport("t")->dtls_state == DtlsState::kNew);
  // And the right client is served as ever.
  const SocketAddress alice = Address("192.0.2.1", 1000);
  Deliver(samples::BindingRequest(credentials, true), local, alice);
  CHECK(engine->DumpWebRtcTransport("t")->ice_state == IceState::kCompleted);
  CHECK(EndTurnAndTake().size() == 1);
}

TEST_CASE_METHOD(AttackFixture, "nor do a peer's, whose address is proven", "[attack]") {
  const SocketAddress alice = Address("192.0.2.1", 1000);
  Deliver(samples::BindingRequest(credentials, true), local, alice);
  (void)EndTurnAndTake();
  events.Take();
  SendAll(alice);
  CHECK(events.Take().empty());
  CHECK(engine->DumpWebRtcTransport("t")->ice_state == IceState::kCompleted);
  CHECK(engine->DumpWebRtcTransport("t")->dtls_state == DtlsState::kConnecting);
  CHECK(engine->DumpWebRtcTransport("t")->ice_selected_tuple->remote_port == 1000);
}

TEST_CASE_METHOD(AttackFixture, "DTLS before ICE, and from another address than ICE's, is dropped",
                 "[attack]") {
  // The head of a ClientHello in a record of DTLS 1.2 (RFC 6347 §4.1).
  std::vector<uint8_t> hello = {22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 50, 1, 0, 0, 38};
  hello.resize(63, 0);
  const SocketAddress alice = Address("192.0.2.1", 1000);
  Deliver(hello, local, alice);
  CHECK(EndTurnAndTake().empty());
  CHECK(engine->DumpWebRtcTransport("t")->dtls_state == DtlsState::kNew);
  Deliver(samples::BindingRequest(credentials, true), local, alice);
  (void)EndTurnAndTake();
  for (const SocketAddress& other : {Address("192.0.2.1", 1001), Address("192.0.2.2", 1000)}) {
    Deliver(hello, local, other);
    CHECK(EndTurnAndTake().empty());
  }
}

}  // namespace sluice::worker
