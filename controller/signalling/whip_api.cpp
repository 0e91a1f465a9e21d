#include "controller/signalling/whip_api.h"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <optional>
#include <set>

#include "controller/base/log.h"
#include "controller/base/logging.h"
#include "controller/room/random.h"
#include "controller/sdp/reader.h"
#include "controller/sdp/writer.h"
#include "controller/signalling/fields.h"
#include "controller/signalling/whip_http.h"

namespace sluice::controller {

namespace json = boost::json;

namespace {

constexpr std::string_view kSdpType = "application/sdp";
constexpr std::string_view kFragmentType = "application/trickle-ice-sdpfrag";
constexpr size_t kSessionIdLength = 26;  // 36^26 is more than 2^128
constexpr size_t kPlayerIdLength = 10;
constexpr size_t kMaxEventKinds = 32;
constexpr size_t kMaxEventName = 64;  // bytes
/// Who publishes without a name.
constexpr std::string_view kNameless = "whip";
/// In the place of the name, in the address of a session that plays whoever publishes.
constexpr std::string_view kAnyName = "_";

enum class WhipRoute : uint8_t { kNone, kEndpoint, kSession, kLayer, kEvents, kStream };

std::string_view WhipMethods(WhipRoute route) {
  switch (route) {
    case WhipRoute::kEndpoint:
      return "POST, GET, HEAD, OPTIONS";
    case WhipRoute::kSession:
      return "PATCH, DELETE, GET, HEAD, OPTIONS";
    case WhipRoute::kLayer:
      return "POST, DELETE, OPTIONS";
    case WhipRoute::kEvents:
      return "POST, OPTIONS";
    case WhipRoute::kStream:
      return "GET, HEAD, DELETE, OPTIONS";
    case WhipRoute::kNone:
      break;
  }
  return "";
}

/// Whether `method` is in a list of them.
bool IsListed(std::string_view methods, std::string_view method) {
  while (!methods.empty()) {
    const size_t end = std::min(methods.find(", "), methods.size());
    if (methods.substr(0, end) == method) return true;
    methods.remove_prefix(std::min(end + 2, methods.size()));
  }
  return false;
}

/// A layer's number in the body of a request; nullopt when it is not said.
Result<std::optional<uint8_t>> ReadLayer(const json::object& body, const char* name) {
  constexpr int64_t kMaxLayer = 255;
  const json::value* value = body.if_contains(name);
  if (!value || value->is_null()) return std::nullopt;
  const Result<int64_t> layer = RequiredInteger(body, name, "body.", 0, kMaxLayer);
  if (!layer.ok()) return layer.status();
  return static_cast<uint8_t>(*layer);
}

Result<LayerWish> ReadLayerWish(const std::string& text) {
  Result<json::value> value = ParseJson(text);
  if (!value.ok() || !value->is_object()) return TypeError("the body must be a JSON object");
  const json::object& body = value->get_object();
  LayerWish wish;
  Result<std::string> mid = OptionalString(body, "mediaId", "body.");
  if (!mid.ok()) return mid.status();
  wish.mid = *std::move(mid);
  for (const char* name : {"encodingId", "rid"}) {
    Result<std::string> encoding = OptionalString(body, name, "body.");
    if (!encoding.ok()) return encoding.status();
    if (!encoding->empty()) wish.encoding = *std::move(encoding);
  }
  for (const char* name : {"maxSpatialLayerId", "spatialLayerId"}) {
    const auto layer = ReadLayer(body, name);
    if (!layer.ok()) return layer.status();
    if (*layer) wish.spatial = *layer;
  }
  for (const char* name : {"maxTemporalLayerId", "temporalLayerId"}) {
    const auto layer = ReadLayer(body, name);
    if (!layer.ok()) return layer.status();
    if (*layer) wish.temporal = *layer;
  }
  return wish;
}

}  // namespace

/// One request.
struct WhipApi::Call {
  HttpRequest request;
  std::vector<std::string> path;
  WhipRoute route = WhipRoute::kNone;
  bool plays = false;  ///< WHEP
  Grants grants;
  Entry entry;  ///< of a session

