#pragma once

#include <array>
#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/role.hpp>
#include <chrono>
#include <memory>
#include <string_view>
#include <utility>

#include "controller/base/task.h"

namespace sluice::controller {

/// One TCP connection, plain or with TLS on it: the one stream type that HTTP and WebSocket are
/// compiled for, so that Beast and Asio's composed operations are instantiated once.
///
/// Always held by a shared pointer, which whoever starts an operation keeps until it has ended. At
/// most one read and one write at a time. A deadline that passes closes the socket, which ends
/// what is going on with an error.
class ByteStream : public std::enable_shared_from_this<ByteStream> {
 public:
  using executor_type = asio::any_io_executor;
  using ErrorCode = boost::system::error_code;
  using IoHandler = asio::any_completion_handler<void(ErrorCode, size_t)>;
  using DoneHandler = asio::any_completion_handler<void(ErrorCode)>;

  /// `tls` is null for a plain connection. `may_be_plain`: the client's first byte says whether it
  /// wants TLS.
  ByteStream(asio::ip::tcp::socket socket, std::shared_ptr<asio::ssl::context> tls,
             bool may_be_plain = false);
  ~ByteStream();
  ByteStream(const ByteStream&) = delete;
  ByteStream& operator=(const ByteStream&) = delete;

  executor_type get_executor() { return socket_.get_executor(); }
  bool secure() const { return tls_ != nullptr; }

  /// The TLS handshake; true at once on a plain connection, or when the first byte has come that
  /// says that it is one.
  Task<bool> Handshake();
  /// The number of bytes that came, at least 1; 0 = the connection has ended.
  Task<size_t> Read(asio::mutable_buffer buffer);
  /// Writes both parts, the second of which may be empty. False: the connection has ended.
  Task<bool> Write(std::string_view first, std::string_view second);
  /// The polite end: close_notify, FIN, then waits for the client's, kCloseTime at most. A socket
  /// that is closed while the client still sends would take our last words back (RST).
  Task<void> Shutdown();

  /// The time that everything from now on may take; replaces the deadline before it.
  void ExpireAfter(std::chrono::milliseconds limit);
  void ExpireNever();
  /// The deadline has passed: that is why the connection has ended.
  bool expired() const { return expired_; }
  /// Closes the socket at once.
  void Close();

  // What Beast's WebSocket stream needs of the stream below it.
  template <typename Buffers, typename Token>
  auto async_read_some(const Buffers& buffers, Token&& token) {
    asio::mutable_buffer first;
    for (auto it = asio::buffer_sequence_begin(buffers); it != asio::buffer_sequence_end(buffers);
         ++it) {
      first = *it;
      if (first.size() > 0) break;
    }
    return asio::async_initiate<Token, void(ErrorCode, size_t)>(
        [](auto handler, ByteStream* self, asio::mutable_buffer buffer) {
          self->StartRead(buffer, IoHandler(std::move(handler)));
        },
        token, this, first);
  }

  template <typename Buffers, typename Token>
  auto async_write_some(const Buffers& buffers, Token&& token) {
    Parts parts;
    for (auto it = asio::buffer_sequence_begin(buffers);
         it != asio::buffer_sequence_end(buffers) && parts.count < kMaxParts; ++it) {
      const asio::const_buffer part = *it;
      if (part.size() > 0) parts.list[parts.count++] = part;
    }
    return asio::async_initiate<Token, void(ErrorCode, size_t)>(
        [](auto handler, ByteStream* self, const Parts& what) {
          self->StartWrite(what, IoHandler(std::move(handler)));
        },
        token, this, parts);
  }

 private:
  static constexpr size_t kMaxParts = 4;  ///< a frame's header and its payload, with room
  /// A buffer sequence that holds its buffers. Asio keeps a copy of the sequence while the socket
  /// is full: a span, of what has left the stack by then, would send whatever is there instead.
  struct Parts {
    using value_type = asio::const_buffer;
    using const_iterator = const asio::const_buffer*;
    const_iterator begin() const { return list.data(); }
    const_iterator end() const { return list.data() + count; }

    std::array<asio::const_buffer, kMaxParts> list;
    size_t count = 0;
  };
  struct Tls;

  void StartRead(asio::mutable_buffer buffer, IoHandler handler);
  void StartWrite(const Parts& parts, IoHandler handler);
  void StartShutdown(DoneHandler handler);

  template <typename Handler>
  friend void async_teardown(boost::beast::role_type /*role*/, ByteStream& stream,
                             Handler&& handler) {
    stream.StartShutdown(DoneHandler(std::forward<Handler>(handler)));
  }
  friend void beast_close_socket(ByteStream& stream) { stream.Close(); }

  asio::ip::tcp::socket socket_;
  std::unique_ptr<Tls> tls_;
  bool may_be_plain_ = false;
  asio::steady_timer deadline_;
  bool expired_ = false;
};

}  // namespace sluice::controller
