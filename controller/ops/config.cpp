#include "controller/ops/config.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <limits>
#include <optional>
#include <string_view>
#include <utility>

#include "common/socket_address.h"

namespace sluice::controller {

namespace {

constexpr int64_t kMaxPort = 65'535;
constexpr int64_t kMaxWorkers = 256;
constexpr int64_t kMaxBitrate = 1'000'000'000;
constexpr int64_t kMaxCount = 1'000'000;
constexpr int64_t kMaxBytes = 256 << 20;
constexpr int64_t kMinBytes = 1024;
constexpr int64_t kMaxSeconds = 86'400;

std::optional<int64_t> ParseInteger(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

template <typename T>
Option Integer(std::string name, std::string value, std::string help, T Config::*field, int64_t min,
               int64_t max) {
  return {std::move(name), std::move(value), std::move(help),
          [field](const Config& config) { return std::to_string(config.*field); },
          [field, min, max](Config& config, const std::string& text) {
            const std::optional<int64_t> number = ParseInteger(text);
            if (!number || *number < min || *number > max) {
              return TypeError("must be an integer from " + std::to_string(min) + " to " +
                               std::to_string(max));
            }
            config.*field = static_cast<T>(*number);
            return Status();
          }};
}

Option Port(std::string name, std::string help, uint16_t Config::*field) {
  return Integer(std::move(name), "PORT", std::move(help), field, 0, kMaxPort);
}

Option Text(std::string name, std::string value, std::string help, std::string Config::*field) {
  return {std::move(name), std::move(value), std::move(help),
          [field](const Config& config) { return config.*field; },
          [field](Config& config, const std::string& text) {
            config.*field = text;
            return Status();
          }};
}

Option Ip(std::string name, std::string help, std::string Config::*field) {
  Option option = Text(std::move(name), "IP", std::move(help), field);
  option.set = [field](Config& config, const std::string& text) {
    if (!IpAddress::Parse(text)) {
      return TypeError("must be an IPv4 or IPv6 address, such as 127.0.0.1 or ::");
    }
    config.*field = text;
    return Status();
  };
  return option;
}

Option Choice(std::string name, const std::string& help, std::string Config::*field,
              const std::vector<std::string>& choices) {
  std::string listed;
  for (const std::string& choice : choices) listed += (listed.empty() ? "" : ", ") + choice;
  Option option = Text(std::move(name), "LEVEL", help + " (" + listed + ")", field);
  option.set = [field, choices, listed](Config& config, const std::string& text) {
    if (std::find(choices.begin(), choices.end(), text) == choices.end()) {
      return TypeError("must be one of " + listed);
    }
    config.*field = text;
    return Status();
  };
  return option;
}

Option Boolean(std::string name, std::string help, bool Config::*field) {
  return {std::move(name), "true|false", std::move(help),
          [field](const Config& config) { return config.*field ? "true" : "false"; },
          [field](Config& config, const std::string& text) {
            if (text != "true" && text != "false") return TypeError("must be true or false");
            config.*field = text == "true";
            return Status();
          }};
}

Option Codecs() {
  Option option = Text("mediaCodecs", "LIST",
                       "codecs of the rooms, in order of preference: kind/name/clock[/channels]"
                       "[;parameter=value]..., separated by commas",
                       &Config::media_codecs);
  option.set = [](Config& config, const std::string& text) {
    const auto parsed = ParseMediaCodecs(text);
    if (!parsed.ok()) return parsed.status();
    config.media_codecs = text;
    return Status();
  };
  return option;
}

std::vector<Option> MakeOptions() {
  return {
      Integer("numWorkers", "N", "media workers; 0 = one per CPU core", &Config::workers, 0,
              kMaxWorkers),
      Ip("listenIp", "address for HTTPS and WSS", &Config::listen_ip),
      Port("listenPort", "port for HTTPS and WSS; 0 = off", &Config::listen_port),
      Ip("plainListenIp", "address for plain HTTP and WS", &Config::plain_listen_ip),
      Port("plainListenPort", "port for plain HTTP and WS; 0 = off", &Config::plain_listen_port),
      Text("announcedAddress", "ADDRESS",
           "address that clients reach this machine by for media; empty = found out",
           &Config::announced_address),
      Ip("rtcIp", "address that media is received on", &Config::rtc_ip),
      Port("rtcPort",
           "UDP and TCP port for WebRTC media, plus the worker's index; 0 = ports of the range",
           &Config::rtc_port),
      Port("rtcMinPort", "first port of the range for WebRTC transports", &Config::rtc_min_port),
      Port("rtcMaxPort", "last port of the range for WebRTC transports", &Config::rtc_max_port),
      Port("plainMinPort", "first port of the range for plain RTP", &Config::plain_min_port),
      Port("plainMaxPort", "last port of the range for plain RTP", &Config::plain_max_port),
      Text("tlsCert", "FILE", "TLS certificate chain (PEM); empty = self-signed, kept in stateDir",
           &Config::tls_cert),
      Text("tlsKey", "FILE", "TLS private key (PEM) of tlsCert", &Config::tls_key),
      Text("stateDir", "DIR", "where the self-signed certificate is kept", &Config::state_dir),
      Codecs(),
      Integer("initialOutgoingBitrate", "BPS", "first estimate of what a client can receive",
              &Config::initial_outgoing_bitrate, 0, kMaxBitrate),
      Integer("maxIncomingBitrate", "BPS",
              "most that a WebRTC transport may send to us; 0 = no limit",
              &Config::max_incoming_bitrate, 0, kMaxBitrate),
      Integer("maxRooms", "N", "rooms at the same time", &Config::max_rooms, 1, kMaxCount),
      Integer("maxPeersPerRoom", "N", "peers in one room", &Config::max_peers_per_room, 1,
              kMaxCount),
      Integer("maxBroadcastersPerRoom", "N", "broadcasters in one room",
              &Config::max_broadcasters_per_room, 1, kMaxCount),
      Boolean("keepBroadcastRooms",
              "whether a room with broadcasters outlives its last peer; false = they end with it",
              &Config::keep_broadcast_rooms),
      Integer("emptyRoomTimeout", "SECONDS",
              "how long a room stays that was asked for and has no peer and no broadcaster",
              &Config::empty_room_timeout, 1, kMaxSeconds),
      Integer("maxConnections", "N", "HTTP and WebSocket connections at the same time",
              &Config::max_connections, 1, kMaxCount),
      Integer("maxConnectionsPerIp", "N",
              "of these, from one IPv4 address or IPv6 /64; 0 = no limit (behind a proxy)",
              &Config::max_connections_per_ip, 0, kMaxCount),
      Integer("maxRequestsPerSecond", "N", "protoo requests of one peer; 0 = no limit",
              &Config::max_requests_per_second, 0, kMaxCount),
      Integer("requestTimeout", "SECONDS", "how long an HTTP request may take to arrive",
              &Config::request_timeout, 1, kMaxSeconds),
      Integer("pingAfter", "SECONDS", "silence after which a WebSocket client is pinged",
              &Config::ping_after, 1, kMaxSeconds),
      Integer("pongWithin", "SECONDS", "silence after the ping at which it is cut off",
              &Config::pong_within, 1, kMaxSeconds),
      Integer("writeTimeout", "SECONDS",
              "how long a client may take to read a response or message before it is cut off",
              &Config::write_timeout, 1, kMaxSeconds),
      Integer("maxBody", "BYTES", "longest body of an HTTP request", &Config::max_body, kMinBytes,
              kMaxBytes),
      Integer("maxWebsocketMessage", "BYTES", "longest WebSocket message received",
              &Config::max_websocket_message, kMinBytes, kMaxBytes),
      Integer("maxWebsocketQueue", "BYTES",
              "most that may wait for a slow WebSocket client before it is cut off",
              &Config::max_websocket_queue, kMinBytes, kMaxBytes),
      Text("workerBin", "FILE", "media worker program; empty = sluice-worker next to this program",
           &Config::worker_bin),
      Choice("workerLogLevel", "how much the media workers log", &Config::worker_log_level,
             {"debug", "warn", "error", "none"}),
      Text("workerLogTags", "TAGS",
           "subjects of worker logs, separated by commas: info, ice, dtls, rtp, srtp, rtcp, rtx, "
           "bwe, score, simulcast, svc, sctp, message",
           &Config::worker_log_tags),
      Text("webRoot", "DIR", "built web app; empty = web/dist of the source tree",
           &Config::web_root),
      Choice("logLevel", "how much this program logs", &Config::log_level,
             {"debug", "info", "warn", "error", "off"}),
  };
}

std::vector<std::string> Split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  size_t start = 0;
  while (start <= text.size()) {
    const size_t end = std::min(text.find(separator, start), text.size());
    std::string part = text.substr(start, end - start);
    while (!part.empty() && part.front() == ' ') part.erase(0, 1);
    while (!part.empty() && part.back() == ' ') part.pop_back();
    parts.push_back(std::move(part));
    start = end + 1;
  }
  return parts;
}

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
  const std::vector<std::string> parts = Split(text, ';');
  const std::vector<std::string> type = Split(parts.front(), '/');
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

}  // namespace

std::string Option::environment() const {
  std::string variable = "SLUICE_";
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isupper(byte) != 0) variable += '_';
    variable += static_cast<char>(std::toupper(byte));
  }
  return variable;
}

