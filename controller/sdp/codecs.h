#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "common/rtp_parameters.h"
#include "common/status.h"
#include "controller/ortc/capabilities.h"
#include "controller/sdp/description.h"

/// What a section says of codecs and header extensions, as the parameters of producers and
/// consumers (docs/protocols/sdp.md §2): pure functions.
namespace sluice::controller::sdp {

/// Ids of header extensions that are in use in a BUNDLE group: one id, one URI (RFC 9143 §9.1).
/// aiortc 1.4 breaks that: what an earlier section has made of an id counts.
using BundledExtensions = std::map<uint16_t, std::string>;

/// The producer that receives what a section sends: of its codecs the first that the router knows,
/// with RTX where that is offered, and of H264 the one that most receivers take. UnsupportedError
/// when there is none.
Result<RtpParameters> ParametersToReceive(const Section& remote, const RtpCapabilities& router,
                                          BundledExtensions* used);

/// What a peer that wrote these sections can receive, in the router's payload types and ids, for
/// Room::Join().
RtpCapabilities CapabilitiesOf(const Description& remote, const RtpCapabilities& router);

/// A consumer whose receiver has payload types and extension ids of its own.
struct SendParameters {
  RtpParameters parameters;         ///< one media codec, perhaps RTX; encodings as given
  uint8_t source_payload_type = 0;  ///< the router's, of the media codec
  /// The section says that its writer takes both forms of header extensions. So may the session.
  bool extmap_allow_mixed = false;
};
/// `routed` (GetConsumerRtpParameters) in the numbers of the section that it is sent in.
/// UnsupportedError when that has none of its codecs.
Result<SendParameters> ParametersToSend(const Section& remote, const RtpParameters& routed,
                                        BundledExtensions* used);

/// Whether the section says what its writer would offer in others of the type: then ModelSection()
/// needs no other of its description.
bool IsModelOf(const Section& section, MediaType type);

/// The side of a client in a section that it has not described yet, as it would offer to receive
/// there: what it has said elsewhere of this kind of media, else what the router has, in numbers
/// that mean nothing else in its description.
Section ModelSection(MediaType type, const std::string& mid, const Description& remote,
                     const RtpCapabilities& router);

/// Codecs and extensions of the answer to a section that we receive.
void WriteReceiving(const Section& remote, const RtpParameters& parameters,
                    const RtpCapabilities& router, Section* local);
/// Codecs, extensions and SSRCs of a section that we send in. `msid`: "<stream> <track>".
void WriteSending(const RtpParameters& parameters, const std::string& msid, Section* local);

/// A payload type that stands for different codecs in sections of one BUNDLE group is a TypeError
/// (RFC 9143 §9.1).
Status CheckPayloadTypes(const Description& description);

}  // namespace sluice::controller::sdp
