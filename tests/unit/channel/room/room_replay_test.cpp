// The recorded session, request by request: a browser joins, publishes audio and video, and goes.
// All responses and events are equal to the recorded ones; what is random by type and length.
#include <catch2/catch.hpp>

#include "tests/unit/channel/room/room_fixture.h"
#include "tests/unit/channel/room/room_trace.h"

namespace sluice::room_protocol {
namespace {

namespace json = boost::json;
using F = RoomFixture;

constexpr const char* kPeer = "{'roomId':15244254,'peerId':60866009,'peerName':'rJjqEkcaG'}";
constexpr const char* kTransport = "{'roomId':15244254,'peerId':60866009,'transportId':57866334}";
constexpr const char* kAudio =
    "{'roomId':15244254,'peerId':60866009,'rtpReceiverId':88577653,'transportId':57866334}";
constexpr const char* kVideo =
    "{'roomId':15244254,'peerId':60866009,'rtpReceiverId':38750462,'transportId':57866334}";

const char* const kTransportResponse = R"({
"dtlsLocalParameters":{"fingerprints":{
"sha-1":"200d20041624164159141eea3660789cc4bd2fe4",
"sha-224":"972c4fa4a2938a682e9f0465a12ada3ffd727551c4b72b20ad16c945",
"sha-256":"dbeed5ddfa79c68468a64e3775036f453cd29c264f670d0a32f6891e48ac1ee1",
"sha-384":"0b945c220e7c8077e264daf2e40d2802cc119117197fbfb59340cd83262e05e83161e7c4b541da4a43af4ad31f9af282",
"sha-512":"1e17bfb2c7b51c2df3eaaee906152b1d736aad340ddc10d29af6eac0f400721900dadfc8d7f8b3eac4c7ff9f5bb2d6275b14f2cec222bc8c83fa8be935f031ca"},
"role":"auto"},"dtlsState":"new","effectiveMaxBitrate":0,
"iceLocalCandidates":[
{"family":"ipv4","foundation":"udpcandidate","ip":"10.34.25.176","port":42896,"priority":1078862079,"protocol":"udp","type":"host"},
{"family":"ipv4","foundation":"tcpcandidate","ip":"10.34.25.176","port":42739,"priority":1078862079,"protocol":"tcp","tcpType":"passive","type":"host"}],
"iceLocalParameters":{"password":"by03i4lf9fmrgxkswbdovx60uwnwt6xx","usernameFragment":"u57a5f8u4exe34bb"},
"iceRole":"controlled","iceState":"new","maxBitrate":0,"rtpListener":{"muxIdTable":{},"ptTable":{},"ssrcTable":{}},
"transportId":57866334,"useRemb":false})";

const char* const kTupleEvent = R"({"class":"Transport","iceSelectedTuple":{
"localIP":"10.34.25.176","localPort":42896,"protocol":"udp","remoteIP":"10.34.25.176","remotePort":48610}})";

