#pragma once

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tests/sim/virtual_environment.h"
#include "worker/core/packet_buffer.h"
#include "worker/core/rtp/sender_clock.h"
#include "worker/media/consumer.h"
#include "worker/media/producer.h"
#include "worker/wire/payload_descriptor.h"
#include "worker/wire/rtp_packet.h"

namespace sluice::worker {

/// A transport's sending half that keeps every packet as it would be before encryption.
class RecordingEgress final : public RtpEgress {
 public:
  struct Packet {
    std::vector<uint8_t> bytes;
    size_t header_size = 0;
    RtpClass rtp_class = RtpClass::kMedia;
    PacketKind kind = PacketKind::kVideo;
    bool same_bytes_again = false;

    RtpPacket View() const {
      const auto view = RtpPacket::Parse({const_cast<uint8_t*>(bytes.data()), bytes.size()});
      REQUIRE(view);
      return *view;
    }
    std::vector<uint8_t> payload() const {
      return {bytes.begin() + static_cast<std::ptrdiff_t>(header_size), bytes.end()};
    }
  };

  bool connected() const override { return is_connected; }
  uint8_t* BeginRtp(size_t capacity) override {
    if (full) return nullptr;
    slot_.assign(capacity, 0xCC);
    return slot_.data();
  }
  uint32_t EndRtp(const OutgoingRtp& out) override {
    REQUIRE(out.slot == slot_.data());
    REQUIRE(out.header_size + out.payload.size() <= slot_.size());
    if (refuses) return kNotSent;
    uint32_t number = kNoNumber;
    if (out.stamps.transport_sequence_at != 0) {
      number = next_transport_sequence++;
      WriteTransportSequence(out.slot, out.stamps, static_cast<uint16_t>(number));
    }
    if (out.stamps.abs_send_time_at != 0) {
      WriteAbsSendTime(out.slot, out.stamps, AbsSendTimeFromMicros(environment->Now().us()));
    }
    Packet packet;
    packet.bytes.assign(out.slot, out.slot + out.header_size);
    packet.bytes.insert(packet.bytes.end(), out.payload.begin(), out.payload.end());
    packet.header_size = out.header_size;
    packet.rtp_class = out.rtp_class;
    packet.kind = out.kind;
    packet.same_bytes_again = out.same_bytes_again;
    packets.push_back(std::move(packet));
    return number;
  }

  std::vector<Packet> Take() { return std::exchange(packets, {}); }

  const Environment* environment = nullptr;
  bool is_connected = true;
  bool full = false;
  bool refuses = false;  ///< at EndRtp(), as encryption does
  uint16_t next_transport_sequence = 1;
  std::vector<Packet> packets;

 private:
  std::vector<uint8_t> slot_;
};

class RecordingConsumerEvents final : public EngineEvents {
 public:
  void OnConsumerProducerPause(const std::string& id) override { names.push_back("pause " + id); }
  void OnConsumerProducerResume(const std::string& id) override { names.push_back("resume " + id); }
  void OnConsumerProducerClose(const std::string& id) override { names.push_back("close " + id); }
  void OnConsumerScore(const std::string&, const ConsumerScore& score) override {
    scores.push_back(score);
  }
  void OnConsumerTrace(const std::string&, const TraceReport& trace) override {
    traces.push_back(trace);
  }

  std::vector<std::string> names;
  std::vector<ConsumerScore> scores;
  std::vector<TraceReport> traces;
};

/// A producer and a consumer of it, in virtual time, without a network: packets are handed to the
/// producer, and what the consumer makes of them is read from the egress.
class ConsumerTest : public ProducerHost {
 protected:
  static constexpr uint32_t kProducerSsrc = 1111;
  static constexpr uint32_t kMappedSsrc = 2222;
  static constexpr uint32_t kSsrc = 3333;
  static constexpr uint32_t kRtxSsrc = 3334;
  static constexpr uint8_t kPayloadType = 101;
  static constexpr uint8_t kRtxPayloadType = 102;
  static constexpr uint8_t kProducerPayloadType = 96;
  static constexpr uint8_t kDescriptorId = 9;  ///< where the producer negotiates it

