#include "controller/ortc/ortc.h"

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <catch2/catch.hpp>
#include <map>
#include <string>

#include "common/utf8.h"
#include "controller/ortc/supported_capabilities.h"

namespace sluice::controller {

namespace {

namespace json = boost::json;

constexpr uint32_t kMappedSsrc = 500'000'000;
constexpr uint32_t kConsumerSsrc = 600'000'000;

RtpCodecCapability Media(MediaKind kind, const char* mime_type, uint32_t clock_rate,
                         uint8_t channels = 1, Parameters parameters = {}) {
  return {kind, mime_type, std::nullopt, clock_rate, channels, std::move(parameters), {}};
}

std::vector<RtpCodecCapability> DefaultMediaCodecs() {
  return {
      Media(MediaKind::kAudio, "audio/opus", 48000, 2),
      Media(MediaKind::kVideo, "video/VP8", 90000, 1, {{"x-google-start-bitrate", 1000}}),
      Media(MediaKind::kVideo, "video/VP9", 90000, 1, {{"profile-id", 2}}),
      Media(MediaKind::kVideo, "video/H264", 90000, 1,
            {{"packetization-mode", 1}, {"profile-level-id", std::string("4d0032")}}),
      Media(MediaKind::kVideo, "video/h264", 90000, 1,
            {{"packetization-mode", 1}, {"profile-level-id", std::string("42e01f")}}),
  };
}

RtpCapabilities Router() { return *MakeRouterRtpCapabilities(DefaultMediaCodecs()); }

RtpParameters Parse(const char* text) {
  auto parameters = ParseRtpParameters(json::parse(text));
  INFO(parameters.status().ToString());
  REQUIRE(parameters.ok());
  return *parameters;
}

/// What Chromium sends when it produces one VP8 stream.
const char* kChromiumVideo = R"({
  "mid": "1",
  "codecs": [
    {"mimeType": "video/VP8", "payloadType": 96, "clockRate": 90000, "parameters": {},
     "rtcpFeedback": [{"type": "nack"}, {"type": "nack", "parameter": "pli"}]},
    {"mimeType": "video/rtx", "payloadType": 97, "clockRate": 90000, "parameters": {"apt": 96}}],
  "headerExtensions": [
    {"uri": "urn:ietf:params:rtp-hdrext:sdes:mid", "id": 4},
    {"uri": "urn:not:known", "id": 9},
    {"uri": "urn:3gpp:video-orientation", "id": 13}],
  "encodings": [{"ssrc": 1111, "rtx": {"ssrc": 1112}, "dtx": false, "maxBitrate": 900000}],
  "rtcp": {"cname": "abc", "reducedSize": true}
})";

/// What an ffmpeg broadcaster sends.
const char* kFfmpegVideo = R"({
  "codecs": [{"mimeType": "video/vp8", "payloadType": 101, "clockRate": 90000}],
  "encodings": [{"ssrc": 2222}]
})";

}  // namespace

TEST_CASE("Router capabilities: payload types, RTX and overlaid parameters") {
  const RtpCapabilities router = Router();
  struct Case {
    const char* mime_type;
    int payload_type;
  };
  const Case expected[] = {{"audio/opus", 100}, {"video/VP8", 101},  {"video/rtx", 102},
                           {"video/VP9", 103},  {"video/rtx", 104},  {"video/H264", 105},
                           {"video/rtx", 106},  {"video/H264", 107}, {"video/rtx", 108}};
  REQUIRE(router.codecs.size() == std::size(expected));
  for (size_t i = 0; i < std::size(expected); ++i) {
    CHECK(router.codecs[i].mime_type == expected[i].mime_type);
    CHECK(router.codecs[i].preferred_payload_type == expected[i].payload_type);
  }
  CHECK(router.codecs[2].parameters.at("apt") == ParameterValue(101));
  CHECK(router.codecs[5].parameters.at("level-asymmetry-allowed") == ParameterValue(1));
  CHECK(router.codecs[5].parameters.at("profile-level-id") ==
        ParameterValue(std::string("4d0032")));
  CHECK(router.header_extensions.size() == 22);
}

