#include "controller/ops/exposure.h"

#include <cstdint>
#include <optional>
#include <utility>

#include "common/socket_address.h"
#include "controller/http/client_address.h"

namespace sluice::controller {

namespace {

/// Whether there may well be a reverse proxy in front of the listener without TLS.
bool SuggestsProxy(const Config& config) {
  const HttpConfig& http = config.http;
  return !http.trusted_proxies.empty() || !http.allowed_hosts.empty() ||
         IsPublicAddress(config.media.announced_address);
}

}  // namespace

bool IsPublicAddress(const std::string& address) {
  if (address.empty()) return false;
  const std::optional<IpAddress> ip = IpAddress::Parse(address);
  if (!ip) return true;
  const auto& bytes = ip->bytes();
  if (IsLoopback(address) || ip->is_unspecified()) return false;
  if (ip->is_v6()) {
    const bool local = (bytes[0] & 0xFE) == 0xFC;                           // RFC 4193
    const bool link_local = bytes[0] == 0xFE && (bytes[1] & 0xC0) == 0x80;  // RFC 4291 §2.5.6
    return !local && !link_local;
  }
  const bool is_private = bytes[0] == 10 || (bytes[0] == 172 && (bytes[1] & 0xF0) == 16) ||
                          (bytes[0] == 192 && bytes[1] == 168);    // RFC 1918
  const bool shared = bytes[0] == 100 && (bytes[1] & 0xC0) == 64;  // RFC 6598
  const bool link_local = bytes[0] == 169 && bytes[1] == 254;      // RFC 3927
  return !is_private && !shared && !link_local;
}

std::vector<std::string> ExposureWarnings(const Config& config) {
  std::vector<std::string> warnings;
  if (!config.security.auth_secret.empty()) return warnings;
  const HttpConfig& http = config.http;
  const std::string& gst_ip = config.gst.listen_ip.empty() ? http.listen_ip : config.gst.listen_ip;
  for (const auto& [ip, port] : {std::pair(http.listen_ip, http.listen_port),
                                 std::pair(http.plain_listen_ip, http.plain_listen_port),
                                 std::pair(gst_ip, config.gst.listen_port)}) {
    if (port == 0 || IsLoopback(ip)) continue;
    warnings.push_back("authSecret is not set: everybody who reaches " + ip + " port " +
                       std::to_string(port) + " may open rooms, publish and watch");
    break;
  }
  if (http.plain_listen_port != 0 && SuggestsProxy(config)) {
    warnings.push_back(
        "authSecret is not set: a reverse proxy on this machine that passes requests on to port " +
        std::to_string(http.plain_listen_port) +
        " and adds none of X-Forwarded-For, X-Real-IP, Forwarded and Via opens the management API "
        "(/api/v1) to everybody; set authSecret, or do not pass that path on");
  }
  return warnings;
}

}  // namespace sluice::controller
