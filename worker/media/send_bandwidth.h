#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "common/rtp_types.h"
#include "common/units.h"
#include "worker/core/bwe/bitrate_allocator.h"
#include "worker/core/bwe/feedback_adapter.h"
#include "worker/core/bwe/goog_cc.h"
#include "worker/core/rtp/rtp_header_writer.h"
#include "worker/media/bandwidth_counters.h"
#include "worker/media/engine_context.h"
#include "worker/media/paced_sender.h"
#include "worker/media/reports.h"
#include "worker/wire/rtcp.h"

namespace sluice::worker {

class Consumer;
class RtpCore;

/// What the path of a transport takes, and who gets it: feeds a NetworkController with what was
/// sent and what the receiver says of it, and shares its estimate out among the video consumers
/// (docs/congestion-control.md).
///
/// The estimate counts from the first feedback on. Before that the start rate does, but for no
/// longer than kGrace after the first packet: some receivers negotiate feedback and send none, and
/// get what they got without estimation.
///
/// Owned by the RtpCore of a transport, from its first video consumer with transport-cc or
/// goog-remb on.
class SendBandwidth final : private PacingClock::Client,
                            private PaddingSource,
                            private StartListener {
 public:
  static constexpr uint64_t kDefaultStart = 600'000;  // bps (docs/protocols/router-protocol.md)
  static constexpr uint64_t kLeast = 30'000;          // bps, of any bound
  static constexpr Duration kGrace = Duration::Seconds(1);
  /// Between two times of sharing out, if the estimate has not fallen.
  static constexpr Duration kShareInterval = Duration::Millis(100);
  static constexpr double kFallen = 0.95;
  /// Consumers that start at the same moment, and get their share before they do: others get it
  /// kShareInterval later, so that the start of thousands is not one of millions.
  static constexpr int kMaxStarts = 32;
  /// Of what is sent by decision, and repairs of it: a stream without layers that is more than the
  /// estimate does not wait here for what is not going to be less.
  static constexpr double kLeastPacing = 1.5;
  // When an estimate is told.
  static constexpr Duration kTraceInterval = Duration::Seconds(1);
  static constexpr double kTraceFall = 0.75;
  static constexpr double kTraceRise = 1.5;
  // Packets that carry nothing, where there is nothing to be sent again.
  static constexpr Ssrc kProbationSsrc{1234};
  static constexpr PayloadType kProbationPayloadType{127};
  static constexpr size_t kProbationSize = 1400;  // bytes
  static constexpr uint32_t kProbationTimestampStep = 20;

  struct Settings {
    BweTrace::Source source = BweTrace::Source::kTransportCc;
    ExtensionIds extension_ids{};
    std::optional<uint64_t> start;  ///< bps
    uint64_t min = 0;               ///< bps; 0: none
    uint64_t max = 0;
  };
  SendBandwidth(RtpCore& core, PacedSender& sender, const Settings& settings);
  ~SendBandwidth() override;
  SendBandwidth(const SendBandwidth&) = delete;
  SendBandwidth& operator=(const SendBandwidth&) = delete;

  // RTCP of the receiver.
  void OnFeedback(const rtcp::TransportFeedback& feedback, Timestamp now);
  void OnRemb(DataRate rate, Timestamp now);
  /// A report block on one of our streams. `lost`: 1/256.
  void OnReport(Duration round_trip, uint8_t lost, Timestamp now);

  void SetLimits(uint64_t min, uint64_t max);
  /// A consumer has come: shares out anew.
  void OnConsumerAdded(Consumer& consumer);

  uint64_t available() const { return static_cast<uint64_t>(controller_.estimate().target.bps()); }
  double loss() const { return controller_.estimate().loss; }
  const GoogCc& controller() const { return controller_; }
  BandwidthCounters counters() const;
  /// Adds the path to the others of its state.
  void AddTo(PathStates* paths) const;

 private:
  bool OnTick(Timestamp now) override;
  bool SendPadding(Timestamp now) override;
  void OnPacketsDropped(std::span<const Ssrc> ssrcs) override;
  void OnConsumerStarts() override;

  void CountSent(Timestamp now);
  /// The estimate has a say.
  bool counts(Timestamp now) const;
  void Follow(Timestamp now);
  void Share(Timestamp now);
  void Release();
  void Trace(Timestamp now);
  bool SendProbation();
  RateBounds Bounds(bool with_start) const;

  RtpCore& core_;
  PacedSender& sender_;
  EngineContext& context_;
  Settings settings_;
  GoogCc controller_;
  FeedbackAdapter adapter_;
  BitrateAllocator allocator_;
  uint64_t rembs_ = 0;
  uint64_t probes_ = 0;
  bool has_feedback_ = false;
  bool is_released_ = false;  ///< nobody is held back
  Timestamp first_sent_;      ///< the start of time: nothing yet
  Timestamp shared_at_;
  Timestamp started_at_;  ///< of the last consumer that did
  int starts_ = 0;        ///< at that moment
  DataRate shared_;
  DataRate demand_;
  DataRate granted_;  ///< what the steps cost that were shared out
  uint64_t traced_ = 0;
  Timestamp traced_at_;
  std::vector<Ssrc> dropped_;
  size_t limited_ = 0;  ///< consumers that get less than they want
  size_t resting_ = 0;  ///< of these, nothing

  // Of one time of sharing out; keep their memory.
  std::vector<Consumer*> sharers_;
  std::vector<LadderStep> steps_;
  std::vector<size_t> ends_;
  std::vector<int64_t> costs_;
  std::vector<BitrateAllocator::Request> requests_;

  RtpHeaderWriter probation_;
  uint16_t probation_sequence_ = 0;
  uint32_t probation_timestamp_ = 0;
};

}  // namespace sluice::worker
