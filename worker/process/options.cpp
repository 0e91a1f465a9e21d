#include "worker/process/options.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string_view>

#include "worker/channel/log_settings.h"
#include "worker/process/engine_options.h"
#include "worker/process/json_options.h"

namespace sluice::worker {

namespace {

Status SetLogLevel(std::string_view value, WorkerOptions& options) {
  const auto level = ParseLogLevel(value);
  if (!level) {
    return TypeError(
        fmt::format("--logLevel: \"{}\" is not one of debug, warn, error, none", value));
  }
  options.log_level = *level;
  return absl::OkStatus();
}

Status AddLogTag(std::string_view value, WorkerOptions& options) {
  options.log_tags |= static_cast<uint16_t>(ParseLogTag(value));  // an unknown one adds nothing
  return absl::OkStatus();
}

Status ParsePort(std::string_view option, std::string_view value, uint16_t* port) {
  uint32_t number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (error != std::errc() || end != value.data() + value.size() || number > 65'535) {
    return TypeError(fmt::format("{}: \"{}\" is not a port number from 0 to 65535", option, value));
  }
  *port = static_cast<uint16_t>(number);
  return absl::OkStatus();
}

Status SetMinPort(std::string_view value, WorkerOptions& options) {
  return ParsePort("--rtcMinPort", value, &options.rtc_ports.min);
}

Status SetMaxPort(std::string_view value, WorkerOptions& options) {
  return ParsePort("--rtcMaxPort", value, &options.rtc_ports.max);
}

Status ParseBufferSize(std::string_view option, std::string_view value, uint32_t* bytes) {
  constexpr uint32_t kMax = 1u << 30;  // the kernel doubles it, in an int
  uint32_t number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (error != std::errc() || end != value.data() + value.size() || number >= kMax) {
    return TypeError(
        fmt::format("{}: \"{}\" is not a number of bytes from 0 to {}", option, value, kMax - 1));
  }
  *bytes = number;
  return absl::OkStatus();
}

Status SetUdpSendBuffer(std::string_view value, WorkerOptions& options) {
  return ParseBufferSize("--udpSendBuffer", value, &options.udp_buffers.send);
}

Status SetUdpReceiveBuffer(std::string_view value, WorkerOptions& options) {
  return ParseBufferSize("--udpReceiveBuffer", value, &options.udp_buffers.receive);
}

// Upper bounds of limits: what SRTP can send at a time (SrtpSender::kMaxSsrcs), what usrsctp has
// streams for, and what a process has descriptors and memory for.
constexpr size_t kMaxProducers = 1024;
constexpr size_t kMaxConsumers = 4096;
constexpr size_t kMaxDataChannels = 65'535;
constexpr size_t kMaxConnections = 1'000'000;
constexpr size_t kMaxBacklog = size_t{4} << 30;
constexpr size_t kMinBacklog = size_t{64} << 10;  // one datagram
constexpr size_t kMaxSeconds = 86'400;            // a day

Status ParseLimit(std::string_view option, std::string_view value, size_t least, size_t most,
                  size_t* limit) {
  size_t number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (error != std::errc() || end != value.data() + value.size() || number < least ||
      number > most) {
    return TypeError(
        fmt::format("{}: \"{}\" is not a number from {} to {}", option, value, least, most));
  }
  *limit = number;
  return absl::OkStatus();
}

Status SetMaxProducers(std::string_view value, WorkerOptions& options) {
  return ParseLimit("--maxProducersPerTransport", value, 1, kMaxProducers,
                    &options.limits.producers);
}

Status SetMaxConsumers(std::string_view value, WorkerOptions& options) {
  return ParseLimit("--maxConsumersPerTransport", value, 1, kMaxConsumers,
                    &options.limits.consumers);
}

Status SetMaxDataChannels(std::string_view value, WorkerOptions& options) {
  return ParseLimit("--maxDataChannelsPerTransport", value, 1, kMaxDataChannels,
                    &options.limits.data_channels);
}

Status SetMaxTcp(std::string_view value, WorkerOptions& options) {
  return ParseLimit("--maxTcpConnections", value, 1, kMaxConnections,
                    &options.tcp_limits.connections);
}

Status SetMaxTcpPerIp(std::string_view value, WorkerOptions& options) {
  return ParseLimit("--maxTcpConnectionsPerIp", value, 1, kMaxConnections,
                    &options.tcp_limits.per_network);
}

Status SetMaxTcpStrangers(std::string_view value, WorkerOptions& options) {
  return ParseLimit("--maxTcpStrangers", value, 1, kMaxConnections, &options.tcp_limits.strangers);
}

Status SetMaxTcpStrangersPerIp(std::string_view value, WorkerOptions& options) {
  return ParseLimit("--maxTcpStrangersPerIp", value, 1, kMaxConnections,
                    &options.tcp_limits.strangers_per_network);
}

Status ParseSeconds(std::string_view option, std::string_view value, Duration* time) {
  size_t seconds = 0;
  SLUICE_RETURN_IF_ERROR(ParseLimit(option, value, 1, kMaxSeconds, &seconds));
  *time = Duration::Seconds(static_cast<int64_t>(seconds));
  return absl::OkStatus();
}

Status SetTcpCheckTimeout(std::string_view value, WorkerOptions& options) {
  return ParseSeconds("--tcpCheckTimeout", value, &options.tcp_limits.check_timeout);
}

Status SetTcpIdleTimeout(std::string_view value, WorkerOptions& options) {
  return ParseSeconds("--tcpIdleTimeout", value, &options.tcp_limits.idle_timeout);
}

Status SetMaxSendBacklog(std::string_view value, WorkerOptions& options) {
  return ParseLimit("--maxSendBacklog", value, kMinBacklog, kMaxBacklog, &options.max_send_backlog);
}

Status SetEstimateBandwidth(std::string_view value, WorkerOptions& options) {
  if (value != "on" && value != "off") {
    return TypeError(fmt::format("--estimateBandwidth: \"{}\" is not one of on, off", value));
  }
  options.engine.estimate_bandwidth = value == "on";
  return absl::OkStatus();
}

Status SetGroupReplay(std::string_view value, WorkerOptions& options) {
  if (value != "on" && value != "off") {
    return TypeError(fmt::format("--groupReplay: \"{}\" is not one of on, off", value));
  }
  options.engine.replay_groups = value == "on";
  return absl::OkStatus();
}

Status SetCertificateFile(std::string_view value, WorkerOptions& options) {
  options.dtls_certificate_file = value;
  return CheckReadableFile("--dtlsCertificateFile", options.dtls_certificate_file);
}

Status SetPrivateKeyFile(std::string_view value, WorkerOptions& options) {
  options.dtls_private_key_file = value;
  return CheckReadableFile("--dtlsPrivateKeyFile", options.dtls_private_key_file);
}

/// "Name/Value/Name/Value/": no empty part, every part closed by a slash.
Status SetFieldTrials(std::string_view value, WorkerOptions& options) {
  const auto slashes = std::count(value.begin(), value.end(), '/');
  const bool closed = value.empty() || value.back() == '/';
  const bool has_empty_part =
      value.find("//") != std::string_view::npos || (!value.empty() && value.front() == '/');
  if (!closed || has_empty_part || slashes % 2 != 0) {
    return TypeError(fmt::format(
        "--libwebrtcFieldTrials: \"{}\" does not have the form Name/Value/Name/Value/", value));
  }
  options.field_trials = value;
  return absl::OkStatus();
}

Status SetWriter(std::string_view value, WorkerOptions& options) {
  return ParseWriterKind(value, &options.writer);
}

Status SetSrtpEngine(std::string_view value, WorkerOptions& options) {
  return ParseSrtpEngineKind(value, &options.srtp_engine);
}

/// Which one it is to be has been chosen by then: see ChooseProtocol.
Status CheckProtocolName(std::string_view value) {
  if (value == "auto" || value == "router" || value == "json") return absl::OkStatus();
  return TypeError(fmt::format("--protocol: \"{}\" is not one of auto, router, json", value));
}

Status SetProtocol(std::string_view value, WorkerOptions& /*options*/) {
  return CheckProtocolName(value);
}

struct OptionSpec {
  std::string_view name;
  std::string_view placeholder;
  std::string_view help;
  Status (*apply)(std::string_view value, WorkerOptions& options);
};

constexpr std::array<OptionSpec, 25> kOptions = {{
    {"logLevel", "LEVEL", "debug, warn, error (default) or none", SetLogLevel},
    {"logTag", "TAG",
     "a subject of debug and warn lines; repeatable: info ice dtls rtp\n"
     "srtp rtcp rtx bwe score simulcast svc sctp message",
     AddLogTag},
    {"logTags", "TAG", "the same as --logTag", AddLogTag},
    {"rtcMinPort", "PORT", "lowest port for media, where no other is asked for (10000)",
     SetMinPort},
    {"rtcMaxPort", "PORT", "highest port for media (59999)", SetMaxPort},
    {"udpSendBuffer", "BYTES",
     "kernel's buffer of each UDP socket for what is sent (4194304);\n"
     "0: what the system gives",
     SetUdpSendBuffer},
    {"udpReceiveBuffer", "BYTES", "the same for what is received (4194304)", SetUdpReceiveBuffer},
    {"maxProducersPerTransport", "N", "producers of one transport (256)", SetMaxProducers},
    {"maxConsumersPerTransport", "N",
     "consumers of one transport (2048); of a pipe its producers, too", SetMaxConsumers},
    {"maxDataChannelsPerTransport", "N",
     "data producers, and as many data consumers, of one transport\n"
     "(4096)",
     SetMaxDataChannels},
    {"maxTcpConnections", "N", "ICE-TCP connections (8192)", SetMaxTcp},
    {"maxTcpConnectionsPerIp", "N", "of these, of one IPv4 address or IPv6 /64 (1024)",
     SetMaxTcpPerIp},
    {"maxTcpStrangers", "N", "ICE-TCP connections without a valid connectivity check (512)",
     SetMaxTcpStrangers},
    {"maxTcpStrangersPerIp", "N", "of these, of one IPv4 address or IPv6 /64 (64)",
     SetMaxTcpStrangersPerIp},
    {"tcpCheckTimeout", "SECONDS",
     "how long an ICE-TCP connection has for its first valid\n"
     "connectivity check (5)",
     SetTcpCheckTimeout},
    {"tcpIdleTimeout", "SECONDS", "how long one stays without another (60)", SetTcpIdleTimeout},
    {"maxSendBacklog", "BYTES", "most that may wait for UDP sockets that are full (67108864)",
     SetMaxSendBacklog},
    {"estimateBandwidth", "on|off",
     "whether the path to each viewer is estimated, paced and shared\n"
     "out; off (default): not yet measured with real viewers",
     SetEstimateBandwidth},
    {"groupReplay", "on|off",
     "whether who joins is sent the group of pictures so far, where\n"
     "that is sooner live than a key frame comes; on (default)",
     SetGroupReplay},
    {"dtlsCertificateFile", "PATH",
     "DTLS certificate in PEM, with --dtlsPrivateKeyFile; without them\n"
     "one is made at start",
     SetCertificateFile},
    {"dtlsPrivateKeyFile", "PATH", "its private key in PEM", SetPrivateKeyFile},
    {"libwebrtcFieldTrials", "TRIALS", "Name/Value/...; checked, and without effect",
     SetFieldTrials},
    {"writer", "KIND",
     "how datagrams are sent: gso, sendmmsg, sendto, or auto (default):\n"
     "the first of these that the system can do",
     SetWriter},
    {"srtpEngine", "KIND",
     "who encrypts: ipsecmb, openssl, libsrtp, or auto (default): the\n"
     "first of these that the CPU can do",
     SetSrtpEngine},
    {"protocol", "NAME",
     "protocol on the pipe: router, json, or auto (default): what the way\n"
     "the program was started tells",
     SetProtocol},
}};

const OptionSpec* FindOption(std::string_view name) {
  const auto* found = std::find_if(kOptions.begin(), kOptions.end(),
                                   [&](const OptionSpec& spec) { return spec.name == name; });
  return found == kOptions.end() ? nullptr : found;
}

bool IsOption(std::string_view argument) { return argument.size() > 1 && argument[0] == '-'; }

/// What holds between options.
Status CheckTogether(const WorkerOptions& options) {
  if (options.rtc_ports.max < options.rtc_ports.min) {
    return TypeError(fmt::format("--rtcMaxPort: {} is less than --rtcMinPort {}",
                                 options.rtc_ports.max, options.rtc_ports.min));
  }
  if (options.dtls_certificate_file.empty() != options.dtls_private_key_file.empty()) {
    const bool has_key = options.dtls_certificate_file.empty();
    return TypeError(fmt::format("{} is given without {}; give both or neither",
                                 has_key ? "--dtlsPrivateKeyFile" : "--dtlsCertificateFile",
                                 has_key ? "--dtlsCertificateFile" : "--dtlsPrivateKeyFile"));
  }
  return absl::OkStatus();
}

/// As the JSON protocol's library makes it: eight letters, '#', a number.
bool IsJsonWorkerId(std::string_view text) {
  constexpr size_t kLetters = 8;
  if (text.size() < kLetters + 2 || text[kLetters] != '#') return false;
  const auto is_lower = [](char c) { return c >= 'a' && c <= 'z'; };
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  return std::all_of(text.begin(), text.begin() + kLetters, is_lower) &&
         std::all_of(text.begin() + kLetters + 1, text.end(), is_digit);
}

/// The value of --protocol; the last one counts. nullopt when it is not given.
std::optional<std::string_view> ProtocolArgument(std::span<const char* const> arguments) {
  std::optional<std::string_view> value;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string_view argument = arguments[i];
    if (argument.starts_with("--protocol=")) {
      value = argument.substr(argument.find('=') + 1);
    } else if (argument == "--protocol" && i + 1 < arguments.size()) {
      value = arguments[i + 1];
    }
  }
  return value;
}

}  // namespace

