#pragma once

#include <fmt/format.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/sim/simulated_link.h"
#include "tests/sim/test_engine.h"
#include "tests/sim/virtual_environment.h"
#include "tests/sim/webrtc_peer.h"
#include "tests/unit/channel/json/json_values.h"
#include "worker/channel/json/json_channel.h"
#include "worker/media/engine.h"

namespace sluice::worker::json_protocol {

/// A whole worker of the JSON protocol in virtual time, driven and heard through its bytes.
struct JsonFixture : ChannelOutput {
  static constexpr const char* kIp = "127.0.0.1";
  static constexpr uint32_t kRoom = 15'244'254;

  explicit JsonFixture(JsonSettings settings = {"abcdefgh#1", kIp, "", "", ""})
      : channel(*this, environment, std::move(settings)) {
    Log::SetSink(&channel);
    Log::SetLevel(LogLevel::kDebug);
    engine = std::make_unique<TestEngine>(
        EngineDependencies{environment, links, pool, *srtp, Dtls(), channel});
    channel.SetEngine(engine.get());
    environment.AtTurnEnd(VirtualEnvironment::TurnStage::kEngine, [this](Timestamp now) {
      channel.OnTurnEnd();
      engine->OnTurnEnd(now);
    });
    LinkConditions conditions;
    conditions.delay = Duration::Millis(10);
    links.SetConditions(conditions);
  }
  ~JsonFixture() override {
    channel.Close();
    channel.SetEngine(nullptr);
    engine.reset();
    Log::SetSink(nullptr);
    Log::SetLevel(LogLevel::kError);
    Log::SetTags(0);
  }

  static std::shared_ptr<DtlsContext> Dtls() {
    static const std::shared_ptr<DtlsContext> context = *DtlsContext::Generate();
    return context;
  }
  static std::shared_ptr<DtlsContext> ClientDtls() {
    static const std::shared_ptr<DtlsContext> context = *DtlsContext::Generate();
    return context;
  }

  // ---- What the worker writes: one call, one netstring.

  void Write(std::span<const uint8_t> bytes) override {
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    const size_t colon = text.find(':');
    REQUIRE(colon != std::string_view::npos);
    const auto size = static_cast<size_t>(std::atol(std::string(text.substr(0, colon)).c_str()));
    REQUIRE(text.size() == colon + 1 + size + 1);
    REQUIRE(text.back() == ',');
    REQUIRE(size <= NetstringReader::kMaxPayload);
    OnPayload(text.substr(colon + 1, size));
  }
  void OnPayload(std::string_view payload) {
    if (binary_follows) {
      binary_follows = false;
      binaries.emplace_back(payload);
      return;
    }
    if (payload.front() != '{') {
      logs.emplace_back(payload);
      return;
    }
    messages.push_back(boost::json::parse(std::string(payload)).as_object());
    binary_follows = messages.back().contains("binary");
    if (messages.back().contains("reason")) {
      last_reason = messages.back().at("reason").as_string().c_str();
    }
  }
  size_t backlog() const override { return pretended_backlog; }

  // ---- Requests.

