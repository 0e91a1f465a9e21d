#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "common/units.h"
#include "worker/core/bwe/acknowledged_rate.h"
#include "worker/core/bwe/aimd_rate.h"
#include "worker/core/bwe/alr_detector.h"
#include "worker/core/bwe/delay_trend.h"
#include "worker/core/bwe/full_queue_detector.h"
#include "worker/core/bwe/loss_based_rate.h"
#include "worker/core/bwe/network_controller.h"
#include "worker/core/bwe/probe_controller.h"
#include "worker/core/bwe/probe_estimator.h"

namespace sluice::worker {

/// Google congestion control (draft-ietf-rmcat-gcc-02, as libwebrtc M150 has it): the least of what
/// delay (DelayTrend, AimdRate), losses (LossBasedRate) and the receiver (REMB) allow. Probes find
/// out at once what growing by 8 % a second would take long for.
class GoogCc final : public NetworkController {
 public:
  static constexpr DataRate kDefaultStart = DataRate::BitsPerSecond(300'000);
  static constexpr DataRate kLeast = DataRate::BitsPerSecond(5'000);
  static constexpr DataRate kMost = DataRate::BitsPerSecond(1'000'000'000);
  /// Nothing came for so long: what was measured before does not connect to what comes.
  static constexpr Duration kStreamTimeout = Duration::Seconds(2);
  /// A probe's result counts at least as this part of what arrives.
  static constexpr double kProbeFloor = 0.85;
  /// Who sends so much of the estimate competes with it; a burst beside it does, too.
  static constexpr double kUsed = 0.7;
  /// Of what is wanted: who gets less, and finds the queue full of others, competes with them.
  static constexpr double kStarved = 0.3;
  /// Of what is wanted: the estimate grows no further.
  static constexpr double kEnough = 1.3;
  /// While hardly anything is sent nothing is learnt of losses: what was, does not count for
  /// longer.
  static constexpr Duration kLossAge = Duration::Seconds(2);
  static constexpr double kRecentWeight = 1.0 / 12;  // of a packet in the recent loss
  static constexpr double kFewLosses = 0.03;
  // Pacing.
  static constexpr double kPacing = 2.5;             // of the target
  static constexpr double kConstrainedPacing = 1.1;  // after the first feedback, demand not met
  /// Where there is more than is wanted: the key frame of a large picture, sent at 2.5 times what
  /// the path takes, is itself a queue there of 100 ms, and looks like a path that is full.
  static constexpr double kAmplePacing = 1.2;
  // Feedback that stays away (libwebrtc M150, rtt_based_backoff.cc), down to kSilentFloor of the
  // target: the way back may be cut while the way there is not.
  static constexpr Duration kSilence = Duration::Seconds(3);
  static constexpr Duration kSilentInterval = Duration::Seconds(1);
  static constexpr double kSilentFactor = 0.8;
  static constexpr double kSilentFloor = 0.5;
  /// A REMB that is not repeated for so long does not count any more (it comes each second).
  static constexpr Duration kRembAge = Duration::Seconds(10);
  // Without feedback but receiver reports: losses alone (draft-ietf-rmcat-gcc-02 §6).
  static constexpr double kHighLoss = 0.10;
  static constexpr Duration kReportInterval = Duration::Millis(1000);

  explicit GoogCc(Timestamp now);

  void OnSent(size_t bytes, Timestamp now) override;
  void OnFeedback(const FeedbackReport& report) override;
  void OnRtt(Duration rtt, Timestamp now) override;
  void OnRemb(DataRate rate, Timestamp now) override;
  void OnLossReport(double loss, Timestamp now) override;
  void OnProcess(Timestamp now) override;
  void SetBounds(const RateBounds& bounds, Timestamp now) override;
  void SetDemand(DataRate demand, Timestamp now) override;
  const NetworkEstimate& estimate() const override { return estimate_; }
  std::optional<ProbePlan> TakeProbe(Timestamp now) override;

  // For traces and tests.
  PathUse use() const { return trend_.use(); }
  DataRate delay_based() const { return aimd_.estimate(); }
  DataRate loss_based() const { return loss_.estimate(); }
  LossBasedRate::State loss_state() const { return loss_.state(); }
  std::optional<DataRate> acknowledged() const { return acknowledged_.rate(); }
  bool in_alr() const { return alr_.in_alr(); }

 private:
  void UpdateRtt(const FeedbackReport& report);
  std::optional<DataRate> UpdateProbes(const FeedbackReport& report);
  void UpdateDelay(const FeedbackReport& report, std::optional<DataRate> probe);
  void BackOffInSilence(Timestamp now);
  void Publish(Timestamp now);
  DataRate Pacing(DataRate target) const;
  DataRate Padding() const;
  ProbeController::LossLimit LossLimit(Timestamp now) const;

  DataRate min_ = kLeast;
  DataRate max_ = kMost;
  DataRate demand_;
  bool has_feedback_ = false;
  Timestamp last_feedback_;
  Timestamp last_sent_;
  Timestamp last_arrival_;
  Timestamp trend_origin_;

  AcknowledgedRate acknowledged_;
  DelayTrend trend_{DelayTrend::kOfSender, /*judges_standing_queue=*/false};
  FullQueueDetector full_queue_;
  AimdRate aimd_;
  LossBasedRate loss_;
  AlrDetector alr_;
  ProbeController probes_;
  ProbeEstimator probe_estimator_;
  bool was_draining_ = false;
  double recent_loss_ = 0;

  static constexpr size_t kRtts = 32;  // feedbacks
  std::array<Duration, kRtts> rtts_{};
  size_t rtt_count_ = 0;
  Duration reported_rtt_;

  DataRate remb_;  // zero: none
  Timestamp remb_at_;
  DataRate silent_limit_;  // zero: none
  DataRate before_silence_;
  Timestamp silent_at_;
  Timestamp report_at_;

  NetworkEstimate estimate_;
};

}  // namespace sluice::worker
