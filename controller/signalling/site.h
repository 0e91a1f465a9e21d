#pragma once

#include <string>
#include <utility>

#include "controller/http/http_types.h"
#include "controller/http/static_files.h"
#include "controller/signalling/protoo.h"
#include "controller/signalling/rest.h"

namespace sluice::controller {

/// What every listener serves: the REST API under /rooms, protoo on any WebSocket, else the web
/// app.
class Site : public HttpService {
 public:
  Site(const asio::any_io_executor& executor, RoomRegistry* rooms, std::string web_root,
       ProtooLimits protoo, TransportQuota::Limits transports = {})
      : rest_(rooms, transports),
        protoo_(executor, rooms, std::move(protoo)),
        files_(std::move(web_root)) {}

  Task<HttpResponse> Respond(HttpRequest request) override;
  Task<UpgradeDecision> Upgrade(HttpRequest request) override;

 private:
  RestApi rest_;
  ProtooGateway protoo_;
  StaticFiles files_;
};

}  // namespace sluice::controller
