#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/rtp_parameters.h"
#include "worker/channel/room/room_types.h"
#include "worker/media/options.h"

/// From the room protocol's parameters to what the engine's producers and consumers are made of.
/// Payload types and header extension ids are those of the room on both sides: the mapping of a
/// producer is the identity.
///
/// One producer carries the first encoding of a receiver, whether it says active or not: senders
/// of this protocol forward no other (json-room-protocol §2.5). Packets of further encodings come
/// to no producer, and are counted as unknown by the transport.
namespace sluice::room_protocol {

/// How consumers name the one encoding of their producer, whose own SSRC may not be known yet.
inline constexpr uint32_t kMappedSsrc = 1;

/// Options of the producer behind a receiver with these reduced parameters. `fallback_cname`, not
/// empty, stands in where the parameters name no CNAME; the same for all receivers of a peer. The
/// kind is that of the encoding's codec: depth, and receivers that say no kind, are video or audio.
/// An encoding that leaves SSRCs open is known by payload type. nullopt when there is no encoding.
std::optional<ProduceOptions> ToProduceOptions(std::string producer_id,
                                               const RoomRtpParameters& parameters,
                                               std::string_view fallback_cname);

/// Options of the consumer behind a sender. `fallback_cname` as above, of the producing peer.
/// nullopt when the sender is not available, or its encoding has no SSRC.
std::optional<ConsumeOptions> ToConsumeOptions(std::string consumer_id, std::string producer_id,
                                               const RoomRtpParameters& sender,
                                               std::string_view fallback_cname);

/// An encoding leaves the SSRC of its media, its RTX or its FEC open: its packets are told apart by
/// payload type (§2.5).
bool LeavesSsrcOpen(const Encoding& encoding);

/// What the engine's checks take for these parameters, with the first encoding only. Names of codec
/// parameters are turned into those of SDP, which the engine reads (useInbandFec: useinbandfec).
sluice::RtpParameters ToEngineParameters(const RoomRtpParameters& parameters,
                                         std::string_view fallback_cname);

}  // namespace sluice::room_protocol
