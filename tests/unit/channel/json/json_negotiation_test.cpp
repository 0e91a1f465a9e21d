#include "worker/channel/json/json_negotiation.h"

#include <catch2/catch.hpp>
#include <string>

#include "tests/unit/channel/json/json_values.h"
#include "worker/channel/json/json_codecs.h"
#include "worker/channel/json/json_write.h"

namespace sluice::worker::json_protocol {
namespace {

constexpr char kVp8[] = "{'kind':'video','name':'video/VP8','clockRate':90000}";
constexpr char kOpus[] = "{'kind':'audio','name':'audio/opus','clockRate':48000}";
constexpr char kPcmu[] = "{'kind':'audio','name':'audio/PCMU','clockRate':8000}";

/// `codec` with an explicit payload type.
std::string With(const char* codec, int payload_type) {
  std::string out(codec);
  out.back() = ',';
  return out + "'payloadType':" + std::to_string(payload_type) + "}";
}

std::string List(std::initializer_list<std::string> codecs) {
  std::string out = "[";
  for (const std::string& codec : codecs) out += (out.size() > 1 ? "," : "") + codec;
  return out + "]";
}

/// "101>100" for every RTX codec.
std::string RtxSummary(const JsonCapabilities& room) {
  std::string out;
  for (const Codec& codec : room.rtx_codecs) {
    if (!out.empty()) out += " ";
    out += std::to_string(*codec.payload_type) + ">" +
           std::to_string(*IntegerParameter(codec.parameters, "apt"));
  }
  return out;
}

RtpCapabilities Effective(const JsonCapabilities& room, std::string_view peer) {
  return EffectivePeerCapabilities(room, ParseCapabilities(Json(peer)).value());
}

TEST_CASE("payload types are given out from 100, media and RTX in turn") {
  const JsonCapabilities room = RecordedRoom();
  CHECK(Summary(room.capabilities.codecs) ==
        "100 audio/opus, 101 audio/PCMU, 102 video/VP8, 104 video/H265, 106 video/H264");
  CHECK(RtxSummary(room) == "103>102 105>104 107>106");
}

TEST_CASE("explicit payload types are kept, depth video has no RTX") {
  const JsonCapabilities room = RoomOf(R"([
      {'kind':'audio','name':'audio/opus','payloadType':100,'clockRate':48000},
      {'kind':'audio','name':'audio/PCMU','payloadType':0,'clockRate':8000},
      {'kind':'video','name':'video/vp8','payloadType':110,'clockRate':90000},
      {'kind':'video','name':'video/h264','payloadType':112,'clockRate':90000},
      {'kind':'depth','name':'video/VP8','payloadType':120,'clockRate':90000}])");
  CHECK(Summary(room.capabilities.codecs) ==
        "100 audio/opus, 0 audio/PCMU, 110 video/VP8, 112 video/H264, 120 video/VP8");
  CHECK(RtxSummary(room) == "101>110 102>112");
}

TEST_CASE("payload types clash and give way") {
  struct Case {
    const char* what;
    std::string codecs;
    const char* media;
    const char* rtx;
  };
  const Case cases[] = {
      {"the second to want 100 takes the next", List({With(kOpus, 100), With(kPcmu, 100)}),
       "100 audio/opus, 101 audio/PCMU", ""},
      {"a wish after a gift of the same value", List({kOpus, With(kPcmu, 100)}),
       "100 audio/opus, 101 audio/PCMU", ""},
      {"a gift passes values that are in use", List({With(kOpus, 100), With(kPcmu, 101), kVp8}),
       "100 audio/opus, 101 audio/PCMU, 102 video/VP8", "103>102"},
      {"RTX is not its own media's explicit value", List({With(kVp8, 100)}), "100 video/VP8",
       "101>100"},
      {"RTX leaves a later explicit value alone", List({kVp8, With(kOpus, 101), kPcmu}),
       "100 video/VP8, 101 audio/opus, 103 audio/PCMU", "102>100"},
      {"RTX does not mind a codec that the room will not have",
       List({kVp8,
             "{'kind':'video','name':'video/rtx','clockRate':90000,'payloadType':101,"
             "'parameters':{'apt':100}}"}),
       "100 video/VP8", "101>100"},
      {"a video codec that says no kind has no RTX",
       List({"{'kind':'','name':'video/VP8','clockRate':90000}", kOpus}),
       "100 video/VP8, 101 audio/opus", ""},
  };
  for (const Case& test : cases) {
    CAPTURE(test.what);
    const JsonCapabilities room = RoomOf(test.codecs);
    CHECK(Summary(room.capabilities.codecs) == test.media);
    CHECK(RtxSummary(room) == test.rtx);
  }
}

TEST_CASE("the dynamic list goes 100-127, 96-99, 77-95, 35-71, then is used up") {
  const Codec pcmu =
      ParseMediaCodecs(Json(std::string("{'mediaCodecs':[") + kPcmu + "]}"))->front();
  std::vector<Codec> codecs(88, pcmu);
  const auto room = MakeRoomCapabilities(codecs);
  REQUIRE(room.ok());
  std::vector<int> expected;
  for (const auto& [first, last] : {std::pair{100, 127}, {96, 99}, {77, 95}, {35, 71}}) {
    for (int value = first; value <= last; ++value) expected.push_back(value);
  }
  std::vector<int> given;
  for (const Codec& codec : room->capabilities.codecs) given.push_back(*codec.payload_type);
  CHECK(given == expected);

  codecs.push_back(pcmu);
  const auto too_many = MakeRoomCapabilities(codecs);
  CHECK(ErrorOf(too_many).find("Error: mediaCodecs has too many codecs") == 0);
  // Explicit ones need none of the list.
  codecs.back().payload_type = 0;
  CHECK(MakeRoomCapabilities(codecs).ok());
  // RTX takes from the list as well.
  codecs.pop_back();
  codecs.back() = ParseMediaCodecs(Json(std::string("{'mediaCodecs':[") + kVp8 + "]}"))->front();
  CHECK_FALSE(MakeRoomCapabilities(codecs).ok());
}

TEST_CASE("a room skips what it does not support and has the room's feedback") {
  const JsonCapabilities room = RoomOf(R"([
      {'kind':'video','name':'video/rtx','clockRate':90000,'parameters':{'apt':100}},
      {'kind':'video','name':'video/ulpfec','clockRate':90000},
      {'kind':'video','name':'video/X-H264UC','clockRate':90000},
      {'kind':'audio','name':'audio/PCMU','clockRate':16000},
      {'kind':'audio','name':'audio/CN','clockRate':16000},
      {'kind':'video','name':'video/VP9','clockRate':90000,'maxptime':7,
       'parameters':{'profileId':2},'rtcpFeedback':[{'type':'transport-cc'}]}])");
  CHECK(Summary(room.capabilities.codecs) == "100 audio/CN, 101 video/VP9");
  const Codec& vp9 = room.capabilities.codecs[1];
  CHECK(std::get<int32_t>(vp9.parameters.at("profileId")) == 2);
  CHECK(vp9.maxptime == 7);
  const std::vector<RtcpFeedback> feedback = {{"nack", ""},     {"nack", "pli"}, {"nack", "sli"},
                                              {"nack", "rpsi"}, {"nack", "app"}, {"ccm", "fir"},
                                              {"ack", "rpsi"},  {"ack", "app"},  {"goog-remb", ""}};
  CHECK(vp9.rtcp_feedback == feedback);
  CHECK(room.capabilities.header_extensions.size() == 5);
  CHECK(room.capabilities.fec_mechanisms.empty());
}

