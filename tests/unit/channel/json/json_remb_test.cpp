// What publishers are told of the bandwidth for their media (docs/protocols/json-protocol.md §5,
// §7).
#include <catch2/catch.hpp>

#include "tests/sim/video_endpoints.h"
#include "tests/unit/channel/json/json_call.h"
#include "tests/unit/media/media_samples.h"

namespace sluice::worker::json_protocol {
namespace {

using F = JsonFixture;

/// What REMB the publisher gets.
struct RembListener : rtcp::Visitor {
  void OnRemb(DataRate rate, std::span<const Ssrc>) override { last = rate.bps(); }
  int64_t last = 0;
};

/// Hears what REMB the publisher gets.
struct RembCall : Call {
  RembCall() {
    publisher->on_rtcp = [this](std::span<const uint8_t> compound) {
      rtcp::Parse(compound, listener);
    };
  }
  /// VP8 with abs-send-time. `feedback`: goog-remb or nothing. `more`: behind the SSRC.
  static std::string Video(uint32_t ssrc, const std::string& feedback, const std::string& more) {
    const std::string listed = feedback.empty() ? "" : ",{'type':'" + feedback + "'}";
    return "{'codecs':[{'name':'video/VP8','payloadType':96,'clockRate':90000,"
           "'rtcpFeedback':[{'type':'nack'}" +
           listed +
           "]},{'name':'video/rtx','payloadType':100,'clockRate':90000,'parameters':{'apt':96}}],"
           "'headerExtensions':[{'id':3,'uri':"
           "'http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time'}],'encodings':[{'ssrc':" +
           std::to_string(ssrc) + more + "}]}";
  }
  /// Six seconds of small packets, with abs-send-time.
  void SendVideo(uint32_t ssrc) {
    for (int i = 0; i < 300; ++i) {
      const auto time = static_cast<uint32_t>(environment.Now().us() * (1 << 18) / 1'000'000);
      const auto number = sequence++;
      publisher->SendRtp(
          samples::WithExtension(samples::Rtp(96, ssrc, number, number * 1800u,
                                              samples::Vp8Payload(i == 0, number, 100), true),
                                 3,
                                 {static_cast<uint8_t>(time >> 16), static_cast<uint8_t>(time >> 8),
                                  static_cast<uint8_t>(time)}));
      environment.AdvanceBy(Duration::Millis(20));
    }
  }
  RembListener listener;
  uint16_t sequence = 1;
};

TEST_CASE("transport.setMaxBitrate reaches the sender") {
  Call call;
  call.Publish();
  VideoSender video(call.environment, *call.publisher, kSsrc, kSsrc + 1);
  RembListener listener;
  call.publisher->on_rtcp = [&](std::span<const uint8_t> compound) {
    rtcp::Parse(compound, listener);
  };
  call.Accept("transport.setMaxBitrate", F::With(1, "transportId", 10), "{'bitrate':300000}");
  video.Start();
  call.environment.AdvanceBy(Duration::Seconds(1));
  CHECK(listener.last > 290'000);
  CHECK(listener.last <= 300'000);
  CHECK(call.Accept("transport.dump", F::With(1, "transportId", 10)).at("effectiveMaxBitrate") ==
        300'000);
}

TEST_CASE("effectiveMaxBitrate is what REMB told the sender; its collapse costs a key frame") {
  Call call;
  call.Publish();
  VideoSender video(call.environment, *call.publisher, kSsrc, kSsrc + 1);
  const auto effective = [&] {
    return call.Accept("transport.dump", F::With(1, "transportId", 10)).at("effectiveMaxBitrate");
  };
  const auto limit = [&](int bps) {
    call.Accept("transport.setMaxBitrate", F::With(1, "transportId", 10),
                fmt::format("{{'bitrate':{}}}", bps));
  };
  limit(300'000);
  CHECK(effective() == 0);  // nothing was sent yet
  video.Start();
  call.environment.AdvanceBy(Duration::Seconds(4));
  CHECK(effective() == 300'000);
  limit(200'000);
  call.environment.AdvanceBy(Duration::Seconds(4));
  CHECK(effective() == 200'000);
  const uint64_t before = video.key_frame_requests();
  limit(120'000);
  call.environment.AdvanceBy(Duration::Seconds(4));
  CHECK(effective() == 120'000);
  CHECK(video.key_frame_requests() == before + 1);
}

TEST_CASE("with goog-remb but without abs-send-time the limit is sent, and no estimate") {
  auto parameters = F::VideoParameters(kSsrc);
  const size_t from = parameters.find("'headerExtensions':[");
  REQUIRE(from != std::string::npos);
  const size_t begin = from + std::string_view("'headerExtensions':[").size();
  parameters.erase(begin, parameters.find(']', begin) - begin);
  RembCall call;
  call.MakeReceiver(1, 11, 10);
  call.Receive(1, 11, 10, parameters);
  call.SendVideo(kSsrc);
  CHECK(call.listener.last == 0);
  call.Accept("transport.setMaxBitrate", F::With(1, "transportId", 10), "{'bitrate':300000}");
  call.SendVideo(kSsrc);
  CHECK(call.listener.last == 300'000);
  const auto dump = call.Accept("transport.dump", F::With(1, "transportId", 10));
  CHECK(dump.at("useRemb") == true);
  CHECK(dump.at("maxBitrate") == 300'000);
  CHECK(dump.at("effectiveMaxBitrate") == 300'000);
}

TEST_CASE("a receiver whose parameters are rejected leaves REMB off") {
  RembCall call;
  call.MakeReceiver(1, 12, 10);
  call.Receive(1, 12, 10, call.Video(50, "", ""));
  const bool rejects = GENERATE(true, false);
  call.MakeReceiver(1, 11, 10);
  const std::string broken = ",'rtx':{'ssrc':6}},{'ssrc':7,'rtx':{'ssrc':6}";
  if (rejects) {
    call.Reject("rtpReceiver.receive", call.Receiver(), call.Video(5, "goog-remb", broken), "6");
  } else {
    call.Receive(1, 11, 10, call.Video(5, "goog-remb", ""));
  }
  call.SendVideo(50);
  CHECK((call.listener.last == 0) == rejects);
}

TEST_CASE("rtpReceiver.setTransport takes REMB along") {
  RembCall call;
  call.MakeTransport(1, 15);
  const bool remb = GENERATE(true, false);
  call.MakeReceiver(1, 11, 15);
  call.Receive(1, 11, 15, call.Video(5, remb ? "goog-remb" : "", ""));
  call.MakeReceiver(1, 12, 15);
  call.Receive(1, 12, 15, call.Video(50, "", ""));
  call.Accept("rtpReceiver.setTransport", F::ReceiverInternal(1, 12, 10));
  call.SendVideo(50);
  CHECK((call.listener.last > 0) == remb);
  CHECK(call.Accept("transport.dump", F::With(1, "transportId", 10)).at("useRemb") == remb);
}

}  // namespace
}  // namespace sluice::worker::json_protocol
