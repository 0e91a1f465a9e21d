#include "controller/ops/web_server.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "controller/base/delay.h"
#include "controller/base/log.h"
#include "controller/base/logging.h"
#include "controller/http/client_address.h"
#include "controller/http/descriptor_plan.h"
#include "controller/http/descriptor_pool.h"
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
  AccessPolicy::Rules rules{config.http.allowed_origins, config.http.allowed_hosts,
                            !config.security.auth_secret.empty()};
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
              *TrustedProxies::Parse(config.http.trusted_proxies)) {
  constexpr size_t kPool = 4096;  // descriptors; 0.7 MB
  FillDescriptorPool(executor, std::min<size_t>(config.http.max_connections, kPool));
}

Result<std::shared_ptr<asio::ssl::context>> WebServer::StartTls() {
  TlsFiles files{config_.http.tls_cert, config_.http.tls_key};
  if (files.certificate.empty()) {
    std::vector<std::string> addresses = LocalAddresses();
    addresses.push_back(config_.http.listen_ip);
    if (!config_.media.announced_address.empty()) {
      addresses.push_back(config_.media.announced_address);
    }
    Result<TlsFiles> made = EnsureSelfSigned(config_.state_dir, addresses);
    if (!made.ok()) {
      return OptionsError({"stateDir"},
                          "no https: " + std::string(Reason(made.status())) +
                              "; stateDir must be a folder that this user may write to, for the "
                              "self-signed certificate, unless tlsCert and tlsKey are given");
    }
    files = *made;
    LogInfo("self-signed TLS certificate: {}", files.certificate);
  }
  certificate_ = std::make_unique<TlsReloader>(
      files, [this](const auto& context) { server_.SetTls(context); });
  auto context = LoadTls(files);
  if (context.ok()) return context;
  certificate_.reset();
  return OptionsError({"tlsCert", "tlsKey"},
                      "no https: " + std::string(Reason(context.status())) +
                          "; it must be one that this user may read and that belongs together");
}

Status WebServer::Start() {
  const HttpConfig& http = config_.http;
  std::shared_ptr<asio::ssl::context> tls;
  if (http.listen_port != 0) {
    auto started = StartTls();
    if (!started.ok()) return started.status();
    tls = *std::move(started);
    const Status listening = server_.Listen(http.listen_ip, http.listen_port, tls).status();
    if (!listening.ok()) {
      return OptionsError({"listenPort", "listenIp"},
                          "no https: " + std::string(Reason(listening)) + " (listenPort)");
    }
    LogInfo("listening: https and wss on {} port {}", http.listen_ip, http.listen_port);
  }
  if (http.plain_listen_port != 0) {
    const Status plain =
        server_.Listen(http.plain_listen_ip, http.plain_listen_port, nullptr).status();
    if (!plain.ok()) {
      return OptionsError({"plainListenPort", "plainListenIp"},
                          "no plain http: " + std::string(Reason(plain)) + " (plainListenPort)");
    }
    LogInfo("listening: http and ws on {} port {}", http.plain_listen_ip, http.plain_listen_port);
  }
  if (config_.gst.listen_port != 0) ListenForGst(std::move(tls));
  return absl::OkStatus();
}

void WebServer::ListenForGst(std::shared_ptr<asio::ssl::context> tls) {
  const GstConfig& gst = config_.gst;
  Status listening;
  if (!tls) {
    auto started = StartTls();
    listening = started.status();
    if (started.ok()) tls = *std::move(started);
  }
  if (listening.ok()) {
    const ListenerKind kind{Door::kGstreamer, /*may_be_plain=*/true};
    listening = server_.Listen(gst.listen_ip, gst.listen_port, tls, kind).status();
  }
  if (listening.ok()) {
    LogInfo("listening: GStreamer's signalling on {} port {}", gst.listen_ip, gst.listen_port);
  } else {
    LogError("no GStreamer's signalling: {} (gstListenPort)", Reason(listening));
  }
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