TEST_CASE("a peer keeps its order and parameters and gets the room's numbers") {
  const RtpCapabilities effective = Effective(RecordedRoom(), R"({'codecs':[
      {'kind':'video','name':'video/VP8','payloadType':96,'clockRate':90000,'maxptime':9,'ptime':3,
       'rtcpFeedback':[{'type':'transport-cc'},{'type':'nack','parameter':'pli'},
                       {'type':'nack','parameter':'x'},{'type':'nack'}],
       'parameters':{'own':true}},
      {'kind':'video','name':'video/rtx','payloadType':97,'clockRate':90000,
       'parameters':{'apt':96}},
      {'kind':'audio','name':'audio/G722','payloadType':9,'clockRate':8000},
      {'kind':'audio','name':'audio/opus','payloadType':111,'clockRate':48000}]})");
  CHECK(Summary(effective.codecs) == "102 video/VP8, 100 audio/opus, 103 video/rtx");
  const Codec& vp8 = effective.codecs[0];
  CHECK(vp8.rtcp_feedback == std::vector<RtcpFeedback>{{"nack", "pli"}, {"nack", ""}});
  CHECK(vp8.maxptime == 9);
  CHECK(vp8.ptime == 3);
  CHECK(std::get<bool>(vp8.parameters.at("own")));
  CHECK(effective.codecs[2].kind == Kind::kVideo);
}

