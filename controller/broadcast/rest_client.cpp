#include "controller/broadcast/rest_client.h"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <boost/json.hpp>
#include <chrono>
#include <utility>

#include "common/printable.h"
#include "common/version.h"

namespace sluice::controller::broadcast {

namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;
using tcp = asio::ip::tcp;

constexpr std::chrono::seconds kPatience{5};

using Request = http::request<http::string_body>;
using Response = http::response<http::string_body>;

auto Into(boost::system::error_code& error) {
  return asio::redirect_error(asio::use_awaitable, error);
}

template <typename Stream>
Task<boost::system::error_code> Converse(Stream* stream, const Request* request,
                                         Response* response) {
  boost::system::error_code error;
  co_await http::async_write(*stream, *request, Into(error));
  if (error) co_return error;
  beast::flat_buffer buffer;
  co_await http::async_read(*stream, buffer, *response, Into(error));
  co_return error;
}

Status Unanswered(const boost::system::error_code& why) {
  return Error(why == beast::error::timeout ? "no answer within 5 seconds" : why.message());
}

RestReply ReadReply(const Response& response) {
  RestReply reply;
  reply.status = static_cast<int>(response.result_int());
  boost::system::error_code error;
  reply.body = boost::json::parse(response.body(), error);
  if (error) reply.body = nullptr;
  if (const auto* root = reply.body.if_object()) {
    const auto* details = root->if_contains("error");
    const auto* message =
        details && details->is_object() ? details->get_object().if_contains("message") : nullptr;
    if (message && message->is_string()) reply.message = std::string(message->get_string());
  }
  if (reply.message.empty()) reply.message = std::string(response.reason());
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
  const ServerUrl& url = settings_.url;
  const auto executor = co_await asio::this_coro::executor;
  Request request;
  request.method_string(method);
  request.target(url.prefix + path);
  request.set(http::field::host, url.authority());
  request.set(http::field::user_agent, "sluice-broadcast/" + std::string(Version()));
  request.set(http::field::connection, "close");
  if (!settings_.token.empty()) {
    request.set(http::field::authorization, "Bearer " + settings_.token);
  }
  if (!secret_.empty()) request.set("X-Broadcaster-Secret", secret_);
  if (!body.empty()) request.set(http::field::content_type, "application/json");
  request.body() = std::move(body);
  request.prepare_payload();

  boost::system::error_code error;
  tcp::resolver resolver(executor);
  const auto found = co_await resolver.async_resolve(url.host, url.port, Into(error));
  if (error) co_return Unanswered(error);
  Response response;
  if (url.tls) {
    beast::ssl_stream<beast::tcp_stream> stream(executor, *tls_);
    SSL_set_tlsext_host_name(stream.native_handle(), url.host.c_str());
    auto& socket = beast::get_lowest_layer(stream);
    socket.expires_after(kPatience);
    co_await socket.async_connect(found, Into(error));
    if (error) co_return Unanswered(error);
    co_await stream.async_handshake(asio::ssl::stream_base::client, Into(error));
    if (error) co_return Unanswered(error);
    error = co_await Converse(&stream, &request, &response);
  } else {
    beast::tcp_stream stream(executor);
    stream.expires_after(kPatience);
    co_await stream.async_connect(found, Into(error));
    if (error) co_return Unanswered(error);
    error = co_await Converse(&stream, &request, &response);
  }
  if (error) co_return Unanswered(error);
  co_return ReadReply(response);
}

}  // namespace sluice::controller::broadcast
