#include "common/rtp_parameters.h"

#include <catch2/catch.hpp>

namespace sluice {

TEST_CASE("Scalability modes") {
  struct Case {
    const char* text;
    int spatial;
    int temporal;
    bool k_svc;
    bool valid;
  };
  const Case cases[] = {
      {"L1T3", 1, 3, false, true},     {"L3T3_KEY", 3, 3, true, true},
      {"S2T1", 2, 1, false, true},     {"L3T3_KEY_SHIFT", 3, 3, true, true},
      {"L12T34", 12, 34, false, true}, {"", 1, 1, false, false},
      {"L0T1", 1, 1, false, false},    {"LT", 1, 1, false, false},
      {"X1T1", 1, 1, false, false},    {"L1", 1, 1, false, false},
  };
  for (const Case& c : cases) {
    INFO(c.text);
    const ScalabilityMode mode = ParseScalabilityMode(c.text);
    CHECK(mode.spatial_layers == c.spatial);
    CHECK(mode.temporal_layers == c.temporal);
    CHECK(mode.k_svc == c.k_svc);
    CHECK(mode.valid == c.valid);
  }
}

TEST_CASE("Header extension URIs survive a round trip") {
  for (size_t i = 0; i < kRtpExtensionUriCount; ++i) {
    const auto uri = static_cast<RtpExtensionUri>(i);
    CHECK(ParseRtpExtensionUri(ToString(uri)) == uri);
  }
  CHECK_FALSE(ParseRtpExtensionUri("urn:nothing"));
}

}  // namespace sluice
