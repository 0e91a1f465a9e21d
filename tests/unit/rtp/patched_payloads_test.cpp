#include "worker/core/rtp/patched_payloads.h"

#include <catch2/catch.hpp>
#include <cstdint>
#include <vector>

#include "worker/core/rtp/routed_packet.h"
#include "worker/core/rtp/sequence_rewriter.h"
#include "worker/wire/payload_descriptor.h"

namespace sluice::worker {
namespace {

/// A VP8 packet with picture id 0x1234, TL0PICIDX 7 and KEYIDX 3.
std::vector<uint8_t> Vp8(size_t size = 100) {
  std::vector<uint8_t> payload = {0x90, 0xf0, 0x92, 0x34, 7, 3, 0x01};
  payload.resize(size, 0xab);
  return payload;
}

RoutedPacket Packet(const std::vector<uint8_t>& payload, uint64_t arrival, uint32_t turn_index) {
  RoutedPacket packet;
  packet.payload = payload;
  packet.info = *ParsePayload(CodecKind::kVp8, payload);
  packet.arrival = arrival;
  packet.turn_index = turn_index;
  return packet;
}

RewriteOffsets Offsets(uint16_t picture_id, uint8_t tl0 = 0, uint8_t key_index = 0) {
  RewriteOffsets offsets;
  offsets.picture_id = picture_id;
  offsets.tl0_picture_index = tl0;
  offsets.key_index = key_index;
  return offsets;
}

TEST_CASE("patched payloads: one is made for all who need the same") {
  PatchedPayloads patched;
  const std::vector<uint8_t> payload = Vp8();
  const RoutedPacket packet = Packet(payload, 5, 2);
  const uint8_t* one = patched.Get(packet, Offsets(1, 2, 3));
  REQUIRE(one != nullptr);
  const auto read = *ParsePayload(CodecKind::kVp8, {one, payload.size()});
  CHECK(read.picture_id == 0x1235);
  CHECK(read.tl0_picture_index == 9);
  CHECK(read.key_index == 6);
  CHECK(std::vector<uint8_t>(one + 6, one + payload.size()) ==
        std::vector<uint8_t>(payload.begin() + 6, payload.end()));
  CHECK(payload == Vp8());  // others go on with that

  CHECK(patched.Get(packet, Offsets(1, 2, 3)) == one);
  const uint8_t* other = patched.Get(packet, Offsets(1, 2, 4));
  CHECK(other != one);
  CHECK(patched.Get(packet, Offsets(1, 2, 4)) == other);
  CHECK(patched.Get(packet, Offsets(1, 2, 3)) == one);
  const RoutedPacket next = Packet(payload, 6, 3);
  CHECK(patched.Get(next, Offsets(1, 2, 3)) != one);
}

TEST_CASE("patched payloads: who finds no room makes a copy of its own") {
  PatchedPayloads patched;
  const std::vector<uint8_t> payload = Vp8();
  const RoutedPacket packet = Packet(payload, 5, 0);
  for (uint16_t i = 1; i <= PatchedPayloads::kMaxOfPacket; ++i) {
    CHECK(patched.Get(packet, Offsets(i)) != nullptr);
  }
  CHECK(patched.Get(packet, Offsets(100)) == nullptr);
  CHECK(patched.Get(packet, Offsets(1)) != nullptr);
  // One of an earlier turn has had the same place in it.
  CHECK(patched.Get(Packet(payload, 4, 0), Offsets(1)) == nullptr);

  const std::vector<uint8_t> large = Vp8(PatchedPayloads::kChunk + 1);
  CHECK(patched.Get(Packet(large, 6, 1), Offsets(1)) == nullptr);
  const std::vector<uint8_t> half = Vp8(PatchedPayloads::kChunk / 2 + 1);  // one in a chunk
  size_t made = 0;
  for (uint32_t i = 2; i < 100; ++i) {
    made += patched.Get(Packet(half, 6 + i, i), Offsets(1)) != nullptr ? 1 : 0;
  }
  CHECK(made == PatchedPayloads::kMaxBytes / PatchedPayloads::kChunk);
  CHECK(patched.HeapBytes() <= 2 * PatchedPayloads::kMaxBytes);

  patched.Clear();
  CHECK(patched.Get(Packet(payload, 4, 0), Offsets(1)) != nullptr);
  CHECK(patched.HeapBytes() >= PatchedPayloads::kMaxBytes);
  patched.Release();
  CHECK(patched.HeapBytes() == 0);
  CHECK(patched.Get(Packet(payload, 7, 0), Offsets(1)) != nullptr);
}

}  // namespace
}  // namespace sluice::worker
