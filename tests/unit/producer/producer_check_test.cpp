#include "worker/media/producer_check.h"

#include <catch2/catch.hpp>
#include <functional>
#include <string>
#include <vector>

#include "tests/unit/media/media_samples.h"
#include "worker/media/rtp_parameters_check.h"

namespace sluice::worker {
namespace {

struct Row {
  std::string name;  ///< and a part of the message
  std::string error;
  std::function<void(ProduceOptions&)> spoil;
};

Status Check(const ProduceOptions& options) {
  RtpParameters parameters = options.rtp_parameters;
  return CheckProduceOptions(options, &parameters);
}

TEST_CASE("bad producer parameters are refused by name") {
  const std::vector<Row> rows = {
      {"codecs[0].mimeType \"video/VP42\"", "TypeError",
       [](auto& o) { o.rtp_parameters.codecs[0].mime_type = "video/VP42"; }},
      {"codecs[0].mimeType \"VP8\"", "TypeError",
       [](auto& o) { o.rtp_parameters.codecs[0].mime_type = "VP8"; }},
      {"codecs[0].mimeType \"audio/VP8\"", "TypeError",
       [](auto& o) { o.rtp_parameters.codecs[0].mime_type = "audio/VP8"; }},
      {"codecs[0].payloadType 128", "TypeError",
       [](auto& o) { o.rtp_parameters.codecs[0].payload_type = 128; }},
      {"codecs[1].payloadType 96 is there twice", "TypeError",
       [](auto& o) { o.rtp_parameters.codecs[1].payload_type = 96; }},
      {"codecs[0].clockRate 0", "TypeError",
       [](auto& o) { o.rtp_parameters.codecs[0].clock_rate = 0; }},
      {"no media codec", "TypeError", [](auto& o) { o.rtp_parameters.codecs.clear(); }},
      {"codecs[1].parameters.apt is missing", "TypeError",
       [](auto& o) { o.rtp_parameters.codecs[1].parameters.clear(); }},
      {"codecs[1].parameters.apt is missing", "TypeError",
       [](auto& o) { o.rtp_parameters.codecs[1].parameters["apt"] = int32_t{-1}; }},
      {"codecs[1].parameters.apt 42 names no codec", "TypeError",
       [](auto& o) { o.rtp_parameters.codecs[1].parameters["apt"] = int32_t{42}; }},
      {"codecs[1].parameters.apt 97 names video/rtx", "TypeError",
       [](auto& o) { o.rtp_parameters.codecs[1].parameters["apt"] = int32_t{97}; }},
      {"encodings is empty", "TypeError", [](auto& o) { o.rtp_parameters.encodings.clear(); }},
      {"encodings[0].codecPayloadType 97", "TypeError",
       [](auto& o) { o.rtp_parameters.encodings[0].codec_payload_type = uint8_t{97}; }},
      {"encodings[0].rtx.ssrc 1111", "TypeError",
       [](auto& o) { o.rtp_parameters.encodings[0].rtx_ssrc = 1111; }},
      {"headerExtensions[0].id 0", "TypeError",
       [](auto& o) { o.rtp_parameters.header_extensions.push_back({}); }},
      {"rtcp.cname", "TypeError", [](auto& o) { o.rtp_parameters.rtcp.cname.clear(); }},
      {"rtpMapping.encodings has 0 entries", "TypeError",
       [](auto& o) { o.rtp_mapping.encodings.clear(); }},
      {"mappedSsrc", "TypeError", [](auto& o) { o.rtp_mapping.encodings[0].mapped_ssrc = 0; }},
      {"neither ssrc nor rid, and rtpParameters has no mid: one is needed", "TypeError",
       [](auto& o) { o.rtp_mapping.encodings[0].ssrc.reset(); }},
      {"neither ssrc nor rid", "TypeError",
       [](auto& o) { o.rtp_parameters.encodings[0].ssrc = 0; }},
      {"rtpMapping.codecs[0]", "TypeError",
       [](auto& o) { o.rtp_mapping.codecs[0].mapped_payload_type = 200; }},
      {"kind is audio", "TypeError", [](auto& o) { o.kind = MediaKind::kAudio; }},
      {"at most 8", "TypeError",
       [](auto& o) {
         o.rtp_parameters.encodings.resize(9, o.rtp_parameters.encodings[0]);
         o.rtp_mapping.encodings.resize(9, o.rtp_mapping.encodings[0]);
       }},
      {"encodings[0].scalabilityMode \"L3T3\"", "TypeError",
       [](auto& o) {
         o.rtp_parameters.encodings[0].scalability_mode = "L3T3";
         o.rtp_parameters.encodings.push_back(o.rtp_parameters.encodings[0]);
       }},
  };
  for (const Row& row : rows) {
    ProduceOptions options = samples::Video("p", 1111);
    REQUIRE(Check(options).ok());
    row.spoil(options);
    const Status status = Check(options);
    INFO(row.name);
    CHECK_FALSE(status.ok());
    CHECK(ErrorClassName(status) == row.error);
    CHECK_THAT(std::string(status.message()), Catch::Contains(row.name));
  }
}

TEST_CASE("a producer is simulcast by its encodings, SVC by the layers of one") {
  ProduceOptions options = samples::Video("p", 1111);
  RtpParameters& parameters = options.rtp_parameters;
  CHECK(ProducerTypeOf(parameters, MediaKind::kVideo) == RtpType::kSimple);
  for (const char* mode : {"L1T2", "L3T3_KEY", "S2T1"}) {
    parameters.encodings[0].scalability_mode = mode;
    CHECK(ProducerTypeOf(parameters, MediaKind::kVideo) == RtpType::kSvc);
    CHECK(Check(options).ok());
  }
  CHECK(ProducerTypeOf(parameters, MediaKind::kAudio) == RtpType::kSimple);
  parameters.encodings[0].scalability_mode = "L1T3";
  parameters.encodings.push_back(parameters.encodings[0]);
  parameters.encodings[1].ssrc = 3333;
  options.rtp_mapping.encodings.push_back({"", 3333, 4444});
  CHECK(ProducerTypeOf(parameters, MediaKind::kVideo) == RtpType::kSimulcast);
  CHECK(Check(options).ok());
}

TEST_CASE("parameters come out in one form") {
  ProduceOptions options = samples::Video("p", 1111);
  RtpParameters parameters = options.rtp_parameters;
  parameters.codecs[0].mime_type = "VIDEO/vp8";
  parameters.codecs[0].channels = 0;
  parameters.codecs[1].mime_type = "video/RTX";
  parameters.encodings[0].rtx_ssrc = 0;
  parameters.encodings[0].scalability_mode = "nonsense";
  REQUIRE(CheckRtpParameters(&parameters).ok());
  CHECK(parameters.codecs[0].mime_type == "video/VP8");
  CHECK(parameters.codecs[0].channels == 1);
  CHECK(parameters.codecs[1].mime_type == "video/rtx");
  CHECK_FALSE(parameters.encodings[0].rtx_ssrc);
  CHECK(parameters.encodings[0].codec_payload_type == 96);
  CHECK(parameters.encodings[0].scalability_mode.empty());

  for (const char* name : {"audio/opus", "audio/multiopus", "audio/PCMA", "audio/PCMU",
                           "audio/ISAC", "audio/G722", "audio/iLBC", "audio/SILK", "video/VP8",
                           "video/VP9", "video/H264", "video/H265", "video/AV1"}) {
    RtpParameters one = options.rtp_parameters;
    one.codecs.resize(1);
    one.codecs[0].mime_type = name;
    for (char& c : one.codecs[0].mime_type) c = static_cast<char>(std::tolower(c));
    INFO(name);
    REQUIRE(CheckRtpParameters(&one).ok());
    CHECK(one.codecs[0].mime_type == name);
  }
}

TEST_CASE("what a stream is driven by is read from its codec and encoding") {
  ProduceOptions options = samples::Video("p", 1111, 2222);
  RtpParameters parameters = options.rtp_parameters;
  REQUIRE(CheckRtpParameters(&parameters).ok());
  RtpStreamParams params = StreamParamsOf(parameters, 0);
  CHECK(params.ssrc == 1111);
  CHECK(params.rtx_ssrc == 2222u);
  CHECK(params.rtx_payload_type == 97);
  CHECK(params.use_nack);
  CHECK(params.use_pli);
  CHECK(params.use_fir);
  CHECK_FALSE(params.use_in_band_fec);

  // What an encoder without feedback announces.
  parameters.codecs.resize(1);
  parameters.codecs[0].rtcp_feedback.clear();
  params = StreamParamsOf(parameters, 0);
  CHECK_FALSE(params.use_nack);
  CHECK_FALSE(params.use_pli);
  CHECK_FALSE(params.rtx_ssrc);

  ProduceOptions audio = samples::Audio("a", 5);
  audio.rtp_parameters.codecs[0].parameters = {{"useinbandfec", int32_t{1}},
                                               {"usedtx", int32_t{1}}};
  REQUIRE(CheckRtpParameters(&audio.rtp_parameters).ok());
  params = StreamParamsOf(audio.rtp_parameters, 0);
  CHECK(params.use_in_band_fec);
  CHECK(params.use_dtx);
}

}  // namespace
}  // namespace sluice::worker
