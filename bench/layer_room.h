#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "bench/must.h"
#include "tests/sim/layer_source.h"
#include "tests/sim/virtual_environment.h"
#include "worker/core/packet_buffer.h"
#include "worker/core/rtp/sender_clock.h"
#include "worker/media/consumer.h"
#include "worker/media/engine_events.h"
#include "worker/media/producer.h"
#include "worker/wire/rtp_packet.h"

namespace sluice::worker::bench {

/// Takes packets and drops them.
class NullEgress final : public RtpEgress {
 public:
  explicit NullEgress(std::vector<uint8_t>& arena) : arena_(arena) {}
  bool connected() const override { return true; }
  uint8_t* BeginRtp(size_t capacity) override {
    if (at_ + capacity > arena_.size()) at_ = 0;
    return arena_.data() + at_;
  }
  uint32_t EndRtp(const OutgoingRtp& packet) override {
    at_ += (packet.header_size + packet.payload.size() + 63) / 64 * 64;
    ++packets;
    return kNoNumber;
  }
  uint64_t packets = 0;

 private:
  std::vector<uint8_t>& arena_;
  size_t at_ = 0;
};

/// One producer of these layers and many consumers. `simple`: of consumers that are told of no
/// layers and take all.
class LayerRoom final : private ProducerHost {
 public:
  static constexpr int kTurnsPerBlock = 50;

