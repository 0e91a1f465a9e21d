#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "common/rtp_types.h"
#include "common/units.h"
#include "worker/core/bwe/receive_bandwidth_estimator.h"

namespace sluice::worker {

/// Decides what REMB a sender gets (draft-alvestrand-rmcat-remb-03; docs/protocols/rtp-rtcp.md §7).
///
/// Beside transport-cc, where the sender estimates for itself: the transport's maxIncomingBitrate,
/// repeated while packets arrive; when it is lifted, a few REMBs of 0 ("no limit") say so. With an
/// estimator of our own (StartEstimator): the lesser of its estimate and that limit.
///
/// Owned by a transport one of whose producers negotiated transport-cc or goog-remb.
class RembLimiter {
 public:
  /// Between REMBs that repeat a limit.
  static constexpr Duration kInterval = Duration::Millis(1500);
  /// Between REMBs with an estimate (draft-alvestrand-rmcat-remb-03 §2.3: at least each second).
  static constexpr Duration kEstimateInterval = Duration::Seconds(1);
  /// An estimate below this part of what was announced does not wait (a fall by 3 %:
  /// draft-alvestrand-rmcat-remb-03 §2.3).
  static constexpr double kUrgent = 0.97;
  /// REMBs that say "unlimited": RTCP may be lost.
  static constexpr int kUnlimitedRembs = 4;
  /// Between updates of effective() (docs/protocols/rtp-rtcp.md §7).
  static constexpr Duration kEffectiveInterval = Duration::Seconds(2);
  /// effective() at this part of its last value or less has collapsed (docs/protocols/rtp-rtcp.md
  /// §7).
  static constexpr double kCollapse = 0.6;

  /// What the sender is told.
  struct Remb {
    std::array<uint8_t, 128> bytes;  ///< 20, and 4 for each stream
    size_t size = 0;
    /// Much less than before: its picture may have been lost on the way down.
    bool collapsed = false;
    /// One RTCP packet, plaintext, to be sent at once.
    std::span<const uint8_t> rtcp() const { return std::span(bytes).first(size); }
  };

  /// The sender does not estimate for itself: from now on packets are measured.
  void StartEstimator() { estimator_ = std::make_unique<ReceiveBandwidthEstimator>(); }
  bool has_estimator() const { return estimator_ != nullptr; }

  /// Zero lifts the limit; without an estimate the first REMB that says so goes out at once: true
  /// when TakeRemb() has to be called now.
  [[nodiscard]] bool SetMaxIncomingBitrate(DataRate limit, Timestamp now);
  /// An RTP packet of `bytes` arrived, with that abs-send-time (24 bits) if any: measures, where an
  /// estimator runs. True when TakeRemb() has to be called now.
  [[nodiscard]] bool OnPacket(std::optional<uint32_t> abs_send_time, size_t bytes, Ssrc ssrc,
                              Timestamp now);

  /// What is due, which is then taken as sent.
  Remb TakeRemb(Timestamp now);

  DataRate limit() const { return limit_; }
  /// The estimate, at most the limit; zero without an estimate.
  DataRate available() const;
  /// What the sender was told, as of the last kEffectiveInterval; zero: nothing, or no limit.
  DataRate effective() const { return effective_; }

 private:
  /// What the sender should be told; zero: no limit.
  DataRate Wanted() const;
  /// True when it has collapsed.
  bool UpdateEffective(DataRate rate, Timestamp now);

  std::unique_ptr<ReceiveBandwidthEstimator> estimator_;
  DataRate limit_;
  DataRate announced_;
  Timestamp next_send_;
  int unlimited_left_ = 0;
  DataRate effective_;
  Timestamp next_effective_;
};

}  // namespace sluice::worker
