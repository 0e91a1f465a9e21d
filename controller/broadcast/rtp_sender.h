#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "controller/broadcast/packetizer.h"

namespace sluice::controller::broadcast {

/// The RTP side of one track: numbers packets and tells receivers which time is when
/// (RFC 3550 §5.1, §6.4.1).
class RtpSender {
 public:
  struct Settings {
    uint32_t ssrc = 0;
    uint8_t payload_type = 0;
    uint32_t clock_rate = 90'000;
    uint16_t first_sequence = 0;
    uint32_t first_time = 0;
    /// Of all tracks that belong together: receivers keep those in step (RFC 3550 §6.5.1).
    std::string cname;
  };
  explicit RtpSender(Settings settings) : settings_(std::move(settings)) {}

  /// A packet of a frame that is shown at `ticks` of the clock.
  std::vector<uint8_t> Packet(const Payload& payload, int64_t ticks, bool marker);
  /// A sender report with the description of the source: what is shown at `ticks` belongs to the
  /// moment `unix_us`, microseconds since 1970.
  std::vector<uint8_t> Report(int64_t ticks, int64_t unix_us) const;

  const Settings& settings() const { return settings_; }
  uint32_t packets() const { return packets_; }

 private:
  Settings settings_;
  uint32_t packets_ = 0;
  uint32_t octets_ = 0;
};

}  // namespace sluice::controller::broadcast
