#include "controller/http/byte_stream.h"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>
#include <vector>

namespace sluice::controller {

using tcp = asio::ip::tcp;
using std::chrono::milliseconds;

namespace {

constexpr milliseconds kCloseTime{5'000};  // closing handshakes of TLS and TCP

auto Into(boost::system::error_code& error) {
  return asio::redirect_error(asio::use_awaitable, error);
}

}  // namespace

/// TLS over the socket. One record carries one buffer, so several are joined first: a WebSocket
/// frame's few header bytes must not cost a record of their own.
struct ByteStream::Tls {
  static constexpr size_t kMaxRecord = 16 << 10;  // payload of a TLS record (RFC 8446 §5.1)

  Tls(tcp::socket& socket, std::shared_ptr<asio::ssl::context> shared)
      : context(std::move(shared)), stream(socket, *context) {}

  /// What to hand to TLS next: the only part, or the first bytes of all parts.
  asio::const_buffer Join(const Parts& parts) {
    if (parts.count == 1) return *parts.begin();
    joined.resize(std::min(asio::buffer_size(parts), kMaxRecord));
    asio::buffer_copy(asio::buffer(joined), parts);
    return asio::buffer(joined);
  }

  std::shared_ptr<asio::ssl::context> context;
  asio::ssl::stream<tcp::socket&> stream;
  std::vector<unsigned char> joined;
};

ByteStream::ByteStream(tcp::socket socket, std::shared_ptr<asio::ssl::context> tls,
                       bool may_be_plain)
    : socket_(std::move(socket)), may_be_plain_(may_be_plain), deadline_(socket_.get_executor()) {
  boost::system::error_code ignored;
  socket_.set_option(tcp::no_delay(true), ignored);
  if (tls) tls_ = std::make_unique<Tls>(socket_, std::move(tls));
}

ByteStream::~ByteStream() = default;

void ByteStream::StartRead(asio::mutable_buffer buffer, IoHandler handler) {
  if (tls_) {
    tls_->stream.async_read_some(buffer, std::move(handler));
  } else {
    socket_.async_read_some(buffer, std::move(handler));
  }
}

void ByteStream::StartWrite(const Parts& parts, IoHandler handler) {
  if (tls_) {
    tls_->stream.async_write_some(tls_->Join(parts), std::move(handler));
  } else {
    socket_.async_write_some(parts, std::move(handler));
  }
}

void ByteStream::StartShutdown(DoneHandler handler) {
  asio::co_spawn(
      get_executor(),
      [](std::shared_ptr<ByteStream> self) -> Task<void> {
        co_await self->Shutdown();
      }(shared_from_this()),
      [done = std::move(handler)](const std::exception_ptr& failure) mutable {
        if (failure) std::rethrow_exception(failure);
        std::move(done)(ErrorCode());
      });
}

Task<bool> ByteStream::Handshake() {
  if (!tls_) co_return true;
  ErrorCode error;
  if (may_be_plain_) {
    constexpr char kHandshakeRecord = 22;  // RFC 8446 §5.1; no request begins so
    char first = 0;
    co_await socket_.async_receive(asio::buffer(&first, 1), tcp::socket::message_peek, Into(error));
    if (error) co_return false;
    if (first != kHandshakeRecord) {
      tls_.reset();
      co_return true;
    }
  }
  co_await tls_->stream.async_handshake(asio::ssl::stream_base::server, Into(error));
  co_return !error;
}

Task<size_t> ByteStream::Read(asio::mutable_buffer buffer) {
  ErrorCode error;
  const size_t size = co_await async_read_some(buffer, Into(error));
  co_return error ? 0 : size;
}

Task<bool> ByteStream::Write(std::string_view first, std::string_view second) {
  ErrorCode error;
  while (!first.empty() || !second.empty()) {
    const std::array<asio::const_buffer, 2> parts = {asio::buffer(first), asio::buffer(second)};
    size_t size = co_await async_write_some(parts, Into(error));
    if (error) co_return false;
    const size_t of_first = std::min(size, first.size());
    first.remove_prefix(of_first);
    second.remove_prefix(size - of_first);
  }
  co_return true;
}

Task<void> ByteStream::Shutdown() {
  ExpireAfter(kCloseTime);
  ErrorCode error;
  if (tls_) co_await tls_->stream.async_shutdown(Into(error));
  socket_.shutdown(tcp::socket::shutdown_send, error);
  std::array<char, 4096> rest;
  while (!error) co_await socket_.async_read_some(asio::buffer(rest), Into(error));
  ExpireNever();
  Close();
}

void ByteStream::ExpireAfter(milliseconds limit) {
  deadline_.expires_after(limit);
  deadline_.async_wait([weak = weak_from_this()](const ErrorCode& error) {
    const auto self = weak.lock();
    // A deadline that was replaced when this call was under way already does not count.
    if (!self || error || self->deadline_.expiry() > std::chrono::steady_clock::now()) return;
    self->expired_ = true;
    self->Close();
  });
}

void ByteStream::ExpireNever() {
  deadline_.expires_at(std::chrono::steady_clock::time_point::max());
}

void ByteStream::Close() {
  ErrorCode ignored;
  socket_.close(ignored);
}

}  // namespace sluice::controller
