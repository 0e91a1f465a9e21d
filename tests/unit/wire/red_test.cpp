#include <catch2/catch.hpp>
#include <vector>

#include "worker/wire/red.h"

namespace sluice::worker {
namespace {

using Bytes = std::vector<uint8_t>;

TEST_CASE("RED: older blocks with offset and length, the primary one takes the rest") {
  // Type 111, 960 units earlier, 3 bytes; primary type 111.
  const Bytes payload{0xEF, 960 >> 6, (960 & 0x3f) << 2, 3, 0x6F, 1, 2, 3, 9, 8};
  const auto red = ParseRed(payload);
  REQUIRE(red);
  REQUIRE(red->count == 2);
  CHECK(red->blocks[0].payload_type == PayloadType(111));
  CHECK(red->blocks[0].timestamp_offset == 960);
  CHECK(Bytes(red->blocks[0].data.begin(), red->blocks[0].data.end()) == Bytes{1, 2, 3});
  CHECK(red->primary().payload_type == PayloadType(111));
  CHECK(red->primary().timestamp_offset == 0);
  CHECK(Bytes(red->primary().data.begin(), red->primary().data.end()) == Bytes{9, 8});
  CHECK(red->primary_offset == 8);
}

TEST_CASE("RED: the widest fields") {
  Bytes payload{0xFF, 0xFF, 0xFF, 0xFF, 0x00};
  payload.resize(5 + 1023 + 1);
  const auto red = ParseRed(payload);
  REQUIRE(red);
  CHECK(red->blocks[0].payload_type == PayloadType(127));
  CHECK(red->blocks[0].timestamp_offset == 0x3fff);
  CHECK(red->blocks[0].data.size() == 1023);
  CHECK(red->primary().data.size() == 1);
}

TEST_CASE("RED: blocks of no bytes, the primary one too") {
  const Bytes payload{0x80 | 96, 0, 0, 0, 97};
  const auto red = ParseRed(payload);
  REQUIRE(red);
  CHECK(red->blocks[0].data.empty());
  CHECK(red->primary().data.empty());
  CHECK(red->primary_offset == payload.size());
}

TEST_CASE("RED: what does not fit is refused") {
  CHECK_FALSE(ParseRed({}));
  CHECK_FALSE(ParseRed(Bytes{0x80 | 96}));                        // header cut
  CHECK_FALSE(ParseRed(Bytes{0x80 | 96, 0, 0, 1}));               // no primary header
  CHECK_FALSE(ParseRed(Bytes{0x80 | 96, 0, 0, 2, 96, 1}));        // block beyond the payload
  CHECK_FALSE(ParseRed(Bytes{0x80 | 96, 0, 3, 0xFF, 96, 1, 2}));  // its longest
  Bytes many;
  for (size_t i = 0; i < RedPayload::kMaxBlocks; ++i) many.insert(many.end(), {0x80, 0, 0, 0});
  many.push_back(0);
  CHECK_FALSE(ParseRed(many));
  many.erase(many.begin(), many.begin() + 4);
  CHECK(ParseRed(many));
}

TEST_CASE("RED: payload types of blocks are replaced in place") {
  Bytes payload{0x80 | 96, 0, 0, 1, 96, 1, 2};
  SetRedBlockType(payload, 0, PayloadType(100));
  SetRedBlockType(payload, 1, PayloadType(101));
  CHECK(payload == Bytes{0x80 | 100, 0, 0, 1, 101, 1, 2});
}

}  // namespace
}  // namespace sluice::worker
