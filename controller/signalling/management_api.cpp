#include "controller/signalling/management_api.h"

#include <algorithm>
#include <utility>

#include "controller/base/limits.h"
#include "controller/base/log.h"
#include "controller/base/logging.h"
#include "controller/http/client_address.h"
#include "controller/signalling/api_error.h"
#include "controller/signalling/management_json.h"

namespace sluice::controller {

namespace json = boost::json;

namespace {

constexpr std::string_view kApiRoot = "/api/v1";
constexpr int kApiMethodNotAllowed = 405;
constexpr int kApiUnsupportedMediaType = 415;
constexpr int kTooManyRequests = 429;  // RFC 6585 §4

/// Whether the segments of a request's path are those of a route; what stands for an id goes to
/// `room` and `member`.
bool IsPath(std::string_view route, const std::vector<std::string>& path, std::string* room,
            std::string* member) {
  const std::vector<std::string> wanted = SplitPath(route);
  if (wanted.size() != path.size()) return false;
  for (size_t i = 0; i < path.size(); ++i) {
    if (wanted[i] == ":room") {
      *room = path[i];
    } else if (wanted[i].front() == ':') {
      *member = path[i];
    } else if (wanted[i] != path[i]) {
      return false;
    }
  }
  return true;
}

/// The body of a request: {} when there is none.
Result<json::object> ReadManagementBody(const HttpRequest& request) {
  if (request.body.empty()) return json::object();
  Result<json::value> value = ParseJson(request.body);
  if (!value.ok()) return TypeError("body: " + std::string(Reason(value.status())));
  if (!value->is_object()) return FieldError("body", *value, "must be a JSON object");
  return std::move(value->get_object());
}

}  // namespace

const std::vector<ManagementApi::Route>& ManagementApi::Routes() {
  static const std::vector<Route> routes = {
      {"GET", "/rooms", &ListRooms},
      {"POST", "/rooms", &CreateRoom},
      {"GET", "/rooms/:room", &GetRoom},
      {"PATCH", "/rooms/:room", &ChangeRoom},
      {"DELETE", "/rooms/:room", &CloseRoom},
      {"GET", "/rooms/:room/stats", &GetRoomStats},
      {"POST", "/rooms/:room/data", &SendData},
      {"PUT", "/rooms/:room/stage/:member", &LetUp},
      {"DELETE", "/rooms/:room/stage/:member", &TakeDown},
      {"GET", "/rooms/:room/peers", &ListPeers},
      {"GET", "/rooms/:room/peers/:peer", &GetMember},
      {"GET", "/rooms/:room/peers/:peer/stats", &GetMemberStats},
      {"DELETE", "/rooms/:room/peers/:peer", &Kick},
      {"POST", "/rooms/:room/peers/:peer/mute", &Mute},
      {"POST", "/rooms/:room/peers/:peer/unmute", &Unmute},
      {"POST", "/rooms/:room/peers/:peer/move", &Move},
      {"GET", "/rooms/:room/broadcasters", &ListBroadcasters},
      {"GET", "/rooms/:room/broadcasters/:broadcaster", &GetMember},
      {"GET", "/rooms/:room/broadcasters/:broadcaster/stats", &GetMemberStats},
      {"DELETE", "/rooms/:room/broadcasters/:broadcaster", &Kick},
      {"POST", "/rooms/:room/broadcasters/:broadcaster/mute", &Mute},
      {"POST", "/rooms/:room/broadcasters/:broadcaster/unmute", &Unmute},
  };
  return routes;
}

std::set<std::string> ManagementApi::RouteNames() {
  std::set<std::string> names;
  for (const Route& route : Routes()) {
    names.insert(std::string(route.method) + " " + std::string(kApiRoot) + std::string(route.path));
  }
  return names;
}

bool ManagementApi::Owns(std::string_view path) {
  if (!path.starts_with(kApiRoot)) return false;
  return path.size() == kApiRoot.size() || path[kApiRoot.size()] == '/';
}

const ManagementApi::Route* ManagementApi::Match(const HttpRequest& request, Call* call,
                                                 std::string* allowed) {
  const std::vector<std::string> path =
      SplitPath(std::string_view(request.path).substr(kApiRoot.size()));
  std::string_view method = request.method;
  if (method == "HEAD") method = "GET";
  for (const Route& route : Routes()) {
    if (!IsPath(route.path, path, &call->room_id, &call->member_id)) continue;
    if (route.method == method) return &route;
    *allowed += (allowed->empty() ? "" : ", ") + std::string(route.method);
    if (route.method == "GET") *allowed += ", HEAD";
  }
  return nullptr;
}

Task<HttpResponse> ManagementApi::Respond(HttpRequest request) {
  Call call;
  std::string allowed;
  const Route* const route = Match(request, &call, &allowed);
  if (!route && allowed.empty()) {
    co_return ManagementError(NotFoundError("there is no " + request.path + " in this API"));
  }
  if (!route && request.method == "OPTIONS") {
    HttpResponse response;
    response.status = 204;
    response.headers.emplace_back("Allow", allowed + ", OPTIONS");
    co_return response;
  }
  if (!route) {
    HttpResponse response = ApiError(
        kApiMethodNotAllowed, TypeError("method " + request.method + ": must be " + allowed));
    response.headers.emplace_back("Allow", allowed);
    co_return response;
  }
  if (!rate_.Take(request.source, limits_.now())) {
    const Status refused = LimitError(
        "maxRestRequestsPerSecond",
        Error("too many requests: one address may make " + std::to_string(rate_.per_second()) +
              " a second, " + std::to_string(rate_.burst()) + " at once"));
    HttpResponse response = ApiError(kTooManyRequests, refused);
    response.headers.emplace_back("Retry-After", "1");
    co_return response;
  }
  Result<Grants> grants = Authorize(request, call.room_id);
  if (!grants.ok()) co_return ManagementError(grants.status());
  call.grants = *std::move(grants);
  if (!request.body.empty() && request.content_type != "application/json") {
    co_return ApiError(
        kApiUnsupportedMediaType,
        FieldError("Content-Type", json::value(request.content_type), "must be application/json"));
  }
  Result<json::object> body = ReadManagementBody(request);
  if (!body.ok()) co_return ManagementError(body.status());
  call.body = *std::move(body);
  call.request = std::move(request);
  if (Status found = FindNamed(*route, &call); !found.ok()) co_return ManagementError(found);
  const Result<Answer> answer = co_await route->handler(this, std::move(call));
  if (!answer.ok()) co_return ManagementError(answer.status());
  co_return ManagementResponse(answer->status, answer->body);
}

Result<Grants> ManagementApi::Authorize(const HttpRequest& request,
                                        std::string_view room_id) const {
  if (!auth_.enabled()) {
    // What came through a proxy on this machine may be anybody's. One that says nothing of itself
    // cannot be told from a program here (ExposureWarnings).
    const bool local = !request.secure && IsLoopback(request.client_ip);
    if (local && !request.proxied) return Grants{};
    return absl::PermissionDeniedError(
        "without an authSecret the management API is for this machine only, over the listener "
        "without TLS and not through a proxy; with one it is for tokens with the permission admin");
  }
  Result<Grants> grants = auth_.GrantsOf(request);
  if (!grants.ok()) return grants;
  if (!grants->admin()) {
    return absl::PermissionDeniedError("this needs the permission admin; the token grants " +
                                       grants->permissions.Describe());
  }
  if (!room_id.empty()) {
    SLUICE_RETURN_IF_ERROR(grants->Check({room_id, "", Permission::kAdmin}));
  }
  return grants;
}

Status ManagementApi::FindNamed(const Route& route, Call* call) const {
  if (call->room_id.empty()) return absl::OkStatus();
  SLUICE_RETURN_IF_ERROR(CheckId("room", call->room_id));
  call->room = rooms_->Find(call->room_id);
  if (!call->room) return NotFoundError("there is no room \"" + call->room_id + "\"");
  if (call->member_id.empty()) return absl::OkStatus();
  SLUICE_RETURN_IF_ERROR(CheckId("id", call->member_id));
  const bool any = route.path.find(":member") != std::string_view::npos;
  const bool peer = any || route.path.find(":peer") != std::string_view::npos;
  if (peer) call->member = call->room->FindPeer(call->member_id);
  if (!call->member && (any || !peer)) call->member = call->room->FindBroadcaster(call->member_id);
  if (call->member) return absl::OkStatus();
  return NotFoundError("there is no " + std::string(peer ? "peer" : "broadcaster") + " \"" +
                       call->member_id + "\" in room \"" + call->room_id + "\"");
}

}  // namespace sluice::controller
