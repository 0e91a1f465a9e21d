#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "tests/sim/layer_source.h"
#include "tests/sim/virtual_environment.h"
#include "worker/core/packet_buffer.h"
#include "worker/core/rtp/sender_clock.h"
#include "worker/media/consumer.h"
#include "worker/media/engine_events.h"
#include "worker/media/producer.h"

namespace sluice::worker {

/// What a path does to packets.
struct LayerPath {
  Duration delay = Duration::Millis(15);
  double loss = 0;       ///< 0…1
  double duplicate = 0;  ///< 0…1
  double reorder = 0;    ///< 0…1: the share that is held back by up to `jitter`
  Duration jitter = Duration::Millis(20);
};

/// A sender of layers, a producer, a consumer and a receiver that knows the sender's graph, in
/// virtual time. Everything that is sent is what real endpoints write; what has arrived at the end
/// is judged by Faults().
class LayerWorld final : private ProducerHost, private RtpEgress, private EngineEvents {
 public:
  struct Options {
    LayerStructure structure;
    LayerPath up;
    LayerPath down;
    bool receiver_takes_descriptors = true;
    bool reports = true;  ///< sender reports come, each encoding's first at a time of its own
    int frame_rate = 30;
    std::vector<int> encoding_divisors;  ///< of the frame rate, by encoding; empty: 1 each
    bool trailing = false;               ///< upper encodings are captured alike but sent later
    std::optional<ConsumerLayers> preferred;
    /// Consumers beside the one that is judged, which are told the same: what
    /// is worked out for all of them together must be what each would have sent
    /// alone.
    int twins = 0;
  };

  LayerWorld(Options options, uint64_t seed);
  ~LayerWorld() override;

  void Run(Duration duration) { environment_.AdvanceBy(duration); }
  Timestamp Now() const { return environment_.Now(); }

  // What the application and the sender do.
  std::optional<ConsumerLayers> Prefer(uint8_t spatial, std::optional<uint8_t> temporal);
  void Pause();
  void Resume();
  Consumer& consumer() { return *consumer_; }
  Producer& producer() { return *producer_; }
  /// The sender stops an encoding, or starts it again with a key frame.
  void SetSending(int encoding, bool sends);
  /// Of one encoding; a layer comes back with the next key picture.
  void SetSpatialLayers(int layers) { spatial_layers_ = layers; }
  void SetKeyFrameDelay(Duration delay) { key_frame_delay_ = delay; }
  void IgnoreKeyFrameRequests(bool ignore) { ignores_requests_ = ignore; }
  void SetPaths(const LayerPath& up, const LayerPath& down) {
    options_.up = up;
    options_.down = down;
  }
  /// The next picture of the encoding is a key picture.
  void MakeKeyPicture(int encoding) { key_due_[static_cast<size_t>(encoding)] = Now(); }

  // What is to be seen.
  const std::optional<ConsumerLayers>& layers() const { return layers_; }
  size_t layer_changes() const { return layer_changes_; }
  /// The consumer's own score, as told last.
  uint8_t told_score() const { return told_score_; }
  const std::vector<Timestamp>& key_requests(int encoding) const {
    return key_requests_[static_cast<size_t>(encoding)];
  }
  size_t key_requests_total() const;
  size_t sent_packets() const { return sent_packets_; }
  size_t sent_payload_bytes() const { return sent_payload_bytes_; }
  /// Media packets that were sent of frames that the layers in force did not ask for.
  size_t unwanted_packets() const { return unwanted_; }
  const TrueFrame* newest_sent() const;
  std::optional<Timestamp> first_sent_at() const { return first_sent_at_; }

  /// What is wrong with all that was received so far, one line each; empty: nothing.
  std::vector<std::string> Faults();
  /// How far the RTP time of the newest picture is from its capture, milliseconds; by the first.
  double ClockError() const;
  /// Pictures that were received whole and can be decoded.
  size_t decodable_pictures() const { return decodable_pictures_; }
  const DependencyDescriptor& newest_descriptor() const { return newest_descriptor_; }

 private:
  static constexpr uint8_t kSourcePayloadType = 96;
  static constexpr uint8_t kRouterPayloadType = 101;
  static constexpr uint8_t kRtxPayloadType = 102;
  static constexpr uint32_t kOwnSsrc = 5000;
  static constexpr uint32_t kOwnRtxSsrc = 5001;
  static constexpr uint8_t kSourceDescriptorId = 9;
  static constexpr uint8_t kOwnDescriptorId = 7;

  struct Sent {  ///< a number of ours, as it first went out
    bool padding = false;
    bool only_again = false;  ///< it had not been sent when it was asked for
    uint32_t frame = 0;
    int index = 0;
    uint32_t timestamp = 0;
    bool marker = false;
    int run = 0;
    std::optional<uint16_t> picture_id;
    std::optional<uint8_t> tl0;
    std::vector<uint8_t> descriptor;
    std::vector<uint8_t> bytes;  ///< payload
    Timestamp at;
  };
  struct Missing {
    Timestamp since;
    Timestamp asked_at;
    int tries = 0;
  };
  struct Run_ {
    int encoding = 0;
    Timestamp begun;
    Timestamp ended;
    bool after_break = false;
  };

  /// Takes what a twin sends.
  struct Twin final : RtpEgress {
    bool connected() const override { return true; }
    uint8_t* BeginRtp(size_t /*capacity*/) override { return slot.data(); }
    uint32_t EndRtp(const OutgoingRtp& packet) override {
      if (packet.rtp_class != RtpClass::kRetransmission) sent.push_back(Digest(packet));
      return kNoNumber;
    }
    std::vector<uint8_t> slot = std::vector<uint8_t>(4096);
    std::vector<size_t> sent;
    std::unique_ptr<Consumer> consumer;
  };
  static size_t Digest(const OutgoingRtp& packet);