Result<WorkerProtocol> ChooseProtocol(std::span<const char* const> arguments,
                                      const StartSigns& signs) {
  const std::string_view value = ProtocolArgument(arguments).value_or("auto");
  if (value == "router") return WorkerProtocol::kRouter;
  if (value == "json") return WorkerProtocol::kJson;
  SLUICE_RETURN_IF_ERROR(CheckProtocolName(value));
  if (signs.channel_fd == nullptr) return WorkerProtocol::kRouter;
  // The room library leaves the variable in its process: other workers that it starts have it too.
  if (IsJsonWorkerId(JsonWorkerId(arguments))) return WorkerProtocol::kJson;
  return signs.has_router_fds ? WorkerProtocol::kRouter : WorkerProtocol::kJson;
}

Result<WorkerOptions> ParseWorkerOptions(std::span<const char* const> arguments) {
  WorkerOptions options;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string_view argument = arguments[i];
    if (!IsOption(argument)) continue;
    if (argument == "--") break;
    if (argument == "--help" || argument == "-h") {
      options.help = true;
      return options;
    }
    if (argument == "--version") {
      options.version = true;
      return options;
    }
    const size_t equals = argument.find('=');
    const std::string_view name = argument.substr(0, equals);
    const OptionSpec* spec = name.substr(0, 2) == "--" ? FindOption(name.substr(2)) : nullptr;
    if (spec == nullptr) {
      return TypeError(fmt::format("{}: unknown option; --help lists those there are", name));
    }
    std::optional<std::string_view> value;
    if (equals != std::string_view::npos) {
      value = argument.substr(equals + 1);
    } else if (i + 1 < arguments.size() && !IsOption(arguments[i + 1])) {
      value = arguments[++i];
    }
    if (!value || value->empty()) {
      return TypeError(
          fmt::format("{}: a value is missing; write {}={}", name, name, spec->placeholder));
    }
    SLUICE_RETURN_IF_ERROR(spec->apply(*value, options));
  }
  SLUICE_RETURN_IF_ERROR(CheckTogether(options));
  return options;
}

