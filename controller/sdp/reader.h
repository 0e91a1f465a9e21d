#pragma once

#include <string_view>

#include "common/status.h"
#include "controller/sdp/description.h"

namespace sluice::controller::sdp {

/// Reads a session description with CRLF or LF at the ends of lines. Lines and attributes that mean
/// nothing to us are left out, and so are candidates that cannot be read. TypeError `SDP line N: …`
/// names the line, what is wrong and what would be right.
Result<Description> ReadDescription(std::string_view text);

/// Reads a body of application/trickle-ice-sdpfrag (RFC 8840 §9). TypeError as above.
Result<Fragment> ReadFragment(std::string_view text);

/// "k=v;k=v": whole numbers as such, but of profile-level-id, whose digits are hexadecimal.
Parameters ReadFormatParameters(std::string_view text);

}  // namespace sluice::controller::sdp