  // What the sender asks for is counted.
  void SendRtcpToProducer(std::span<const uint8_t> compound) override {
    struct Count final : rtcp::Visitor {
      size_t plis = 0;
      void OnPli(Ssrc) override { ++plis; }
    } count;
    REQUIRE(rtcp::Parse(compound, count));
    plis_ += count.plis;
  }
  void ScheduleDelivery(Producer&) override {}
  void OnSsrcLearned(Producer&, Ssrc) override {}
  std::shared_ptr<SenderClock> ClockOf(const std::string&) override { return clock_; }

  static RtpCodecParameters Codec(const std::string& mime_type, uint8_t payload_type) {
    RtpCodecParameters codec;
    codec.mime_type = mime_type;
    codec.payload_type = payload_type;
    codec.clock_rate = mime_type == "audio/opus" ? 48'000 : 90'000;
    codec.channels = mime_type == "audio/opus" ? 2 : 1;
    codec.rtcp_feedback = {{"nack", ""}, {"nack", "pli"}, {"ccm", "fir"}};
    return codec;
  }
  void AddExtension(RtpExtensionUri uri, uint8_t id = 0) {
    RtpHeaderExtensionParameters extension;
    extension.uri = uri;
    extension.id = id != 0 ? id : static_cast<uint8_t>(static_cast<uint8_t>(uri) + 1);
    consume_.rtp_parameters.header_extensions.push_back(extension);
  }

  /// Options of both for `mime_type`; change them, then Create().
  void Prepare(const std::string& mime_type, bool with_rtx) {
    const MediaKind kind = mime_type.starts_with("audio") ? MediaKind::kAudio : MediaKind::kVideo;
    produce_ = {};
    produce_.producer_id = "p";
    produce_.kind = kind;
    produce_.rtp_parameters.codecs = {Codec(mime_type, kProducerPayloadType)};
    produce_.rtp_parameters.rtcp.cname = "someone";
    RtpEncodingParameters encoding;
    encoding.ssrc = kProducerSsrc;
    produce_.rtp_parameters.encodings = {encoding};
    produce_.rtp_mapping.codecs = {{kProducerPayloadType, kPayloadType}};
    produce_.rtp_mapping.encodings = {{"", kProducerSsrc, kMappedSsrc}};

    consume_ = {};
    consume_.consumer_id = "c";
    consume_.producer_id = "p";
    consume_.kind = kind;
    consume_.rtp_parameters.mid = "7";
    consume_.rtp_parameters.codecs = {Codec(mime_type, kPayloadType)};
    consume_.rtp_parameters.rtcp.cname = "someone";
    RtpEncodingParameters consumed;
    consumed.ssrc = kSsrc;
    if (with_rtx) {
      RtpCodecParameters rtx;
      rtx.mime_type = kind == MediaKind::kVideo ? "video/rtx" : "audio/rtx";
      rtx.payload_type = kRtxPayloadType;
      rtx.clock_rate = consume_.rtp_parameters.codecs[0].clock_rate;
      rtx.parameters["apt"] = int32_t{kPayloadType};
      consume_.rtp_parameters.codecs.push_back(rtx);
      consumed.rtx_ssrc = kRtxSsrc;
    }
    consume_.rtp_parameters.encodings = {consumed};
    RtpEncodingParameters consumable;
    consumable.ssrc = kMappedSsrc;
    consume_.consumable_rtp_encodings = {consumable};
  }
  void Create() {
    egress_.environment = &environment_;
    auto producer = Producer::Create(produce_, *this, environment_, events_);
    REQUIRE(producer.ok());
    producer_ = *std::move(producer);
    auto consumer = Consumer::Create(consume_, *producer_, egress_, environment_, events_);
    REQUIRE(consumer.ok());
    consumer_ = *std::move(consumer);
  }

