#include "worker/core/rtp/packet_ring.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <vector>

namespace sluice::worker {
namespace {

constexpr Timestamp kStart = Timestamp::Millis(1'000'000);

class RingTest {
 protected:
  /// Adds a packet of a turn of its own.
  RoutedPacket* Add(PacketRing& ring, int64_t sequence, Timestamp at,
                    size_t capacity = PacketBuffer::kPooledCapacity) {
    ring.Unpin();
    return AddPinned(ring, sequence, at, capacity);
  }
  RoutedPacket* AddPinned(PacketRing& ring, int64_t sequence, Timestamp at,
                          size_t capacity = PacketBuffer::kPooledCapacity) {
    const PacketRef buffer = pool_.Allocate(capacity);
    RoutedPacket* packet = ring.Add(ExtendedSeqNumber(sequence), buffer, at);
    if (packet != nullptr) packet->payload = {buffer.data(), 10};
    return packet;
  }
  size_t InUse() const {
    return pool_.allocated_bytes() / PacketBuffer::kPooledCapacity - pool_.free_buffers();
  }

  PacketBufferPool pool_;
};

TEST_CASE_METHOD(RingTest, "packet ring: holds references, not copies") {
  PacketRing ring(PacketRing::kVideoMaxAge);
  const RoutedPacket* packet = Add(ring, 7, kStart);
  REQUIRE(packet != nullptr);
  CHECK(Add(ring, 7, kStart) == nullptr);  // a duplicate changes nothing
  CHECK(ring.size() == 1);
  CHECK(InUse() == 1);
  const RoutedPacket* found = ring.Find(ExtendedSeqNumber(7), kStart);
  REQUIRE(found != nullptr);
  CHECK(found == packet);
  CHECK(found->payload.data() == found->buffer.data());
  CHECK(ring.Find(ExtendedSeqNumber(6), kStart) == nullptr);
  CHECK(ring.Find(ExtendedSeqNumber(8), kStart) == nullptr);
  CHECK(ring.HeldBytes() == PacketBuffer::kPooledCapacity);
}

TEST_CASE_METHOD(RingTest, "packet ring: lets packets go by age") {
  PacketRing ring(PacketRing::kAudioMaxAge);
  Add(ring, 1, kStart);
  Add(ring, 2, kStart + Duration::Millis(500));
  CHECK(ring.Find(ExtendedSeqNumber(1), kStart + Duration::Millis(1000)) != nullptr);
  CHECK(ring.Find(ExtendedSeqNumber(1), kStart + Duration::Millis(1001)) == nullptr);
  ring.Expire(kStart + Duration::Millis(1001));
  CHECK(ring.size() == 1);
  CHECK(InUse() == 1);
  Add(ring, 3, kStart + Duration::Seconds(10));
  CHECK(ring.size() == 1);
  ring.Unpin();
  ring.Expire(kStart + Duration::Seconds(20));
  CHECK(ring.size() == 0);
  CHECK(InUse() == 0);
}

TEST_CASE_METHOD(RingTest, "packet ring: is bounded in numbers, also over gaps and jumps") {
  PacketRing ring(PacketRing::kVideoMaxAge);
  for (int64_t i = 0; i < 10'000; ++i) Add(ring, i, kStart);
  CHECK(ring.size() == static_cast<size_t>(PacketRing::kMaxPackets));
  CHECK(ring.Find(ExtendedSeqNumber(9999), kStart) != nullptr);
  CHECK(ring.Find(ExtendedSeqNumber(7500), kStart) != nullptr);
  CHECK(ring.Find(ExtendedSeqNumber(7499), kStart) == nullptr);
  CHECK(ring.RingBytes() <= 3000 * (sizeof(RoutedPacket) + 16));

  Add(ring, 7499, kStart);  // too late to be kept
  CHECK(ring.Find(ExtendedSeqNumber(7499), kStart) == nullptr);
  Add(ring, int64_t{1} << 40, kStart);
  CHECK(ring.size() == 1);
  Add(ring, (int64_t{1} << 40) + 2400, kStart);
  CHECK(ring.size() == 2);
  CHECK(InUse() == 2);
}

TEST_CASE_METHOD(RingTest, "packet ring: takes late packets, also before the oldest") {
  PacketRing ring(PacketRing::kVideoMaxAge);
  Add(ring, 100, kStart);
  Add(ring, 40, kStart);
  Add(ring, 170, kStart);
  for (const int64_t sequence : {40, 100, 170}) {
    const RoutedPacket* found = ring.Find(ExtendedSeqNumber(sequence), kStart);
    REQUIRE(found != nullptr);
    CHECK(found->sequence.value() == sequence);
  }
  CHECK(ring.Find(ExtendedSeqNumber(41), kStart) == nullptr);
}

TEST_CASE_METHOD(RingTest, "packet ring: agrees with a map over a disturbed stream") {
  const auto seed = GENERATE(range(1u, 11u));
  std::mt19937 random(seed);
  PacketRing ring(PacketRing::kVideoMaxAge);
  std::map<int64_t, Timestamp> model;
  Timestamp now = kStart;
  int64_t newest = 0;
  for (int i = 0; i < 5000; ++i) {
    now = now + Duration::Millis(static_cast<int64_t>(random() % 5));
    const int64_t sequence = newest + static_cast<int64_t>(random() % 8) - 4;
    newest = std::max(newest, sequence);
    Add(ring, sequence, now);
    model.emplace(sequence, now);
    const int64_t probe = newest - static_cast<int64_t>(random() % 800);
    const auto expected = model.find(probe);
    const RoutedPacket* found = ring.Find(ExtendedSeqNumber(probe), now);
    if (found != nullptr) {
      REQUIRE(found->sequence.value() == probe);
      REQUIRE(now - found->received_at <= PacketRing::kVideoMaxAge);
    } else if (expected != model.end()) {
      REQUIRE(now - expected->second > PacketRing::kVideoMaxAge);
      model.erase(expected);
    }
  }
  ring.Clear();
  ring.Unpin();
  CHECK(InUse() == 0);
}

// The list of a turn points into the ring: nothing that happens to the ring in this turn may touch
// what it points to.
TEST_CASE_METHOD(RingTest, "packet ring: a packet of this turn outlives its place in the ring") {
  PacketRing ring(PacketRing::kVideoMaxAge);
  std::vector<const RoutedPacket*> turn;
  ring.Unpin();
  const auto receive = [&](int64_t sequence, Timestamp at) {
    turn.push_back(AddPinned(ring, sequence, at));
    REQUIRE(turn.back() != nullptr);
  };
  for (int64_t i = 0; i < 100; ++i) receive(i, kStart);
  receive(PacketRing::kMaxPackets + 50, kStart);  // pushes some out
  receive(5 * PacketRing::kMaxPackets, kStart);   // and all others
  receive(5 * PacketRing::kMaxPackets + 1, kStart + Duration::Seconds(10));
  ring.Expire(kStart + Duration::Seconds(20));
  CHECK(ring.size() == 0);
  ring.Shrink();  // not while they are in use
  CHECK(InUse() == 103);
  std::set<const RoutedPacket*> distinct(turn.begin(), turn.end());
  CHECK(distinct.size() == 103);
  for (int64_t i = 0; i < 100; ++i) {
    const RoutedPacket& packet = *turn[static_cast<size_t>(i)];
    REQUIRE(packet.sequence.value() == i);
    REQUIRE(packet.payload.data() == packet.buffer.data());
  }
  ring.Unpin();
  CHECK(InUse() == 0);
  ring.Shrink();
  CHECK(ring.RingBytes() == 0);
  CHECK(Add(ring, 7, kStart) != nullptr);
}

TEST_CASE_METHOD(RingTest, "packet ring: is bounded in bytes") {
  constexpr size_t kBig = 65'507;
  PacketRing ring(PacketRing::kVideoMaxAge);
  for (int64_t i = 0; i < 2000; ++i) {
    Add(ring, i, kStart, kBig);
    REQUIRE(ring.HeldBytes() <= PacketRing::kMaxBytes);
  }
  CHECK(ring.HeldBytes() > PacketRing::kMaxBytes - kBig);
  CHECK(ring.Find(ExtendedSeqNumber(1999), kStart) != nullptr);
  CHECK(ring.dropped_over_bytes() == 2000 - ring.size());

  // What an ordinary sender sends is bounded by number and age alone.
  PacketRing ordinary(PacketRing::kVideoMaxAge);
  for (int64_t i = 0; i < 5000; ++i) Add(ordinary, i, kStart);
  CHECK(ordinary.dropped_over_bytes() == 0);
}

TEST_CASE_METHOD(RingTest, "packet ring: padding takes a number and no buffer") {
  PacketRing ring(PacketRing::kVideoMaxAge);
  CHECK(ring.Add(ExtendedSeqNumber(5), PacketRef(), kStart) != nullptr);
  CHECK(ring.HeldBytes() == 0);
  CHECK(ring.Find(ExtendedSeqNumber(5), kStart) != nullptr);
  CHECK(ring.Find(ExtendedSeqNumber(5), kStart + Duration::Seconds(3)) == nullptr);
}

TEST_CASE_METHOD(RingTest, "packet ring: keeps a group that is to be kept, and no other packets") {
  const bool keep = GENERATE(true, false);
  PacketRing ring(PacketRing::kVideoMaxAge);
  for (int i = 0; i < 600; ++i) {
    const Timestamp at = kStart + Duration::Millis(10 * i);
    Add(ring, i, at);
    if (i == 100) ring.BeginGroup(ExtendedSeqNumber(100), RtpTimestamp(7), keep);
    if (i == 101) ring.BeginGroup(ExtendedSeqNumber(101), RtpTimestamp(7), keep);  // the same frame
  }
  const Timestamp now = kStart + Duration::Millis(5990);
  CHECK(ring.FindKept(ExtendedSeqNumber(99)) == nullptr);
  CHECK(ring.Find(ExtendedSeqNumber(100), now) == nullptr);  // too old for whoever has seen others
  CHECK((ring.FindKept(ExtendedSeqNumber(100)) != nullptr) == keep);
  const auto group = ring.ReadGroup();
  REQUIRE(group.has_value() == keep);
  if (!keep) return;
  CHECK(group->first == ExtendedSeqNumber(100));
  CHECK(group->began_at == kStart + Duration::Seconds(1));
  CHECK(group->bytes == 5000);
  // With the next one the old one goes.
  Add(ring, 600, kStart + Duration::Seconds(6));
  ring.BeginGroup(ExtendedSeqNumber(600), RtpTimestamp(8), keep);
  Add(ring, 601, kStart + Duration::Millis(6010));
  CHECK(ring.FindKept(ExtendedSeqNumber(100)) == nullptr);
  CHECK(ring.ReadGroup()->bytes == 20);
  // A late packet of an older key frame begins nothing.
  ring.BeginGroup(ExtendedSeqNumber(590), RtpTimestamp(6), keep);
  CHECK(ring.ReadGroup()->first == ExtendedSeqNumber(600));
  ring.ForgetGroup();
  CHECK_FALSE(ring.ReadGroup());
}

TEST_CASE_METHOD(RingTest, "packet ring: what is still to be sent to somebody stays") {
  PacketRing ring(PacketRing::kVideoMaxAge);
  for (int i = 0; i < 300; ++i) Add(ring, i, kStart + Duration::Millis(10 * i));
  ring.HoldFrom(ExtendedSeqNumber(120));
  for (int i = 300; i < 900; ++i) Add(ring, i, kStart + Duration::Millis(10 * i));
  CHECK(ring.FindKept(ExtendedSeqNumber(119)) == nullptr);
  CHECK(ring.FindKept(ExtendedSeqNumber(120)) != nullptr);
  CHECK(ring.oldest() == ExtendedSeqNumber(120));
  ring.HoldFrom(ExtendedSeqNumber(600));
  ring.Expire(kStart + Duration::Millis(8990));
  CHECK(ring.oldest() == ExtendedSeqNumber(600));
  ring.HoldFrom(std::nullopt);
  ring.Expire(kStart + Duration::Millis(8990));
  CHECK(ring.oldest() == ExtendedSeqNumber(699));
}

TEST_CASE_METHOD(RingTest, "packet ring: what all keep together has a bound") {
  constexpr size_t kRings = 80;
  constexpr int kPackets = 2000;
  std::vector<std::unique_ptr<PacketRing>> rings;
  const PacketRef shared = pool_.Allocate();
  for (size_t r = 0; r < kRings; ++r) {
    PacketRing& ring = *rings.emplace_back(std::make_unique<PacketRing>(PacketRing::kVideoMaxAge));
    for (int i = 0; i < kPackets; ++i) {
      ring.Unpin();
      ring.Add(ExtendedSeqNumber(i), shared, kStart + Duration::Millis(2 * i));
      if (i == 0) ring.BeginGroup(ExtendedSeqNumber(0), RtpTimestamp(7), true);
    }
  }
  const auto keep = std::count_if(rings.begin(), rings.end(),
                                  [](const auto& ring) { return ring->ReadGroup().has_value(); });
  CHECK(keep == PacketRing::kMaxKeptBytes / (kPackets * PacketBuffer::kPooledCapacity));
  CHECK(PacketRing::AllKeptBytes() <= PacketRing::kMaxKeptBytes);
  rings.clear();
  CHECK(PacketRing::AllKeptBytes() == 0);
}

TEST_CASE_METHOD(RingTest, "packet ring: a group with a hole that will not be filled is none") {
  PacketRing ring(PacketRing::kVideoMaxAge);
  Add(ring, 0, kStart);
  ring.BeginGroup(ExtendedSeqNumber(0), RtpTimestamp(7), true);
  Add(ring, 2, kStart);
  CHECK(ring.ReadGroup());  // on its way, perhaps
  for (int i = 3; i < 100; ++i) Add(ring, i, kStart + Duration::Millis(i));
  CHECK_FALSE(ring.ReadGroup());
  Add(ring, 1, kStart + Duration::Millis(200));
  CHECK(ring.ReadGroup());
}

TEST_CASE_METHOD(RingTest, "packet ring: a group has bounds of age and of bytes") {
  PacketRing ring(PacketRing::kVideoMaxAge);
  Add(ring, 0, kStart);
  ring.BeginGroup(ExtendedSeqNumber(0), RtpTimestamp(7), true);
  SECTION("age") {
    for (int i = 1; i <= 150; ++i) Add(ring, i, kStart + Duration::Millis(100 * i));
    CHECK(ring.ReadGroup());
    Add(ring, 151, kStart + PacketRing::kMaxGroupAge + Duration::Millis(1));
  }
  SECTION("bytes") {
    const auto most = static_cast<int>(PacketRing::kMaxGroupBytes / PacketBuffer::kPooledCapacity);
    for (int i = 1; i < most; ++i) Add(ring, i, kStart + Duration::Millis(2 * i));
    CHECK(ring.ReadGroup());
    for (int i = most; i < most + 2; ++i) Add(ring, i, kStart + Duration::Millis(2 * i));
  }
  CHECK_FALSE(ring.ReadGroup());
  CHECK(ring.FindKept(ExtendedSeqNumber(0)) == nullptr);
  ring.Expire(kStart + Duration::Seconds(60));
  ring.Unpin();
  CHECK(ring.size() == 0);
  CHECK(InUse() == 0);
}

}  // namespace
}  // namespace sluice::worker
