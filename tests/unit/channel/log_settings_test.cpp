#include "worker/channel/log_settings.h"

#include <catch2/catch.hpp>

namespace sluice::worker {
namespace {

TEST_CASE("log levels are read in any case") {
  CHECK(ParseLogLevel("debug") == LogLevel::kDebug);
  CHECK(ParseLogLevel("WARN") == LogLevel::kWarn);
  CHECK(ParseLogLevel("Error") == LogLevel::kError);
  CHECK(ParseLogLevel("none") == LogLevel::kNone);
  for (const auto* text : {"", "warning", "debug ", "1", "\xc3\x9f"}) {
    CHECK(ParseLogLevel(text) == std::nullopt);
  }
}

TEST_CASE("each tag of the protocol has its own bit, others have none") {
  uint16_t seen = 0;
  for (const auto* name : {"info", "ice", "dtls", "rtp", "srtp", "rtcp", "rtx", "bwe", "score",
                           "simulcast", "svc", "sctp", "message"}) {
    const auto bit = static_cast<uint16_t>(ParseLogTag(name));
    CHECK(bit != 0);
    CHECK((seen & bit) == 0);
    seen = static_cast<uint16_t>(seen | bit);
  }
  CHECK(ParseLogTag("nonsense") == LogTag::kNone);
  CHECK(ParseLogTag("") == LogTag::kNone);
}

}  // namespace
}  // namespace sluice::worker
