#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "controller/http/http_types.h"
#include "controller/http/static_files.h"
#include "controller/ops/health.h"
#include "controller/signalling/protoo.h"
#include "controller/signalling/request_auth.h"
#include "controller/signalling/rest.h"

namespace sluice::controller {

/// What every listener serves: the pages for supervision (HealthPages), the REST API under /rooms,
/// protoo on any WebSocket, else the web app.
class Site : public HttpService {
 public:
  /// Requests by what they were for.
  struct Counters {
    uint64_t health = 0;
    uint64_t rest = 0;
    uint64_t page = 0;
    uint64_t unknown = 0;       ///< for nothing that there is
    uint64_t websocket = 0;     ///< handshakes
    uint64_t unauthorized = 0;  ///< of all of them, answered 401 or 403
  };
  struct Limits {
    RestApi::Limits rest = {};
    ProtooLimits protoo = {};
  };

  Site(const asio::any_io_executor& executor, RoomRegistry* rooms, std::string web_root,
       Limits limits, const RequestAuth& auth, HealthPages health)
      : health_(std::move(health)),
        limits_(std::move(limits)),
        rest_(rooms, auth, limits_.rest),
        protoo_(executor, rooms, limits_.protoo, auth),
        files_(std::move(web_root)) {}

  Task<HttpResponse> Respond(HttpRequest request) override;
  Task<UpgradeDecision> Upgrade(HttpRequest request) override;

  const Counters& counters() const { return counters_; }
  const TransportQuota& quota() const { return *limits_.rest.quota; }
  /// What was refused by limits of rooms, requests and their fields.
  const LimitCounters& limits() const { return *limits_.protoo.counters; }
  uint64_t flooders() const { return *limits_.protoo.flooders; }
  /// What all clients of one address may do together, by REST and protoo.
  const SourceBudget& budget() const { return *limits_.protoo.budget; }

 private:
  void CountRefusal(const HttpResponse& response);

  HealthPages health_;
  Limits limits_;
  RestApi rest_;
  ProtooGateway protoo_;
  StaticFiles files_;
  Counters counters_;
};

}  // namespace sluice::controller
