#include "worker/channel/json/json_rtp_write.h"

#include <catch2/catch.hpp>
#include <string>

#include "tests/unit/channel/json/json_values.h"
#include "worker/channel/json/json_write.h"

namespace sluice::worker::json_protocol {
namespace {

TEST_CASE("the capabilities of a room without codecs are three lists") {
  CHECK(SerializeSorted(WriteCapabilities(RtpCapabilities())) ==
        R"({"codecs":[],"fecMechanisms":[],"headerExtensions":[]})");
}

TEST_CASE("the capabilities of a room show kinds, numbers, feedback and the five extensions") {
  const JsonCapabilities room = RoomOf(R"([
      {'kind':'audio','name':'audio/opus','clockRate':48000},
      {'kind':'depth','name':'video/h264','clockRate':90000,'maxptime':60,'ptime':20}])");
  CHECK(SerializeSorted(WriteCapabilities(room.capabilities)) ==
        R"({"codecs":[)"
        R"({"clockRate":48000,"kind":"audio","name":"audio/opus","numChannels":2,"parameters":{},)"
        R"("payloadType":100,"rtcpFeedback":[]},)"
        R"({"clockRate":90000,"kind":"depth","maxptime":60,"name":"video/H264",)"
        R"("parameters":{"packetizationMode":0},"payloadType":101,"ptime":20,"rtcpFeedback":[)"
        R"({"parameter":null,"type":"nack"},{"parameter":"pli","type":"nack"},)"
        R"({"parameter":"sli","type":"nack"},{"parameter":"rpsi","type":"nack"},)"
        R"({"parameter":"app","type":"nack"},{"parameter":"fir","type":"ccm"},)"
        R"({"parameter":"rpsi","type":"ack"},{"parameter":"app","type":"ack"},)"
        R"({"parameter":null,"type":"goog-remb"}]}],"fecMechanisms":[],"headerExtensions":[)"
        R"({"kind":"audio","preferredEncrypt":false,"preferredId":1,)"
        R"("uri":"urn:ietf:params:rtp-hdrext:ssrc-audio-level"},)"
        R"({"kind":"video","preferredEncrypt":false,"preferredId":2,)"
        R"("uri":"urn:ietf:params:rtp-hdrext:toffset"},)"
        R"({"kind":"","preferredEncrypt":false,"preferredId":3,)"
        R"("uri":"http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"},)"
        R"({"kind":"video","preferredEncrypt":false,"preferredId":4,)"
        R"("uri":"urn:3gpp:video-orientation"},)"
        R"({"kind":"","preferredEncrypt":false,"preferredId":5,)"
        R"("uri":"urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"}]})");
}

TEST_CASE("RTP parameters show defaults where they always stand, and nothing else") {
  JsonRtpParameters parameters =
      ParseRtpParameters(
          Json("{'codecs':[{'name':'audio/PCMU','payloadType':0,'clockRate':8000}]}"))
          .value();
  CHECK(SerializeSorted(WriteRtpParameters(parameters)) ==
        R"({"codecs":[{"clockRate":8000,"name":"audio/PCMU","parameters":{},"payloadType":0,)"
        R"("rtcpFeedback":[]}],"encodings":[{"active":true,"codecPayloadType":0}],)"
        R"("headerExtensions":[],"userParameters":{}})");
  parameters.rtcp.emplace();
  parameters.encodings[0].rtx.emplace();
  parameters.encodings[0].fec.emplace().mechanism = "x";
  CHECK(SerializeSorted(WriteRtpParameters(parameters)) ==
        R"({"codecs":[{"clockRate":8000,"name":"audio/PCMU","parameters":{},"payloadType":0,)"
        R"("rtcpFeedback":[]}],"encodings":[{"active":true,"codecPayloadType":0,)"
        R"("fec":{"mechanism":"x"},"rtx":{}}],)"
        R"("headerExtensions":[],"rtcp":{"reducedSize":true},"userParameters":{}})");
}

TEST_CASE("RTP parameters show every field that is set") {
  const auto parameters = ParseRtpParameters(Json(R"({'muxId':'mux',
      'userParameters':{'z':1,'a':{'y':2.5,'b':[{'d':null,'c':1.0}]}},
      'codecs':[{'name':'video/VP8','payloadType':102,'clockRate':90000,
                 'parameters':{'t':true,'l':[1,2],'d':0.25,'s':'x','i':-1}}],
      'encodings':[{'ssrc':1,'fec':{'mechanism':'flexfec','ssrc':2},'rtx':{'ssrc':3},
                    'resolutionScale':2,'framerateScale':1.5,'maxFramerate':30,'active':false,
                    'encodingId':'a','dependencyEncodingIds':['b','c']}],
      'headerExtensions':[{'uri':'urn:3gpp:VIDEO-orientation','id':4,'encrypt':true,
                           'parameters':{'v':1}}],
      'rtcp':{'cname':'c','ssrc':5,'reducedSize':false}})"));
  REQUIRE(parameters.ok());
  CHECK(SerializeSorted(WriteRtpParameters(*parameters)) ==
        R"({"codecs":[{"clockRate":90000,"name":"video/VP8","parameters":{"d":2.5E-1,"i":-1,)"
        R"("l":[1,2],"s":"x","t":true},"payloadType":102,"rtcpFeedback":[]}],)"
        R"("encodings":[{"active":false,"codecPayloadType":102,"dependencyEncodingIds":["b","c"],)"
        R"("encodingId":"a","fec":{"mechanism":"flexfec","ssrc":2},"framerateScale":1.5E0,)"
        R"("maxFramerate":30,"resolutionScale":2,"rtx":{"ssrc":3},"ssrc":1}],)"
        R"("headerExtensions":[{"encrypt":true,"id":4,"parameters":{"v":1},)"
        R"("uri":"urn:3gpp:video-orientation"}],"muxId":"mux",)"
        R"("rtcp":{"cname":"c","reducedSize":false,"ssrc":5},)"
        R"("userParameters":{"a":{"b":[{"c":1,"d":null}],"y":2.5E0},"z":1}})");
}

TEST_CASE("what was written reads as the same parameters") {
  const auto once = ParseRtpParameters(Json(R"({'muxId':'m','codecs':[
      {'name':'video/h264','payloadType':106,'clockRate':90000,
       'rtcpFeedback':[{'type':'nack'},{'type':'nack','parameter':'pli'}]}],
      'encodings':[{'ssrc':1,'resolutionScale':0.1}],'rtcp':{}})"));
  REQUIRE(once.ok());
  const std::string text = SerializeSorted(WriteRtpParameters(*once));
  const auto twice = ParseRtpParameters(boost::json::parse(text).as_object());
  REQUIRE(twice.ok());
  CHECK(SerializeSorted(WriteRtpParameters(*twice)) == text);
}

}  // namespace
}  // namespace sluice::worker::json_protocol
