#include "worker/media/paced_sender.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>
#include <span>
#include <vector>

#include "tests/sim/virtual_environment.h"
#include "worker/wire/rtp_packet.h"

namespace sluice::worker {
namespace {

class RecordingWriter final : public PacketWriter {
 public:
  uint8_t* Reserve(size_t size) override {
    if (full) return nullptr;
    slot_.assign(size, 0);
    return slot_.data();
  }
  void Commit(size_t size, const SocketAddress&, PacketKind) override {
    packets.emplace_back(slot_.begin(), slot_.begin() + static_cast<std::ptrdiff_t>(size));
  }

  bool full = false;
  std::vector<std::vector<uint8_t>> packets;

 private:
  std::vector<uint8_t> slot_;
};

class PacedSenderTest {
 protected:
  static constexpr size_t kHeader = 20;
  static constexpr uint32_t kNoNumber = RtpEgress::kNoNumber;

  PacedSenderTest() {
    sender_.SetPath(NetworkPath{FiveTuple(), &writer_});
    sender_.SetConnected(true);
  }
  /// A packet with room for both stamps, from wherever its payload is.
  /// Its number; kNoNumber when it has none or did not leave.
  uint32_t Send(RtpClass rtp_class = RtpClass::kMedia, bool stamped = true) {
    uint8_t* slot = sender_.BeginRtp(kHeader + payload_.size());
    if (slot == nullptr) return kNoNumber;
    OutgoingRtp packet;
    packet.slot = slot;
    packet.header_size = kHeader;
    packet.payload = payload_;
    packet.rtp_class = rtp_class;
    if (stamped) packet.stamps = {13, 17};
    return sender_.EndRtp(packet);
  }

  VirtualEnvironment environment_;
  TransportTraffic traffic_;
  RecordingWriter writer_;
  SendLimit limit_;
  PacedSender sender_{environment_, /*encrypted=*/false, traffic_, limit_};
  const std::vector<uint8_t> payload_ = {7, 8, 9};
};

TEST_CASE_METHOD(PacedSenderTest,
                 "paced sender: media, retransmissions and padding share a count") {
  CHECK(Send() == uint32_t{1});
  CHECK(Send(RtpClass::kRetransmission) == uint32_t{2});
  CHECK(Send(RtpClass::kMedia, /*stamped=*/false) == kNoNumber);
  environment_.AdvanceBy(Duration::Millis(20));
  CHECK(Send(RtpClass::kPadding) == uint32_t{3});
  REQUIRE(writer_.packets.size() == 4);
  const auto& first = writer_.packets[0];
  CHECK(std::equal(payload_.begin(), payload_.end(), first.begin() + kHeader));
  CHECK(first[17] == 0);
  CHECK(first[18] == 1);
  CHECK(writer_.packets[2][18] == 0);
  const auto& last = writer_.packets[3];
  CHECK(last[18] == 3);
  const uint32_t time = AbsSendTimeFromMicros(environment_.Now().us());
  CHECK((uint32_t{last[13]} << 16 | uint32_t{last[14]} << 8 | last[15]) == time);
  CHECK(first[15] != last[15]);
  CHECK(traffic_.sent.bytes() == 4 * (kHeader + payload_.size()));
  CHECK(traffic_.rtx_sent.bytes() == kHeader + payload_.size());
  CHECK(traffic_.rtp_sent.bytes() == 3 * (kHeader + payload_.size()));
}

// Feedback would call a number lost that never left.
TEST_CASE_METHOD(PacedSenderTest, "paced sender: what does not leave takes no number") {
  CHECK(Send() == uint32_t{1});
  writer_.full = true;
  CHECK(Send() == kNoNumber);
  writer_.full = false;
  sender_.SetPath({});
  CHECK(Send() == kNoNumber);
  sender_.SetPath(NetworkPath{FiveTuple(), &writer_});
  sender_.SetConnected(false);
  CHECK(Send() == kNoNumber);
  sender_.SetConnected(true);
  CHECK(traffic_.counters.send_refused == 3);
  CHECK(Send() == uint32_t{2});

  PacedSender without_keys(environment_, /*encrypted=*/true, traffic_, limit_);
  without_keys.SetPath(NetworkPath{FiveTuple(), &writer_});
  without_keys.SetConnected(true);
  CHECK(without_keys.BeginRtp(100) == nullptr);
}

/// With a pacer.
class PacedTest : public PacedSenderTest, private PaddingSource {
 protected:
  static constexpr size_t kSize = 1000;  // of a packet