TEST_CASE("RTX follows the kind of the peer's codec and what the room has for it") {
  const JsonCapabilities depth_room =
      RoomOf("[{'kind':'depth','name':'video/VP8','clockRate':90000}]");
  const auto peer = [](const char* kind) {
    return std::string("{'codecs':[{'kind':'") + kind +
           "','name':'video/VP8','payloadType':96,'clockRate':90000}]}";
  };
  CHECK(Summary(Effective(depth_room, peer("video")).codecs) == "100 video/VP8");
  CHECK(Summary(Effective(depth_room, peer("")).codecs) == "100 video/VP8");
  const JsonCapabilities video_room = RoomOf(List({kVp8}));
  CHECK(Summary(Effective(video_room, peer("video")).codecs) == "100 video/VP8, 101 video/rtx");
  CHECK(Summary(Effective(video_room, peer("depth")).codecs) == "100 video/VP8");
}

TEST_CASE("header extensions are kept by URI and kind, with the room's ids and the peer's kind") {
  const RtpCapabilities effective = Effective(RecordedRoom(), R"({
      'headerExtensions':[
        {'kind':'audio','uri':'urn:3gpp:video-orientation','preferredId':9},
        {'kind':'video','uri':'urn:3gpp:VIDEO-orientation','preferredId':8,'preferredEncrypt':true},
        {'kind':'audio','uri':'http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time',
         'preferredId':7},
        {'kind':'','uri':'urn:ietf:params:rtp-hdrext:toffset','preferredId':6},
        {'kind':'video','uri':'urn:ietf:params:rtp-hdrext:sdes:mid','preferredId':5}],
      'fecMechanisms':['flexfec']})");
  CHECK(SerializeSorted(WriteCapabilities(effective)) ==
        R"({"codecs":[],"fecMechanisms":[],"headerExtensions":[)"
        R"({"kind":"video","preferredEncrypt":false,"preferredId":4,)"
        R"("uri":"urn:3gpp:video-orientation"},)"
        R"({"kind":"audio","preferredEncrypt":false,"preferredId":3,)"
        R"("uri":"http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"}]})");
}

// ---- Receivers and senders ----

/// A peer with everything of the recorded room.
RtpCapabilities FullPeer() {
  return Effective(RecordedRoom(), R"({'codecs':[
      {'kind':'audio','name':'audio/opus','payloadType':111,'clockRate':48000},
      {'kind':'video','name':'video/VP8','payloadType':96,'clockRate':90000,
       'rtcpFeedback':[{'type':'nack'},{'type':'ccm','parameter':'fir'}]},
      {'kind':'video','name':'video/H264','payloadType':98,'clockRate':90000,
       'rtcpFeedback':[{'type':'nack'}],'parameters':{'packetizationMode':1}}],
    'headerExtensions':[
      {'kind':'audio','uri':'urn:ietf:params:rtp-hdrext:ssrc-audio-level','preferredId':11},
      {'kind':'video','uri':'urn:3gpp:video-orientation','preferredId':12}]})");
}