std::string WorkerHelp() {
  constexpr size_t kTextColumn = 34;
  std::string help =
      "Usage: sluice-worker [--OPTION=VALUE]...\n"
      "Media worker of Sluice. A controller starts it and talks to it over file descriptors 3\n"
      "(requests) and 4 (answers): `sluice`, or an application that uses the mediasoup Node\n"
      "library with MEDIASOUP_WORKER_BIN set to this program.\n\n";
  const auto add = [&](std::string left, std::string_view text) {
    left.resize(std::max(kTextColumn, left.size() + 1), ' ');
    help += left;
    for (const char c : text) {
      help += c;
      if (c == '\n') help.append(kTextColumn, ' ');
    }
    help += '\n';
  };
  for (const OptionSpec& spec : kOptions) {
    add(fmt::format("  --{}={}", spec.name, spec.placeholder), spec.help);
  }
  add("  --help", "prints this");
  add("  --version", "prints the version");
  help +=
      "\nExit status: 0 after an orderly close (asked for by the controller, SIGINT, SIGTERM, or "
      "the\n"
      "controller is gone), 42 when an option is wrong or 3 or 4 is not open, 1 when the start\n"
      "fails otherwise. SIGHUP, SIGPIPE, SIGALRM, SIGUSR1 and SIGUSR2 are ignored.\n";
  help += JsonOptionsHelp();
  return help;
}

}  // namespace sluice::worker
