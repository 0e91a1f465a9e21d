#include "controller/ops/site.h"

#include <utility>

namespace sluice::controller {

Task<HttpResponse> Site::Respond(HttpRequest request) {
  if (health_.Answers(request)) {
    ++counters_.health;
    co_return co_await health_.Respond(std::move(request));
  }
  if (RestApi::Owns(request.path)) {
    ++counters_.rest;
    HttpResponse response = co_await rest_.Respond(std::move(request));
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
  UpgradeDecision decision = co_await protoo_.Upgrade(std::move(request));
  if (!decision.session) CountRefusal(decision.rejection);
  co_return decision;
}

void Site::CountRefusal(const HttpResponse& response) {
  if (response.status == 401 || response.status == 403) ++counters_.unauthorized;
  limits_.protoo.counters->Count(response.limit);
}

}  // namespace sluice::controller
