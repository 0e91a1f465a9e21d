#include "controller/http/websocket_connection.h"

#include <algorithm>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket/stream.hpp>
#include <chrono>
#include <deque>
#include <optional>
#include <string>
#include <utility>

#include "common/printable.h"
#include "common/utf8.h"
#include "controller/base/delay.h"
#include "controller/base/event.h"
#include "controller/base/log.h"
#include "controller/http/beast_request.h"

namespace sluice::controller {

namespace {

namespace beast = boost::beast;
namespace websocket = beast::websocket;
using boost::system::error_code;
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;
using Phase = ConnectionTable::Phase;

constexpr std::chrono::seconds kCloseHandshakeTime{5};  // for the closing handshake
constexpr size_t kMessageOverhead = 128;  // bytes that a queued message costs besides its text
/// A client that is not read because its address has sent too much is looked at again after this.
constexpr milliseconds kMaxThrottle{5'000};
constexpr size_t kKeptMessage = 64 << 10;  // bytes of receive buffer kept between messages
/// Unsent bytes from which on a client is congested: a quarter of what it is cut off at.
constexpr size_t kCongestedPart = 4;

/// The code of the client's close frame, as RFC 6455 §7.1.5 has it where it has none.
uint16_t CloseCodeOf(const websocket::close_reason& reason) {
  return reason.code == websocket::close_code::none
             ? static_cast<uint16_t>(websocket::close_code::no_status)
             : reason.code;
}

/// One open WebSocket. Reading is a coroutine, writing a chain of callbacks over a bounded queue.
class WebSocketConnection : public WebSocketLink,
                            public std::enable_shared_from_this<WebSocketConnection> {
 public:
  WebSocketConnection(std::shared_ptr<ServerContext> context, std::shared_ptr<ByteStream> stream,
                      std::unique_ptr<ConnectionTable::Entry> place, bool authenticated,
                      std::shared_ptr<WebSocketEvents> events)
      : context_(std::move(context)),
        stream_(std::move(stream)),
        place_(std::move(place)),
        authenticated_(authenticated),
        socket_(*stream_),
        events_(std::move(events)),
        keepalive_(context_->executor),
        close_limit_(context_->executor) {}

  /// From the handshake to the end of the connection.
  Task<void> Run(std::shared_ptr<BeastRequest> request, std::string subprotocol) {
    const auto self = shared_from_this();
    if (!co_await Accept(*request, std::move(subprotocol))) co_return;
    request.reset();
    if (authenticated_) place_->SetAuthenticated();
    place_->SetPhase(Phase::kNotJoined, Clock::now());
    pinged_at_ = Clock::now();
    socket_.control_callback([this](websocket::frame_type, beast::string_view) {
      OnHeard();
      if (!closing_) events_->OnIgnored();
    });
    ArmKeepalive();
    context_->websockets.insert(this);
    events_->OnOpen(self);
    co_await ReadMessages();
    dead_ = true;
    context_->websockets.erase(this);
    keepalive_.cancel();
    close_limit_.cancel();
    Drop();
    events_->OnClosed();
  }

  using WebSocketLink::Send;
  void Send(std::shared_ptr<const std::string> text) override {
    if (dead_ || closing_) return;
    if (!IsUtf8(*text)) {
      // The client would have to fail the connection (RFC 6455 §8.1), again each time it comes
      // back.
      LogError("a text of {} bytes for a WebSocket client is no UTF-8", text->size());
      text = std::make_shared<const std::string>(Utf8Repaired(*text));
    }
    if (queued_bytes_ > context_->limits.max_websocket_queue) {
      ++context_->websocket_counters.slow_readers;
      LogWarn(
          "a WebSocket client does not read: {} bytes wait for it, it is cut off "
          "(maxWebsocketQueue)",
          queued_bytes_);
      Drop();
      dead_ = true;  // once: much may be on its way to it
      return;
    }
    queued_bytes_ += text->size() + kMessageOverhead;
    queue_.push_back(std::move(text));
    if (queued_bytes_ >= context_->limits.max_websocket_queue / kCongestedPart) congested_ = true;
    if (!UpdateHeld()) return;
    if (!writing_) WriteNext();
  }

  void Pause() override {
    if (!paused_) paused_.emplace(context_->executor);
  }
  void Resume() override {
    paused_.reset();  // lets the reader go on
    OnHeard();
  }
  bool congested() const override { return congested_; }

  void Keep() override { place_->SetPhase(Phase::kJoined, Clock::now()); }

  void Close(uint16_t code, std::string_view reason) override {
    if (dead_ || closing_) return;
    closing_ = true;
    // A control frame carries 125 bytes, two of which are the code (RFC 6455 §5.5). What Printable
    // adds to a text that it cuts is less than the rest.
    constexpr size_t kMaxReason = 96;
    reason_ = websocket::close_reason(static_cast<websocket::close_code>(code),
                                      Printable(reason, kMaxReason));
    close_limit_.expires_after(kCloseHandshakeTime);
    close_limit_.async_wait([weak = weak_from_this()](const error_code& error) {
      if (const auto self = weak.lock(); self && !error) self->Drop();
    });
    if (!writing_) StartClose();
  }

 private:
  Task<bool> Accept(const BeastRequest& request, std::string subprotocol) {
    stream_->ExpireNever();
    socket_.set_option(websocket::stream_base::timeout{context_->limits.handshake_time,
                                                       websocket::stream_base::none(), false});
    socket_.set_option(
        websocket::stream_base::decorator([subprotocol](websocket::response_type& response) {
          response.set(beast::http::field::server, "Sluice");
          HttpResponse security;
          AddSecurityHeaders(&security);
          for (const auto& [name, value] : security.headers) response.set(name, value);
          if (!subprotocol.empty()) {
            response.set(beast::http::field::sec_websocket_protocol, subprotocol);
          }
        }));
    socket_.read_message_max(context_->limits.max_websocket_message);
    socket_.text(true);
    socket_.auto_fragment(false);  // a message is one frame and, as a rule, one write
    error_code error;
    co_await socket_.async_accept(request.message,
                                  asio::redirect_error(asio::use_awaitable, error));
    co_return !error;
  }

  Task<void> ReadMessages() {
    error_code error;
    while (!dead_) {
      if (paused_) {
        co_await paused_->Wait();
        continue;
      }
      const size_t size = co_await socket_.async_read_some(
          incoming_, 0, asio::redirect_error(asio::use_awaitable, error));
      if (error == websocket::error::message_too_big) ++context_->websocket_counters.too_long;
      if (error == websocket::error::closed) events_->OnLeft(CloseCodeOf(socket_.reason()));
      if (error) break;
      OnHeard();
      const auto wait = std::min(context_->WaitFor(place_->source(), size), kMaxThrottle);
      if (wait.count() > 0) {
        throttled_ = true;
        co_await Delay(wait);
        throttled_ = false;
        if (message_since_) *message_since_ += wait;
        if (dead_) break;
      }
      if (socket_.is_message_done()) {
        OnMessage();
        message_since_.reset();
        incoming_.consume(incoming_.size());
        if (incoming_.capacity() > kKeptMessage) incoming_.shrink_to_fit();
      } else if (!message_since_) {
        message_since_ = Clock::now();
      }
      if (!UpdateHeld()) break;
    }
  }

  void OnMessage() {
    if (closing_) return;
    if (!socket_.got_text()) {
      events_->OnIgnored();
      return;
    }
    const auto data = incoming_.cdata();
    events_->OnText({static_cast<const char*>(data.data()), data.size()});
  }

  /// Tells the table what we hold for this client; false when it had to go for that.
  bool UpdateHeld() { return place_->Hold(queued_bytes_ + incoming_.size(), Clock::now()); }

  void WriteNext() {
    if (dead_) return;
    if (queue_.empty()) {
      writing_ = false;
      if (closing_) StartClose();
      return;
    }
    writing_ = true;
    write_started_ = Clock::now();
    socket_.async_write(asio::buffer(*queue_.front()),
                        [self = shared_from_this()](const error_code& error, size_t) {
                          self->queued_bytes_ -= self->queue_.front()->size() + kMessageOverhead;
                          self->queue_.pop_front();
                          self->place_->Progress(Clock::now());
                          self->UpdateHeld();
                          if (error) {
                            self->Drop();
                            return;
                          }
                          self->WriteNext();
                          self->CheckDrained();
                        });
  }

  void CheckDrained() {
    const size_t calm = context_->limits.max_websocket_queue / kCongestedPart / 2;
    if (!congested_ || queued_bytes_ > calm) return;
    congested_ = false;
    if (!dead_ && !closing_) events_->OnDrained();
  }

  void StartClose() {
    socket_.async_close(reason_, [self = shared_from_this()](const error_code&) { self->Drop(); });
  }

  /// When the keepalive has something to look at next.
  Clock::time_point NextCheck() const {
    const HttpLimits& limits = context_->limits;
    // What is being written or read is looked at once in the time that it has: it ends within twice
    // that.
    const Clock::time_point slow = Clock::now() + std::min(limits.write_time, limits.request_time);
    return std::min(slow, pinged_at_ + (ping_open_ ? limits.pong_within : limits.ping_after));
  }

  void ArmKeepalive() {
    keepalive_.expires_at(std::max(NextCheck(), Clock::now() + milliseconds(1)));
    keepalive_.async_wait([weak = weak_from_this()](const error_code& error) {
      if (const auto self = weak.lock(); self && !error) self->OnKeepalive();
    });
  }

  /// Anything that is received proves that the client lives.
  void OnHeard() {
    if (!ping_open_) return;
    ping_open_ = false;
    if (!dead_) ArmKeepalive();
  }

  void OnKeepalive() {
    if (dead_) return;
    const HttpLimits& limits = context_->limits;
    const Clock::time_point now = Clock::now();
    if (paused_ || throttled_) {
      // We do not listen: silence says nothing about the client.
      ping_open_ = false;
      pinged_at_ = now;
    }
    if (ping_open_ && now >= pinged_at_ + limits.pong_within) {
      ++context_->websocket_counters.silent;
      LogInfo("a WebSocket client is silent, it is cut off (pongWithin)");
      Drop();
      return;
    }
    if (writing_ && now >= write_started_ + limits.write_time) {
      ++context_->websocket_counters.slow_readers;
      LogInfo("a WebSocket client does not read, it is cut off (writeTimeout)");
      Drop();
      return;
    }
    if (message_since_ && !throttled_ &&
        now >= *message_since_ + BodyTime(limits, incoming_.size())) {
      ++context_->websocket_counters.slow_messages;
      LogInfo("a WebSocket client sends a message too slowly, it is cut off (minBodyRate)");
      Drop();
      return;
    }
    if (!ping_open_ && now >= pinged_at_ + limits.ping_after) {
      ping_open_ = true;
      pinged_at_ = now;
      SendPing();
    }
    ArmKeepalive();
  }

  /// A ping waits behind data that the client does not read; there must never be two (Beast).
  void SendPing() {
    if (pinging_) return;
    pinging_ = true;
    socket_.async_ping({},
                       [self = shared_from_this()](const error_code&) { self->pinging_ = false; });
  }

  /// Ends the socket at once; the reading coroutine notices and finishes.
  void Drop() {
    stream_->Close();
    paused_.reset();
  }

  std::shared_ptr<ServerContext> context_;
  std::shared_ptr<ByteStream> stream_;
  std::unique_ptr<ConnectionTable::Entry> place_;
  const bool authenticated_;
  websocket::stream<ByteStream&, /*deflateSupported=*/false> socket_;
  std::shared_ptr<WebSocketEvents> events_;
  beast::flat_buffer incoming_;
  std::deque<std::shared_ptr<const std::string>> queue_;
  size_t queued_bytes_ = 0;
  bool writing_ = false;
  bool closing_ = false;
  bool dead_ = false;
  bool ping_open_ = false;  ///< nothing has been heard since the last ping
  bool pinging_ = false;    ///< a ping is on its way to the kernel
  bool throttled_ = false;  ///< its address has sent too much: nothing is read for a while
  bool congested_ = false;  ///< until half of what made it so is sent
  /// While nothing shall be read; what the reader waits for.
  std::optional<Event> paused_;
  Clock::time_point pinged_at_;
  Clock::time_point write_started_;
  std::optional<Clock::time_point> message_since_;  ///< of a message that is not complete
  websocket::close_reason reason_;
  asio::steady_timer keepalive_;
  asio::steady_timer close_limit_;
};

}  // namespace

Task<void> ServeWebSocket(std::shared_ptr<ServerContext> context,
                          std::shared_ptr<ByteStream> stream,
                          std::unique_ptr<ConnectionTable::Entry> place,
                          std::shared_ptr<BeastRequest> request, UpgradeDecision decision) {
  const auto connection =
      std::make_shared<WebSocketConnection>(std::move(context), std::move(stream), std::move(place),
                                            decision.authenticated, std::move(decision.session));
  co_await connection->Run(std::move(request), std::move(decision.subprotocol));
}

}  // namespace sluice::controller
