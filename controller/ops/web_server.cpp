#include "controller/ops/web_server.h"

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "controller/base/delay.h"
#include "controller/base/log.h"
#include "controller/base/logging.h"
#include "controller/http/client_address.h"
#include "controller/http/descriptor_plan.h"
#include "controller/http/tls.h"

namespace sluice::controller {

namespace {

size_t AllowedConnections(const Config& config) {
  const DescriptorPlan plan =
      PlanDescriptors(RaiseDescriptorLimit(), static_cast<size_t>(config.workers.count),
                      config.http.max_connections);
  if (plan.connections < config.http.max_connections) {
    LogWarn(
        "at most {} connections instead of {} (maxConnections): {} descriptors (ulimit -n), of "
        "which {} are kept for workers and files",
        plan.connections, config.http.max_connections, plan.limit, plan.reserve);
  } else {
    LogInfo("at most {} connections; {} descriptors, of which {} are kept for workers and files",
            plan.connections, plan.limit, plan.reserve);
  }
  return plan.connections;
}

HttpLimits MakeLimits(const Config& config) {
  HttpLimits limits;
  limits.max_header = config.http.max_header;
  limits.max_body = config.http.max_body;
  limits.idle_time = std::chrono::seconds(config.http.idle_timeout);
  limits.handshake_time = std::chrono::seconds(config.http.handshake_timeout);
  limits.max_websocket_message = config.http.max_websocket_message;
  limits.max_websocket_queue = config.http.max_websocket_queue;
  limits.max_connections = AllowedConnections(config);
  limits.max_connections_per_ip = config.http.max_connections_per_ip;
  limits.max_held = config.http.max_held;
  limits.max_held_per_ip = config.http.max_held_per_ip;
  limits.connections_per_second = config.source.max_connections_per_second;
  limits.handshakes_per_second = config.source.max_handshakes_per_second;
  limits.bytes_per_second = config.source.max_bytes_per_second;
  limits.request_time = std::chrono::seconds(config.http.request_timeout);
  limits.min_body_rate = config.http.min_body_rate;
  limits.ping_after = std::chrono::seconds(config.http.ping_after);
  limits.pong_within = std::chrono::seconds(config.http.pong_within);
  limits.write_time = std::chrono::seconds(config.http.write_timeout);
  return limits;
}

AccessPolicy::Rules MakeAccess(const Config& config) {
  AccessPolicy::Rules rules{config.http.allowed_origins, config.http.allowed_hosts};
  if (!config.media.announced_address.empty()) {
    rules.allowed_hosts.push_back(config.media.announced_address);
  }
  return rules;
}

}  // namespace

WebServer::WebServer(const asio::any_io_executor& executor, HttpService* service,
                     const Config& config)
    : config_(config),
      server_(executor, service, MakeLimits(config), MakeAccess(config),
              *TrustedProxies::Parse(config.http.trusted_proxies)) {}

Status WebServer::StartTls() {
  TlsFiles files{config_.http.tls_cert, config_.http.tls_key};
  if (files.certificate.empty()) {
    std::vector<std::string> addresses = LocalAddresses();
    addresses.push_back(config_.http.listen_ip);
    if (!config_.media.announced_address.empty()) {
      addresses.push_back(config_.media.announced_address);
    }
    Result<TlsFiles> made = EnsureSelfSigned(config_.state_dir, addresses);
    if (!made.ok()) return made.status();
    files = *made;
    LogInfo("self-signed TLS certificate: {}", files.certificate);
  }
  certificate_ = std::make_unique<TlsReloader>(
      files, [this](const auto& context) { server_.SetTls(context); });
  const auto context = LoadTls(files);
  if (!context.ok()) return context.status();
  return server_.Listen(config_.http.listen_ip, config_.http.listen_port, *context).status();
}

bool WebServer::Start() {
  bool any = false;
  if (config_.http.listen_port != 0) {
    const Status tls = StartTls();
    if (tls.ok()) {
      LogInfo("listening: https and wss on {} port {}", config_.http.listen_ip,
              config_.http.listen_port);
      any = true;
    } else {
      certificate_.reset();
      LogError("no https: {}", Reason(tls));
    }
  }
  if (config_.http.plain_listen_port != 0) {
    const Status plain =
        server_.Listen(config_.http.plain_listen_ip, config_.http.plain_listen_port, nullptr)
            .status();
    if (plain.ok()) {
      LogInfo("listening: http and ws on {} port {}", config_.http.plain_listen_ip,
              config_.http.plain_listen_port);
      any = true;
    } else {
      LogError("no plain http: {}", Reason(plain));
    }
  }
  return any;
}

void WebServer::CheckCertificate(bool always) {
  if (!certificate_) return;
  const auto outcome = certificate_->Check(always);
  if (!outcome.ok()) {
    LogError("TLS certificate not reloaded, the old one stays in use: {}",
             Reason(outcome.status()));
  } else if (*outcome == TlsReloader::Outcome::kLoaded) {
    LogInfo("TLS certificate reloaded: {}", certificate_->files().certificate);
  }
}

Task<void> WebServer::GoAway() {
  constexpr std::chrono::milliseconds kStep{20};
  constexpr int kSteps = 50;  // a second: who reads and answers does so at once
  server_.GoAway("the server is shutting down");
  for (int step = 0; step < kSteps && server_.websockets() > 0; ++step) co_await Delay(kStep);
}

}  // namespace sluice::controller
