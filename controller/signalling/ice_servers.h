#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/status.h"

namespace sluice::controller {

/// A STUN or TURN server (RFC 7064, RFC 7065) that clients are told of. We need none ourselves:
/// this is for clients behind networks that let nothing else through.
struct IceServer {
  std::string url;  ///< "stun:host[:port]", "turns:host[:port][?transport=tcp]"
  std::string username;
  std::string credential;
};

/// Reads "url[;username=…;credential=…]". TypeError says what is right: a TURN server has both, a
/// STUN server neither, and there are no characters that a header field cannot carry.
Result<IceServer> ParseIceServer(std::string_view text);

/// The value of a Link field (RFC 9725 §4.6).
std::string LinkOf(const IceServer& server);
/// Those of texts that ParseIceServer() takes.
std::vector<std::string> IceServerLinks(const std::vector<std::string>& texts);

}  // namespace sluice::controller
