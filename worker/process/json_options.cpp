#include "worker/process/json_options.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "worker/channel/log_settings.h"
#include "worker/io/local_addresses.h"
#include "worker/process/engine_options.h"

namespace sluice::worker {

namespace {

constexpr uint32_t kLowestPort = 1024;
constexpr uint32_t kHighestPort = 65'535;
constexpr uint32_t kMinPortSpan = 99;  // highest less lowest (docs/json-protocol.md §3)
/// An announced address may be any text; a host name has at most 253 bytes (RFC 1035 §2.3.4). With
/// longer ones the candidates of a transport would not fit into a message.
constexpr size_t kMaxAnnouncedBytes = 255;

/// What the options say before the host is asked.
struct JsonArguments {
  WorkerOptions options;
  std::string ipv4 = "true";  // an address, "true" or "false"
  std::string ipv6 = "true";
  std::string announced_ipv4;
  std::string announced_ipv6;
  uint32_t min_port = 10'000;
  uint32_t max_port = 59'999;
};

Status SetLogLevel(std::string_view value, JsonArguments& arguments) {
  const auto level = ParseLogLevel(value);
  if (!level || *level == LogLevel::kNone) {
    return TypeError(fmt::format("--logLevel: \"{}\" is not one of debug, warn, error", value));
  }
  arguments.options.log_level = *level;
  return absl::OkStatus();
}

Status AddLogTag(std::string_view value, JsonArguments& arguments) {
  arguments.options.log_tags |=
      static_cast<uint16_t>(ParseRoomLogTag(value));  // an unknown one adds nothing
  return absl::OkStatus();
}

Status ParsePort(std::string_view option, std::string_view value, uint32_t lowest, uint32_t* port) {
  uint32_t number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  const bool is_number = error == std::errc() && end == value.data() + value.size();
  if (!is_number || number < lowest || number > kHighestPort) {
    return TypeError(fmt::format("{}: \"{}\" is not a port number from {} to {}", option, value,
                                 lowest, kHighestPort));
  }
  *port = number;
  return absl::OkStatus();
}

Status SetMinPort(std::string_view value, JsonArguments& arguments) {
  return ParsePort("--rtcMinPort", value, kLowestPort, &arguments.min_port);
}

Status SetMaxPort(std::string_view value, JsonArguments& arguments) {
  return ParsePort("--rtcMaxPort", value, 1, &arguments.max_port);
}

template <std::string JsonArguments::*kField>
Status SetAnnounced(std::string_view value, JsonArguments& arguments) {
  if (value.size() > kMaxAnnouncedBytes) {
    return TypeError(fmt::format(
        "{}: {} bytes are more than the {} of an address or host name",
        kField == &JsonArguments::announced_ipv4 ? "--rtcAnnouncedIPv4" : "--rtcAnnouncedIPv6",
        value.size(), kMaxAnnouncedBytes));
  }
  arguments.*kField = value;
  return absl::OkStatus();
}

template <std::string JsonArguments::*kField>
Status SetText(std::string_view value, JsonArguments& arguments) {
  arguments.*kField = value;
  return absl::OkStatus();
}

Status SetCertificateFile(std::string_view value, JsonArguments& arguments) {
  arguments.options.dtls_certificate_file = value;
  return CheckReadableFile("--dtlsCertificateFile", arguments.options.dtls_certificate_file);
}

Status SetPrivateKeyFile(std::string_view value, JsonArguments& arguments) {
  arguments.options.dtls_private_key_file = value;
  return CheckReadableFile("--dtlsPrivateKeyFile", arguments.options.dtls_private_key_file);
}

Status SetWriterKind(std::string_view value, JsonArguments& arguments) {
  return ParseWriterKind(value, &arguments.options.writer);
}

Status SetSrtpKind(std::string_view value, JsonArguments& arguments) {
  return ParseSrtpEngineKind(value, &arguments.options.srtp_engine);
}

Status SetProtocol(std::string_view /*value*/, JsonArguments& /*arguments*/) {
  return absl::OkStatus();  // ChooseProtocol has read it
}

struct JsonOptionSpec {
  std::string_view name;
  Status (*apply)(std::string_view value, JsonArguments& arguments);
};

constexpr std::array<JsonOptionSpec, 13> kJsonOptions = {{
    {"logLevel", SetLogLevel},
    {"logTag", AddLogTag},
    {"rtcIPv4", SetText<&JsonArguments::ipv4>},
    {"rtcIPv6", SetText<&JsonArguments::ipv6>},
    {"rtcAnnouncedIPv4", SetAnnounced<&JsonArguments::announced_ipv4>},
    {"rtcAnnouncedIPv6", SetAnnounced<&JsonArguments::announced_ipv6>},
    {"rtcMinPort", SetMinPort},
    {"rtcMaxPort", SetMaxPort},
    {"dtlsCertificateFile", SetCertificateFile},
    {"dtlsPrivateKeyFile", SetPrivateKeyFile},
    {"writer", SetWriterKind},
    {"srtpEngine", SetSrtpKind},
    {"protocol", SetProtocol},
}};

bool IsJsonOption(std::string_view argument) { return argument.size() > 1 && argument[0] == '-'; }

Status ParseAll(std::span<const char* const> arguments, JsonArguments* parsed) {
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string_view argument = arguments[i];
    if (!IsJsonOption(argument)) continue;
    if (argument == "--") break;
    const size_t equals = argument.find('=');
    const std::string_view full_name = argument.substr(0, equals);
    const std::string_view name = full_name.substr(full_name.starts_with("--") ? 2 : 1);
    const auto* spec =
        std::find_if(kJsonOptions.begin(), kJsonOptions.end(),
                     [&](const JsonOptionSpec& option) { return option.name == name; });
    if (spec == kJsonOptions.end()) {
      return TypeError(fmt::format("{}: unknown option; --help lists those there are", full_name));
    }
    std::string_view value;
    if (equals != std::string_view::npos) {
      value = argument.substr(equals + 1);
    } else if (i + 1 < arguments.size() && !IsJsonOption(arguments[i + 1])) {
      value = arguments[++i];
    } else {
      return TypeError(fmt::format("{}: a value is missing; write {}=VALUE", full_name, full_name));
    }
    SLUICE_RETURN_IF_ERROR(spec->apply(value, *parsed));
  }
  return absl::OkStatus();
}

/// An even lowest port and an odd highest one, as RTP and RTCP once came in pairs.
Status ResolvePorts(const JsonArguments& arguments, WorkerOptions* options) {
  const uint32_t min = arguments.min_port & ~uint32_t{1};
  const uint32_t max = arguments.max_port % 2 == 0 ? arguments.max_port - 1 : arguments.max_port;
  if (max < min + kMinPortSpan) {
    return TypeError(fmt::format("--rtcMaxPort: {} leaves less than {} ports above --rtcMinPort {}",
                                 arguments.max_port, kMinPortSpan, arguments.min_port));
  }
  options->rtc_ports = {static_cast<uint16_t>(min), static_cast<uint16_t>(max)};
  return absl::OkStatus();
}

/// The address to bind in one family, "" when it is off.
Result<std::string> ResolveAddress(const char* option, const std::string& value,
                                   IpAddress::Family family, const HostAddresses& host) {
  if (value.empty() || value == "false") return std::string();
  if (value == "true") {
    for (const IpAddress& ip : host.External()) {
      if (ip.family() == family && host.CheckBindable(ip).ok()) return ip.ToString();
    }
    return std::string();
  }
  const char* wanted = family == IpAddress::Family::kIpv4 ? "IPv4" : "IPv6";
  const auto ip = IpAddress::Parse(value);
  if (!ip || ip->family() != family || ip->is_unspecified()) {
    return TypeError(fmt::format("{}: \"{}\" is not the {} address of an interface, true or false",
                                 option, value, wanted));
  }
  const Status bindable = host.CheckBindable(*ip);
  if (!bindable.ok()) {
    return TypeError(fmt::format("{}: no socket can be bound to {}; give an address of this host",
                                 option, std::string(bindable.message())));
  }
  return value;
}

Status ResolveAddresses(const JsonArguments& arguments, const HostAddresses& host,
                        json_protocol::JsonSettings* settings) {
  Result<std::string> ipv4 =
      ResolveAddress("--rtcIPv4", arguments.ipv4, IpAddress::Family::kIpv4, host);
  if (!ipv4.ok()) return ipv4.status();
  Result<std::string> ipv6 =
      ResolveAddress("--rtcIPv6", arguments.ipv6, IpAddress::Family::kIpv6, host);
  if (!ipv6.ok()) return ipv6.status();
  if (ipv4->empty() && ipv6->empty()) {
    return TypeError(
        "--rtcIPv4, --rtcIPv6: both families are off, or no address for them was found; give one");
  }
  settings->ipv4 = *std::move(ipv4);
  settings->ipv6 = *std::move(ipv6);
  if (!settings->ipv4.empty()) settings->announced_ipv4 = arguments.announced_ipv4;
  if (!settings->ipv6.empty()) settings->announced_ipv6 = arguments.announced_ipv6;
  return absl::OkStatus();
}

class SystemAddresses final : public HostAddresses {
 public:
  std::vector<IpAddress> External() const override { return ExternalAddresses(); }
  Status CheckBindable(const IpAddress& ip) const override { return worker::CheckBindable(ip); }
};

}  // namespace

