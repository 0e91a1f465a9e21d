#include "worker/io/udp_backlog.h"

#include "tests/unit/io/io_test.h"

namespace sluice::worker {
namespace {

using test::Bytes;

SocketAddress To(uint16_t port) { return {*IpAddress::Parse("10.0.0.1"), port}; }

/// An RTP packet of `size` bytes of one frame.
Bytes Rtp(uint32_t ssrc, uint32_t timestamp, size_t size = 1200) {
  Bytes bytes(size);
  for (size_t i = 0; i < 4; ++i) {
    bytes[4 + i] = static_cast<uint8_t>(timestamp >> (24 - 8 * i));
    bytes[8 + i] = static_cast<uint8_t>(ssrc >> (24 - 8 * i));
  }
  return bytes;
}

struct Fixture {
  void Video(uint16_t port, uint32_t frame, size_t packets = 1, size_t size = 1200) {
    for (size_t i = 0; i < packets; ++i) Add(port, Rtp(port, frame, size), PacketKind::kVideo);
  }
  void Add(uint16_t port, const Bytes& bytes, PacketKind kind) {
    backlog.Add({bytes.data(), static_cast<uint16_t>(bytes.size()), To(port), kind}, now);
  }
  /// (port, RTP timestamp) of what is taken; at most `count` packets.
  std::vector<std::pair<int, int>> Take(size_t count = 1'000'000) {
    std::vector<std::pair<int, int>> taken;
    while (taken.size() < count) {
      const auto batch = backlog.NextBatch(now);
      if (batch.empty()) break;
      taken.emplace_back(batch[0].to.port, batch[0].data[6] << 8 | batch[0].data[7]);
      backlog.Pop(1);
    }
    return taken;
  }

