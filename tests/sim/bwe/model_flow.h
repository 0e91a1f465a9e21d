#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "tests/sim/network/link_model.h"
#include "tests/sim/network/seeded_random.h"
#include "tests/sim/virtual_environment.h"
#include "worker/core/bwe/feedback_adapter.h"
#include "worker/core/bwe/network_controller.h"
#include "worker/core/bwe/sent_packet_history.h"

namespace sluice::worker {

/// What a model sender has to send.
struct ModelMedia {
  /// Rates of layers, lowest first: the highest that fits is sent. Empty: whatever the estimate
  /// allows, up to `most`.
  std::vector<DataRate> layers;
  Schedule<DataRate> most = DataRate::BitsPerSecond(2'500'000);
  Schedule<double> frames_per_second = 30.0;
  double size_noise = 0.2;  ///< frames differ by so much either way
  Duration key_frame_interval = Duration::Infinite();
  double key_frame_size = 6;  ///< ordinary frames
  /// Nothing is sent in these times.
  std::vector<std::pair<Duration, Duration>> pauses;
};

/// A sender, a path and a receiver without RTP: frames, a pacer, transport-cc feedback each 100 ms
/// or 50, a NetworkController between them. What the worker does with packets, for scenarios that
/// are about the controller alone.
class ModelFlow {
 public:
  static constexpr size_t kMaxPacket = 1200;  // bytes
  static constexpr size_t kOverhead = 40;     // UDP, IP, SRTP
  static constexpr Duration kPacerTick = Duration::Millis(5);
  static constexpr Duration kMaxQueue = Duration::Millis(500);

  ModelFlow(VirtualEnvironment& environment, LinkModel& forward, LinkModel& feedback,
            ModelMedia media, std::unique_ptr<NetworkController> controller, RateBounds bounds,
            uint64_t seed);
  ModelFlow(const ModelFlow&) = delete;
  ModelFlow& operator=(const ModelFlow&) = delete;
  ~ModelFlow();

  void Start();
  void Stop() { stopped_ = true; }

  NetworkController& controller() { return *controller_; }
  DataRate target() const { return controller_->estimate().target; }
  DataRate Demand() const;
  /// The rate of the media that is being sent.
  DataRate media_rate() const { return media_rate_; }
  /// -1: none, or no layers.
  int layer() const { return layer_; }
  /// Fixed rate without regard to the estimate: how it was before there was one.
  void IgnoreEstimate() { ignores_estimate_ = true; }

  struct Totals {
    uint64_t media_bytes = 0;
    uint64_t padding_bytes = 0;
    uint64_t packets = 0;
    uint64_t lost = 0;
    uint64_t received_bytes = 0;
    uint64_t received_media_bytes = 0;
    uint64_t switches = 0;
    uint64_t frames_dropped = 0;  ///< by the sender: its queue was too long
    Duration worst_delay;
  };
  const Totals& totals() const { return totals_; }
  /// One-way delays of packets since the last call, propagation included.
  std::vector<Duration> TakeDelays() { return std::exchange(delays_, {}); }

 private:
  struct Packet {
    size_t size = 0;
    bool padding = false;
  };
  void OnFrame();
  void OnPacer();
  void OnPacerBudget();
  void OnFeedbackTimer();
  void OnProcess();
  void ChooseLayer();
  bool Paused() const;
  void Send(const Packet& packet, uint8_t probe);
  void RunProbe(Timestamp now);
  void At(Duration delay, std::function<void()> event);

  VirtualEnvironment& environment_;
  LinkModel& forward_;
  LinkModel& feedback_;
  const ModelMedia media_;
  std::unique_ptr<NetworkController> controller_;
  const RateBounds bounds_;
  SeededRandom random_;
  const Timestamp start_;
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  bool stopped_ = false;
  bool ignores_estimate_ = false;

  // Sender.
  DataRate media_rate_;
  int layer_ = -1;
  Timestamp up_since_;
  Timestamp switched_at_;
  Timestamp key_frame_at_;
  std::deque<Packet> queue_;
  size_t queued_bytes_ = 0;
  double budget_ = 0;          // bytes
  double padding_budget_ = 0;  // bytes
  Timestamp budget_at_;
  std::optional<ProbePlan> probe_;
  size_t probe_bytes_ = 0;
  int probe_packets_ = 0;
  Timestamp probe_since_;
  uint16_t number_ = 0;
  size_t sent_since_ = 0;
  SentPacketHistory history_;
  FeedbackAdapter adapter_;

  // Receiver.
  struct Arrival {
    uint16_t number;
    Timestamp at;
  };
  std::vector<Arrival> arrivals_;
  uint16_t next_report_ = 0;
  bool received_any_ = false;

  Totals totals_;
  std::vector<Duration> delays_;
};

}  // namespace sluice::worker
