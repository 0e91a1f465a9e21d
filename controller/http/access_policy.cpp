#include "controller/http/access_policy.h"

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <boost/url/authority_view.hpp>
#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>
#include <cctype>
#include <string_view>
#include <utility>

#include "controller/http/http_error.h"

namespace sluice::controller {

namespace urls = boost::urls;

namespace {

/// Host and port of an authority; port 0 = the scheme's own.
struct HostPort {
  std::string host;  ///< lower case, IPv6 without brackets
  uint16_t port = 0;
  bool operator==(const HostPort&) const = default;
};

std::string LowerCase(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

std::vector<std::string> LowerCase(std::vector<std::string> texts) {
  for (std::string& text : texts) text = LowerCase(std::move(text));
  return texts;
}

HostPort ReadHostPort(const urls::authority_view& authority) {
  std::string host = LowerCase(authority.host_address());
  if (host.size() > 1 && host.back() == '.') host.pop_back();  // a fully qualified name
  return {std::move(host), authority.port_number()};
}

std::optional<HostPort> ParseHost(const std::string& text) {
  const auto authority = urls::parse_authority(text);
  if (!authority || authority->has_userinfo()) return std::nullopt;
  return ReadHostPort(*authority);
}

/// The host and port of an Origin (RFC 6454 §7.1) and whether its scheme is https.
std::optional<std::pair<HostPort, bool>> ParseOrigin(const std::string& text) {
  const auto url = urls::parse_uri(text);
  if (!url || !url->has_authority() || url->has_userinfo()) return std::nullopt;
  const bool https = url->scheme_id() == urls::scheme::https;
  if (!https && url->scheme_id() != urls::scheme::http) return std::nullopt;
  return std::pair(ReadHostPort(url->authority()), https);
}

bool IsLocalName(const std::string& host) {
  if (host == "localhost" || host.ends_with(".localhost")) return true;  // RFC 6761 §6.3
  boost::system::error_code error;
  const auto ip = boost::asio::ip::make_address(host, error);
  return !error && ip.is_loopback();
}

bool Contains(const std::vector<std::string>& list, const std::string& entry) {
  return std::any_of(list.begin(), list.end(), [&](const std::string& allowed) {
    return allowed == "*" || allowed == entry;
  });
}

bool IsSafe(const std::string& method) {  // RFC 9110 §9.2.1
  return method == "GET" || method == "HEAD" || method == "OPTIONS" || method == "TRACE";
}

HttpResponse Forbid(const std::string& text) {
  HttpResponse response = HttpErrorText(403, text);
  response.close = true;
  return response;
}

}  // namespace

AccessPolicy::AccessPolicy(Rules rules)
    : rules_{LowerCase(std::move(rules.allowed_origins)), LowerCase(std::move(rules.allowed_hosts)),
             rules.needs_token} {}

std::optional<HttpResponse> AccessPolicy::Refuse(const HttpRequest& request, bool opens) {
  if (!HostAllowed(request)) {
    ++counters_.refused_hosts;
    return Forbid("Forbidden: this server is not for the host \"" + request.host +
                  "\": without TLS it answers to localhost, to its own addresses and to what the "
                  "option allowedHosts names");
  }
  const bool brings_token = rules_.needs_token && !opens && !request.authorization.empty();
  if ((opens || !IsSafe(request.method)) && !brings_token && !OriginAllowed(request)) {
    ++counters_.refused_origins;
    return Forbid("Forbidden: pages of the origin \"" + request.origin +
                  "\" may not use this server: the option allowedOrigins does not name it");
  }
  return std::nullopt;
}

bool AccessPolicy::HostAllowed(const HttpRequest& request) const {
  if (request.secure || request.host.empty()) return true;  // HTTP/1.0 needs no Host
  const std::optional<HostPort> host = ParseHost(request.host);
  if (!host) return Contains(rules_.allowed_hosts, request.host);
  return IsLocalName(host->host) || host->host == request.local_ip ||
         Contains(rules_.allowed_hosts, host->host);
}

bool AccessPolicy::OriginAllowed(const HttpRequest& request) const {
  if (request.origin.empty()) return true;
  if (Contains(rules_.allowed_origins, LowerCase(request.origin))) return true;
  auto origin = ParseOrigin(request.origin);
  std::optional<HostPort> host = ParseHost(request.host);
  if (!origin || !host) return false;
  const auto& [from, https] = *origin;
  // Behind a proxy that does TLS, a page of https is served without TLS by us, never the reverse.
  if (request.secure && !https) return false;
  constexpr uint16_t kHttpPort = 80;
  constexpr uint16_t kHttpsPort = 443;
  const uint16_t usual = https ? kHttpsPort : kHttpPort;
  const auto port = [usual](const HostPort& of) { return of.port == 0 ? usual : of.port; };
  return from.host == host->host && port(from) == port(*host);
}

}  // namespace sluice::controller
