#include "controller/broadcast/nut_reader.h"

#include <catch2/catch.hpp>
#include <string>
#include <string_view>

namespace sluice::controller::broadcast::test {
namespace {

using Bytes = std::vector<uint8_t>;

void AddV(uint64_t value, Bytes* out) {
  size_t groups = 1;
  for (uint64_t rest = value >> 7; rest > 0; rest >>= 7) ++groups;
  while (--groups > 0) out->push_back(static_cast<uint8_t>(0x80U | value >> (7 * groups)));
  out->push_back(static_cast<uint8_t>(value & 0x7FU));
}

void AddPacket(uint64_t startcode, const Bytes& body, Bytes* out) {
  for (int shift = 56; shift >= 0; shift -= 8)
    out->push_back(static_cast<uint8_t>(startcode >> shift));
  AddV(body.size() + 4, out);
  out->insert(out->end(), body.begin(), body.end());
  out->insert(out->end(), {0, 0, 0, 0});  // its checksum
}

constexpr uint64_t kMain = 0x4E4D7A561F5F04ADU;
constexpr uint64_t kStream = 0x4E5311405BF2F9DBU;
constexpr uint64_t kSyncpoint = 0x4E4BE4ADEECA4569U;

/// Two tracks, VP8 of 1/1000 s and Opus of 1/48000 s; each frame says everything itself.
Bytes Headers() {
  const std::string_view id("nut/multimedia container\0", 25);
  Bytes nut(id.begin(), id.end());
  Bytes main;
  for (const uint64_t value : {3, 2, 65'536, 2, 1, 1'000, 1, 48'000}) AddV(value, &main);
  // All 255 frame codes: coded flags; fields: pts 0, mul 1, stream 0, size 0, reserved 0, count
  // 255.
  for (const uint64_t value : {1 << 12, 6, 0, 1, 0, 0, 0, 255}) AddV(value, &main);
  AddPacket(kMain, main, &nut);
  Bytes video;
  for (const uint64_t value : {0, 0, 4}) AddV(value, &video);
  for (const char c : std::string("VP80")) video.push_back(static_cast<uint8_t>(c));
  for (const uint64_t value : {0, 7, 1'000, 0, 0, 0, 64, 48, 1, 1, 0}) AddV(value, &video);
  AddPacket(kStream, video, &nut);
  Bytes audio;
  for (const uint64_t value : {1, 1, 4}) AddV(value, &audio);
  for (const char c : std::string("Opus")) audio.push_back(static_cast<uint8_t>(c));
  for (const uint64_t value : {1, 14, 48'000, 0, 0, 2, 9, 8, 48'000, 1, 2}) AddV(value, &audio);
  AddPacket(kStream, audio, &nut);
  return nut;
}

/// A frame with flags, track, coded time and size.
void AddFrame(bool key, uint64_t track, uint64_t coded_pts, const Bytes& data, Bytes* out) {
  constexpr uint64_t kFields = 1U << 3 | 1U << 4 | 1U << 5;
  out->push_back(0);
  AddV(kFields | (key ? 1U : 0U), out);
  AddV(track, out);
  AddV(coded_pts, out);
  AddV(data.size(), out);
  out->insert(out->end(), data.begin(), data.end());
}

std::vector<NutFrame> ReadAll(const Bytes& bytes, size_t step, NutReader* reader) {
  std::vector<NutFrame> frames;
  for (size_t at = 0; at < bytes.size(); at += step) {
    const std::span<const uint8_t> all(bytes);
    REQUIRE(reader->Feed(all.subspan(at, std::min(step, bytes.size() - at))).ok());
    while (auto frame = reader->Next()) frames.push_back(*std::move(frame));
  }
  return frames;
}

TEST_CASE("NUT: tracks and frames come out, however the bytes are cut") {
  Bytes nut = Headers();
  AddFrame(true, 0, 0, {1, 2, 3}, &nut);
  AddFrame(true, 1, 960, {4}, &nut);
  AddFrame(false, 0, 33, Bytes(300, 7), &nut);
  for (const size_t step : {size_t{1}, size_t{7}, nut.size()}) {
    NutReader reader;
    const auto frames = ReadAll(nut, step, &reader);
    REQUIRE(reader.tracks().size() == 2);
    CHECK(reader.tracks()[0].video);
    CHECK(reader.tracks()[0].width == 64);
    CHECK(reader.tracks()[0].height == 48);
    CHECK(reader.tracks()[1].audio);
    CHECK(reader.tracks()[1].fourcc == "Opus");
    CHECK(reader.tracks()[1].codec_data == Bytes{9, 8});
    CHECK(reader.tracks()[1].channels == 2);
    REQUIRE(frames.size() == 3);
    CHECK(frames[0].key);
    CHECK(frames[0].data == Bytes{1, 2, 3});
    CHECK(frames[1].time == 20'000);
    CHECK(frames[2].time == 33'000);
    CHECK_FALSE(frames[2].key);
    CHECK(frames[2].data.size() == 300);
  }
}

TEST_CASE("NUT: times are told in few bits, from the last one or a synchronisation point") {
  Bytes nut = Headers();
  AddFrame(true, 0, 127 + 1 + 1'000, {1}, &nut);  // whole: beyond 7 bits
  AddFrame(false, 0, 1'040 & 127, {2}, &nut);     // its lowest 7 bits
  AddFrame(false, 0, 1'000 & 127, {3}, &nut);     // backwards
  Bytes point;
  AddV(5'000 * 2, &point);  // in the first time base
  AddV(0, &point);
  AddPacket(kSyncpoint, point, &nut);
  AddFrame(true, 0, 5'010 & 127, {4}, &nut);
  AddFrame(true, 1, (5'010 * 48) & 16'383, {5}, &nut);
  NutReader reader;
  const auto frames = ReadAll(nut, nut.size(), &reader);
  REQUIRE(frames.size() == 5);
  CHECK(frames[0].time == 1'000'000);
  CHECK(frames[1].time == 1'040'000);
  CHECK(frames[2].time == 1'000'000);
  CHECK(frames[3].time == 5'010'000);
  CHECK(frames[4].time == 5'010'000);
}

TEST_CASE("NUT: what is no NUT is an error, as is a frame without a track") {
  NutReader reader;
  CHECK_FALSE(reader.Feed(Bytes(100, 'x')).ok());
  NutReader other;
  Bytes nut = Headers();
  AddFrame(true, 7, 0, {1}, &nut);
  CHECK_FALSE(other.Feed(nut).ok());
}

}  // namespace
}  // namespace sluice::controller::broadcast::test
