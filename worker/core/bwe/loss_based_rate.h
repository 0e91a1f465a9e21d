#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "common/units.h"
#include "worker/core/bwe/network_controller.h"

namespace sluice::worker {

/// What the losses of a path allow. A path is thought of as losing a part of everything (inherent
/// loss) and all that is above a rate; of a few candidates for the two the one is taken under which
/// the losses of the last seconds are likeliest, with a preference for high rates while losses are
/// few (libwebrtc M150, loss_based_bwe_v2.cc, with the defaults of May 2025).
class LossBasedRate {
 public:
  // Observations.
  static constexpr size_t kObservations = 15;
  static constexpr size_t kRequired = 3;
  static constexpr Duration kMinObservation = Duration::Millis(250);
  static constexpr double kTemporalWeight = 0.9;  // of each against the next newer one
  // Candidates.
  static constexpr std::array<double, 3> kFactors{1.02, 1.0, 0.95};
  static constexpr double kNewtonStep = 0.75;
  // Inherent loss.
  static constexpr double kFirstInherentLoss = 0.01;
  static constexpr double kMinInherentLoss = 0.001;
  static constexpr double kMaxInherentLoss = 0.05;         // and
  static constexpr double kInherentLossBalance = 100'000;  // bps, over the rate
  // Preference for high rates.
  static constexpr double kBias = 0.0002;
  static constexpr double kLogBias = 0.02;
  static constexpr double kBiasThreshold = 0.2;  // of loss
  static constexpr double kBiasSmoothing = 0.002;
  // Bounds by what arrives and is lost.
  static constexpr double kInstantLossOffset = 0.05;
  static constexpr double kInstantBalance = 100'000;  // bps
  static constexpr double kRampUp = 1.5;              // of what arrives
  static constexpr double kRampUpInHold = 1.2;
  static constexpr double kHoldThreshold = 1.3;  // of the rate of the hold
  static constexpr double kMaxIncrease = 1.3;    // per window
  static constexpr Duration kIncreaseWindow = Duration::Millis(300);
  // Hold after a decrease.
  static constexpr Duration kFirstHold = Duration::Millis(300);
  static constexpr int kHoldFactor = 2;
  static constexpr Duration kMaxHold = Duration::Seconds(60);
  /// How long padding may help an increase of one rate.
  static constexpr Duration kPaddingTime = Duration::Seconds(2);

  enum class State : uint8_t {
    kDelayBased,  ///< losses say nothing against the other estimate
    kIncreasing,
    kIncreasingWithPadding,
    kDecreasing,
  };

  void SetBounds(DataRate min, DataRate max);
  /// The acknowledged rate, if it is known.
  void SetAcknowledged(std::optional<DataRate> rate) { acknowledged_ = rate; }
  /// Starts anew from that rate.
  void SetEstimate(DataRate rate);
  void OnFeedback(std::span<const PacketResult> packets, DataRate delay_based, bool in_alr);

  /// Enough is known.
  bool ready() const { return known_ && count_ >= kRequired; }
  DataRate estimate() const { return DataRate::BitsPerSecond(static_cast<int64_t>(result_)); }
  State state() const { return state_; }
  /// When the newest packet of the last observation was sent.
  Timestamp newest() const { return newest_; }
  /// Of what was sent in the window; 0…1.
  double average_loss() const { return average_loss_; }

 private:
  struct Observation {
    double size = 0;          ///< bytes
    double lost = 0;          ///< bytes
    double sending_rate = 0;  ///< bps
    double weight = 0;
  };
  struct Channel {
    double inherent_loss = kFirstInherentLoss;
    double bps = 0;
  };

  bool Collect(std::span<const PacketResult> packets);
  void Close(Timestamp newest, Duration time);
  Channel BestCandidate(bool in_alr, double delay_based);
  void Fit(Channel& channel) const;
  double Objective(const Channel& channel) const;
  double Feasible(const Channel& channel) const;
  double AverageLoss() const;
  double UpperBound() const;
  double LowerBound() const;
  Channel BoundIncrease(Channel best);
  void Decide(double bounded, double delay_based);
  bool limited() const { return state_ != State::kDelayBased; }
  bool MayPad(double bounded) const;

  double min_bps_ = 0;
  double max_bps_ = 0;
  std::optional<DataRate> acknowledged_;

  std::array<Observation, kObservations> observations_{};
  size_t count_ = 0;
  // The one being collected.
  double partial_size_ = 0;
  double partial_lost_ = 0;
  Timestamp partial_newest_;
  bool any_ = false;
  Timestamp newest_;  ///< time of sending: end of the last observation

  bool known_ = false;
  Channel channel_;
  double average_loss_ = 0;
  State state_ = State::kDelayBased;
  double result_ = 0;

  double window_limit_ = 0;  ///< 0: none
  Timestamp window_since_;
  Timestamp hold_until_;
  Duration hold_ = kFirstHold;
  double hold_rate_ = 0;  ///< 0: none
  double padding_rate_ = 0;
  Timestamp padding_since_;
};

}  // namespace sluice::worker
