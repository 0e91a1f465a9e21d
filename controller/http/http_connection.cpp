#include "controller/http/http_connection.h"

#include <array>
#include <chrono>
#include <optional>
#include <utility>

#include "controller/base/delay.h"
#include "controller/http/http_error.h"
#include "controller/http/request_reader.h"
#include "controller/http/websocket_connection.h"

namespace sluice::controller {

namespace {

using Phase = ConnectionTable::Phase;
using Clock = std::chrono::steady_clock;

constexpr unsigned kVersion11 = 11;
constexpr int kFirstError = 400;  // status codes from here on

/// The answer to a proxy's request of an address that has all connections it may have.
HttpResponse TooManyConnections() {
  HttpResponse response = HttpErrorText(
      503, "Error: this address has too many connections open already (maxConnectionsPerIp)");
  response.headers.emplace_back("Retry-After", "2");
  return response;
}

/// The answer to a proxy's request of an address that comes over too many new connections.
HttpResponse TooManyNewConnections(uint32_t rate) {
  HttpResponse response =
      HttpErrorText(429, "Error: this address opens too many connections: at most " +
                             std::to_string(rate) + " a second (maxConnectionsPerSecondPerIp)");
  response.headers.emplace_back("Retry-After", "1");
  return response;
}

/// The answer to a source that sends more than we read.
HttpResponse TooManyBytes(uint32_t rate) {
  HttpResponse response =
      HttpErrorText(429, "Error: this address sends too much: at most " + std::to_string(rate) +
                             " bytes a second (maxBytesPerSecondPerIp)");
  response.headers.emplace_back("Retry-After", "30");
  return response;
}

/// The requests of one connection, one after the other.
class HttpConnection {
 public:
  HttpConnection(std::shared_ptr<ServerContext> context, std::shared_ptr<ByteStream> stream,
                 std::unique_ptr<ConnectionTable::Entry> place, ConnectionOrigin origin)
      : context_(std::move(context)),
        stream_(std::move(stream)),
        place_(std::move(place)),
        origin_(std::move(origin)),
        reader_(context_->limits.max_header, context_->limits.max_body) {}

  Task<void> Run() {
    stream_->ExpireAfter(context_->limits.handshake_time);
    const bool open = co_await stream_->Handshake();
    if (!open) {
      if (stream_->expired()) ++context_->request_counters.slow_handshakes;
      co_return;
    }
    while (!context_->stopped) {
      const bool complete = co_await ReadRequest();
      if (!complete) break;
      const bool goes_on = co_await Serve();
      if (!goes_on) break;
      reader_.Next();
    }
    if (!stream_) co_return;  // it went on as a WebSocket
    place_->SetPhase(Phase::kUnfinished, Clock::now());
    co_await stream_->Shutdown();
  }

 private:
  /// True when a request is complete; a bad one is answered here.
  Task<bool> ReadRequest() {
    const HttpLimits& limits = context_->limits;
    const bool idle = served_ && !reader_.started();
    place_->SetPhase(idle ? Phase::kIdle : Phase::kUnfinished, Clock::now());
    stream_->ExpireAfter(idle ? limits.idle_time : limits.request_time);
    bool waiting = idle;
    while (Wanting()) {
      constexpr size_t kChunk = 8 << 10;
      std::array<char, kChunk> chunk;
      const size_t size = co_await stream_->Read(asio::buffer(chunk));
      if (size == 0) {
        if (stream_->expired() && !waiting) CountSlow();
        co_return false;
      }
      if (waiting) {
        waiting = false;
        place_->SetPhase(Phase::kUnfinished, Clock::now());
        stream_->ExpireAfter(limits.request_time);
      }
      const bool taken = co_await TakeBytes(std::string_view(chunk.data(), size));
      if (!taken) co_return false;
    }
    if (reader_.state() == RequestReader::State::kComplete) co_return true;
    HttpResponse refusal = reader_.Refusal();
    CountRefusal(refusal.status);
    co_await Answer(std::move(refusal), kVersion11, false, false);
    co_return false;
  }

  void CountRefusal(int status) {
    constexpr int kContentTooLarge = 413;
    constexpr int kHeaderTooLarge = 431;
    RequestCounters& counters = context_->request_counters;
    const bool large = status == kContentTooLarge || status == kHeaderTooLarge;
    ++(large ? counters.too_large : counters.malformed);
  }

  void CountSlow() {
    RequestCounters& counters = context_->request_counters;
    const bool in_body = reader_.state() == RequestReader::State::kBody;
    ++(in_body ? counters.slow_bodies : counters.slow_headers);
  }

  bool Wanting() const {
    return reader_.state() == RequestReader::State::kHeader ||
           reader_.state() == RequestReader::State::kBody;
  }

  /// False when the connection ends with them.
  Task<bool> TakeBytes(std::string_view bytes) {
    const bool in_header = reader_.state() == RequestReader::State::kHeader;
    reader_.Put(bytes);
    const Clock::time_point now = Clock::now();
    if (!place_->Hold(reader_.held(), now)) co_return false;
    if (reader_.state() != RequestReader::State::kBody) co_return true;
    if (in_header) body_since_ = now;
    const Clock::time_point due = body_since_ + BodyTime(context_->limits, reader_.held());
    stream_->ExpireAfter(std::chrono::ceil<std::chrono::milliseconds>(due - now));
    if (!reader_.TakeContinue()) co_return true;
    co_return co_await stream_->Write("HTTP/1.1 100 Continue\r\n\r\n", "");
  }