TEST_CASE(
    "Router capabilities: what receivers may get has ids of the one-byte form, and one each") {
  std::map<int, std::string> known;
  for (const RtpHeaderExtension& extension : SupportedRtpCapabilities().header_extensions) {
    INFO(extension.uri);
    CHECK(known.emplace(extension.preferred_id, extension.uri).first->second == extension.uri);
    const auto uri = ParseRtpExtensionUri(extension.uri);
    REQUIRE(uri);
    CHECK(extension.preferred_id == RouterExtensionId(*uri));
    const bool sends = extension.direction == RtpExtensionDirection::kSendRecv;
    if (sends && uri != RtpExtensionUri::kVideoTiming) CHECK(extension.preferred_id <= 14);
  }
  // As the library has them.
  CHECK(known[1] == ToString(RtpExtensionUri::kMid));
  CHECK(known[12] == ToString(RtpExtensionUri::kPacketId));
  CHECK(known[13] == ToString(RtpExtensionUri::kVideoContentType));
  CHECK(known[14] == ToString(RtpExtensionUri::kColorSpace));
}

TEST_CASE("Router capabilities: peers are told of no id above 14 that they may be sent") {
  const auto told = ToJson(Router());
  size_t above = 0;
  for (const auto& entry : told.at("headerExtensions").as_array()) {
    const auto& extension = entry.as_object();
    if (extension.at("preferredId").to_number<int>() <= 14) continue;
    CHECK(extension.at("direction").as_string() == "recvonly");
    ++above;
  }
  CHECK(above == 2);  // the allocation of layers, and the timing
  // Nor does one get it who says that it receives all.
  const auto peer = ParseRtpCapabilities(told);
  REQUIRE(peer.ok());
  CHECK(peer->header_extensions.size() == Router().header_extensions.size() - above);
  CHECK(std::none_of(peer->header_extensions.begin(), peer->header_extensions.end(),
                     [](const RtpHeaderExtension& e) { return e.preferred_id > 14; }));
}

TEST_CASE("Router capabilities: refusals name the codec") {
  auto refused = MakeRouterRtpCapabilities({Media(MediaKind::kAudio, "audio/foo", 48000, 2)});
  CHECK(std::string(ErrorClassName(refused.status())) == "UnsupportedError");
  CHECK(std::string(refused.status().message()).find("audio/foo") != std::string::npos);

  RtpCodecCapability opus = Media(MediaKind::kAudio, "audio/opus", 48000, 2);
  RtpCodecCapability vp8 = Media(MediaKind::kVideo, "video/VP8", 90000);
  opus.preferred_payload_type = 111;
  vp8.preferred_payload_type = 111;
  CHECK(std::string(ErrorClassName(MakeRouterRtpCapabilities({opus, vp8}).status())) ==
        "TypeError");

  std::vector<RtpCodecCapability> many(20, Media(MediaKind::kVideo, "video/VP8", 90000));
  CHECK(std::string(MakeRouterRtpCapabilities(many).status().message())
            .find("cannot allocate more dynamic codec payload types") == 0);
}

TEST_CASE("Every supported codec makes a router") {
  for (const RtpCodecCapability& codec : SupportedRtpCapabilities().codecs) {
    INFO(codec.mime_type << " " << codec.clock_rate);
    CHECK(MakeRouterRtpCapabilities({codec}).ok());
  }
}

