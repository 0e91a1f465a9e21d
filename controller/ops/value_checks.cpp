#include "controller/ops/value_checks.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>
#include <vector>

#include "common/socket_address.h"
#include "controller/ops/config.h"
#include "controller/ops/option_kinds.h"
#include "controller/ortc/ortc.h"
#include "controller/ortc/supported_capabilities.h"

namespace sluice::controller {

namespace {

bool IsLabel(const std::string& label) {
  constexpr size_t kMaxLabel = 63;
  return !label.empty() && label.size() <= kMaxLabel && label.front() != '-' &&
         label.back() != '-' && std::all_of(label.begin(), label.end(), [](unsigned char c) {
           return std::isalnum(c) != 0 || c == '-' || c == '_';
         });
}

/// "audio/opus, video/VP8, …"
std::string KnownCodecs() {
  std::string known;
  std::vector<std::string> listed;
  for (const RtpCodecCapability& codec : SupportedRtpCapabilities().codecs) {
    if (std::find(listed.begin(), listed.end(), codec.mime_type) != listed.end()) continue;
    listed.push_back(codec.mime_type);
    known += (known.empty() ? "" : ", ") + codec.mime_type;
  }
  return known;
}

}  // namespace

bool IsHostName(const std::string& text) {
  constexpr size_t kMaxName = 253;
  std::string name = text;
  if (name.size() > 1 && name.back() == '.') name.pop_back();  // fully qualified
  if (name.empty() || name.size() > kMaxName || name.find(' ') != std::string::npos) return false;
  const std::vector<std::string> labels = SplitText(name, '.');
  const std::string& last = labels.back();
  const bool number =
      std::all_of(last.begin(), last.end(), [](unsigned char c) { return std::isdigit(c) != 0; });
  return !number && std::all_of(labels.begin(), labels.end(), IsLabel);
}

Status CheckAnnouncedAddress(const std::string& text) {
  if (text.empty()) return absl::OkStatus();
  const auto ip = IpAddress::Parse(text);
  if (ip ? !ip->is_unspecified() : IsHostName(text)) return absl::OkStatus();
  return TypeError("must be an address or host name that clients can reach, such as 203.0.113.7");
}

Status CheckOrigin(const std::string& text) {
  if (text == "*" || text == "null") return absl::OkStatus();
  std::string_view rest = text;
  for (const std::string_view scheme : {"https://", "http://"}) {
    if (rest.starts_with(scheme)) rest.remove_prefix(scheme.size());
  }
  const bool has_scheme = rest.size() < text.size();
  if (has_scheme && !rest.empty() && rest.find_first_of("/?#@ ") == std::string_view::npos) {
    return absl::OkStatus();
  }
  return TypeError("origin \"" + text +
                   "\" must be scheme, host and port as in https://app.example.com:8443, without a "
                   "path, or *");
}

Status CheckAllowedHost(const std::string& text) {
  if (text == "*" || IpAddress::Parse(text) || IsHostName(text)) return absl::OkStatus();
  return TypeError("host \"" + text +
                   "\" must be a name or address without scheme, port and path, such as "
                   "sluice.example.com, or *");
}

Status CheckMediaCodec(const std::string& text) {
  const Result<std::vector<RtpCodecCapability>> codecs = ParseMediaCodecs({text});
  if (!codecs.ok()) return codecs.status();
  if (MakeRouterRtpCapabilities(*codecs).ok()) return absl::OkStatus();
  const RtpCodecCapability& codec = codecs->front();
  return TypeError("codec \"" + codec.mime_type + "/" + std::to_string(codec.clock_rate) +
                   "\", with these channels and parameters, must be one that media workers know: " +
                   KnownCodecs());
}

Status CheckWorkerLogTag(const std::string& text) {
  constexpr std::array<std::string_view, 13> kTags = {
      "info", "ice",   "dtls",      "rtp", "srtp", "rtcp",   "rtx",
      "bwe",  "score", "simulcast", "svc", "sctp", "message"};
  if (std::find(kTags.begin(), kTags.end(), text) != kTags.end()) return absl::OkStatus();
  std::string known;
  for (const std::string_view tag : kTags) (known += known.empty() ? "" : ", ") += tag;
  return TypeError("tag \"" + text + "\" must be one of " + known);
}

}  // namespace sluice::controller
