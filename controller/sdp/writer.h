#pragma once

#include <string>

#include "controller/sdp/description.h"

namespace sluice::controller::sdp {

/// The text of a session description, with CRLF behind each line. All attributes of transports
/// stand in the sections: GStreamer's webrtcbin wants them in each, rejected ones included.
std::string WriteDescription(const Description& description);

/// The body of application/trickle-ice-sdpfrag (RFC 8840 §9).
std::string WriteFragment(const Fragment& fragment, bool ice_lite);

/// As ReadFormatParameters() reads it.
std::string WriteFormatParameters(const Parameters& parameters);

}  // namespace sluice::controller::sdp