TEST_CASE("A browser's producer maps to the router's payload types") {
  const RtpParameters parameters = Parse(kChromiumVideo);
  CHECK(parameters.header_extensions.size() == 2);  // the unknown URI is left out
  auto mapping = GetProducerRtpMapping(parameters, Router(), kMappedSsrc);
  REQUIRE(mapping.ok());
  REQUIRE(mapping->codecs.size() == 2);
  CHECK(mapping->codecs[0].payload_type == 96);
  CHECK(mapping->codecs[0].mapped_payload_type == 101);
  CHECK(mapping->codecs[1].mapped_payload_type == 102);
  REQUIRE(mapping->encodings.size() == 1);
  CHECK(mapping->encodings[0].ssrc == 1111u);
  CHECK(mapping->encodings[0].mapped_ssrc == kMappedSsrc);
}

TEST_CASE("A broadcaster's bare parameters map, whatever the case of the MIME type") {
  const RtpParameters parameters = Parse(kFfmpegVideo);
  const RtpCapabilities router = Router();
  auto mapping = GetProducerRtpMapping(parameters, router, kMappedSsrc);
  REQUIRE(mapping.ok());
  const RtpParameters consumable =
      GetConsumableRtpParameters(MediaKind::kVideo, parameters, router, *mapping);
  REQUIRE(consumable.codecs.size() == 2);  // the router adds its RTX
  CHECK(consumable.codecs[0].mime_type == "video/VP8");
  CHECK(consumable.codecs[0].payload_type == 101);
  CHECK(consumable.codecs[1].mime_type == "video/rtx");
  CHECK(consumable.encodings[0].ssrc == kMappedSsrc);
}

TEST_CASE("Producer mapping refuses what the router lacks") {
  struct Case {
    const char* codecs;
    const char* error_class;
    const char* message;
  };
  const Case cases[] = {
      {R"([{"mimeType":"video/AV1","payloadType":45,"clockRate":90000}])", "UnsupportedError",
       "unsupported codec [mimeType:video/AV1, payloadType:45]"},
      {R"([{"mimeType":"video/H264","payloadType":45,"clockRate":90000,
           "parameters":{"packetization-mode":0,"profile-level-id":"42e01f"}}])",
       "UnsupportedError", "unsupported codec"},
      {R"([{"mimeType":"video/H264","payloadType":45,"clockRate":90000,
           "parameters":{"packetization-mode":1,"profile-level-id":"64001f"}}])",
       "UnsupportedError", "unsupported codec"},
      {R"([{"mimeType":"video/VP9","payloadType":45,"clockRate":90000}])", "UnsupportedError",
       "unsupported codec"},
      {R"([{"mimeType":"video/VP8","payloadType":96,"clockRate":90000},
          {"mimeType":"video/rtx","payloadType":97,"clockRate":90000,"parameters":{"apt":95}}])",
       "TypeError", "missing media codec found for RTX PT 97"},
  };
  for (const Case& c : cases) {
    INFO(c.codecs);
    const RtpParameters parameters =
        Parse((std::string(R"({"codecs":)") + c.codecs + R"(,"encodings":[{"ssrc":1}]})").c_str());
    const auto mapping = GetProducerRtpMapping(parameters, Router(), kMappedSsrc);
    REQUIRE_FALSE(mapping.ok());
    CHECK(std::string(ErrorClassName(mapping.status())) == c.error_class);
    CHECK(std::string(mapping.status().message()).find(c.message) == 0);
  }
}

