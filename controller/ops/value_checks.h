#pragma once

#include <string>

#include "common/status.h"

/// Whether one value of an option can work at all. TypeError says what is right, without naming the
/// option.
namespace sluice::controller {

/// A host name (RFC 1123 §2.1): up to 253 bytes of labels of letters, digits and hyphens. Not a
/// number with dots: that is an address, or wrong.
bool IsHostName(const std::string& text);

/// An address or host name that others can reach: not the unspecified address. "" is none.
Status CheckAnnouncedAddress(const std::string& text);
/// What a browser sends as Origin (RFC 6454 §7): scheme, host and port, "null", or "*".
Status CheckOrigin(const std::string& text);
/// A host name or address without a port, or "*".
Status CheckAllowedHost(const std::string& text);
/// A codec as ParseMediaCodecs() reads it, that media workers know.
Status CheckMediaCodec(const std::string& text);
/// A subject of the media workers' log.
Status CheckWorkerLogTag(const std::string& text);

}  // namespace sluice::controller
