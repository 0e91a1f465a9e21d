#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sluice::controller {

/// Where an HTTP server is.
struct ServerUrl {
  bool tls = false;
  std::string host;  ///< a name or an address, IPv6 without brackets
  std::string port;
  std::string path;    ///< as it was written
  std::string prefix;  ///< of all paths: "" or "/behind/a/proxy"
  std::string query;   ///< with the question mark in front; "" = none
  /// For the Host field: the host as in a URL, and the port.
  std::string authority() const;
};

/// Reads http[s]://HOST[:PORT][/PREFIX][?QUERY]; nullopt when it is none.
std::optional<ServerUrl> ReadServerUrl(const std::string& text);

/// Text with the user and password of URLs in it left out, as it may be shown.
std::string WithoutPasswords(std::string_view text);

}  // namespace sluice::controller
