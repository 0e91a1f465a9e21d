// The recorded session, request by request: a browser joins, publishes audio and video, and goes.
// All responses and events are equal to the recorded ones; what is random by type and length.
#include <catch2/catch.hpp>

#include "tests/unit/channel/room/room_fixture.h"
#include "tests/unit/channel/room/room_trace.h"

namespace sluice::room_protocol {
namespace {

namespace json = boost::json;
using F = RoomFixture;

/// Both are one certificate in PEM, lines of 64 characters.
bool SamePem(const json::value& ours, const json::value& recorded) {
  constexpr std::string_view kBegin = "-----BEGIN CERTIFICATE-----\n";
  constexpr std::string_view kEnd = "\n-----END CERTIFICATE-----\n";
  const auto good = [&](std::string_view pem) {
    return pem.starts_with(kBegin) && pem.ends_with(kEnd) &&
           pem.find('\n', kBegin.size()) == kBegin.size() + 64;
  };
  return good(ours.as_string()) && good(recorded.as_string());
}

/// Equal, where values that are random there are of the same type and length here.
bool SameShape(const json::value& ours, const json::value& recorded, std::string_view key = "") {
  static const std::vector<std::string_view> kRandom = {
      "sha-1", "sha-224", "sha-256", "sha-384", "sha-512", "password", "usernameFragment"};
  static const std::vector<std::string_view> kNetwork = {"ip",        "port",     "localIP",
                                                         "localPort", "remoteIP", "remotePort"};
  const auto in = [key](const auto& list) {
    return std::find(list.begin(), list.end(), key) != list.end();
  };
  if (key == "dtlsRemoteCert") return SamePem(ours, recorded);
  if (in(kNetwork)) return ours.is_string() == recorded.is_string();
  if (in(kRandom)) return ours.as_string().size() == recorded.as_string().size();
  if (ours.is_array() && recorded.is_array()) {
    const auto& a = ours.get_array();
    const auto& b = recorded.get_array();
    if (a.size() != b.size()) return false;
    for (size_t i = 0; i < a.size(); ++i) {
      if (!SameShape(a[i], b[i])) return false;
    }
    return true;
  }
  if (!ours.is_object() || !recorded.is_object()) return ours == recorded;
  const auto& a = ours.get_object();
  const auto& b = recorded.get_object();
  if (a.size() != b.size()) return false;
  for (const auto& [name, value] : a) {
    if (!b.contains(name) || !SameShape(value, b.at(name), name)) return false;
  }
  return true;
}

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
      CHECK(SameShape(message, trace::Message(record)));
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
}  // namespace sluice::room_protocol