TEST_CASE("Consumer parameters: codecs, extensions, feedback and encoding") {
  const RtpCapabilities router = Router();
  const RtpParameters parameters = Parse(kChromiumVideo);
  const RtpParameters consumable =
      GetConsumableRtpParameters(MediaKind::kVideo, parameters, router,
                                 *GetProducerRtpMapping(parameters, router, kMappedSsrc));
  REQUIRE(CanConsume(consumable, router));

  auto consumer = GetConsumerRtpParameters(consumable, router, false, true, kConsumerSsrc);
  REQUIRE(consumer.ok());
  REQUIRE(consumer->codecs.size() == 2);
  CHECK(consumer->codecs[0].payload_type == 101);
  REQUIRE(consumer->encodings.size() == 1);
  CHECK(consumer->encodings[0].ssrc == kConsumerSsrc);
  CHECK(consumer->encodings[0].rtx_ssrc == kConsumerSsrc + 1);
  CHECK(consumer->encodings[0].max_bitrate == 900'000u);
  for (const RtcpFeedback& feedback : consumer->codecs[0].rtcp_feedback) {
    CHECK(feedback.type != "goog-remb");  // transport-cc is negotiated
  }
  for (const auto& extension : consumer->header_extensions) {
    CHECK(extension.uri != RtpExtensionUri::kRtpStreamId);
    CHECK(extension.uri != RtpExtensionUri::kAbsCaptureTime);  // the producer does not send it
  }

  auto without_rtx = GetConsumerRtpParameters(consumable, router, false, false, kConsumerSsrc);
  REQUIRE(without_rtx.ok());
  CHECK(without_rtx->codecs.size() == 1);
  CHECK_FALSE(without_rtx->encodings[0].rtx_ssrc);
  for (const RtcpFeedback& feedback : without_rtx->codecs[0].rtcp_feedback) {
    CHECK_FALSE(feedback == RtcpFeedback{"nack", ""});
  }
}

TEST_CASE("Consumer feedback falls back with the extensions that the peer has") {
  const RtpCapabilities router = Router();
  const RtpParameters parameters = Parse(kChromiumVideo);
  const RtpParameters consumable =
      GetConsumableRtpParameters(MediaKind::kVideo, parameters, router,
                                 *GetProducerRtpMapping(parameters, router, kMappedSsrc));
  const auto feedback_without = [&](std::initializer_list<RtpExtensionUri> removed) {
    RtpCapabilities peer = router;
    std::erase_if(peer.header_extensions, [&](const RtpHeaderExtension& e) {
      return std::any_of(removed.begin(), removed.end(),
                         [&](RtpExtensionUri uri) { return e.uri == ToString(uri); });
    });
    const auto consumer = GetConsumerRtpParameters(consumable, peer, false, true, kConsumerSsrc);
    std::string types;
    for (const auto& f : consumer->codecs[0].rtcp_feedback) {
      if (f.type == "goog-remb" || f.type == "transport-cc") types += f.type;
    }
    return types;
  };
  CHECK(feedback_without({}) == "transport-cc");
  CHECK(feedback_without({RtpExtensionUri::kTransportWideCc}) == "goog-remb");
  CHECK(
      feedback_without({RtpExtensionUri::kTransportWideCc, RtpExtensionUri::kAbsSendTime}).empty());
}

TEST_CASE("A shared extension listed once, as video, still serves audio") {
  const RtpCapabilities router = Router();
  const RtpParameters parameters = Parse(
      R"({"codecs":[{"mimeType":"audio/opus","payloadType":111,"clockRate":48000,"channels":2}],
          "encodings":[{"ssrc":5}]})");
  const RtpParameters consumable =
      GetConsumableRtpParameters(MediaKind::kAudio, parameters, router,
                                 *GetProducerRtpMapping(parameters, router, kMappedSsrc));
  RtpCapabilities peer = router;
  std::erase_if(peer.header_extensions,
                [](const RtpHeaderExtension& e) { return e.kind == MediaKind::kAudio; });
  const auto consumer = GetConsumerRtpParameters(consumable, peer, false, false, kConsumerSsrc);
  REQUIRE(consumer.ok());
  CHECK(std::any_of(consumer->header_extensions.begin(), consumer->header_extensions.end(),
                    [](const auto& e) { return e.uri == RtpExtensionUri::kMid; }));
}

