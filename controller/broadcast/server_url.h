#pragma once

#include <string>
#include <string_view>

#include "common/status.h"

namespace sluice::controller::broadcast {

struct ServerUrl {
  bool tls = false;
  std::string host;  ///< a name or an address, IPv6 without brackets
  std::string port;
  std::string prefix;  ///< of all paths: "" or "/behind/a/proxy"
  /// For the Host field: the host as in a URL, and the port.
  std::string authority() const;
};

/// Reads http[s]://HOST[:PORT][/PREFIX]. TypeError otherwise.
Result<ServerUrl> ParseServerUrl(const std::string& text);

/// One segment of a path: everything but letters, digits and - _ . ~ is percent-encoded (RFC 3986
/// §2.3).
std::string PathSegment(std::string_view text);

/// Text with the user and password of URLs in it left out, as it may be shown.
std::string WithoutPasswords(std::string_view text);

}  // namespace sluice::controller::broadcast
