#pragma once

#include <boost/json/object.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "controller/base/source_rate.h"
#include "controller/http/http_types.h"
#include "controller/room/room_registry.h"
#include "controller/signalling/api_error.h"
#include "controller/signalling/fields.h"
#include "controller/signalling/request_auth.h"
#include "controller/signalling/source_budget.h"
#include "controller/signalling/transport_quota.h"

namespace sluice::controller {

/// The REST broadcaster API (docs/protocols/room-api.md): nine routes under /rooms, each one call
/// of a room operation. Stateless: everything lives in the rooms.
class RestApi {
 public:
  struct Limits {
    FieldLimits fields = {};
    /// Requests of one source; a script that sets up a broadcast makes some six, a server that does
    /// it for others some hundreds at once.
    uint32_t requests_per_second = 200;
    uint32_t request_burst = 1'000;
    std::function<SourceRate::TimePoint()> now = std::chrono::steady_clock::now;
    std::shared_ptr<TransportQuota> quota =
        std::make_shared<TransportQuota>(TransportQuota::Limits{});
    std::shared_ptr<SourceBudget> budget = std::make_shared<SourceBudget>();
  };

  explicit RestApi(RoomRegistry* rooms) : RestApi(rooms, RequestAuth()) {}
  RestApi(RoomRegistry* rooms, RequestAuth auth) : RestApi(rooms, std::move(auth), Limits()) {}
  RestApi(RoomRegistry* rooms, RequestAuth auth, Limits limits)
      : rooms_(rooms),
        auth_(std::move(auth)),
        limits_(std::move(limits)),
        rate_(limits_.requests_per_second, limits_.request_burst) {}

  /// True when the path is one of ours (whatever the method).
  static bool Owns(std::string_view path);

  Task<HttpResponse> Respond(HttpRequest request);

 private:
  struct Call;

  /// The answer to a source that asks too often.
  HttpResponse TooManyRequests() const;
  /// Refuses what the grants do not cover, and what belongs to somebody else.
  static std::optional<HttpResponse> Refuse(const Call& call);
  Task<HttpResponse> Dispatch(Call call);
  Task<HttpResponse> DispatchTransport(Call call);
  /// The answer to a source of whom everybody in a room is told too often.
  HttpResponse TooManyAnnouncements() const;
  HttpResponse CreateBroadcaster(const Call& call);
  Task<HttpResponse> DeleteBroadcaster(Call call);
  Task<HttpResponse> CreateTransport(Call call);
  Task<HttpResponse> Connect(Call call);
  Task<HttpResponse> ConnectPlain(Call call);
  Task<HttpResponse> Produce(Call call);
  Task<HttpResponse> Consume(Call call);
  Task<HttpResponse> ConsumeData(Call call);
  Task<HttpResponse> ProduceData(Call call);

  RoomRegistry* rooms_;
  RequestAuth auth_;
  Limits limits_;
  SourceRate rate_;
};

/// ApiError() with the message as the reason phrase, too: programs that were written for other
/// servers of this API show that.
HttpResponse ErrorResponse(const Status& status);

}  // namespace sluice::controller
