#include "controller/ops/webhook_post.h"

#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include "common/version.h"
#include "controller/base/http_client.h"
#include "controller/base/server_url.h"

namespace sluice::controller {

namespace {

constexpr std::chrono::seconds kWebhookPatience{10};

struct WebhookServer {
  ServerUrl url;
  std::shared_ptr<asio::ssl::context> tls;
};

Task<Result<int>> PostTo(std::shared_ptr<const WebhookServer> server, Webhooks::Headers headers,
                         std::string body) {
  const ServerUrl& url = server->url;
  const std::string path = url.path.empty() ? "/" : url.path;
  HttpCall call{url, "POST", path + url.query, std::move(headers), std::move(body)};
  call.headers.emplace_back("User-Agent", "sluice/" + std::string(Version()));
  const Result<HttpReply> reply = co_await CallHttp(server->tls, std::move(call), kWebhookPatience);
  if (!reply.ok()) co_return reply.status();
  co_return reply->status;
}

}  // namespace

Webhooks::Post MakeWebhookPost(const WebhookConfig& config) {
  const auto server = std::make_shared<WebhookServer>();
  server->url = *ReadServerUrl(config.url);
  if (server->url.tls) {
    server->tls = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_client);
    boost::system::error_code error;
    server->tls->set_default_verify_paths(error);
    server->tls->set_verify_mode(asio::ssl::verify_peer);
    server->tls->set_verify_callback(asio::ssl::host_name_verification(server->url.host));
  }
  return [server](Webhooks::Headers headers, std::string body) {
    return PostTo(server, std::move(headers), std::move(body));
  };
}

}  // namespace sluice::controller
