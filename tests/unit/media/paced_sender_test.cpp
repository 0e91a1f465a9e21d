#include "worker/media/paced_sender.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>
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

TEST_CASE_METHOD(PacedSenderTest, "paced sender: remembers what it sent for two seconds") {
  Send();
  CHECK(sender_.history() == nullptr);
  sender_.KeepHistory();
  // Past a wrap of the number.
  for (int i = 0; i < 65'536; ++i) Send();
  Send(RtpClass::kRetransmission);
  const Timestamp now = environment_.Now();
  const SentPacketHistory& history = *sender_.history();
  const SentPacketHistory::Packet* newest = history.Find(2, now);
  REQUIRE(newest != nullptr);
  CHECK(newest->rtp_class == RtpClass::kRetransmission);
  CHECK(newest->size == kHeader + payload_.size());
  CHECK(newest->sent_at == now);
  CHECK(history.Find(65'535, now) != nullptr);
  CHECK(history.Find(0, now) != nullptr);
  CHECK(history.Find(3, now) == nullptr);
  CHECK(history.Find(static_cast<uint16_t>(2 - SentPacketHistory::kMaxPackets), now) == nullptr);
  CHECK(history.Find(2, now + SentPacketHistory::kMaxAge) != nullptr);
  CHECK(history.Find(2, now + SentPacketHistory::kMaxAge + Duration::Millis(1)) == nullptr);
}

}  // namespace
}  // namespace sluice::worker
