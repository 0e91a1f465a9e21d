#pragma once

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/sim/call_fixture.h"
#include "tests/unit/media/codec_samples.h"
#include "worker/core/bwe/transport_feedback_generator.h"

namespace sluice::worker {

/// Three encodings of one camera at their own rates, 30 fps, with key frames on request. `codec`:
/// null is VP8 with picture ids.
class SimulcastSender final : private rtcp::Visitor {
 public:
  static constexpr uint32_t kSsrc = 1000;
  static constexpr std::array<int64_t, 3> kRates{150'000, 500'000, 1'500'000};  // bps
  static constexpr Duration kFrame = Duration::Micros(33'333);
  static constexpr size_t kMaxPayload = 1100;
  static constexpr double kKeyFrame = 4;  // ordinary frames

  SimulcastSender(VirtualEnvironment& environment, WebRtcPeer& peer,
                  const samples::VideoCodec* codec)
      : peer_(peer),
        codec_(codec),
        timer_(environment.CreateTimer([this](Timestamp) { SendFrames(); })) {
    peer_.on_rtcp = [this](std::span<const uint8_t> compound) { rtcp::Parse(compound, *this); };
  }
  void Start() { SendFrames(); }
  uint64_t key_frames() const { return key_frames_; }

  static ProduceOptions Options() {
    ProduceOptions options = samples::Video("v", kSsrc, kSsrc + 100);
    auto& encodings = options.rtp_parameters.encodings;
    auto& mapping = options.rtp_mapping.encodings;
    encodings.resize(kRates.size());
    mapping.resize(kRates.size());
    for (uint32_t i = 0; i < kRates.size(); ++i) {
      encodings[i].ssrc = kSsrc + i;
      encodings[i].rtx_ssrc = kSsrc + 100 + i;
      mapping[i] = {"", kSsrc + i, kSsrc + 5'000'000 + i};
    }
    return options;
  }

 private:
  struct Encoding {
    uint16_t sequence = 100;
    uint16_t picture_id = 0;
    bool key_frame_wanted = true;
  };
  void SendFrames() {
    timer_->Start(kFrame);
    timestamp_ += 3000;
    for (size_t i = 0; i < kRates.size(); ++i) SendFrame(i);
  }
  void SendFrame(size_t index) {
    Encoding& encoding = encodings_[index];
    const bool key_frame = std::exchange(encoding.key_frame_wanted, false);
    key_frames_ += key_frame;
    auto left = static_cast<size_t>(kRates[index] / 30 / 8);
    if (key_frame) left = static_cast<size_t>(static_cast<double>(left) * kKeyFrame);
    bool start = true;
    while (left > 0) {
      const size_t size = std::clamp<size_t>(left, 50, kMaxPayload);
      left -= std::min(left, size);
      auto payload = samples::Vp8Payload(key_frame, encoding.picture_id, size);
      const bool first = std::exchange(start, false);
      if (!first) payload[0] = 0x80;
      if (codec_ != nullptr) payload = samples::PayloadOf(*codec_, key_frame && first, size);
      peer_.SendRtp(samples::Rtp(samples::kVp8, kSsrc + static_cast<uint32_t>(index),
                                 encoding.sequence++, timestamp_, payload, left == 0));
    }
    ++encoding.picture_id;
  }
  void OnPli(Ssrc media) override {
    const uint32_t index = media.value() - kSsrc;
    if (index < kRates.size()) encodings_[index].key_frame_wanted = true;
  }
  void OnFir(Ssrc media, uint8_t) override { OnPli(media); }

  WebRtcPeer& peer_;
  const samples::VideoCodec* const codec_;
  std::unique_ptr<Timer> timer_;
  std::array<Encoding, kRates.size()> encodings_;
  uint32_t timestamp_ = 0;
  uint64_t key_frames_ = 0;
};

/// A viewer that sends transport-cc feedback, and counts what it gets.
class FeedbackViewer final {
 public:
  FeedbackViewer(VirtualEnvironment& environment, std::unique_ptr<WebRtcPeer> peer)
      : environment_(environment),
        peer_(std::move(peer)),
        generator_(environment, [this] { SendFeedback(); }) {
    peer_->on_rtp = [this](RtpPacket& packet) { OnRtp(packet); };
  }
  WebRtcPeer& peer() { return *peer_; }
  void SetSilent(bool silent) { silent_ = silent; }
  /// Bits per second of this SSRC since the last call.
  double TakeRate(uint32_t ssrc) {
    const Timestamp now = environment_.Now();
    const Duration passed = now - std::exchange(since_[ssrc], now);
    return static_cast<double>(std::exchange(bytes_[ssrc], 0)) * 8 / passed.seconds();
  }
  uint64_t packets(uint32_t ssrc) const {
    const auto it = packets_.find(ssrc);
    return it == packets_.end() ? 0 : it->second;
  }
  uint64_t lost() const { return lost_; }
  Duration longest_gap() const { return longest_gap_; }
  void ResetGap() {
    longest_gap_ = {};
    last_at_ = environment_.Now();
  }

