#include "controller/ops/self_probe.h"

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>

#include "controller/room/random.h"

namespace sluice::controller {

using tcp = asio::ip::tcp;

namespace {

constexpr std::chrono::seconds kPatience{2};
constexpr size_t kNameLength = 26;  // 36^26 is more than 2^128
constexpr int kNoContent = 204;
constexpr std::string_view kExpected = "HTTP/1.1 204 ";

auto Into(boost::system::error_code& error) {
  return asio::redirect_error(asio::use_awaitable, error);
}

/// Who answers at an address.
enum class Answerer : uint8_t { kNobody, kThisProcess, kAnother };

/// Sends the request and reads as much of the answer as tells whose it is.
template <typename Stream>
Task<bool> Converse(Stream* stream, const std::string* request) {
  boost::system::error_code error;
  co_await asio::async_write(*stream, asio::buffer(*request), Into(error));
  if (error) co_return false;
  std::array<char, kExpected.size()> start{};
  co_await asio::async_read(*stream, asio::buffer(start), Into(error));
  co_return !error && std::string_view(start.data(), start.size()) == kExpected;
}

Task<Answerer> AskAt(const tcp::endpoint* endpoint, const std::string* request, bool tls) {
  const auto executor = co_await asio::this_coro::executor;
  const auto socket = std::make_shared<tcp::socket>(executor);
  asio::steady_timer patience(executor, kPatience);
  patience.async_wait([weak = std::weak_ptr<tcp::socket>(socket)](const auto& error) {
    boost::system::error_code ignored;
    const auto open = weak.lock();
    if (!error && open) open->close(ignored);
  });
  boost::system::error_code error;
  co_await socket->async_connect(*endpoint, Into(error));
  if (error) co_return Answerer::kNobody;
  bool ours = false;
  if (tls) {
    asio::ssl::context context(asio::ssl::context::tls_client);
    asio::ssl::stream<tcp::socket&> stream(*socket, context);
    co_await stream.async_handshake(asio::ssl::stream_base::client, Into(error));
    if (!error) ours = co_await Converse(&stream, request);
  } else {
    ours = co_await Converse(socket.get(), request);
  }
  socket->close(error);
  co_return ours ? Answerer::kThisProcess : Answerer::kAnother;
}

}  // namespace

SelfProbe::SelfProbe() : path_("/.well-known/sluice/" + RandomText(kNameLength)) {}

HttpResponse SelfProbe::Answer() {
  HttpResponse response;
  response.status = kNoContent;
  return response;
}

Task<bool> SelfProbe::Reaches(std::string host, uint16_t port, bool tls) const {
  const auto executor = co_await asio::this_coro::executor;
  tcp::resolver resolver(executor);
  boost::system::error_code error;
  const auto found = co_await resolver.async_resolve(host, std::to_string(port), Into(error));
  if (error || found.empty()) co_return false;
  const bool v6 = host.find(':') != std::string::npos;
  const std::string request = "GET " + path_ +
                              " HTTP/1.1\r\nHost: " + (v6 ? "[" + host + "]" : host) + ":" +
                              std::to_string(port) + "\r\nConnection: close\r\n\r\n";
  bool any = false;
  for (const auto& entry : found) {
    const tcp::endpoint endpoint = entry.endpoint();
    const Answerer answerer = co_await AskAt(&endpoint, &request, tls);
    if (answerer == Answerer::kAnother) co_return false;
    any = any || answerer == Answerer::kThisProcess;
  }
  co_return any;
}

}  // namespace sluice::controller
