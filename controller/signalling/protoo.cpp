#include "controller/signalling/protoo.h"

#include <spdlog/spdlog.h>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json/serialize.hpp>
#include <chrono>
#include <cstdlib>
#include <utility>

#include "common/printable.h"
#include "controller/ops/logging.h"
#include "controller/room/random.h"
#include "controller/signalling/fields.h"

namespace sluice::controller {

namespace json = boost::json;
using std::chrono::milliseconds;

namespace {

constexpr std::string_view kSubprotocol = "protoo";
/// The protocol version that clients are told; ours is wire-compatible with it.
constexpr std::string_view kProtocolVersion = "3.27.1";
constexpr uint32_t kRequestIdBound = 10'000'001;  // ids 0..10000000 (room-api §1.2)
constexpr int kErrorCode = 500;
constexpr int kThrottleForbidden = 403;
constexpr uint16_t kClosePolicy = 1008;       // RFC 6455 §7.4.1
constexpr uint32_t kRefusalsPerRequest = 10;  // refused requests for each that may be made

/// Room-api §1.3: 2000 × (15 + 0.1 × pending) ms.
milliseconds ServerRequestTimeout(size_t pending) {
  return milliseconds(30'000 + 200 * static_cast<int64_t>(pending));
}

bool OffersProtoo(std::string_view protocols) {
  while (!protocols.empty()) {
    const size_t end = std::min(protocols.find(','), protocols.size());
    std::string_view entry = protocols.substr(0, end);
    while (!entry.empty() && (entry.front() == ' ' || entry.front() == '\t'))
      entry.remove_prefix(1);
    while (!entry.empty() && (entry.back() == ' ' || entry.back() == '\t')) entry.remove_suffix(1);
    if (entry == kSubprotocol) return true;
    protocols.remove_prefix(std::min(end + 1, protocols.size()));
  }
  return false;
}

HttpResponse Reject(int status, std::string reason, bool named) {
  HttpResponse response;
  response.status = status;
  response.close = true;
  if (named) {
    response.headers.emplace_back("X-WebSocket-Reject-Reason", reason);
  } else {
    response.reason = std::move(reason);
  }
  return response;
}

std::string QueryValue(const HttpRequest& request, const std::string& name) {
  const auto it = request.query.find(name);
  return it == request.query.end() ? std::string() : it->second;
}

/// Junk, "undefined" and negative numbers are 0; the room clamps what is too large.
int ReplicaCount(const std::string& text) {
  char* end = nullptr;
  const long value = std::strtol(text.c_str(), &end, 10);
  if (text.empty() || *end != '\0' || value < 0) return 0;
  return static_cast<int>(std::min<long>(value, Room::kMaxConsumerReplicas));
}

/// Truthy as JavaScript has it.
bool IsTruthy(const json::object& message, std::string_view name) {
  const json::value* value = message.if_contains({name.data(), name.size()});
  if (!value || value->is_null()) return false;
  if (value->is_bool()) return value->get_bool();
  if (value->is_string()) return !value->get_string().empty();
  if (value->is_int64()) return value->get_int64() != 0;
  return true;
}

}  // namespace

Task<UpgradeDecision> ProtooGateway::Upgrade(HttpRequest request) {
  UpgradeDecision decision;
  if (!OffersProtoo(request.websocket_protocols)) {
    decision.rejection = Reject(403, "invalid/missing Sec-WebSocket-Protocol", false);
    co_return decision;
  }
  const std::string room_id = QueryValue(request, "roomId");
  const std::string peer_id = QueryValue(request, "peerId");
  if (room_id.empty() || peer_id.empty()) {
    decision.rejection = Reject(400, "Connection request without roomId and/or peerId", true);
    co_return decision;
  }
  Status valid = CheckId("roomId", room_id);
  if (valid.ok()) valid = CheckId("peerId", peer_id);
  if (!valid.ok()) {
    decision.rejection = Reject(400, std::string(Reason(valid)), true);
    co_return decision;
  }
  const int replicas = ReplicaCount(QueryValue(request, "consumerReplicas"));
  Result<std::shared_ptr<Room>> room = co_await rooms_->GetOrCreate(room_id, replicas);
  if (!room.ok()) {
    spdlog::warn("room {} cannot be opened for {}: {}", room_id, request.remote,
                 Reason(room.status()));
    decision.rejection = Reject(500, std::string(Reason(room.status())), true);
    co_return decision;
  }
  decision.session = std::make_shared<ProtooSession>(executor_, *std::move(room), peer_id, limits_);
  decision.subprotocol = std::string(kSubprotocol);
  co_return decision;
}

/// A request of ours that waits for the client's answer; the timer wakes it.
struct ProtooSession::ServerRequest {
  explicit ServerRequest(const asio::any_io_executor& executor) : wake(executor) {}
  asio::steady_timer wake;
  Result<json::value> result = absl::DeadlineExceededError("request timeout");
};

ProtooSession::ProtooSession(const asio::any_io_executor& executor, std::shared_ptr<Room> room,
                             std::string peer_id, const ProtooLimits& limits)
    : executor_(executor),
      room_(std::move(room)),
      peer_id_(std::move(peer_id)),
      limits_(limits),
      request_rate_(limits.requests_per_second, limits.now()),
      refusal_rate_(limits.requests_per_second * kRefusalsPerRequest, limits.now()) {}

ProtooSession::~ProtooSession() = default;

void ProtooSession::OnOpen(std::shared_ptr<WebSocketLink> link) {
  link_ = std::move(link);
  Result<std::shared_ptr<Participant>> peer = room_->Connect(peer_id_, shared_from_this());
  if (!peer.ok()) {
    spdlog::info("room {}: peer {} not let in: {}", room_->id(), peer_id_, Reason(peer.status()));
    // A room that closed meanwhile is made anew when the client comes back.
    link_->Close(room_->closed() ? kCloseReconnect : kCloseForGood, Reason(peer.status()));
    return;
  }
  peer_ = *std::move(peer);
  spdlog::info("room {}: peer {} connected", room_->id(), peer_id_);
  Notify("mediasoup-version", {{"version", kProtocolVersion}});
}

void ProtooSession::OnClosed() {
  link_.reset();
  const auto requests = std::exchange(server_requests_, {});
  for (const auto& [id, request] : requests) {
    request->result = Error("peer closed");
    request->wake.cancel();
  }
  const std::shared_ptr<Room> room = std::exchange(room_, nullptr);
  const std::shared_ptr<Participant> peer = std::exchange(peer_, nullptr);
  if (!peer) return;
  spdlog::info("room {}: peer {} disconnected", room->id(), peer_id_);
  room->Leave(peer);
}

void ProtooSession::OnText(std::string_view text) {
  const Result<json::value> message = ParseJson(text);
  if (!message.ok() || !message->is_object()) {
    OnIgnored();  // not answered (room-api §1.2)
    return;
  }
  const json::object& object = message->get_object();
  if (IsTruthy(object, "request")) {
    OnRequest(object);
  } else if (IsTruthy(object, "response")) {
    OnResponse(object);
  } else {
    OnIgnored();  // clients send no notifications that mean anything to us
  }
}

void ProtooSession::OnIgnored() {
  if (!request_rate_.Take(limits_.now())) CloseFlooder();
}

void ProtooSession::CloseFlooder() {
  spdlog::warn("a client of room {} sends too much, it is cut off", room_ ? room_->id() : "");
  Close(kClosePolicy, "too many messages: at most " + std::to_string(limits_.requests_per_second) +
                          " a second (maxRequestsPerSecond)");
}

void ProtooSession::Send(const json::object& message) {
  if (link_) link_->Send(json::serialize(message));
}

void ProtooSession::SendError(const json::value& id, int code, std::string_view reason) {
  constexpr size_t kMaxReason = 1024;  // bytes; the reason may quote what the client sent
  Send({{"response", true},
        {"id", id},
        {"errorCode", code},
        {"errorReason", Printable(reason, kMaxReason)}});
}

void ProtooSession::Notify(std::string_view method, json::object data) {
  Send({{"notification", true}, {"method", method}, {"data", std::move(data)}});
}

void ProtooSession::Close(uint16_t code, std::string_view reason) {
  if (link_) link_->Close(code, reason);
}

void ProtooSession::OnRequest(const json::object& message) {
  const json::value* id = message.if_contains("id");
  const json::value* method = message.if_contains("method");
  if (!id || !id->is_number() || !method || !method->is_string() || !peer_) {
    OnIgnored();
    return;
  }
  if (!request_rate_.Take(limits_.now())) {
    if (!refusal_rate_.Take(limits_.now())) {
      CloseFlooder();
      return;
    }
    SendError(
        *id, kErrorCode,
        "too many requests: at most " + std::to_string(limits_.requests_per_second) + " a second");
    return;
  }
  if (client_requests_ >= kMaxClientRequests) {
    SendError(*id, kErrorCode,
              "too many pending requests: at most " + std::to_string(kMaxClientRequests));
    return;
  }
  const std::string name(method->get_string().data(), method->get_string().size());
  const auto known = Methods().find(name);
  if (known == Methods().end()) {
    SendError(*id, kErrorCode, "unknown request.method \"" + name + "\"");
    return;
  }
  Context context{room_, peer_, {}};
  if (const json::value* data = message.if_contains("data"); data && data->is_object()) {
    context.data = data->get_object();
  }
  ++client_requests_;
  Spawn(executor_, Handle(shared_from_this(), *id, &known->second, std::move(context)));
}

Task<void> ProtooSession::Handle(std::shared_ptr<ProtooSession> self, json::value id,
                                 const Method* method, Context context) {
  if (method->handler == &ProtooSession::RefuseThrottle) {
    self->SendError(id, kThrottleForbidden, "network throttling is not enabled on this server");
  } else if (method->needs_join && !context.peer->joined) {
    self->SendError(id, kErrorCode, "Peer not yet joined");
  } else {
    Result<Reply> reply = co_await method->handler(std::move(context));
    if (reply.ok()) {
      if (method->handler == &ProtooSession::Join && self->link_) self->link_->Keep();
      self->Send({{"response", true}, {"id", id}, {"ok", true}, {"data", std::move(reply->data)}});
      if (reply->then) reply->then();
    } else {
      self->SendError(id, kErrorCode, Reason(reply.status()));
    }
  }
  --self->client_requests_;
}

Task<Result<json::value>> ProtooSession::Request(std::string method, json::object data) {
  const auto self = shared_from_this();
  if (!link_) co_return Error("peer closed");
  if (server_requests_.size() >= kMaxServerRequests) {
    co_return Error("the client has " + std::to_string(kMaxServerRequests) +
                    " unanswered requests");
  }
  uint32_t id = RandomBelow(kRequestIdBound);
  while (server_requests_.contains(id)) id = RandomBelow(kRequestIdBound);
  const auto request = std::make_shared<ServerRequest>(executor_);
  server_requests_[id] = request;
  Send({{"request", true}, {"id", id}, {"method", method}, {"data", std::move(data)}});
  request->wake.expires_after(ServerRequestTimeout(server_requests_.size()));
  boost::system::error_code ignored;
  co_await request->wake.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  // Still ours only when it timed out.
  if (const auto it = server_requests_.find(id);
      it != server_requests_.end() && it->second == request) {
    server_requests_.erase(it);
  }
  co_return request->result;
}

void ProtooSession::OnResponse(const json::object& message) {
  const json::value* id = message.if_contains("id");
  const int64_t number = id && id->is_int64() ? id->get_int64() : -1;
  const auto it = number < 0 || number >= kRequestIdBound
                      ? server_requests_.end()
                      : server_requests_.find(static_cast<uint32_t>(number));
  if (it == server_requests_.end()) {
    OnIgnored();
    return;
  }
  const std::shared_ptr<ServerRequest> request = it->second;
  server_requests_.erase(it);
  if (IsTruthy(message, "ok")) {
    const json::value* data = message.if_contains("data");
    request->result = data ? *data : json::value(json::object());
  } else {
    const json::value* reason = message.if_contains("errorReason");
    request->result =
        Error(reason && reason->is_string() ? std::string(reason->get_string().c_str())
                                            : std::string("refused"));
  }
  request->wake.cancel();
}

}  // namespace sluice::controller
