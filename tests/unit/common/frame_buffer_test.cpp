#include "common/frame_buffer.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <random>

namespace sluice {
namespace {

using Bytes = std::vector<uint8_t>;

Bytes Frame(const Bytes& payload) {
  Bytes frame(FrameBuffer::kPrefix);
  for (size_t i = 0; i < frame.size(); ++i) {
    frame[i] = static_cast<uint8_t>(payload.size() >> (8 * i));
  }
  frame.insert(frame.end(), payload.begin(), payload.end());
  return frame;
}

/// All frames that are there.
std::vector<Bytes> Take(FrameBuffer& buffer) {
  std::vector<Bytes> frames;
  while (const auto frame = buffer.Next()) {
    CHECK(reinterpret_cast<uintptr_t>(frame->data()) % 8 == 0);
    frames.emplace_back(frame->begin(), frame->end());
  }
  return frames;
}

TEST_CASE("frames may share a read") {
  FrameBuffer buffer;
  Bytes stream = Frame({1, 2, 3});
  const Bytes second = Frame({4});
  stream.insert(stream.end(), second.begin(), second.end());
  buffer.Append(stream);
  CHECK(Take(buffer) == std::vector<Bytes>{Frame({1, 2, 3}), Frame({4})});
  CHECK(buffer.buffered() == 0);
}

TEST_CASE("frames may be split anywhere") {
  std::mt19937 random(1);
  std::vector<Bytes> sent;
  Bytes stream;
  for (int i = 0; i < 200; ++i) {
    sent.push_back(Frame(Bytes(1 + random() % 300, static_cast<uint8_t>(i))));
    stream.insert(stream.end(), sent.back().begin(), sent.back().end());
  }
  FrameBuffer buffer;
  std::vector<Bytes> got;
  std::span<const uint8_t> rest = stream;
  while (!rest.empty()) {
    const size_t take = std::min<size_t>(rest.size(), 1 + random() % 20);
    buffer.Append(rest.first(take));
    for (Bytes& frame : Take(buffer)) got.push_back(std::move(frame));
    rest = rest.subspan(take);
  }
  CHECK(got == sent);
}

TEST_CASE("empty frames are skipped") {
  FrameBuffer buffer;
  buffer.Append(Bytes(40, 0));
  CHECK(Take(buffer).empty());
  CHECK(buffer.buffered() == 0);
  buffer.Append(Frame({7}));
  CHECK(Take(buffer).size() == 1);
}

TEST_CASE("the largest frame passes, one byte more ends the reading for good") {
  constexpr size_t kLargest = FrameBuffer::kMaxFrame - FrameBuffer::kPrefix;
  FrameBuffer buffer;
  buffer.Append(Frame(Bytes(kLargest, 5)));
  const std::vector<Bytes> frames = Take(buffer);
  REQUIRE(frames.size() == 1);
  CHECK(frames[0].size() == FrameBuffer::kMaxFrame);
  CHECK_FALSE(buffer.broken());
  constexpr auto kTooLong = static_cast<uint32_t>(kLargest + 1);
  buffer.Append(Bytes{static_cast<uint8_t>(kTooLong), static_cast<uint8_t>(kTooLong >> 8),
                      static_cast<uint8_t>(kTooLong >> 16), static_cast<uint8_t>(kTooLong >> 24)});
  CHECK(Take(buffer).empty());
  CHECK(buffer.broken());
  CHECK(buffer.buffered() == 0);
  buffer.Append(Frame({1}));
  CHECK(Take(buffer).empty());
}

TEST_CASE("an announced length alone takes no memory") {
  FrameBuffer buffer;
  buffer.Append(Bytes{0, 0, 0x7f, 0});
  CHECK(Take(buffer).empty());
  CHECK(buffer.buffered() == 4);
}

TEST_CASE("what is not taken stays") {
  FrameBuffer buffer;
  Bytes stream;
  std::vector<Bytes> sent;
  for (uint8_t i = 0; i < 5; ++i) {
    sent.push_back(Frame(Bytes(10, i)));
    stream.insert(stream.end(), sent.back().begin(), sent.back().end());
  }
  buffer.Append(std::span<const uint8_t>(stream).first(60));
  const auto first = buffer.Next();
  REQUIRE(first.has_value());
  std::vector<Bytes> got = {Bytes(first->begin(), first->end())};
  CHECK(buffer.buffered() == 60 - 14);
  buffer.Append(std::span<const uint8_t>(stream).subspan(60));
  for (Bytes& frame : Take(buffer)) got.push_back(std::move(frame));
  CHECK(got == sent);
}

}  // namespace
}  // namespace sluice
