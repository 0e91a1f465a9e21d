#include "controller/ortc/h264_profile.h"

#include <catch2/catch.hpp>

namespace sluice::controller {

TEST_CASE("H264 profile-level-id parses profiles and levels") {
  struct Case {
    const char* text;
    H264Profile profile;
    uint8_t level;
  };
  const Case cases[] = {
      {"42e01f", H264Profile::kConstrainedBaseline, 31},
      {"42f00b", H264Profile::kConstrainedBaseline, H264ProfileLevel::kLevel1b},
      {"42e00b", H264Profile::kConstrainedBaseline, 11},
      {"4de01f", H264Profile::kConstrainedBaseline, 31},
      {"42001f", H264Profile::kBaseline, 31},
      {"4d0032", H264Profile::kMain, 50},
      {"64001f", H264Profile::kHigh, 31},
      {"640c2a", H264Profile::kConstrainedHigh, 42},
      {"f4001f", H264Profile::kPredictiveHigh444, 31},
      {"42E01F", H264Profile::kConstrainedBaseline, 31},
      {"", H264Profile::kConstrainedBaseline, 31},
  };
  for (const Case& c : cases) {
    INFO(c.text);
    const auto parsed = ParseH264ProfileLevelId(c.text);
    REQUIRE(parsed);
    CHECK(parsed->profile == c.profile);
    CHECK(parsed->level == c.level);
  }
  for (const char* bad : {"42e0", "42e01f0", "zz001f", "42e000", "42e021", "00001f", "640c 1"}) {
    INFO(bad);
    CHECK_FALSE(ParseH264ProfileLevelId(bad));
  }
}

TEST_CASE("H264 profile-level-id is written canonically") {
  CHECK(ToString(*ParseH264ProfileLevelId("4de01f")) == "42e01f");
  CHECK(ToString(*ParseH264ProfileLevelId("4d1032")) == "4d0032");
  CHECK(ToString(*ParseH264ProfileLevelId("42f00b")) == "42f00b");
}

TEST_CASE("H264 answer: the local level with asymmetry on both sides, else the lower") {
  const auto with = [](const char* id, int asymmetry) {
    return Parameters{{"profile-level-id", std::string(id)},
                      {"level-asymmetry-allowed", asymmetry}};
  };
  CHECK(*H264ProfileLevelIdForAnswer(with("42e01f", 1), with("42e02a", 1)) == "42e01f");
  CHECK(*H264ProfileLevelIdForAnswer(with("42e02a", 1), with("42e01f", 1)) == "42e02a");
  CHECK(*H264ProfileLevelIdForAnswer(with("42e02a", 1), with("42e01f", 0)) == "42e01f");
  CHECK(*H264ProfileLevelIdForAnswer(with("42e00b", 0), with("42f00b", 0)) == "42f00b");
  CHECK(H264ProfileLevelIdForAnswer({}, {})->empty());
  CHECK_FALSE(H264ProfileLevelIdForAnswer(with("42e01f", 1), with("4d001f", 1)).ok());
}

}  // namespace sluice::controller
