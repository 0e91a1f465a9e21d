#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "common/rtp_parameters.h"
#include "worker/channel/json/protocol_types.h"
#include "worker/media/options.h"

/// From the JSON protocol's parameters to what the engine's producers and consumers are made of.
/// Payload types and header extension ids are those of the room on both sides: the mapping of a
/// producer is the identity.
///
/// A producer carries one encoding of a receiver, whether that says active or not. Senders of this
/// protocol forward the first alone (docs/protocols/json-protocol.md §5).
namespace sluice::worker::json_protocol {

/// How consumers name the one encoding of their producer, whose own SSRC may not be known yet.
inline constexpr uint32_t kMappedSsrc = 1;

/// The encoding with this index is received as a stream of its own: it names an SSRC that none
/// before it names (layers may share one), or is the first that names none. The first encoding
/// always is.
bool HasStream(const JsonRtpParameters& parameters, size_t index);

/// Options of the producer behind one encoding of a receiver with these reduced parameters.
/// `fallback_cname`, not empty, stands in where the parameters name no CNAME; the same for all
/// receivers of a peer. The kind is that of the encoding's codec: depth, and receivers that say no
/// kind, are video or audio. The stream may be of any codec of that kind. nullopt when the encoding
/// has no stream, or there is none with that index.
///
/// What no SSRC tells is known by payload type: media goes to the stream of the first encoding that
/// names no SSRC. Retransmissions go to the stream that leaves its RTX SSRC open; to none where
/// several do, which the payload type does not tell apart; and where none does, to the stream that
/// gets the media. A stream that names no RTX takes that of a later encoding with its SSRC.
std::optional<ProduceOptions> ToProduceOptions(std::string producer_id,
                                               const JsonRtpParameters& parameters, size_t index,
                                               std::string_view fallback_cname);

/// Options of the consumer behind a sender. `fallback_cname` as above, of the producing peer.
/// nullopt when the sender is not available, or its encoding has no SSRC.
std::optional<ConsumeOptions> ToConsumeOptions(std::string consumer_id, std::string producer_id,
                                               const JsonRtpParameters& sender,
                                               std::string_view fallback_cname);

/// An encoding leaves the SSRC of its media, its RTX or its FEC open: its packets are told apart by
/// payload type (docs/protocols/json-protocol.md §5).
bool LeavesSsrcOpen(const Encoding& encoding);

}  // namespace sluice::worker::json_protocol