  const std::string& room() const { return path[1]; }
  std::string name() const { return path.size() > 2 ? path[2] : std::string(); }
  Permission permission() const { return plays ? Permission::kSubscribe : Permission::kPublish; }
};

namespace {

WhipRoute MatchWhip(const std::vector<std::string>& path) {
  if (path.size() < 2 || (path[0] != "whip" && path[0] != "whep")) return WhipRoute::kNone;
  if (path.size() <= 3) return WhipRoute::kEndpoint;
  if (path.size() == 4) return WhipRoute::kSession;
  if (path.size() > 6 || path[0] != "whep") return WhipRoute::kNone;
  if (path[4] == "events") return path.size() == 5 ? WhipRoute::kEvents : WhipRoute::kStream;
  return path[4] == "layer" && path.size() == 5 ? WhipRoute::kLayer : WhipRoute::kNone;
}

}  // namespace

bool WhipApi::Owns(std::string_view path) { return MatchWhip(SplitPath(path)) != WhipRoute::kNone; }

Task<HttpResponse> WhipApi::Respond(HttpRequest request) {
  Call call;
  call.path = SplitPath(request.path);
  call.route = MatchWhip(call.path);
  call.plays = !call.path.empty() && call.path[0] == "whep";
  call.request = std::move(request);
  // What CORS needs of the request is not moved.
  HttpRequest facts;
  facts.method = call.request.method;
  facts.origin_allowed = call.request.origin_allowed;
  HttpResponse response = co_await Dispatch(std::move(call));
  AddCors(facts, &response);
  co_return response;
}

Task<HttpResponse> WhipApi::Dispatch(Call call) {
  const std::string_view methods = WhipMethods(call.route);
  const HttpRequest& request = call.request;
  if (request.method == "OPTIONS") {
    HttpResponse response = EmptyResponse(200);
    response.headers.emplace_back("Allow", methods);
    if (call.route == WhipRoute::kEndpoint) response.headers.emplace_back("Accept-Post", kSdpType);
    if (call.route == WhipRoute::kSession) {
      response.headers.emplace_back("Accept-Patch", kFragmentType);
    }
    co_return response;
  }
  if (!IsListed(methods, request.method)) {
    HttpResponse response = Problem(405, request.method + " is not one of " + std::string(methods));
    response.headers.emplace_back("Allow", methods);
    co_return response;
  }
  if (!rate_.Take(request.source, limits_.now())) {
    HttpResponse response =
        Problem(429, "too many requests of this address (maxRestRequestsPerSecond)");
    response.limit = "maxRestRequestsPerSecond";
    response.headers.emplace_back("Retry-After", "1");
    co_return response;
  }
  Result<Grants> grants = auth_.GrantsOf(request);
  if (!grants.ok()) co_return ProblemOf(grants.status());
  call.grants = *std::move(grants);
  if (call.route != WhipRoute::kEndpoint) co_return co_await OnSession(std::move(call));
  if (request.method == "POST") co_return co_await Begin(std::move(call));
  const Status may = call.grants.Check({call.room(), "", call.permission()});
  if (!may.ok()) co_return ProblemOf(may);
  HttpResponse response = EmptyResponse(200);
  if (call.plays) response.content_type = std::string(kSdpType);
  co_return response;
}

Task<HttpResponse> WhipApi::Begin(Call call) {
  if (call.request.content_type != kSdpType) {
    co_return WrongType(call.request, "Accept-Post", kSdpType);
  }
  Status valid = CheckId("room", call.room());
  if (valid.ok() && call.path.size() > 2) valid = CheckId("name", call.name());
  if (!valid.ok()) co_return ProblemOf(valid);
  Result<sdp::Description> offer = sdp::ReadDescription(call.request.body);
  if (!offer.ok()) co_return ProblemOf(offer.status());
  call.request.body.clear();
  if (call.plays) co_return co_await Play(std::move(call), *std::move(offer));
  co_return co_await Publish(std::move(call), *std::move(offer));
}

SdpClient WhipApi::ClientOf(const Call& call, std::string peer_id, std::string_view kind) const {
  SdpClient client;
  client.peer_id = std::move(peer_id);
  client.address = call.request.client_ip;
  client.source = call.request.source;
  client.proven = call.grants.admin() || call.grants.peer == client.peer_id;
  client.display_name = client.peer_id;
  client.device = json::serialize(
      json::object{{"flag", std::string(kind)}, {"name", std::string(kind)}, {"version", "1"}});
  return client;
}

WhipSession::EndedCallback WhipApi::Forgetter() const {
  return [sessions = std::weak_ptr(sessions_)](const std::string& id) {
    if (const auto known = sessions.lock()) known->erase(id);
  };
}

Task<HttpResponse> WhipApi::Publish(Call call, sdp::Description offer) {
  std::string name = call.name();
  if (name.empty()) name = call.grants.peer.empty() ? std::string(kNameless) : call.grants.peer;
  const Status may = call.grants.Check({call.room(), name, Permission::kPublish});
  if (!may.ok()) co_return ProblemOf(may);
  const auto mode = call.request.query.find("mode");
  const Result<KindWish> wish =
      WantedKind(call.grants, mode == call.request.query.end() ? "" : mode->second);
  if (!wish.ok()) co_return ProblemOf(wish.status());
  const RoomWish room_wish{call.request.source, 0};
  const Result<std::shared_ptr<Room>> room = co_await rooms_->GetOrCreate(call.room(), room_wish);
  if (!room.ok()) co_return ProblemOf(room.status());
  SdpClient client = ClientOf(call, name, "whip");
  client.wish = *wish;
  const auto publisher = std::make_shared<WhipPublisher>(
      RandomText(kSessionIdLength), *room, std::move(client), limits_.sdp, Forgetter());
  const Result<sdp::Description> answer =
      co_await WhipPublisher::Start(publisher, std::move(offer));
  if (!answer.ok()) {
    LogInfo("room {}: {} cannot publish by WHIP: {}", call.room(), name, Reason(answer.status()));
    co_return ProblemOf(answer.status());
  }
  LogInfo("room {}: {} publishes by WHIP", call.room(), name);
  sessions_->emplace(publisher->id(), Entry{publisher, nullptr});
  co_return Described(201, call, name, *publisher);
}

Task<HttpResponse> WhipApi::Play(Call call, sdp::Description offer) {
  std::string id = call.grants.peer;
  if (id.empty()) id = "whep-" + RandomText(kPlayerIdLength);
  const Status may = call.grants.Check({call.room(), id, Permission::kSubscribe});
  if (!may.ok()) co_return ProblemOf(may);
  const std::shared_ptr<Room> room = rooms_->Find(call.room());
  if (!room || !WhepPlayer::IsLive(*room, call.name())) {
    co_return ProblemOf(NothingLive(call.room(), call.name()));
  }
  const auto player = MakePlayer(call, id, room);
  const Result<sdp::Description> answer = co_await WhepPlayer::Start(player, std::move(offer));
  const std::string name = call.name().empty() ? std::string(kAnyName) : call.name();
  if (answer.ok()) {
    sessions_->emplace(player->id(), Entry{player, player});
    co_return Described(201, call, name, *player);
  }
  LogInfo("room {}: {} cannot play by WHEP: {}", call.room(), id, Reason(answer.status()));
  if (!limits_.counter_offers || !player->lacks_codec()) co_return ProblemOf(answer.status());
  const auto offering = MakePlayer(call, id, room);
  const Result<sdp::Description> ours = co_await WhepPlayer::StartOffering(offering);
  if (!ours.ok()) co_return ProblemOf(ours.status());
  sessions_->emplace(offering->id(), Entry{offering, offering});
  co_return Described(406, call, name, *offering);
}

std::shared_ptr<WhepPlayer> WhipApi::MakePlayer(const Call& call, const std::string& peer_id,
                                                const std::shared_ptr<Room>& room) const {
  return std::make_shared<WhepPlayer>(RandomText(kSessionIdLength), room,
                                      ClientOf(call, peer_id, "whep"), limits_.sdp, Forgetter(),
                                      call.name());
}

HttpResponse WhipApi::Described(int status, const Call& call, const std::string& name,
                                const WhipSession& session) const {
  HttpResponse response = EmptyResponse(status);
  response.content_type = std::string(kSdpType);
  response.body = sdp::WriteDescription(session.answer());
  const std::string location =
      "/" + call.path[0] + "/" + call.room() + "/" + name + "/" + session.id();
  response.headers.emplace_back("Location", location);
  response.headers.emplace_back("ETag", session.etag());
  response.headers.emplace_back("Accept-Patch", status == 406 ? kSdpType : kFragmentType);
  for (const std::string& link : limits_.ice_links) response.headers.emplace_back("Link", link);
  if (!call.plays) return response;
  response.headers.emplace_back(
      "Link", "<" + location +
                  "/events>; rel=\"urn:ietf:params:whep:ext:core:server-sent-events\"; "
                  "events=\"" +
                  std::string(WhepPlayer::kEvents) + "\"");
  response.headers.emplace_back(
      "Link", "<" + location + "/layer>; rel=\"urn:ietf:params:whep:ext:core:layer\"");
  return response;
}

Task<HttpResponse> WhipApi::OnSession(Call call) {
  const auto it = sessions_->find(call.path[3]);
  if (it == sessions_->end() || it->second.session->room_id() != call.room() ||
      call.plays != (it->second.player != nullptr)) {
    co_return Problem(404, "there is no such session: it may have ended");
  }
  call.entry = it->second;
  const std::string peer_id = call.entry.session->peer_id();
  const Status may = call.grants.Check({call.room(), peer_id, call.permission()});
  if (!may.ok()) co_return ProblemOf(may);
  const std::string& method = call.request.method;
  if (call.route == WhipRoute::kLayer) co_return co_await ChangeLayers(std::move(call));
  if (call.route == WhipRoute::kEvents) co_return AddEvents(call);
  if (call.route == WhipRoute::kStream) co_return Events(call);
  if (method == "PATCH") co_return co_await Patch(std::move(call));
  if (method == "DELETE") {
    LogInfo("room {}: {} ends its session", call.room(), peer_id);
    call.entry.session->Leave(/*for_good=*/true);
  }
  co_return EmptyResponse(200);
}

Task<HttpResponse> WhipApi::Patch(Call call) {
  if (call.request.content_type == kSdpType && call.entry.player && call.entry.player->offered()) {
    const Status taken =
        co_await WhepPlayer::TakeAnswer(call.entry.player, std::move(call.request.body));
    if (!taken.ok()) co_return ProblemOf(taken);
    co_return EmptyResponse(204);
  }
  if (call.request.content_type != kFragmentType) {
    co_return WrongType(call.request, "Accept-Patch", kFragmentType);
  }
  const std::shared_ptr<WhipSession> session = call.entry.session;
  const IfMatch match = ReadIfMatch(call.request.if_match, session->etag());
  if (match == IfMatch::kAbsent) {
    co_return Problem(428, "If-Match must be the ETag of the session, or * to restart ICE");
  }
  if (match == IfMatch::kOther) {
    co_return Problem(412, "If-Match is not the ETag of the session: ICE was restarted");
  }
  Result<sdp::Fragment> fragment = sdp::ReadFragment(call.request.body);
  if (!fragment.ok()) co_return ProblemOf(fragment.status());
  const WhipSession::Credentials credentials = session->Compare(*fragment);
  if (match == IfMatch::kAny && credentials == WhipSession::Credentials::kHalf) {
    co_return Problem(400, "an ICE restart has both a new ice-ufrag and a new ice-pwd");
  }
  // Candidates of the client are not needed: it checks ours, and we learn where it comes from.
  const bool unanswered = call.entry.player && call.entry.player->awaits_answer();
  if (unanswered || credentials != WhipSession::Credentials::kNew) co_return EmptyResponse(204);
  const Result<sdp::Fragment> answer = co_await WhipSession::Restart(session, *std::move(fragment));
  if (!answer.ok()) co_return ProblemOf(answer.status());
  HttpResponse response = EmptyResponse(200);
  response.content_type = std::string(kFragmentType);
  response.headers.emplace_back("ETag", session->etag());
  response.body = sdp::WriteFragment(*answer, /*ice_lite=*/true);
  co_return response;
}

Task<HttpResponse> WhipApi::ChangeLayers(Call call) {
  LayerWish wish;
  if (call.request.method == "POST") {
    if (call.request.content_type != "application/json") {
      co_return WrongType(call.request, "Accept-Post", "application/json");
    }
    Result<LayerWish> read = ReadLayerWish(call.request.body);
    if (!read.ok()) co_return ProblemOf(read.status());
    wish = *std::move(read);
  }
  const Status chosen = co_await WhepPlayer::ChooseLayers(call.entry.player, std::move(wish));
  if (!chosen.ok()) co_return ProblemOf(chosen);
  co_return EmptyResponse(200);
}

HttpResponse WhipApi::AddEvents(const Call& call) const {
  std::set<std::string> wanted;
  if (!call.request.body.empty()) {
    const Result<json::value> list = ParseJson(call.request.body);
    if (!list.ok() || !list->is_array())
      return Problem(400, "the body must be a JSON list of events");
    for (const json::value& each : list->get_array()) {
      // Events that we do not have are no error: they never come.
      if (!each.is_string() || each.get_string().size() > kMaxEventName ||
          wanted.size() >= kMaxEventKinds) {
        return Problem(
            400, "the body must be a JSON list of at most " + std::to_string(kMaxEventKinds) +
                     " events, each a text of at most " + std::to_string(kMaxEventName) + " bytes");
      }
      wanted.emplace(each.get_string().data(), each.get_string().size());
    }
  }
  const std::string id = call.entry.player->AddListener(std::move(wanted));
  if (id.empty()) {
    return ProblemOf(
        LimitError("maxEventStreams",
                   absl::AlreadyExistsError("this session has " +
                                            std::to_string(limits_.sdp.sizes.event_streams) +
                                            " streams of events already")));
  }
  HttpResponse response = EmptyResponse(201);
  response.headers.emplace_back("Location", call.request.path + "/" + id);
  return response;
}

HttpResponse WhipApi::Events(const Call& call) const {
  const std::string& id = call.path[5];
  if (call.request.method == "DELETE") {
    if (call.entry.player->EndListener(id)) return EmptyResponse(200);
    return Problem(404, "there is no such stream of events");
  }
  HttpResponse response = EmptyResponse(200);
  response.content_type = "text/event-stream";
  response.headers.emplace_back("Cache-Control", "no-store");
  response.stream = call.entry.player->Listen(id);
  if (response.stream) return response;
  return Problem(404, "there is no such stream of events");
}

}  // namespace sluice::controller
