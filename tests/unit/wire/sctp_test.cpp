#include "worker/wire/sctp.h"

#include <catch2/catch.hpp>
#include <string_view>
#include <vector>

#include "worker/wire/crc32.h"

namespace sluice::worker {
namespace {

std::span<const uint8_t> Bytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

}  // namespace

TEST_CASE("CRC-32c: known sums, whole and in parts") {
  CHECK(Crc32c(Bytes("123456789")) == 0xE3069283);
  CHECK(Crc32c(Bytes("12"), Bytes("3456"), Bytes("789")) == 0xE3069283);
  CHECK(Crc32c(std::vector<uint8_t>(32, 0)) == 0x8A9136AA);  // RFC 3720 appendix B.4
  CHECK(Crc32c(std::vector<uint8_t>(32, 0xFF)) == 0x62A8AB43);
  CHECK(Crc32(Bytes("123456789")) == 0xCBF43926);
}

TEST_CASE("sctp: the checksum that is written is right, and no other") {
  std::vector<uint8_t> packet = {0x13, 0x88, 0x13, 0x88, 1, 2, 3, 4, 9, 9, 9, 9, 11, 0, 0, 4};
  CHECK_FALSE(sctp::ChecksumIsRight(packet));
  sctp::WriteChecksum(packet);
  CHECK(sctp::ChecksumIsRight(packet));
  CHECK(sctp::LooksLikeSctp(packet));
  CHECK(sctp::ParseHeader(packet)->verification_tag == 0x01020304);
  for (size_t bit = 0; bit < packet.size() * 8; ++bit) {
    packet[bit / 8] ^= static_cast<uint8_t>(1U << (bit % 8));
    REQUIRE_FALSE(sctp::ChecksumIsRight(packet));
    packet[bit / 8] ^= static_cast<uint8_t>(1U << (bit % 8));
  }
}

TEST_CASE("sctp: chunks one after the other, whatever is cut off") {
  const std::vector<uint8_t> packet = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,  //
                                       3, 1, 0, 6, 7, 8, 0, 0,              // padded
                                       5, 0, 0, 5, 9};                      // padding missing
  sctp::ChunkReader reader(packet);
  const auto first = reader.Next();
  REQUIRE(first);
  CHECK(first->type == sctp::ChunkType::kSack);
  CHECK(first->flags == 1);
  CHECK(first->body.size() == 2);
  const auto second = reader.Next();
  REQUIRE(second);
  CHECK(second->body.size() == 1);
  CHECK_FALSE(reader.Next());
  CHECK(reader.ok());
  for (size_t size = 0; size < packet.size(); ++size) {
    const std::span<const uint8_t> bytes(packet);
    sctp::ChunkReader cut(bytes.first(size));
    while (cut.Next()) {
    }
    CHECK(cut.ok() == (size == 12 || size == 18 || size == 19 || size == 20));
  }
}

TEST_CASE("sctp: a chunk or parameter that is shorter than its header ends the list") {
  const std::vector<uint8_t> packet = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 1, 0, 3};
  sctp::ChunkReader reader(packet);
  CHECK_FALSE(reader.Next());
  CHECK_FALSE(reader.ok());
  const std::vector<uint8_t> zero = {0, 1, 0, 0};
  sctp::ParameterReader parameters(zero);
  CHECK_FALSE(parameters.Next());
  CHECK_FALSE(parameters.ok());
}

}  // namespace sluice::worker
