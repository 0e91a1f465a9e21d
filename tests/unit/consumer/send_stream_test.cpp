#include "worker/media/send_stream.h"

#include <catch2/catch.hpp>
#include <optional>
#include <vector>

#include "worker/wire/rtp_packet.h"

namespace sluice::worker {
namespace {

using Kind = SendStream::Outcome;

constexpr uint32_t kFrame = 3000;  // ticks
constexpr uint32_t kOwnSsrc = 7;
constexpr uint32_t kOwnRtxSsrc = 8;

/// Keeps what leaves.
class Collector final : public RtpEgress {
 public:
  struct Packet {
    uint16_t own = 0;
    uint32_t time = 0;
    bool padding = false;
  };
  bool connected() const override { return true; }
  uint8_t* BeginRtp(size_t capacity) override {
    slot_.assign(capacity, 0);
    return slot_.data();
  }
  uint32_t EndRtp(const OutgoingRtp& out) override {
    std::vector<uint8_t> bytes(out.slot, out.slot + out.header_size);
    bytes.insert(bytes.end(), out.payload.begin(), out.payload.end());
    const auto packet = RtpPacket::Parse(bytes);
    REQUIRE(packet);
    uint16_t own = packet->sequence_number().value();
    const bool again = packet->ssrc().value() == kOwnRtxSsrc;
    if (again) own = static_cast<uint16_t>(out.payload[0] << 8 | out.payload[1]);
    packets.push_back({own, packet->timestamp().value(), packet->padding_size() > 0});
    return kNoNumber;
  }
  std::vector<Packet> packets;

 private:
  std::vector<uint8_t> slot_;
};

/// Both encodings were captured at the time that their timestamps say.
class OneClock final : public CaptureClock {
 public:
  std::optional<int64_t> SenderTime(uint8_t /*encoding*/, RtpTimestamp timestamp) const override {
    return int64_t{timestamp.value()} * 100 / 9;
  }
};

/// A stream of pictures of one packet, or more. Its second source begins with a picture from before
/// what had been sent, a second, which is put right picture by picture.
class SendStreamTest {
 public:
  SendStreamTest() : stream(Settings(), Output(), First(), egress) {
    stream.SetCaptureClock(&clock);
    constexpr int kAhead = 130;
    Start(PacketOf(0, 1, kAhead));
    Send(PacketOf(0, 1, kAhead));
    Start(PacketOf(1, 1, 100));
    Send(PacketOf(1, 1, 100));
    egress.packets.clear();
  }

  static ConsumerSettings Settings() {
    ConsumerSettings settings;
    settings.codec = CodecKind::kH264;
    return settings;
  }
  static OutputStreamSettings Output() {
    OutputStreamSettings output;
    output.params.mime_type = "video/H264";
    output.params.clock_rate = 90'000;
    output.params.ssrc = kOwnSsrc;
    output.params.payload_type = 101;
    output.params.rtx_ssrc = kOwnRtxSsrc;
    output.params.rtx_payload_type = 102;
    output.uses_rtx = true;
    return output;
  }
  static SendStream::First First() { return {SeqNumber(1000), SeqNumber(1), SeqNumber(1)}; }

  RoutedPacket PacketOf(uint8_t encoding, int64_t sequence, int picture) {
    static const std::vector<uint8_t> kPayload(20, 1);
    RoutedPacket packet;
    packet.payload = kPayload;
    packet.payload_type = PayloadType(101);
    packet.encoding_index = encoding;
    packet.sequence = ExtendedSeqNumber(65'536 + sequence);
    packet.timestamp = RtpTimestamp(static_cast<uint32_t>(picture) * kFrame);
    packet.received_at = Timestamp::Millis(1'000'000 + picture * 33);
    packet.arrival = ++arrivals;
    packet.marker = packet.frame.end = true;
    return packet;
  }
  void Start(const RoutedPacket& packet) { stream.Start(packet, false, packet.arrival); }
  void Send(const RoutedPacket& packet) { CHECK(stream.Send(packet, {}) == Kind::kSent); }
  /// RTP time of what went out last.
  int64_t Time() const { return egress.packets.back().time; }
  int64_t Resent(const RoutedPacket& packet, uint16_t own) {
    const auto origin = stream.Find(SeqNumber(own));
    REQUIRE(origin);
    REQUIRE(origin->sequence == packet.sequence);
    CHECK(stream.Resend(*origin, packet, false, packet.received_at) == Kind::kSent);
    CHECK(egress.packets.back().own == own);
    return Time();
  }

  OneClock clock;
  Collector egress;
  uint64_t arrivals = 0;
  SendStream stream;
};

TEST_CASE_METHOD(SendStreamTest, "send stream: padding fills no number before it") {
  Send(PacketOf(1, 2, 101));
  const int64_t before = Time();
  // 103 is left out, its second packet first: the other one is padding. 102 is still missing.
  stream.Skip(PacketOf(1, 5, 103));
  stream.Skip(PacketOf(1, 4, 103));
  REQUIRE(egress.packets.back().padding);
  const bool comes_first = GENERATE(false, true);
  int64_t late = 0;
  if (comes_first) {
    Send(PacketOf(1, 3, 102));
    late = Time();
  }
  Send(PacketOf(1, 6, 104));
  const int64_t behind = Time();
  if (!comes_first) {
    Send(PacketOf(1, 3, 102));
    late = Time();
  }
  CHECK(before < late);
  CHECK(late < behind);
  Send(PacketOf(1, 7, 105));
  CHECK(behind < Time());
}

TEST_CASE_METHOD(SendStreamTest, "send stream: all that is sent again of a picture has one time") {
  Send(PacketOf(1, 2, 101));
  // The second packet of picture 102 cannot be read without the first, and waits.
  const RoutedPacket waits = PacketOf(1, 4, 102);
  Send(PacketOf(1, 5, 103));
  const int64_t behind = Time();
  Start(PacketOf(0, 2, 140));
  Send(PacketOf(0, 2, 140));
  const RoutedPacket late = PacketOf(1, 3, 102);
  const uint16_t own = 1003;  // of 1000 for each source, 1002 for 101
  const int64_t time = Resent(late, own);
  CHECK(Resent(waits, own + 1) == time);
  CHECK(time < behind);
  CHECK(Resent(late, own) == time);
}

TEST_CASE_METHOD(SendStreamTest, "send stream: what was sent of a source is not begun with again") {
  Send(PacketOf(1, 3, 102));
  CHECK_FALSE(stream.IsPast(PacketOf(1, 2, 101)));  // it goes on
  const bool stands_still = GENERATE(false, true);
  if (stands_still) {
    stream.Stop();
  } else {
    Start(PacketOf(0, 2, 140));
  }
  CHECK(stream.IsPast(PacketOf(1, 2, 101)));
  CHECK(stream.IsPast(PacketOf(1, 3, 102)));
  CHECK_FALSE(stream.IsPast(PacketOf(1, 4, 103)));
  RoutedPacket with_parameter_sets = PacketOf(1, 4, 102);
  with_parameter_sets.info.packets_in_front = 1;
  CHECK(stream.IsPast(with_parameter_sets));
  with_parameter_sets.sequence = ExtendedSeqNumber(with_parameter_sets.sequence.value() + 1);
  CHECK_FALSE(stream.IsPast(with_parameter_sets));
  CHECK_FALSE(stream.IsPast(PacketOf(2, 1, 101)));
}

}  // namespace
}  // namespace sluice::worker
