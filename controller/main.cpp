// sluice: the controller. Reads the configuration, starts the media workers and serves.

#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
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
#include "controller/broadcast/broadcast.h"
#include "controller/http/tls.h"
#include "controller/ops/command_line.h"
#include "controller/ops/controller_metrics.h"
#include "controller/ops/doctor_command.h"
#include "controller/ops/drain.h"
#include "controller/ops/exposure.h"
#include "controller/ops/health.h"
#include "controller/ops/run_program.h"
#include "controller/ops/service_notifier.h"
#include "controller/ops/site.h"
#include "controller/ops/start_checks.h"
#include "controller/ops/tc_throttle.h"
#include "controller/ops/token_command.h"
#include "controller/ops/web_server.h"
#include "controller/ops/webhook_post.h"
#include "controller/ops/webhooks.h"
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
  settings.max_unused_transports = config.rooms.max_unused_transports;
  settings.stage_grace = std::chrono::seconds(config.rooms.stage_grace);
  settings.resume_grace = std::chrono::seconds(config.rooms.resume_grace);
  settings.newcomer_patience = std::chrono::seconds(config.rooms.newcomer_timeout);
  settings.max_newcomers = config.rooms.max_newcomers;
  settings.takeover_needs_token = config.rooms.takeover_needs_token;
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
  limits.doors = {std::chrono::seconds(config.connect_timeout), config.max_tracks_per_publisher,
                  config.max_event_streams, config.max_channels_per_data_client};
  limits.ice_servers = config.ice_servers;
  limits.whep_counter_offers = config.whep_counter_offers;
  return limits;
}

/// The ports that do not change: of HTTP and of the workers' WebRTC servers.
std::vector<uint16_t> FixedPorts(const Config& config) {
  std::vector<uint16_t> ports = {config.http.listen_port, config.http.plain_listen_port,
                                 config.gst.listen_port};
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
  const WorkersConfig& workers = config.workers;
  options.arguments.push_back("--estimateBandwidth=" + workers.estimate_bandwidth);
  options.arguments.push_back("--groupReplay=" + workers.group_replay);
  const std::pair<const char*, uint64_t> limits[] = {
      {"maxProducersPerTransport", workers.max_producers_per_transport},
      {"maxConsumersPerTransport", workers.max_consumers_per_transport},
      {"maxDataChannelsPerTransport", workers.max_data_channels_per_transport},
      {"maxTcpConnections", workers.max_tcp_connections},
      {"maxTcpConnectionsPerIp", workers.max_tcp_connections_per_ip},
      {"maxTcpStrangers", workers.max_tcp_strangers},
      {"maxTcpStrangersPerIp", workers.max_tcp_strangers_per_ip},
      {"tcpCheckTimeout", workers.tcp_check_timeout},
      {"tcpIdleTimeout", workers.tcp_idle_timeout},
      {"maxSendBacklog", workers.max_send_backlog},
  };
  for (const auto& [name, value] : limits) {
    options.arguments.push_back("--" + std::string(name) + "=" + std::to_string(value));
  }
  return options;
}

