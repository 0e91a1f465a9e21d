// The recorded session, request by request: a browser joins, publishes audio and video, and goes.
// All responses and events are equal to the recorded ones; what is random by type and length.
#include <catch2/catch.hpp>

#include "controller/shell/message_shape.h"
#include "tests/unit/channel/json/json_fixture.h"
#include "tests/unit/channel/json/json_trace.h"

namespace sluice::worker::json_protocol {
namespace {

namespace json = boost::json;
using F = JsonFixture;

/// The recorded session against a worker: records are sent, or expected as the next messages.
struct Replay {
  void Send(std::initializer_list<size_t> records) {
    for (const size_t record : records) worker.SendFrame(trace::Line(record));
  }
  /// Waits for them; nothing else may come, nor in another order.
  void Expect(std::initializer_list<size_t> records) {
    REQUIRE(worker.Await([&] { return worker.messages.size() >= records.size(); }));
    CHECK(worker.messages.size() == records.size());
    size_t at = 0;
    for (const size_t record : records) {
      const json::object& message = worker.messages.at(at++);
      INFO(fmt::format("record {}: {}", record, json::serialize(message)));
      for (const auto& difference :
           controller::shell::CompareShapes(trace::Message(record), message)) {
        FAIL_CHECK(difference.path << ": " << difference.expected << " / " << difference.got);
      }
    }
    worker.messages.clear();
  }

  F worker;
};

TEST_CASE("the recorded session replays with the recorded responses and events") {
  Replay replay;
  F& worker = replay.worker;
  LinkConditions slow;
  slow.delay = Duration::Millis(200);
  worker.links.SetConditions(slow);
  worker.Accept("worker.createRoom", "{'roomId':15244254}",
                "{'mediaCodecs':[{'kind':'audio','name':'audio/opus','clockRate':48000,"
                "'numChannels':2},{'kind':'audio','name':'audio/PCMU','clockRate':8000},"
                "{'kind':'video','name':'video/VP8','clockRate':90000},"
                "{'kind':'video','name':'video/H265','clockRate':90000},"
                "{'kind':'video','name':'video/H264','clockRate':90000,"
                "'parameters':{'packetizationMode':1}}]}");
  worker.messages.clear();

  replay.Send({trace::kCreatePeer, trace::kSetCapabilities});
  replay.Expect({trace::kCreatePeerResponse, trace::kSetCapabilitiesResponse});
  replay.Send({trace::kCreateTransport});
  const json::object dump = worker.messages.at(0).at("data").as_object();
  replay.Expect({trace::kCreateTransportResponse});

  // A check without nomination, DTLS, then the nomination.
  WebRtcPeer browser({worker.environment, worker.links, *worker.srtp, F::ClientDtls()},
                     {*IpAddress::Parse("192.0.2.1"), 20'000});
  browser.SetNominating(false);
  F::Connect(browser, dump);
  replay.Expect({trace::kSelectedTuple, trace::kIceConnected, trace::kDtlsConnecting});
  browser.SetNominating(true);
  browser.ResumeChecks();
  replay.Expect({trace::kIceCompleted});

  json::object remote_dtls = trace::Message(trace::kSetRemoteDtls);
  remote_dtls["data"] = Json(F::ClientFingerprint());
  worker.SendFrame(json::serialize(remote_dtls));
  replay.Expect({trace::kSetRemoteDtlsResponse});
  replay.Send({trace::kCreateAudioReceiver, trace::kReceiveAudio, trace::kCreateVideoReceiver,
               trace::kReceiveVideo});
  replay.Expect({trace::kCreateAudioReceiverResponse, trace::kReceiveAudioResponse,
                 trace::kCreateVideoReceiverResponse, trace::kReceiveVideoResponse});

  replay.Expect({trace::kDtlsConnected});
  replay.Send({trace::kClosePeer});
  replay.Expect({trace::kVideoReceiverClosed, trace::kAudioReceiverClosed, trace::kTransportClosed,
                 trace::kPeerClosed, trace::kClosePeerResponse});
}

}  // namespace
}  // namespace sluice::worker::json_protocol