const HostAddresses& ThisHost() {
  static const SystemAddresses host;
  return host;
}

std::string_view JsonWorkerId(std::span<const char* const> arguments) {
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string_view argument = arguments[i];
    if (!IsJsonOption(argument)) return argument;
    if (argument.find('=') == std::string_view::npos) ++i;  // its value is the next one
  }
  return {};
}

Result<int> ParseChannelFd(const char* value) {
  if (value == nullptr) {
    return TypeError(
        "MEDIASOUP_CHANNEL_FD is not set; this program is started by a controller, see --help");
  }
  const std::string_view text = value;
  int fd = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), fd);
  if (error != std::errc() || end != text.data() + text.size() || fd < 0) {
    return TypeError(
        fmt::format("MEDIASOUP_CHANNEL_FD: \"{}\" is not the number of a descriptor", text));
  }
  return fd;
}

Result<WorkerOptions> ParseRoomOptions(std::span<const char* const> arguments,
                                       const HostAddresses& host) {
  JsonArguments parsed;
  parsed.options.log_level = LogLevel::kDebug;
  SLUICE_RETURN_IF_ERROR(ParseAll(arguments, &parsed));
  WorkerOptions& options = parsed.options;
  if (options.dtls_certificate_file.empty() || options.dtls_private_key_file.empty()) {
    options.dtls_certificate_file.clear();
    options.dtls_private_key_file.clear();
  }
  SLUICE_RETURN_IF_ERROR(ResolvePorts(parsed, &options));
  json_protocol::JsonSettings& settings = options.room.emplace();
  settings.worker_id = JsonWorkerId(arguments);
  SLUICE_RETURN_IF_ERROR(ResolveAddresses(parsed, host, &settings));
  return std::move(parsed.options);
}

std::string JsonOptionsHelp() {
  return "\nThe JSON protocol (JSON) is spoken instead when the variable MEDIASOUP_CHANNEL_FD "
         "names the\n"
         "descriptor of one socket for both directions, as the mediasoup 1 and 2 Node libraries "
         "do\n"
         "with MEDIASOUP_WORKER_PATH set to this program; --protocol=json says it explicitly:\n"
         "  MEDIASOUP_CHANNEL_FD=3 sluice-worker WORKER_ID [--OPTION=VALUE]...\n"
         "Options there: --logLevel (debug is the default), --logTag, --rtcMinPort, --rtcMaxPort,\n"
         "--dtlsCertificateFile, --dtlsPrivateKeyFile, --writer and --srtpEngine as above, and\n"
         "  --rtcIPv4=IP|true|false           address for media; true (default): the first one of "
         "an\n"
         "  --rtcIPv6=IP|true|false           interface that is not internal; false: not this "
         "family\n"
         "  --rtcAnnouncedIPv4=TEXT           what candidates show instead of it\n"
         "  --rtcAnnouncedIPv6=TEXT\n"
         "Exit status there: 0 after an orderly close, 1 otherwise.\n";
}

}  // namespace sluice::worker
