#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/unit/producer/producer_fixture.h"

/// A VP8 producer with viewers, and packets for it: 30 frames a second of one packet each.
namespace sluice::worker::video_bed {

using samples::Rtp;
using Result = Producer::ReceiveResult;

inline constexpr uint32_t kSsrc = 1111;
inline constexpr uint32_t kRtxSsrc = 2222;

inline std::vector<uint8_t> VideoPacket(int sequence, bool key_frame = false) {
  return Rtp(samples::kVp8, kSsrc, static_cast<uint16_t>(sequence),
             static_cast<uint32_t>(sequence) * 3000,
             samples::Vp8Payload(key_frame, static_cast<uint16_t>(sequence & 0x7fff)));
}

inline std::vector<uint8_t> RtxPacket(int rtx_sequence, int original) {
  std::vector<uint8_t> payload = {static_cast<uint8_t>(original >> 8),
                                  static_cast<uint8_t>(original)};
  const auto media = samples::Vp8Payload(false, static_cast<uint16_t>(original & 0x7fff));
  payload.insert(payload.end(), media.begin(), media.end());
  return Rtp(samples::kVp8Rtx, kRtxSsrc, static_cast<uint16_t>(rtx_sequence),
             static_cast<uint32_t>(original) * 3000, payload);
}

inline std::vector<uint8_t> PaddingPacket(int sequence) {
  auto packet = Rtp(samples::kVp8, kSsrc, static_cast<uint16_t>(sequence), 0, {0, 0, 0, 4});
  packet[0] |= 0x20;
  return packet;
}

/// A video producer with viewers.
class VideoBed {
 public:
  explicit VideoBed(int viewers = 1, ProduceOptions options = samples::Video("p", kSsrc, kRtxSsrc))
      : producer(bed.Produce(options)) {
    for (int i = 0; i < viewers; ++i) {
      egresses.push_back(std::make_unique<RecordingEgress>(sent));
      auto consumer = Consumer::Create(samples::ConsumerOf(options, "c" + std::to_string(i),
                                                           7000 + static_cast<uint32_t>(i) * 2),
                                       *producer, *egresses.back(), bed.environment, bed.events);
      REQUIRE(consumer.ok());
      consumers.push_back(*std::move(consumer));
    }
  }
  Result Receive(const std::vector<uint8_t>& packet) { return bed.Receive(*producer, packet); }
  RtpStreamStats Stats() { return producer->GetStats(bed.environment.Now()).at(0); }

  ProducerBed bed;
  std::unique_ptr<Producer> producer;
  std::vector<RecordingEgress::Sent> sent;
  std::vector<std::unique_ptr<RecordingEgress>> egresses;
  std::vector<std::unique_ptr<Consumer>> consumers;
};

}  // namespace sluice::worker::video_bed