TEST_CASE("Redundant audio goes on where both sides have it, behind its media codec") {
  const auto router = MakeRouterRtpCapabilities({Media(MediaKind::kAudio, "audio/red", 48000, 2),
                                                 Media(MediaKind::kAudio, "audio/opus", 48000, 2)});
  REQUIRE(router.ok());
  REQUIRE(router->codecs.size() == 2);  // no RTX for it
  const RtpParameters produced = Parse(R"({
    "codecs": [
      {"mimeType": "audio/red", "payloadType": 63, "clockRate": 48000, "channels": 2,
       "parameters": {"111/111": ""}},
      {"mimeType": "audio/opus", "payloadType": 111, "clockRate": 48000, "channels": 2}],
    "encodings": [{"ssrc": 1}]})");
  const auto mapping = GetProducerRtpMapping(produced, *router, kMappedSsrc);
  REQUIRE(mapping.ok());
  CHECK(mapping->codecs.size() == 2);
  const RtpParameters consumable =
      GetConsumableRtpParameters(MediaKind::kAudio, produced, *router, *mapping);
  RtpCapabilities both = *router;
  const auto with = GetConsumerRtpParameters(consumable, both, false, false, 1000);
  REQUIRE(with.ok());
  REQUIRE(with->codecs.size() == 2);
  CHECK(with->codecs[0].mime_type == "audio/opus");
  CHECK(with->codecs[1].mime_type == "audio/red");
  CHECK(with->codecs[1].parameters.empty());  // they named the sender's payload types
  CHECK(with->codecs[1].payload_type == *router->codecs[0].preferred_payload_type);

  RtpCapabilities plain = *router;
  plain.codecs.erase(plain.codecs.begin());
  CHECK(CanConsume(consumable, plain));
  const auto without = GetConsumerRtpParameters(consumable, plain, false, false, 1000);
  REQUIRE(without.ok());
  REQUIRE(without->codecs.size() == 1);
  CHECK(without->codecs[0].mime_type == "audio/opus");

  RtpCapabilities alone = *router;
  alone.codecs.pop_back();  // redundancy of nothing
  CHECK_FALSE(CanConsume(consumable, alone));
  CHECK_FALSE(GetConsumerRtpParameters(consumable, alone, false, false, 1000).ok());
}

TEST_CASE("FlexFEC goes on where both sides have it, with an SSRC of its own") {
  const auto router =
      MakeRouterRtpCapabilities({Media(MediaKind::kVideo, "video/VP8", 90000),
                                 Media(MediaKind::kVideo, "video/flexfec-03", 90000)});
  REQUIRE(router.ok());
  REQUIRE(router->codecs.size() == 3);  // VP8, its RTX, FEC without
  CHECK(router->codecs[2].parameters.at("repair-window") == ParameterValue(10'000'000));
  const RtpParameters produced = Parse(R"({
    "codecs": [
      {"mimeType": "video/VP8", "payloadType": 96, "clockRate": 90000},
      {"mimeType": "video/rtx", "payloadType": 97, "clockRate": 90000, "parameters": {"apt": 96}},
      {"mimeType": "video/flexfec-03", "payloadType": 49, "clockRate": 90000,
       "parameters": {"repair-window": 10000000}}],
    "encodings": [{"ssrc": 1, "rtx": {"ssrc": 2}, "fec": {"ssrc": 3}}]})");
  CHECK(produced.encodings[0].fec_ssrc == 3u);
  const auto mapping = GetProducerRtpMapping(produced, *router, kMappedSsrc);
  REQUIRE(mapping.ok());
  CHECK(mapping->codecs.size() == 3);
  const RtpParameters consumable =
      GetConsumableRtpParameters(MediaKind::kVideo, produced, *router, *mapping);
  CHECK_FALSE(consumable.encodings[0].fec_ssrc);
  for (const bool pipe : {false, true}) {
    const auto with = GetConsumerRtpParameters(consumable, *router, pipe, true, 1000);
    REQUIRE(with.ok());
    CHECK(with->codecs.size() == 3);
    REQUIRE(with->encodings.size() == 1);
    CHECK(with->encodings[0].ssrc == 1000u);
    CHECK(with->encodings[0].rtx_ssrc == 1001u);
    CHECK(with->encodings[0].fec_ssrc == 1002u);
    CHECK(ToJson(*with).at("encodings").at(0).at("fec").at("ssrc") == 1002);
  }
  RtpCapabilities plain = *router;
  plain.codecs.pop_back();
  const auto without = GetConsumerRtpParameters(consumable, plain, false, true, 1000);
  REQUIRE(without.ok());
  CHECK(without->codecs.size() == 2);
  CHECK_FALSE(without->encodings[0].fec_ssrc);
}