WorkerPool::Options MakePoolOptions(const Config& config) {
  WorkerPool::Options options;
  options.workers = config.workers.count;
  options.acquire_timeout = std::chrono::seconds(config.workers.wait_timeout);
  options.max_unanswered = config.workers.silence_timeout;  // a probe a second
  options.channel = {config.workers.max_waiting_requests, config.workers.request_timeout};
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

/// The hosts by which a listener may be reached, the most useful first.
std::vector<std::string> HostsOf(const std::string& listen_ip, const std::string& announced) {
  std::vector<std::string> hosts;
  if (!announced.empty()) hosts.push_back(announced);
  const std::optional<IpAddress> ip = IpAddress::Parse(listen_ip);
  hosts.push_back(ip && ip->is_unspecified() ? "localhost" : listen_ip);
  return hosts;
}

/// The first of these URLs at which this process answers; "" when there is none.
Task<std::string> FindUrl(const SelfProbe* probe, std::vector<std::string> hosts, uint16_t port,
                          bool tls) {
  for (const std::string& host : hosts) {
    const std::string url =
        std::string(tls ? "https://" : "http://") + Browsable(host) + ":" + std::to_string(port);
    const bool ours = co_await probe->Reaches(host, port, tls);
    if (ours) co_return url;
    LogWarn(
        "{} does not lead to this server from here: a firewall, a NAT or another server is in "
        "the way",
        url);
  }
  co_return "";
}

/// What to do next, for whoever started the program by hand: addresses that have been asked and
/// have answered.
Task<void> Welcome(const Config* config, const SelfProbe* probe) {
  const HttpConfig& http = config->http;
  std::string secure;
  std::string plain;
  if (http.listen_port != 0) {
    std::vector<std::string> hosts = HostsOf(http.listen_ip, config->media.announced_address);
    secure = co_await FindUrl(probe, std::move(hosts), http.listen_port, true);
  }
  if (http.plain_listen_port != 0) {
    std::vector<std::string> hosts = HostsOf(http.plain_listen_ip, "");
    plain = co_await FindUrl(probe, std::move(hosts), http.plain_listen_port, false);
  }
  std::string text = "\nSluice is running.\n";
  if (!secure.empty()) text += "  open     " + secure + "/?roomId=demo&mode=live\n";
  if (!plain.empty()) {
    text += (secure.empty() ? "  open     " : "  or       ") + plain +
            "/?roomId=demo&mode=live   (this machine)\n";
  }
  const std::string& ingest = plain.empty() ? secure : plain;
  if (!ingest.empty()) text += "  publish  SLUICE_URL=" + ingest + " scripts/broadcast.sh demo\n";
  PrintText(text + "\n");
}

/// The interface that applyNetworkThrottle makes slower.
std::string ThrottledInterface(const Config& config) {
  if (!config.security.network_throttle_interface.empty()) {
    return config.security.network_throttle_interface;
  }
  std::ifstream routes("/proc/net/route");
  return DefaultInterface({std::istreambuf_iterator<char>(routes), {}});
}

/// Takes back what slows the network down, by us or by a process before us that was killed. Null:
/// nobody may do that here.
Task<void> TakeBackThrottle(NetworkThrottle* throttle) {
  if (throttle == nullptr) co_return;
  const Status reset = co_await throttle->Reset();
  if (!reset.ok()) LogWarn("the network stays throttled: {}", Reason(reset));
}

/// What ends with the program, or has a say in it.
struct Ending {
  WebServer* web;
  RoomRegistry* rooms;
  WorkerPool* workers;
  NetworkThrottle* throttle;
  TaskScope* tasks;
  asio::io_context* context;
  const ServiceNotifier* notifier;
  Webhooks* webhooks;  ///< null: nobody is told
};

/// Lets the rooms come to their end, for `timeout` at most; another signal ends that.
Task<void> DrainFor(std::chrono::seconds timeout, asio::signal_set* signals, const Ending* ending) {
  constexpr std::chrono::seconds kEndTime{10};  // that what comes after may take
  const RoomRegistry::People people = ending->rooms->CountPeople();
  LogInfo("draining: no new rooms; {} peers and {} broadcasters have {} s", people.peers,
          people.broadcasters, timeout.count());
  const auto most = std::chrono::microseconds(timeout + kEndTime);
  ending->notifier->Tell("STOPPING=1\nSTATUS=Draining: no new rooms\nEXTEND_TIMEOUT_USEC=" +
                         std::to_string(most.count()));
  const auto again = std::make_shared<bool>(false);
  signals->async_wait(
      [again](const boost::system::error_code& error, int /*number*/) { *again = !error; });
  const std::function<bool()> at_once = [again] { return *again; };
  const DrainEnd end = co_await DrainRooms(ending->rooms, timeout, at_once);
  LogInfo("drained: {}", end == DrainEnd::kEmpty     ? "nobody is left"
                         : end == DrainEnd::kTimeout ? "the time is over (drainTimeout)"
                                                     : "another signal");
}

/// Belongs to no scope, as it ends all that there are. (The only others are those that log what a
/// worker writes: they end with its pipes, which say its last words when it has gone.)
Task<void> EndOnSignal(asio::signal_set* signals, std::chrono::seconds drain_timeout,
                       Ending ending) {
  constexpr std::chrono::milliseconds kJoin{500};
  constexpr std::chrono::seconds kLastWords{2};  // for webhooks
  boost::system::error_code error;
  const int number = co_await signals->async_wait(asio::redirect_error(asio::use_awaitable, error));
  if (error) co_return;
  LogInfo("signal {}: ending", number);
  if (number == SIGTERM && drain_timeout.count() > 0) {
    co_await DrainFor(drain_timeout, signals, &ending);
  }
  ending.notifier->Tell("STOPPING=1\nSTATUS=Ending");
  ending.workers->ExpectEnd();
  co_await ending.web->GoAway();
  ending.rooms->CloseAll();
  ending.web->Stop();
  co_await ending.workers->Stop();
  if (ending.webhooks != nullptr) co_await ending.webhooks->Finish(kLastWords);
  co_await TakeBackThrottle(ending.throttle);
  ending.tasks->Cancel();
  const bool served = co_await ending.web->Join(kJoin);
  const bool closed = co_await ending.rooms->Join(kJoin);
  const bool ended = co_await ending.tasks->Join(kJoin);
  if (!served || !closed || !ended) {
    LogDebug("something is still under way: it ends with the process");
  }
  ending.context->stop();
}

/// Tells the service manager, if there is one, when rooms can be served.
Task<void> TellReady(const ServiceNotifier* notifier, const WorkerPool* workers) {
  constexpr std::chrono::milliseconds kStep{20};
  while (!workers->ready()) co_await Delay(kStep);
  notifier->Tell("READY=1\nSTATUS=Serving");
}

/// What is done every second, whatever happens.
Task<void> Housekeeping(WebServer* web, const ServiceNotifier* notifier) {
  constexpr uint64_t kCertificateEvery = 5;  // seconds
  constexpr uint64_t kMemoryEvery = 5;       // seconds
  HeapTrimmer heap;
  heap.Look();
  for (uint64_t second = 1;; ++second) {
    co_await Delay(std::chrono::seconds(1));
    notifier->Tell("WATCHDOG=1");
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

template <typename Unit>
int64_t Since1970() {
  return std::chrono::duration_cast<Unit>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

int64_t SecondsSince1970() { return Since1970<std::chrono::seconds>(); }

/// Null when nobody is to be told.
std::shared_ptr<Webhooks> MakeWebhooks(const asio::any_io_executor& executor,
                                       const WebhookConfig& config) {
  if (config.url.empty()) return nullptr;
  Webhooks::Settings settings;
  settings.secret = config.secret;
  settings.max_queue = config.max_queue;
  settings.now_ms = Since1970<std::chrono::milliseconds>;
  return std::make_shared<Webhooks>(executor, std::move(settings), MakeWebhookPost(config));
}

/// Says in one line what keeps the program from starting. The exit code.
int ReportWrong(const Status& status, const std::map<std::string, std::string>& places = {}) {
  const Status placed = PlaceError(status, places);
  std::fprintf(stderr, "sluice: %s\n", std::string(Reason(placed)).c_str());
  return kExitUsage;
}

/// "" when rooms can be served, else why not.
std::string NotReady(const WorkerPool& workers, const RoomRegistry& rooms) {
  if (rooms.draining()) return "draining: the server is about to end and opens no more rooms";
  return workers.ready() ? "" : "no media worker is ready";
}

int Run(const CommandLine& command, const std::vector<std::string>& arguments,
        const HostFacts& host) {
  const Config& config = command.config;
  const auto& places = command.places;
  const ServiceNotifier notifier = ServiceNotifier::FromEnvironment(host);
  ConfigureHeap();
  asio::io_context context(1);
  const asio::any_io_executor executor = context.get_executor();
  ProcessLauncher launcher(executor, MakeLauncherOptions(config));
  WorkerPool workers(executor, &launcher, MakePoolOptions(config));
  RoomSettings settings = MakeRoomSettings(config);
  const std::shared_ptr<Webhooks> webhooks = MakeWebhooks(executor, config.webhook);
  settings.life_listener = webhooks;
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
  CountingParts parts{nullptr, nullptr, &rooms, &workers, webhooks.get()};
  HealthPages::Sources sources;
  sources.not_ready = [&workers, &rooms] { return NotReady(workers, rooms); };
  sources.collect = [&parts](MetricsPage* page) { return CollectMetrics(&parts, page); };
  std::shared_ptr<NetworkThrottle> throttle;
  if (!config.security.network_throttle_secret.empty()) {
    throttle = std::make_shared<TcThrottle>(ThrottledInterface(config), RunProgram);
  }
  Site::Limits limits = MakeSiteLimits(config.signalling, config.source);
  limits.gst_room = config.gst.room;
  limits.gst_sessions = config.gst.max_sessions;
  limits.gst_control_per_second = config.gst.max_control_per_second;
  limits.gst_plain = config.gst.plain == "never"      ? GstPlain::kNever
                     : config.gst.plain == "anywhere" ? GstPlain::kAnywhere
                                                      : GstPlain::kLocal;
  limits.protoo.throttle =
      std::make_shared<ThrottleAccess>(config.security.network_throttle_secret, throttle);
  Site site(executor, &rooms, config.http.web_root, std::move(limits), auth,
            HealthPages(std::move(sources), config.security.metrics_anywhere));
  WebServer web(executor, &site, config);
  TaskScope tasks(executor);
  parts.server = &web.server();
  parts.site = &site;
  if (Status started = web.Start(); !started.ok()) return ReportWrong(started, places);
  tasks.Spawn(Welcome(&config, &site.self_probe()));
  for (const std::string& warning : ExposureWarnings(config)) LogWarn("{}", warning);
  if (!HasWebApp(config)) {
    LogWarn("there is no web app at {}: scripts/run.sh builds it, webRoot names another place",
            config.http.web_root);
  }
  workers.Start();
  LogInfo("media on {}{}, {} workers", config.media.rtc_ip,
          config.media.announced_address.empty()
              ? ""
              : " announced as " + config.media.announced_address,
          config.workers.count);

  asio::signal_set signals(executor, SIGINT, SIGTERM);
  const Ending ending{&web,   &rooms,   &workers,  throttle.get(),
                      &tasks, &context, &notifier, webhooks.get()};
  Spawn(executor, EndOnSignal(&signals, std::chrono::seconds(config.drain_timeout), ending));
  asio::signal_set hangup(executor, SIGHUP);
  tasks.Spawn(ReloadOnHangup(&hangup, &web, &arguments, &host));
  tasks.Spawn(TellReady(&notifier, &workers));
  tasks.Spawn(Housekeeping(&web, &notifier));
  tasks.Spawn(TakeBackThrottle(throttle.get()));
  context.run();
  return exit_code;
}

int PrintToken(const std::vector<std::string>& arguments, const HostFacts& host) {
  const Result<std::string> token = RunTokenCommand(arguments, host, SecondsSince1970());
  if (!token.ok()) return ReportWrong(token.status());
  std::fputs(token->c_str(), stdout);
  return 0;
}

int PrintDiagnosis(const std::vector<std::string>& arguments, const HostFacts& host) {
  const Result<DoctorOutcome> outcome = RunDoctor(arguments, host, isatty(STDOUT_FILENO) == 1);
  if (!outcome.ok()) return ReportWrong(outcome.status());
  std::fputs(outcome->text.c_str(), stdout);
  return outcome->exit_code;
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
  if (!arguments.empty() && arguments.front() == "doctor") {
    arguments.erase(arguments.begin());
    return PrintDiagnosis(arguments, host);
  }
  if (!arguments.empty() && arguments.front() == "broadcast") {
    arguments.erase(arguments.begin());
    return broadcast::RunBroadcast(arguments, host.environment);
  }
  auto command = ReadCommandLine(arguments, host);
  if (!command.ok()) return ReportWrong(command.status());
  if (command->print) {
    std::fputs(command->print->c_str(), stdout);
    return 0;
  }
  const Config& config = command->config;
  ForgetSecrets();
  if (Status found = CheckSurroundings(config, command->places); !found.ok()) {
    return ReportWrong(found, command->places);
  }
  StartLogging(config.log.level, {config.log.max_lines, config.log.max_queue});
  std::signal(SIGPIPE, SIG_IGN);
  const int status = Run(*command, arguments, host);
  StopLogging();
  return status;
}

}  // namespace
}  // namespace sluice::controller

int main(int argc, char** argv) {
  return sluice::controller::Main(std::vector<std::string>(argv + 1, argv + argc));
}
