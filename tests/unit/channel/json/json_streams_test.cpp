// Streams between peers where their numbers clash or are not announced, when key frames are asked
// for, and what comes of closing live transports (docs/json-protocol.md §5, §6;
// docs/protocols/json-protocol.md §9).
#include <catch2/catch.hpp>

#include "tests/sim/video_endpoints.h"
#include "tests/unit/channel/json/json_call.h"
#include "tests/unit/media/media_samples.h"

namespace sluice::worker::json_protocol {
namespace {

using F = JsonFixture;

uint32_t SsrcOf(const boost::json::value& rtp_parameters) {
  return rtp_parameters.at("encodings").at(0).at("ssrc").to_number<uint32_t>();
}

TEST_CASE("two publishers with the same SSRCs reach one viewer as two streams") {
  Call call;
  call.Publish();
  call.MakePeer(3);
  const auto other = call.Browser(3, 30, call.MakeTransport(3, 30));
  REQUIRE(call.Await([&] { return other->dtls_connected(); }));
  call.MakeReceiver(3, 31, 30);
  call.messages.clear();
  call.Receive(3, 31, 30, F::VideoParameters(kSsrc));
  const auto events = call.Events("newrtpsender");
  REQUIRE(events.size() == 2);  // for the viewer and the first publisher, who has no other sender
  CHECK(SsrcOf(events[0].at("data").at("rtpParameters")) == kSsrc);
  CHECK(events[1].at("targetId") == 2);
  const auto& told = events[1].at("data").at("rtpParameters");
  const uint32_t stand_in = SsrcOf(told);
  const auto rtx = told.at("encodings").at(0).at("rtx").at("ssrc").to_number<uint32_t>();
  CHECK(std::set<uint32_t>{stand_in, rtx, kSsrc, kSsrc + 1, 0}.size() == 5);

  std::set<uint32_t> seen;
  call.viewer->on_rtp = [&](RtpPacket& packet) { seen.insert(packet.ssrc().value()); };
  const auto senders = call.Accept("peer.dump", F::PeerInternal(2)).at("rtpSenders").as_array();
  REQUIRE(senders.size() == 2);
  for (const auto& sender : senders) {
    const auto id = sender.at("rtpSenderId").to_number<uint32_t>();
    call.Accept("rtpSender.setTransport", F::SenderInternal(2, id, 20));
  }
  CHECK(call.Events("activechange").size() == 2);
  VideoSender first(call.environment, *call.publisher, kSsrc, kSsrc + 1);
  VideoSender second(call.environment, *other, kSsrc, kSsrc + 1);
  first.Start();
  second.Start();
  call.environment.AdvanceBy(Duration::Seconds(1));
  CHECK(seen == std::set<uint32_t>{kSsrc, stand_in});

  // The stand-in stays while it is needed.
  call.messages.clear();
  call.Receive(3, 31, 30, F::VideoParameters(kSsrc));
  CHECK(SsrcOf(call.Events("parameterschange").at(1).at("data").at("rtpParameters")) == stand_in);
}

TEST_CASE(
    "media whose SSRC nobody announced is known by payload type and has one towards viewers") {
  Call call;
  call.MakeReceiver(1, 11, 10, "audio");
  call.Receive(1, 11, 10,
               "{'codecs':[{'name':'audio/opus','payloadType':111,'clockRate':48000,"
               "'numChannels':2}]}");
  const auto event = call.Events("newrtpsender").at(0).at("data");
  const uint32_t ssrc = SsrcOf(event.at("rtpParameters"));
  CHECK(ssrc != 0);
  CHECK(event.at("rtpStream").at("params").at("ssrc") == ssrc);
  const auto stored = call.Accept("rtpReceiver.dump", call.Receiver());
  CHECK_FALSE(stored.at("rtpParameters").at("encodings").at(0).as_object().contains("ssrc"));
  CHECK(stored.at("rtpStreams").as_array().empty());
  const auto sender = event.at("rtpSenderId").to_number<uint32_t>();
  call.Accept("rtpSender.setTransport", F::SenderInternal(2, sender, 20));

  constexpr uint32_t kUnannounced = 4242;
  for (uint16_t i = 0; i < 10; ++i) {
    call.publisher->SendRtp(samples::Rtp(111, kUnannounced, i, i * 960u, {1, 2, 3}, false));
  }
  CHECK(call.ReceivedIn(Duration::Millis(100)) == 10);
  CHECK(call.last_ssrc == Ssrc(ssrc));
  const auto listener =
      call.Accept("transport.dump", F::With(1, "transportId", 10)).at("rtpListener");
  CHECK(boost::json::serialize(listener) ==
        R"({"muxIdTable":{},"ptTable":{"111":"11"},"ssrcTable":{"4242":"11"}})");
  const auto streams = call.Accept("rtpReceiver.dump", call.Receiver()).at("rtpStreams").as_array();
  REQUIRE(streams.size() == 1);
  CHECK(streams[0].at("params").at("ssrc") == kUnannounced);
  CHECK(streams[0].at("received") == 10);
}

// ---- Key frames -------------------------------------------------------------------------------

TEST_CASE("raw and object events ask the sender for a key frame when they are enabled") {
  const auto* const method =
      GENERATE("rtpReceiver.setRtpRawEvent", "rtpReceiver.setRtpObjectEvent");
  Call call;
  call.Publish();
  VideoSender video(call.environment, *call.publisher, kSsrc, kSsrc + 1);
  video.Start();
  call.environment.AdvanceBy(Duration::Seconds(3));
  const uint64_t requests = video.key_frame_requests();
  call.Accept(method, call.Receiver(), "{'enabled':false}");
  call.environment.AdvanceBy(Duration::Millis(100));
  CHECK(video.key_frame_requests() == requests);
  call.Accept(method, call.Receiver(), "{'enabled':true}");
  call.environment.AdvanceBy(Duration::Millis(100));
  CHECK(video.key_frame_requests() == requests + 1);
}

TEST_CASE("a new video stream, and a viewer that connects, ask for a key frame") {
  TwoPeers call;
  const auto publisher = call.Browser(1, 10, call.publisher_dump);
  REQUIRE(call.Await([&] { return publisher->dtls_connected(); }));
  const uint32_t sender = call.Publish();
  call.Accept("rtpSender.setTransport", F::SenderInternal(2, sender, 20));
  VideoSender video(call.environment, *publisher, kSsrc, kSsrc + 1);
  video.Start();
  call.environment.AdvanceBy(Duration::Seconds(3));
  const uint64_t requests = video.key_frame_requests();
  const auto viewer = call.Browser(2, 20, call.viewer_dump);
  size_t received = 0;
  viewer->on_rtp = [&](RtpPacket&) { ++received; };
  REQUIRE(call.Await([&] { return viewer->dtls_connected(); }));
  call.environment.AdvanceBy(Duration::Seconds(1));
  CHECK(video.key_frame_requests() > requests);
  CHECK(received > 50);
}

// ---- Live transports --------------------------------------------------------------------------

TEST_CASE("closing a connected transport says close alone, and the browser hears of it") {
  Call call;
  call.Publish();
  const auto* const method = GENERATE("transport.close", "peer.close", "room.close");
  call.TakeSummary();
  call.Post(method, F::With(2, "transportId", 20));
  const Lines lines = call.TakeSummary();
  CHECK(std::count(lines.begin(), lines.end(), "Transport close 20") == 1);
  for (const std::string& line : lines) {
    CHECK_THAT(line, !Catch::Contains("statechange") && !Catch::Contains("activechange"));
  }
  call.environment.AdvanceBy(Duration::Millis(100));
  CHECK(call.viewer->dtls_state() == DtlsState::kClosed);
}

TEST_CASE("a viewer that hangs up: its transport closes, then its senders are inactive") {
  Call call;
  const uint32_t sender = call.Publish();
  call.Accept("rtpSender.setTransport", F::SenderInternal(2, sender, 20));
  call.TakeSummary();
  call.viewer->CloseDtls();
  call.environment.AdvanceBy(Duration::Millis(100));
  CHECK(call.TakeSummary() == Lines{"Transport dtlsstatechange 20", "Transport close 20",
                                    fmt::format("RtpSender activechange {}", sender)});
  const auto dump = call.Accept("rtpSender.dump", F::SenderInternal(2, sender, 20));
  CHECK(dump.at("hasTransport") == false);
  CHECK(dump.at("active") == false);
}

TEST_CASE("new ICE credentials leave the connection as it is") {
  Call call;
  const uint32_t sender = call.Publish();
  call.Accept("rtpSender.setTransport", F::SenderInternal(2, sender, 20));
  VideoSender video(call.environment, *call.publisher, kSsrc, kSsrc + 1);
  video.Start();
  call.environment.AdvanceBy(Duration::Seconds(1));
  call.messages.clear();
  call.Accept("transport.changeUfragPwd", F::With(2, "transportId", 20));
  CHECK(call.ReceivedIn(Duration::Seconds(1)) > 50);
  CHECK(call.messages.size() == 1);  // the response
  CHECK(call.Accept("transport.dump", F::With(2, "transportId", 20)).at("iceState") == "completed");
}

TEST_CASE("audio levels of receivers that come after they were switched on") {
  Call call;
  call.Accept("room.setAudioLevelsEvent", F::RoomInternal(), "{'enabled':true}");
  call.MakeReceiver(1, 11, 10, "audio");
  call.Receive(1, 11, 10, F::AudioParameters(kSsrc));
  call.messages.clear();
  call.publisher->SendRtp(
      samples::WithExtension(samples::Rtp(111, kSsrc, 1, 960, {1, 2}, false), 1, {0x80 | 40}));
  call.environment.AdvanceBy(Duration::Millis(500));
  CHECK(boost::json::serialize(call.Events("audiolevels").at(0).at("data").at("entries")) ==
        "[[11,-40]]");
}

// ---- Events -----------------------------------------------------------------------------------

TEST_CASE("every event there is says its class") {
  Call call;
  std::set<std::string> said;
  const auto note = [&] {
    for (const std::string& line : call.TakeSummary()) {
      if (line.find("accepted") != 0) said.insert(line.substr(0, line.rfind(' ')));
    }
  };
  note();  // of the connecting transports
  const uint32_t sender = [&] {
    const uint32_t id = call.Publish();
    call.Accept("rtpSender.setTransport", F::SenderInternal(2, id, 20));
    return id;
  }();
  CHECK(sender != 0);
  call.Receive(1, 11, 10, F::VideoParameters(kSsrc));
  call.Accept("room.setAudioLevelsEvent", F::RoomInternal(), "{'enabled':true}");
  call.Accept("rtpReceiver.setRtpRawEvent", call.Receiver(), "{'enabled':true}");
  call.Accept("rtpReceiver.setRtpObjectEvent", call.Receiver(), "{'enabled':true}");
  call.publisher->SendRtp(
      samples::Rtp(96, kSsrc, 1, 3000, samples::Vp8Payload(true, 1, 100), true));
  call.environment.AdvanceBy(Duration::Millis(600));
  call.Accept("room.close", F::RoomInternal());
  note();
  CHECK(said == std::set<std::string>{
                    "Room close", "Room audiolevels", "Peer close", "Peer newrtpsender",
                    "Transport close", "Transport iceselectedtuplechange",
                    "Transport icestatechange", "Transport dtlsstatechange", "RtpReceiver close",
                    "RtpReceiver rtpraw", "RtpReceiver rtpobject", "RtpSender close",
                    "RtpSender parameterschange", "RtpSender activechange"});
}

}  // namespace
}  // namespace sluice::worker::json_protocol