  LayerRoom(const LayerStructure& structure, bool simple, size_t consumers)
      : structure_(structure) {
    for (int i = 0; i < structure.encodings; ++i) encoders_.emplace_back(structure, i, 7);
    CreateProducer();
    for (size_t i = 0; i < consumers; ++i) {
      egresses_.push_back(std::make_unique<NullEgress>(arena_));
      CreateConsumer(static_cast<uint32_t>(100'000 + 2 * i), simple, *egresses_.back());
    }
    Turn(true);
  }
  ~LayerRoom() override { consumers_.clear(); }

  /// Receives a picture of each encoding and forwards it; nanoseconds of the forwarding.
  double Turn(bool key) {
    environment_.AdvanceBy(kFrame);
    ++picture_;
    frames_.clear();
    for (LayerEncoder& encoder : encoders_) {
      const auto encoding = static_cast<uint32_t>(&encoder - encoders_.data());
      const auto packets =
          encoder.Encode(picture_, environment_.Now().us(), key, structure_.spatial, &frames_);
      for (const SourcePacket& packet : packets) Receive(packet, SsrcOf(encoding));
    }
    const auto start = std::chrono::steady_clock::now();
    producer_->DeliverTurn(environment_.Now());
    const std::chrono::duration<double, std::nano> spent = std::chrono::steady_clock::now() - start;
    return spent.count();
  }
  /// Nanoseconds per forwarded packet of a block of turns.
  double Block() {
    const uint64_t before = sent();
    double spent = 0;
    for (int i = 0; i < kTurnsPerBlock; ++i) spent += Turn(false);
    const uint64_t packets = sent() - before;
    if (packets == 0) Die("nothing was forwarded");
    return spent / static_cast<double>(packets);
  }
  /// Its consumers close.
  void Empty() { consumers_.clear(); }
  void Prefer(uint8_t spatial, uint8_t temporal) {
    for (auto& consumer : consumers_) consumer->SetPreferredLayers({spatial, temporal});
  }
  uint64_t sent() const {
    uint64_t all = 0;
    for (const auto& egress : egresses_) all += egress->packets;
    return all;
  }
  size_t consumer_bytes() const { return consumers_[0]->MemoryUsage(); }
  uint64_t changes() const { return events_.changes; }
  /// Of the buffers that the producer's rings hold; as many as came in two seconds.
  size_t pool_bytes() const { return pool_.allocated_bytes(); }

 private:
  static constexpr uint8_t kPayloadType = 96;
  static constexpr uint8_t kDescriptorId = 9;
  static constexpr size_t kPayload =
      1100;  // bytes; those of a frame's packets but the last are as long
  static constexpr Duration kFrame = Duration::Millis(33);

  struct Events final : EngineEvents {
    void OnConsumerLayers(const std::string& /*id*/,
                          const std::optional<ConsumerLayers>& /*layers*/) override {
      ++changes;
    }
    uint64_t changes = 0;
  };

  static const char* MimeTypeOf(CodecKind codec) {
    switch (codec) {
      case CodecKind::kVp8:
        return "video/VP8";
      case CodecKind::kVp9:
        return "video/VP9";
      case CodecKind::kH264:
        return "video/H264";
      case CodecKind::kH265:
        return "video/H265";
      default:
        return "video/AV1";
    }
  }
  static uint32_t SsrcOf(uint32_t encoding) { return 1000 + encoding; }
  void SendRtcpToProducer(std::span<const uint8_t> /*compound*/) override {}
  void ScheduleDelivery(Producer& /*producer*/) override {}
  void OnSsrcLearned(Producer& /*producer*/, Ssrc /*ssrc*/) override {}
  std::shared_ptr<SenderClock> ClockOf(const std::string& /*cname*/) override { return clock_; }

  RtpCodecParameters Codec() const {
    RtpCodecParameters codec;
    codec.mime_type = MimeTypeOf(structure_.codec);
    codec.clock_rate = 90'000;
    codec.payload_type = kPayloadType;
    codec.rtcp_feedback = {{"nack", ""}, {"nack", "pli"}};
    return codec;
  }
  void AddDescriptor(RtpParameters* parameters) const {
    if (!structure_.descriptors) return;
    parameters->header_extensions.push_back(
        {RtpExtensionUri::kDependencyDescriptor, kDescriptorId, false, {}});
  }

  void CreateProducer() {
    ProduceOptions options;
    options.producer_id = "producer";
    options.kind = MediaKind::kVideo;
    options.rtp_parameters.codecs = {Codec()};
    options.rtp_parameters.rtcp.cname = "bench";
    options.rtp_mapping.codecs = {{kPayloadType, kPayloadType}};
    AddDescriptor(&options.rtp_parameters);
    for (uint32_t i = 0; i < encoders_.size(); ++i) {
      RtpEncodingParameters& encoding = options.rtp_parameters.encodings.emplace_back();
      encoding.ssrc = SsrcOf(i);
      encoding.scalability_mode = structure_.ScalabilityMode();
      options.rtp_mapping.encodings.push_back({"", SsrcOf(i), SsrcOf(i)});
    }
    producer_ = Must(Producer::Create(options, *this, environment_, events_));
  }

  void CreateConsumer(uint32_t ssrc, bool simple, RtpEgress& egress) {
    ConsumeOptions options;
    options.consumer_id = "7d444840-9dc0-11d1-b245-5ffdce74fad2";  // as long as a real one
    options.producer_id = "producer";
    options.kind = MediaKind::kVideo;
    options.rtp_parameters.codecs = {Codec()};
    options.rtp_parameters.rtcp.cname = "bench";
    options.rtp_parameters.mid = "0";
    options.rtp_parameters.header_extensions.push_back({RtpExtensionUri::kMid, 1, false, {}});
    AddDescriptor(&options.rtp_parameters);
    options.rtp_parameters.encodings.resize(1);
    options.rtp_parameters.encodings[0].ssrc = ssrc;
    if (!simple) {
      options.rtp_parameters.encodings[0].scalability_mode =
          structure_.encodings > 1 ? "L" + std::to_string(structure_.encodings) + "T" +
                                         std::to_string(structure_.temporal)
                                   : structure_.ScalabilityMode();
    }
    for (uint32_t i = 0; i < encoders_.size(); ++i) {
      RtpEncodingParameters& consumable = options.consumable_rtp_encodings.emplace_back();
      consumable.ssrc = SsrcOf(i);
      if (!simple) consumable.scalability_mode = structure_.ScalabilityMode();
    }
    consumers_.push_back(
        Must(Consumer::Create(options, *producer_, egress, environment_, events_)));
  }

  void Receive(const SourcePacket& packet, uint32_t ssrc) {
    std::vector<uint8_t> head = {static_cast<uint8_t>(packet.descriptor.empty() ? 0x80 : 0x90),
                                 static_cast<uint8_t>((packet.marker ? 0x80 : 0) | kPayloadType),
                                 static_cast<uint8_t>(packet.sequence >> 8),
                                 static_cast<uint8_t>(packet.sequence)};
    for (const uint32_t value : {packet.timestamp, ssrc}) {
      for (int shift = 24; shift >= 0; shift -= 8) {
        head.push_back(static_cast<uint8_t>(value >> shift));
      }
    }
    if (!packet.descriptor.empty()) {
      const size_t words = (2 + packet.descriptor.size() + 3) / 4;
      head.insert(head.end(),
                  {0x10, 0x00, static_cast<uint8_t>(words >> 8), static_cast<uint8_t>(words),
                   kDescriptorId, static_cast<uint8_t>(packet.descriptor.size())});
      head.insert(head.end(), packet.descriptor.begin(), packet.descriptor.end());
      head.resize(RtpPacket::kFixedHeader + 4 + words * 4);
    }
    const size_t filler = kPayload - std::min(kPayload, packet.payload.size());
    const size_t size = head.size() + packet.payload.size() + filler;
    PacketRef buffer = pool_.Allocate(size);
    uint8_t* at = std::copy(head.begin(), head.end(), buffer.data());
    at = std::copy(packet.payload.begin(), packet.payload.end(), at);
    std::fill_n(at, filler, uint8_t{1});
    auto parsed = RtpPacket::Parse({buffer.data(), size});
    if (!parsed) Die("a packet is no RTP");
    producer_->OnRtp(buffer, *parsed, environment_.Now());
  }

  const LayerStructure structure_;
  VirtualEnvironment environment_;
  Events events_;
  PacketBufferPool pool_;
  std::shared_ptr<SenderClock> clock_ = std::make_shared<SenderClock>();
  std::vector<uint8_t> arena_ = std::vector<uint8_t>(256 * 1024);
  std::vector<std::unique_ptr<NullEgress>> egresses_;
  std::vector<LayerEncoder> encoders_;
  std::map<uint32_t, TrueFrame> frames_;
  std::unique_ptr<Producer> producer_;
  std::vector<std::unique_ptr<Consumer>> consumers_;
  uint32_t picture_ = 0;
};

}  // namespace sluice::worker::bench
