#include "controller/broadcast/rest_client.h"

#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/json.hpp>
#include <chrono>
#include <utility>

#include "common/printable.h"
#include "common/version.h"
#include "controller/base/http_client.h"

namespace sluice::controller::broadcast {

namespace {

constexpr std::chrono::seconds kPatience{5};

RestReply ReadReply(const HttpReply& response) {
  RestReply reply;
  reply.status = response.status;
  boost::system::error_code error;
  reply.body = boost::json::parse(response.body, error);
  if (error) reply.body = nullptr;
  if (const auto* root = reply.body.if_object()) {
    const auto* details = root->if_contains("error");
    const auto* message =
        details && details->is_object() ? details->get_object().if_contains("message") : nullptr;
    if (message && message->is_string()) reply.message = std::string(message->get_string());
  }
  if (reply.message.empty()) reply.message = response.reason;
  reply.message = Printable(reply.message);
  return reply;
}

}  // namespace

RestClient::RestClient(Settings settings)
    : settings_(std::move(settings)),
      tls_(std::make_shared<asio::ssl::context>(asio::ssl::context::tls_client)) {}

Result<std::unique_ptr<RestClient>> RestClient::Make(Settings settings) {
  std::unique_ptr<RestClient> client(new RestClient(std::move(settings)));
  const Settings& made = client->settings_;
  if (made.ca_file.empty()) return client;
  boost::system::error_code error;
  client->tls_->load_verify_file(made.ca_file, error);
  if (error) {
    return TypeError("option --caFile \"" + made.ca_file +
                     "\": must be a readable file of certificates (PEM)");
  }
  client->tls_->set_verify_mode(asio::ssl::verify_peer);
  client->tls_->set_verify_callback(asio::ssl::host_name_verification(made.url.host));
  return client;
}

Task<Result<RestReply>> RestClient::Ask(std::string method, std::string path,
                                        std::string body) const {
  HttpCall call{settings_.url, std::move(method), settings_.url.prefix + path, {}, {}};
  call.headers.emplace_back("User-Agent", "sluice-broadcast/" + std::string(Version()));
  if (!settings_.token.empty()) {
    call.headers.emplace_back("Authorization", "Bearer " + settings_.token);
  }
  if (!secret_.empty()) call.headers.emplace_back("X-Broadcaster-Secret", secret_);
  if (!body.empty()) call.headers.emplace_back("Content-Type", "application/json");
  call.body = std::move(body);
  const Result<HttpReply> reply = co_await CallHttp(tls_, std::move(call), kPatience);
  if (!reply.ok()) co_return reply.status();
  co_return ReadReply(*reply);
}

}  // namespace sluice::controller::broadcast
