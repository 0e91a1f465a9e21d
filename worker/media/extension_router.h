#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "common/rtp_parameters.h"
#include "common/units.h"
#include "worker/core/rtp/routed_packet.h"
#include "worker/wire/rtp_packet.h"

namespace sluice::worker {

/// Reads the header extensions of a producer's packets by the ids that it negotiated, and renumbers
/// those that travel on to consumers (docs/protocols/router-protocol.md §11): once per packet, for
/// all of them. Which packets have an extension is the sender's choice, and stays so: what is said
/// of a picture is said on its last packet, and whoever gets the picture gets that one.
class ExtensionRouter {
 public:
  /// `add_packet_id`: gives packets that have no packet id one
  /// (enableMediasoupPacketIdHeaderExtension).
  ExtensionRouter(const RtpParameters& parameters, MediaKind kind, bool add_packet_id);

  /// Value of one extension of `packet`; data() == nullptr when it is absent or not negotiated.
  std::span<const uint8_t> Value(const RtpPacket& packet, RtpExtensionUri uri) const;

  /// Fills `out` with the elements that consumers get, in the canonical order. `clock_offset`: our
  /// clock minus the sender's, which goes into abs-capture-time.
  void Route(const RtpPacket& packet, std::optional<Duration> clock_offset, RoutedExtensions* out);

 private:
  void RouteAbsCaptureTime(const RtpPacket& packet, std::optional<Duration> clock_offset,
                           RoutedExtensions* out) const;
  /// Copies an extension whose value has exactly `length` bytes; false when it is absent.
  bool Copy(const RtpPacket& packet, RtpExtensionUri uri, size_t length,
            RoutedExtensions* out) const;
  /// Leaves an extension whose value has exactly `length` bytes where it is, for consumers to copy.
  void Refer(const RtpPacket& packet, RtpExtensionUri uri, size_t length,
             RoutedExtensions* out) const;
  void RoutePicture(const RtpPacket& packet, RoutedExtensions* out) const;

  std::array<uint8_t, kRtpExtensionUriCount> ids_{};  ///< the sender's; 0 = not negotiated
  MediaKind kind_;
  bool says_of_pictures_ = false;  ///< one of those that RoutePicture() reads is negotiated
  bool add_packet_id_;
  uint32_t next_packet_id_ = 0;
};

}  // namespace sluice::worker