TEST_CASE("A peer without the codec cannot consume") {
  const RtpCapabilities router = Router();
  const RtpParameters parameters = Parse(kFfmpegVideo);
  const RtpParameters consumable =
      GetConsumableRtpParameters(MediaKind::kVideo, parameters, router,
                                 *GetProducerRtpMapping(parameters, router, kMappedSsrc));
  RtpCapabilities peer = router;
  std::erase_if(peer.codecs,
                [](const RtpCodecCapability& c) { return c.mime_type == "video/VP8"; });
  CHECK_FALSE(CanConsume(consumable, peer));
  const auto consumer = GetConsumerRtpParameters(consumable, peer, false, true, kConsumerSsrc);
  CHECK(std::string(consumer.status().message()) == "no compatible media codecs");
  CHECK_FALSE(CanConsume(consumable, RtpCapabilities{}));
}

TEST_CASE("H264 of which nobody says a profile has none for receivers either") {
  const RtpCapabilities router = *MakeRouterRtpCapabilities(
      {Media(MediaKind::kVideo, "video/H264", 90000, 1, {{"packetization-mode", 1}})});
  const RtpParameters parameters = Parse(
      R"({"codecs":[{"mimeType":"video/H264","payloadType":112,"clockRate":90000,
          "parameters":{"packetization-mode":1}}],"encodings":[{"ssrc":1234}]})");
  const auto mapping = GetProducerRtpMapping(parameters, router, kMappedSsrc);
  REQUIRE(mapping.ok());
  const RtpParameters consumable =
      GetConsumableRtpParameters(MediaKind::kVideo, parameters, router, *mapping);
  CHECK_FALSE(consumable.codecs.front().parameters.contains("profile-level-id"));
}

