#include "worker/channel/frame_reader.h"

#include <catch2/catch.hpp>

#include <random>

namespace sluice::worker {
namespace {

using Bytes = std::vector<uint8_t>;

Bytes Frame(const Bytes& payload) {
  Bytes frame(4);
  for (size_t i = 0; i < 4; ++i) frame[i] = static_cast<uint8_t>(payload.size() >> (8 * i));
  frame.insert(frame.end(), payload.begin(), payload.end());
  return frame;
}

struct Collector {
  std::vector<Bytes> frames;
  FrameReader reader{[this](std::span<const uint8_t> frame) {
    CHECK(reinterpret_cast<uintptr_t>(frame.data()) % 8 == 0);
    frames.emplace_back(frame.begin(), frame.end());
  }};
};

TEST_CASE("frames may share a read") {
  Collector c;
  Bytes stream = Frame({1, 2, 3});
  const Bytes second = Frame({4});
  stream.insert(stream.end(), second.begin(), second.end());
  CHECK(c.reader.OnBytes(stream));
  CHECK(c.frames == std::vector<Bytes>{Frame({1, 2, 3}), Frame({4})});
  CHECK(c.reader.buffered() == 0);
}

TEST_CASE("frames may be split anywhere") {
  std::mt19937 random(1);
  std::vector<Bytes> sent;
  Bytes stream;
  for (int i = 0; i < 200; ++i) {
    sent.push_back(Frame(Bytes(1 + random() % 300, static_cast<uint8_t>(i))));
    stream.insert(stream.end(), sent.back().begin(), sent.back().end());
  }
  Collector c;
  std::span<const uint8_t> rest = stream;
  while (!rest.empty()) {
    const size_t take = std::min<size_t>(rest.size(), 1 + random() % 20);
    REQUIRE(c.reader.OnBytes(rest.first(take)));
    rest = rest.subspan(take);
  }
  CHECK(c.frames == sent);
}

TEST_CASE("empty frames are skipped") {
  Collector c;
  CHECK(c.reader.OnBytes(Bytes(40, 0)));
  CHECK(c.frames.empty());
  CHECK(c.reader.OnBytes(Frame({7})));
  CHECK(c.frames.size() == 1);
}

TEST_CASE("the largest frame passes, one byte more ends the reading for good") {
  Collector c;
  CHECK(c.reader.OnBytes(Frame(Bytes(FrameReader::kMaxPayload, 5))));
  REQUIRE(c.frames.size() == 1);
  CHECK(c.frames[0].size() == FrameReader::kMaxPayload + FrameReader::kPrefix);
  constexpr uint32_t kTooLong = FrameReader::kMaxPayload + 1;
  const Bytes prefix = {static_cast<uint8_t>(kTooLong), static_cast<uint8_t>(kTooLong >> 8),
                        static_cast<uint8_t>(kTooLong >> 16), static_cast<uint8_t>(kTooLong >> 24)};
  CHECK_FALSE(c.reader.OnBytes(prefix));
  CHECK(c.reader.buffered() == 0);
  CHECK_FALSE(c.reader.OnBytes(Frame({1})));
  CHECK(c.frames.size() == 1);
}

TEST_CASE("an announced length alone takes no memory") {
  Collector c;
  CHECK(c.reader.OnBytes(Bytes{0, 0, 0x7f, 0}));
  CHECK(c.reader.buffered() == 4);
}

TEST_CASE("after a stop the frames go on with the next bytes, or with none") {
  std::vector<Bytes> frames;
  size_t wanted = 1;
  FrameReader* self = nullptr;
  FrameReader reader([&](std::span<const uint8_t> frame) {
    frames.emplace_back(frame.begin(), frame.end());
    if (frames.size() == wanted) self->Stop();
  });
  self = &reader;
  Bytes stream;
  std::vector<Bytes> sent;
  for (uint8_t i = 0; i < 5; ++i) {
    sent.push_back(Frame(Bytes(10, i)));
    stream.insert(stream.end(), sent.back().begin(), sent.back().end());
  }
  CHECK(reader.OnBytes(std::span<const uint8_t>(stream).first(60)));
  CHECK(frames.size() == 1);
  CHECK(reader.buffered() == 60 - 14);
  wanted = 3;
  CHECK(reader.OnBytes(std::span<const uint8_t>(stream).subspan(60)));
  CHECK(frames.size() == 3);
  CHECK(reader.OnBytes({}));
  CHECK(frames == sent);
  CHECK(reader.buffered() == 0);
}

}  // namespace
}  // namespace sluice::worker
