// sluice: the controller. Reads the configuration, starts the media workers and serves.

#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/heap_trimmer.h"
#include "common/socket_address.h"
#include "controller/auth/auth.h"
#include "controller/base/delay.h"
#include "controller/base/log.h"
#include "controller/base/logging.h"
#include "controller/base/task_scope.h"
#include "controller/http/tls.h"
#include "controller/ops/command_line.h"
#include "controller/ops/controller_metrics.h"
#include "controller/ops/health.h"
#include "controller/ops/site.h"
#include "controller/ops/token_command.h"
#include "controller/ops/web_server.h"
#include "controller/room/room_registry.h"
#include "controller/shell/worker_shell.h"
#include "controller/worker/worker_pool.h"
#include "controller/worker/worker_process.h"

namespace sluice::controller {
namespace {

constexpr int kExitUsage = 2;
constexpr int kExitNoWorker = 1;

ListenAddress RtcAddress(const MediaConfig& media, TransportProtocol protocol) {
  ListenAddress address;
  address.protocol = protocol;
  address.ip = media.rtc_ip;
  address.announced_address = media.announced_address;
  address.min_port = media.rtc_min_port;
  address.max_port = media.rtc_max_port;
  return address;
}

RoomSettings MakeRoomSettings(const Config& config) {
  RoomSettings settings;
  settings.media_codecs = *ParseMediaCodecs(config.media.codecs);
  settings.webrtc_listen = {RtcAddress(config.media, TransportProtocol::kUdp),
                            RtcAddress(config.media, TransportProtocol::kTcp)};
  settings.plain_listen = RtcAddress(config.media, TransportProtocol::kUdp);
  settings.plain_listen.min_port = config.media.plain_min_port;
  settings.plain_listen.max_port = config.media.plain_max_port;
  settings.initial_outgoing_bitrate = config.media.initial_outgoing_bitrate;
  settings.max_incoming_bitrate = config.media.max_incoming_bitrate;
  settings.key_frame_request_delay =
      std::chrono::milliseconds(config.media.key_frame_request_delay);
  settings.keep_for_broadcasters = config.rooms.keep_for_broadcasters;
  settings.empty_timeout = std::chrono::seconds(config.rooms.empty_timeout);
  settings.broadcaster_timeout = std::chrono::seconds(config.rooms.broadcaster_timeout);
  settings.plain_receiver_timeout = std::chrono::seconds(config.rooms.plain_receiver_timeout);
  settings.plain_any_receiver = config.rooms.plain_any_receiver;
  settings.plain_relock = config.rooms.plain_relock;
  settings.max_peers = config.rooms.max_peers;
  settings.max_broadcasters = config.rooms.max_broadcasters;
  settings.max_transports = config.rooms.max_transports_per_peer;
  settings.max_producers = config.rooms.max_producers_per_peer;
  settings.max_broadcaster_consumers = config.rooms.max_consumers_per_broadcaster;
  settings.unused_transport_timeout = std::chrono::seconds(config.rooms.unused_transport_timeout);
  settings.stage_grace = std::chrono::seconds(config.rooms.stage_grace);
  settings.max_consumer_replicas = static_cast<int>(config.rooms.max_consumer_replicas);
  settings.own_ports = std::make_shared<OwnPorts>([announced = config.media.announced_address] {
    std::vector<std::string> addresses = LocalAddresses();
    addresses.push_back(announced);
    return addresses;
  });
  return settings;
}

SourceBudget::Limits MakeSourceLimits(const SourceConfig& config) {
  SourceBudget::Limits limits;
  limits.requests_per_second = config.max_requests_per_second;
  limits.announcements_per_second = config.max_announcements_per_second;
  limits.broadcasters = config.max_broadcasters;
  limits.stored = config.max_stored;
  limits.stored_of_all = config.max_stored_of_all;
  return limits;
}

Site::Limits MakeSiteLimits(const SignallingConfig& config, const SourceConfig& source) {
  constexpr uint32_t kRestBurst = 5;  // seconds' worth
  FieldLimits fields;
  fields.display_name.max = config.max_display_name;
  fields.device.max = config.max_device;
  fields.app_data.max = config.max_app_data;
  fields.rtp_parameters.max = config.max_rtp_parameters;
  fields.rtp_capabilities.max = config.max_rtp_capabilities;
  const auto quota = std::make_shared<TransportQuota>(
      TransportQuota::Limits{config.max_transports_per_broadcaster, config.max_transports_per_ip,
                             config.max_peer_transports_per_ip});
  Site::Limits limits;
  limits.rest.fields = limits.protoo.fields = fields;
  limits.rest.quota = limits.protoo.quota = quota;
  limits.rest.requests_per_second = config.max_rest_requests_per_second;
  limits.rest.request_burst = kRestBurst * config.max_rest_requests_per_second;
  limits.protoo.requests_per_second = config.max_requests_per_second;
  limits.protoo.announcements_per_second = config.max_announcements_per_second;
  limits.protoo.announcement_burst = config.max_announcement_burst;
  limits.rest.budget = limits.protoo.budget =
      std::make_shared<SourceBudget>(MakeSourceLimits(source));
  return limits;
}

/// The ports that do not change: of HTTP and of the workers' WebRTC servers.
std::vector<uint16_t> FixedPorts(const Config& config) {
  std::vector<uint16_t> ports = {config.http.listen_port, config.http.plain_listen_port};
  for (int worker = 0; worker < config.workers.count && config.media.rtc_port != 0; ++worker) {
    ports.push_back(static_cast<uint16_t>(config.media.rtc_port + worker));
  }
  return ports;
}

ProcessLauncher::Options MakeLauncherOptions(const Config& config) {
  ProcessLauncher::Options options{config.workers.binary, {}};
  options.arguments.push_back("--logLevel=" + config.workers.log_level);
  for (const std::string& tag : config.workers.log_tags) {
    options.arguments.push_back("--logTag=" + tag);
  }
  options.arguments.push_back("--rtcMinPort=" + std::to_string(config.media.rtc_min_port));
  options.arguments.push_back("--rtcMaxPort=" + std::to_string(config.media.rtc_max_port));
  return options;
}

WorkerPool::Options MakePoolOptions(const Config& config) {
  WorkerPool::Options options;
  options.workers = config.workers.count;
  if (config.media.rtc_port == 0) return options;
  for (const auto protocol : {TransportProtocol::kUdp, TransportProtocol::kTcp}) {
    ListenAddress address = RtcAddress(config.media, protocol);
    address.port = config.media.rtc_port;
    options.server_listen.push_back(address);
  }
  return options;
}

/// An address that a person can paste: a wildcard becomes the name of this machine to itself.
std::string Browsable(const std::string& ip) {
  const std::optional<IpAddress> address = IpAddress::Parse(ip);
  if (!address) return ip;  // a host name
  if (address->is_unspecified()) return "localhost";
  return address->is_v6() ? "[" + ip + "]" : ip;
}

/// What to do next, for whoever started the program by hand.
void PrintWelcome(const Config& config) {
  const std::string host =
      Browsable(config.media.announced_address.empty() ? config.http.listen_ip
                                                       : config.media.announced_address);
  std::string text = "\nSluice is running.\n";
  std::string ingest;
  if (config.http.listen_port != 0) {
    const std::string url = "https://" + host + ":" + std::to_string(config.http.listen_port);
    text += "  open     " + url + "/?roomId=demo&mode=live\n";
    ingest = url;
  }
  if (config.http.plain_listen_port != 0) {
    const std::string url = "http://" + Browsable(config.http.plain_listen_ip) + ":" +
                            std::to_string(config.http.plain_listen_port);
    text += "  or       " + url + "/?roomId=demo&mode=live   (this machine)\n";
    ingest = url;
  }
  text += "  publish  SLUICE_URL=" + ingest + " scripts/broadcast.sh demo\n\n";
  PrintText(text);
}

/// The one task that belongs to no scope: it ends all that there are.
Task<void> Shutdown(WebServer* web, RoomRegistry* rooms, WorkerPool* workers, TaskScope* tasks,
                    asio::io_context* context) {
  constexpr std::chrono::milliseconds kJoin{500};
  co_await web->GoAway();
  rooms->CloseAll();
  web->Stop();
  co_await workers->Stop();
  tasks->Cancel();
  const bool served = co_await web->Join(kJoin);
  const bool closed = co_await rooms->Join(kJoin);
  const bool ended = co_await tasks->Join(kJoin);
  if (!served || !closed || !ended) {
    LogDebug("something is still under way: it ends with the process");
  }
  context->stop();
}

/// What is done every second, whatever happens.
Task<void> Housekeeping(WebServer* web) {
  constexpr uint64_t kCertificateEvery = 5;  // seconds
  constexpr uint64_t kMemoryEvery = 5;       // seconds
  HeapTrimmer heap;
  heap.Look();
  for (uint64_t second = 1;; ++second) {
    co_await Delay(std::chrono::seconds(1));
    TellHeldBackLines();
    if (second % kCertificateEvery == 0) web->CheckCertificate(false);
    if (second % kMemoryEvery == 0) heap.Look();
  }
}

/// Takes the log's level from the command line, environment and config file as they are now.
void ReloadLogLevel(const std::vector<std::string>& arguments, const HostFacts& host) {
  const auto command = ReadCommandLine(arguments, host);
  if (!command.ok()) {
    LogError("log level stays: {}", Reason(command.status()));
    return;
  }
  SetLogLevel(command->config.log.level);
  LogInfo("log level is now {}", command->config.log.level);
}

/// SIGHUP: what can be read again while we run is read again.
Task<void> ReloadOnHangup(asio::signal_set* hangup, WebServer* web,
                          const std::vector<std::string>* arguments, const HostFacts* host) {
  for (;;) {
    boost::system::error_code error;
    co_await hangup->async_wait(asio::redirect_error(asio::use_awaitable, error));
    if (error) co_return;
    ReloadLogLevel(*arguments, *host);
    web->CheckCertificate(true);
  }
}

int64_t SecondsSince1970() {
  return std::chrono::duration_cast<std::chrono::seconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

/// Says once that strangers may take part, where they can come from elsewhere.
void WarnIfOpen(const Config& config) {
  if (!config.security.auth_secret.empty()) return;
  const HttpConfig& http = config.http;
  for (const auto& [ip, port] : {std::pair(http.listen_ip, http.listen_port),
                                 std::pair(http.plain_listen_ip, http.plain_listen_port)}) {
    if (port == 0 || IsLoopback(ip)) continue;
    LogWarn(
        "authSecret is not set: everybody who reaches {} port {} may open rooms, publish and watch",
        ip, port);
    return;
  }
}

int Run(const Config& config, const std::vector<std::string>& arguments, const HostFacts& host) {
  ConfigureHeap();
  asio::io_context context(1);
  const asio::any_io_executor executor = context.get_executor();
  ProcessLauncher launcher(executor, MakeLauncherOptions(config));
  WorkerPool workers(executor, &launcher, MakePoolOptions(config));
  RoomSettings settings = MakeRoomSettings(config);
  const OwnPorts::Lease fixed_ports = settings.own_ports->Take(FixedPorts(config));
  RoomRegistry rooms(executor, &workers, std::move(settings),
                     {config.rooms.max_rooms, config.rooms.max_rooms_per_ip});
  workers.set_on_died(
      [&rooms](const std::shared_ptr<MediaWorker>& worker) { rooms.OnWorkerDied(worker); });
  int exit_code = 0;
  workers.set_on_hopeless([&](const std::string& why) {
    LogError("no worker can be started, {} attempts in a row failed: {}",
             WorkerPool::kMaxFirstFailures, why);
    exit_code = kExitNoWorker;
    context.stop();
  });
  const RequestAuth auth(Authority(config.security.auth_secret), SecondsSince1970);
  CountingParts parts{nullptr, nullptr, &rooms, &workers};
  HealthPages::Sources sources;
  sources.not_ready = [&workers] { return workers.ready() ? "" : "no media worker is ready"; };
  sources.collect = [&parts](MetricsPage* page) { return CollectMetrics(&parts, page); };
  Site site(executor, &rooms, config.http.web_root,
            MakeSiteLimits(config.signalling, config.source), auth,
            HealthPages(std::move(sources), config.security.metrics_anywhere));
  WebServer web(executor, &site, config);
  TaskScope tasks(executor);
  parts.server = &web.server();
  parts.site = &site;
  if (!web.Start()) return kExitUsage;
  PrintWelcome(config);
  WarnIfOpen(config);
  workers.Start();
  LogInfo("media on {}{}, {} workers", config.media.rtc_ip,
          config.media.announced_address.empty()
              ? ""
              : " announced as " + config.media.announced_address,
          config.workers.count);

  asio::signal_set signals(executor, SIGINT, SIGTERM);
  signals.async_wait([&](const boost::system::error_code& error, int number) {
    if (error) return;
    LogInfo("signal {}: ending", number);
    Spawn(executor, Shutdown(&web, &rooms, &workers, &tasks, &context));
  });
  asio::signal_set hangup(executor, SIGHUP);
  tasks.Spawn(ReloadOnHangup(&hangup, &web, &arguments, &host));
  tasks.Spawn(Housekeeping(&web));
  context.run();
  return exit_code;
}

int PrintToken(const std::vector<std::string>& arguments, const HostFacts& host) {
  const Result<std::string> token = RunTokenCommand(arguments, host, SecondsSince1970());
  if (!token.ok()) {
    std::fprintf(stderr, "sluice: %s\n", std::string(Reason(token.status())).c_str());
    return kExitUsage;
  }
  std::fputs(token->c_str(), stdout);
  return 0;
}

int Main(std::vector<std::string> arguments) {
  HostFacts host = ThisHost();
  host.addresses = LocalAddresses;
  if (!arguments.empty() && arguments.front() == "worker-shell") {
    arguments.erase(arguments.begin());
    return shell::RunWorkerShell(arguments, host.program_folder + "/sluice-worker");
  }
  if (!arguments.empty() && arguments.front() == "token") {
    arguments.erase(arguments.begin());
    return PrintToken(arguments, host);
  }
  auto command = ReadCommandLine(arguments, host);
  if (!command.ok()) {
    std::fprintf(stderr, "sluice: %s\n", std::string(Reason(command.status())).c_str());
    return kExitUsage;
  }
  if (command->print) {
    std::fputs(command->print->c_str(), stdout);
    return 0;
  }
  const Config& config = command->config;
  ForgetSecrets();
  StartLogging(config.log.level);
  if (access(config.workers.binary.c_str(), X_OK) != 0) {
    std::fprintf(stderr, "sluice: option workerBin \"%s\": must be an executable file\n",
                 config.workers.binary.c_str());
    return kExitUsage;
  }
  std::signal(SIGPIPE, SIG_IGN);
  const int status = Run(config, arguments, host);
  StopLogging();
  return status;
}

}  // namespace
}  // namespace sluice::controller

int main(int argc, char** argv) {
  return sluice::controller::Main(std::vector<std::string>(argv + 1, argv + argc));
}