 private:
  void OnRtp(RtpPacket& packet) {
    const Timestamp now = environment_.Now();
    const uint32_t ssrc = packet.ssrc().value();
    bytes_[ssrc] += packet.size();
    ++packets_[ssrc];
    if (ssrc % 10 == 0) {
      longest_gap_ = std::max(longest_gap_, now - last_at_);
      last_at_ = now;
    }
    const auto number = ParseTransportSequence(packet.Extension(samples::kTransportCcId));
    if (number) generator_.OnPacket(*number, packet.ssrc(), now);
  }
  void SendFeedback() {
    std::array<uint8_t, rtcp::Builder::kMaxCompound> bytes;
    for (;;) {
      const std::span<const uint8_t> feedback = generator_.TakeFeedback(bytes);
      if (feedback.empty()) return;
      if (!silent_) peer_->SendRtcp(feedback);
    }
  }

  VirtualEnvironment& environment_;
  std::unique_ptr<WebRtcPeer> peer_;
  TransportFeedbackGenerator generator_;
  bool silent_ = false;
  std::map<uint32_t, uint64_t> bytes_;
  std::map<uint32_t, uint64_t> packets_;
  std::map<uint32_t, Timestamp> since_;
  uint64_t lost_ = 0;
  Timestamp last_at_;
  Duration longest_gap_;
};

/// A publisher of simulcast and viewers, each behind a link of its own.
struct BandwidthCall : CallFixture {
  explicit BandwidthCall(uint64_t seed = 1, const samples::VideoCodec* with = nullptr)
      : CallFixture(seed, Estimating()), codec(with) {
    publisher = Join("pub");
    REQUIRE(AwaitConnected(*publisher, "pub", Duration::Seconds(30)));
    ProduceOptions options = SimulcastSender::Options();
    if (codec != nullptr) samples::SetCodec(*codec, &options.rtp_parameters);
    REQUIRE(engine->Produce("pub", options).ok());
    sender = std::make_unique<SimulcastSender>(environment, *publisher, codec);
    sender->Start();
    environment.AdvanceBy(Duration::Seconds(3));  // rates are known
  }

  static EngineSettings Estimating() { return {.estimate_bandwidth = true}; }
  static ConsumeOptions ConsumerOptions(const std::string& id, uint32_t ssrc) {
    const ProduceOptions produced = SimulcastSender::Options();
    ConsumeOptions options = samples::ConsumerOf(produced, id, ssrc);
    options.rtp_parameters.header_extensions = {
        {RtpExtensionUri::kTransportWideCc, samples::kTransportCcId, false, {}}};
    options.rtp_parameters.encodings[0].scalability_mode = "L3T1";
    options.consumable_rtp_encodings.clear();
    for (const RtpEncodingMapping& mapping : produced.rtp_mapping.encodings) {
      RtpEncodingParameters consumable;
      consumable.ssrc = mapping.mapped_ssrc;
      options.consumable_rtp_encodings.push_back(consumable);
    }
    return options;
  }
  /// The way to the viewers.
  void SetLink(LinkSettings settings) {
    link = std::make_shared<LinkModel>(std::move(settings), 7, VirtualEnvironment::kStart);
    links.SetModel(*IpAddress::Parse(kEngineIp), *IpAddress::Parse(kPeerIp), link);
  }
  /// Capacity in steps of seconds from now.
  void SetCapacity(std::vector<std::pair<double, double>> seconds_and_kbps,
                   Duration queue = Duration::Millis(300)) {
    const double now = (environment.Now() - VirtualEnvironment::kStart).seconds();
    for (auto& [seconds, kbps] : seconds_and_kbps) seconds += now;
    seconds_and_kbps.front().first = 0;
    LinkSettings settings;
    settings.capacity = KilobitSteps(std::move(seconds_and_kbps));
    settings.queue = queue;
    settings.delay = Duration::Millis(25);
    SetLink(std::move(settings));
  }
  std::unique_ptr<FeedbackViewer> View(const std::string& id, uint32_t ssrc) {
    auto peer = Join(id);
    REQUIRE(AwaitConnected(*peer, id, Duration::Seconds(30)));
    auto viewer = std::make_unique<FeedbackViewer>(environment, std::move(peer));
    ConsumeOptions options = ConsumerOptions("c" + id, ssrc);
    if (codec != nullptr) samples::SetCodec(*codec, &options.rtp_parameters);
    const auto consumed = engine->Consume(id, options);
    INFO(consumed.status().message());
    REQUIRE(consumed.ok());
    return viewer;
  }
  int Layer(const std::string& consumer) const {
    return engine->DumpConsumer(consumer)->current_spatial_layer;
  }
  /// How long until a consumer sends this layer.
  Duration TimeToLayer(const std::string& consumer, int layer, Duration limit) {
    const Timestamp begin = environment.Now();
    const bool reached = environment.AdvanceUntil([&] { return Layer(consumer) == layer; }, limit);
    return reached ? environment.Now() - begin : Duration::Infinite();
  }
  uint64_t Available(const std::string& id) {
    return engine->GetWebRtcTransportStats(id)->base.available_outgoing_bitrate.value_or(0);
  }

  const samples::VideoCodec* const codec;
  std::shared_ptr<LinkModel> link;
  std::unique_ptr<WebRtcPeer> publisher;
  std::unique_ptr<SimulcastSender> sender;
};

}  // namespace sluice::worker
