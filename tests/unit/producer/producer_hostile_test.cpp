#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "tests/unit/producer/producer_fixture.h"
#include "worker/core/rtp/packet_ring.h"

namespace sluice::worker {
namespace {

/// RTP of random numbers, payload types and contents from the right SSRCs, mixed with random RTCP,
/// pauses, key-frame requests and time: whatever a broken or hostile sender may do.
class Attacker {
 public:
  explicit Attacker(uint64_t seed) : bed_(seed) {
    auto options = samples::Video("p", 1111, 2222);
    options.rtp_parameters.codecs[0].mime_type = kCodecs[seed % std::size(kCodecs)];
    for (int uri = 0; uri < static_cast<int>(kRtpExtensionUriCount); ++uri) {
      options.rtp_parameters.header_extensions.push_back(
          {static_cast<RtpExtensionUri>(uri), static_cast<uint8_t>(uri + 1), false, {}});
    }
    options.enable_packet_id_extension = true;
    producer_ = bed_.Produce(options);
    auto consume = samples::ConsumerOf(options, "c", 7000);
    consume.rtp_parameters.codecs[0].mime_type = options.rtp_parameters.codecs[0].mime_type;
    auto consumer = Consumer::Create(consume, *producer_, egress_, bed_.environment, bed_.events);
    REQUIRE(consumer.ok());
    consumer_ = *std::move(consumer);
    producer_->EnableTraces(0x3f);
  }

  void Step() {
    switch (Random(20)) {
      case 0:
        bed_.AdvanceBy(Random(300));
        return bed_.EndTurn();
      case 1:
        return producer_->RequestKeyFrame(Ssrc(1111 + 5'000'000));
      case 2:
        return Random(4) == 0 ? producer_->Pause() : producer_->Resume();
      case 3:
        return SendReport();
      case 4:
        return producer_->OnDlrr({Ssrc(Random32()), Random32(), Random32()},
                                 bed_.environment.Now());
      case 5: {
        std::vector<rtcp::ReportBlock> blocks;
        producer_->FillReportBlocks(&blocks, bed_.environment.Now());
        REQUIRE(blocks.size() <= 2);
        producer_->GetStats(bed_.environment.Now());
        return;
      }
      default:
        return SendPacket();
    }
  }
  void CheckBounds() {
    bed_.EndTurn();
    if (const auto* store = producer_->ring(0)) {
      CHECK(store->size() <= static_cast<size_t>(PacketRing::kMaxPackets));
    }
    CHECK(bed_.learned.empty());
    CHECK(bed_.environment.pending() < 10);
  }

 private:
  static constexpr const char* kCodecs[] = {"video/VP8", "video/VP9", "video/H264", "video/H265",
                                            "video/AV1"};

  uint32_t Random(uint32_t bound) { return bed_.environment.RandomBelow(bound); }
  uint32_t Random32() { return Random(0xffffffff); }

  void SendPacket() {
    static constexpr uint8_t kTypes[] = {samples::kVp8, samples::kVp8Rtx, 0, 127};
    const bool rtx = Random(4) == 0;
    // Mostly close to each other, now and then anywhere.
    sequence_ = static_cast<uint16_t>(Random(50) == 0 ? Random(65536) : sequence_ + Random(4));
    std::vector<uint8_t> payload(Random(60));
    bed_.environment.RandomBytes(payload);
    auto packet = samples::Rtp(kTypes[Random(10) == 0 ? Random(4) : (rtx ? 1 : 0)],
                               rtx ? 2222 : 1111, sequence_, Random32(), payload, Random(2) == 0);
    if (Random(2) == 0) {
      std::vector<uint8_t> value(1 + Random(16));
      bed_.environment.RandomBytes(value);
      packet = samples::WithExtension(packet, static_cast<uint8_t>(1 + Random(12)), value);
    }
    bed_.Receive(*producer_, packet);
  }
  void SendReport() {
    rtcp::SenderInfo info;
    info.ssrc = Ssrc(Random(3) == 0 ? 2222 : 1111);
    info.ntp = NtpTime{Random32(), Random32()};
    info.rtp_timestamp = RtpTimestamp(Random32());
    producer_->OnSenderReport(info, bed_.environment.Now());
    producer_->CaptureTime(0, RtpTimestamp(Random32()));
  }

  ProducerBed bed_;
  std::vector<RecordingEgress::Sent> sent_;
  RecordingEgress egress_{sent_};
  std::unique_ptr<Producer> producer_;
  std::unique_ptr<Consumer> consumer_;
  uint16_t sequence_ = 0;
};

TEST_CASE("a producer survives whatever its sender sends, within its bounds") {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    INFO("seed " << seed);
    Attacker attacker(seed);
    for (int i = 0; i < 3000; ++i) attacker.Step();
    attacker.CheckBounds();
  }
}

}  // namespace
}  // namespace sluice::worker
