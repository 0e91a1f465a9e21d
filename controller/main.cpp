// sluice: the controller. Reads the configuration, starts the media workers and serves.

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <thread>

#include "common/socket_address.h"
#include "controller/http/http_server.h"
#include "controller/http/tls.h"
#include "controller/ops/command_line.h"
#include "controller/ops/logging.h"
#include "controller/room/room_registry.h"
#include "controller/shell/worker_shell.h"
#include "controller/signalling/site.h"
#include "controller/worker/delay.h"
#include "controller/worker/worker_pool.h"
#include "controller/worker/worker_process.h"

namespace sluice::controller {
namespace {

namespace fs = std::filesystem;
constexpr int kExitUsage = 2;
constexpr int kExitNoWorker = 1;

fs::path OwnFolder() {
  std::error_code error;
  const fs::path self = fs::read_symlink("/proc/self/exe", error);
  return error ? fs::current_path() : self.parent_path();
}

std::string DefaultWorker() { return (OwnFolder() / "sluice-worker").string(); }

std::optional<std::string> Environment(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  if (!value) return std::nullopt;
  return std::string(value);
}

/// The first web app that exists: of the source tree that this program was built in, installed,
/// or below the current directory.
std::string FindWebRoot() {
  const fs::path folder = OwnFolder();
  std::error_code error;
  for (const fs::path& candidate :
       {folder / "../../../web/dist", folder / "../share/sluice/web", fs::path("web/dist")}) {
    if (fs::exists(candidate / "index.html", error)) return candidate.lexically_normal().string();
  }
  return (folder / "../../../web/dist").lexically_normal().string();
}

std::string DefaultStateDir() {
  if (const auto state = Environment("XDG_STATE_HOME"); state && !state->empty()) {
    return *state + "/sluice";
  }
  if (const auto home = Environment("HOME"); home && !home->empty()) {
    return *home + "/.local/state/sluice";
  }
  return "sluice-state";
}

/// The address that clients are told: as configured, else the one listened on, else the first IPv4
/// address of this machine.
std::string AnnouncedAddress(const Config& config) {
  if (!config.announced_address.empty()) return config.announced_address;
  const auto ip = IpAddress::Parse(config.rtc_ip);
  if (ip && !ip->is_unspecified()) return "";
  for (const std::string& address : LocalAddresses()) {
    const auto parsed = IpAddress::Parse(address);
    if (parsed && parsed->is_v4()) return address;
  }
  return "127.0.0.1";
}

void FillDefaults(Config* config) {
  if (config->workers == 0) {
    config->workers = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  }
  if (config->worker_bin.empty()) config->worker_bin = DefaultWorker();
  if (config->web_root.empty()) config->web_root = FindWebRoot();
  if (config->state_dir.empty()) config->state_dir = DefaultStateDir();
  config->announced_address = AnnouncedAddress(*config);
}

ListenAddress RtcAddress(const Config& config, TransportProtocol protocol) {
  ListenAddress address;
  address.protocol = protocol;
  address.ip = config.rtc_ip;
  address.announced_address = config.announced_address;
  address.min_port = config.rtc_min_port;
  address.max_port = config.rtc_max_port;
  return address;
}

RoomSettings MakeRoomSettings(const Config& config) {
  RoomSettings settings;
  settings.media_codecs = *ParseMediaCodecs(config.media_codecs);
  settings.webrtc_listen = {RtcAddress(config, TransportProtocol::kUdp),
                            RtcAddress(config, TransportProtocol::kTcp)};
  settings.plain_listen = RtcAddress(config, TransportProtocol::kUdp);
  settings.plain_listen.min_port = config.plain_min_port;
  settings.plain_listen.max_port = config.plain_max_port;
  settings.initial_outgoing_bitrate = config.initial_outgoing_bitrate;
  settings.max_incoming_bitrate = config.max_incoming_bitrate;
  settings.keep_for_broadcasters = config.keep_broadcast_rooms;
  settings.empty_timeout = std::chrono::seconds(config.empty_room_timeout);
  settings.max_peers = config.max_peers_per_room;
  settings.max_broadcasters = config.max_broadcasters_per_room;
  return settings;
}

ProcessLauncher::Options MakeLauncherOptions(const Config& config) {
  ProcessLauncher::Options options{config.worker_bin, {}};
  options.arguments.push_back("--logLevel=" + config.worker_log_level);
  size_t start = 0;
  while (start < config.worker_log_tags.size()) {
    const size_t end =
        std::min(config.worker_log_tags.find(',', start), config.worker_log_tags.size());
    if (end > start) {
      options.arguments.push_back("--logTag=" + config.worker_log_tags.substr(start, end - start));
    }
    start = end + 1;
  }
  options.arguments.push_back("--rtcMinPort=" + std::to_string(config.rtc_min_port));
  options.arguments.push_back("--rtcMaxPort=" + std::to_string(config.rtc_max_port));
  return options;
}

WorkerPool::Options MakePoolOptions(const Config& config) {
  WorkerPool::Options options;
  options.workers = config.workers;
  if (config.rtc_port == 0) return options;
  for (const auto protocol : {TransportProtocol::kUdp, TransportProtocol::kTcp}) {
    ListenAddress address = RtcAddress(config, protocol);
    address.port = config.rtc_port;
    options.server_listen.push_back(address);
  }
  return options;
}

HttpLimits MakeHttpLimits(const Config& config) {
  HttpLimits limits;
  limits.max_body = config.max_body;
  limits.max_websocket_message = config.max_websocket_message;
  limits.max_websocket_queue = config.max_websocket_queue;
  limits.max_connections = config.max_connections;
  limits.max_connections_per_ip = config.max_connections_per_ip;
  limits.request_time = std::chrono::seconds(config.request_timeout);
  limits.ping_after = std::chrono::seconds(config.ping_after);
  limits.pong_within = std::chrono::seconds(config.pong_within);
  limits.write_time = std::chrono::seconds(config.write_timeout);
  return limits;
}

Status ListenTls(const Config& config, HttpServer* server) {
  TlsFiles files{config.tls_cert, config.tls_key};
  if (files.certificate.empty()) {
    std::vector<std::string> addresses = LocalAddresses();
    addresses.push_back(config.listen_ip);
    if (!config.announced_address.empty()) addresses.push_back(config.announced_address);
    Result<TlsFiles> made = EnsureSelfSigned(config.state_dir, addresses);
    if (!made.ok()) return made.status();
    files = *made;
    spdlog::info("self-signed TLS certificate: {}", files.certificate);
  }
  const auto context = LoadTls(files);
  if (!context.ok()) return context.status();
  return server->Listen(config.listen_ip, config.listen_port, *context).status();
}

/// Starts what is configured; a listener that cannot start is logged. False when none could.
bool StartListeners(const Config& config, HttpServer* server) {
  bool any = false;
  if (config.listen_port != 0) {
    const Status tls = ListenTls(config, server);
    if (tls.ok()) {
      spdlog::info("listening: https and wss on {} port {}", config.listen_ip, config.listen_port);
      any = true;
    } else {
      spdlog::error("no https: {}", Reason(tls));
    }
  }
  if (config.plain_listen_port != 0) {
    const Status plain =
        server->Listen(config.plain_listen_ip, config.plain_listen_port, nullptr).status();
    if (plain.ok()) {
      spdlog::info("listening: http and ws on {} port {}", config.plain_listen_ip,
                   config.plain_listen_port);
      any = true;
    } else {
      spdlog::error("no plain http: {}", Reason(plain));
    }
  }
  return any;
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
      Browsable(config.announced_address.empty() ? config.listen_ip : config.announced_address);
  std::string text = "\nSluice is running.\n";
  std::string ingest;
  if (config.listen_port != 0) {
    const std::string url = "https://" + host + ":" + std::to_string(config.listen_port);
    text += "  open     " + url + "/?roomId=demo&mode=live\n";
    ingest = url;
  }
  if (config.plain_listen_port != 0) {
    const std::string url = "http://" + Browsable(config.plain_listen_ip) + ":" +
                            std::to_string(config.plain_listen_port);
    text += "  or       " + url + "/?roomId=demo&mode=live   (this machine)\n";
    ingest = url;
  }
  text += "  publish  SLUICE_URL=" + ingest + " scripts/broadcast.sh demo\n\n";
  std::fputs(text.c_str(), stdout);
  std::fflush(stdout);
}

Task<void> Shutdown(HttpServer* server, RoomRegistry* rooms, WorkerPool* workers,
                    asio::io_context* context) {
  rooms->CloseAll();
  co_await Delay(std::chrono::milliseconds(100));  // let close frames leave
  server->Stop();
  co_await workers->Stop();
  context->stop();
}

int Run(const Config& config) {
  asio::io_context context(1);
  const asio::any_io_executor executor = context.get_executor();
  ProcessLauncher launcher(executor, MakeLauncherOptions(config));
  WorkerPool workers(executor, &launcher, MakePoolOptions(config));
  RoomRegistry rooms(executor, &workers, MakeRoomSettings(config), config.max_rooms);
  workers.set_on_died(
      [&rooms](const std::shared_ptr<MediaWorker>& worker) { rooms.OnWorkerDied(worker); });
  int exit_code = 0;
  workers.set_on_hopeless([&](const std::string& why) {
    spdlog::critical("no worker can be started, {} attempts in a row failed: {}",
                     WorkerPool::kMaxFirstFailures, why);
    exit_code = kExitNoWorker;
    context.stop();
  });
  ProtooLimits protoo;
  protoo.requests_per_second = config.max_requests_per_second;
  Site site(executor, &rooms, config.web_root, std::move(protoo));
  HttpServer server(executor, &site, MakeHttpLimits(config));
  if (!StartListeners(config, &server)) return kExitUsage;
  PrintWelcome(config);
  workers.Start();
  spdlog::info("media on {}{}, {} workers", config.rtc_ip,
               config.announced_address.empty() ? "" : " announced as " + config.announced_address,
               config.workers);

  asio::signal_set signals(executor, SIGINT, SIGTERM);
  signals.async_wait([&](const boost::system::error_code& error, int number) {
    if (error) return;
    spdlog::info("signal {}: ending", number);
    Spawn(executor, Shutdown(&server, &rooms, &workers, &context));
  });
  context.run();
  return exit_code;
}

}  // namespace
}  // namespace sluice::controller

int main(int argc, char** argv) {
  std::vector<std::string> arguments(argv + 1, argv + argc);
  if (!arguments.empty() && arguments.front() == "worker-shell") {
    arguments.erase(arguments.begin());
    return sluice::controller::shell::RunWorkerShell(arguments,
                                                     sluice::controller::DefaultWorker());
  }
  auto command = sluice::controller::ReadCommandLine(arguments, sluice::controller::Environment);
  if (!command.ok()) {
    std::fprintf(stderr, "sluice: %s\n",
                 std::string(sluice::controller::Reason(command.status())).c_str());
    return sluice::controller::kExitUsage;
  }
  if (command->print) {
    std::fputs(command->print->c_str(), stdout);
    return 0;
  }
  sluice::controller::InitLogging(command->config.log_level);
  sluice::controller::FillDefaults(&command->config);
  if (access(command->config.worker_bin.c_str(), X_OK) != 0) {
    std::fprintf(stderr, "sluice: option workerBin \"%s\": must be an executable file\n",
                 command->config.worker_bin.c_str());
    return sluice::controller::kExitUsage;
  }
  std::signal(SIGPIPE, SIG_IGN);
  return sluice::controller::Run(command->config);
}
