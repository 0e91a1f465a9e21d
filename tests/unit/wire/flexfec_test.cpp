#include <catch2/catch.hpp>
#include <vector>

#include "worker/wire/flexfec.h"

namespace sluice::worker {
namespace {

using Bytes = std::vector<uint8_t>;

/// For SSRC 0x01020304 from number 1000 on, with this mask.
Bytes Packet(const Bytes& mask) {
  Bytes bytes{0x00, 0x60, 0, 9, 1, 2, 3, 4, 1, 0, 0, 0, 1, 2, 3, 4, 0x03, 0xE8};
  bytes.insert(bytes.end(), mask.begin(), mask.end());
  bytes.push_back(0xAA);
  return bytes;
}

TEST_CASE("FlexFEC: masks of each length") {
  const auto small = ParseFlexfec(Packet({0xC0, 0x01}));
  REQUIRE(small);
  CHECK(small->ssrc == Ssrc(0x01020304));
  CHECK(small->base == SeqNumber(1000));
  CHECK(small->header_size == 20);
  REQUIRE(small->protected_count == 2);
  CHECK(small->distances[0] == 0);
  CHECK(small->distances[1] == 14);

  const auto middle = ParseFlexfec(Packet({0x40, 0x00, 0xC0, 0x00, 0x00, 0x01}));
  REQUIRE(middle);
  CHECK(middle->header_size == 24);
  REQUIRE(middle->protected_count == 3);
  CHECK(middle->distances[1] == 15);
  CHECK(middle->distances[2] == 45);

  const auto large =
      ParseFlexfec(Packet({0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xC0, 0, 0, 0, 0, 0, 0, 1}));
  REQUIRE(large);
  CHECK(large->header_size == 32);
  REQUIRE(large->protected_count == 2);
  CHECK(large->distances[0] == 46);
  CHECK(large->distances[1] == 108);
}

TEST_CASE("FlexFEC: a mask of ones reaches over all packets and no further") {
  const auto all = ParseFlexfec(
      Packet({0x7F, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}));
  REQUIRE(all);
  CHECK(all->protected_count == FlexfecHeader::kMaxProtected);
}

TEST_CASE("FlexFEC: what cannot be believed is refused") {
  CHECK_FALSE(ParseFlexfec({}));
  CHECK_FALSE(ParseFlexfec(Packet({0x80, 0x00})));  // covers no packet
  CHECK_FALSE(
      ParseFlexfec(Packet({0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0, 0, 0, 0, 0, 0, 1})));
  CHECK_FALSE(ParseFlexfec(Packet({0x40, 0x00})));  // goes on past the end
  for (const uint8_t flags : {uint8_t{0x80}, uint8_t{0x40}}) {
    Bytes bytes = Packet({0xC0, 0x01});
    bytes[0] = flags;
    CHECK_FALSE(ParseFlexfec(bytes));
  }
  for (const uint8_t streams : {uint8_t{0}, uint8_t{2}, uint8_t{255}}) {
    Bytes bytes = Packet({0xC0, 0x01});
    bytes[8] = streams;
    CHECK_FALSE(ParseFlexfec(bytes));
  }
  const Bytes whole = Packet({0x40, 0x00, 0xC0, 0x00, 0x00, 0x01});
  for (size_t size = 0; size < 24; ++size) {
    CHECK_FALSE(ParseFlexfec(std::span(whole).first(size)));
  }
}

TEST_CASE("FlexFEC: the header under other names") {
  Bytes bytes = Packet({0xC0, 0x01});
  const auto two = ParseFlexfec(bytes);
  REQUIRE(two);
  RewriteFlexfec(bytes, *two, Ssrc(0x0A0B0C0D), SeqNumber(7), 96 ^ 101);
  const auto again = ParseFlexfec(bytes);
  REQUIRE(again);
  CHECK(again->ssrc == Ssrc(0x0A0B0C0D));
  CHECK(again->base == SeqNumber(7));
  CHECK(bytes[1] == 0x60);  // what two packets have in common is not in it
  bytes = Packet({0x80, 0x01});
  const auto one = ParseFlexfec(bytes);
  REQUIRE(one);
  RewriteFlexfec(bytes, *one, Ssrc(1), SeqNumber(7), 96 ^ 101);
  CHECK(bytes[1] == 101);
  Bytes tiny(4, 0);
  RewriteFlexfec(tiny, *one, Ssrc(1), SeqNumber(7), 1);
  CHECK(tiny == Bytes(4, 0));
}

}  // namespace
}  // namespace sluice::worker
