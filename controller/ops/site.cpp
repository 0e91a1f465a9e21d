#include "controller/ops/site.h"

#include <utility>

#include "controller/http/cors.h"
#include "controller/signalling/openapi.h"

namespace sluice::controller {

GstGateway::Settings Site::MakeGst(const Limits& limits) {
  GstGateway::Settings settings;
  settings.default_room = limits.gst_room;
  settings.plain = limits.gst_plain;
  static_cast<DoorLimits&>(settings.limits) = DoorLimitsOf(limits);
  settings.limits.max_meta = limits.protoo.fields.device;
  settings.limits.connect_within = limits.doors.connect_within;
  settings.limits.control_per_second = limits.gst_control_per_second;
  settings.limits.max_sessions = limits.gst_sessions;
  return settings;
}

Task<HttpResponse> Site::Respond(HttpRequest request) {
  const bool authenticated = auth_.Proves(request);
  HttpResponse response = co_await Answer(std::move(request));
  response.authenticated = authenticated;
  co_return response;
}

Task<HttpResponse> Site::Answer(HttpRequest request) {
  if (request.door == Door::kGstreamer) {
    ++counters_.unknown;
    co_return GstGateway::Respond();
  }
  if (self_probe_.Owns(request)) co_return SelfProbe::Answer();
  if (health_.Answers(request)) {
    ++counters_.health;
    co_return co_await health_.Respond(std::move(request));
  }
  if (ApiDescription::Owns(request.path)) {
    ++counters_.management;
    co_return ApiDescription::Respond(request);
  }
  const Cors cors(request);
  if (ManagementApi::Owns(request.path)) {
    ++counters_.management;
    HttpResponse response = co_await management_.Respond(std::move(request));
    // Without a secret it is for programs of this machine, whatever page its browser shows.
    if (auth_.enabled()) cors.AddTo(&response);
    CountRefusal(response);
    co_return response;
  }
  if (RestApi::Owns(request.path)) {
    ++counters_.rest;
    HttpResponse response = co_await rest_.Respond(std::move(request));
    cors.AddTo(&response);
    CountRefusal(response);
    co_return response;
  }
  if (WhipApi::Owns(request.path)) {
    ++counters_.whip;
    HttpResponse response = co_await whip_.Respond(std::move(request));
    CountRefusal(response);
    co_return response;
  }
  const bool readable = request.method == "GET" || request.method == "HEAD";
  if (readable) {
    if (auto file = files_.Get(request)) {
      ++counters_.page;
      co_return *std::move(file);
    }
  }
  ++counters_.unknown;
  co_return CannotRespond(request);
}

Task<UpgradeDecision> Site::Upgrade(HttpRequest request) {
  ++counters_.websocket;
  const bool speaks_sdp = SdpGateway::Owns(request.path);
  const bool has_data = DataGateway::Owns(request.path);
  UpgradeDecision decision;
  if (request.door == Door::kGstreamer) {
    decision = co_await gst_.Upgrade(std::move(request));
  } else if (speaks_sdp) {
    decision = co_await sdp_.Upgrade(std::move(request));
  } else if (has_data) {
    decision = co_await data_.Upgrade(std::move(request));
  } else {
    decision = co_await protoo_.Upgrade(std::move(request));
  }
  if (!decision.session) CountRefusal(decision.rejection);
  co_return decision;
}

SdpLimits Site::SdpLimitsOf(const Limits& limits) {
  const ProtooLimits& protoo = limits.protoo;
  return {protoo.quota,
          protoo.budget,
          protoo.counters,
          protoo.fields.display_name,
          protoo.fields.rtp_parameters,
          limits.doors};
}

DoorLimits Site::DoorLimitsOf(const Limits& limits) {
  const ProtooLimits& protoo = limits.protoo;
  return {SdpLimitsOf(limits), protoo.requests_per_second, protoo.now, protoo.flooders};
}

void Site::CountRefusal(const HttpResponse& response) {
  if (response.status == 401 || response.status == 403) ++counters_.unauthorized;
  limits_.protoo.counters->Count(response.limit);
}

}  // namespace sluice::controller
