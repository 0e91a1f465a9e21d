#include "worker/channel/json/json_codecs.h"

#include <catch2/catch.hpp>

namespace sluice::worker::json_protocol {
namespace {

Codec Make(Kind kind, const char* name, uint32_t clock_rate, uint32_t num_channels = 1) {
  Codec codec;
  codec.kind = kind;
  codec.name = name;
  codec.clock_rate = clock_rate;
  codec.num_channels = num_channels;
  return codec;
}

Codec H264(std::optional<int32_t> mode, const char* profile = "42e01f") {
  Codec codec = Make(Kind::kVideo, "video/H264", 90'000);
  codec.parameters["profileLevelId"] = std::string(profile);
  if (mode) codec.parameters["packetizationMode"] = *mode;
  return codec;
}

TEST_CASE("codec names are brought to their canonical spelling") {
  const std::pair<const char*, const char*> cases[] = {
      {"audio/OPUS", "audio/opus"},
      {"AUDIO/pcmu", "audio/PCMU"},
      {"audio/isac", "audio/ISAC"},
      {"audio/ilbc", "audio/iLBC"},
      {"audio/cn", "audio/CN"},
      {"audio/Telephone-Event", "audio/telephone-event"},
      {"video/vp8", "video/VP8"},
      {"VIDEO/h264", "video/H264"},
      {"video/x-h264uc", "video/X-H264UC"},
      {"video/H265", "video/H265"},
      {"video/RTX", "video/rtx"},
      {"video/X-ULPFECUC", "video/x-ulpfecuc"},
  };
  for (const auto& [given, expected] : cases) {
    CAPTURE(given);
    CHECK(CanonicalCodecName(given) == std::optional<std::string>(expected));
  }
  for (const char* unknown : {"", "/", "opus", "audio", "audio/", "/opus", "audio/AV1", "text/opus",
                              "video/VP8 ", "video//VP8", "video/VP8/90000"}) {
    CAPTURE(unknown);
    CHECK_FALSE(CanonicalCodecName(unknown).has_value());
  }
}

TEST_CASE("codecs have roles") {
  CHECK(RoleOf("audio/opus") == CodecRole::kMedia);
  CHECK(RoleOf("video/X-H264UC") == CodecRole::kMedia);
  CHECK(RoleOf("audio/CN") == CodecRole::kComplementary);
  CHECK(RoleOf("audio/telephone-event") == CodecRole::kComplementary);
  for (const char* feature : {"video/rtx", "video/ulpfec", "video/flexfec", "video/x-ulpfecuc",
                              "audio/red", "nonsense"}) {
    CAPTURE(feature);
    CHECK(RoleOf(feature) == CodecRole::kFeature);
  }
  CHECK(IsRtx("audio/rtx"));
  CHECK_FALSE(IsRtx("video/VP8"));
  CHECK(IsVideo("video/VP8"));
  CHECK_FALSE(IsVideo("audio/opus"));
}

TEST_CASE("codecs match by name, clock rate, audio channels and packetization mode") {
  struct Case {
    const char* what;
    Codec a;
    Codec b;
    bool match;
  };
  const Case cases[] = {
      {"the same", Make(Kind::kAudio, "audio/opus", 48'000, 2),
       Make(Kind::kAudio, "audio/opus", 48'000, 2), true},
      {"other name", Make(Kind::kAudio, "audio/PCMU", 8'000),
       Make(Kind::kAudio, "audio/PCMA", 8'000), false},
      {"other type", Make(Kind::kAudio, "audio/rtx", 8'000), Make(Kind::kAudio, "video/rtx", 8'000),
       false},
      {"other clock rate", Make(Kind::kAudio, "audio/ISAC", 32'000),
       Make(Kind::kAudio, "audio/ISAC", 16'000), false},
      {"other channels", Make(Kind::kAudio, "audio/opus", 48'000, 2),
       Make(Kind::kAudio, "audio/opus", 48'000, 4), false},
      {"other channels, one without kind", Make(Kind::kAll, "audio/PCMU", 8'000, 2),
       Make(Kind::kAudio, "audio/PCMU", 8'000, 1), false},
      {"channels of video", Make(Kind::kVideo, "video/VP8", 90'000, 1),
       Make(Kind::kVideo, "video/VP8", 90'000, 2), true},
      {"other kind", Make(Kind::kVideo, "video/VP8", 90'000),
       Make(Kind::kDepth, "video/VP8", 90'000), true},
      {"no kind", Make(Kind::kVideo, "video/VP8", 90'000), Make(Kind::kAll, "video/VP8", 90'000),
       true},
      {"other H264 profile", H264(1, "42e01f"), H264(1, "4d0032"), true},
      {"other H264 mode", H264(0), H264(1), false},
      {"H264 without mode is mode 0", H264(std::nullopt), H264(0), true},
      {"H264 without mode is not mode 1", H264(std::nullopt), H264(1), false},
  };
  for (const Case& test : cases) {
    CAPTURE(test.what);
    CHECK(Matches(test.a, test.b) == test.match);
    CHECK(Matches(test.b, test.a) == test.match);
  }
}

TEST_CASE("every supported codec is known, and matches itself alone") {
  const auto codecs = SupportedCodecs();
  CHECK(codecs.size() == 23);
  for (const Codec& codec : codecs) {
    CAPTURE(codec.name, codec.clock_rate);
    CHECK(CanonicalCodecName(codec.name) == std::optional(codec.name));
    CHECK(codec.rtcp_feedback.size() == (codec.kind == Kind::kVideo ? 9 : 0));
    size_t matches = 0;
    for (const Codec& other : codecs) matches += Matches(codec, other) ? 1 : 0;
    CHECK(matches == 1);
  }
}

TEST_CASE("kinds and header extensions are known without case") {
  CHECK(ParseKind("Audio") == Kind::kAudio);
  CHECK(ParseKind("VIDEO") == Kind::kVideo);
  CHECK(ParseKind("depth") == Kind::kDepth);
  CHECK(ParseKind("") == Kind::kAll);
  CHECK_FALSE(ParseKind("text").has_value());
  CHECK(ParseHeaderExtensionUri("URN:3gpp:Video-Orientation") ==
        RtpExtensionUri::kVideoOrientation);
  CHECK_FALSE(ParseHeaderExtensionUri("urn:ietf:params:rtp-hdrext:sdes:mid").has_value());
  CHECK_FALSE(ParseHeaderExtensionUri("").has_value());
}

}  // namespace
}  // namespace sluice::worker::json_protocol
