#pragma once

#include <memory>

#include "controller/base/task.h"
#include "controller/http/http_server.h"
#include "controller/http/tls_reloader.h"
#include "controller/ops/config.h"

namespace sluice::controller {

/// The HTTP server as the configuration wants it: its limits, its two listeners and the files of
/// its TLS certificate, which are loaded again when they change.
class WebServer {
 public:
  /// Raises the limit of descriptors and says how many connections they allow.
  WebServer(const asio::any_io_executor& executor, HttpService* service, const Config& config);

  /// Starts what is configured. An OptionsError() (config.h) with the reason and what to do when
  /// one of the listeners cannot start.
  Status Start();
  /// Loads changed files of the certificate, or all in any case when `always`, and says so. To be
  /// called every few seconds; one that cannot be used leaves the old one.
  void CheckCertificate(bool always);
  /// Tells the WebSocket clients that the server goes away and gives them a moment to hear it.
  Task<void> GoAway();
  void Stop() { server_.Stop(); }
  /// As HttpServer::Join().
  Task<bool> Join(std::chrono::milliseconds limit) { return server_.Join(limit); }

  const HttpServer& server() const { return server_; }

 private:
  /// Loads the certificate.
  Result<std::shared_ptr<asio::ssl::context>> StartTls();
  /// GStreamer's signalling; where it cannot start, the log says why, and the rest serves without.
  void ListenForGst(std::shared_ptr<asio::ssl::context> tls);

  const Config& config_;
  HttpServer server_;
  std::unique_ptr<TlsReloader> certificate_;
};

}  // namespace sluice::controller
