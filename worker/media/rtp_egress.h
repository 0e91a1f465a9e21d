#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "common/rtp_types.h"
#include "common/units.h"
#include "worker/core/packet_writer.h"
#include "worker/core/rtp/rtp_class.h"
#include "worker/core/rtp/rtp_header_writer.h"

namespace sluice::worker {

/// A packet that stands finished in the egress arena, but for what is only known as it leaves.
struct OutgoingRtp {
  uint8_t* slot = nullptr;  ///< from BeginRtp(); holds the RTP header
  size_t header_size = 0;
  /// In the arena already (slot + header_size), or in the producer's buffer, which must stay until
  /// the turn ends.
  std::span<const uint8_t> payload;
  RtpClass rtp_class = RtpClass::kMedia;
  /// kAudio or kVideo: what goes first, and what is dropped first, when not everything can be sent.
  PacketKind kind = PacketKind::kVideo;
  /// A plain retransmission, byte for byte what was sent before under this sequence number (see
  /// SrtpSender::ProtectRtp).
  bool same_bytes_again = false;
  /// Where in the header the transport has to write, 0 = nowhere.
  RtpHeaderStamps stamps;
};

/// The sending half of a transport as its consumers see it. Implemented by PacedSender, and by
/// tests.
class RtpEgress {
 public:
  /// No transport-wide number: these have 16 bits. (An optional<uint16_t> is written in two parts
  /// and read back as one, which costs 4 ns for each packet.)
  static constexpr uint32_t kNoNumber = uint32_t{1} << 16;
  /// The packet did not leave.
  static constexpr uint32_t kNotSent = kNoNumber + 1;

  virtual ~RtpEgress() = default;

  virtual bool connected() const = 0;
  /// What the path takes, where that is estimated and its receiver has reported; else nullopt.
  virtual std::optional<DataRate> PathRate() const { return std::nullopt; }
  /// What is handed in from now on has a rate of its own, and does not wait for that of the path;
  /// false: as at first.
  virtual void SetPassing(bool /*passes*/) {}

  // Fetches, in two steps, what the next packet of `ssrc` will need, so that it need not wait for
  // memory: PrefetchKeys() reads what PrefetchPath() has fetched.
  virtual void PrefetchPath() const {}
  virtual void PrefetchKeys(Ssrc /*ssrc*/) const {}

  /// Room in the egress arena for a packet: write the RTP header to the start of it. `capacity`
  /// covers header and payload; the tag's room is added inside. nullptr: cannot send now (dropped,
  /// counted).
  virtual uint8_t* BeginRtp(size_t capacity) = 0;
  /// The packet leaves: it is stamped, encrypted and queued for the end of the turn. Returns its
  /// transport-wide number, or kNoNumber; kNotSent where encryption refused it (counted).
  virtual uint32_t EndRtp(const OutgoingRtp& packet) = 0;
};

}  // namespace sluice::worker
