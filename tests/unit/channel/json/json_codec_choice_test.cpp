// What is received of receivers with several codecs, and of encodings whose SSRCs are left open
// (docs/protocols/json-protocol.md §5).
#include <array>
#include <catch2/catch.hpp>

#include "tests/unit/channel/json/json_call.h"
#include "tests/unit/media/media_samples.h"

namespace sluice::worker::json_protocol {
namespace {

using F = JsonFixture;

constexpr uint8_t kVp8 = 96;
constexpr uint8_t kVp9 = 98;
constexpr uint8_t kVp8Rtx = 100;
constexpr uint8_t kVp9Rtx = 101;

constexpr char kFeedback[] = "'rtcpFeedback':[{'type':'nack'},{'type':'nack','parameter':'pli'}]";

std::string Codec(const char* name, uint8_t type) {
  return fmt::format("{{'name':'video/{}','payloadType':{},'clockRate':90000,{}}}", name, type,
                     kFeedback);
}
std::string RtxCodec(uint8_t type, uint8_t apt) {
  return fmt::format(
      "{{'name':'video/rtx','payloadType':{},'clockRate':90000,'parameters':{{'apt':{}}}}}", type,
      apt);
}
std::string Encodings(const std::string& encodings) {
  return fmt::format("{{'codecs':[{},{},{},{}],'encodings':[{}]}}", Codec("VP8", kVp8),
                     Codec("VP9", kVp9), RtxCodec(kVp8Rtx, kVp8), RtxCodec(kVp9Rtx, kVp9),
                     encodings);
}
/// RFC 9628 §4.2: a 7-bit picture id, a whole frame of one packet.
std::vector<uint8_t> Vp9Payload(bool key_frame, uint16_t number) {
  return {static_cast<uint8_t>(key_frame ? 0x8c : 0xcc), static_cast<uint8_t>(number & 0x7f), 1, 2};
}

/// What the publisher is asked for.
struct Requests : rtcp::Visitor {
  void OnNack(Ssrc media, const rtcp::NackItem& item) override {
    nacks.emplace(media.value(), item.packet_id.value());
  }
  void OnPli(Ssrc) override { ++plis; }
  std::set<std::pair<uint32_t, uint16_t>> nacks;
  int plis = 0;
};

/// Receiver 11 of peer 1 with VP8 and VP9, sent to peer 2.
struct TwoCodecs : JsonFixture {
  explicit TwoCodecs(const std::string& encodings, bool viewer_has_vp9 = true) {
    Accept("worker.createRoom", RoomInternal(),
           "{'mediaCodecs':[{'kind':'video','name':'video/VP8','clockRate':90000,'payloadType':96},"
           "{'kind':'video','name':'video/VP9','clockRate':90000,'payloadType':98}]}");
    MakeSide(1, 10, true, &publisher);
    MakeSide(2, 20, viewer_has_vp9, &viewer);
    publisher->on_rtcp = [this](std::span<const uint8_t> compound) {
      rtcp::Parse(compound, requests);
    };
    viewer->on_rtp = [this](RtpPacket& packet) {
      seen.push_back(fmt::format("{} {}", packet.payload_type().value(), packet.payload().back()));
      last_sequence = packet.sequence_number().value();
    };
    MakeReceiver(1, 11, 10);
    Receive(1, 11, 10, Encodings(encodings));
    const auto senders = NewSenders();
    REQUIRE(senders.size() == 1);
    if (encodings.starts_with("{'ssrc'")) {
      Accept("rtpSender.setTransport", SenderInternal(2, senders[0], 20));
    }
    Accept("rtpReceiver.setRtpObjectEvent", ReceiverInternal(1, 11, 10), "{'enabled':true}");
    environment.AdvanceBy(Duration::Seconds(1));
    requests = {};
  }
  void MakeSide(uint32_t peer, uint32_t transport, bool has_vp9,
                std::unique_ptr<WebRtcPeer>* browser) {
    const auto codec = [](const char* name, uint8_t type) {
      return fmt::format(
          "{{'kind':'video','name':'video/{}','clockRate':90000,'payloadType':{},{}}}", name, type,
          kFeedback);
    };
    Accept("room.createPeer", PeerInternal(peer));
    Accept(
        "peer.setCapabilities", PeerInternal(peer),
        fmt::format("{{'codecs':[{}{}]}}", codec("VP8", 2), has_vp9 ? "," + codec("VP9", 3) : ""));
    const auto dump = MakeTransport(peer, transport);
    *browser = Browser(peer, transport, dump);
    REQUIRE(Await([&] { return (*browser)->dtls_connected(); }));
    environment.AdvanceBy(Duration::Millis(100));
  }
  void SendPacket(const std::vector<uint8_t>& packet) {
    publisher->SendRtp(packet);
    environment.AdvanceBy(Duration::Millis(100));
  }
  /// A frame of one packet; the last byte of its payload is its number.
  void SendVp8(uint32_t ssrc, uint16_t sequence, bool key_frame = false) {
    auto payload = samples::Vp8Payload(key_frame, sequence, 20);
    payload.back() = static_cast<uint8_t>(sequence);
    SendPacket(samples::Rtp(kVp8, ssrc, sequence, sequence * 9000u, payload, true));
  }
  void SendVp9(uint32_t ssrc, uint16_t sequence, bool key_frame = false) {
    auto payload = Vp9Payload(key_frame, sequence);
    payload.back() = static_cast<uint8_t>(sequence);
    SendPacket(samples::Rtp(kVp9, ssrc, sequence, sequence * 9000u, payload, true));
  }
  void SendRtx(uint8_t type, uint32_t ssrc, uint16_t original) {
    auto payload =
        type == kVp8Rtx ? samples::Vp8Payload(false, original, 20) : Vp9Payload(false, original);
    payload.back() = static_cast<uint8_t>(original);
    payload.insert(payload.begin(), {0, static_cast<uint8_t>(original)});
    SendPacket(samples::Rtp(type, ssrc, ++rtx_sequence, original * 9000u, payload, true));
  }
  /// "SSRC payload-type number" of each packet that was received.
  Lines Received() const {
    Lines lines;
    for (const auto& event : Events("rtpobject")) {
      const auto& object = event.at("data").at("object");
      lines.push_back(fmt::format("{} {} {}", object.at("ssrc").to_number<uint32_t>(),
                                  object.at("payloadType").to_number<int>(),
                                  object.at("sequenceNumber").to_number<int>()));
    }
    return lines;
  }
  std::string Table() {
    return boost::json::serialize(
        Accept("transport.dump", With(1, "transportId", 10)).at("rtpListener").at("ssrcTable"));
  }
  /// RTCP of the viewer: what `add` puts into it.
  template <typename Add>
  void Ask(const Add& add) {
    std::array<uint8_t, rtcp::Builder::kMaxCompound> bytes;
    rtcp::Builder builder(bytes);
    REQUIRE(add(builder));
    viewer->SendRtcp(builder.packet());
    environment.AdvanceBy(Duration::Millis(100));
  }