  BacklogBudget budget;
  DropStats drops;
  UdpBacklog backlog{budget, drops};
  Timestamp now = Timestamp::Millis(10'000);
};

using Taken = std::vector<std::pair<int, int>>;

TEST_CASE("destinations take turns, and all that is not video goes before video") {
  Fixture f;
  f.Video(1, 1, 20);
  f.Video(2, 2, 2);
  f.Add(3, Bytes(100), PacketKind::kAudio);
  f.Add(3, Bytes(100), PacketKind::kRtcp);
  f.Add(1, Bytes(100), PacketKind::kStun);
  f.Add(2, Bytes(100), PacketKind::kDtls);
  Taken expected = {{3, 0}, {1, 0}, {2, 0}, {3, 0}};
  expected.insert(expected.end(), 8, {1, 1});
  expected.insert(expected.end(), 2, {2, 2});
  expected.insert(expected.end(), 12, {1, 1});
  CHECK(f.Take() == expected);
  CHECK(f.backlog.empty());
  CHECK(f.budget.used == 0);
  CHECK(f.drops.total() == 0);
}

TEST_CASE("nothing is older than half a second, and what is dropped is counted by kind") {
  Fixture f;
  f.Video(1, 1, 3);
  f.Add(1, Bytes(100), PacketKind::kAudio);
  f.now = f.now + ReceiverBacklog::kMaxAge;
  f.Video(2, 2);
  SECTION("not yet") {
    CHECK(f.Take().size() == 5);
    CHECK(f.drops.total() == 0);
  }
  SECTION("when it would be sent") {
    f.now = f.now + Duration::Millis(1);
    CHECK(f.Take() == Taken{{2, 2}});
    CHECK(f.drops.of(PacketKind::kVideo) == 3);
    CHECK(f.drops.of(PacketKind::kAudio) == 1);
    CHECK(f.drops.video_frames == 1);
  }
  SECTION("while the socket stays full") {
    f.now = f.now + Duration::Millis(1);
    f.backlog.Sweep(f.now);
    CHECK(f.drops.total() == 4);
    CHECK(f.backlog.bytes() == 1200 + ReceiverBacklog::kOverhead);
    CHECK(f.budget.used == f.backlog.bytes());
  }
}

TEST_CASE("a frame is dropped whole: its young packets, and those that come later") {
  Fixture f;
  f.Video(1, 1, 2);
  f.now = f.now + Duration::Millis(400);
  f.Video(1, 1);  // of the same frame, late
  f.Video(1, 2);
  f.now = f.now + Duration::Millis(101);
  f.backlog.Sweep(f.now);
  f.Video(1, 1);
  f.Video(1, 3);
  CHECK(f.Take() == Taken{{1, 2}, {1, 3}});
  CHECK(f.drops.of(PacketKind::kVideo) == 4);
  CHECK(f.drops.video_frames == 1);
}

TEST_CASE("without room, frames of who holds most go first, and never what is not video") {
  Fixture f;
  constexpr size_t kPacket = 60'000;
  constexpr size_t kFits = BacklogBudget().max_bytes / (kPacket + ReceiverBacklog::kOverhead);
  // 1 holds most and 2 little; both have frames of two packets.
  const size_t most = kFits - 20;
  for (size_t i = 0; i < most / 2; ++i) f.Video(1, static_cast<uint32_t>(i), 2, kPacket);
  for (uint32_t i = 0; i < 5; ++i) f.Video(2, i, 2, kPacket);
  CHECK(f.drops.total() == 0);
  f.Take(1);  // the first frame of 1 is begun: it is spared
  for (size_t i = 0; i < 60; ++i) f.Add(3, Bytes(kPacket), PacketKind::kAudio);
  for (uint32_t i = 5; i < 10; ++i) f.Video(2, i, 2, kPacket);
  CHECK(f.budget.used <= BacklogBudget().max_bytes);
  CHECK(f.drops.of(PacketKind::kAudio) == 0);
  CHECK(f.drops.of(PacketKind::kVideo) == 2 * f.drops.video_frames);
  const Taken taken = f.Take();
  CHECK(std::count_if(taken.begin(), taken.end(), [](auto t) { return t.first == 3; }) == 60);
  CHECK(std::count_if(taken.begin(), taken.end(), [](auto t) { return t.first == 2; }) == 20);
  CHECK(f.budget.used == 0);
}

TEST_CASE("a full backlog of many destinations finds quickly who holds most") {
  Fixture f;
  constexpr uint16_t kDestinations = 10'000;
  const auto round = [&](uint32_t frame) {
    for (uint16_t port = 1; port <= kDestinations; ++port) f.Video(port, frame, 1, 6'600);
  };
  round(1);
  CHECK(f.drops.total() == 0);
  const uint64_t before = UdpBacklog::compared();
  round(2);
  CHECK(f.drops.video_frames > kDestinations / 2);
  CHECK(f.budget.used <= BacklogBudget().max_bytes);
  const uint64_t each = (UdpBacklog::compared() - before) / kDestinations;
  INFO(each << " comparisons for each packet");
  CHECK(each < 100);
  CHECK(f.Take().size() == 2 * kDestinations - f.drops.total());
  CHECK(f.budget.used == 0);
}

TEST_CASE("with no video to drop a packet that does not fit is refused") {
  Fixture f;
  for (size_t i = 0; i < 1200; ++i) f.Add(1, Bytes(60'000), PacketKind::kAudio);
  CHECK(f.budget.used <= BacklogBudget().max_bytes);
  CHECK(f.drops.of(PacketKind::kAudio) > 0);
  CHECK(f.drops.total() + f.Take().size() == 1200);
}

TEST_CASE("a backlog that goes gives back its share of the budget") {
  Fixture f;
  {
    UdpBacklog other(f.budget, f.drops);
    const Bytes bytes(100);
    other.Add({bytes.data(), 100, To(1), PacketKind::kAudio}, f.now);
    CHECK(f.budget.used > 0);
  }
  CHECK(f.budget.used == 0);
}

}  // namespace
}  // namespace sluice::worker
