#include "controller/http/cors.h"

namespace sluice::controller {

void Cors::AddTo(HttpResponse* response) const {
  auto& headers = response->headers;
  headers.emplace_back("Vary", "Origin");
  if (origin_.empty()) return;
  headers.emplace_back("Access-Control-Allow-Origin", origin_);
  headers.emplace_back("Access-Control-Expose-Headers", "Allow, Retry-After, WWW-Authenticate");
  if (!asks_first_) return;
  headers.emplace_back("Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, PATCH, DELETE");
  headers.emplace_back("Access-Control-Allow-Headers",
                       "Content-Type, Authorization, X-Broadcaster-Secret");
  headers.emplace_back("Access-Control-Max-Age", "600");
}

}  // namespace sluice::controller