  /// Answers the request; true when the connection may go on.
  Task<bool> Serve() {
    served_ = true;
    place_->SetPhase(Phase::kServing, Clock::now());
    stream_->ExpireNever();
    const unsigned version = reader_.version();
    const bool keep_alive = reader_.keep_alive();
    const bool upgrade = reader_.is_upgrade();
    HttpRequest request = reader_.Take();
    request.secure = stream_->secure();
    request.local_ip = origin_.local_ip;
    request.door = origin_.door;
    request.client_ip = context_->proxies.ClientOf(origin_.client_ip, request.forwarded_for);
    request.trusted_proxy = context_->proxies.Trusts(origin_.client_ip);
    request.source = SourceOf(request.client_ip);
    const bool head = request.method == "HEAD";
    // A proxy's connection is a new one of each client that it begins to carry requests of.
    if (request.source != place_->source() && !context_->TakeConnection(request.source)) {
      HttpResponse later = TooManyNewConnections(context_->limits.connections_per_second);
      co_return co_await Answer(std::move(later), version, head, keep_alive);
    }
    if (!place_->MoveTo(request.source)) {
      ++context_->request_counters.over_limit;
      HttpResponse full = TooManyConnections();
      co_return co_await Answer(std::move(full), version, head, keep_alive);
    }
    const auto wait =
        context_->WaitFor(request.source, request.target.size() + request.body.size());
    if (wait > HttpLimits::kMaxByteWait) {
      ++context_->rate_counters.requests;
      HttpResponse later = TooManyBytes(context_->limits.bytes_per_second);
      co_return co_await Answer(std::move(later), version, head, keep_alive);
    }
    if (wait.count() > 0) co_await Delay(wait);
    request.origin_allowed = context_->access.MayRead(request);
    if (auto refused = context_->access.Refuse(request, upgrade)) {
      co_return co_await Answer(*std::move(refused), version, head, keep_alive);
    }
    if (!upgrade) {
      HttpResponse response = co_await context_->service->Respond(std::move(request));
      if (response.status < kFirstError) place_->SetKnown();
      if (response.authenticated) place_->SetAuthenticated();
      co_return co_await Answer(std::move(response), version, head, keep_alive);
    }
    if (auto refused = reader_.UpgradeRefusal()) {
      ++context_->request_counters.malformed;
      co_return co_await Answer(*std::move(refused), version, head, keep_alive);
    }
    UpgradeDecision decision = co_await context_->service->Upgrade(std::move(request));
    if (!decision.session) {
      co_return co_await Answer(std::move(decision.rejection), version, head, keep_alive);
    }
    if (reader_.has_more()) {
      HttpResponse early = HttpErrorText(400, "Error: bytes before the WebSocket handshake's end");
      early.close = true;
      co_return co_await Answer(std::move(early), version, head, false);
    }
    co_await ServeWebSocket(context_, std::exchange(stream_, nullptr), std::move(place_),
                            reader_.TakeForUpgrade(), std::move(decision));
    co_return false;
  }

  Task<bool> Answer(HttpResponse response, unsigned version, bool head, bool keep_alive) {
    keep_alive = keep_alive && !response.close && !context_->stopped;
    AddSecurityHeaders(&response);
    if (response.stream) co_return co_await AnswerStream(std::move(response), version, head);
    const std::string first = ResponseHead(response, version, response.body.size(), keep_alive);
    if (head) response.body.clear();
    if (!place_->Hold(response.body.size(), Clock::now())) co_return false;
    stream_->ExpireAfter(context_->limits.write_time);
    const bool written = co_await stream_->Write(first, response.body);
    if (!written && stream_->expired()) ++context_->request_counters.slow_readers;
    co_return written&& keep_alive;
  }

  /// Always the last answer: its end is that of the connection.
  Task<bool> AnswerStream(HttpResponse response, unsigned version, bool head) {
    const std::string first = ResponseHead(response, version, 0, /*keep_alive=*/false);
    stream_->ExpireAfter(context_->limits.write_time);
    bool written = co_await stream_->Write(first, "");
    while (written && !head && !context_->stopped) {
      stream_->ExpireNever();
      const std::string piece = co_await response.stream->Next();
      if (piece.empty()) break;
      stream_->ExpireAfter(context_->limits.write_time);
      written = co_await stream_->Write(piece, "");
    }
    if (!written && stream_->expired()) ++context_->request_counters.slow_readers;
    co_return false;
  }

  std::shared_ptr<ServerContext> context_;
  std::shared_ptr<ByteStream> stream_;
  std::unique_ptr<ConnectionTable::Entry> place_;
  ConnectionOrigin origin_;
  RequestReader reader_;
  Clock::time_point body_since_;  ///< when the header was complete
  bool served_ = false;           ///< a request of this connection has been answered
};

}  // namespace

Task<void> ServeConnection(std::shared_ptr<ServerContext> context,
                           std::shared_ptr<ByteStream> stream,
                           std::unique_ptr<ConnectionTable::Entry> place, ConnectionOrigin origin) {
  HttpConnection connection(std::move(context), std::move(stream), std::move(place),
                            std::move(origin));
  co_await connection.Run();
}

}  // namespace sluice::controller
