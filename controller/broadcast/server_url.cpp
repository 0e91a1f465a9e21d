#include "controller/broadcast/server_url.h"

#include <cctype>
#include <optional>
#include <utility>

namespace sluice::controller::broadcast {

Result<ServerUrl> ParseServerUrl(const std::string& text) {
  std::optional<ServerUrl> url = ReadServerUrl(text);
  if (url) return *std::move(url);
  return TypeError(
      "option --url \"" + WithoutPasswords(text) +
      "\": must be http://HOST[:PORT] or https://HOST[:PORT], IPv6 as http://[::1]:3000");
}

std::string PathSegment(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string result;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) || c == '-' || c == '_' || c == '.' || c == '~') {
      result += c;
    } else {
      result += {'%', kHex[byte >> 4], kHex[byte & 0xFU]};
    }
  }
  return result;
}

}  // namespace sluice::controller::broadcast