/// Equal, where values that are random there are of the same type and length here.
bool SameShape(const json::value& ours, const json::value& recorded, std::string_view key = "") {
  static const std::vector<std::string_view> kRandom = {
      "sha-1", "sha-224", "sha-256", "sha-384", "sha-512", "password", "usernameFragment"};
  static const std::vector<std::string_view> kNetwork = {"ip",        "port",     "localIP",
                                                         "localPort", "remoteIP", "remotePort"};
  const auto in = [key](const auto& list) {
    return std::find(list.begin(), list.end(), key) != list.end();
  };
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

void CheckData(const json::object& message, const std::string& recorded) {
  INFO(json::serialize(message));
  CHECK(SameShape(message.at("data"), json::parse(recorded)));
}

TEST_CASE("the recorded session replays with the recorded responses and events") {
  F worker;
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

  // Records 1 to 6.
  const uint32_t create_peer = worker.Post("room.createPeer", kPeer);
  const uint32_t set_capabilities =
      worker.Post("peer.setCapabilities", kPeer, trace::kSetCapabilitiesRequest);
  CheckData(worker.ResponseTo(create_peer), "{}");
  CheckData(worker.ResponseTo(set_capabilities), trace::kSetCapabilitiesResponse);
  const json::object dump = worker.Accept("peer.createTransport", kTransport);
  CHECK(SameShape(dump, json::parse(kTransportResponse)));
  CHECK(worker.TakeSummary() == Lines{fmt::format("accepted {}", create_peer),
                                      fmt::format("accepted {}", set_capabilities),
                                      fmt::format("accepted {}", worker.last_id)});

  // Records 7 to 11: a check without nomination, DTLS, then the nomination.
  WebRtcPeer browser({worker.environment, worker.links, *worker.srtp, F::ClientDtls()},
                     {*IpAddress::Parse("192.0.2.1"), 20'000});
  browser.SetNominating(false);
  F::Connect(browser, dump);
  REQUIRE(worker.Await([&] { return worker.messages.size() == 3; }));
  CheckData(worker.messages[0], kTupleEvent);
  CheckData(worker.messages[1], R"({"class":"Transport","iceState":"connected"})");
  CheckData(worker.messages[2], R"({"class":"Transport","dtlsState":"connecting"})");
  CHECK(worker.TakeSummary() == Lines{"Transport iceselectedtuplechange 57866334",
                                      "Transport icestatechange 57866334",
                                      "Transport dtlsstatechange 57866334"});
  browser.SetNominating(true);
  browser.ResumeChecks();
  REQUIRE(worker.Await([&] { return !worker.messages.empty(); }));
  CheckData(worker.messages[0], R"({"class":"Transport","iceState":"completed"})");
  CHECK(worker.TakeSummary() == Lines{"Transport icestatechange 57866334"});

  // Records 12 to 20.
  const json::object role =
      worker.Accept("transport.setRemoteDtlsParameters", kTransport, F::ClientFingerprint());
  CHECK(json::serialize(role) == R"({"role":"server"})");
  worker.messages.clear();
  const uint32_t audio = worker.Post("peer.createRtpReceiver", kAudio, "{'kind':'audio'}");
  const uint32_t receive_audio =
      worker.Post("rtpReceiver.receive", kAudio, trace::kReceiveAudioRequest);
  const uint32_t video = worker.Post("peer.createRtpReceiver", kVideo, "{'kind':'video'}");
  const uint32_t receive_video =
      worker.Post("rtpReceiver.receive", kVideo, trace::kReceiveVideoRequest);
  CheckData(worker.ResponseTo(audio), "{}");
  CheckData(worker.ResponseTo(receive_audio), trace::kReceiveAudioResponse);
  CheckData(worker.ResponseTo(video), "{}");
  CheckData(worker.ResponseTo(receive_video), trace::kReceiveVideoResponse);
  CHECK(worker.TakeSummary() ==
        Lines{fmt::format("accepted {}", audio), fmt::format("accepted {}", receive_audio),
              fmt::format("accepted {}", video), fmt::format("accepted {}", receive_video)});

  // Record 21.
  REQUIRE(worker.Await([&] { return !worker.messages.empty(); }));
  const json::object& connected = worker.messages.at(0).at("data").as_object();
  CHECK(connected.at("class") == "Transport");
  CHECK(connected.at("dtlsState") == "connected");
  const std::string certificate(connected.at("dtlsRemoteCert").as_string());
  CHECK_THAT(certificate, Catch::StartsWith("-----BEGIN CERTIFICATE-----\n"));
  CHECK_THAT(certificate, Catch::EndsWith("\n-----END CERTIFICATE-----\n"));
  CHECK(connected.size() == 3);
  worker.messages.clear();

  // Records 22 to 27.
  const uint32_t close = worker.Post("peer.close", kPeer);
  CHECK(worker.TakeSummary() == Lines{"RtpReceiver close 38750462", "RtpReceiver close 88577653",
                                      "Transport close 57866334", "Peer close 60866009",
                                      fmt::format("accepted {}", close)});
}

}  // namespace
}  // namespace sluice::room_protocol
