#include "worker/core/rtp/rtx.h"

#include <array>
#include <catch2/catch.hpp>
#include <cstdint>
#include <vector>

namespace sluice::worker {
namespace {

/// Version 2, one CSRC, a one-byte-form extension (id 3, two bytes), `payload`, `padding` bytes.
std::vector<uint8_t> MakePacket(std::vector<uint8_t> payload, uint8_t padding = 0) {
  std::vector<uint8_t> bytes = {static_cast<uint8_t>(0x91 | (padding > 0 ? 0x20 : 0)),
                                0x80 | 97,
                                0x12,
                                0x34,  // seq
                                0,
                                0,
                                0,
                                9,  // timestamp
                                0,
                                0,
                                0,
                                2,  // ssrc
                                0,
                                0,
                                0,
                                7,  // csrc
                                0xBE,
                                0xDE,
                                0,
                                1,
                                0x31,
                                0xAA,
                                0xBB,
                                0};
  bytes.insert(bytes.end(), payload.begin(), payload.end());
  if (padding > 0) {
    bytes.resize(bytes.size() + padding - 1);
    bytes.push_back(padding);
  }
  return bytes;
}

TEST_CASE("an RTX packet becomes the original in place") {
  for (const uint8_t padding : {uint8_t{0}, uint8_t{4}}) {
    std::vector<uint8_t> bytes = MakePacket({0xFF, 0xFE, 'a', 'b', 'c'}, padding);
    auto rtx = RtpPacket::Parse(bytes);
    REQUIRE(rtx);
    const auto original = UnwrapRtx(*rtx, PayloadType(96), Ssrc(1));
    REQUIRE(original);
    CHECK(original->sequence_number() == SeqNumber(0xFFFE));
    CHECK(original->payload_type() == PayloadType(96));
    CHECK(original->ssrc() == Ssrc(1));
    CHECK(original->marker());
    CHECK(original->timestamp() == RtpTimestamp(9));
    CHECK(original->bytes().data() == bytes.data() + kRtxHeader);
    CHECK(original->size() == bytes.size() - kRtxHeader);
    CHECK(original->padding_size() == padding);
    const auto payload = original->payload();
    CHECK(std::vector<uint8_t>(payload.begin(), payload.end()) ==
          std::vector<uint8_t>{'a', 'b', 'c'});
    const auto extension = original->Extension(3);
    CHECK(std::vector<uint8_t>(extension.begin(), extension.end()) ==
          std::vector<uint8_t>{0xAA, 0xBB});
  }
}

TEST_CASE("an RTX packet without media is no packet") {
  const std::vector<std::vector<uint8_t>> payloads = {{}, {1}, {1, 2}};
  for (const auto& payload : payloads) {
    for (const uint8_t padding : {uint8_t{0}, uint8_t{200}}) {
      std::vector<uint8_t> bytes = MakePacket(payload, padding);
      const std::vector<uint8_t> before = bytes;
      auto rtx = RtpPacket::Parse(bytes);
      REQUIRE(rtx);
      CHECK_FALSE(UnwrapRtx(*rtx, PayloadType(96), Ssrc(1)));
      CHECK(bytes == before);
    }
  }
}

}  // namespace
}  // namespace sluice::worker
