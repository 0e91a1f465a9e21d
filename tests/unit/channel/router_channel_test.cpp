// Frames, logs and the process side of the channel (docs/protocols/worker-pipe.md).
#include "tests/unit/channel/channel_fixture.h"

namespace sluice::worker {
namespace {

using M = FBS::Request::Method;
using Event = FBS::Notification::Event;

TEST_CASE_METHOD(ChannelFixture, "readiness names the process id") {
  channel.NotifyRunning();
  REQUIRE(sent.size() == 1);
  REQUIRE(sent[0].notification() != nullptr);
  CHECK(sent[0].notification()->event() == Event::WORKER_RUNNING);
  CHECK(sent[0].notification()->handler_id()->str() == "4321");
  CHECK(sent[0].notification()->body_type() == FBS::Notification::Body::NONE);
}

TEST_CASE_METHOD(ChannelFixture, "several requests in one read are answered in their order") {
  frames::Bytes stream;
  for (uint32_t id = 1; id <= 20; ++id) {
    // Every other one fails.
    const frames::Bytes frame =
        frames::Request(id, M::WORKER_CREATE_ROUTER, "", frames::CreateRouter(id % 2 ? "r" : "s"));
    stream.insert(stream.end(), frame.begin(), frame.end());
  }
  channel.OnBytes(stream);
  std::vector<uint32_t> answered;
  for (const SentFrame& frame : sent) {
    if (frame.response() != nullptr) answered.push_back(frame.response()->id());
  }
  REQUIRE(answered.size() == 20);
  CHECK(std::is_sorted(answered.begin(), answered.end()));
}

TEST_CASE_METHOD(ChannelFixture, "the request id 0 is answered too") {
  last_id = 0;
  CHECK(CallRaw(frames::Request(0, M::WORKER_CREATE_ROUTER, "", frames::CreateRouter("r")))
            .accepted());
}

TEST_CASE_METHOD(ChannelFixture, "WORKER_CLOSE asks the process to close") {
  channel.OnBytes(frames::Notification(Event::WORKER_CLOSE, ""));
  CHECK(close_requests == 1);
  CHECK(sent.empty());
}

TEST_CASE_METHOD(ChannelFixture, "an oversized frame closes the channel, once") {
  const frames::Bytes prefix = {0xff, 0xff, 0xff, 0x7f};
  channel.OnBytes(prefix);
  CHECK(close_requests == 1);
  CHECK(Logs() == 1);
  channel.OnBytes(prefix);
  channel.OnBytes(frames::Request(1, M::WORKER_DUMP, ""));
  CHECK(close_requests == 1);
  CHECK(sent.size() == 1);
}

TEST_CASE_METHOD(ChannelFixture, "frames of length zero are ignored") {
  channel.OnBytes(frames::Bytes(16, 0));
  CHECK(sent.empty());
  CHECK(channel.rejected_frames() == 0);
}

TEST_CASE_METHOD(ChannelFixture, "responses and logs from the controller are logged and dropped") {
  frames::Builder b;
  const auto response = FBS::Response::CreateResponse(b, 1, true);
  channel.OnBytes(frames::Finish(b, FBS::Message::Body::Response, response.Union()));
  frames::Builder b2;
  const auto log = FBS::Log::CreateLog(b2, b2.CreateString("Dtext"));
  channel.OnBytes(frames::Finish(b2, FBS::Message::Body::Log, log.Union()));
  CHECK(sent.size() == 2);
  CHECK(Logs() == 2);
  CHECK(channel.rejected_frames() == 2);
}

TEST_CASE_METHOD(ChannelFixture, "notifications that mean nothing are logged, not answered") {
  BuildCall();
  for (int event = 1; event <= 255; ++event) {
    sent.clear();
    channel.OnBytes(frames::Notification(static_cast<Event>(event), "audio"));
    INFO(event);
    CHECK(sent.size() == 1);
    CHECK(Logs() == 1);
  }
  sent.clear();
  channel.OnBytes(frames::SendRtcp("nobody", {0x80, 200, 0, 0}));
  channel.OnBytes(frames::SendRtcp("p", {0x80, 200, 0, 0}));
  channel.OnBytes(frames::SendRtcp("audio", {0x80, 200, 0, 0}));
  channel.OnBytes(frames::ProducerSend("nobody", {0x80, 0, 0, 0}));
  channel.OnBytes(frames::ProducerSend("w", {0x80, 0, 0, 0}));
  channel.OnBytes(frames::ProducerSend("audio", frames::Bytes(65'537, 0x80)));
  CHECK(sent.size() == 6);
  CHECK(Logs() == 6);
  CHECK(close_requests == 0);
}

TEST_CASE_METHOD(ChannelFixture, "a log line is one frame that begins with its level") {
  Log::SetLevel(LogLevel::kDebug);
  Log::SetTags(static_cast<uint16_t>(LogTag::kIce));
  SLUICE_ERROR("one");
  SLUICE_WARN(kNone, "two");
  SLUICE_WARN(kRtp, "not tagged");
  SLUICE_DEBUG(kIce, "three");
  REQUIRE(sent.size() == 3);
  CHECK(sent[0].log() == "Eone");
  CHECK(sent[1].log() == "Wtwo");
  CHECK(sent[2].log() == "Dthree");
  sent.clear();
  SLUICE_ERROR("{}", std::string(60'000, 'x'));
  REQUIRE(sent.size() == 1);
  CHECK(sent[0].log().size() == 1 + Log::kMaxLine);
}

TEST_CASE_METHOD(ChannelFixture, "level none silences all") {
  Do(M::WORKER_UPDATE_SETTINGS, "", frames::Settings("none"));
  const Reply reply = Call(M::ROUTER_DUMP, "nobody");
  CHECK_FALSE(reply.accepted());
  CHECK(sent.size() == 1);
}

TEST_CASE_METHOD(ChannelFixture, "a response over the frame limit becomes an error") {
  // Ids are long, and a worker's dump has each of them twice.
  Log::SetLevel(LogLevel::kNone);
  for (uint32_t i = 0; i < 16'500; ++i) {
    const std::string id = fmt::format("{:0256}", i);
    channel.OnBytes(frames::Request(1, M::WORKER_CREATE_ROUTER, "", frames::CreateRouter(id)));
  }
  const Reply reply = Call(M::WORKER_DUMP);
  CHECK(reply.error() == "Error");
  CHECK_THAT(reply.reason(), Catch::Contains("8388604"));
  CHECK(Call(M::WORKER_GET_RESOURCE_USAGE).accepted());
}

TEST_CASE_METHOD(ChannelFixture, "requests to what an earlier one in the same read closes") {
  Do(M::WORKER_CREATE_ROUTER, "", frames::CreateRouter("r"));
  DirectTransportOptions direct;
  direct.base.direct = true;
  // Made, used, closed with its parent, and asked again: all before anything is answered.
  const std::vector<frames::Bytes> requests = {
      frames::Request(101, M::ROUTER_CREATE_DIRECTTRANSPORT, "r",
                      frames::CreateDirectTransport("t", direct)),
      frames::Request(102, M::TRANSPORT_PRODUCE, "t", frames::Produce(samples::Audio("p", 1))),
      frames::Request(103, M::PRODUCER_PAUSE, "p"),
      frames::Request(104, M::WORKER_CLOSE_ROUTER, "", frames::CloseRouter("r")),
      frames::Request(105, M::PRODUCER_RESUME, "p"),
      frames::Request(106, M::TRANSPORT_DUMP, "t"),
      frames::Request(107, M::WORKER_CLOSE_ROUTER, "", frames::CloseRouter("r")),
      frames::Request(108, M::WORKER_CREATE_ROUTER, "", frames::CreateRouter("r")),
  };
  frames::Bytes all;
  for (const frames::Bytes& request : requests) {
    all.insert(all.end(), request.begin(), request.end());
  }
  sent.clear();
  channel.OnBytes(all);
  environment.EndTurn();
  uint32_t next = 101;
  for (const SentFrame& frame : sent) {
    const auto* response = frame.response();
    if (response == nullptr) continue;
    INFO("response " << next);
    REQUIRE(response->id() == next);
    const bool fails = next >= 105 && next <= 107;
    CHECK(response->accepted() == !fails);
    if (fails) CHECK(response->error()->str() == "NotFoundError");
    ++next;
  }
  CHECK(next == 109);
}

}  // namespace
}  // namespace sluice::worker
