#include "controller/signalling/site.h"

#include <utility>

namespace sluice::controller {

Task<HttpResponse> Site::Respond(HttpRequest request) {
  if (RestApi::Owns(request.path)) co_return co_await rest_.Respond(std::move(request));
  const bool readable = request.method == "GET" || request.method == "HEAD";
  if (readable) {
    if (auto file = files_.Get(request)) co_return *std::move(file);
  }
  co_return CannotRespond(request);
}

Task<UpgradeDecision> Site::Upgrade(HttpRequest request) {
  return protoo_.Upgrade(std::move(request));
}

}  // namespace sluice::controller