  /// One packet of the sender.
  struct Source {
    uint16_t sequence = 0;
    uint32_t timestamp = 0;
    bool marker = false;
    std::vector<uint8_t> payload;
    size_t padding = 0;
    uint8_t payload_type = kProducerPayloadType;
    std::vector<uint8_t> descriptor{};  ///< dependency descriptor, at most 16 bytes
    uint32_t ssrc = kProducerSsrc;
    /// Ids and values of header extensions.
    std::vector<std::pair<uint8_t, std::vector<uint8_t>>> extensions{};
  };
  Producer::ReceiveResult Receive(const Source& source) {
    std::vector<uint8_t> bytes{
        static_cast<uint8_t>(source.padding > 0 ? 0xA0 : 0x80),
        static_cast<uint8_t>((source.marker ? 0x80 : 0) | source.payload_type),
        static_cast<uint8_t>(source.sequence >> 8), static_cast<uint8_t>(source.sequence)};
    for (const uint32_t word : {source.timestamp, source.ssrc}) {
      for (int shift = 24; shift >= 0; shift -= 8) {
        bytes.push_back(static_cast<uint8_t>(word >> shift));
      }
    }
    if (!source.descriptor.empty()) {
      const auto words = static_cast<uint8_t>((1 + source.descriptor.size() + 3) / 4);
      const auto element =
          static_cast<uint8_t>(kDescriptorId << 4 | (source.descriptor.size() - 1));
      bytes[0] |= 0x10;
      bytes.insert(bytes.end(), {0xBE, 0xDE, 0, words, element});
      bytes.insert(bytes.end(), source.descriptor.begin(), source.descriptor.end());
      while (bytes.size() % 4 != 0) bytes.push_back(0);
    }
    if (!source.extensions.empty()) {
      REQUIRE(source.descriptor.empty());
      RtpExtensionWriter writer;
      for (const auto& [id, value] : source.extensions) REQUIRE(writer.Add(id, value));
      bytes[0] |= 0x10;
      bytes.resize(bytes.size() + writer.Size());
      writer.Write(std::span(bytes).last(writer.Size()));
    }
    bytes.insert(bytes.end(), source.payload.begin(), source.payload.end());
    if (source.padding > 0) {
      bytes.resize(bytes.size() + source.padding);
      bytes.back() = static_cast<uint8_t>(source.padding);
    }
    PacketRef buffer = pool_.Copy(bytes);
    auto packet = RtpPacket::Parse({buffer.data(), bytes.size()});
    REQUIRE(packet);
    return producer_->OnRtp(buffer, *packet, environment_.Now());
  }
  void Deliver() { producer_->DeliverTurn(environment_.Now()); }
  void Forward(const Source& source) {
    Receive(source);
    Deliver();
  }

  /// VP8 with picture id of 15 bits and TL0PICIDX (RFC 7741 §4.2), one packet a frame.
  static Source Vp8(uint16_t sequence, uint32_t timestamp, bool key_frame, uint16_t picture_id = 0,
                    uint8_t tl0 = 0, size_t size = 100) {
    Source source;
    source.sequence = sequence;
    source.timestamp = timestamp;
    source.marker = true;
    source.payload = {0x90,
                      0xE0,
                      static_cast<uint8_t>(0x80 | (picture_id >> 8 & 0x7f)),
                      static_cast<uint8_t>(picture_id),
                      tl0,
                      0x00,
                      static_cast<uint8_t>(key_frame ? 0x10 : 0x11)};
    while (source.payload.size() < size) {
      source.payload.push_back(static_cast<uint8_t>(source.payload.size() + sequence));
    }
    return source;
  }
  static Source Opus(uint16_t sequence, uint32_t timestamp, size_t size = 60) {
    Source source;
    source.sequence = sequence;
    source.timestamp = timestamp;
    source.payload.assign(size, static_cast<uint8_t>(sequence));
    source.payload[0] = 0x7B;  // CELT, code 3: not DTX
    return source;
  }
  static Source Padding(uint16_t sequence, uint32_t timestamp) {
    Source source;
    source.sequence = sequence;
    source.timestamp = timestamp;
    source.padding = 200;
    return source;
  }

  void Nack(uint16_t own, uint16_t following = 0) {
    const rtcp::NackItem item{SeqNumber(own), following};
    consumer_->OnNack(0, {&item, 1}, environment_.Now());
  }
  uint16_t SequenceOf(const RecordingEgress::Packet& packet) const {
    return packet.View().sequence_number().value();
  }

  VirtualEnvironment environment_;
  PacketBufferPool pool_;
  std::shared_ptr<SenderClock> clock_ = std::make_shared<SenderClock>();
  RecordingEgress egress_;
  RecordingConsumerEvents events_;
  ProduceOptions produce_;
  ConsumeOptions consume_;
  std::unique_ptr<Producer> producer_;
  std::unique_ptr<Consumer> consumer_;  ///< goes before its producer
  size_t plis_ = 0;
};

}  // namespace sluice::worker
