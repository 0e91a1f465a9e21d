#pragma once

#include <cstddef>
#include <optional>

#include "common/rtp_types.h"
#include "worker/wire/rtp_packet.h"

namespace sluice::worker {

/// Bytes of the original sequence number before the payload of a retransmission (RFC 4588 §4).
inline constexpr size_t kRtxHeader = 2;

/// Turns a retransmission back into the packet it repairs, in place: the header moves over the
/// original sequence number, so the result views the same bytes from kRtxHeader on and the payload
/// does not move. nullopt for one that carries no media (a probe, RFC 4588 says nothing of it), the
/// bytes then being unchanged.
std::optional<RtpPacket> UnwrapRtx(RtpPacket& rtx, PayloadType payload_type, Ssrc ssrc);

}  // namespace sluice::worker
