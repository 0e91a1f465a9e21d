#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "controller/http/http_types.h"
#include "controller/http/static_files.h"
#include "controller/ops/health.h"
#include "controller/ops/self_probe.h"
#include "controller/signalling/data_gateway.h"
#include "controller/signalling/gst_gateway.h"
#include "controller/signalling/ice_servers.h"
#include "controller/signalling/management_api.h"
#include "controller/signalling/protoo.h"
#include "controller/signalling/request_auth.h"
#include "controller/signalling/rest.h"
#include "controller/signalling/sdp_gateway.h"
#include "controller/signalling/whip_api.h"

namespace sluice::controller {

/// What the listeners serve. The one of GStreamer's door its signalling, the others the pages for
/// supervision (HealthPages), the management API under /api/v1, the REST API under /rooms, WHIP and
/// WHEP, SDP on the WebSocket /sdp, data channels on the WebSocket /datachannel, protoo on any
/// other, else the web app.
class Site : public HttpService {
 public:
  /// Requests by what they were for.
  struct Counters {
    uint64_t health = 0;
    uint64_t management = 0;
    uint64_t rest = 0;
    uint64_t whip = 0;  ///< WHEP as well
    uint64_t page = 0;
    uint64_t unknown = 0;       ///< for nothing that there is
    uint64_t websocket = 0;     ///< handshakes
    uint64_t unauthorized = 0;  ///< of all of them, answered 401 or 403
  };
  struct Limits {
    RestApi::Limits rest = {};
    ProtooLimits protoo = {};
    std::vector<std::string> ice_servers = {};  ///< each as ParseIceServer reads it
    bool whep_counter_offers = false;
    DoorSizes doors = {};
    uint32_t gst_control_per_second = GstLimits().control_per_second;
    size_t gst_sessions = GstLimits().max_sessions;
    std::string gst_room = "gst";
    GstPlain gst_plain = GstPlain::kLocal;
  };

  Site(const asio::any_io_executor& executor, RoomRegistry* rooms, std::string web_root,
       Limits limits, const RequestAuth& auth, HealthPages health)
      : auth_(auth),
        health_(std::move(health)),
        limits_(std::move(limits)),
        management_(
            rooms, auth,
            {limits_.rest.requests_per_second, limits_.rest.request_burst, limits_.rest.now}),
        rest_(rooms, auth, limits_.rest),
        whip_(rooms, auth,
              {SdpLimitsOf(limits_), limits_.rest.requests_per_second, limits_.rest.request_burst,
               limits_.rest.now, IceServerLinks(limits_.ice_servers), limits_.whep_counter_offers}),
        sdp_(rooms, auth, DoorLimitsOf(limits_)),
        data_(rooms, auth, DoorLimitsOf(limits_)),
        gst_(rooms, auth, MakeGst(limits_)),
        protoo_(executor, rooms, limits_.protoo, auth),
        files_(std::move(web_root)) {}

  Task<HttpResponse> Respond(HttpRequest request) override;
  Task<UpgradeDecision> Upgrade(HttpRequest request) override;

  /// With which this process finds out by which addresses it is reached.
  const SelfProbe& self_probe() const { return self_probe_; }
  const Counters& counters() const { return counters_; }
  /// Sessions of WHIP and WHEP that are open.
  size_t whip_sessions() const { return whip_.sessions(); }
  const DataDoorCounters& data_counters() const { return data_.counters(); }
  const GstCounters& gst() const { return gst_.counters(); }
  const TransportQuota& quota() const { return *limits_.rest.quota; }
  /// What was refused by limits of rooms, requests and their fields.
  const LimitCounters& limits() const { return *limits_.protoo.counters; }
  uint64_t flooders() const { return *limits_.protoo.flooders; }
  /// What all clients of one address may do together, by REST and protoo.
  const SourceBudget& budget() const { return *limits_.protoo.budget; }

 private:
  Task<HttpResponse> Answer(HttpRequest request);
  static GstGateway::Settings MakeGst(const Limits& limits);
  static SdpLimits SdpLimitsOf(const Limits& limits);
  static DoorLimits DoorLimitsOf(const Limits& limits);
  void CountRefusal(const HttpResponse& response);

  RequestAuth auth_;
  SelfProbe self_probe_;
  HealthPages health_;
  Limits limits_;
  ManagementApi management_;
  RestApi rest_;
  WhipApi whip_;
  SdpGateway sdp_;
  DataGateway data_;
  GstGateway gst_;
  ProtooGateway protoo_;
  StaticFiles files_;
  Counters counters_;
};

}  // namespace sluice::controller
