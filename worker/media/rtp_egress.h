#pragma once

#include <cstdint>
#include <span>

#include "common/rtp_types.h"
#include "common/units.h"

namespace sluice::worker {

enum class RtpClass : uint8_t { kMedia, kRetransmission, kProbation };

/// The sending half of a transport as its consumers see it. Implemented by the transports of
/// `media/`.
class RtpEgress {
 public:
  virtual ~RtpEgress() = default;

  virtual bool connected() const = 0;

  /// Room in the egress arena for a packet: write the RTP header to the start of it. `capacity`
  /// covers header and payload; the tag's room is added inside. nullptr: cannot send now (dropped,
  /// counted).
  virtual uint8_t* BeginRtp(size_t capacity) = 0;
  /// Encrypts `payload` behind the header and queues the packet for the end of the turn. `payload`
  /// may stand in the arena already (slot + header_size) or in the producer's buffer, which must
  /// stay until the turn ends. `same_bytes_again`: a plain retransmission, byte for byte what was
  /// sent before under this sequence number (see SrtpSender::ProtectRtp).
  virtual void EndRtp(uint8_t* slot, size_t header_size, std::span<const uint8_t> payload,
                      RtpClass rtp_class, bool same_bytes_again = false) = 0;

  /// Next transport-wide sequence number (one counter per transport).
  virtual uint16_t NextTransportSequence() = 0;
  /// Sends one RTCP compound.
  virtual void SendRtcp(std::span<const uint8_t> compound) = 0;
};

}  // namespace sluice::worker