  void Send(std::string_view bytes) {
    channel.OnBytes({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
  }
  void SendFrame(const std::string& payload) {
    Send(fmt::format("{}:{},", payload.size(), payload));
  }
  /// Sends a request without ending the turn; returns its id. `internal` and `data` may have ' for
  /// ".
  uint32_t Post(const std::string& method, std::string_view internal, std::string_view data = "") {
    boost::json::object request;
    request["id"] = ++last_id;
    request["method"] = method;
    if (!internal.empty()) request["internal"] = Json(internal);
    if (!data.empty()) request["data"] = Json(data);
    SendFrame(boost::json::serialize(request));
    return last_id;
  }
  /// Sends it, ends the turn, and returns its response.
  boost::json::object Call(const std::string& method, std::string_view internal,
                           std::string_view data = "") {
    const uint32_t id = Post(method, internal, data);
    const boost::json::object response = ResponseTo(id);
    environment.EndTurn();
    return response;
  }
  boost::json::object ResponseTo(uint32_t id) const {
    const boost::json::object* found = nullptr;
    for (const boost::json::object& message : messages) {
      if (!message.contains("id") || message.at("id").to_number<uint32_t>() != id) continue;
      REQUIRE(found == nullptr);  // exactly one
      found = &message;
    }
    REQUIRE(found != nullptr);
    return *found;
  }
  boost::json::object Accept(const std::string& method, std::string_view internal,
                             std::string_view data = "") {
    const boost::json::object response = Call(method, internal, data);
    INFO(method << " " << boost::json::serialize(response));
    REQUIRE(response.contains("accepted"));
    REQUIRE_FALSE(response.contains("rejected"));
    return response.at("data").as_object();
  }
  /// The reason, which must hold `part`.
  std::string Reject(const std::string& method, std::string_view internal, std::string_view data,
                     const std::string& part) {
    const boost::json::object response = Call(method, internal, data);
    INFO(method << " " << boost::json::serialize(response));
    REQUIRE(response.contains("rejected"));
    REQUIRE_FALSE(response.contains("accepted"));
    std::string reason(response.at("reason").as_string());
    CHECK_THAT(reason, Catch::Contains(part));
    return reason;
  }

  // ---- What came since the last look.

  /// "accepted 5", "rejected 6", "Transport close 7", in order.
  std::vector<std::string> TakeSummary() {
    std::vector<std::string> out;
    for (const boost::json::object& message : std::exchange(messages, {})) {
      if (message.contains("id")) {
        out.push_back(fmt::format("{} {}", message.contains("accepted") ? "accepted" : "rejected",
                                  message.at("id").to_number<uint32_t>()));
      } else {
        const auto& data = message.at("data").as_object();
        out.push_back(fmt::format("{} {} {}", std::string(data.at("class").as_string()),
                                  std::string(message.at("event").as_string()),
                                  message.at("targetId").to_number<uint32_t>()));
      }
    }
    return out;
  }
  /// Events with that name so far.
  std::vector<boost::json::object> Events(std::string_view name) const {
    std::vector<boost::json::object> out;
    for (const boost::json::object& message : messages) {
      if (message.contains("event") && message.at("event").as_string() == name) {
        out.push_back(message);
      }
    }
    return out;
  }

  // ---- Usual scenes.

  static std::string RoomInternal() { return fmt::format("{{'roomId':{}}}", kRoom); }
  static std::string PeerInternal(uint32_t peer) {
    return fmt::format("{{'roomId':{},'peerId':{},'peerName':'p{}'}}", kRoom, peer, peer);
  }
  /// With one more id.
  static std::string With(uint32_t peer, const char* field, uint32_t id) {
    return fmt::format("{{'roomId':{},'peerId':{},'{}':{}}}", kRoom, peer, field, id);
  }
  static std::string ReceiverInternal(uint32_t peer, uint32_t receiver, uint32_t transport) {
    return fmt::format("{{'roomId':{},'peerId':{},'rtpReceiverId':{},'transportId':{}}}", kRoom,
                       peer, receiver, transport);
  }
  static std::string SenderInternal(uint32_t peer, uint32_t sender, uint32_t transport) {
    return fmt::format("{{'roomId':{},'peerId':{},'rtpSenderId':{},'transportId':{}}}", kRoom, peer,
                       sender, transport);
  }

  /// opus 111, VP8 96 with RTX 100.
  void MakeRoom() {
    Accept("worker.createRoom", RoomInternal(),
           "{'mediaCodecs':[{'kind':'audio','name':'audio/opus','clockRate':48000,"
           "'payloadType':111},{'kind':'video','name':'video/VP8','clockRate':90000,"
           "'payloadType':96}]}");
  }
  static std::string Capabilities() {
    return "{'codecs':[{'kind':'audio','name':'audio/opus','clockRate':48000,'payloadType':1},"
           "{'kind':'video','name':'video/VP8','clockRate':90000,'payloadType':2,"
           "'rtcpFeedback':[{'type':'nack'},{'type':'nack','parameter':'pli'},"
           "{'type':'goog-remb'}]}],'headerExtensions':[{'kind':'audio',"
           "'uri':'urn:ietf:params:rtp-hdrext:ssrc-audio-level','preferredId':1},"
           "{'kind':'video','uri':'http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time',"
           "'preferredId':3}]}";
  }
  void MakePeer(uint32_t peer, bool with_capabilities = true) {
    Accept("room.createPeer", PeerInternal(peer));
    if (with_capabilities) Accept("peer.setCapabilities", PeerInternal(peer), Capabilities());
  }
  boost::json::object MakeTransport(uint32_t peer, uint32_t transport) {
    return Accept("peer.createTransport", With(peer, "transportId", transport));
  }
  void MakeReceiver(uint32_t peer, uint32_t receiver, uint32_t transport,
                    const char* kind = "video") {
    Accept("peer.createRtpReceiver", ReceiverInternal(peer, receiver, transport),
           fmt::format("{{'kind':'{}'}}", kind));
  }
  static std::string VideoParameters(uint32_t ssrc) {
    return fmt::format(
        "{{'codecs':[{{'name':'video/VP8','payloadType':96,'clockRate':90000,"
        "'rtcpFeedback':[{{'type':'nack'}},{{'type':'nack','parameter':'pli'}},"
        "{{'type':'goog-remb'}}]}},{{'name':'video/rtx','payloadType':100,'clockRate':90000,"
        "'parameters':{{'apt':96}}}}],'encodings':[{{'ssrc':{},'rtx':{{'ssrc':{}}}}}],"
        "'headerExtensions':[{{'uri':'http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time',"
        "'id':3}}],'rtcp':{{'cname':'c'}}}}",
        ssrc, ssrc + 1);
  }
  static std::string AudioParameters(uint32_t ssrc) {
    return fmt::format(
        "{{'codecs':[{{'name':'audio/opus','payloadType':111,'clockRate':48000,"
        "'numChannels':2}}],'encodings':[{{'ssrc':{}}}],'headerExtensions':[{{"
        "'uri':'urn:ietf:params:rtp-hdrext:ssrc-audio-level','id':1}}]}}",
        ssrc);
  }
  void Receive(uint32_t peer, uint32_t receiver, uint32_t transport,
               const std::string& parameters) {
    Accept("rtpReceiver.receive", ReceiverInternal(peer, receiver, transport), parameters);
  }
  /// The ids of the senders that peers were told of so far.
  std::vector<uint32_t> NewSenders() const {
    std::vector<uint32_t> ids;
    for (const auto& event : Events("newrtpsender")) {
      ids.push_back(event.at("data").at("rtpSenderId").to_number<uint32_t>());
    }
    return ids;
  }

  /// A browser for a transport; `dump` is what createTransport answered. Its fingerprint is set.
  std::unique_ptr<WebRtcPeer> Browser(uint32_t peer, uint32_t transport,
                                      const boost::json::object& dump) {
    auto browser =
        std::make_unique<WebRtcPeer>(WebRtcPeer::Setup{environment, links, *srtp, ClientDtls()},
                                     SocketAddress{*IpAddress::Parse("192.0.2.1"), next_port++});
    Connect(*browser, dump);
    Accept("transport.setRemoteDtlsParameters", With(peer, "transportId", transport),
           ClientFingerprint());
    return browser;
  }
  static void Connect(WebRtcPeer& browser, const boost::json::object& dump, size_t candidate = 0,
                      DtlsRole role = DtlsRole::kClient) {
    const auto& shown = dump.at("iceLocalCandidates").at(candidate).as_object();
    IceCandidateReport report;
    report.address = shown.at("ip").as_string().c_str();
    report.port = shown.at("port").to_number<uint16_t>();
    report.protocol = shown.at("protocol").as_string() == "udp" ? TransportProtocol::kUdp
                                                                : TransportProtocol::kTcp;
    IceCredentials credentials;
    const auto& ice = dump.at("iceLocalParameters").as_object();
    credentials.username_fragment = ice.at("usernameFragment").as_string().c_str();
    credentials.password = ice.at("password").as_string().c_str();
    browser.Connect(report, credentials, Dtls()->fingerprints().at(kSha256), role);
  }
  static std::string ClientFingerprint() {
    return fmt::format("{{'role':'client','fingerprint':{{'algorithm':'sha-256','value':'{}'}}}}",
                       Hex(ClientDtls()->fingerprints().at(kSha256).value));
  }
  /// As this protocol shows fingerprints.
  static std::string Hex(const std::string& with_colons) {
    std::string hex;
    for (const char c : with_colons) {
      if (c != ':') hex.push_back(static_cast<char>(std::tolower(static_cast<unsigned char>(c))));
    }
    return hex;
  }
  bool Await(const std::function<bool()>& done, Duration limit = Duration::Seconds(5)) {
    return environment.AdvanceUntil(done, limit);
  }

  static constexpr size_t kSha256 = 2;  // place in DtlsContext::fingerprints()

  VirtualEnvironment environment;
  PacketBufferPool pool;
  SimulatedLinks links{environment, pool};
  std::unique_ptr<SrtpEngine> srtp = *SrtpEngine::Create(SrtpEngine::Kind::kOpenSsl);
  JsonChannel channel;
  std::unique_ptr<TestEngine> engine;
  std::vector<boost::json::object> messages;
  std::vector<std::string> binaries;
  std::vector<std::string> logs;
  std::string last_reason;  ///< of the newest rejection
  bool binary_follows = false;
  size_t pretended_backlog = 0;
  uint32_t last_id = 0;
  uint16_t next_port = 20'000;
};

using Lines = std::vector<std::string>;

}  // namespace sluice::worker::json_protocol