TEST_CASE("Of a peer's capabilities only what the router has is kept") {
  const RtpCapabilities router = Router();
  RtpCapabilities peer = router;
  // What a browser has besides, and what a stranger may add.
  for (RtpCodecCapability& codec : peer.codecs) {
    codec.preferred_payload_type = static_cast<uint8_t>(*codec.preferred_payload_type - 1);
    codec.parameters["x-padding"] = std::string(10'000, 'x');
    codec.rtcp_feedback.push_back({"x-padding", std::string(10'000, 'x')});
  }
  peer.codecs.push_back(Media(MediaKind::kVideo, "video/AV1", 90000, 1));
  peer.codecs.push_back(
      Media(MediaKind::kVideo, "video/H264", 90000, 1,
            {{"packetization-mode", 0}, {"profile-level-id", std::string("42e01f")}}));
  peer.header_extensions.push_back({MediaKind::kVideo, "urn:x:" + std::string(10'000, 'x'), 99});
  CHECK(ToJson(ReduceCapabilities(peer, router)) == ToJson(router));

  std::erase_if(peer.codecs, [](const auto& codec) { return codec.mime_type == "video/VP9"; });
  const RtpCapabilities without = ReduceCapabilities(peer, router);
  CHECK(std::none_of(without.codecs.begin(), without.codecs.end(),
                     [](const auto& codec) { return codec.mime_type == "video/VP9"; }));
  CHECK(ReduceCapabilities({}, router).codecs.empty());
}

TEST_CASE("Consumers get the same from reduced capabilities as from the whole") {
  const RtpCapabilities router = Router();
  const RtpParameters parameters = Parse(GENERATE(true, false) ? kChromiumVideo : kFfmpegVideo);
  const RtpParameters consumable =
      GetConsumableRtpParameters(MediaKind::kVideo, parameters, router,
                                 *GetProducerRtpMapping(parameters, router, kMappedSsrc));
  RtpCapabilities peer = router;
  switch (GENERATE(0, 1, 2, 3)) {
    case 1:
      std::erase_if(peer.codecs, [](const auto& codec) { return codec.mime_type == "video/rtx"; });
      break;
    case 2:
      std::erase_if(peer.codecs, [](const auto& codec) { return codec.mime_type == "video/VP8"; });
      break;
    case 3:
      peer.header_extensions.resize(3);
      for (RtpCodecCapability& codec : peer.codecs) {
        if (!codec.rtcp_feedback.empty()) codec.rtcp_feedback.resize(1);
      }
      break;
    default:
      break;
  }
  const RtpCapabilities reduced = ReduceCapabilities(peer, router);
  CHECK(CanConsume(consumable, peer) == CanConsume(consumable, reduced));
  const auto whole = GetConsumerRtpParameters(consumable, peer, false, true, kConsumerSsrc);
  const auto same = GetConsumerRtpParameters(consumable, reduced, false, true, kConsumerSsrc);
  REQUIRE(whole.ok() == same.ok());
  if (whole.ok()) CHECK(ToJson(*whole) == ToJson(*same));
}

TEST_CASE("Texts that are sent with a length of one byte are bounded") {
  const std::string limit(255, 'x');
  const std::string longer(256, 'x');
  const auto parse = [](const std::string& before, const std::string& text,
                        const std::string& after) {
    return ParseRtpParameters(json::parse(before + "\"" + text + "\"" + after)).status();
  };
  const auto check = [&](const std::string& before, const std::string& after, const char* name) {
    INFO(before);
    CHECK(parse(before, limit, after).ok());
    const Status refused = parse(before, longer, after);
    CHECK(std::string(refused.message()) ==
          std::string(name) + " has 256 bytes, at most 255 are allowed");
    CHECK(std::string(ErrorClassName(refused)) == "TypeError");
  };
  check(R"({"codecs":[],"rtcp":{"cname":)", "}}", "rtcp.cname");
  check(R"({"codecs":[],"mid":)", "}", "params.mid");
  check(R"({"codecs":[],"msid":)", "}", "params.msid");
  check(R"({"codecs":[],"encodings":[{"rid":)", "}]}", "encoding.rid");
}

TEST_CASE("Texts that go into lines of SDP have no control characters") {
  for (const char* text : {
           R"({"codecs":[],"rtcp":{"cname":"a\r\na=x"}})",
           R"({"codecs":[],"mid":"0\r"})",
           R"({"codecs":[],"msid":"a\n b"})",
           R"({"codecs":[],"encodings":[{"rid":"h\u0000"}]})",
           R"({"codecs":[{"mimeType":"audio/opus\r\n","payloadType":100,"clockRate":48000}]})",
           R"({"codecs":[{"mimeType":"audio/opus","payloadType":100,"clockRate":48000,
               "parameters":{"x":"1\r\na=sendonly"}}]})",
           R"({"codecs":[{"mimeType":"audio/opus","payloadType":100,"clockRate":48000,
               "parameters":{"x\n":1}}]})",
           R"({"codecs":[{"mimeType":"audio/opus","payloadType":100,"clockRate":48000,
               "rtcpFeedback":[{"type":"nack\r","parameter":""}]}]})",
       }) {
    INFO(text);
    const Status refused = ParseRtpParameters(json::parse(text)).status();
    CHECK(std::string(ErrorClassName(refused)) == "TypeError");
    CHECK(std::string(refused.message()).find("no control characters") != std::string::npos);
  }
}