RtpCapabilities Vp8Peer() {
  return Effective(RecordedRoom(), R"({'codecs':[
      {'kind':'video','name':'video/VP8','payloadType':96,'clockRate':90000,
       'rtcpFeedback':[{'type':'nack'}]}]})");
}

constexpr char kVideoParameters[] = R"({'muxId':'m','codecs':[
    {'name':'video/VP8','payloadType':102,'clockRate':90000,
     'rtcpFeedback':[{'type':'ccm','parameter':'fir'},{'type':'nack'},{'type':'goog-remb'}]},
    {'name':'video/H264','payloadType':106,'clockRate':90000,'parameters':{'packetizationMode':1}},
    {'name':'video/rtx','payloadType':103,'clockRate':90000,'parameters':{'apt':102}},
    {'name':'video/rtx','payloadType':107,'clockRate':90000,'parameters':{'apt':106}}],
  'encodings':[{'codecPayloadType':106,'ssrc':10,'rtx':{'ssrc':11}},
               {'codecPayloadType':102,'ssrc':20,'rtx':{'ssrc':21},'active':false}],
  'headerExtensions':[{'uri':'urn:3gpp:video-orientation','id':4,'encrypt':true,
                       'parameters':{'a':1}},
                      {'uri':'urn:ietf:params:rtp-hdrext:toffset','id':2}],
  'rtcp':{'cname':'c','ssrc':9,'reducedSize':false},
  'userParameters':{'msid':'x y','nested':{'n':[1,null]}}})";

Result<JsonRtpParameters> Reduced(const RtpCapabilities& effective, std::string_view parameters) {
  return ReduceReceiverParameters(effective, ParseRtpParameters(Json(parameters)).value());
}

std::string EncodingSsrcs(const JsonRtpParameters& parameters) {
  std::string out;
  for (const Encoding& encoding : parameters.encodings) {
    out += (out.empty() ? "" : " ") + std::to_string(encoding.ssrc) + "@" +
           std::to_string(*encoding.codec_payload_type);
  }
  return out;
}

TEST_CASE("a receiver keeps what its peer has with the room's payload types") {
  const auto reduced = Reduced(FullPeer(), kVideoParameters);
  REQUIRE(reduced.ok());
  CHECK(Summary(reduced->codecs) == "102 video/VP8, 106 video/H264, 103 video/rtx, 107 video/rtx");
  CHECK(reduced->codecs[0].rtcp_feedback ==
        std::vector<RtcpFeedback>{{"ccm", "fir"}, {"nack", ""}});
  CHECK(EncodingSsrcs(*reduced) == "10@106 20@102");
  REQUIRE(reduced->header_extensions.size() == 1);
  CHECK(reduced->header_extensions[0].uri == RtpExtensionUri::kVideoOrientation);
  CHECK(reduced->header_extensions[0].id == 4);
  CHECK_FALSE(reduced->header_extensions[0].encrypt);
  CHECK(reduced->mux_id == "m");
  CHECK(reduced->user_parameters == Json("{'msid':'x y','nested':{'n':[1,null]}}"));
}

TEST_CASE("codecs that a receiver's peer lacks go, with their encodings and their RTX") {
  const auto reduced = Reduced(Vp8Peer(), kVideoParameters);
  REQUIRE(reduced.ok());
  CHECK(Summary(reduced->codecs) == "102 video/VP8, 103 video/rtx");
  CHECK(EncodingSsrcs(*reduced) == "20@102");
  CHECK(reduced->header_extensions.empty());
}

TEST_CASE("RTX does not outlive the codec that it repairs") {
  const auto reduced = Reduced(FullPeer(), R"({'codecs':[
      {'name':'video/VP8','payloadType':102,'clockRate':90000},
      {'name':'video/VP9','payloadType':50,'clockRate':90000},
      {'name':'video/rtx','payloadType':103,'clockRate':90000,'parameters':{'apt':50}}]})");
  REQUIRE(reduced.ok());
  CHECK(Summary(reduced->codecs) == "102 video/VP8");
}

