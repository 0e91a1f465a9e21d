#include "worker/channel/log_settings.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string>
#include <utility>

namespace sluice::worker {

std::optional<LogLevel> ParseLogLevel(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  for (LogLevel level : {LogLevel::kDebug, LogLevel::kWarn, LogLevel::kError, LogLevel::kNone}) {
    if (lower == ToString(level)) return level;
  }
  return std::nullopt;
}

LogTag ParseLogTag(std::string_view text) {
  static constexpr std::array<std::pair<std::string_view, LogTag>, 13> kTags = {{
      {"info", LogTag::kInfo},
      {"ice", LogTag::kIce},
      {"dtls", LogTag::kDtls},
      {"rtp", LogTag::kRtp},
      {"srtp", LogTag::kSrtp},
      {"rtcp", LogTag::kRtcp},
      {"rtx", LogTag::kRtx},
      {"bwe", LogTag::kBwe},
      {"score", LogTag::kScore},
      {"simulcast", LogTag::kSimulcast},
      {"svc", LogTag::kSvc},
      {"sctp", LogTag::kSctp},
      {"message", LogTag::kMessage},
  }};
  for (const auto& [name, tag] : kTags) {
    if (text == name) return tag;
  }
  return LogTag::kNone;
}

LogTag ParseRoomLogTag(std::string_view text) {
  return text == "rbe" ? LogTag::kBwe : ParseLogTag(text);
}

}  // namespace sluice::worker
