#include "controller/signalling/rest.h"

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <optional>
#include <utility>

#include "common/socket_address.h"
#include "common/utf8.h"
#include "controller/base/limits.h"
#include "controller/base/logging.h"
#include "controller/http/client_address.h"
#include "controller/http/http_error.h"
#include "controller/ortc/ortc.h"
#include "controller/room/random.h"
#include "controller/signalling/fields.h"
#include "controller/signalling/shapes.h"

namespace sluice::controller {

namespace json = boost::json;

namespace {

constexpr std::string_view kPrefix = "body.";
/// What media workers take.
constexpr int64_t kMinReceiverTimeoutMs = 1'000;
constexpr int64_t kMaxReceiverTimeoutMs = 86'400'000;
/// Of a broadcaster's secret: 36^26 is more than 2^128.
constexpr size_t kSecretLength = 26;

/// How long a plain transport may be without a sign of its receiver; nullopt when the client leaves
/// that to the server. `most` is the server's own limit, 0 = none: media must not go on for longer
/// to an address whose owner has left.
Result<std::optional<std::chrono::milliseconds>> ReadReceiverTimeout(
    const json::object& body, std::chrono::milliseconds most) {
  constexpr std::string_view kName = "receiverTimeout";
  constexpr size_t kMaxQuoted = 32;
  const json::value* value = body.if_contains({kName.data(), kName.size()});
  if (value == nullptr || value->is_null()) return std::nullopt;
  const bool unlimited = most.count() == 0;
  const int64_t max = unlimited ? kMaxReceiverTimeoutMs : most.count();
  const Result<int64_t> given =
      RequiredInteger(body, kName, kPrefix, unlimited ? 0 : kMinReceiverTimeoutMs, max);
  if (given.ok() && (*given == 0 || *given >= kMinReceiverTimeoutMs)) {
    return std::chrono::milliseconds(*given);
  }
  return WrongField(
      "body.receiverTimeout",
      "body.receiverTimeout " + std::string(Utf8Prefix(json::serialize(*value), kMaxQuoted)) +
          ": must be " + (unlimited ? "0 (never) or " : "") + "an integer from " +
          std::to_string(kMinReceiverTimeoutMs) + " to " + std::to_string(max) + " (ms)");
}

/// Of the allowance that it has as a client: a request is not one more client of its address.
bool MayAnnounce(const Participant& broadcaster) {
  return !broadcaster.allowance || broadcaster.allowance->TakeAnnouncement();
}

enum class Route {
  kNone,
  kRoom,
  kBroadcasters,
  kBroadcaster,
  kTransports,
  kConnect,
  kProducers,
  kConsume,
  kConsumeData,
  kProduceData,
};

Route MatchRoute(const std::vector<std::string>& path) {
  if (path.size() < 2 || path[0] != "rooms") return Route::kNone;
  if (path.size() == 2) return Route::kRoom;
  if (path[2] != "broadcasters") return Route::kNone;
  if (path.size() == 3) return Route::kBroadcasters;
  if (path.size() == 4) return Route::kBroadcaster;
  if (path[4] != "transports") return Route::kNone;
  if (path.size() == 5) return Route::kTransports;
  if (path.size() == 7) {
    if (path[6] == "connect") return Route::kConnect;
    if (path[6] == "producers") return Route::kProducers;
    if (path[6] == "consume") return Route::kConsume;
  }
  if (path.size() == 8 && path[7] == "data") {
    if (path[6] == "consume") return Route::kConsumeData;
    if (path[6] == "produce") return Route::kProduceData;
  }
  return Route::kNone;
}

std::string_view AllowedMethod(Route route) {
  switch (route) {
    case Route::kNone:
      return "";
    case Route::kRoom:
      return "GET, HEAD";
    case Route::kBroadcaster:
      return "DELETE";
    default:
      return "POST";
  }
}

bool Allows(Route route, std::string_view method) {
  if (route == Route::kRoom) return method == "GET" || method == "HEAD";
  return route != Route::kNone && method == AllowedMethod(route);
}

/// An address in the form in which the worker compares them; "" when it is none.
std::string CanonicalIp(const std::string& text) {
  const std::optional<IpAddress> ip = IpAddress::Parse(text);
  return ip ? ip->ToString() : "";
}

HttpResponse JsonResponse(const json::value& value) {
  HttpResponse response;
  response.content_type = "application/json; charset=utf-8";
  response.body = json::serialize(value);
  return response;
}

HttpResponse OptionsResponse(Route route) {
  HttpResponse response = TextResponse(200, AllowedMethod(route));
  response.headers.emplace_back("Allow", response.body);
  return response;
}

Status NoSuch(std::string_view what, const std::string& id) {
  return NotFoundError(std::string(what) + " with id \"" + id + "\" does not exist");
}

/// The body of a request: {} when there is none.
Result<json::object> ReadBody(const HttpRequest& request) {
  if (request.body.empty()) return json::object();
  Result<json::value> value = ParseJson(request.body);
  if (!value.ok()) return value.status();
  if (value->is_object()) return std::move(value->get_object());
  if (value->is_array()) return json::object();
  return Error("body must be a JSON object");
}

/// The answer to a method that a route does not have.
HttpResponse WrongMethod(const HttpRequest& request, Route route) {
  constexpr int kMethodNotAllowed = 405;
  const std::string allowed = std::string(AllowedMethod(route)) + ", OPTIONS";
  HttpResponse response =
      ApiError(kMethodNotAllowed, TypeError("method " + request.method + ": must be " + allowed));
  response.headers.emplace_back("Allow", allowed);
  return response;
}

/// The answer to a body that is not declared as JSON.
HttpResponse WrongContentType(const HttpRequest& request) {
  constexpr int kUnsupportedMediaType = 415;
  return ApiError(
      kUnsupportedMediaType,
      FieldError("Content-Type", json::value(request.content_type), "must be application/json"));
}

/// Joined peers with the producers that `broadcaster` can consume, and their data producers; none
/// when it does not consume.
json::array PeersFor(const Participant& broadcaster, const Room& room) {
  json::array peers;
  if (!broadcaster.capabilities) return peers;
  for (const auto& peer : room.JoinedPeers()) {
    json::array producers;
    for (const auto& [id, producer] : peer->producers) {
      if (!CanConsume(*producer->consumable, *broadcaster.capabilities)) continue;
      producers.push_back(json::object{{"id", id}, {"kind", ToString(producer->kind)}});
    }
    json::array data_producers;
    for (const auto& [id, producer] : peer->data_producers) {
      data_producers.push_back(json::object{{"id", id}, {"label", producer->label}});
    }
    json::object entry = DescribePeer(*peer);
    entry["producers"] = std::move(producers);
    entry["dataProducers"] = std::move(data_producers);
    peers.push_back(std::move(entry));
  }
  return peers;
}

}  // namespace

/// One request on its way through the routes.
struct RestApi::Call {
  HttpRequest request;
  Grants grants;
  std::vector<std::string> path;
  Route route = Route::kNone;
  json::object body;
  std::shared_ptr<Room> room;
  std::shared_ptr<Participant> broadcaster;
  std::shared_ptr<Transport> transport;
};

HttpResponse ErrorResponse(const Status& status) {
  HttpResponse response = ApiError(status);
  // A reason phrase is one line of printable characters (RFC 9112 §4).
  constexpr size_t kMaxReason = 200;
  for (const char c : std::string(Reason(status)).substr(0, kMaxReason)) {
    const auto byte = static_cast<unsigned char>(c);
    response.reason += byte >= 0x20 && byte < 0x7f ? c : '?';
  }
  return response;
}

/// What a route needs of a token. Whose broadcaster it is, is asked for apart from that.
Permissions NeededFor(Route route) {
  switch (route) {
    case Route::kProducers:
      return Permission::kPublish;
    case Route::kConsume:
      return Permission::kSubscribe;
    case Route::kConsumeData:
    case Route::kProduceData:
      return Permission::kData;
    default:
      return Permissions(Permission::kPublish) | Permission::kSubscribe | Permission::kData;
  }
}

std::optional<HttpResponse> RestApi::Refuse(const Call& call) {
  std::string_view broadcaster;
  if (call.path.size() > 3) broadcaster = call.path[3];
  const json::value* id = call.body.if_contains("id");
  if (call.route == Route::kBroadcasters && id && id->is_string()) {
    broadcaster = {id->get_string().data(), id->get_string().size()};
  }
  const Status allowed = call.grants.Check({call.path[1], broadcaster, NeededFor(call.route)});
  if (allowed.ok()) return std::nullopt;
  return AuthRefusal(allowed);
}

HttpResponse RestApi::TooManyRequests() const {
  constexpr int kStatus = 429;  // RFC 6585 §4
  HttpResponse response =
      ApiError(kStatus, LimitError("maxRestRequestsPerSecond",
                                   Error("too many requests: one address may make " +
                                         std::to_string(rate_.per_second()) + " a second, " +
                                         std::to_string(rate_.burst()) + " at once")));
  response.headers.emplace_back("Retry-After", "1");
  return response;
}

bool RestApi::Owns(std::string_view path) { return MatchRoute(SplitPath(path)) != Route::kNone; }

Task<HttpResponse> RestApi::Respond(HttpRequest request) {
  Call call;
  call.path = SplitPath(request.path);
  call.route = MatchRoute(call.path);
  if (call.route != Route::kNone && request.method == "OPTIONS") {
    co_return OptionsResponse(call.route);
  }
  if (call.route == Route::kNone) co_return CannotRespond(request);
  if (!Allows(call.route, request.method)) co_return WrongMethod(request, call.route);
  if (!rate_.Take(request.source, limits_.now())) co_return TooManyRequests();

  if (!request.body.empty() && request.content_type != "application/json") {
    co_return WrongContentType(request);
  }
  Result<json::object> body = ReadBody(request);
  if (!body.ok()) {
    constexpr int kBadRequest = 400;
    co_return HttpErrorText(kBadRequest, "SyntaxError: " + std::string(Reason(body.status())));
  }
  call.body = *std::move(body);
  call.request = std::move(request);
  Result<Grants> grants = auth_.GrantsOf(call.request);
  if (!grants.ok()) co_return AuthRefusal(grants.status());
  call.grants = *std::move(grants);
  if (auto refused = Refuse(call)) co_return *std::move(refused);
  if (Status valid = CheckId("roomId", call.path[1]); !valid.ok()) co_return ErrorResponse(valid);
  const RoomWish wish{call.request.source, 0};
  Result<std::shared_ptr<Room>> room = co_await rooms_->GetOrCreate(call.path[1], wish);
  if (!room.ok()) co_return ErrorResponse(room.status());
  call.room = *std::move(room);
  co_return co_await Dispatch(std::move(call));
}

Task<HttpResponse> RestApi::Dispatch(Call call) {
  if (call.route == Route::kRoom) co_return JsonResponse(ToJson(call.room->capabilities()));
  if (call.route == Route::kBroadcasters) co_return CreateBroadcaster(call);

  call.broadcaster = call.room->FindBroadcaster(call.path[3]);
  if (!call.broadcaster) co_return ErrorResponse(NoSuch("broadcaster", call.path[3]));
  const Owner who{call.request.client_ip, call.request.broadcaster_secret};
  if (!call.grants.admin() && !IsOwner(call.broadcaster->owner, who)) {
    co_return AuthRefusal(absl::PermissionDeniedError(
        "the broadcaster belongs to another client: X-Broadcaster-Secret must be the secret that "
        "was answered when it was made"));
  }
  if (call.route == Route::kBroadcaster) co_return co_await DeleteBroadcaster(std::move(call));
  if (call.route == Route::kTransports) co_return co_await CreateTransport(std::move(call));
  co_return co_await DispatchTransport(std::move(call));
}

Task<HttpResponse> RestApi::DispatchTransport(Call call) {
  const bool consuming = call.route == Route::kConsume || call.route == Route::kConsumeData;
  if (consuming && !call.broadcaster->capabilities) {
    co_return ErrorResponse(Error("broadcaster does not have rtpCapabilities"));
  }
  const auto transport = call.broadcaster->transports.find(call.path[5]);
  if (transport == call.broadcaster->transports.end()) {
    co_return ErrorResponse(NoSuch("transport", call.path[5]));
  }
  call.transport = transport->second;
  switch (call.route) {
    case Route::kConnect:
      co_return co_await Connect(std::move(call));
    case Route::kProducers:
      co_return co_await Produce(std::move(call));
    case Route::kConsume:
      co_return co_await Consume(std::move(call));
    case Route::kConsumeData:
      co_return co_await ConsumeData(std::move(call));
    default:
      co_return co_await ProduceData(std::move(call));
  }
}

HttpResponse RestApi::CreateBroadcaster(const Call& call) {
  Result<std::string> id = RequiredString(call.body, "id", kPrefix);
  if (!id.ok()) return ErrorResponse(id.status());
  if (Status valid = CheckId("body.id", *id); !valid.ok()) return ErrorResponse(valid);
  Result<std::string> name =
      RequiredString(call.body, "displayName", kPrefix, limits_.fields.display_name);
  if (!name.ok()) return ErrorResponse(name.status());
  const json::value* device_value = call.body.if_contains("device");
  if (!device_value || !device_value->is_object()) {
    return ErrorResponse(WrongField("body.device.name", "missing body.device.name"));
  }
  const json::object& given = device_value->get_object();
  Result<std::string> device_name = RequiredString(given, "name", "body.device.", kMaxTextLength);
  if (!device_name.ok()) return ErrorResponse(device_name.status());
  Result<std::string> version = OptionalString(given, "version", "body.device.");
  if (!version.ok()) return ErrorResponse(version.status());
  Result<std::optional<RtpCapabilities>> capabilities =
      OptionalCapabilities(call.body, kPrefix, limits_.fields.rtp_capabilities);
  if (!capabilities.ok()) return ErrorResponse(capabilities.status());
  const Result<std::string> mode = OptionalString(call.body, "mode", kPrefix);
  if (!mode.ok()) return ErrorResponse(mode.status());
  const Result<KindWish> kind = WantedKind(call.grants, *mode);
  if (!kind.ok()) return ErrorResponse(kind.status());

  json::object device{{"flag", "broadcaster"}, {"name", *device_name}};
  if (!version->empty()) device["version"] = *version;
  std::string device_text = json::serialize(device);
  const std::string& source = call.request.source;
  Result<SourceBudget::Place> place = limits_.budget->TakeBroadcaster(source);
  if (!place.ok()) return ErrorResponse(place.status());
  Result<SourceBudget::Place> stored =
      limits_.budget->Store(source, kParticipantBytes + name->size() + device_text.size());
  if (!stored.ok()) return ErrorResponse(stored.status());
  const std::shared_ptr<SourceBudget::Visit> visit = limits_.budget->Enter(source, call.room->id());
  if (!visit->TakeAnnouncement()) return TooManyAnnouncements();
  const Result<std::shared_ptr<Participant>> broadcaster = call.room->CreateBroadcaster(
      *id, *std::move(name), std::move(device_text), *std::move(capabilities),
      Owner{call.request.client_ip, RandomText(kSecretLength)}, *kind,
      call.grants.admin() || call.grants.permissions.Has(Permission::kPublish));
  if (!broadcaster.ok()) return ErrorResponse(broadcaster.status());
  visit->SetAnnounced();
  (*broadcaster)->places = {*std::move(place), *std::move(stored)};
  (*broadcaster)->allowance = visit;
  return JsonResponse(json::object{{"peers", PeersFor(**broadcaster, *call.room)},
                                   {"secret", (*broadcaster)->owner.secret}});
}

HttpResponse RestApi::TooManyAnnouncements() const {
  constexpr int kStatus = 429;  // RFC 6585 §4
  const SourceBudget::Limits& limits = limits_.budget->limits();
  HttpResponse response = ApiError(
      kStatus,
      Error("too many changes of this address that everybody is told of: at most " +
            std::to_string(limits.announcement_burst) + " at once and " +
            std::to_string(limits.announcements_per_second) +
            " a second, and a tenth for each more who is there (maxAnnouncementsPerSecondPerIp)"));
  response.headers.emplace_back("Retry-After", "1");
  return response;
}

Task<HttpResponse> RestApi::DeleteBroadcaster(Call call) {
  co_await call.room->DeleteBroadcaster(call.broadcaster, /*for_good=*/true);
  co_return TextResponse(200, "broadcaster deleted");
}

Task<HttpResponse> RestApi::CreateTransport(Call call) {
  const json::value* type = call.body.if_contains("type");
  const bool is_string = type && type->is_string();
  const bool webrtc = is_string && type->get_string() == "webrtc";
  if (!webrtc && (!is_string || type->get_string() != "plain")) {
    co_return ErrorResponse(
        WrongField("body.type", "invalid type: body.type must be plain or webrtc"));
  }
  Result<TransportQuota::Place> place =
      limits_.quota->Take(call.room->id() + "/" + call.broadcaster->id, call.request.source);
  if (!place.ok()) co_return ErrorResponse(place.status());
  const auto keep = [&](const std::string& id) {
    const auto made = call.broadcaster->transports.find(id);
    if (made != call.broadcaster->transports.end()) made->second->quota_place = *std::move(place);
  };
  const Result<bool> sctp = WantsSctp(call.body, kPrefix);
  if (!sctp.ok()) co_return ErrorResponse(sctp.status());
  if (webrtc) {
    Room::TransportRequest asked;
    asked.sctp = *sctp;
    const Result<WebRtcTransportInfo> info =
        co_await call.room->CreateWebRtcTransport(call.broadcaster, asked);
    if (!info.ok()) co_return ErrorResponse(info.status());
    keep(info->id);
    co_return JsonResponse(ToJson(*info));
  }
  const Result<bool> rtcp_mux = OptionalBool(call.body, "rtcpMux", kPrefix, false);
  if (!rtcp_mux.ok()) co_return ErrorResponse(rtcp_mux.status());
  const Result<bool> comedia = OptionalBool(call.body, "comedia", kPrefix, true);
  if (!comedia.ok()) co_return ErrorResponse(comedia.status());
  const Result<std::string> pinned = OptionalString(call.body, "remoteIp", kPrefix);
  if (!pinned.ok()) co_return ErrorResponse(pinned.status());
  if (!pinned->empty() && !IpAddress::Parse(*pinned)) {
    co_return ErrorResponse(
        WrongField("body.remoteIp",
                   "body.remoteIp \"" + *pinned + "\" is not a literal IPv4 or IPv6 address"));
  }
  Room::PlainRequest request;
  request.rtcp_mux = *rtcp_mux;
  request.comedia = *comedia;
  request.sctp = *sctp;
  const Result<std::optional<std::chrono::milliseconds>> timeout =
      ReadReceiverTimeout(call.body, rooms_->settings().plain_receiver_timeout);
  if (!timeout.ok()) co_return ErrorResponse(timeout.status());
  request.receiver_timeout = *timeout;
  request.source_only = !pinned->empty();
  const std::string client = CanonicalIp(call.request.client_ip);
  if (request.source_only) {
    request.source_ip = CanonicalIp(*pinned);
    request.may_receive = request.source_ip == client;
  } else {
    request.source_ip = client;
  }
  const Result<PlainTransportInfo> info =
      co_await call.room->CreatePlainTransport(call.broadcaster, std::move(request));
  if (!info.ok()) co_return ErrorResponse(info.status());
  keep(info->id);
  co_return JsonResponse(ToJson(*info));
}

namespace {
Result<uint16_t> RequiredPort(const json::object& body, std::string_view name) {
  const Result<int64_t> port = RequiredInteger(body, name, kPrefix, 1, 65'535);
  if (!port.ok()) return port.status();
  return static_cast<uint16_t>(*port);
}
}  // namespace

/// Media goes to the caller's own address, whatever it says, unless the server lifts that.
Task<HttpResponse> RestApi::ConnectPlain(Call call) {
  if (!call.body.contains("port")) {  // in the words of other servers of this API
    co_return ErrorResponse(
        Error("transport with id \"" + call.transport->id + "\" is not a WebRtcTransport"));
  }
  const Result<std::string> ip = OptionalString(call.body, "ip", kPrefix);
  if (!ip.ok()) co_return ErrorResponse(ip.status());
  const std::string client = CanonicalIp(call.request.client_ip);
  PlainDestination destination;
  destination.ip = ip->empty() ? client : CanonicalIp(*ip);
  if (destination.ip.empty()) {
    co_return ErrorResponse(
        WrongField("body.ip", "body.ip \"" + *ip + "\" is not a literal IPv4 or IPv6 address"));
  }
  if (destination.ip != client && !rooms_->settings().plain_any_receiver) {
    co_return ErrorResponse(WrongField(
        "body.ip",
        "body.ip \"" + *ip + "\" must be the caller's address, " + client + " (plainAnyReceiver)"));
  }
  if (IsLoopback(destination.ip) && call.request.proxied && !call.request.trusted_proxy) {
    co_return ErrorResponse(WrongField(
        "body.ip", "body.ip \"" + destination.ip +
                       "\" is the address of a proxy, not yours: media is sent there only for "
                       "requests that no "
                       "proxy has passed on, or one of trustedProxies, which says whose they are"));
  }
  const Result<uint16_t> port = RequiredPort(call.body, "port");
  if (!port.ok()) co_return ErrorResponse(port.status());
  destination.port = *port;
  if (call.body.contains("rtcpPort")) {
    const Result<uint16_t> rtcp_port = RequiredPort(call.body, "rtcpPort");
    if (!rtcp_port.ok()) co_return ErrorResponse(rtcp_port.status());
    destination.rtcp_port = *rtcp_port;
  }
  const Status connected =
      co_await call.room->ConnectTransport(call.transport, std::move(destination));
  if (!connected.ok()) co_return ErrorResponse(connected);
  HttpResponse response;
  response.content_type = "application/json; charset=utf-8";
  co_return response;
}

Task<HttpResponse> RestApi::Connect(Call call) {
  if (call.transport->plain) co_return co_await ConnectPlain(std::move(call));
  Result<DtlsParameters> remote = ReadDtlsParameters(call.body, kPrefix);
  if (!remote.ok()) co_return ErrorResponse(remote.status());
  const Status connected = co_await call.room->ConnectTransport(call.transport, *std::move(remote));
  if (!connected.ok()) co_return ErrorResponse(connected);
  HttpResponse response;
  response.content_type = "application/json; charset=utf-8";
  co_return response;
}

Task<HttpResponse> RestApi::Produce(Call call) {
  const json::value* kind_value = call.body.if_contains("kind");
  const std::string kind_text = kind_value && kind_value->is_string()
                                    ? std::string(kind_value->get_string().c_str())
                                    : std::string("undefined");
  const Result<MediaKind> kind = ParseMediaKind(kind_text);
  if (!kind.ok()) {
    co_return ErrorResponse(WrongField("body.kind", std::string(Reason(kind.status()))));
  }
  Result<RtpParameters> parameters =
      RequiredRtpParameters(call.body, kPrefix, limits_.fields.rtp_parameters);
  if (!parameters.ok()) co_return ErrorResponse(parameters.status());
  if (!MayAnnounce(*call.broadcaster)) co_return TooManyAnnouncements();
  Result<SourceBudget::Place> stored =
      limits_.budget->Store(call.request.source, ProducerBytes(call.body, ""));
  if (!stored.ok()) co_return ErrorResponse(stored.status());
  Room::ProducerRequest request{*kind, /*screen=*/false, *std::move(parameters), ClientText()};
  const Result<std::shared_ptr<Producer>> producer =
      co_await call.room->Produce(call.broadcaster, call.transport, std::move(request));
  if (!producer.ok()) co_return ErrorResponse(producer.status());
  (*producer)->stored = *std::move(stored);
  call.room->AnnounceProducer(call.broadcaster, *producer);
  co_return JsonResponse(json::object{{"id", (*producer)->id}});
}

Task<HttpResponse> RestApi::Consume(Call call) {
  const auto wanted = call.request.query.find("producerId");
  if (wanted == call.request.query.end() || wanted->second.empty()) {
    co_return ErrorResponse(WrongField("producerId", "missing producerId"));
  }
  const std::shared_ptr<Producer> producer = call.room->FindProducer(wanted->second);
  if (!producer) {
    co_return ErrorResponse(NotFoundError("Producer with id \"" + wanted->second + "\" not found"));
  }
  Room::ConsumerRequest request;
  request.paused = false;
  request.enable_rtx = producer->kind == MediaKind::kVideo;
  request.ignore_dtx = false;
  const Result<std::shared_ptr<Consumer>> consumer =
      co_await call.room->Consume(call.broadcaster, call.transport, producer, request);
  if (!consumer.ok()) co_return ErrorResponse(consumer.status());
  call.room->Deliver(call.broadcaster, *consumer);
  co_return JsonResponse(json::object{{"id", (*consumer)->id},
                                      {"producerId", producer->id},
                                      {"kind", ToString(producer->kind)},
                                      {"rtpParameters", ToJson((*consumer)->Parameters())},
                                      {"type", ToString(producer->type)}});
}

Task<HttpResponse> RestApi::ConsumeData(Call call) {
  const Result<std::string> id = RequiredString(call.body, "dataProducerId", "");
  if (!id.ok()) co_return ErrorResponse(id.status());
  const std::shared_ptr<DataProducer> producer = co_await Room::GetDataProducer(call.room, *id);
  if (!producer) {
    co_return ErrorResponse(NotFoundError("DataProducer with id \"" + *id + "\" not found"));
  }
  const Result<std::shared_ptr<DataConsumer>> consumer =
      co_await call.room->ConsumeData(call.broadcaster, call.transport, producer);
  if (!consumer.ok()) co_return ErrorResponse(consumer.status());
  call.room->DeliverData(call.broadcaster, *consumer);
  co_return JsonResponse(
      json::object{{"id", (*consumer)->id}, {"streamId", (*consumer)->stream.stream_id}});
}

Task<HttpResponse> RestApi::ProduceData(Call call) {
  Result<std::string> label = OptionalLabel(call.body, "label", kPrefix);
  if (!label.ok()) co_return ErrorResponse(label.status());
  Result<std::string> protocol = OptionalLabel(call.body, "protocol", kPrefix);
  if (!protocol.ok()) co_return ErrorResponse(protocol.status());
  const Result<SctpStreamParameters> stream = ReadSctpStreamParameters(call.body);
  if (!stream.ok()) co_return ErrorResponse(stream.status());
  const Result<json::object> app_data =
      OptionalObject(call.body, "appData", kPrefix, limits_.fields.app_data);
  if (!app_data.ok()) co_return ErrorResponse(app_data.status());
  Room::DataRequest request{*stream, *std::move(label), *std::move(protocol),
                            json::serialize(*app_data)};
  if (!MayAnnounce(*call.broadcaster)) co_return TooManyAnnouncements();
  Result<SourceBudget::Place> stored =
      limits_.budget->Store(call.request.source, ProducerBytes(call.body, request.app_data));
  if (!stored.ok()) co_return ErrorResponse(stored.status());
  const Result<std::shared_ptr<DataProducer>> producer =
      co_await call.room->ProduceData(call.broadcaster, call.transport, std::move(request));
  if (!producer.ok()) co_return ErrorResponse(producer.status());
  (*producer)->stored = *std::move(stored);
  call.room->AnnounceDataProducer(call.broadcaster, *producer);
  co_return JsonResponse(json::object{{"id", (*producer)->id}});
}

}  // namespace sluice::controller