const std::vector<Option>& Options() {
  static const std::vector<Option> options = MakeOptions();
  return options;
}

Status CheckConfig(const Config& config) {
  if (config.tls_cert.empty() != config.tls_key.empty()) {
    return TypeError(
        "options tlsCert and tlsKey go together: give both, or none for a self-signed one");
  }
  if (config.rtc_max_port < config.rtc_min_port || config.rtc_min_port == 0) {
    return TypeError("option rtcMaxPort \"" + std::to_string(config.rtc_max_port) +
                     "\" must not be below rtcMinPort \"" + std::to_string(config.rtc_min_port) +
                     "\", and both must be from 1 to 65535");
  }
  if (config.plain_max_port < config.plain_min_port || config.plain_min_port == 0) {
    return TypeError("option plainMaxPort \"" + std::to_string(config.plain_max_port) +
                     "\" must not be below plainMinPort \"" +
                     std::to_string(config.plain_min_port) +
                     "\", and both must be from 1 to 65535");
  }
  if (config.listen_port == 0 && config.plain_listen_port == 0) {
    return TypeError("options listenPort and plainListenPort are both 0: at least one must listen");
  }
  if (config.rtc_port != 0 && config.rtc_port + config.workers > kMaxPort) {
    return TypeError("option rtcPort \"" + std::to_string(config.rtc_port) +
                     "\" leaves no room for " + std::to_string(config.workers) +
                     " workers below 65536");
  }
  return absl::OkStatus();
}

Result<std::vector<RtpCodecCapability>> ParseMediaCodecs(const std::string& text) {
  std::vector<RtpCodecCapability> codecs;
  for (const std::string& entry : Split(text, ',')) {
    Result<RtpCodecCapability> codec = ParseMediaCodec(entry);
    if (!codec.ok()) return codec.status();
    codecs.push_back(*std::move(codec));
  }
  return codecs;
}

}  // namespace sluice::controller