TEST_CASE("encodings that all lose their codec leave one without SSRC") {
  const auto reduced = Reduced(FullPeer(), R"({'codecs':[
      {'name':'video/VP9','payloadType':50,'clockRate':90000},
      {'name':'video/VP8','payloadType':102,'clockRate':90000}],
    'encodings':[{'ssrc':1,'codecPayloadType':50}]})");
  REQUIRE(reduced.ok());
  CHECK(EncodingSsrcs(*reduced) == "0@102");
}

TEST_CASE("a receiver of which nothing is left is rejected") {
  for (const char* codec : {
           "{'name':'video/VP8','payloadType':96,'clockRate':90000}",  // not the room's number
           "{'name':'video/VP9','payloadType':102,'clockRate':90000}",
           "{'name':'video/VP8','payloadType':102,'clockRate':8000}",
           "{'name':'video/H264','payloadType':106,'clockRate':90000}",  // mode 0
       }) {
    CAPTURE(codec);
    const auto reduced = Reduced(FullPeer(), std::string("{'codecs':[") + codec + "]}");
    CHECK(ErrorOf(reduced).find("TypeError: codecs has no media codec that the peer's "
                                "capabilities have with the same payload type") == 0);
  }
}

TEST_CASE("a sender has the first encoding, its own mux id and what its peer can do") {
  const auto receiver = Reduced(FullPeer(), kVideoParameters).value();
  const JsonRtpParameters sender = MakeSenderParameters(receiver, FullPeer(), "abcd1234");
  CHECK(IsAvailable(sender));
  CHECK(sender.mux_id == "abcd1234");
  CHECK(EncodingSsrcs(sender) == "10@106");
  CHECK(sender.encodings[0].rtx->ssrc == 11);
  CHECK(Summary(sender.codecs) == Summary(receiver.codecs));
  CHECK(SerializeSorted(WriteSupportedPayloadTypes(sender)) == "[102,106,103,107]");
  CHECK(sender.header_extensions.size() == 1);
  CHECK(sender.rtcp->cname == "c");
  CHECK(sender.user_parameters == receiver.user_parameters);
  // Everything else is a copy.
  JsonRtpParameters like_receiver = sender;
  like_receiver.mux_id = receiver.mux_id;
  like_receiver.encodings = receiver.encodings;
  CHECK(WriteRtpParameters(like_receiver) == WriteRtpParameters(receiver));
}

TEST_CASE("a sender to a peer without the codec of the encoding is not available") {
  const auto receiver = Reduced(FullPeer(), kVideoParameters).value();
  const JsonRtpParameters sender = MakeSenderParameters(receiver, Vp8Peer(), "x");
  CHECK_FALSE(IsAvailable(sender));  // the first encoding is H264
  CHECK(Summary(sender.codecs) == "102 video/VP8, 103 video/rtx");
  CHECK(sender.codecs[0].rtcp_feedback == std::vector<RtcpFeedback>{{"nack", ""}});
  CHECK(sender.header_extensions.empty());
  CHECK(SerializeSorted(WriteSupportedPayloadTypes(sender)) == "[102,103]");

  const JsonRtpParameters none = MakeSenderParameters(receiver, RtpCapabilities(), "x");
  CHECK_FALSE(IsAvailable(none));
  CHECK(SerializeSorted(WriteSupportedPayloadTypes(none)) == "[]");
}

TEST_CASE("a sender to a peer without RTX names no repair stream") {
  const auto receiver = Reduced(Vp8Peer(), kVideoParameters).value();
  const RtpCapabilities depth_peer = Effective(RecordedRoom(), R"({'codecs':[
      {'kind':'depth','name':'video/VP8','payloadType':96,'clockRate':90000}]})");
  const JsonRtpParameters sender = MakeSenderParameters(receiver, depth_peer, "x");
  REQUIRE(IsAvailable(sender));
  CHECK_FALSE(sender.encodings[0].rtx.has_value());
  CHECK(Summary(sender.codecs) == "102 video/VP8");
}

}  // namespace
}  // namespace sluice::worker::json_protocol
