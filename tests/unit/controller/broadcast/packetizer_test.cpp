#include "controller/broadcast/packetizer.h"

#include <algorithm>
#include <catch2/catch.hpp>

namespace sluice::controller::broadcast::test {
namespace {

using Bytes = std::vector<uint8_t>;

TEST_CASE("VP8 payloads: start bit, picture id, parts of about the same size") {
  Packetizer packetizer(Codec::kVp8, {}, 100);
  const auto first = packetizer.Packetize(Bytes(200, 7), true);
  REQUIRE(first.size() == 3);
  CHECK(Bytes(first[0].begin(), first[0].begin() + 4) == Bytes{0x90, 0x80, 0x80, 0});
  CHECK(first[1][0] == 0x80);
  size_t total = 0;
  for (const Payload& payload : first) {
    CHECK(payload.size() <= 100);
    CHECK(payload.size() >= 70);
    total += payload.size() - 4;
  }
  CHECK(total == 200);
  CHECK(packetizer.Packetize(Bytes(10, 7), false)[0][3] == 1);
}

TEST_CASE("VP9 payloads: begin, end, and whether other pictures are needed") {
  Packetizer packetizer(Codec::kVp9, {}, 100);
  const auto key = packetizer.Packetize(Bytes(150, 7), true);
  REQUIRE(key.size() == 2);
  CHECK(key[0][0] == 0x88);
  CHECK(key[1][0] == 0x84);
  CHECK(packetizer.Packetize(Bytes(10, 7), false)[0][0] == 0xCC);
}

TEST_CASE("H264 from mp4: parameter sets of avcC go in front of a key frame") {
  const Bytes avcc = {1, 0x42, 0xE0, 0x1F, 0xFF, 0xE1, 0, 3, 0x67, 1, 2, 1, 0, 2, 0x68, 3};
  Packetizer packetizer(Codec::kH264, avcc, 100);
  const Bytes key = {0, 0, 0, 2, 9, 16, 0, 0, 0, 3, 0x65, 5, 6};
  CHECK(packetizer.Packetize(key, true) ==
        std::vector<Payload>{{0x67, 1, 2}, {0x68, 3}, {0x65, 5, 6}});
  const Bytes other = {0, 0, 0, 2, 0x41, 5};
  CHECK(packetizer.Packetize(other, false) == std::vector<Payload>{{0x41, 5}});
  const Bytes cut = {0, 0, 0, 9, 0x41, 5};
  CHECK(packetizer.Packetize(cut, false).empty());
}

TEST_CASE("H264 with start codes: those that are in the stream are not sent twice") {
  const Bytes sets = {0, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0x68, 2};
  Packetizer packetizer(Codec::kH264, sets, 100);
  Bytes key = {0, 0, 0, 1, 0x67, 9, 0, 0, 1, 0x65, 5};
  CHECK(packetizer.Packetize(key, true) == std::vector<Payload>{{0x67, 9}, {0x65, 5}});
  key = {0, 0, 1, 0x65, 5};
  CHECK(packetizer.Packetize(key, true) == std::vector<Payload>{{0x67, 1}, {0x68, 2}, {0x65, 5}});
}

TEST_CASE("H264: a large NAL unit goes as FU-A") {
  Packetizer packetizer(Codec::kH264, {}, 100);
  Bytes frame = {0, 0, 0, 1, 0x65};
  frame.resize(255, 7);
  const auto payloads = packetizer.Packetize(frame, true);
  REQUIRE(payloads.size() == 3);
  CHECK(payloads[0][0] == 0x7C);
  CHECK(payloads[0][1] == 0x85);
  CHECK(payloads[1][1] == 0x05);
  CHECK(payloads[2][1] == 0x45);
  size_t total = 0;
  for (const Payload& payload : payloads) total += payload.size() - 2;
  CHECK(total == 250);
}

/// Puts OBUs together again as a receiver does.
std::vector<Bytes> Reassemble(const std::vector<Payload>& payloads) {
  std::vector<Bytes> obus;
  bool open = false;
  for (const Payload& payload : payloads) {
    const bool continues = payload[0] & 0x80;
    CHECK(continues == open);
    size_t at = 1;
    for (bool first = true; at < payload.size(); first = false) {
      size_t size = 0;
      for (int shift = 0;; shift += 7) {
        const uint8_t byte = payload.at(at++);
        size |= static_cast<size_t>(byte & 0x7FU) << shift;
        if (!(byte & 0x80U)) break;
      }
      REQUIRE(at + size <= payload.size());
      if (!(first && continues)) obus.emplace_back();
      const auto from = payload.begin() + static_cast<std::ptrdiff_t>(at);
      obus.back().insert(obus.back().end(), from, from + static_cast<std::ptrdiff_t>(size));
      at += size;
    }
    open = payload[0] & 0x40;
  }
  CHECK_FALSE(open);
  return obus;
}

TEST_CASE("AV1: OBUs without sizes and delimiters, cut where a packet ends") {
  const Bytes av1c = {0x81, 0, 0, 0, 0x0A, 2, 1, 1};
  Packetizer packetizer(Codec::kAv1, av1c, 100);
  Bytes unit = {0x12, 0, 0x32, 0xC8, 0x01};  // a delimiter, a frame of 200 bytes
  for (int i = 0; i < 200; ++i) unit.push_back(static_cast<uint8_t>(i));
  Bytes frame = {0x30};
  frame.insert(frame.end(), unit.begin() + 5, unit.end());
  const auto key = packetizer.Packetize(unit, true);
  CHECK((key[0][0] & 0x08) != 0);
  CHECK(Reassemble(key) == std::vector<Bytes>{{0x08, 1, 1}, frame});
  const auto other = packetizer.Packetize(unit, false);
  CHECK((other[0][0] & 0x08) == 0);
  CHECK(Reassemble(other) == std::vector<Bytes>{frame});
  for (const Payload& payload : key) CHECK(payload.size() <= 100);
  for (size_t size = 150; size < 420; ++size) {  // wherever the cut falls
    Bytes two = {0x32, static_cast<uint8_t>(0x80U | (size & 0x7FU)),
                 static_cast<uint8_t>(size >> 7)};
    two.resize(two.size() + size, 5);
    two.insert(two.end(), {0x32, 3, 1, 2, 3});
    const auto obus = Reassemble(packetizer.Packetize(two, false));
    REQUIRE(obus.size() == 2);
    CHECK(obus[0].size() == size + 1);
    CHECK(obus[1] == Bytes{0x30, 1, 2, 3});
  }
  CHECK(packetizer.Packetize(Bytes{0x32, 9, 1}, false).empty());
}

TEST_CASE("Opus: how long a packet is") {
  CHECK(OpusSamples(Bytes{0xFC}) == 960);       // CELT, 20 ms
  CHECK(OpusSamples(Bytes{0x00}) == 480);       // SILK, 10 ms
  CHECK(OpusSamples(Bytes{0x18}) == 2'880);     // SILK, 60 ms
  CHECK(OpusSamples(Bytes{0x68}) == 960);       // hybrid, 20 ms
  CHECK(OpusSamples(Bytes{0xFD}) == 1'920);     // two frames
  CHECK(OpusSamples(Bytes{0xFF, 3}) == 2'880);  // as many as the second byte says
  CHECK(OpusSamples(Bytes{0xFF}) == 0);
  CHECK(OpusSamples(Bytes{}) == 0);
}

TEST_CASE("Opus: times in whole milliseconds become those at which packets end") {
  OpusClock clock;
  int64_t expected = 0;
  for (int i = 0; i < 1'000; ++i) {
    const int64_t exact = i * 960;
    const int64_t rounded = (exact + 24) / 48 * 48 + (i % 3 - 1) * 48;  // a millisecond off
    const int64_t time = clock.TimeOf(i == 0 ? 0 : rounded, 960);
    CHECK(time == expected);
    expected += 960;
  }
  // A hole is a hole, and what follows it is even again.
  CHECK(clock.TimeOf(expected + 4'800, 960) == expected + 4'800);
  CHECK(clock.TimeOf(expected + 4'800 + 1'000, 960) == expected + 4'800 + 960);
}

}  // namespace
}  // namespace sluice::controller::broadcast::test
