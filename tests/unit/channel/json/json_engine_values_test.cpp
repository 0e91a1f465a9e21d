#include "worker/channel/json/json_engine_values.h"

#include <catch2/catch.hpp>
#include <string>

#include "tests/unit/channel/json/json_trace.h"
#include "tests/unit/channel/json/json_values.h"
#include "worker/media/consumer_settings.h"
#include "worker/media/producer_check.h"
#include "worker/media/shared_values.h"

namespace sluice::worker::json_protocol {
namespace {

RtpCapabilities RecordedPeer() {
  return EffectivePeerCapabilities(
      RecordedRoom(), ParseCapabilities(Json(trace::Data(trace::kSetCapabilities))).value());
}

JsonRtpParameters Receiver(std::string_view request) {
  return ReduceReceiverParameters(RecordedPeer(), ParseRtpParameters(Json(request)).value())
      .value();
}

constexpr char kVp8[] = "'codecs':[{'name':'video/VP8','payloadType':102,'clockRate':90000}]";

TEST_CASE("the recorded receivers make producers that the engine takes, with identity mapping") {
  const auto video =
      ToProduceOptions("38750462", Receiver(trace::Data(trace::kReceiveVideo)), 0, "x");
  REQUIRE(video.has_value());
  RtpParameters parameters = video->rtp_parameters;
  CHECK(CheckProduceOptions(*video, &parameters).ok());
  CHECK(video->producer_id == "38750462");
  CHECK(video->kind == MediaKind::kVideo);
  CHECK_FALSE(video->paused);
  CHECK(parameters.mid.empty());
  CHECK(parameters.rtcp.cname == "1RlnR0EMsFuNjm+v");
  REQUIRE(parameters.encodings.size() == 1);
  CHECK(parameters.encodings[0].ssrc == 615420371u);
  CHECK(parameters.encodings[0].rtx_ssrc == 3262658951u);
  CHECK(parameters.encodings[0].codec_payload_type == 102);
  REQUIRE(parameters.header_extensions.size() == 3);
  CHECK(parameters.header_extensions[1].uri == RtpExtensionUri::kAbsSendTime);
  CHECK(parameters.header_extensions[1].id == 3);
  const RtpMapping& mapping = video->rtp_mapping;
  REQUIRE(mapping.codecs.size() == 2);  // RTX is unwrapped before
  for (const RtpCodecMapping& codec : mapping.codecs) {
    CHECK(codec.payload_type == codec.mapped_payload_type);
  }
  CHECK(mapping.codecs[1].payload_type == 106);
  REQUIRE(mapping.encodings.size() == 1);
  CHECK(mapping.encodings[0].ssrc == 615420371u);
  CHECK(mapping.encodings[0].mapped_ssrc == kMappedSsrc);
  CHECK(video->route_by_payload_type == PayloadTypeRoutes{});
  CHECK(video->takes_any_codec);

  const auto audio =
      ToProduceOptions("88577653", Receiver(trace::Data(trace::kReceiveAudio)), 0, "x");
  REQUIRE(audio.has_value());
  parameters = audio->rtp_parameters;
  CHECK(CheckProduceOptions(*audio, &parameters).ok());
  CHECK(audio->kind == MediaKind::kAudio);
  CHECK(parameters.codecs[0].channels == 2);
  CHECK(parameters.codecs[0].parameters.contains("useinbandfec"));
}

TEST_CASE("the recorded receivers' senders make consumers that the engine takes") {
  const JsonRtpParameters sender =
      MakeSenderParameters(Receiver(trace::Data(trace::kReceiveVideo)), RecordedPeer(), "mux12345");
  const auto options = ToConsumeOptions("77", "38750462", sender, "x");
  REQUIRE(options.has_value());
  CHECK(options->consumer_id == "77");
  CHECK(options->producer_id == "38750462");
  SharedConsumerParameters shared;
  const auto settings = ResolveConsumerSettings(*options, shared);
  REQUIRE(settings.ok());
  CHECK(settings->type == RtpType::kSimple);
  REQUIRE(settings->streams.size() == 1);
  const OutputStreamSettings& stream = settings->streams[0];
  CHECK(stream.params.ssrc == 615420371u);
  CHECK(stream.params.payload_type == 102);
  CHECK(stream.mapped_ssrc == Ssrc(kMappedSsrc));
  CHECK(stream.params.rtx_ssrc == 3262658951u);
  CHECK(stream.params.rtx_payload_type == 103);
  CHECK(stream.params.use_nack);
  CHECK(stream.params.use_pli);
  CHECK(stream.uses_rtx);
  CHECK(settings->payload_types.test(102));
  CHECK(settings->payload_types.test(106));
  CHECK(settings->extension_ids[static_cast<size_t>(RtpExtensionUri::kAbsSendTime)] == 3);
}

TEST_CASE("a CNAME stands in where the parameters name none") {
  for (const char* rtcp : {"", ",'rtcp':{}"}) {
    const JsonRtpParameters receiver =
        Receiver(std::string("{") + kVp8 + ",'encodings':[{'ssrc':1}]" + rtcp + "}");
    const auto produce = ToProduceOptions("p", receiver, 0, "fallback");
    REQUIRE(produce.has_value());
    CHECK(produce->rtp_parameters.rtcp.cname == "fallback");
    CHECK(produce->rtp_parameters.rtcp.reduced_size);
    RtpParameters parameters = produce->rtp_parameters;
    CHECK(CheckProduceOptions(*produce, &parameters).ok());
    const auto consume = ToConsumeOptions("c", "p", receiver, "fallback");
    REQUIRE(consume.has_value());
    CHECK(consume->rtp_parameters.rtcp.cname == "fallback");
    SharedConsumerParameters shared;
    CHECK(ResolveConsumerSettings(*consume, shared).ok());
  }
}

TEST_CASE("every encoding is produced by itself, active or not; the first is consumed") {
  const JsonRtpParameters receiver =
      Receiver(std::string("{") + kVp8 + ",'encodings':[{'ssrc':1,'active':false},{'ssrc':2}]}");
  for (const size_t index : {0u, 1u}) {
    const auto options = ToProduceOptions("p", receiver, index, "c");
    REQUIRE(options.has_value());
    REQUIRE(options->rtp_parameters.encodings.size() == 1);
    CHECK(options->rtp_parameters.encodings[0].ssrc == index + 1);
    CHECK(options->route_by_payload_type == PayloadTypeRoutes{});
    RtpParameters parameters = options->rtp_parameters;
    CHECK(CheckProduceOptions(*options, &parameters).ok());
  }
  CHECK_FALSE(ToProduceOptions("p", receiver, 2, "c").has_value());
  const auto consumed = ToConsumeOptions("c", "p", receiver, "c");
  REQUIRE(consumed.has_value());
  CHECK(consumed->rtp_parameters.encodings.at(0).ssrc == 1u);
}

/// For each encoding: '-' no stream, 's' known by SSRC, 'm' media by payload type, 'x' RTX by
/// payload type, 'p' both; and its RTX SSRC.
TEST_CASE("encodings with one SSRC are one stream; what no SSRC tells goes where one leaves it") {
  const auto streams = [](const char* encodings) {
    const JsonRtpParameters receiver =
        Receiver(std::string("{") + kVp8 + ",'encodings':" + encodings + "}");
    std::string text;
    for (size_t i = 0; i < receiver.encodings.size(); ++i) {
      const auto options = ToProduceOptions("p", receiver, i, "c");
      CHECK(options.has_value() == HasStream(receiver, i));
      if (!options) {
        text += '-';
        continue;
      }
      const PayloadTypeRoutes& routes = options->route_by_payload_type;
      text += routes.media ? (routes.rtx ? 'p' : 'm') : routes.rtx ? 'x' : 's';
      const auto rtx_ssrc = options->rtp_parameters.encodings.at(0).rtx_ssrc;
      if (rtx_ssrc) text += std::to_string(*rtx_ssrc);
    }
    return text;
  };
  CHECK(streams("[{'ssrc':1},{'ssrc':2},{'ssrc':1}]") == "ss-");
  CHECK(streams("[{'ssrc':1},{},{}]") == "sp-");
  CHECK(streams("[{},{'ssrc':2},{}]") == "ps-");
  CHECK(streams("[{'ssrc':5},{'ssrc':5,'rtx':{}},{}]") == "x-m");
  // RTX
  CHECK(streams("[{'ssrc':1},{'ssrc':2,'rtx':{}},{'ssrc':3,'rtx':{}},{}]") == "sssm");
  CHECK(streams("[{'ssrc':1,'rtx':{}},{'ssrc':2}]") == "xs");
  CHECK(streams("[{'ssrc':1,'rtx':{}},{'ssrc':2,'rtx':{'ssrc':3}}]") == "xs3");
  CHECK(streams("[{'ssrc':1,'rtx':{}},{'rtx':{}}]") == "sm");
  CHECK(streams("[{'ssrc':1,'rtx':{'ssrc':2}},{'rtx':{}},{'rtx':{}}]") == "s2p-");
  CHECK(streams("[{'rtx':{'ssrc':2}}]") == "m2");
  CHECK(streams("[{'ssrc':1,'fec':{'mechanism':'flexfec'}}]") == "s");
  // RTX of a duplicate
  CHECK(streams("[{'ssrc':5},{'ssrc':5,'rtx':{'ssrc':6}}]") == "s6-");
  CHECK(streams("[{'ssrc':5,'rtx':{}},{'ssrc':5,'rtx':{'ssrc':6}},{'rtx':{}}]") == "s6-p");
  CHECK(streams("[{'ssrc':5,'rtx':{'ssrc':6}},{'ssrc':5,'rtx':{'ssrc':7}}]") == "s6-");
}

TEST_CASE("an encoding is of the kind of its own codec") {
  const JsonRtpParameters receiver = Receiver(
      "{'codecs':[{'name':'video/VP8','payloadType':102,'clockRate':90000},"
      "{'name':'audio/opus','payloadType':100,'clockRate':48000,'numChannels':2}],"
      "'encodings':[{'ssrc':1},{'ssrc':2,'codecPayloadType':100}]}");
  CHECK(ToProduceOptions("p", receiver, 0, "c")->kind == MediaKind::kVideo);
  CHECK(ToProduceOptions("p", receiver, 1, "c")->kind == MediaKind::kAudio);
}

TEST_CASE("without an SSRC packets are known by payload type, and there is nothing to consume") {
  for (const char* encodings : {"", ",'encodings':[{}]", ",'encodings':[{},{'ssrc':2}]"}) {
    CAPTURE(encodings);
    const JsonRtpParameters receiver = Receiver(std::string("{") + kVp8 + encodings + "}");
    const auto options = ToProduceOptions("p", receiver, 0, "c");
    REQUIRE(options.has_value());
    CHECK(options->route_by_payload_type == PayloadTypeRoutes{.media = true, .rtx = true});
    CHECK_FALSE(options->rtp_parameters.encodings.at(0).ssrc.has_value());
    RtpParameters parameters = options->rtp_parameters;
    CHECK(CheckProduceOptions(*options, &parameters).ok());
    CHECK_FALSE(ToConsumeOptions("c", "p", receiver, "c").has_value());
  }
  JsonRtpParameters unavailable = Receiver(std::string("{") + kVp8 + "}");
  unavailable.encodings.clear();
  CHECK_FALSE(ToProduceOptions("p", unavailable, 0, "c").has_value());
  CHECK_FALSE(ToConsumeOptions("c", "p", unavailable, "c").has_value());
}

TEST_CASE("every media codec that a room can have passes the engine's checks") {
  constexpr const char* kCodecs[] = {
      "{'kind':'audio','name':'audio/opus','clockRate':48000,'numChannels':2",
      "{'kind':'audio','name':'audio/PCMU','clockRate':8000",
      "{'kind':'audio','name':'audio/PCMA','clockRate':8000",
      "{'kind':'audio','name':'audio/G722','clockRate':8000",
      "{'kind':'audio','name':'audio/iLBC','clockRate':8000",
      "{'kind':'audio','name':'audio/ISAC','clockRate':32000",
      "{'kind':'audio','name':'audio/SILK','clockRate':24000",
      "{'kind':'video','name':'video/VP8','clockRate':90000",
      "{'kind':'depth','name':'video/VP9','clockRate':90000",
      "{'kind':'','name':'video/H264','clockRate':90000",
      "{'kind':'video','name':'video/H265','clockRate':90000",
  };
  for (const std::string codec : kCodecs) {
    CAPTURE(codec);
    const JsonCapabilities room = RoomOf("[" + codec + "}]");
    const std::string numbered = codec + ",'payloadType':100}";
    const RtpCapabilities peer = EffectivePeerCapabilities(
        room, ParseCapabilities(Json("{'codecs':[" + numbered + "]}")).value());
    const auto parameters =
        ParseRtpParameters(Json("{'codecs':[" + numbered + "],'encodings':[{'ssrc':1}]}"));
    REQUIRE(parameters.ok());
    const auto receiver = ReduceReceiverParameters(peer, *parameters);
    REQUIRE(receiver.ok());
    const auto produce = ToProduceOptions("p", *receiver, 0, "c");
    REQUIRE(produce.has_value());
    RtpParameters checked = produce->rtp_parameters;
    CHECK(CheckProduceOptions(*produce, &checked).ok());
    const auto consume =
        ToConsumeOptions("c", "p", MakeSenderParameters(*receiver, peer, "m"), "c");
    REQUIRE(consume.has_value());
    SharedConsumerParameters shared;
    CHECK(ResolveConsumerSettings(*consume, shared).ok());
  }
}

}  // namespace
}  // namespace sluice::worker::json_protocol
