#include <array>
#include <catch2/catch.hpp>
#include <vector>

#include "tests/unit/wire/hex.h"
#include "worker/wire/bounded_reader.h"
#include "worker/wire/bounded_writer.h"

namespace sluice::worker {

TEST_CASE("a reader reads big-endian fields in order", "[bounded]") {
  const auto bytes = testing::Hex("01 0203 040506 0708090a 0b0c0d0e0f101112 aabb");
  BoundedReader reader(bytes);
  CHECK(reader.ReadU8() == 0x01);
  CHECK(reader.ReadU16() == 0x0203);
  CHECK(reader.ReadU24() == 0x040506);
  CHECK(reader.ReadU32() == 0x0708090a);
  CHECK(reader.ReadU64() == 0x0b0c0d0e0f101112);
  CHECK(reader.position() == 18);
  CHECK(reader.remaining() == 2);
  CHECK(reader.Rest().size() == 2);
  CHECK(reader.ReadBytes(2)[1] == 0xbb);
  CHECK(reader.empty());
  CHECK(reader.ok());
  CHECK(reader.ReadBytes(0).empty());
  CHECK(reader.ok());
}

TEST_CASE("a reader's failure sticks", "[bounded]") {
  const auto bytes = testing::Hex("01020304");
  BoundedReader reader(bytes);
  reader.Skip(2);
  CHECK(reader.ReadU24() == 0);
  CHECK_FALSE(reader.ok());
  CHECK(reader.empty());
  CHECK(reader.ReadU8() == 0);
  CHECK(reader.ReadBytes(1).empty());
  BoundedReader huge(bytes);
  huge.Skip(SIZE_MAX);
  CHECK_FALSE(huge.ok());
}

TEST_CASE("a writer writes what fits and nothing more", "[bounded]") {
  std::array<uint8_t, 19> out{};
  BoundedWriter writer(out);
  writer.WriteU8(1);
  writer.WriteU16(0x0203);
  writer.WriteU24(0x040506);
  writer.WriteU32(0x0708090a);
  writer.WriteU64(0x0b0c0d0e0f101112);
  CHECK(writer.ok());
  CHECK(std::vector<uint8_t>(out.begin(), out.end() - 1) ==
        testing::Hex("01 0203 040506 0708090a 0b0c0d0e0f101112"));
  CHECK(writer.remaining() == 1);
  writer.WriteU16(0xffff);
  CHECK_FALSE(writer.ok());
  writer.WriteU8(0xff);  // would fit, but the writer has failed
  writer.WriteBytes(out);
  CHECK(out[18] == 0);
  CHECK(writer.size() == 18);
}

}  // namespace sluice::worker
