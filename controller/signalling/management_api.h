#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/source_rate.h"
#include "controller/http/http_types.h"
#include "controller/room/room_registry.h"
#include "controller/signalling/fields.h"
#include "controller/signalling/request_auth.h"

namespace sluice::controller {

/// The management API under /api/v1 (docs/management-api.md): rooms with their rules, who is in
/// them and what they send, and what a moderator does: kick, mute, move, let up onto a stage, say
/// something to everybody. Bodies and answers are JSON, errors as well.
///
/// For who has a token with the permission admin. Without a secret, for this machine itself, over
/// the listener without TLS and not through a proxy: as /metrics. Stateless: everything lives in
/// the rooms.
class ManagementApi {
 public:
  /// Entries of a list in one answer, and bytes of a text that is said to a room.
  static constexpr int64_t kDefaultPage = 100;
  static constexpr int64_t kMaxPage = 1'000;
  /// Of consumers with their stats, each of which is a request to the worker.
  static constexpr int64_t kMaxStatsPage = 200;
  static constexpr size_t kMaxMessage = 16 << 10;

  struct Limits {
    uint32_t requests_per_second = 200;  ///< of one source
    uint32_t request_burst = 1'000;
    std::function<SourceRate::TimePoint()> now = std::chrono::steady_clock::now;
  };

  ManagementApi(RoomRegistry* rooms, RequestAuth auth, Limits limits)
      : rooms_(rooms),
        auth_(std::move(auth)),
        limits_(std::move(limits)),
        rate_(limits_.requests_per_second, limits_.request_burst) {}

  /// True when the path is /api/v1 or below.
  static bool Owns(std::string_view path);
  Task<HttpResponse> Respond(HttpRequest request);
  /// "METHOD PATH" of every route.
  static std::set<std::string> RouteNames();

 private:
  /// What a handler answers.
  struct Answer {
    boost::json::value body;
    int status = 200;
  };
  /// One request on its way.
  struct Call {
    HttpRequest request;
    Grants grants;
    std::string room_id;  ///< "" = none is named
    std::string member_id;
    boost::json::object body;
    std::shared_ptr<Room> room;           ///< where the route names one
    std::shared_ptr<Participant> member;  ///< likewise
  };
  using Handler = Task<Result<Answer>> (*)(ManagementApi* self, Call call);
  struct Route {
    std::string_view method;
    /// Below /api/v1; ":room", ":peer", ":broadcaster" and ":member", which is either, stand for an
    /// id.
    std::string_view path;
    Handler handler;
  };
  static const std::vector<Route>& Routes();
  /// The route of the request; nullptr when there is none. `allowed`: the methods of its path.
  static const Route* Match(const HttpRequest& request, Call* call, std::string* allowed);

  /// The grants of who may manage `room_id` ("" = some room).
  Result<Grants> Authorize(const HttpRequest& request, std::string_view room_id) const;
  /// Finds what the path names.
  Status FindNamed(const Route& route, Call* call) const;

  static Task<Result<Answer>> ListRooms(ManagementApi* self, Call call);
  static Task<Result<Answer>> CreateRoom(ManagementApi* self, Call call);
  static Task<Result<Answer>> GetRoom(ManagementApi* self, Call call);
  static Task<Result<Answer>> ChangeRoom(ManagementApi* self, Call call);
  static Task<Result<Answer>> CloseRoom(ManagementApi* self, Call call);
  static Task<Result<Answer>> GetRoomStats(ManagementApi* self, Call call);
  static Task<Result<Answer>> ListPeers(ManagementApi* self, Call call);
  static Task<Result<Answer>> ListBroadcasters(ManagementApi* self, Call call);
  static Task<Result<Answer>> GetMember(ManagementApi* self, Call call);
  static Task<Result<Answer>> GetMemberStats(ManagementApi* self, Call call);
  static Task<Result<Answer>> Kick(ManagementApi* self, Call call);
  static Task<Result<Answer>> Mute(ManagementApi* self, Call call);
  static Task<Result<Answer>> Unmute(ManagementApi* self, Call call);
  static Task<Result<Answer>> Move(ManagementApi* self, Call call);
  static Task<Result<Answer>> LetUp(ManagementApi* self, Call call);
  static Task<Result<Answer>> TakeDown(ManagementApi* self, Call call);
  static Task<Result<Answer>> SendData(ManagementApi* self, Call call);

  RoomRegistry* rooms_;
  RequestAuth auth_;
  Limits limits_;
  SourceRate rate_;
};

}  // namespace sluice::controller
