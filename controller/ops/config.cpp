#include "controller/ops/config.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <tuple>
#include <utility>

#include "common/socket_address.h"
#include "controller/ops/option_kinds.h"

namespace sluice::controller {

namespace {

/// Numbers stay numbers (packetization-mode=1), the rest is text (profile-level-id=42e01f).
ParameterValue ParseParameterValue(const std::string& text) {
  const std::optional<int64_t> number = ParseInteger(text);
  if (number && *number >= std::numeric_limits<int32_t>::min() &&
      *number <= std::numeric_limits<int32_t>::max()) {
    return static_cast<int32_t>(*number);
  }
  return text;
}

Result<RtpCodecCapability> ParseMediaCodec(const std::string& text) {
  const std::vector<std::string> parts = SplitText(text, ';');
  const std::vector<std::string> type = SplitText(parts.front(), '/');
  const bool audio = type.front() == "audio";
  constexpr int64_t kMaxChannels = 255;
  // 0 stands for what is missing or no number: neither may be 0.
  const int64_t clock = type.size() >= 3 ? ParseInteger(type[2]).value_or(0) : 0;
  const int64_t channels = type.size() == 4 ? ParseInteger(type[3]).value_or(0) : 1;
  const bool good = (audio || type.front() == "video") && type.size() >= 3 && type.size() <= 4 &&
                    !type[1].empty() && clock > 0 &&
                    clock <= std::numeric_limits<uint32_t>::max() && channels > 0 &&
                    channels <= kMaxChannels;
  if (!good) {
    return TypeError("codec \"" + parts.front() +
                     "\" must look like audio/opus/48000/2 or video/VP8/90000");
  }
  RtpCodecCapability codec;
  codec.kind = audio ? MediaKind::kAudio : MediaKind::kVideo;
  codec.mime_type = type[0] + "/" + type[1];
  codec.clock_rate = static_cast<uint32_t>(clock);
  codec.channels = static_cast<uint8_t>(channels);
  for (size_t i = 1; i < parts.size(); ++i) {
    const size_t equals = parts[i].find('=');
    if (equals == 0 || equals == std::string::npos) {
      return TypeError("codec parameter \"" + parts[i] + "\" must look like name=value");
    }
    codec.parameters[parts[i].substr(0, equals)] = ParseParameterValue(parts[i].substr(equals + 1));
  }
  return codec;
}

constexpr absl::string_view kOptionsPayload = "sluice/options";

/// Error of a port range whose bounds are `first` and `last`, or OK.
Status CheckPorts(const std::string& name, uint16_t first, uint16_t last) {
  if (first != 0 && first <= last) return absl::OkStatus();
  return OptionsError({name + "MaxPort", name + "MinPort"},
                      "option " + name + "MaxPort \"" + std::to_string(last) +
                          "\" must not be below " + name + "MinPort \"" + std::to_string(first) +
                          "\", and both must be from 1 to 65535");
}

/// Whether sockets on both addresses would get the same connections.
bool Overlap(const std::string& one, const std::string& other) {
  const auto first = IpAddress::Parse(one);
  const auto second = IpAddress::Parse(other);
  if (!first || !second || first->is_v6() != second->is_v6()) return one == other;
  return first->is_unspecified() || second->is_unspecified() || *first == *second;
}

/// The listeners must not be in each other's way, nor in that of the workers' TCP ports.
Status CheckListeners(const Config& config) {
  const HttpConfig& http = config.http;
  const uint16_t port = http.listen_port;
  if (port != 0 && port == http.plain_listen_port &&
      Overlap(http.listen_ip, http.plain_listen_ip)) {
    return OptionsError({"listenPort", "plainListenPort"},
                        "options listenPort and plainListenPort are both \"" +
                            std::to_string(port) + "\": one of them must be another port, or 0");
  }
  const MediaConfig& media = config.media;
  if (media.rtc_port == 0) return absl::OkStatus();
  for (const auto& [name, ip, listen] :
       {std::tuple("listenPort", http.listen_ip, http.listen_port),
        std::tuple("plainListenPort", http.plain_listen_ip, http.plain_listen_port)}) {
    const bool taken = listen >= media.rtc_port && listen < media.rtc_port + config.workers.count;
    if (!taken || !Overlap(ip, media.rtc_ip)) continue;
    return OptionsError({name, "rtcPort"},
                        "option " + std::string(name) + " \"" + std::to_string(listen) +
                            "\" is one of the ports for media, which are " +
                            std::to_string(config.workers.count) + " from rtcPort \"" +
                            std::to_string(media.rtc_port) + "\" on: it must be another");
  }
  return absl::OkStatus();
}

}  // namespace

Status OptionsError(const std::vector<std::string>& names, const std::string& text) {
  Status status = TypeError(text);
  std::string joined;
  for (const std::string& name : names) joined += (joined.empty() ? "" : ",") + name;
  status.SetPayload(kOptionsPayload, absl::Cord(joined));
  return status;
}

std::vector<std::string> OptionsOf(const Status& status) {
  const auto names = status.GetPayload(kOptionsPayload);
  if (!names) return {};
  return SplitText(std::string(*names), ',');
}

Status CheckConfig(const Config& config) {
  if (config.http.tls_cert.empty() != config.http.tls_key.empty()) {
    return OptionsError(
        {"tlsCert", "tlsKey"},
        "options tlsCert and tlsKey go together: give both, or none for a self-signed one");
  }
  if (config.webhook.url.empty() != config.webhook.secret.empty()) {
    return OptionsError({"webhookUrl", "webhookSecret"},
                        "options webhookUrl and webhookSecret go together: give both, or none");
  }
  const MediaConfig& media = config.media;
  SLUICE_RETURN_IF_ERROR(CheckPorts("rtc", media.rtc_min_port, media.rtc_max_port));
  SLUICE_RETURN_IF_ERROR(CheckPorts("plain", media.plain_min_port, media.plain_max_port));
  if (config.http.listen_port == 0 && config.http.plain_listen_port == 0) {
    return OptionsError(
        {"listenPort", "plainListenPort"},
        "options listenPort and plainListenPort are both 0: at least one must listen");
  }
  const int last_port = media.rtc_port + config.workers.count - 1;
  if (media.rtc_port != 0 && last_port > kMaxPort) {
    return OptionsError({"rtcPort", "numWorkers"},
                        "option rtcPort \"" + std::to_string(media.rtc_port) +
                            "\" leaves no room for " + std::to_string(config.workers.count) +
                            " workers: it must be at most " +
                            std::to_string(kMaxPort + 1 - config.workers.count));
  }
  if (media.codecs.empty()) {
    return OptionsError({"mediaCodecs"}, "option mediaCodecs must name at least one codec");
  }
  return CheckListeners(config);
}

Result<std::vector<RtpCodecCapability>> ParseMediaCodecs(const std::vector<std::string>& texts) {
  std::vector<RtpCodecCapability> codecs;
  for (const std::string& text : texts) {
    Result<RtpCodecCapability> codec = ParseMediaCodec(text);
    if (!codec.ok()) return codec.status();
    codecs.push_back(*std::move(codec));
  }
  return codecs;
}

}  // namespace sluice::controller
