#include "worker/wire/video_layers_allocation.h"

#include <catch2/catch.hpp>
#include <random>
#include <string_view>
#include <vector>

#include "tests/unit/wire/hex.h"

namespace sluice::worker {
namespace {

using testing::Hex;

std::optional<VideoLayersAllocation> Parse(std::string_view hex) {
  return ParseVideoLayersAllocation(Hex(hex));
}

TEST_CASE("layers allocation: one stream, one layer, with its size") {
  // RID 0, one stream, layer 0; one temporal layer; 1000 kbit/s; 640×360 at 30.
  const auto read = Parse("01 00 e807 027f 0167 1e");
  REQUIRE(read);
  CHECK(read->own_stream == 0);
  CHECK(read->stream_count == 1);
  REQUIRE(read->layer_count == 1);
  CHECK(read->layers[0].temporal_layers == 1);
  CHECK(read->layers[0].bitrates_kbps[0] == 1000);
  CHECK(read->layers[0].width == 640);
  CHECK(read->layers[0].height == 360);
  CHECK(read->layers[0].frame_rate == 30);
}

TEST_CASE("layers allocation: three streams that share a mask, without sizes") {
  // RID 1, three streams with one layer each; 3, 2 and 1 temporal layers.
  const auto read = Parse("61 90 64 c801 ac02 f403 e807 c413");
  REQUIRE(read);
  CHECK(read->own_stream == 1);
  CHECK(read->stream_count == 3);
  REQUIRE(read->layer_count == 3);
  CHECK(read->layers[0].temporal_layers == 3);
  CHECK(read->layers[0].bitrates_kbps[2] == 300);
  CHECK(read->layers[1].stream == 1);
  CHECK(read->layers[1].temporal_layers == 2);
  CHECK(read->layers[1].bitrates_kbps[0] == 500);
  CHECK(read->layers[2].bitrates_kbps[0] == 2500);
  CHECK(read->layers[2].width == 0);
}

TEST_CASE("layers allocation: a mask for each stream") {
  // Four streams: layers {0}, {0, 1}, {}, {1}.
  const auto read = Parse("30 1302 00 01 02 03 04");
  REQUIRE(read);
  REQUIRE(read->layer_count == 4);
  CHECK(read->layers[1].stream == 1);
  CHECK(read->layers[2].spatial_layer == 1);
  CHECK(read->layers[3].stream == 3);
  CHECK(read->layers[3].spatial_layer == 1);
  CHECK(read->layers[3].bitrates_kbps[0] == 4);
}

TEST_CASE("layers allocation: nothing is sent") {
  const auto read = Parse("00");
  REQUIRE(read);
  CHECK(read->layer_count == 0);
  CHECK(read->stream_count == 0);
}

TEST_CASE("layers allocation: what is malformed") {
  for (const std::string_view each : {"", "01", "01 00", "01 00 80", "01 c0 01 02", "30", "30 11",
                                      "01 00 ffffffffff", "01 00 ffffffff1f"}) {
    CAPTURE(each);
    CHECK_FALSE(Parse(each));
  }
  CHECK(Parse("01 00 ffffffff0f")->layers[0].bitrates_kbps[0] == 0xffffffff);
  std::mt19937 random(3);
  for (int i = 0; i < 50'000; ++i) {
    std::vector<uint8_t> bytes(random() % 80);
    for (uint8_t& each : bytes) each = static_cast<uint8_t>(random());
    const auto read = ParseVideoLayersAllocation(bytes);
    if (read) REQUIRE(read->layer_count <= read->layers.size());
  }
}

}  // namespace
}  // namespace sluice::worker