TEST_CASE("What an error shows is cut between characters") {
  const std::string text = R"({"codecs":"012345678901234567890123456789012345678éé"})";
  const Status refused = ParseRtpParameters(json::parse(text)).status();
  CHECK(IsUtf8(std::string(refused.message())));
}

TEST_CASE("Parsing names the field that is wrong") {
  struct Case {
    const char* text;
    const char* message;
  };
  const Case cases[] = {
      {R"([])", "params is []: expected an object"},
      {R"({})", "missing params.codecs"},
      {R"({"codecs":1})", "params.codecs is 1: expected an array"},
      {R"({"codecs":[{}]})", "missing codec.mimeType"},
      {R"({"codecs":[{"mimeType":"opus"}]})", "invalid codec.mimeType \"opus\""},
      {R"({"codecs":[{"mimeType":"video/VP8"}]})", "missing codec.clockRate"},
      {R"({"codecs":[{"mimeType":"video/VP8","clockRate":90000}]})", "missing codec.payloadType"},
      {R"({"codecs":[{"mimeType":"video/VP8","clockRate":90000,"payloadType":128}]})",
       "invalid codec.payloadType 128: expected an integer from 0 to 127"},
      {R"({"codecs":[{"mimeType":"video/VP8","clockRate":"x","payloadType":1}]})",
       "invalid codec.clockRate \"x\""},
      {R"({"codecs":[{"mimeType":"video/rtx","clockRate":90000,"payloadType":1,
          "parameters":{"apt":"96"}}]})",
       "invalid codec apt parameter"},
      {R"({"codecs":[{"mimeType":"video/VP8","clockRate":90000,"payloadType":1,
          "parameters":{"a":{}}}]})",
       "invalid codec parameter [key:a, value:{}]"},
      {R"({"codecs":[],"headerExtensions":[{"id":1}]})", "missing ext.uri"},
      {R"({"codecs":[],"headerExtensions":[{"uri":"x"}]})", "missing ext.id"},
      {R"({"codecs":[],"encodings":[{"ssrc":"1"}]})", "invalid encoding.ssrc \"1\""},
      {R"({"codecs":[],"encodings":[{"rtx":{}}]})", "missing encoding.rtx.ssrc"},
      {R"({"codecs":[],"encodings":[{"ssrc":4294967296}]})", "invalid encoding.ssrc 4294967296"},
      {R"({"codecs":[],"rtcp":{"cname":7}})", "invalid rtcp.cname 7"},
  };
  for (const Case& c : cases) {
    INFO(c.text);
    const auto parsed = ParseRtpParameters(json::parse(c.text));
    REQUIRE_FALSE(parsed.ok());
    INFO(parsed.status().ToString());
    CHECK(std::string(parsed.status().message()).find(c.message) == 0);
    CHECK(std::string(ErrorClassName(parsed.status())) == "TypeError");
  }
  CHECK_FALSE(ParseMediaKind("depth").ok());
}

TEST_CASE("Missing encodings become one empty encoding") {
  CHECK(Parse(R"({"codecs":[]})").encodings.size() == 1);
}

TEST_CASE("Capabilities and parameters survive JSON") {
  const RtpCapabilities router = Router();
  auto again = ParseRtpCapabilities(ToJson(router));
  REQUIRE(again.ok());
  RtpCapabilities kept = router;  // but for ids that no peer is sent
  std::erase_if(kept.header_extensions,
                [](const RtpHeaderExtension& e) { return e.preferred_id > 14; });
  CHECK(ToJson(*again) == ToJson(kept));

  const RtpParameters parameters = Parse(kChromiumVideo);
  auto parsed = ParseRtpParameters(ToJson(parameters));
  REQUIRE(parsed.ok());
  CHECK(ToJson(*parsed) == ToJson(parameters));
}

}  // namespace sluice::controller
