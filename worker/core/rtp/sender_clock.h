#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "common/units.h"

namespace sluice::worker {

/// How far the clock of one sender (one CNAME) is from ours: our NTP minus its NTP, from the
/// arrival of its sender reports. A report seems later than it was by its way through the network,
/// so the smallest of the last kWindow differences is the best estimate (NTP's clock filter, RFC
/// 5905 §10, reduced to one way); the constant part of the delay stays in it and is the same for
/// all streams of the sender, hence harmless to lip sync.
///
/// Shared by all producers of a router with the same CNAME. Bounded; a step of the sender's clock
/// starts the window anew.
class SenderClock {
 public:
  static constexpr size_t kWindow = 7;     // reports; docs/protocols/rtp-rtcp.md §5
  static constexpr size_t kConfident = 3;  // reports; docs/protocols/rtp-rtcp.md §5
  /// A difference this far from the estimate is a clock that was set, not a slow packet.
  static constexpr Duration kStep = Duration::Seconds(5);

  /// A report that its sender stamped `sender` arrived at `arrival` of our clock.
  void AddReport(NtpTime sender, NtpTime arrival);

  /// Our clock minus the sender's; nullopt before the first report.
  std::optional<Duration> offset() const;
  /// Enough reports to align streams by it.
  bool confident() const { return count_ >= kConfident; }

 private:
  std::array<int64_t, kWindow> differences_us_{};
  size_t count_ = 0;
  size_t next_ = 0;
};

}  // namespace sluice::worker
