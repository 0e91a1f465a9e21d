#pragma once

#include <boost/json/object.hpp>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "controller/http/http_types.h"
#include "controller/room/room_registry.h"
#include "controller/signalling/request_auth.h"
#include "controller/signalling/source_budget.h"
#include "controller/signalling/transport_quota.h"

namespace sluice::controller {

/// The REST broadcaster API (docs/protocols/room-api.md): nine routes under /rooms, each one call
/// of a room operation. Stateless: everything lives in the rooms.
class RestApi {
 public:
  explicit RestApi(RoomRegistry* rooms, RequestAuth auth = {}, TransportQuota::Limits limits = {},
                   std::shared_ptr<SourceBudget> budget = std::make_shared<SourceBudget>())
      : rooms_(rooms), auth_(std::move(auth)), quota_(limits), budget_(std::move(budget)) {}

  /// True when the path is one of ours (whatever the method).
  static bool Owns(std::string_view path);

  Task<HttpResponse> Respond(HttpRequest request);

  const TransportQuota& quota() const { return quota_; }

 private:
  struct Call;

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
  Task<HttpResponse> Produce(Call call);
  Task<HttpResponse> Consume(Call call);
  HttpResponse ConsumeData(const Call& call);
  HttpResponse ProduceData(const Call& call);

  RoomRegistry* rooms_;
  RequestAuth auth_;
  TransportQuota quota_;
  std::shared_ptr<SourceBudget> budget_;
};

/// Whether the same request may succeed soon: no worker runs, or it has too much to do.
bool IsTemporary(const Status& status);
/// What an answer 503 tells the client to wait.
inline constexpr const char* kRetryAfterSeconds = "2";
/// An error as the API shows it: 400 for a TypeError, 403 for what is somebody else's to do, 503
/// when it is temporary, 500 otherwise; the
/// message as the reason phrase, "<Class>: <message>" as the body.
HttpResponse ErrorResponse(const Status& status);

}  // namespace sluice::controller
