#include "worker/channel/json/json_rtp_parse.h"

#include <catch2/catch.hpp>
#include <string>

#include "tests/unit/channel/json/json_values.h"

namespace sluice::worker::json_protocol {
namespace {

/// A list of `count` copies of `element`.
std::string Repeat(std::string_view element, size_t count) {
  std::string out = "[";
  for (size_t i = 0; i < count; ++i) out.append(i == 0 ? "" : ",").append(element);
  return out + "]";
}

struct Rejection {
  std::string data;
  const char* error;
};

template <typename Parse>
void CheckRejections(std::initializer_list<Rejection> rejections, Parse parse) {
  for (const Rejection& rejection : rejections) {
    CAPTURE(rejection.data);
    CHECK(ErrorOf(parse(Json(rejection.data))) == std::string("TypeError: ") + rejection.error);
  }
}

TEST_CASE("media codecs are read with their defaults") {
  const auto codecs = ParseMediaCodecs(Json(R"({'mediaCodecs':[
      {'kind':'AUDIO','name':'audio/OPUS','clockRate':48000,'numChannels':1,'payloadType':null},
      {'kind':'','name':'video/h264','clockRate':90000,'payloadType':0,'maxptime':60,'ptime':20,
       'parameters':{'packetizationMode':'1'},
       'rtcpFeedback':[{'type':'nack'},{'type':'ccm','parameter':'fir'}],'unknown':[1]}]})"));
  REQUIRE(codecs.ok());
  REQUIRE(codecs->size() == 2);
  const Codec& opus = (*codecs)[0];
  CHECK(opus.kind == Kind::kAudio);
  CHECK(opus.name == "audio/opus");
  CHECK_FALSE(opus.payload_type.has_value());
  CHECK(opus.clock_rate == 48'000);
  CHECK(opus.num_channels == 2);
  CHECK(opus.parameters.empty());
  const Codec& h264 = (*codecs)[1];
  CHECK(h264.kind == Kind::kAll);
  CHECK(h264.name == "video/H264");
  CHECK(h264.payload_type == 0);
  CHECK(h264.num_channels == 1);
  CHECK(h264.maxptime == 60);
  CHECK(h264.ptime == 20);
  CHECK(h264.parameters == Parameters{{"packetizationMode", int32_t{0}}});
  CHECK(h264.rtcp_feedback == std::vector<RtcpFeedback>{{"nack", ""}, {"ccm", "fir"}});

  CHECK(ParseMediaCodecs(Json("{}"))->empty());
  CHECK(ParseMediaCodecs(Json("{'mediaCodecs':null}"))->empty());
}

TEST_CASE("parameters keep the types that they have and drop the others") {
  const auto codecs = ParseMediaCodecs(Json(R"({'mediaCodecs':[
      {'kind':'audio','name':'audio/opus','clockRate':48000,'parameters':{
        'bool':true,'min':-2147483648,'max':2147483647,'double':0.5,'text':'x','empty':'',
        'list':[1,-2],'above':2147483648,'below':-2147483649,'far':-9223372036854775808,
        'huge':18446744073709551615,'null':null,'object':{},'none':[],'mixed':[1,'2'],
        'wide':[4294967296]}}]})"));
  REQUIRE(codecs.ok());
  const Parameters expected = {{"bool", true},
                               {"min", int32_t{-2147483647 - 1}},
                               {"max", int32_t{2147483647}},
                               {"double", 0.5},
                               {"text", std::string("x")},
                               {"empty", std::string()},
                               {"list", std::vector<int32_t>{1, -2}}};
  CHECK(codecs->front().parameters == expected);
}

TEST_CASE("a codec of a room is rejected by the name of its field") {
  const std::string codec = "{'mediaCodecs':[{'kind':'video','name':'video/VP8','clockRate':1},";
  CheckRejections(
      {
          {"{'mediaCodecs':{}}", "mediaCodecs (an object) is wrong: must be an array"},
          {"{'mediaCodecs':[7]}", "mediaCodecs[0] 7 is wrong: must be an object"},
          {"{'mediaCodecs':" + Repeat("{}", 129) + "}",
           "mediaCodecs has 129 elements: must be at most 128"},
          {codec + "{}]}", "mediaCodecs[1].kind is missing: must be a string"},
          {codec + "{'kind':3}]}", "mediaCodecs[1].kind 3 is wrong: must be a string"},
          {codec + "{'kind':'text'}]}",
           "mediaCodecs[1].kind \"text\" is wrong: must be audio, video, depth or \"\""},
          {codec + "{'kind':''}]}", "mediaCodecs[1].name is missing: must be a string"},
          {codec + "{'kind':'','name':'video/AV9'}]}",
           "mediaCodecs[1].name \"video/AV9\" is wrong: must be audio/… or video/… with a known "
           "codec"},
          {codec + "{'kind':'','name':'data/VP8'}]}",
           "mediaCodecs[1].name \"data/VP8\" is wrong: must be audio/… or video/… with a known "
           "codec"},
          {codec + "{'kind':'','name':'video/VP8'}]}",
           "mediaCodecs[1].clockRate is missing: must be an integer within 0 to 4294967295"},
          {codec + "{'kind':'','name':'video/VP8','clockRate':-1}]}",
           "mediaCodecs[1].clockRate -1 is wrong: must be an integer within 0 to 4294967295"},
          {codec + "{'kind':'','name':'video/VP8','clockRate':1,'payloadType':128}]}",
           "mediaCodecs[1].payloadType 128 is wrong: must be an integer within 0 to 127"},
          {codec + "{'kind':'','name':'video/VP8','clockRate':1,'payloadType':1.5}]}",
           "mediaCodecs[1].payloadType 1.5E0 is wrong: must be an integer within 0 to 127"},
          {codec + "{'kind':'','name':'video/VP8','clockRate':1,'numChannels':256}]}",
           "mediaCodecs[1].numChannels 256 is wrong: must be an integer within 0 to 255"},
          {codec + "{'kind':'','name':'video/VP8','clockRate':1,'ptime':'20'}]}",
           "mediaCodecs[1].ptime \"20\" is wrong: must be an integer within 0 to 4294967295"},
          {codec + "{'kind':'','name':'video/VP8','clockRate':1,'maxptime':true}]}",
           "mediaCodecs[1].maxptime true is wrong: must be an integer within 0 to 4294967295"},
          {codec + "{'kind':'','name':'video/VP8','clockRate':1,'parameters':[]}]}",
           "mediaCodecs[1].parameters (an array) is wrong: must be an object"},
          {codec + "{'kind':'','name':'video/rtx','clockRate':1}]}",
           "mediaCodecs[1].parameters.apt is missing or not an integer: video/rtx needs the "
           "payload "
           "type that it repairs"},
          {codec + "{'kind':'','name':'video/rtx','clockRate':1,'parameters':{'apt':'96'}}]}",
           "mediaCodecs[1].parameters.apt is missing or not an integer: video/rtx needs the "
           "payload "
           "type that it repairs"},
          {codec + "{'kind':'','name':'video/VP8','clockRate':1,'rtcpFeedback':{}}]}",
           "mediaCodecs[1].rtcpFeedback (an object) is wrong: must be an array"},
          {codec + "{'kind':'','name':'video/VP8','clockRate':1,'rtcpFeedback':['nack']}]}",
           "mediaCodecs[1].rtcpFeedback[0] \"nack\" is wrong: must be an object"},
          {codec + "{'kind':'','name':'video/VP8','clockRate':1,'rtcpFeedback':[{}]}]}",
           "mediaCodecs[1].rtcpFeedback[0].type is missing: must be a string that is not empty"},
          {codec + "{'kind':'','name':'video/VP8','clockRate':1,"
                   "'rtcpFeedback':[{'type':'nack','parameter':1}]}]}",
           "mediaCodecs[1].rtcpFeedback[0].parameter 1 is wrong: must be a string"},
          {codec + "{'kind':'','name':'video/VP8','clockRate':1,'rtcpFeedback':" +
               Repeat("{'type':'x'}", 33) + "}]}",
           "mediaCodecs[1].rtcpFeedback has 33 elements: must be at most 32"},
      },
      ParseMediaCodecs);
}

TEST_CASE("parameters are bounded, the integers of one are not") {
  std::string members;
  for (int i = 0; i < 65; ++i) {
    members += (i == 0 ? "'" : ",'") + std::to_string(i) + "':1";
  }
  const auto codecs = ParseMediaCodecs(
      Json("{'mediaCodecs':[{'kind':'','name':'video/VP8','clockRate':1,'parameters':{" + members +
           "}}]}"));
  CHECK(ErrorOf(codecs) ==
        "TypeError: mediaCodecs[0].parameters has 65 members: must be at most 64");
  const auto list = ParseMediaCodecs(
      Json("{'mediaCodecs':[{'kind':'','name':'video/VP8','clockRate':1,'parameters':{'list':" +
           Repeat("1", 10'000) + "}}]}"));
  REQUIRE(list.ok());
  CHECK(list->front().parameters == Parameters{{"list", std::vector<int32_t>(10'000, 1)}});
}

TEST_CASE("capabilities are read; every list is optional, unknown extensions are left out") {
  const auto empty = ParseCapabilities(Json("{}"));
  REQUIRE(empty.ok());
  CHECK(empty->codecs.empty());

  const auto capabilities = ParseCapabilities(Json(R"({
      'codecs':[{'kind':'audio','name':'audio/PCMU','payloadType':0,'clockRate':8000}],
      'headerExtensions':[
        {'kind':'Audio','uri':'URN:ietf:params:rtp-hdrext:ssrc-audio-level','preferredId':10,
         'preferredEncrypt':true},
        {'kind':'','uri':'urn:example','preferredId':11}],
      'fecMechanisms':['ulpfec','']})"));
  REQUIRE(capabilities.ok());
  CHECK(Summary(capabilities->codecs) == "0 audio/PCMU");
  REQUIRE(capabilities->header_extensions.size() == 1);
  const HeaderExtension& extension = capabilities->header_extensions[0];
  CHECK(extension.kind == Kind::kAudio);
  CHECK(extension.uri == RtpExtensionUri::kAudioLevel);
  CHECK(extension.preferred_id == 10);
  CHECK(extension.preferred_encrypt);
  CHECK(capabilities->fec_mechanisms == std::vector<std::string>{"ulpfec", ""});
}

TEST_CASE("capabilities are rejected by the name of the field") {
  const std::string pcmu = "{'kind':'audio','name':'audio/PCMU','clockRate':8000";
  const std::string uri = "'uri':'urn:3gpp:video-orientation'";
  CheckRejections(
      {
          {"{'codecs':'x'}", "codecs \"x\" is wrong: must be an array"},
          {"{'codecs':[" + pcmu + "}]}",
           "codecs[0].payloadType is missing: must be an integer within 0 to 127"},
          {"{'codecs':[" + pcmu + ",'payloadType':5}," + pcmu + ",'payloadType':5}]}",
           "codecs[1].payloadType 5 is there twice: must be unique"},
          {"{'headerExtensions':1}", "headerExtensions 1 is wrong: must be an array"},
          {"{'headerExtensions':[null]}", "headerExtensions[0] null is wrong: must be an object"},
          {"{'headerExtensions':[{" + uri + ",'preferredId':1}]}",
           "headerExtensions[0].kind is missing: must be a string"},
          {"{'headerExtensions':[{'kind':'x'," + uri + ",'preferredId':1}]}",
           "headerExtensions[0].kind \"x\" is wrong: must be audio, video, depth or \"\""},
          {"{'headerExtensions':[{'kind':'','preferredId':1}]}",
           "headerExtensions[0].uri is missing: must be a string that is not empty"},
          {"{'headerExtensions':[{'kind':'','uri':'','preferredId':1}]}",
           "headerExtensions[0].uri \"\" is wrong: must be a string that is not empty"},
          {"{'headerExtensions':[{'kind':''," + uri + "}]}",
           "headerExtensions[0].preferredId is missing: must be an integer within 0 to 255"},
          {"{'headerExtensions':[{'kind':'','uri':'urn:unknown','preferredId':'1'}]}",
           "headerExtensions[0].preferredId \"1\" is wrong: must be an integer within 0 to 255"},
          {"{'headerExtensions':[{'kind':''," + uri + ",'preferredId':1,'preferredEncrypt':0}]}",
           "headerExtensions[0].preferredEncrypt 0 is wrong: must be true or false"},
          {"{'headerExtensions':" + Repeat("{}", 65) + "}",
           "headerExtensions has 65 elements: must be at most 64"},
          {"{'fecMechanisms':{}}", "fecMechanisms (an object) is wrong: must be an array"},
          {"{'fecMechanisms':['a',2]}", "fecMechanisms[1] 2 is wrong: must be a string"},
          {"{'fecMechanisms':" + Repeat("''", 17) + "}",
           "fecMechanisms has 17 elements: must be at most 16"},
      },
      ParseCapabilities);
}

TEST_CASE("RTP parameters are read with their defaults") {
  const auto minimal =
      ParseRtpParameters(Json("{'codecs':[{'name':'audio/CN','payloadType':13,'clockRate':8000},"
                              "{'name':'audio/PCMU','payloadType':101,'clockRate':8000}]}"));
  REQUIRE(minimal.ok());
  CHECK(minimal->mux_id.empty());
  CHECK_FALSE(minimal->rtcp.has_value());
  CHECK(minimal->user_parameters.empty());
  REQUIRE(minimal->encodings.size() == 1);  // made for the first media codec
  CHECK(minimal->encodings[0].codec_payload_type == 101);
  CHECK(minimal->encodings[0].ssrc == 0);
  CHECK(minimal->encodings[0].active);

  const auto full = ParseRtpParameters(Json(R"({'muxId':'mux',
      'codecs':[{'kind':7,'name':'video/VP8','payloadType':102,'clockRate':90000},
                {'name':'video/rtx','payloadType':103,'clockRate':90000,'parameters':{'apt':102}}],
      'encodings':[{'ssrc':4294967295,'fec':{'mechanism':'flexfec','ssrc':2},'rtx':{'ssrc':3},
                    'resolutionScale':2,'framerateScale':1.5,'maxFramerate':30,'active':false,
                    'encodingId':'a','dependencyEncodingIds':['b','c'],'codecPayloadType':102},
                   {'rtx':{}}],
      'headerExtensions':[{'uri':'urn:3gpp:video-orientation','id':4},
                          {'uri':'urn:unknown','id':9}],
      'rtcp':{'cname':'c','ssrc':5,'reducedSize':false},
      'userParameters':{'any':[{'thing':null}]}})"));
  REQUIRE(full.ok());
  CHECK(full->mux_id == "mux");
  CHECK(full->codecs[0].kind == Kind::kAll);
  REQUIRE(full->encodings.size() == 2);
  const Encoding& first = full->encodings[0];
  CHECK(first.ssrc == 4'294'967'295u);
  CHECK(first.fec->mechanism == "flexfec");
  CHECK(first.fec->ssrc == 2);
  CHECK(first.rtx->ssrc == 3);
  CHECK(first.resolution_scale == 2.0);
  CHECK(first.framerate_scale == 1.5);
  CHECK(first.max_framerate == 30);
  CHECK_FALSE(first.active);
  CHECK(first.encoding_id == "a");
  CHECK(first.dependency_encoding_ids == std::vector<std::string>{"b", "c"});
  CHECK(full->encodings[1].codec_payload_type == 102);
  CHECK(full->encodings[1].rtx->ssrc == 0);
  REQUIRE(full->header_extensions.size() == 1);
  CHECK(full->header_extensions[0].id == 4);
  CHECK(full->rtcp->cname == "c");
  CHECK(full->rtcp->ssrc == 5);
  CHECK_FALSE(full->rtcp->reduced_size);
  CHECK(full->user_parameters == Json("{'any':[{'thing':null}]}"));
}

TEST_CASE("RTP parameters are rejected by the name of the field") {
  const std::string vp8 = "{'name':'video/VP8','payloadType':102,'clockRate':90000}";
  const std::string start = "{'codecs':[" + vp8 + "],";
  const auto rtx = [](int payload_type, int apt) {
    return "{'name':'video/rtx','clockRate':90000,'payloadType':" + std::to_string(payload_type) +
           ",'parameters':{'apt':" + std::to_string(apt) + "}}";
  };
  CheckRejections(
      {
          {"{}", "codecs is missing: must be an array"},
          {"{'codecs':null}", "codecs is missing: must be an array"},
          {"{'codecs':[]}",
           "codecs has no media codec among its 0 entries: one at least is needed"},
          {"{'codecs':[{'name':'audio/CN','payloadType':13,'clockRate':8000}]}",
           "codecs has no media codec among its 1 entries: one at least is needed"},
          {"{'codecs':[{'name':'video/VP8','clockRate':90000}]}",
           "codecs[0].payloadType is missing: must be an integer within 0 to 127"},
          {"{'codecs':[" + vp8 + "," + vp8 + "]}",
           "codecs[1].payloadType 102 is there twice: must be unique"},
          {"{'codecs':[" + vp8 + "," + rtx(103, 50) + "]}",
           "codecs[1].parameters.apt 50 is the payload type of no codec"},
          {"{'codecs':[" + vp8 + "," + rtx(103, -1) + "]}",
           "codecs[1].parameters.apt -1 is the payload type of no codec"},
          {"{'codecs':[" + vp8 + "," + rtx(103, 102) + "," + rtx(104, 103) + "]}",
           "codecs[2].parameters.apt 103 names video/rtx: must be a codec that can be repaired"},
          {"{'codecs':[" + vp8 + ",{'name':'video/ulpfec','payloadType':9,'clockRate':90000}," +
               rtx(104, 9) + "]}",
           "codecs[2].parameters.apt 9 names video/ulpfec: must be a codec that can be repaired"},
          {"{'codecs':[" + vp8 + ",{'name':'video/flexfec','payloadType':9,'clockRate':90000}," +
               rtx(104, 9) + "]}",
           "codecs[2].parameters.apt 9 names video/flexfec: must be a codec that can be repaired"},
          {start + "'muxId':''}", "muxId \"\" is wrong: must be a string that is not empty"},
          {start + "'muxId':5}", "muxId 5 is wrong: must be a string that is not empty"},
          {start + "'encodings':{}}", "encodings (an object) is wrong: must be an array"},
          {start + "'encodings':[1]}", "encodings[0] 1 is wrong: must be an object"},
          {start + "'encodings':" + Repeat("{}", 33) + "}",
           "encodings has 33 elements: must be at most 32"},
          {start + "'encodings':[{'codecPayloadType':'102'}]}",
           "encodings[0].codecPayloadType \"102\" is wrong: must be an integer within 0 to 127"},
          {start + "'encodings':[{'codecPayloadType':96}]}",
           "encodings[0].codecPayloadType 96 is not the payload type of a media codec"},
          {"{'codecs':[" + vp8 + "," + rtx(103, 102) + "],'encodings':[{'codecPayloadType':103}]}",
           "encodings[0].codecPayloadType 103 is not the payload type of a media codec"},
          {start + "'encodings':[{'ssrc':4294967296}]}",
           "encodings[0].ssrc 4294967296 is wrong: must be an integer within 0 to 4294967295"},
          {start + "'encodings':[{'fec':1}]}", "encodings[0].fec 1 is wrong: must be an object"},
          {start + "'encodings':[{'fec':{}}]}",
           "encodings[0].fec.mechanism is missing: must be a string that is not empty"},
          {start + "'encodings':[{'fec':{'mechanism':'x','ssrc':-1}}]}",
           "encodings[0].fec.ssrc -1 is wrong: must be an integer within 0 to 4294967295"},
          {start + "'encodings':[{'rtx':[]}]}",
           "encodings[0].rtx (an array) is wrong: must be an object"},
          {start + "'encodings':[{'rtx':{'ssrc':'3'}}]}",
           "encodings[0].rtx.ssrc \"3\" is wrong: must be an integer within 0 to 4294967295"},
          {start + "'encodings':[{},{'ssrc':3,'rtx':{'ssrc':3}}]}",
           "encodings[1].rtx.ssrc 3 is the ssrc of the encoding itself"},
          {start + "'encodings':[{'resolutionScale':0}]}",
           "encodings[0].resolutionScale 0 is wrong: must be a positive number"},
          {start + "'encodings':[{'framerateScale':'2'}]}",
           "encodings[0].framerateScale \"2\" is wrong: must be a positive number"},
          {start + "'encodings':[{'maxFramerate':-5}]}",
           "encodings[0].maxFramerate -5 is wrong: must be an integer within 0 to 4294967295"},
          {start + "'encodings':[{'active':1}]}",
           "encodings[0].active 1 is wrong: must be true or false"},
          {start + "'encodings':[{'encodingId':1}]}",
           "encodings[0].encodingId 1 is wrong: must be a string"},
          {start + "'encodings':[{'dependencyEncodingIds':'x'}]}",
           "encodings[0].dependencyEncodingIds \"x\" is wrong: must be an array"},
          {start + "'encodings':[{'dependencyEncodingIds':[false]}]}",
           "encodings[0].dependencyEncodingIds[0] false is wrong: must be a string"},
          {start + "'headerExtensions':[{'id':1}]}",
           "headerExtensions[0].uri is missing: must be a string that is not empty"},
          {start + "'headerExtensions':[{'uri':'urn:x'}]}",
           "headerExtensions[0].id is missing: must be an integer within 0 to 255"},
          {start + "'headerExtensions':[{'uri':'urn:x','id':256}]}",
           "headerExtensions[0].id 256 is wrong: must be an integer within 0 to 255"},
          {start + "'headerExtensions':[{'uri':'urn:x','id':1,'encrypt':'no'}]}",
           "headerExtensions[0].encrypt \"no\" is wrong: must be true or false"},
          {start + "'headerExtensions':[{'uri':'urn:x','id':1,'parameters':2}]}",
           "headerExtensions[0].parameters 2 is wrong: must be an object"},
          {start + "'rtcp':'x'}", "rtcp \"x\" is wrong: must be an object"},
          {start + "'rtcp':{'cname':''}}",
           "rtcp.cname \"\" is wrong: must be a string that is not empty"},
          {start + "'rtcp':{'ssrc':1.5}}",
           "rtcp.ssrc 1.5E0 is wrong: must be an integer within 0 to 4294967295"},
          {start + "'rtcp':{'reducedSize':'yes'}}",
           "rtcp.reducedSize \"yes\" is wrong: must be true or false"},
          {start + "'userParameters':[]}", "userParameters (an array) is wrong: must be an object"},
      },
      ParseRtpParameters);
}

TEST_CASE("a long wrong value is shown by its start, cut between characters") {
  std::string value = "x";
  for (int i = 0; i < 100; ++i) value += "é";
  const auto result = ParseMediaCodecs(Json("{'mediaCodecs':'" + value + "'}"));
  CHECK(ErrorOf(result) ==
        "TypeError: mediaCodecs \"x" + value.substr(1, 46) + "…\" is wrong: must be an array");
}

}  // namespace
}  // namespace sluice::worker::json_protocol
