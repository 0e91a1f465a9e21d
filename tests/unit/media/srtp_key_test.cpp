#include "worker/media/srtp_key.h"

#include <catch2/catch.hpp>

#include "tests/sim/virtual_environment.h"

namespace sluice::worker {
namespace {

TEST_CASE("SRTP keys survive the way through commands", "[srtp_key]") {
  VirtualEnvironment environment;
  for (const auto& [profile, size] :
       {std::pair{SrtpProfile::kAeadAes256Gcm, 44}, std::pair{SrtpProfile::kAeadAes128Gcm, 28},
        std::pair{SrtpProfile::kAesCm128HmacSha1_80, 30},
        std::pair{SrtpProfile::kAesCm128HmacSha1_32, 30}}) {
    const SrtpMasterKey key = GenerateSrtpKey(profile, environment);
    CHECK(key.key_and_salt.size() == static_cast<size_t>(size));
    const auto parsed = ParseSrtpParameters(ToSrtpParameters(key));
    REQUIRE(parsed.ok());
    CHECK(parsed->profile == profile);
    CHECK(parsed->key_and_salt == key.key_and_salt);
  }
}

TEST_CASE("wrong keys are TypeErrors that do not show the key", "[srtp_key]") {
  const auto error = [](const std::string& base64) {
    const auto parsed = ParseSrtpParameters({SrtpProfile::kAeadAes128Gcm, base64});
    REQUIRE_FALSE(parsed.ok());
    CHECK(std::string(ErrorClassName(parsed.status())) == "TypeError");
    return std::string(parsed.status().message());
  };
  CHECK(error("").find("28") != std::string::npos);
  CHECK(error("c2VjcmV0").find("c2VjcmV0") == std::string::npos);
  CHECK(error("!!!!").find("base64") != std::string::npos);
}

}  // namespace
}  // namespace sluice::worker