  PacedTest() {
    sender_.Pace(buffers_, clock_, *this);
    pacer().SetRate(DataRate::BitsPerSecond(800'000));  // 500 bytes in 5 ms
  }
  ~PacedTest() { sender_.Unpace(); }

  Pacer& pacer() { return *sender_.pacer(); }
  /// A packet of kSize whose number in the first byte of the payload tells it apart.
  uint32_t SendOne(uint8_t mark, RtpClass rtp_class = RtpClass::kMedia,
                   PacketKind kind = PacketKind::kVideo, uint32_t ssrc = 0) {
    uint8_t* slot = sender_.BeginRtp(kSize);
    if (slot == nullptr) return kNoNumber;
    std::memset(slot, 0, kHeader);
    slot[11] = static_cast<uint8_t>(ssrc);
    const std::vector<uint8_t> payload(kSize - kHeader, mark);
    std::memcpy(slot + kHeader, payload.data(), payload.size());
    OutgoingRtp packet;
    packet.slot = slot;
    packet.header_size = kHeader;
    packet.payload = {slot + kHeader, payload.size()};
    packet.rtp_class = rtp_class;
    packet.kind = kind;
    packet.stamps = {13, 17};
    return sender_.EndRtp(packet);
  }
  std::vector<int> Marks() const {
    std::vector<int> marks;
    for (const auto& packet : writer_.packets) marks.push_back(packet[kHeader]);
    return marks;
  }
  void Run(int64_t ms) { environment_.AdvanceBy(Duration::Millis(ms)); }

  bool SendPadding(Timestamp) override {
    ++padding_;
    SendOne(99, RtpClass::kProbation);
    return true;
  }
  void OnPacketsDropped(std::span<const Ssrc> ssrcs) override {
    dropped_.assign(ssrcs.begin(), ssrcs.end());
  }

  PacketBufferPool buffers_;
  PacingClock clock_{environment_, Pacer::kTick};
  int padding_ = 0;
  std::vector<Ssrc> dropped_;
};

TEST_CASE_METHOD(PacedTest, "paced sender: remembers what it sent for two seconds") {
  pacer().SetRate(DataRate::Zero());
  // Past a wrap of the number.
  for (int i = 0; i < 65'536; ++i) Send();
  Send(RtpClass::kRetransmission);
  const Timestamp now = environment_.Now();
  SentPacketHistory& history = pacer().history();
  const SentPacketHistory::Packet* newest = history.Find(1, now);
  REQUIRE(newest != nullptr);
  CHECK(newest->rtp_class == RtpClass::kRetransmission);
  CHECK(newest->size == kHeader + payload_.size());
  CHECK(newest->sent_at == now);
  CHECK(history.Find(65'535, now) != nullptr);
  CHECK(history.Find(0, now) != nullptr);
  CHECK(history.Find(2, now) == nullptr);
  CHECK(history.Find(static_cast<uint16_t>(1 - SentPacketHistory::kMaxPackets), now) == nullptr);
  CHECK(history.Find(1, now + SentPacketHistory::kMaxAge) != nullptr);
  CHECK(history.Find(1, now + SentPacketHistory::kMaxAge + Duration::Millis(1)) == nullptr);
}

TEST_CASE_METHOD(PacedTest, "paced sender: a burst goes straight through, the rest at the rate") {
  Run(10);
  for (uint8_t i = 1; i <= 10; ++i) SendOne(i);
  // A burst is 3,000 bytes at this rate.
  CHECK(Marks() == std::vector{1, 2, 3});
  CHECK(pacer().queued_packets() == 7);
  Run(100);
  // 10,000 bytes in all, 100 in a millisecond, but no more than half a second of waiting.
  CHECK(writer_.packets.size() >= 10);
  CHECK(Marks() == std::vector{1, 2, 3, 4, 5, 6, 7, 8, 9, 10});
  CHECK(pacer().queued_packets() == 0);
  // Numbers follow the order of leaving.
  for (size_t i = 0; i < writer_.packets.size(); ++i) CHECK(writer_.packets[i][18] == i + 1);
  // And nothing ticks any more.
  Run(20);
  CHECK(environment_.pending() == 0);
}

TEST_CASE_METHOD(PacedTest, "paced sender: audio does not wait, repairs wait less than video") {
  Run(10);
  for (uint8_t i = 1; i <= 6; ++i) SendOne(i);
  SendOne(50, RtpClass::kRetransmission);
  SendOne(60, RtpClass::kMedia, PacketKind::kAudio);
  CHECK(Marks() == std::vector{1, 2, 3, 60});
  Run(200);
  CHECK(Marks() == std::vector{1, 2, 3, 60, 50, 4, 5, 6});
}

TEST_CASE_METHOD(PacedTest, "paced sender: nothing waits much longer than half a second") {
  pacer().SetRate(DataRate::BitsPerSecond(80'000));
  Run(10);
  for (int i = 0; i < 100; ++i) SendOne(1);  // 10 s of the rate
  CHECK(pacer().queued_packets() >= 90);
  Run(2500);
  CHECK(pacer().queued_packets() <= 5);
  Run(500);
  CHECK(pacer().queued_packets() == 0);
}

TEST_CASE_METHOD(PacedTest, "paced sender: what does not fit is dropped, with what waits") {
  Run(10);
  for (int i = 0; i < 600; ++i) SendOne(1, RtpClass::kMedia, PacketKind::kVideo, 7);
  CHECK(dropped_ == std::vector{Ssrc(7)});
  CHECK(pacer().queued_bytes() <= Pacer::kMaxBytes);
  CHECK(pacer().counters().dropped > 500);
}

TEST_CASE_METHOD(PacedTest, "paced sender: what waits of a stream that is gone is not sent") {
  Run(10);
  for (uint8_t i = 1; i <= 8; ++i) SendOne(i, RtpClass::kMedia, PacketKind::kVideo, i % 2);
  sender_.Purge(Ssrc(0));
  Run(300);
  CHECK(Marks() == std::vector{1, 2, 3, 5, 7});
  sender_.SetConnected(false);
  Run(300);
  CHECK(pacer().queued_packets() == 0);
}

TEST_CASE_METHOD(PacedTest, "paced sender: a probe is media that waits, then padding") {
  Run(10);
  for (uint8_t i = 1; i <= 5; ++i) SendOne(i);
  ProbePlan plan;
  plan.id = 3;
  plan.rate = DataRate::BitsPerSecond(4'000'000);  // 2,500 bytes in 5 ms
  plan.min_bytes = 7500;
  plan.min_packets = 5;
  sender_.StartProbe(plan);
  Run(60);
  CHECK(padding_ >= 5);
  CHECK(padding_ <= 7);
  int in_probe = 0;
  Timestamp first;
  Timestamp last;
  for (uint16_t number = 1; number <= writer_.packets.size(); ++number) {
    const SentPacketHistory::Packet* sent = pacer().history().Find(number, environment_.Now());
    REQUIRE(sent != nullptr);
    if (sent->probe != 3) continue;
    if (in_probe++ == 0) first = sent->sent_at;
    last = sent->sent_at;
  }
  CHECK(in_probe >= 8);
  CHECK(last - first >= Duration::Millis(10));
  CHECK(last - first <= Duration::Millis(20));
  CHECK(!pacer().has_probe());
  CHECK(traffic_.probation_sent.count() == static_cast<uint64_t>(padding_));
}

TEST_CASE_METHOD(PacedTest, "paced sender: padding fills what media leaves of its rate") {
  pacer().SetRate(DataRate::BitsPerSecond(8'000'000));
  pacer().SetPadding(DataRate::BitsPerSecond(800'000));
  sender_.Wake();
  Run(1000);
  CHECK(padding_ >= 90);
  CHECK(padding_ <= 102);
  padding_ = 0;
  for (int i = 0; i < 100; ++i) {
    if (i % 2 == 0) SendOne(1);  // half of it
    Run(10);
  }
  CHECK(padding_ >= 40);
  CHECK(padding_ <= 55);
  pacer().SetPadding(DataRate::Zero());
  Run(20);
  padding_ = 0;
  Run(1000);
  CHECK(padding_ == 0);
}

}  // namespace
}  // namespace sluice::worker