  std::unique_ptr<WebRtcPeer> publisher, viewer;
  Requests requests;
  Lines seen;  // "payload-type number" at the viewer
  uint16_t last_sequence = 0;
  uint16_t rtx_sequence = 0;
};

TEST_CASE("a stream may be of any of the receiver's codecs") {
  TwoCodecs call("{'ssrc':5,'rtx':{'ssrc':6}}");
  call.SendVp9(5, 1, true);
  call.SendVp9(5, 2);
  call.SendVp9(5, 4);
  CHECK(call.requests.nacks.contains({5, 3}));
  call.SendRtx(kVp8Rtx, 6, 3);  // of the other codec: repairs nothing
  CHECK(call.Received() == Lines{"5 98 1", "5 98 2", "5 98 4"});
  call.SendRtx(kVp9Rtx, 6, 3);
  CHECK(call.Received() == Lines{"5 98 1", "5 98 2", "5 98 4", "5 98 3"});
  CHECK(call.seen == Lines{"98 1", "98 2", "98 4", "98 3"});
  CHECK(call.requests.plis == 0);
}

TEST_CASE("dumps show the codec that a stream has, or would begin with") {
  TwoCodecs call("{'ssrc':5}");
  const auto mimes = [&] {
    const auto receiver = call.Accept("rtpReceiver.dump", F::ReceiverInternal(1, 11, 10));
    const auto sender =
        call.Accept("rtpSender.dump", F::SenderInternal(2, call.NewSenders()[0], 20));
    Lines lines;
    for (const auto& params : {receiver.at("rtpStreams").at(0).at("params").as_object(),
                               sender.at("rtpStream").at("params").as_object()}) {
      lines.push_back(fmt::format("{} {}", params.at("mime").as_string().c_str(),
                                  params.at("payloadType").to_number<int>()));
    }
    return lines;
  };
  CHECK(mimes() == Lines{"video/VP8 96", "video/VP8 96"});
  call.SendVp9(5, 1, true);
  CHECK(mimes() == Lines{"video/VP9 98", "video/VP9 98"});
  call.SendVp8(5, 2, true);
  CHECK(mimes() == Lines{"video/VP8 96", "video/VP8 96"});
}

TEST_CASE("it is learned by the payload type of any") {
  TwoCodecs call("{'rtx':{}}");
  call.SendRtx(kVp9Rtx, 52, 1);  // of what?
  call.SendVp9(51, 1, true);
  call.SendVp9(51, 3);
  call.SendRtx(kVp8Rtx, 53, 2);
  call.SendRtx(kVp9Rtx, 52, 2);
  CHECK(call.Received() == Lines{"51 98 1", "51 98 3", "51 98 2"});
  CHECK(call.Table() == R"({"51":"11","52":"11"})");
}

TEST_CASE("a stream that starts with another codec asks for that one's key frame") {
  TwoCodecs call("{'ssrc':5}");
  call.SendVp9(5, 1);
  CHECK(call.requests.plis == 1);
  CHECK(call.seen.empty());
  call.SendVp9(5, 2, true);
  CHECK(call.seen == Lines{"98 2"});
  call.environment.AdvanceBy(Duration::Seconds(2));
  call.Ask([](rtcp::Builder& builder) { return builder.AddPli(Ssrc(5), Ssrc(5)); });
  CHECK(call.requests.plis == 2);
}

TEST_CASE("the sender changes its codec: consumers go on with its next key frame") {
  TwoCodecs call("{'ssrc':5,'rtx':{'ssrc':6}}");
  call.SendVp8(5, 1, true);
  call.SendVp8(5, 2);
  const uint16_t before = call.last_sequence;
  CHECK(call.requests.plis == 0);
  SECTION("with a key frame") {
    call.SendVp9(5, 3, true);
    call.SendVp9(5, 4);
    CHECK(call.seen == Lines{"96 1", "96 2", "98 3", "98 4"});
    CHECK(call.requests.plis == 0);
    CHECK(static_cast<uint16_t>(call.last_sequence - before) == 2);
  }
  SECTION("without: one is asked for") {
    call.SendVp9(5, 3);
    CHECK(call.requests.plis == 1);
    call.SendVp9(5, 4);
    call.SendVp9(5, 5, true);
    call.SendVp9(5, 6);
    CHECK(call.seen == Lines{"96 1", "96 2", "98 5", "98 6"});
    CHECK(static_cast<uint16_t>(call.last_sequence - before) == 2);
  }
  SECTION("whose first packet is lost and repaired") {
    call.SendVp9(5, 4);
    CHECK(call.requests.nacks.contains({5, 3}));
    auto repair = Vp9Payload(true, 3);
    repair.back() = 3;
    repair.insert(repair.begin(), {0, 3});
    call.SendPacket(samples::Rtp(kVp9Rtx, 6, 1, 27'000, repair, true));
    CHECK(call.seen == Lines{"96 1", "96 2", "98 3", "98 4"});
  }
  SECTION("and a packet of the codec before comes late") {
    call.SendVp9(5, 4);
    call.SendVp8(5, 3, true);  // no key frame for those who wait
    call.SendVp9(5, 5);
    CHECK(call.seen == Lines{"96 1", "96 2"});
    call.SendVp9(5, 6, true);
    call.SendVp9(5, 7);
    CHECK(call.seen == Lines{"96 1", "96 2", "98 6", "98 7"});
    CHECK(call.Received().size() == 7);
  }
  SECTION("and back again") {
    call.SendVp9(5, 3, true);
    call.SendVp8(5, 4);
    call.SendVp8(5, 5, true);
    CHECK(call.seen == Lines{"96 1", "96 2", "98 3", "96 5"});
    call.SendVp8(5, 7);
    call.SendRtx(kVp8Rtx, 6, 6);
    CHECK(call.seen == Lines{"96 1", "96 2", "98 3", "96 5", "96 7", "96 6"});
  }
}

TEST_CASE("a viewer without the second codec gets the first alone, from a key frame on") {
  TwoCodecs call("{'ssrc':5}", /*viewer_has_vp9=*/false);
  call.SendVp8(5, 1, true);
  call.SendVp9(5, 2, true);
  call.SendVp9(5, 3);
  call.SendVp8(5, 4);
  CHECK(call.seen == Lines{"96 1"});
  call.SendVp8(5, 5, true);
  CHECK(call.seen == Lines{"96 1", "96 5"});
}

TEST_CASE("a viewer is sent repairs by the RTX of the codec that it gets") {
  TwoCodecs call("{'ssrc':5,'rtx':{'ssrc':6}}");
  call.SendVp8(5, 1, true);
  call.SendVp8(5, 2);
  const uint16_t old = call.last_sequence;
  call.SendVp9(5, 3, true);
  call.SendVp9(5, 4);
  call.seen.clear();
  const auto ask = [&](uint16_t number) {
    const rtcp::NackItem item{SeqNumber(number), 0};
    call.Ask([&](rtcp::Builder& builder) {
      return builder.AddNack(Ssrc(5), Ssrc(5), std::span(&item, 1));
    });
  };
  ask(old);  // would come with the payload type of the other's RTX
  CHECK(call.seen.empty());
  ask(call.last_sequence);
  CHECK(call.seen == Lines{fmt::format("{} 4", kVp9Rtx)});
}

TEST_CASE("RTX without an announced SSRC is that of the one stream that leaves it open") {
  SECTION("one of two") {
    const bool first = GENERATE(true, false);
    TwoCodecs call(first ? "{'ssrc':5,'rtx':{}},{'ssrc':7}" : "{'ssrc':5},{'ssrc':7,'rtx':{}}");
    const uint32_t ssrc = first ? 5 : 7;
    call.SendVp8(ssrc, 1, true);
    call.SendVp8(ssrc, 3);
    call.SendRtx(kVp8Rtx, 8, 2);
    CHECK(call.Received().back() == fmt::format("{} 96 2", ssrc));
    CHECK(call.Table() == R"({"5":"11","7":"11","8":"11"})");
  }
  SECTION("where two do, it could be either's") {
    const std::string second = GENERATE("{'ssrc':7,'rtx':{}}", "{'rtx':{}}");
    TwoCodecs call("{'ssrc':5,'rtx':{}}," + second);
    for (const uint32_t ssrc : {5u, 7u}) {
      call.SendVp8(ssrc, 1, true);
      call.SendVp8(ssrc, 3);
    }
    const Lines before = call.Received();
    CHECK(before.size() == 4);
    call.SendRtx(kVp8Rtx, 100, 2);
    CHECK(call.Received() == before);
    CHECK(call.Table() == R"({"5":"11","7":"11"})");
  }
  SECTION("that its media is open, too, changes nothing") {
    TwoCodecs call("{'ssrc':5,'rtx':{'ssrc':6}},{'rtx':{}}");
    call.SendVp8(52, 1, true);
    call.SendVp8(52, 3);
    call.SendRtx(kVp8Rtx, 100, 2);
    CHECK(call.Received() == Lines{"52 96 1", "52 96 3", "52 96 2"});
  }
}

TEST_CASE("a duplicate is no stream: it takes no packets, and lends its RTX") {
  SECTION("an encoding without an SSRC after it") {
    TwoCodecs call("{'ssrc':5},{'ssrc':5,'rtx':{}},{}");
    call.SendVp8(5, 1, true);
    call.SendVp8(52, 1, true);
    CHECK(call.Received() == Lines{"5 96 1", "52 96 1"});
    CHECK(call.Table() == R"({"5":"11","52":"11"})");
  }
  SECTION("RTX that only the duplicate names") {
    TwoCodecs call("{'ssrc':5},{'ssrc':5,'rtx':{'ssrc':6}}");
    CHECK(call.Table() == R"({"5":"11","6":"11"})");
    call.SendVp8(5, 1, true);
    call.SendVp8(5, 3);
    call.SendRtx(kVp8Rtx, 6, 2);
    CHECK(call.Received() == Lines{"5 96 1", "5 96 3", "5 96 2"});
  }
}

}  // namespace
}  // namespace sluice::worker::json_protocol
