#pragma once

#include <algorithm>

#include "common/units.h"
#include "worker/core/bwe/network_controller.h"

namespace sluice::worker {

/// Tells a queue that is full: delays no longer grow, so that their trend says nothing, and what
/// does not fit is lost, which looks like a path that loses by itself. Ten viewers behind one link
/// of 8 Mbit/s would stay so for good, with 300 ms of delay and 9 % of loss.
///
/// What gives it away is where the losses are: among the packets with the longest delays of late.
/// A path that loses by itself loses at any delay. (How long a delay is says less: who joins while
/// the queue is full has never seen a short one.)
class FullQueueDetector {
 public:
  static constexpr double kLoss = 0.005;
  static constexpr double kMinLosses = 2;
  /// Mean place of the losses between the shortest (0) and the longest (1) delay.
  static constexpr double kPlace = 0.8;
  static constexpr Duration kMinRange = Duration::Millis(4);
  static constexpr Duration kRangeWindow = Duration::Millis(2500);  // this one, and the last one
  static constexpr Duration kInterval = Duration::Millis(1000);
  /// Of the lowest delay: this window and the one before.
  static constexpr Duration kWindow = Duration::Seconds(15);

  /// A queue that has stood for so long, whatever we did, is filled by others.
  static constexpr Duration kStanding = Duration::Millis(40);
  static constexpr Duration kContended = Duration::Millis(30);
  static constexpr Duration kFullMemory = Duration::Seconds(10);
  static constexpr Duration kPatience = Duration::Seconds(6);

  /// True, at most once in kInterval: the queue is full, to be answered by sending less.
  bool OnReport(const FeedbackReport& report) {
    if (report.clock_stepped) *this = FullQueueDetector();
    Duration delay = Duration::Infinite();  // of the last packet that arrived
    Duration least = Duration::Infinite();
    for (const PacketResult& packet : report.packets) {
      if (!packet.received) continue;
      delay = packet.received_at - packet.sent_at;
      least = std::min(least, delay);
      Widen(delay, report.at);
    }
    if (least == Duration::Infinite()) return false;
    lowest_.Add(least, report.at, kWindow);
    above_ = least - lowest_.Least();
    if (above_ < kStanding || stood_since_ == Timestamp()) stood_since_ = report.at;
    competes_ = report.at - stood_since_ > kPatience;
    PlaceLosses(report);
    if (report.at - since_ < kInterval) return false;
    since_ = report.at;
    const bool full =
        losses_ >= kMinLosses && losses_ > kLoss * packets_ && place_ > kPlace * losses_;
    packets_ = losses_ = place_ = 0;
    return full;
  }
  /// Delay above the lowest of late, of the last report.
  Duration above() const { return above_; }
  /// Packets wait, or have not found room of late: what a burst gets there it does not get for
  /// good.
  bool contended(Timestamp now) const {
    return above_ > kContended || (full_at_ != Timestamp() && now - full_at_ < kFullMemory);
  }
  /// The queue is filled by flows that leave it only when they lose packets (TCP): to answer its
  /// length would leave them everything.
  bool competes() const { return competes_; }

 private:
  /// The least value of a window and the one before.
  struct Lowest {
    void Add(Duration value, Timestamp now, Duration window) {
      if (current == Duration::Infinite() || now - began > window) {
        previous = current;
        current = value;
        began = now;
      }
      current = std::min(current, value);
    }
    Duration Least() const { return std::min(current, previous); }

    Duration current = Duration::Infinite();
    Duration previous = Duration::Infinite();
    Timestamp began;
  };

  void Widen(Duration delay, Timestamp now) {
    shortest_.Add(delay, now, kRangeWindow);
    longest_.Add(Duration::Zero() - delay, now, kRangeWindow);
  }
  void PlaceLosses(const FeedbackReport& report) {
    const Duration shortest = shortest_.Least();
    const Duration range = Duration::Zero() - longest_.Least() - shortest;
    Duration before = shortest;
    double open = 0;  // losses that the next arrival is behind
    for (const PacketResult& packet : report.packets) {
      ++packets_;
      if (packet.was_lost) continue;
      if (!packet.received) {
        ++open;
        continue;
      }
      const Duration delay = packet.received_at - packet.sent_at;
      const Duration place = std::max(delay, before) - shortest;
      losses_ += open;
      if (range >= kMinRange) place_ += open * place.seconds() / range.seconds();
      open = 0;
      before = delay;
    }
    losses_ += open;
    if (range >= kMinRange) place_ += open * (before - shortest).seconds() / range.seconds();
  }

  Lowest lowest_;
  Lowest shortest_;
  Lowest longest_;  ///< negative
  Duration above_;
  Timestamp full_at_;
  Timestamp stood_since_;
  bool competes_ = false;
  Timestamp since_;
  double packets_ = 0;
  double losses_ = 0;
  double place_ = 0;  ///< sum over the losses
};

}  // namespace sluice::worker
