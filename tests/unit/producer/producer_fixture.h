#pragma once

#include <array>
#include <catch2/catch.hpp>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/sim/virtual_environment.h"
#include "tests/unit/media/media_samples.h"
#include "worker/core/packet_buffer.h"
#include "worker/core/rtp/sender_clock.h"
#include "worker/media/consumer.h"
#include "worker/media/producer.h"
#include "worker/media/rtp_egress.h"
#include "worker/wire/rtcp.h"

namespace sluice::worker {

/// Keeps what producers and observers report.
class ProducerEvents final : public EngineEvents {
 public:
  std::vector<std::vector<ProducerScoreEntry>> scores;
  std::vector<VideoOrientation> orientations;
  std::vector<TraceReport> traces;
  /// An entry for each interval; empty: silence.
  std::vector<std::vector<std::pair<std::string, int8_t>>> volumes;
  std::vector<std::string> order;  ///< names of score events as they came

  void OnProducerScore(const std::string&,
                       const std::vector<ProducerScoreEntry>& entries) override {
    scores.push_back(entries);
    order.push_back("producer");
  }
  void OnProducerVideoOrientation(const std::string&, const VideoOrientation& value) override {
    orientations.push_back(value);
  }
  void OnProducerTrace(const std::string&, const TraceReport& trace) override {
    traces.push_back(trace);
  }
  void OnConsumerScore(const std::string&, const ConsumerScore&) override {
    order.push_back("consumer");
  }
  void OnAudioLevelVolumes(const std::string&,
                           const std::vector<std::pair<std::string, int8_t>>& entries) override {
    volumes.push_back(entries);
  }
  void OnAudioLevelSilence(const std::string&) override { volumes.emplace_back(); }
  std::vector<std::string> dominant;
  void OnDominantSpeaker(const std::string&, const std::string& producer_id) override {
    dominant.push_back(producer_id);
  }
};

/// A transport as producers see it: hands out clocks, ends turns, keeps the RTCP sent.
class ProducerBed : public ProducerHost, public rtcp::Visitor {
 public:
  explicit ProducerBed(uint64_t seed = 1) : environment(seed) {}

  std::unique_ptr<Producer> Produce(const ProduceOptions& options) {
    auto producer = Producer::Create(options, *this, environment, events);
    REQUIRE(producer.ok());
    return *std::move(producer);
  }
  /// Hands `bytes` over as just received.
  Producer::ReceiveResult Receive(Producer& producer, const std::vector<uint8_t>& bytes) {
    const PacketRef buffer = buffers.Copy(bytes);
    auto packet = RtpPacket::Parse({buffer.data(), bytes.size()});
    REQUIRE(packet);
    return producer.OnRtp(buffer, *packet, environment.Now());
  }
  void EndTurn() {
    for (Producer* producer : std::exchange(scheduled, {})) {
      producer->DeliverTurn(environment.Now());
    }
  }
  void AdvanceBy(int64_t ms) { environment.AdvanceBy(Duration::Millis(ms)); }
  void Dlrr(Producer& producer, int64_t ago_ms, int64_t held_ms) {
    const auto reference =
        NtpTime::FromMicros(environment.NtpNow().ToMicros() - ago_ms * 1000).Compact();
    producer.OnDlrr({Ssrc(1), reference, static_cast<uint32_t>(held_ms * 65536 / 1000)},
                    environment.Now());
  }

  // ProducerHost
  void SendRtcpToProducer(std::span<const uint8_t> compound) override {
    REQUIRE(rtcp::Parse(compound, *this));
  }
  void ScheduleDelivery(Producer& producer) override { scheduled.push_back(&producer); }
  void OnSsrcLearned(Producer&, Ssrc ssrc) override { learned.push_back(ssrc.value()); }
  void OnSsrcReleased(Producer&, Ssrc ssrc) override { released.push_back(ssrc.value()); }
  std::shared_ptr<SenderClock> ClockOf(const std::string& cname) override {
    auto clock = clocks[cname].lock();
    if (clock == nullptr) clocks[cname] = clock = std::make_shared<SenderClock>();
    return clock;
  }
  // rtcp::Visitor
  void OnNack(Ssrc, const rtcp::NackItem& item) override {
    nacked.push_back(item.packet_id.value());
    for (int bit = 0; bit < 16; ++bit) {
      if ((item.following_lost >> bit & 1) != 0) {
        nacked.push_back(static_cast<uint16_t>(item.packet_id.value() + bit + 1));
      }
    }
  }
  void OnPli(Ssrc media) override { plis.push_back(media.value()); }
  void OnFir(Ssrc media, uint8_t) override { firs.push_back(media.value()); }

  VirtualEnvironment environment;
  PacketBufferPool buffers;
  ProducerEvents events;
  std::vector<Producer*> scheduled;
  std::vector<uint32_t> learned;
  std::vector<uint32_t> released;
  std::map<std::string, std::weak_ptr<SenderClock>> clocks;
  std::vector<int> nacked;
  std::vector<uint32_t> plis;
  std::vector<uint32_t> firs;
};

/// The sending half of a viewer's transport: keeps the packets in a log that others may share.
class RecordingEgress final : public RtpEgress {
 public:
  struct Sent {
    const RecordingEgress* egress;
    uint16_t sequence;
    std::vector<uint8_t> payload;
    uint32_t timestamp;
  };
  explicit RecordingEgress(std::vector<Sent>& sent) : sent_(sent) {}

  bool connected() const override { return true; }
  uint8_t* BeginRtp(size_t capacity) override {
    slot_.resize(capacity);
    return slot_.data();
  }
  uint32_t EndRtp(const OutgoingRtp& out) override {
    const uint8_t* slot = out.slot;
    const uint32_t high = uint32_t{slot[4]} << 8 | slot[5];
    const uint32_t low = uint32_t{slot[6]} << 8 | slot[7];
    sent_.push_back(Sent{this,
                         static_cast<uint16_t>(slot[2] << 8 | slot[3]),
                         {out.payload.begin(), out.payload.end()},
                         high << 16 | low});
    return kNoNumber;
  }

 private:
  std::vector<Sent>& sent_;
  std::vector<uint8_t> slot_;
};

}  // namespace sluice::worker
