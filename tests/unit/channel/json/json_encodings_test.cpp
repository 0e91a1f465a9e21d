// Receivers with several encodings (docs/protocols/json-protocol.md §5): each is received, the
// first is forwarded.
#include <catch2/catch.hpp>

#include "tests/sim/video_endpoints.h"
#include "tests/unit/channel/json/json_call.h"
#include "tests/unit/media/media_samples.h"

namespace sluice::worker::json_protocol {
namespace {

using F = JsonFixture;

/// VP8 with NACK, PLI and RTX.
std::string Encodings(const std::string& encodings) {
  return "{'codecs':[{'name':'video/VP8','payloadType':96,'clockRate':90000,"
         "'rtcpFeedback':[{'type':'nack'},{'type':'nack','parameter':'pli'}]},"
         "{'name':'video/rtx','payloadType':100,'clockRate':90000,'parameters':{'apt':96}}],"
         "'encodings':[" +
         encodings + "]}";
}
std::string Both() { return Encodings("{'ssrc':5,'rtx':{'ssrc':6}},{'ssrc':7,'rtx':{'ssrc':8}}"); }
constexpr char kBothSsrcs[] = R"({"5":"11","6":"11","7":"11","8":"11"})";

/// What the publisher is told about its streams.
struct Feedback : rtcp::Visitor {
  void OnNack(Ssrc media, const rtcp::NackItem& item) override {
    nacks.emplace(media.value(), item.packet_id.value());
  }
  void OnPli(Ssrc media) override { plis.insert(media.value()); }
  void OnReportBlock(Ssrc, const rtcp::ReportBlock& block) override {
    reported.insert(block.ssrc.value());
  }
  std::set<std::pair<uint32_t, uint16_t>> nacks;
  std::set<uint32_t> plis, reported;
};

/// Receiver 11 has two encodings.
struct LayeredCall : Call {
  explicit LayeredCall(const std::string& parameters = Both()) {
    MakeReceiver(1, 11, 10);
    Receive(1, 11, 10, parameters);
    publisher->on_rtcp = [this](std::span<const uint8_t> compound) {
      rtcp::Parse(compound, feedback);
    };
  }
  /// Number 1 is a key frame.
  std::vector<uint8_t> Packet(uint32_t ssrc, uint16_t sequence) const {
    return samples::Rtp(96, ssrc, sequence, sequence * 3000u,
                        samples::Vp8Payload(sequence == 1, sequence, 100), true);
  }
  void SendOne(uint32_t ssrc, uint16_t sequence) {
    publisher->SendRtp(Packet(ssrc, sequence));
    environment.AdvanceBy(Duration::Millis(100));
  }
  /// "SSRC packets" of each of a receiver's streams.
  Lines Streams(uint32_t receiver = 11) {
    const auto dump = Accept("rtpReceiver.dump", F::ReceiverInternal(1, receiver, 10));
    Lines lines;
    for (const auto& stream : dump.at("rtpStreams").as_array()) {
      lines.push_back(fmt::format("{} {}", stream.at("params").at("ssrc").to_number<uint32_t>(),
                                  stream.at("received").to_number<uint64_t>()));
    }
    return lines;
  }
  uint64_t ReceivedOfSecond() {
    const auto dump = Accept("rtpReceiver.dump", Receiver());
    return dump.at("rtpStreams").at(1).at("received").to_number<uint64_t>();
  }
  std::string Table(uint32_t transport = 10) {
    return boost::json::serialize(Accept("transport.dump", F::With(1, "transportId", transport))
                                      .at("rtpListener")
                                      .at("ssrcTable"));
  }
  Feedback feedback;
};

TEST_CASE("every encoding is received, and raw and object events carry it; the first is sent on") {
  LayeredCall call;
  const uint32_t sender = call.NewSenders().at(0);
  call.Accept("rtpSender.setTransport", F::SenderInternal(2, sender, 20));
  std::set<uint32_t> seen;
  call.viewer->on_rtp = [&](RtpPacket& packet) { seen.insert(packet.ssrc().value()); };
  call.Accept("rtpReceiver.setRtpRawEvent", call.Receiver(), "{'enabled':true}");
  call.Accept("rtpReceiver.setRtpObjectEvent", call.Receiver(), "{'enabled':true}");
  call.SendOne(5, 1);
  call.SendOne(7, 1);
  call.SendOne(7, 2);
  CHECK(call.Table() == kBothSsrcs);
  CHECK(call.Streams() == Lines{"5 1", "7 2"});
  CHECK(seen.contains(5));
  CHECK_FALSE(seen.contains(7));

  REQUIRE(call.binaries.size() == 6);  // raw and object in turn
  const auto packet = call.Packet(7, 2);
  CHECK(call.binaries[4] == std::string(packet.begin(), packet.end()));
  std::vector<uint32_t> ssrcs;
  for (const auto& event : call.Events("rtpobject")) {
    ssrcs.push_back(event.at("data").at("object").at("ssrc").to_number<uint32_t>());
  }
  CHECK(ssrcs == std::vector<uint32_t>{5, 7, 7});
  call.Accept("rtpReceiver.setRtpRawEvent", call.Receiver(), "{'enabled':false}");
  call.Accept("rtpReceiver.setRtpObjectEvent", call.Receiver(), "{'enabled':false}");
  call.SendOne(7, 3);
  CHECK(call.binaries.size() == 6);

  call.MakeReceiver(1, 12, 10);
  call.Reject("rtpReceiver.receive", F::ReceiverInternal(1, 12, 10), F::VideoParameters(7),
              "ssrc 7");
}

TEST_CASE("the publisher is asked for what is missing of every encoding, and told of it") {
  LayeredCall call;
  call.SendOne(5, 1);
  call.SendOne(7, 1);
  call.SendOne(7, 2);
  call.SendOne(7, 4);
  CHECK(call.feedback.nacks.contains({7, 3}));
  CHECK(call.feedback.plis.empty());
  call.Accept("rtpReceiver.setRtpObjectEvent", call.Receiver(), "{'enabled':true}");
  auto repair = samples::Vp8Payload(false, 3, 100);
  repair.insert(repair.begin(), {0, 3});
  call.publisher->SendRtp(samples::Rtp(100, 8, 1, 9000, repair, true));
  call.environment.AdvanceBy(Duration::Seconds(3));
  CHECK(call.feedback.plis == std::set<uint32_t>{5, 7});
  const auto object = call.Events("rtpobject").at(0).at("data").at("object");
  CHECK(object.at("ssrc") == 7);
  CHECK(object.at("sequenceNumber") == 3);
  CHECK(call.feedback.reported.contains(5));
  CHECK(call.feedback.reported.contains(7));
}

TEST_CASE("audio levels are means over the packets of every encoding") {
  Call call;
  const bool enabled_first = GENERATE(true, false);
  const auto enable = [&] {
    call.Accept("room.setAudioLevelsEvent", F::RoomInternal(), "{'enabled':true}");
  };
  if (enabled_first) enable();
  call.MakeReceiver(1, 11, 10, "audio");
  call.Receive(1, 11, 10,
               "{'codecs':[{'name':'audio/opus','payloadType':111,'clockRate':48000,"
               "'numChannels':2}],'encodings':[{'ssrc':5},{'ssrc':7}],'headerExtensions':[{"
               "'uri':'urn:ietf:params:rtp-hdrext:ssrc-audio-level','id':1}]}");
  if (!enabled_first) enable();
  call.messages.clear();
  for (const auto& [ssrc, level] : {std::pair{5u, 20}, {7u, 40}}) {
    call.publisher->SendRtp(samples::WithExtension(samples::Rtp(111, ssrc, 1, 960, {1, 2}, false),
                                                   1, {static_cast<uint8_t>(0x80 | level)}));
  }
  call.environment.AdvanceBy(Duration::Millis(500));
  CHECK(boost::json::serialize(call.Events("audiolevels").at(0).at("data").at("entries")) ==
        "[[11,-30]]");
}

TEST_CASE("encodings without an SSRC, and with the same") {
  SECTION("the first that leaves it open gets what nobody announced") {
    LayeredCall call(Encodings("{'ssrc':5},{},{}"));
    call.SendOne(5, 1);
    call.SendOne(52, 1);
    call.SendOne(53, 1);
    CHECK(call.Streams() == Lines{"5 1", "52 1"});
    CHECK(call.Table() == R"({"5":"11","52":"11"})");
  }
  SECTION("layers of one stream are received once") {
    LayeredCall call(Encodings("{'ssrc':5},{'ssrc':5}"));
    call.SendOne(5, 1);
    CHECK(call.Streams() == Lines{"5 1"});
  }
  SECTION("two streams cannot be repaired by one") {
    LayeredCall call;
    call.Reject("rtpReceiver.receive", call.Receiver(),
                Encodings("{'ssrc':5,'rtx':{'ssrc':6}},{'ssrc':7,'rtx':{'ssrc':6}}"),
                "encodings[1].rtx.ssrc 6");
    CHECK(call.Table() == kBothSsrcs);
  }
}

TEST_CASE("receive again: an encoding that is left out is freed, one that stays goes on") {
  LayeredCall call;
  SECTION("without") {
    call.SendOne(5, 1);
    call.SendOne(7, 1);
    call.Receive(1, 11, 10, Encodings("{'ssrc':5,'rtx':{'ssrc':6}}"));
    CHECK(call.Table() == R"({"5":"11","6":"11"})");
    call.SendOne(5, 2);
    call.SendOne(7, 2);
    CHECK(call.Streams() == Lines{"5 1"});
    call.MakeReceiver(1, 12, 10);
    call.Receive(1, 12, 10, Encodings("{'ssrc':7}"));
    call.SendOne(7, 3);
    CHECK(call.Streams(12) == Lines{"7 1"});
  }
  SECTION("without the first, which may then be received anew") {
    call.SendOne(7, 1);
    call.SendOne(5, 1);
    call.Receive(1, 11, 10, Encodings("{'ssrc':7,'rtx':{'ssrc':8}}"));
    call.Receive(1, 11, 10, Both());
    call.publisher->Replay(call.publisher->last_rtp());
    call.environment.AdvanceBy(Duration::Millis(100));
    CHECK(call.Streams() == Lines{"5 0", "7 0"});  // SRTP has received it already
    call.SendOne(5, 2);
    CHECK(call.Streams() == Lines{"5 1", "7 0"});
  }
  SECTION("with it, past the roll-over of its numbers") {
    VideoSender video(call.environment, *call.publisher, 7, 8);
    video.Start();
    call.environment.AdvanceBy(Duration::Seconds(8));
    REQUIRE(call.ReceivedOfSecond() > 1000);
    call.Receive(1, 11, 10, Both());
    call.environment.AdvanceBy(Duration::Seconds(1));
    CHECK(call.ReceivedOfSecond() > 100);
  }
}

TEST_CASE("a learned SSRC goes on past the roll-over of its numbers") {
  LayeredCall call(Encodings("{}"));
  VideoSender video(call.environment, *call.publisher, 7, 8);
  video.Start();
  call.environment.AdvanceBy(Duration::Seconds(8));
  const auto received = [&] {
    const auto dump = call.Accept("rtpReceiver.dump", call.Receiver());
    const auto& streams = dump.at("rtpStreams").as_array();
    return streams.empty() ? 0 : streams[0].at("received").to_number<uint64_t>();
  };
  REQUIRE(received() > 1000);
  SECTION("when received again") { call.Receive(1, 11, 10, Encodings("{}")); }
  SECTION("when received again twice before anything comes") {
    call.Receive(1, 11, 10, Encodings("{}"));
    call.Receive(1, 11, 10, Encodings("{}"));
  }
  SECTION("when other parameters are rejected") {
    call.Reject("rtpReceiver.receive", call.Receiver(),
                Encodings("{'ssrc':5,'rtx':{'ssrc':6}},{'ssrc':9,'rtx':{'ssrc':6}}"),
                "encodings[1].rtx.ssrc 6");
  }
  SECTION("when another transport is rejected") {
    call.MakeTransport(1, 15);
    call.MakeReceiver(1, 12, 15);
    call.Receive(1, 12, 15, Encodings("{}"));
    call.Reject("rtpReceiver.setTransport", F::ReceiverInternal(1, 11, 15), "", "payloadType 96");
  }
  call.environment.AdvanceBy(Duration::Seconds(1));
  CHECK(received() > 100);
}

TEST_CASE("a packet that was received once is not received again, whatever the receiver becomes") {
  LayeredCall call(Encodings("{}"));
  call.SendOne(50, 1);
  const std::vector<uint8_t> packet = call.publisher->last_rtp();
  SECTION("by parameters that name every SSRC") {
    call.Receive(1, 11, 10, Encodings("{'ssrc':5}"));
    call.Receive(1, 11, 10, Encodings("{'ssrc':50}"));
  }
  SECTION("by the end of the receiver") {
    call.Receive(1, 11, 10, Encodings("{}"));
    call.Accept("rtpReceiver.close", call.Receiver());
    call.MakeReceiver(1, 11, 10);
    call.Receive(1, 11, 10, Encodings("{}"));
  }
  SECTION("by another transport") {
    call.MakeTransport(1, 15);
    call.Accept("rtpReceiver.setTransport", F::ReceiverInternal(1, 11, 15));
    call.Accept("rtpReceiver.setTransport", call.Receiver());
  }
  call.publisher->Replay(packet);
  call.environment.AdvanceBy(Duration::Millis(100));
  CHECK(call.Streams() != Lines{"50 1"});
  call.SendOne(50, 2);
  CHECK(call.Streams() == Lines{"50 1"});
}

TEST_CASE("rtpReceiver.setTransport moves every encoding") {
  LayeredCall call;
  call.MakeTransport(1, 15);
  call.Accept("rtpReceiver.setTransport", F::ReceiverInternal(1, 11, 15));
  CHECK(call.Table(10) == "{}");
  CHECK(call.Table(15) == kBothSsrcs);
  call.SendOne(5, 1);
  call.SendOne(7, 1);
  CHECK(call.Streams() == Lines{"5 0", "7 0"});
  call.Accept("rtpReceiver.setTransport", call.Receiver());
  CHECK(call.Table(10) == kBothSsrcs);
  CHECK(call.Table(15) == "{}");
  call.SendOne(5, 2);
  call.SendOne(7, 2);
  CHECK(call.Streams() == Lines{"5 1", "7 1"});
  call.Accept("transport.close", F::With(1, "transportId", 10));
  CHECK(call.Streams() == Lines{"5 0", "7 0"});
  call.Accept("rtpReceiver.setTransport", F::ReceiverInternal(1, 11, 15));
  CHECK(call.Table(15) == kBothSsrcs);
}

TEST_CASE("a second encoding that another receiver has learned: all goes on as it was") {
  LayeredCall call;
  call.MakeReceiver(1, 12, 10);
  call.Receive(1, 12, 10, Encodings("{'ssrc':50,'rtx':{}}"));
  auto repair = samples::Vp8Payload(false, 2, 100);
  repair.insert(repair.begin(), {0, 2});
  call.SendOne(50, 1);
  call.publisher->SendRtp(samples::Rtp(100, 77, 1, 6000, repair, true));
  const uint32_t sender = call.NewSenders().at(0);
  call.Accept("rtpSender.setTransport", F::SenderInternal(2, sender, 20));
  VideoSender second(call.environment, *call.publisher, 7, 8);
  VideoSender first(call.environment, *call.publisher, 5, 6);  // the last hears RTCP
  first.Start();
  second.Start();
  REQUIRE(call.ReceivedIn(Duration::Seconds(8)) > 500);  // both numbers have rolled over
  const std::string table = call.Table();
  REQUIRE_THAT(table, Catch::Contains(R"("77":"12")"));
  const auto parameters = [&] {
    return call.Accept("rtpReceiver.dump", call.Receiver()).at("rtpParameters");
  };
  const auto before = parameters();

  call.Reject("rtpReceiver.receive", call.Receiver(),
              Encodings("{'ssrc':5,'rtx':{'ssrc':6}},{'ssrc':77}"), "encodings[1].ssrc 77");
  CHECK(parameters() == before);
  CHECK(call.Table() == table);
  CHECK(call.Events("parameterschange").empty());
  CHECK(call.ReceivedIn(Duration::Seconds(1)) > 100);
  CHECK(call.last_ssrc == Ssrc(5));
  CHECK(call.ReceivedOfSecond() > 100);

  // The same by setTransport.
  call.MakeTransport(1, 15);
  call.MakeReceiver(1, 13, 15);
  call.Receive(1, 13, 15, Encodings("{'ssrc':60},{'ssrc':77}"));
  call.Reject("rtpReceiver.setTransport", F::ReceiverInternal(1, 13, 10), "",
              "encodings[1].ssrc 77");
  CHECK(call.Table(15) == R"({"60":"13","77":"13"})");
  CHECK(call.Table() == table);
}

TEST_CASE("rtpReceiver.close ends every encoding; its events are those of one") {
  LayeredCall call;
  const uint32_t sender = call.NewSenders().at(0);
  call.SendOne(5, 1);
  call.SendOne(7, 1);
  call.TakeSummary();
  const uint32_t id = call.Post("rtpReceiver.close", call.Receiver());
  CHECK(call.TakeSummary() == Lines{"RtpReceiver close 11",
                                    fmt::format("RtpSender close {}", sender),
                                    fmt::format("accepted {}", id)});
  CHECK(call.Table() == "{}");
  call.SendOne(7, 2);
  call.MakeReceiver(1, 11, 10);
  call.Receive(1, 11, 10, Both());
  call.SendOne(7, 3);
  CHECK(call.Streams() == Lines{"5 0", "7 1"});
}

TEST_CASE("a transport receives 256 encodings with RTX, and no more") {
  constexpr uint32_t kPerReceiver = 32;
  constexpr uint32_t kRtx = 100;  // from the SSRC to that of its RTX
  LayeredCall call(Encodings("{'ssrc':1}"));
  const auto full = [](uint32_t receiver) {
    std::string list;
    for (uint32_t ssrc = receiver * 1000; ssrc < receiver * 1000 + kPerReceiver; ++ssrc) {
      list += fmt::format("{}{{'ssrc':{},'rtx':{{'ssrc':{}}}}}", list.empty() ? "" : ",", ssrc,
                          ssrc + kRtx);
    }
    return Encodings(list);
  };
  for (uint32_t receiver = 21; receiver < 28; ++receiver) {
    call.MakeReceiver(1, receiver, 10);
    call.Receive(1, receiver, 10, full(receiver));
  }
  const std::string table = call.Table();
  call.MakeReceiver(1, 28, 10);
  const std::string last = F::ReceiverInternal(1, 28, 10);
  call.Reject("rtpReceiver.receive", last, full(28), "encodings[31]: this transport has 256");
  CHECK(call.Table() == table);
  call.Accept("rtpReceiver.close", call.Receiver());
  call.Receive(1, 28, 10, full(28));

  const std::vector<uint8_t> repair = {0, 7, 0x10, 0};
  for (const bool rtx : {true, false}) {
    for (uint32_t ssrc = 21'000; ssrc < 29'000; ssrc += ssrc % 1000 < 31 ? 1 : 969) {
      if (rtx) call.publisher->SendRtp(samples::Rtp(100, ssrc + kRtx, 1, 9000, repair, true));
      if (!rtx) call.publisher->SendRtp(call.Packet(ssrc, 1));
      call.environment.AdvanceBy(Duration::Millis(1));
    }
  }
  call.environment.AdvanceBy(Duration::Millis(100));
  for (uint32_t receiver = 21; receiver <= 28; ++receiver) {
    const Lines streams = call.Streams(receiver);
    REQUIRE(streams.size() == kPerReceiver);
    for (const std::string& stream : streams) CHECK(stream.ends_with(" 1"));
  }
}

}  // namespace
}  // namespace sluice::worker::json_protocol
