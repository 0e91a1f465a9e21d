#include "worker/core/rtp/retransmission_store.h"

#include <catch2/catch.hpp>
#include <map>
#include <random>

namespace sluice::worker {
namespace {

constexpr Timestamp kStart = Timestamp::Millis(1'000'000);

class StoreTest {
 protected:
  RoutedPacket Packet(int64_t sequence, Timestamp at) {
    RoutedPacket packet;
    packet.buffer = pool_.Allocate();
    packet.payload = {packet.buffer.data(), 10};
    packet.sequence = ExtendedSeqNumber(sequence);
    packet.received_at = at;
    return packet;
  }
  size_t InUse() const {
    return pool_.allocated_bytes() / PacketBuffer::kPooledCapacity - pool_.free_buffers();
  }

  PacketBufferPool pool_;
};

TEST_CASE_METHOD(StoreTest, "retransmission store: holds references, not copies") {
  RetransmissionStore store(RetransmissionStore::kVideoMaxAge);
  const RoutedPacket packet = Packet(7, kStart);
  store.Add(packet);
  store.Add(packet);  // a duplicate changes nothing
  CHECK(store.size() == 1);
  CHECK(InUse() == 1);
  const RoutedPacket* found = store.Find(ExtendedSeqNumber(7), kStart);
  REQUIRE(found != nullptr);
  CHECK(found->payload.data() == packet.payload.data());
  CHECK(store.Find(ExtendedSeqNumber(6), kStart) == nullptr);
  CHECK(store.Find(ExtendedSeqNumber(8), kStart) == nullptr);
  CHECK(store.HeldBytes() == PacketBuffer::kPooledCapacity);
}

TEST_CASE_METHOD(StoreTest, "retransmission store: lets packets go by age") {
  RetransmissionStore store(RetransmissionStore::kAudioMaxAge);
  store.Add(Packet(1, kStart));
  store.Add(Packet(2, kStart + Duration::Millis(500)));
  CHECK(store.Find(ExtendedSeqNumber(1), kStart + Duration::Millis(1000)) != nullptr);
  CHECK(store.Find(ExtendedSeqNumber(1), kStart + Duration::Millis(1001)) == nullptr);
  store.Expire(kStart + Duration::Millis(1001));
  CHECK(store.size() == 1);
  CHECK(InUse() == 1);
  store.Add(Packet(3, kStart + Duration::Seconds(10)));
  CHECK(store.size() == 1);
  store.Expire(kStart + Duration::Seconds(20));
  CHECK(store.size() == 0);
  CHECK(InUse() == 0);
}

TEST_CASE_METHOD(StoreTest,
                 "retransmission store: is bounded in numbers, also over gaps and jumps") {
  RetransmissionStore store(RetransmissionStore::kVideoMaxAge);
  for (int64_t i = 0; i < 10'000; ++i) store.Add(Packet(i, kStart));
  CHECK(store.size() == static_cast<size_t>(RetransmissionStore::kMaxPackets));
  CHECK(store.Find(ExtendedSeqNumber(9999), kStart) != nullptr);
  CHECK(store.Find(ExtendedSeqNumber(7500), kStart) != nullptr);
  CHECK(store.Find(ExtendedSeqNumber(7499), kStart) == nullptr);
  CHECK(store.RingBytes() <= 4096 * sizeof(RoutedPacket));

  store.Add(Packet(7499, kStart));  // too late to be kept
  CHECK(store.Find(ExtendedSeqNumber(7499), kStart) == nullptr);
  store.Add(Packet(int64_t{1} << 40, kStart));
  CHECK(store.size() == 1);
  store.Add(Packet((int64_t{1} << 40) + 2400, kStart));
  CHECK(store.size() == 2);
  CHECK(InUse() == 2);
}

TEST_CASE_METHOD(StoreTest, "retransmission store: takes late packets, also before the oldest") {
  RetransmissionStore store(RetransmissionStore::kVideoMaxAge);
  store.Add(Packet(100, kStart));
  store.Add(Packet(40, kStart));
  store.Add(Packet(170, kStart));
  for (const int64_t sequence : {40, 100, 170}) {
    const RoutedPacket* found = store.Find(ExtendedSeqNumber(sequence), kStart);
    REQUIRE(found != nullptr);
    CHECK(found->sequence.value() == sequence);
  }
  CHECK(store.Find(ExtendedSeqNumber(41), kStart) == nullptr);
}

TEST_CASE_METHOD(StoreTest, "retransmission store: agrees with a map over a disturbed stream") {
  const auto seed = GENERATE(range(1u, 11u));
  std::mt19937 random(seed);
  RetransmissionStore store(RetransmissionStore::kVideoMaxAge);
  std::map<int64_t, Timestamp> model;
  Timestamp now = kStart;
  int64_t newest = 0;
  for (int i = 0; i < 5000; ++i) {
    now = now + Duration::Millis(static_cast<int64_t>(random() % 5));
    const int64_t sequence = newest + static_cast<int64_t>(random() % 8) - 4;
    newest = std::max(newest, sequence);
    store.Add(Packet(sequence, now));
    model.emplace(sequence, now);
    const int64_t probe = newest - static_cast<int64_t>(random() % 800);
    const auto expected = model.find(probe);
    const RoutedPacket* found = store.Find(ExtendedSeqNumber(probe), now);
    if (found != nullptr) {
      REQUIRE(found->sequence.value() == probe);
      REQUIRE(now - found->received_at <= RetransmissionStore::kVideoMaxAge);
    } else if (expected != model.end()) {
      REQUIRE(now - expected->second > RetransmissionStore::kVideoMaxAge);
      model.erase(expected);
    }
  }
  store.Clear();
  CHECK(InUse() == 0);
}

}  // namespace
}  // namespace sluice::worker
