#include "controller/base/server_url.h"

#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>
#include <cstddef>

namespace sluice::controller {

std::string ServerUrl::authority() const {
  const bool v6 = host.find(':') != std::string::npos;
  return (v6 ? "[" + host + "]" : host) + ":" + port;
}

std::optional<ServerUrl> ReadServerUrl(const std::string& text) {
  const auto parsed = boost::urls::parse_uri(text);
  const bool known = parsed.has_value() &&
                     (parsed->scheme() == "http" || parsed->scheme() == "https") &&
                     !parsed->encoded_host().empty();
  if (!known) return std::nullopt;
  ServerUrl url;
  url.tls = parsed->scheme() == "https";
  url.host = parsed->host_address();
  url.port = std::string(parsed->port().data(), parsed->port().size());
  if (url.port.empty()) url.port = url.tls ? "443" : "80";
  const auto path = parsed->encoded_path();
  url.path = std::string(path.data(), path.size());
  url.prefix = url.path;
  while (url.prefix.ends_with('/')) url.prefix.pop_back();
  if (parsed->has_query()) {
    const auto query = parsed->encoded_query();
    url.query = "?" + std::string(query.data(), query.size());
  }
  return url;
}

std::string WithoutPasswords(std::string_view text) {
  std::string result;
  for (size_t at = text.find("://"); at != std::string_view::npos; at = text.find("://")) {
    constexpr size_t kMark = 3;
    result += text.substr(0, at + kMark);
    text.remove_prefix(at + kMark);
    const std::string_view authority = text.substr(0, text.find_first_of("/?# \t\"'"));
    const size_t user = authority.rfind('@');
    if (user != std::string_view::npos) text.remove_prefix(user + 1);
  }
  return result + std::string(text);
}

}  // namespace sluice::controller
