// Receivers, the senders that appear by themselves, and the media between them
// (docs/protocols/json-protocol.md §5, §6): success and every rejection.
#include <catch2/catch.hpp>

#include "tests/sim/video_endpoints.h"
#include "tests/unit/channel/json/json_call.h"
#include "tests/unit/media/media_samples.h"

namespace sluice::worker::json_protocol {
namespace {

using F = JsonFixture;

TEST_CASE("peer.createRtpReceiver") {
  F worker;
  worker.MakeRoom();
  worker.MakePeer(1, false);
  worker.MakeTransport(1, 10);
  const std::string internal = F::ReceiverInternal(1, 11, 10);
  worker.Reject("peer.createRtpReceiver", internal, "{'kind':'audio'}", "capabilities");
  worker.Accept("peer.setCapabilities", F::PeerInternal(1), F::Capabilities());
  worker.Reject("peer.createRtpReceiver", F::ReceiverInternal(1, 11, 99), "{'kind':'audio'}",
                "internal.transportId 99");
  worker.Reject("peer.createRtpReceiver", internal, "{'kind':'chicken'}", "chicken");
  worker.Reject("peer.createRtpReceiver", internal, "", "kind");
  worker.Reject("peer.createRtpReceiver", internal, "{'kind':5}", "kind");
  worker.Reject("peer.createRtpReceiver", F::With(1, "transportId", 10), "{'kind':'audio'}",
                "internal.rtpReceiverId");
  for (const auto& [id, kind] : {std::pair{11, "audio"}, {12, "VIDEO"}, {13, "depth"}, {14, ""}}) {
    worker.MakeReceiver(1, static_cast<uint32_t>(id), 10, kind);
  }
  worker.Reject("peer.createRtpReceiver", internal, "{'kind':'audio'}", "11 is in use");
  CHECK(boost::json::serialize(worker.Accept("rtpReceiver.dump", internal)) ==
        R"({"hasTransport":true,"kind":"audio","rtpObjectEventEnabled":false,)"
        R"("rtpParameters":null,"rtpRawEventEnabled":false,"rtpReceiverId":11,"rtpStreams":[]})");
  worker.Reject("rtpReceiver.dump", F::ReceiverInternal(1, 99, 10), "",
                "internal.rtpReceiverId 99");
}

TEST_CASE("rtpReceiver.receive answers, then others hear of it") {
  TwoPeers worker;
  worker.MakeReceiver(1, 11, 10);
  worker.messages.clear();
  const uint32_t id =
      worker.Post("rtpReceiver.receive", worker.Receiver(), F::VideoParameters(kSsrc));
  REQUIRE(worker.messages.size() == 2);
  CHECK(worker.messages[0].at("id") == id);
  const auto& event = worker.messages[1];
  CHECK(event.at("event") == "newrtpsender");
  CHECK(event.at("targetId") == 2);
  const auto& sender = event.at("data").as_object();
  CHECK(sender.at("class") == "Peer");
  CHECK(sender.at("associatedRtpReceiverId") == 11);
  CHECK(sender.at("hasTransport") == false);
  CHECK(sender.at("active") == false);
  CHECK(sender.at("kind") == "video");
  CHECK(sender.at("rtpParameters").at("muxId").as_string().size() == 8);
  CHECK(sender.at("rtpParameters").at("encodings").at(0).at("ssrc") == kSsrc);
  CHECK(sender.at("rtpStream").at("params").at("mime") == "video/VP8");

  const auto listener =
      worker.Accept("transport.dump", F::With(1, "transportId", 10)).at("rtpListener");
  CHECK(boost::json::serialize(listener) ==
        R"({"muxIdTable":{},"ptTable":{},"ssrcTable":{"1111":"11","1112":"11"}})");
  CHECK(worker.Accept("transport.dump", F::With(1, "transportId", 10)).at("useRemb") == true);
  const auto room = worker.Accept("room.dump", F::RoomInternal());
  const auto sender_id = sender.at("rtpSenderId").to_number<uint32_t>();
  CHECK(boost::json::serialize(room.at("mapRtpReceiverRtpSenders")) ==
        fmt::format(R"({{"11":["{}"]}})", sender_id));
  CHECK(boost::json::serialize(room.at("mapRtpSenderRtpReceiver")) ==
        fmt::format(R"({{"{}":"11"}})", sender_id));
  const auto stream = worker.Accept("rtpReceiver.dump", worker.Receiver()).at("rtpStreams").at(0);
  for (const char* field : {"params", "received", "maxTimestamp", "transit", "jitter"}) {
    CHECK(stream.as_object().contains(field));
  }
}

TEST_CASE("rtpReceiver.receive again tells senders of new parameters") {
  TwoPeers worker;
  const uint32_t sender = worker.Publish();
  const auto before = worker.Events("newrtpsender")[0].at("data").at("rtpParameters").at("muxId");
  worker.messages.clear();
  const uint32_t id =
      worker.Post("rtpReceiver.receive", worker.Receiver(), F::VideoParameters(2222));
  CHECK(worker.messages.at(0).at("id") == id);
  const auto& event = worker.messages.at(1);
  CHECK(event.at("event") == "parameterschange");
  CHECK(event.at("targetId") == sender);
  CHECK(event.at("data").at("class") == "RtpSender");
  CHECK(event.at("data").at("active") == false);
  CHECK(event.at("data").at("rtpParameters").at("encodings").at(0).at("ssrc") == 2222);
  CHECK(event.at("data").at("rtpParameters").at("muxId") != before);
  CHECK(boost::json::serialize(worker.Accept("transport.dump", F::With(1, "transportId", 10))
                                   .at("rtpListener")
                                   .at("ssrcTable")) == R"({"2222":"11","2223":"11"})");
}

TEST_CASE("rtpReceiver.receive rejects and keeps what was") {
  TwoPeers worker;
  worker.Publish();
  worker.MakeReceiver(1, 12, 10);
  const std::string other = F::ReceiverInternal(1, 12, 10);
  worker.Reject("rtpReceiver.receive", other, F::VideoParameters(kSsrc), "1111");
  worker.Reject("rtpReceiver.receive", other, "", "codecs");
  worker.Reject("rtpReceiver.receive", other, "{'codecs':[]}", "codecs");
  worker.Reject("rtpReceiver.receive", other,
                "{'codecs':[{'name':'video/VP9','payloadType':98,'clockRate':90000}]}", "codecs");
  worker.Reject("rtpReceiver.receive", F::ReceiverInternal(1, 99, 10), "", "rtpReceiverId 99");
  CHECK(worker.Accept("rtpReceiver.dump", other).at("rtpParameters").is_null());
  const auto before = worker.Accept("rtpReceiver.dump", worker.Receiver());
  worker.Reject("rtpReceiver.receive", worker.Receiver(),
                "{'codecs':[{'name':'video/VP8','payloadType':96,'clockRate':90000}],"
                "'encodings':[{'ssrc':7,'rtx':{'ssrc':7}}]}",
                "encodings[0].rtx.ssrc 7");
  CHECK(worker.Accept("rtpReceiver.dump", worker.Receiver()) == before);
  CHECK(worker.Events("parameterschange").empty());
}

TEST_CASE("muxId and payload types may not clash within a transport") {
  TwoPeers worker;
  const auto open = [](const char* more) {
    return fmt::format(
        "{{'codecs':[{{'name':'video/VP8','payloadType':96,'clockRate':90000}},"
        "{{'name':'video/rtx','payloadType':100,'clockRate':90000,'parameters':{{'apt':96}}}}]{}}}",
        more);
  };
  worker.MakeReceiver(1, 11, 10);
  worker.MakeReceiver(1, 12, 10);
  const std::string other = F::ReceiverInternal(1, 12, 10);
  worker.Receive(1, 11, 10, open(",'muxId':'m','encodings':[{'ssrc':5,'rtx':{}}]"));
  CHECK(boost::json::serialize(
            worker.Accept("transport.dump", F::With(1, "transportId", 10)).at("rtpListener")) ==
        R"({"muxIdTable":{"m":"11"},"ptTable":{"100":"11","96":"11"},"ssrcTable":{"5":"11"}})");
  worker.Reject("rtpReceiver.receive", other, open(",'muxId':'m','encodings':[{'ssrc':6}]"),
                "muxId \"m\"");
  worker.Reject("rtpReceiver.receive", other, open(",'muxId':'n','encodings':[{}]"), "payloadType");
  worker.Receive(1, 12, 10, open(",'muxId':'n','encodings':[{'ssrc':6}]"));
}

TEST_CASE("rtpReceiver.setTransport, before and after receive, on and off a transport") {
  TwoPeers worker;
  worker.MakeTransport(1, 15);
  const std::string to_new = F::ReceiverInternal(1, 11, 15);
  worker.MakeReceiver(1, 11, 10);
  worker.Accept("rtpReceiver.setTransport", to_new);  // never received: nothing to move
  worker.Receive(1, 11, 15, F::VideoParameters(kSsrc));
  worker.Accept("rtpReceiver.setTransport", worker.Receiver());
  const auto table = [&](uint32_t transport) {
    return boost::json::serialize(
        worker.Accept("transport.dump", F::With(1, "transportId", transport))
            .at("rtpListener")
            .at("ssrcTable"));
  };
  CHECK(table(15) == "{}");  // nothing stale stays behind
  CHECK(table(10) == R"({"1111":"11","1112":"11"})");
  worker.Accept("transport.close", F::With(1, "transportId", 10));
  CHECK(worker.Accept("rtpReceiver.dump", to_new).at("hasTransport") == false);
  worker.Receive(1, 11, 15, F::VideoParameters(kSsrc));  // without a transport
  worker.Accept("rtpReceiver.setTransport", to_new);
  CHECK(table(15) == R"({"1111":"11","1112":"11"})");
  worker.Reject("rtpReceiver.setTransport", F::ReceiverInternal(1, 11, 99), "",
                "internal.transportId 99");
  worker.Reject("rtpReceiver.setTransport", F::ReceiverInternal(1, 98, 15), "",
                "internal.rtpReceiverId 98");
  // A conflict in the new transport.
  worker.MakeTransport(1, 16);
  worker.MakeReceiver(1, 12, 16);
  worker.Receive(1, 12, 16, F::VideoParameters(kSsrc));
  worker.Reject("rtpReceiver.setTransport", F::ReceiverInternal(1, 11, 16), "", "1111");
  CHECK(table(15) == R"({"1111":"11","1112":"11"})");
}

TEST_CASE("rtpReceiver.setRtpRawEvent and setRtpObjectEvent take booleans") {
  TwoPeers worker;
  worker.Publish();
  for (const char* method : {"rtpReceiver.setRtpRawEvent", "rtpReceiver.setRtpObjectEvent"}) {
    CHECK(worker.Accept(method, worker.Receiver(), "{'enabled':true}").empty());
    worker.Reject(method, worker.Receiver(), "{'enabled':'true'}", "enabled");
    worker.Reject(method, worker.Receiver(), "", "enabled");
    worker.Reject(method, F::ReceiverInternal(1, 99, 10), "{'enabled':true}", "rtpReceiverId");
  }
  const auto dump = worker.Accept("rtpReceiver.dump", worker.Receiver());
  CHECK(dump.at("rtpRawEventEnabled") == true);
  CHECK(dump.at("rtpObjectEventEnabled") == true);
}

TEST_CASE("rtpReceiver.close") {
  TwoPeers worker;
  const uint32_t sender = worker.Publish();
  worker.Reject("rtpReceiver.close", F::ReceiverInternal(1, 99, 10), "", "rtpReceiverId 99");
  worker.TakeSummary();
  const uint32_t id = worker.Post("rtpReceiver.close", worker.Receiver());
  CHECK(worker.TakeSummary() == Lines{"RtpReceiver close 11",
                                      fmt::format("RtpSender close {}", sender),
                                      fmt::format("accepted {}", id)});
  worker.Reject("rtpSender.dump", F::SenderInternal(2, sender, 20), "", "rtpSenderId");
  worker.MakeReceiver(1, 11, 10);  // its SSRCs are free again
  worker.Receive(1, 11, 10, F::VideoParameters(kSsrc));
}

TEST_CASE("a peer that sets its capabilities gets the senders before the response") {
  TwoPeers worker;
  worker.Publish();
  worker.MakePeer(3, false);
  worker.TakeSummary();
  const uint32_t id = worker.Post("peer.setCapabilities", F::PeerInternal(3), F::Capabilities());
  CHECK(worker.TakeSummary() == Lines{"Peer newrtpsender 3", fmt::format("accepted {}", id)});
}

TEST_CASE("a peer that cannot take the media has a sender that never becomes active") {
  TwoPeers worker;
  worker.MakePeer(3, false);
  worker.Accept("peer.setCapabilities", F::PeerInternal(3),
                "{'codecs':[{'kind':'audio','name':'audio/opus','clockRate':48000,"
                "'payloadType':1}]}");
  worker.MakeTransport(3, 30);
  worker.MakeReceiver(1, 11, 10);
  worker.Receive(1, 11, 10, F::VideoParameters(kSsrc));
  const auto events = worker.Events("newrtpsender");
  REQUIRE(events.size() == 2);
  CHECK(events[1].at("targetId") == 3);
  CHECK(events[1].at("data").at("supportedPayloadTypes").as_array().empty());
  const auto sender = events[1].at("data").at("rtpSenderId").to_number<uint32_t>();
  worker.Accept("rtpSender.setTransport", F::SenderInternal(3, sender, 30));
  CHECK(worker.Events("activechange").empty());
}

TEST_CASE("rtpSender.setTransport, rtpSender.disable and their events") {
  TwoPeers worker;
  const uint32_t sender = worker.Publish();
  const std::string internal = F::SenderInternal(2, sender, 20);
  const auto active = [&] {
    return worker.Accept("rtpSender.dump", internal).at("active").as_bool();
  };
  /// Runs it; says what came before the response.
  const auto events_of = [&](const char* method, const std::string& whom, const char* data) {
    worker.messages.clear();
    worker.Accept(method, whom, data);
    std::string text;
    for (const auto& event : worker.Events("activechange")) {
      text += event.at("data").at("active").as_bool() ? "+" : "-";
      CHECK(event.at("targetId") == sender);
    }
    CHECK(worker.messages.back().contains("id"));  // events before the response
    return text;
  };
  CHECK(events_of("rtpSender.setTransport", internal, "{}") == "+");
  CHECK(events_of("rtpSender.setTransport", internal, "{}") == "");
  worker.MakeTransport(2, 21);
  CHECK(events_of("rtpSender.setTransport", F::SenderInternal(2, sender, 21), "{}") == "");
  CHECK(events_of("rtpSender.disable", internal, "{'disabled':false}") == "");
  CHECK(events_of("rtpSender.disable", internal, "{'disabled':true}") == "-");
  CHECK(events_of("rtpSender.disable", internal, "{'disabled':true}") == "");
  CHECK_FALSE(active());
  CHECK(events_of("rtpSender.disable", internal, "{'disabled':false,'emit':false}") == "");
  CHECK(active());
  CHECK(events_of("rtpSender.disable", internal, "{'disabled':true,'emit':0}") == "-");
  CHECK(events_of("rtpSender.disable", internal, "{'disabled':false}") == "+");
  worker.Reject("rtpSender.disable", internal, "{}", "disabled");
  worker.Reject("rtpSender.disable", internal, "{'disabled':1}", "disabled");
  worker.Reject("rtpSender.disable", F::SenderInternal(2, 1, 20), "{'disabled':true}",
                "internal.rtpSenderId 1");
  worker.Reject("rtpSender.setTransport", F::SenderInternal(2, sender, 99), "",
                "internal.transportId 99");
  worker.Reject("rtpSender.setTransport",
                fmt::format("{{'roomId':{},'peerId':2,'rtpSenderId':{},'transportId':null}}",
                            F::kRoom, sender),
                "", "internal.transportId");
  worker.Reject("rtpSender.dump", F::SenderInternal(2, 1, 20), "", "internal.rtpSenderId 1");
}

// ---- Media ------------------------------------------------------------------------------------

TEST_CASE("media of one peer comes to the other with the room's numbers") {
  Call call;
  const uint32_t sender = call.Publish();
  const std::string internal = F::SenderInternal(2, sender, 20);
  call.Accept("rtpSender.setTransport", internal);
  VideoSender video(call.environment, *call.publisher, kSsrc, kSsrc + 1);
  video.Start();
  CHECK(call.ReceivedIn(Duration::Seconds(2)) > 200);
  CHECK(call.last_ssrc == Ssrc(kSsrc));
  CHECK(call.payload_types == std::set<uint8_t>{96});
  CHECK(call.gap == 0);
  const auto stream = call.Accept("rtpReceiver.dump", call.Receiver()).at("rtpStreams").at(0);
  CHECK(stream.at("received").to_number<int>() > 200);
  CHECK(stream.at("maxTimestamp").to_number<uint32_t>() > 90'000);
  const auto sent = call.Accept("rtpSender.dump", internal).at("rtpStream");
  CHECK(sent.at("receivedBytes").to_number<int>() > 200'000);
  CHECK(sent.at("maxTimestamp").to_number<uint32_t>() > 90'000);

  SECTION("disabled it stops, enabled it goes on with a key frame") {
    const uint64_t key_frames = video.key_frames();
    call.Accept("rtpSender.disable", internal, "{'disabled':true}");
    call.ReceivedIn(Duration::Millis(100));
    CHECK(call.ReceivedIn(Duration::Seconds(1)) == 0);
    call.Accept("rtpSender.disable", internal, "{'disabled':false}");
    CHECK(call.ReceivedIn(Duration::Seconds(1)) > 50);
    CHECK(video.key_frames() > key_frames);
  }
  SECTION("receive again: the stream goes on with its numbers, past the roll-over") {
    call.ReceivedIn(Duration::Seconds(8));  // the sender's numbers have wrapped
    const int gap = call.gap;
    call.Receive(1, 11, 10, F::VideoParameters(kSsrc));
    CHECK(call.ReceivedIn(Duration::Seconds(2)) > 100);
    CHECK(call.gap <= gap + 1);  // packets may be on their way
  }
  SECTION("the receiver moves to another transport and back") {
    call.MakeTransport(1, 15);
    call.Accept("rtpReceiver.setTransport", F::ReceiverInternal(1, 11, 15));
    call.ReceivedIn(Duration::Millis(100));
    CHECK(call.ReceivedIn(Duration::Seconds(1)) == 0);
    call.Accept("rtpReceiver.setTransport", call.Receiver());
    CHECK(call.ReceivedIn(Duration::Seconds(1)) > 50);
  }
  SECTION("the viewer's transport goes: activechange, and nothing is sent") {
    call.messages.clear();
    call.Accept("transport.close", F::With(2, "transportId", 20));
    CHECK(call.TakeSummary() == Lines{"Transport close 20",
                                      fmt::format("RtpSender activechange {}", sender),
                                      fmt::format("accepted {}", call.last_id)});
    CHECK(call.ReceivedIn(Duration::Seconds(1)) <= 5);
  }
}

TEST_CASE("a late viewer's key frame is asked for") {
  Call call;
  const uint32_t sender = call.Publish();
  VideoSender video(call.environment, *call.publisher, kSsrc, kSsrc + 1);
  video.Start();
  CHECK(call.ReceivedIn(Duration::Seconds(2)) == 0);
  call.Accept("rtpSender.setTransport", F::SenderInternal(2, sender, 20));
  CHECK(call.ReceivedIn(Duration::Seconds(1)) > 50);
}

/// Receiver 11 has SSRC 5 and has learned 77: the layer knows of 5 alone, the engine of both.
struct LearnedCall : Call {
  LearnedCall() {
    MakeReceiver(1, 11, 10);
    Receive(1, 11, 10, RtxLeftOpen());
    auto repair = samples::Vp8Payload(false, 2, 100);
    repair.insert(repair.begin(), {0, 2});
    publisher->SendRtp(samples::Rtp(96, 5, 1, 3000, samples::Vp8Payload(true, 1, 100), true));
    publisher->SendRtp(samples::Rtp(100, 77, 1, 6000, repair, true));
    environment.AdvanceBy(Duration::Millis(100));
  }
  static std::string RtxLeftOpen() {
    return "{'codecs':[{'name':'video/VP8','payloadType':96,'clockRate':90000,"
           "'rtcpFeedback':[{'type':'nack'}]},{'name':'video/rtx','payloadType':100,"
           "'clockRate':90000,'parameters':{'apt':96}}],'encodings':[{'ssrc':5,'rtx':{}}]}";
  }
  std::string Table(uint32_t transport) {
    return boost::json::serialize(Accept("transport.dump", F::With(1, "transportId", transport))
                                      .at("rtpListener")
                                      .at("ssrcTable"));
  }
};

TEST_CASE("retransmissions with an SSRC that nobody announced are known by payload type") {
  LearnedCall call;
  CHECK(call.Table(10) == R"({"5":"11","77":"11"})");
}

TEST_CASE("receive with an SSRC that another receiver has learned: all goes on as it was") {
  LearnedCall call;
  const uint32_t ours = 3000;
  call.MakeReceiver(1, 12, 10);
  call.Receive(1, 12, 10, F::VideoParameters(ours));
  const uint32_t sender = call.NewSenders().back();
  call.Accept("rtpSender.setTransport", F::SenderInternal(2, sender, 20));
  VideoSender video(call.environment, *call.publisher, ours, ours + 1);
  video.Start();
  REQUIRE(call.ReceivedIn(Duration::Seconds(1)) > 50);
  const std::string table = call.Table(10);
  const std::string receiver = F::ReceiverInternal(1, 12, 10);
  const auto parameters = [&] {
    return call.Accept("rtpReceiver.dump", receiver).at("rtpParameters");
  };
  const auto before = parameters();
  call.Reject("rtpReceiver.receive", receiver, F::VideoParameters(77), "encodings[0].ssrc 77");
  CHECK(parameters() == before);
  CHECK(call.Table(10) == table);
  CHECK(call.Events("parameterschange").empty());
  CHECK(call.ReceivedIn(Duration::Seconds(1)) > 50);
  CHECK(call.last_ssrc == Ssrc(ours));
}

TEST_CASE("setTransport where the SSRC has been learned: the receiver stays where it was") {
  LearnedCall call;
  call.MakeTransport(1, 15);
  call.MakeReceiver(1, 12, 15);
  call.Receive(1, 12, 15, F::VideoParameters(77));
  call.Reject("rtpReceiver.setTransport", F::ReceiverInternal(1, 12, 10), "",
              "encodings[0].ssrc 77");
  CHECK(call.Table(10) == R"({"5":"11","77":"11"})");
  CHECK(call.Table(15) == R"({"77":"12","78":"12"})");
}

TEST_CASE("rtpraw and rtpobject carry the packet, raw first") {
  Call call;
  call.MakeReceiver(1, 11, 10, "audio");
  call.Receive(1, 11, 10, F::AudioParameters(kSsrc));
  call.Accept("rtpReceiver.setRtpRawEvent", call.Receiver(), "{'enabled':true}");
  call.Accept("rtpReceiver.setRtpObjectEvent", call.Receiver(), "{'enabled':true}");
  const std::vector<uint8_t> payload = {1, 2, 3, 4};
  const auto packet = samples::Rtp(111, kSsrc, 500, 9600, payload, true);
  call.messages.clear();
  call.publisher->SendRtp(packet);
  call.environment.AdvanceBy(Duration::Millis(50));
  CHECK(call.TakeSummary() == Lines{"RtpReceiver rtpraw 11", "RtpReceiver rtpobject 11"});
  REQUIRE(call.binaries.size() == 2);
  CHECK(call.binaries[0] == std::string(packet.begin(), packet.end()));
  CHECK(call.binaries[1] == std::string(payload.begin(), payload.end()));

  call.Accept("rtpReceiver.setRtpRawEvent", call.Receiver(), "{'enabled':false}");
  call.publisher->SendRtp(samples::Rtp(111, kSsrc, 501, 10'560, payload, true));
  call.environment.AdvanceBy(Duration::Millis(50));
  const auto event = call.Events("rtpobject").at(0);
  CHECK(event.at("binary") == true);
  CHECK(boost::json::serialize(event.at("data").at("object")) ==
        R"({"marker":true,"payloadType":111,"sequenceNumber":501,"ssrc":1111,"timestamp":10560})");

  // A controller that does not read loses raw packets, not responses.
  Log::SetLevel(LogLevel::kWarn);
  call.pretended_backlog = JsonWriter::kMaxBinaryBacklog + 1;
  call.messages.clear();
  call.publisher->SendRtp(samples::Rtp(111, kSsrc, 502, 11'520, payload, true));
  call.environment.AdvanceBy(Duration::Millis(50));
  CHECK(call.messages.empty());
  call.Accept("worker.dump", "");
  // The log says so once, and how many it lost when it reads again: here nothing else counts.
  call.publisher->SendRtp(samples::Rtp(111, kSsrc, 503, 12'480, payload, true));
  call.environment.AdvanceBy(Duration::Millis(50));
  REQUIRE(call.logs.size() == 1);
  CHECK_THAT(call.logs[0], Catch::Contains("the controller reads too slowly"));
  call.pretended_backlog = 0;
  call.publisher->SendRtp(samples::Rtp(111, kSsrc, 504, 13'440, payload, true));
  call.environment.AdvanceBy(Duration::Millis(50));
  REQUIRE(call.logs.size() == 2);
  CHECK_THAT(call.logs[1], Catch::Contains("2 raw packets were dropped"));
  Log::SetLevel(LogLevel::kError);
  CHECK(call.Events("rtpobject").size() == 1);
}

TEST_CASE("audio levels are means over the interval, of receivers that said some") {
  Call call;
  call.MakeReceiver(1, 11, 10, "audio");
  call.Receive(1, 11, 10, F::AudioParameters(kSsrc));
  call.MakeReceiver(1, 12, 10, "audio");
  call.Receive(1, 12, 10, F::AudioParameters(3333));
  call.Accept("room.setAudioLevelsEvent", F::RoomInternal(), "{'enabled':true}");
  call.messages.clear();
  for (uint16_t i = 0; i < 10; ++i) {
    auto packet = samples::Rtp(111, kSsrc, static_cast<uint16_t>(100 + i), i * 960u, {1, 2}, false);
    call.publisher->SendRtp(samples::WithExtension(
        std::move(packet), 1, {static_cast<uint8_t>(0x80 | (i % 2 == 0 ? 20 : 31))}));
  }
  call.environment.AdvanceBy(Duration::Millis(1001));
  const auto events = call.Events("audiolevels");
  REQUIRE(events.size() == 2);
  CHECK(boost::json::serialize(events[0].at("data").at("entries")) == "[[11,-25]]");
  CHECK(boost::json::serialize(events[1].at("data").at("entries")) == "[]");
}

TEST_CASE("media from another valid tuple selects it, though one was nominated") {
  Call call;
  call.Publish();
  const auto tuple = [&] {
    const auto dump = call.Accept("transport.dump", F::With(1, "transportId", 10));
    REQUIRE(dump.at("iceState") == "completed");
    return dump.at("iceSelectedTuple").at("remotePort").to_number<int>();
  };
  const int before = tuple();
  call.publisher->SetNominating(false);
  call.publisher->MoveTo(SocketAddress{*IpAddress::Parse("192.0.2.9"), 30'000});
  call.environment.AdvanceBy(Duration::Millis(500));
  CHECK(tuple() == before);  // checks alone do not
  call.messages.clear();
  call.publisher->SendRtp(
      samples::Rtp(101, kSsrc, 1, 3000, samples::Vp8Payload(true, 1, 100), true));
  call.environment.AdvanceBy(Duration::Millis(100));
  CHECK(tuple() == 30'000);
  call.environment.AdvanceBy(Duration::Seconds(1));  // the first selection was told just now
  CHECK(call.Events("iceselectedtuplechange").size() == 1);
  CHECK(call.Events("icestatechange").empty());
}

}  // namespace
}  // namespace sluice::worker::json_protocol
