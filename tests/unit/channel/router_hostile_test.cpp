// Frames that no controller writes: answered, counted or dropped, and nothing else suffers.
#include <random>

#include "proto/envelope_generated.h"
#include "tests/unit/channel/channel_fixture.h"

namespace sluice::worker {
namespace {

using M = FBS::Request::Method;
using frames::Bytes;

Bytes Framed(const Bytes& payload) {
  Bytes frame(4);
  for (size_t i = 0; i < 4; ++i) frame[i] = static_cast<uint8_t>(payload.size() >> (8 * i));
  frame.insert(frame.end(), payload.begin(), payload.end());
  return frame;
}

/// One valid frame of each shape that has depth.
std::vector<Bytes> ValidFrames() {
  const ProduceOptions video = samples::Video("v", 3001, 3002);
  return {
      frames::Request(1, M::WORKER_UPDATE_SETTINGS, "",
                      frames::Settings("error", {{"ice", "rtp"}})),
      frames::Request(2, M::WORKER_CREATE_WEBRTCSERVER, "",
                      frames::CreateServer("s9", {ChannelFixture::Listen()})),
      frames::Request(3, M::ROUTER_CREATE_WEBRTCTRANSPORT, "r",
                      frames::CreateWebRtcTransport("w9", ChannelFixture::OwnSockets())),
      frames::Request(4, M::ROUTER_CREATE_PLAINTRANSPORT, "r",
                      frames::CreatePlainTransport("p9", ChannelFixture::Comedia())),
      frames::Request(5, M::TRANSPORT_PRODUCE, "p", frames::Produce(video)),
      frames::Request(6, M::TRANSPORT_CONSUME, "w",
                      frames::Consume(samples::ConsumerOf(video, "c9", 9901))),
      frames::Request(
          7, M::WEBRTCTRANSPORT_CONNECT, "w",
          frames::ConnectWebRtc({DtlsRole::kAuto, ChannelFixture::SharedDtls()->fingerprints()})),
      frames::Request(8, M::CONSUMER_SET_PREFERRED_LAYERS, "video-out",
                      frames::PreferredLayers({1, uint8_t{2}})),
      frames::ProducerSend("audio", samples::Rtp(samples::kOpus, 1001, 1, 1, {1, 2, 3})),
      frames::Request(9, M::WORKER_DUMP, ""),
  };
}

TEST_CASE_METHOD(ChannelFixture, "sixteen bytes of 0xff are an oversized announcement") {
  channel.OnBytes(Bytes(16, 0xff));
  CHECK(close_requests == 1);
}

TEST_CASE_METHOD(ChannelFixture, "a frame of 0xff is dropped with a log") {
  channel.OnBytes(Framed(Bytes(16, 0xff)));
  CHECK(channel.rejected_frames() == 1);
  REQUIRE(sent.size() == 1);
  CHECK(sent[0].log().starts_with("E"));
  Do(M::WORKER_CREATE_ROUTER, "", frames::CreateRouter("r"));
}

TEST_CASE_METHOD(ChannelFixture, "a malformed request whose id can be read is answered") {
  BuildCall();
  frames::Builder b;
  SECTION("no handler") {
    const auto request = Sluice::Envelope::CreateRequest(b, 77);
    b.FinishSizePrefixed(Sluice::Envelope::CreateMessage(b, 1, request));
  }
  SECTION("a required field of the body is missing") {
    FBS::Worker::CreateRouterRequestBuilder body(b);
    const auto start = b.GetSize();
    const auto empty = flatbuffers::Offset<void>(b.EndTable(start));
    const auto handler = b.CreateString("");
    const auto request = FBS::Request::CreateRequest(b, 77, M::WORKER_CREATE_ROUTER, handler,
                                                     frames::rq::Worker_CreateRouterRequest, empty);
    b.FinishSizePrefixed(
        FBS::Message::CreateMessage(b, FBS::Message::Body::Request, request.Union()));
  }
  sent.clear();
  channel.OnBytes({b.GetBufferPointer(), b.GetSize()});
  REQUIRE(sent.size() == 2);
  CHECK(sent[0].log().starts_with("E"));
  REQUIRE(sent[1].response() != nullptr);
  CHECK(sent[1].response()->id() == 77);
  CHECK_FALSE(sent[1].response()->accepted());
  CHECK(sent[1].response()->error()->str() == "Error");
}

TEST_CASE_METHOD(ChannelFixture, "truncated buffers never crash and are never half executed") {
  BuildCall();
  for (const Bytes& frame : ValidFrames()) {
    for (size_t size = 0; size + 4 < frame.size(); ++size) {
      channel.OnBytes(
          Framed(Bytes(frame.begin() + 4, frame.begin() + 4 + static_cast<ptrdiff_t>(size))));
    }
    sent.clear();
  }
  CHECK(close_requests == 0);
  Do(M::WORKER_DUMP, "", frames::NoBody, FBS::Response::Body::Worker_DumpResponse);
}

TEST_CASE_METHOD(ChannelFixture, "random and mutated frames leave the worker at work") {
  Log::SetLevel(LogLevel::kNone);
  BuildCall();
  const std::vector<Bytes> valid = ValidFrames();
  std::mt19937 random(20'240'901);
  auto byte = [&random] { return static_cast<uint8_t>(random()); };
  for (int i = 0; i < 20'000; ++i) {
    Bytes payload;
    if (i % 4 == 0) {
      payload.resize(random() % 200);
      for (uint8_t& b : payload) b = byte();
    } else {
      const Bytes& frame = valid[random() % valid.size()];
      payload.assign(frame.begin() + 4, frame.end());
      const size_t changes = 1 + random() % 4;
      for (size_t c = 0; c < changes; ++c) {
        // Small values hit offsets, lengths and enums more often than random ones.
        payload[random() % payload.size()] =
            random() % 2 ? byte() : static_cast<uint8_t>(random() % 8);
      }
    }
    channel.OnBytes(Framed(payload));
    environment.EndTurn();
    if (sent.size() > 1000) sent.clear();  // each was verified when it was written
  }
  // Settings may have been changed by a mutant that was well-formed.
  Log::SetLevel(LogLevel::kError);
  const Reply reply = Call(M::WORKER_DUMP);
  CHECK(reply.accepted());
  CHECK(channel.rejected_frames() > 1000);
}

}  // namespace
}  // namespace sluice::worker
