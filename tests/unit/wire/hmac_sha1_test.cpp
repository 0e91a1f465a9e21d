#include "worker/wire/hmac_sha1.h"

#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <string>
#include <string_view>

namespace sluice::worker {
namespace {

std::span<const uint8_t> Bytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

std::string Hmac(std::string_view key, std::string_view text) {
  const HmacSha1 hmac(Bytes(key));
  const auto digest = hmac.Compute({Bytes(text)});
  CHECK(hmac.Compute({Bytes(text.substr(0, 1)), Bytes(text.substr(1))}) == digest);
  std::string hex;
  for (const uint8_t byte : digest) hex += fmt::format("{:02x}", byte);
  return hex;
}

TEST_CASE("HMAC-SHA1: test cases of RFC 2202, whole and in parts") {
  CHECK(Hmac(std::string(20, '\x0b'), "Hi There") == "b617318655057264e28bc0b6fb378c8ef146be00");
  CHECK(Hmac("Jefe", "what do ya want for nothing?") == "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
  CHECK(Hmac(std::string(20, '\xaa'), std::string(50, '\xdd')) ==
        "125d7342b9ac11cd91a39af48aa17b4f63f175d3");
  CHECK(Hmac(std::string(80, '\xaa'), "Test Using Larger Than Block-Size Key - Hash Key First") ==
        "aa4ae5e15272d00e95705637ce8a3b55ed402112");
}

}  // namespace
}  // namespace sluice::worker
