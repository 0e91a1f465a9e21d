#include "controller/ortc/codec_match.h"

#include <catch2/catch.hpp>
#include <string>

namespace sluice::controller {

namespace {

const Parameters kNone;
const Parameters kH264 = {{"packetization-mode", 1}, {"profile-level-id", std::string("42e01f")}};

Parameters H264(int packetization_mode, const char* profile_level_id) {
  return {{"packetization-mode", packetization_mode},
          {"profile-level-id", std::string(profile_level_id)}};
}

}  // namespace

TEST_CASE("Codecs match by type, clock and channels, and strictly by what decoders must share") {
  struct Row {
    const char* what;
    CodecView a;
    CodecView b;
    bool loose;
    bool strict;
  };
  const Parameters mode_0 = H264(0, "42e01f");
  const Parameters mode_text = {{"packetization-mode", std::string("1")},
                                {"profile-level-id", std::string("42e01f")}};
  const Parameters mode_only = {{"packetization-mode", 1}};
  const Parameters level_4 = H264(1, "42e028");
  const Parameters main_profile = H264(1, "4d001f");
  const Parameters no_profile_known = H264(1, "zz");
  const Parameters vp9_profile_2 = {{"profile-id", 2}};
  const Parameters vp9_profile_0 = {{"profile-id", 0}};
  const Parameters surround = {{"num_streams", 4}, {"coupled_streams", 2}};
  const Parameters other_streams = {{"num_streams", 5}, {"coupled_streams", 2}};
  const Parameters other_coupling = {{"num_streams", 4}, {"coupled_streams", 1}};
  const Row rows[] = {
      {"itself", {"audio/opus", 48000, 2, &kNone}, {"audio/opus", 48000, 2, &kNone}, true, true},
      {"any case", {"video/vp8", 90000, 1, &kNone}, {"VIDEO/VP8", 90000, 1, &kNone}, true, true},
      {"type", {"video/VP8", 90000, 1, &kNone}, {"video/VP9", 90000, 1, &kNone}, false, false},
      {"clock", {"audio/x", 48000, 2, &kNone}, {"audio/x", 16000, 2, &kNone}, false, false},
      {"channels", {"audio/x", 48000, 2, &kNone}, {"audio/x", 48000, 1, &kNone}, false, false},
      {"H264", {"video/H264", 90000, 1, &kH264}, {"video/h264", 90000, 1, &kH264}, true, true},
      {"level", {"video/H264", 90000, 1, &kH264}, {"video/H264", 90000, 1, &level_4}, true, true},
      {"mode", {"video/H264", 90000, 1, &kH264}, {"video/H264", 90000, 1, &mode_0}, true, false},
      {"mode 0 unsaid",
       {"video/H264", 90000, 1, &kNone},
       {"video/H264", 90000, 1, &mode_0},
       true,
       true},
      {"mode text",
       {"video/H264", 90000, 1, &kH264},
       {"video/H264", 90000, 1, &mode_text},
       true,
       false},
      {"profile",
       {"video/H264", 90000, 1, &kH264},
       {"video/H264", 90000, 1, &main_profile},
       true,
       false},
      {"profile unsaid",
       {"video/H264", 90000, 1, &kH264},
       {"video/H264", 90000, 1, &mode_only},
       true,
       true},
      {"main, unsaid",
       {"video/H264", 90000, 1, &main_profile},
       {"video/H264", 90000, 1, &mode_only},
       true,
       false},
      {"no profile",
       {"video/H264", 90000, 1, &kH264},
       {"video/H264", 90000, 1, &no_profile_known},
       true,
       false},
      {"VP9",
       {"video/VP9", 90000, 1, &vp9_profile_2},
       {"video/VP9", 90000, 1, &kNone},
       true,
       false},
      {"VP9 0 unsaid",
       {"video/VP9", 90000, 1, &vp9_profile_0},
       {"video/VP9", 90000, 1, &kNone},
       true,
       true},
      {"VP8 cares not",
       {"video/VP8", 90000, 1, &vp9_profile_2},
       {"video/VP8", 90000, 1, &kNone},
       true,
       true},
      {"surround",
       {"audio/multiopus", 48000, 6, &surround},
       {"audio/multiopus", 48000, 6, &surround},
       true,
       true},
      {"streams",
       {"audio/multiopus", 48000, 6, &surround},
       {"audio/multiopus", 48000, 6, &other_streams},
       false,
       false},
      {"coupling",
       {"audio/multiopus", 48000, 6, &surround},
       {"audio/multiopus", 48000, 6, &other_coupling},
       false,
       false},
  };
  for (const Row& row : rows) {
    INFO(row.what);
    CHECK(MatchCodecs(row.a, row.b, CodecMatch::kLoose) == row.loose);
    CHECK(MatchCodecs(row.b, row.a, CodecMatch::kLoose) == row.loose);
    CHECK(MatchCodecs(row.a, row.b, CodecMatch::kStrict) == row.strict);
    CHECK(MatchCodecs(row.b, row.a, CodecMatch::kStrict) == row.strict);
  }
}

TEST_CASE("RTX is known by its name, and its stream by an apt in range") {
  CHECK(IsRtx("video/RTX"));
  CHECK(IsRtx("audio/rtx"));
  CHECK_FALSE(IsRtx("video/rtx2"));
  CHECK(AssociatedPayloadType({{"apt", 0}}) == uint8_t{0});
  CHECK(AssociatedPayloadType({{"apt", 127}}) == uint8_t{127});
  CHECK_FALSE(AssociatedPayloadType({{"apt", 128}}));
  CHECK_FALSE(AssociatedPayloadType({{"apt", -1}}));
  CHECK_FALSE(AssociatedPayloadType({{"apt", std::string("96")}}));
  CHECK_FALSE(AssociatedPayloadType({}));
}

}  // namespace sluice::controller
