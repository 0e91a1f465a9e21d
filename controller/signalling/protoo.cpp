#include "controller/signalling/protoo.h"

#include <boost/json/serialize.hpp>
#include <cstdlib>
#include <limits>
#include <utility>

#include "common/printable.h"
#include "controller/base/log.h"
#include "controller/base/logging.h"
#include "controller/http/http_error.h"
#include "controller/room/random.h"
#include "controller/signalling/api_error.h"
#include "controller/signalling/fields.h"
#include "controller/signalling/protoo_events.h"
#include "controller/signalling/shapes.h"

namespace sluice::controller {

namespace json = boost::json;

namespace {

constexpr std::string_view kSubprotocol = "protoo";
/// The protocol version that clients are told; ours is wire-compatible with it.
constexpr std::string_view kToldVersion = "3.27.1";
constexpr uint32_t kRequestIdBound = 10'000'001;  // ids 0..10000000
constexpr int kErrorCode = 500;
constexpr int kErrorForbidden = 403;
constexpr int kErrorNotFound = 404;
constexpr std::string_view kResume = "resume";
constexpr int kErrorNotImplemented = 501;
constexpr int kErrorTooManyRequests = 429;    // RFC 6585 §4
constexpr uint32_t kRefusalsPerRequest = 10;  // refused requests for each that may be made

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
  return static_cast<int>(std::min<long>(value, std::numeric_limits<int>::max()));
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

/// Ids in one list of `resume`: as many as there can be offers without an answer, twice what a room
/// of 1,000 with two producers each has.
constexpr size_t kMaxKnownIds = 4'096;

/// A list of ids that a client may name; absent, null: it names none.
Status ReadKnownIds(const json::object& data, std::string_view name, KnownObjects::Ids* ids) {
  const json::value* list = data.if_contains({name.data(), name.size()});
  if (!list || list->is_null()) return absl::OkStatus();
  const Status wrong = TypeError(std::string(name) + " must be a list of ids");
  if (!list->is_array()) return wrong;
  if (const size_t size = list->get_array().size(); size > kMaxKnownIds) {
    return TypeError(std::string(name) + " has " + std::to_string(size) +
                     " ids: must have at most " + std::to_string(kMaxKnownIds));
  }
  ids->emplace();
  for (const json::value& entry : list->get_array()) {
    if (!entry.is_string() || entry.get_string().size() > kMaxIdLength) return wrong;
    (*ids)->emplace(entry.get_string().data(), entry.get_string().size());
  }
  return absl::OkStatus();
}

/// Permissions of which one is needed to be in a room.
constexpr Permissions kTakePart =
    Permissions(Permission::kPublish) | Permission::kSubscribe | Permission::kData;

/// Whether a token says that the client is this peer: it may then take the place of a connection
/// that it has lost, from any address.
bool IsProven(const ProtooClient& client) {
  return client.grants.admin() || client.grants.peer == client.peer_id;
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
  Result<Grants> grants = auth_.GrantsOf(request);
  Status allowed = grants.status();
  if (allowed.ok()) allowed = grants->Check({room_id, peer_id, kTakePart});
  if (!allowed.ok()) {
    LogInfo("room {}: peer {} of {} not let in: {}", room_id, peer_id, request.client_ip,
            Reason(allowed));
    decision.rejection = Reject(AuthHttpStatus(allowed), std::string(Reason(allowed)), true);
    co_return decision;
  }
  const Result<KindWish> kind = WantedKind(*grants, QueryValue(request, "mode"));
  if (!kind.ok()) {
    decision.rejection = Reject(400, std::string(Reason(kind.status())), true);
    co_return decision;
  }
  const RoomWish wish{request.source, ReplicaCount(QueryValue(request, "consumerReplicas"))};
  Result<std::shared_ptr<Room>> room = co_await rooms_->GetOrCreate(room_id, wish);
  if (!room.ok()) {
    LogWarn("room {} cannot be opened for {}: {}", room_id, request.client_ip,
            Reason(room.status()));
    const bool busy = IsTemporary(room.status());
    decision.rejection = Reject(busy ? 503 : 500, std::string(Reason(room.status())), true);
    if (busy) decision.rejection.headers.emplace_back("Retry-After", kRetryAfterSeconds);
    co_return decision;
  }
  ProtooClient client{peer_id, request.client_ip, request.source, *grants, *kind, {}};
  client.pass_for = [auth = auth_, peer_id, mine = *std::move(grants)](const std::string& other) {
    return auth.PassFor(mine, peer_id, other);
  };
  decision.session =
      std::make_shared<ProtooSession>(executor_, *std::move(room), std::move(client), limits_);
  decision.subprotocol = std::string(kSubprotocol);
  decision.authenticated = auth_.enabled();
  co_return decision;
}

ProtooSession::ProtooSession(const asio::any_io_executor& executor, std::shared_ptr<Room> room,
                             ProtooClient client, const ProtooLimits& limits)
    : room_(std::move(room)),
      client_(std::move(client)),
      tasks_(executor),
      pressure_(std::make_shared<BackPressure>(
          room_,
          [this](bool waits) {
            return client_requests_ >= (waits ? kMaxClientRequests / 2 + 1 : kMaxClientRequests);
          })),
      limits_(limits),
      request_rate_(limits.requests_per_second, limits.now()),
      announcement_rate_(limits.announcements_per_second, limits.announcement_burst, limits.now()),
      refusal_rate_(limits.requests_per_second * kRefusalsPerRequest, limits.now()) {}

ProtooSession::~ProtooSession() = default;

void ProtooSession::OnOpen(std::shared_ptr<WebSocketLink> link) {
  link_ = std::move(link);
  pressure_->Open(link_);
  visit_ = limits_.budget->Enter(client_.source, room_->id());
  Result<std::shared_ptr<Participant>> peer =
      room_->Connect(client_.peer_id, shared_from_this(), Owner{client_.address, ""},
                     IsProven(client_), client_.wish);
  if (!peer.ok()) {
    Refuse(peer.status());
    return;
  }
  peer_ = *std::move(peer);
  LogInfo("room {}: peer {} connected", room_->id(), client_.peer_id);
  Send({{"notification", true},
        {"method", "mediasoup-version"},
        {"data", json::object{{"version", kToldVersion}}}});
}

void ProtooSession::Refuse(const Status& why) {
  LogInfo("room {}: peer {} not let in: {}", room_->id(), client_.peer_id, Reason(why));
  limits_.counters->Count(LimitOf(why));
  // A room that closed meanwhile is made anew when the client comes back; a connection of its own
  // that it has lost ends in half a minute.
  const bool again = room_->closed() || absl::IsAlreadyExists(why);
  link_->Close(again ? kCloseReconnect : kCloseForGood, Reason(why));
}

SubscriptionPolicy ProtooSession::policy() const {
  const bool receives =
      client_.grants.admin() || client_.grants.permissions.Has(Permission::kSubscribe);
  return receives ? SubscriptionPolicy::kAutomatic : SubscriptionPolicy::kOnRequest;
}

void ProtooSession::OnLeft(uint16_t code) {
  // A page that is closed says 1001, a client that leaves 1000 or nothing. Whatever else is said,
  // by a proxy that is started anew say, is not the client's wish.
  constexpr uint16_t kNormal = 1000;
  constexpr uint16_t kGoingAway = 1001;
  constexpr uint16_t kNoCode = 1005;
  left_ = left_ || code == kNormal || code == kGoingAway || code == kNoCode;
}

void ProtooSession::OnClosed() {
  link_.reset();
  pressure_->Close();
  tasks_.Cancel();
  server_requests_.clear();
  offers_.clear();
  // When the room itself has ended, nobody is told.
  const bool announced = room_ && !room_->closed();
  const std::shared_ptr<Room> room = room_;
  const std::shared_ptr<Participant> peer = peer_;
  if (peer) {
    LogInfo("room {}: peer {} disconnected", room->id(), client_.peer_id);
    if (left_) {
      room->Leave(peer);
    } else {
      room->Drop(peer);
    }
    if (peer->away) return;  // until End()
  }
  Detach(announced);
}

void ProtooSession::Detach(bool announced) {
  if (visit_ && !announced) visit_->SetAnnounced(false);
  visit_.reset();
  room_.reset();
  peer_.reset();
}

void ProtooSession::OnText(std::string_view text) {
  const Result<json::value> message = ParseJson(text);
  if (!message.ok() || !message->is_object()) {
    OnIgnored();  // not answered
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
  pressure_->Update();
}

void ProtooSession::OnDrained() {
  pressure_->Update();
  if (room_ && peer_) room_->GoOn(peer_);
}

bool ProtooSession::congested() const { return link_ && link_->congested(); }

void ProtooSession::OnIgnored() {
  if (!request_rate_.Take(limits_.now())) CloseFlooder();
}

void ProtooSession::CloseFlooder() {
  LogWarn("a client of room {} sends too much, it is cut off", room_ ? room_->id() : "");
  left_ = true;
  if (!link_) return;
  ++*limits_.flooders;
  CloseForFlood(limits_.requests_per_second, link_.get());
}

void ProtooSession::Send(const json::object& message) {
  if (link_) link_->Send(json::serialize(message));
}

void ProtooSession::SendError(const json::value& id, int code, const Status& why, int http_status) {
  constexpr size_t kMaxReason = 1024;  // bytes; the reason may quote what the client sent
  const std::string reason = Printable(Reason(why), kMaxReason);
  const std::string word(ErrorCode(http_status == 0 ? HttpStatusOf(why) : http_status));
  json::object error{{"code", word}, {"message", reason}};
  if (const std::string field = FieldOf(why); !field.empty()) error["field"] = field;
  Send({{"response", true},
        {"id", id},
        {"errorCode", code},
        {"errorReason", reason},
        {"error", std::move(error)}});
}

void ProtooSession::SendLimit(const json::value& id, const Status& refused) {
  limits_.counters->Count(LimitOf(refused));
  SendError(id, kErrorCode, refused, kErrorTooManyRequests);
}

void ProtooSession::OnEvent(const RoomMessage& message) {
  if (!link_) return;
  if (const auto* ended = std::get_if<ConsumerEnded>(&message.event())) {
    Forget(ended->consumer_id);
  } else if (const auto* data = std::get_if<DataConsumerEnded>(&message.event())) {
    Forget(data->data_consumer_id);
  }
  if (const auto* moved = std::get_if<PeerMoved>(&message.event())) {
    Send(MovedNotification(moved->room_id,
                           client_.pass_for ? client_.pass_for(moved->room_id) : ""));
    return;
  }
  const RoomMessage::Text& text = message.In(&RenderNotification);
  if (!text->empty()) link_->Send(text);
}

/// The client need not answer the offer of a consumer that is gone.
void ProtooSession::Forget(const std::string& consumer_id) {
  const auto offer = offers_.find(consumer_id);
  if (offer == offers_.end()) return;
  const std::optional<ServerRequest> request = TakeServerRequest(offer->second);
  if (request) request->answer(Error("consumer closed"));
}

std::optional<ProtooSession::ServerRequest> ProtooSession::TakeServerRequest(uint32_t id) {
  auto node = server_requests_.extract(id);
  if (!node) return std::nullopt;
  offers_.erase(node.mapped().consumer_id);
  return std::move(node.mapped());
}

void ProtooSession::Offer(const std::vector<std::shared_ptr<Consumer>>& consumers,
                          OfferAnswer answer) {
  if (!link_) return;
  // The policy is one consumer per offer.
  const Consumer& consumer = *consumers.front();
  const uint32_t id = AddServerRequest(consumer.id, std::move(answer));
  link_->Send(RenderOffer(id, consumer));
}

void ProtooSession::OfferData(const std::shared_ptr<DataConsumer>& consumer, OfferAnswer answer) {
  if (!link_) return;
  const uint32_t id = AddServerRequest(consumer->id, std::move(answer));
  link_->Send(RenderDataOffer(id, *consumer));
}

uint32_t ProtooSession::AddServerRequest(const std::string& consumer_id, OfferAnswer answer) {
  uint32_t id = RandomBelow(kRequestIdBound);
  while (server_requests_.contains(id)) id = RandomBelow(kRequestIdBound);
  server_requests_.emplace(id, ServerRequest{std::move(answer), consumer_id});
  offers_.emplace(consumer_id, id);
  return id;
}

bool ProtooSession::may_have_data() const {
  return client_.grants.admin() || client_.grants.permissions.Has(Permission::kData);
}

void ProtooSession::End(EndReason reason, std::string_view text) {
  if (!link_) {
    // It was awaited: either it is back over another connection, or it has left.
    if (peer_) Detach(reason == EndReason::kForGood && room_ && !room_->closed());
    return;
  }
  if (reason == EndReason::kReplaced) {
    tasks_.Cancel();
    server_requests_.clear();
    offers_.clear();
    peer_.reset();
    if (visit_) visit_->SetAnnounced(false);
  }
  CloseFor(reason, text, link_.get());
}

void ProtooSession::OnRequest(const json::object& message) {
  const json::value* id = message.if_contains("id");
  const json::value* method = message.if_contains("method");
  if (!id || !id->is_number() || !method || !method->is_string() || !peer_) {
    OnIgnored();
    return;
  }
  if (!TakeRequest(*id)) return;
  const std::string name(method->get_string().data(), method->get_string().size());
  if (name == kResume) {
    if (!TakeAnnouncement(*id)) return;  // as join
    const json::value* data = message.if_contains("data");
    OnResume(*id, data && data->is_object() ? data->get_object() : json::object());
    return;
  }
  if (peer_->pending) {
    if (Status settled = room_->Settle(peer_); !settled.ok()) {
      Refuse(settled);
      return;
    }
  }
  peer_->old_resume_token.clear();  // what comes after the answer with the new one
  const auto known = Methods().find(name);
  if (known == Methods().end()) {
    SendError(*id, kErrorCode, UnsupportedError("unknown request.method \"" + name + "\""));
    return;
  }
  if (!client_.grants.admin() && !client_.grants.permissions.HasAny(known->second.any_of)) {
    SendError(*id, kErrorForbidden,
              absl::PermissionDeniedError("this needs the permission " +
                                          known->second.any_of.Describe()));
    return;
  }
  if (known->second.announced && !TakeAnnouncement(*id)) return;
  Context context{room_, peer_, {}, shared_from_this()};
  if (const json::value* data = message.if_contains("data"); data && data->is_object()) {
    context.data = data->get_object();
  }
  ++client_requests_;
  tasks_.Spawn(Handle(shared_from_this(), *id, &known->second, std::move(context)));
}

void ProtooSession::OnResume(const json::value& id, const json::object& data) {
  KnownObjects known;
  Result<std::string> token = RequiredString(data, "resumeToken", "");
  Status read = token.status();
  for (const auto& [name, ids] :
       {std::pair("producerIds", &known.producers), std::pair("consumerIds", &known.consumers),
        std::pair("dataProducerIds", &known.data_producers),
        std::pair("dataConsumerIds", &known.data_consumers)}) {
    if (read.ok()) read = ReadKnownIds(data, name, ids);
  }
  if (!read.ok()) {
    SendError(id, kErrorCode, read);
    return;
  }
  Result<std::shared_ptr<Participant>> peer = room_->Resume(peer_, *token);
  if (!peer.ok()) {
    SendError(id, absl::IsNotFound(peer.status()) ? kErrorNotFound : kErrorForbidden,
              peer.status());
    return;
  }
  peer_ = *std::move(peer);
  link_->Keep();
  visit_->SetAnnounced();
  Send({{"response", true}, {"id", id}, {"ok", true}, {"data", DescribeResumed(*room_, *peer_)}});
  room_->Start(Room::Reconcile(room_, peer_, std::move(known)));
}

bool ProtooSession::TakeRequest(const json::value& id) {
  const bool client_may = request_rate_.Take(limits_.now());
  if (client_may && limits_.budget->TakeRequest(client_.source)) return true;
  if (!refusal_rate_.Take(limits_.now())) {
    CloseFlooder();
  } else if (!client_may) {
    SendLimit(id, LimitError("maxRequestsPerSecond",
                             Error("too many requests: at most " +
                                   std::to_string(limits_.requests_per_second) + " a second")));
  } else {
    const uint32_t most = limits_.budget->limits().requests_per_second;
    SendError(id, kErrorCode,
              Error("too many requests of this address: at most " + std::to_string(most) +
                    " a second (maxRequestsPerSecondPerIp)"),
              kErrorTooManyRequests);
  }
  return false;
}

bool ProtooSession::TakeAnnouncement(const json::value& id) {
  if (!announcement_rate_.Take(limits_.now())) {
    SendLimit(id,
              LimitError("maxAnnouncementsPerSecond",
                         Error("too many changes that everybody is told of: at most " +
                               std::to_string(limits_.announcements_per_second) + " a second, " +
                               std::to_string(limits_.announcement_burst) + " at once")));
    return false;
  }
  if (visit_ && visit_->TakeAnnouncement()) return true;
  SendError(id, kErrorCode,
            Error("too many changes of this address that everybody is told of: at most " +
                  std::to_string(limits_.budget->limits().announcement_burst) + " at once and " +
                  std::to_string(limits_.budget->limits().announcements_per_second) +
                  " a second, and a tenth for each more who is there "
                  "(maxAnnouncementsPerSecondPerIp)"),
            kErrorTooManyRequests);
  return false;
}

int ProtooSession::CodeOf(const Method& method, const Status& refused) {
  if (absl::IsPermissionDenied(refused)) return kErrorForbidden;
  // Of everything else the room API knows but one code.
  const bool machine = method.handler == &ProtooSession::ApplyNetworkThrottle;
  return machine && absl::IsUnimplemented(refused) ? kErrorNotImplemented : kErrorCode;
}

Task<void> ProtooSession::Handle(std::shared_ptr<ProtooSession> self, json::value id,
                                 const Method* method, Context context) {
  if (method->needs_join && !context.peer->joined) {
    self->SendError(id, kErrorCode, Error("Peer not yet joined"));
  } else {
    Result<Reply> reply = co_await method->handler(std::move(context));
    if (reply.ok()) {
      if (method->handler == &ProtooSession::Join && self->link_) {
        self->link_->Keep();
        self->visit_->SetAnnounced();
      }
      self->Send({{"response", true}, {"id", id}, {"ok", true}, {"data", std::move(reply->data)}});
      if (reply->then) reply->then();
    } else {
      self->limits_.counters->Count(LimitOf(reply.status()));
      self->SendError(id, CodeOf(*method, reply.status()), reply.status());
    }
  }
  --self->client_requests_;
  self->pressure_->Update();
}

void ProtooSession::OnResponse(const json::object& message) {
  const json::value* id = message.if_contains("id");
  const int64_t number = id && id->is_int64() ? id->get_int64() : -1;
  std::optional<ServerRequest> request;
  if (number >= 0 && number < kRequestIdBound) {
    request = TakeServerRequest(static_cast<uint32_t>(number));
  }
  if (!request) {
    OnIgnored();
    return;
  }
  if (peer_) peer_->old_resume_token.clear();
  if (IsTruthy(message, "ok")) {
    request->answer(absl::OkStatus());
    return;
  }
  const json::value* reason = message.if_contains("errorReason");
  request->answer(Error(reason && reason->is_string() ? reason->get_string().c_str() : "refused"));
}

}  // namespace sluice::controller
