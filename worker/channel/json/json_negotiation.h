#pragma once

#include <span>
#include <string>

#include "common/status.h"
#include "worker/channel/json/protocol_types.h"

/// The capability algorithms of the JSON protocol (docs/protocols/json-protocol.md §3 to §6), as
/// pure functions. The room gives every codec and header extension one number for all its peers, so
/// that nothing has to be rewritten on the way from one to the other.
namespace sluice::worker::json_protocol {

/// What a room with these codecs can do (docs/protocols/json-protocol.md §3). Codecs that are not
/// supported and feature codecs (rtx, FEC) are left out. A codec keeps its payload type unless an
/// earlier one has it; others, and the RTX of every video codec, take the next free value of a
/// fixed list. An RTX value never collides with a payload type that any codec of the room has or
/// asked for and gets. Error: more codecs than payload types.
Result<JsonCapabilities> MakeRoomCapabilities(std::span<const Codec> media_codecs);

/// What a peer with these capabilities can do in the room (docs/protocols/json-protocol.md §4), in
/// the peer's order and with the room's numbers; then the RTX codec of each video codec kept. Two
/// codecs of the peer may be the same one of the room: payload types repeat then.
RtpCapabilities EffectivePeerCapabilities(const JsonCapabilities& room,
                                          const RtpCapabilities& peer);

/// Checks parameters and completes their encodings (docs/protocols/json-protocol.md §5): one media
/// codec at least, unique payload types, `apt` of an rtx codec names a codec that can be repaired;
/// encodings without a codec get the first media codec; no encodings = one with that codec.
/// TypeErrors name the field. On error `parameters` is half done: throw it away.
Status CheckParameters(JsonRtpParameters* parameters);

/// What a receiver really gets of checked `parameters` (docs/protocols/json-protocol.md §5): only
/// codecs and header extensions of the peer's effective capabilities, feedback that both know,
/// encodings of kept codecs. TypeError when no media codec is left.
Result<JsonRtpParameters> ReduceReceiverParameters(const RtpCapabilities& effective,
                                                   const JsonRtpParameters& parameters);

/// Parameters of a sender that takes the media of a receiver with `receiver` (its reduced
/// parameters) to a peer with `effective` capabilities (docs/protocols/json-protocol.md §6): the
/// first encoding only, and of codecs, feedback and header extensions what the peer can do.
/// `mux_id`: 8 random characters 0-9a-z, new ones for every update. The result has no encodings
/// when the peer cannot take the media: the sender is not available then (see IsAvailable).
JsonRtpParameters MakeSenderParameters(const JsonRtpParameters& receiver,
                                       const RtpCapabilities& effective, std::string mux_id);

/// True when a sender with these parameters has something to send.
bool IsAvailable(const JsonRtpParameters& sender);

}  // namespace sluice::worker::json_protocol
