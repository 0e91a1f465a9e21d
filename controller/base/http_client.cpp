#include "controller/base/http_client.h"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>

namespace sluice::controller {

namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;
using tcp = asio::ip::tcp;

using OutgoingRequest = http::request<http::string_body>;
using ReplyParser = http::response_parser<http::string_body>;

auto IntoError(boost::system::error_code& error) {
  return asio::redirect_error(asio::use_awaitable, error);
}

template <typename Stream>
Task<boost::system::error_code> ExchangeOver(Stream* stream, const OutgoingRequest* request,
                                             ReplyParser* parser) {
  boost::system::error_code error;
  co_await http::async_write(*stream, *request, IntoError(error));
  if (error) co_return error;
  beast::flat_buffer buffer;
  co_await http::async_read(*stream, buffer, *parser, IntoError(error));
  co_return error;
}

Status NoReply(const boost::system::error_code& why, std::chrono::seconds patience) {
  if (why != beast::error::timeout) return Error(why.message());
  return Error("no answer within " + std::to_string(patience.count()) + " seconds");
}

OutgoingRequest MakeRequest(HttpCall* call) {
  OutgoingRequest request;
  request.method_string(call->method);
  request.target(call->target);
  request.set(http::field::host, call->url.authority());
  request.set(http::field::connection, "close");
  for (const auto& [name, value] : call->headers) request.set(name, value);
  request.body() = std::move(call->body);
  request.prepare_payload();
  return request;
}

}  // namespace

Task<Result<HttpReply>> CallHttp(std::shared_ptr<asio::ssl::context> tls, HttpCall call,
                                 std::chrono::seconds patience) {
  const auto executor = co_await asio::this_coro::executor;
  const OutgoingRequest request = MakeRequest(&call);
  ReplyParser parser;
  parser.body_limit(kMaxReplyBody);
  boost::system::error_code error;
  tcp::resolver resolver(executor);
  const auto found =
      co_await resolver.async_resolve(call.url.host, call.url.port, IntoError(error));
  if (error) co_return NoReply(error, patience);
  if (call.url.tls) {
    beast::ssl_stream<beast::tcp_stream> stream(executor, *tls);
    SSL_set_tlsext_host_name(stream.native_handle(), call.url.host.c_str());
    auto& socket = beast::get_lowest_layer(stream);
    socket.expires_after(patience);
    co_await socket.async_connect(found, IntoError(error));
    if (error) co_return NoReply(error, patience);
    co_await stream.async_handshake(asio::ssl::stream_base::client, IntoError(error));
    if (error) co_return NoReply(error, patience);
    error = co_await ExchangeOver(&stream, &request, &parser);
  } else {
    beast::tcp_stream stream(executor);
    stream.expires_after(patience);
    co_await stream.async_connect(found, IntoError(error));
    if (error) co_return NoReply(error, patience);
    error = co_await ExchangeOver(&stream, &request, &parser);
  }
  if (error) co_return NoReply(error, patience);
  const auto& response = parser.get();
  HttpReply reply;
  reply.status = static_cast<int>(response.result_int());
  reply.reason = std::string(response.reason());
  reply.body = response.body();
  co_return reply;
}

}  // namespace sluice::controller