  // ProducerHost
  void SendRtcpToProducer(std::span<const uint8_t> compound) override;
  void ScheduleDelivery(Producer& /*producer*/) override { delivery_due_ = true; }
  void OnSsrcLearned(Producer& /*producer*/, Ssrc /*ssrc*/) override {}
  std::shared_ptr<SenderClock> ClockOf(const std::string& /*cname*/) override { return clock_; }
  // RtpEgress
  bool connected() const override { return true; }
  uint8_t* BeginRtp(size_t capacity) override;
  uint32_t EndRtp(const OutgoingRtp& packet) override;
  // EngineEvents
  void OnConsumerLayers(const std::string& id, const std::optional<ConsumerLayers>& now) override;
  void OnConsumerScore(const std::string& /*id*/, const ConsumerScore& score) override {
    told_score_ = score.score;
  }

  void CreateProducer();
  void CreateConsumer();
  void Capture();
  static std::vector<uint8_t> ToRtp(const SourcePacket& packet, uint32_t ssrc);
  void SendUp(int encoding, const SourcePacket& packet, Duration after, bool again);
  void Receive(int encoding, const std::vector<uint8_t>& bytes, uint32_t frame, int index);
  void SendReport(int encoding);
  void EndTurn();
  void SendDown(int64_t own, const Sent& packet);
  void Arrive(int64_t own, const Sent& packet);
  void AskAgain();
  /// Into the replay of a seed, with SLUICE_LAYERS_VERBOSE.
  void Tell(const char* what, int64_t number, uint32_t frame, int index, bool marker) const;
  bool Chance(double share);
  Duration DelayOf(const LayerPath& path);
  bool Allows(const std::optional<ConsumerLayers>& layers, const TrueFrame& frame) const;
  /// A standstill behind the run came soon after `missed`: nothing from before it is sent again.
  bool WasForgotten(const Run_& run, Timestamp missed) const;
  bool LacksPackets(uint32_t frame);
  bool MissesStructure(int64_t own, const Sent& packet);
  void JudgeFrames(std::vector<std::string>* faults);
  void JudgeNumbers(std::vector<std::string>* faults);
  void JudgeTimes(std::vector<std::string>* faults);
  std::set<int> LateRuns() const;
  void JudgeSteps(std::vector<std::string>* faults);
  void JudgePictureIds(std::vector<std::string>* faults);
  void JudgeDescriptors(std::vector<std::string>* faults);
  void JudgeStructures(std::vector<std::string>* faults);
  bool clean_uplink() const { return up_was_clean_; }
  static uint32_t SsrcOf(int encoding) { return 1000 + static_cast<uint32_t>(encoding); }

  Options options_;
  std::mt19937_64 random_;
  VirtualEnvironment environment_;
  PacketBufferPool pool_;
  std::shared_ptr<SenderClock> clock_ = std::make_shared<SenderClock>();
  uint8_t told_score_ = 10;
  std::vector<LayerEncoder> encoders_;
  std::map<uint32_t, TrueFrame> frames_;
  std::vector<std::map<uint16_t, SourcePacket>> history_;
  std::vector<bool> sending_;
  std::vector<Timestamp> key_due_;
  std::vector<std::vector<Timestamp>> key_requests_;
  std::vector<bool> reported_;
  Timestamp all_reported_at_;
  int spatial_layers_;
  uint32_t picture_ = 0;
  Duration key_frame_delay_ = Duration::Millis(60);
  bool ignores_requests_ = false;
  bool up_was_clean_ = true;
  std::vector<uint32_t> newest_came_;  ///< picture, by encoding
  bool layers_told_ = false;           ///< an upper layer's key frame has been sent
  std::unique_ptr<Producer> producer_;
  std::unique_ptr<Consumer> consumer_;
  EngineEvents unheard_;  ///< of twins
  std::vector<std::unique_ptr<Twin>> twins_;
  std::vector<size_t> digests_;  ///< of what the consumer has sent, but for retransmissions
  bool delivery_due_ = false;

  std::optional<ConsumerLayers> layers_;
  std::optional<ConsumerLayers> layers_before_;  ///< at the start of the turn
  size_t layer_changes_ = 0;
  std::vector<uint32_t> turn_frames_;
  std::set<uint32_t> begun_;  ///< frames of which the consumer has sent
  size_t sent_packets_ = 0;
  size_t sent_payload_bytes_ = 0;
  size_t unwanted_ = 0;
  std::optional<Timestamp> first_sent_at_;
  uint32_t newest_sent_ = 0;

  std::vector<uint8_t> slot_ = std::vector<uint8_t>(4096);
  std::optional<uint16_t> last_own_;
  int64_t newest_own_ = 0;
  std::map<int64_t, Sent> sent_;
  std::vector<Run_> runs_;
  bool break_ = false;
  std::vector<Timestamp> standstills_;
  std::map<int64_t, Sent> received_;
  std::map<int64_t, Missing> missing_;
  int64_t highest_received_ = -1;
  std::map<std::pair<uint32_t, int>, Timestamp> arrived_;  ///< upstream, with someone listening
  std::vector<std::string> early_faults_;
  std::set<uint32_t> lost_;  ///< frames that the receiver could not get whole
  size_t decodable_pictures_ = 0;
  DependencyDescriptor newest_descriptor_;
};

}  // namespace sluice::worker
