#include "controller/ops/health.h"

#include <utility>

namespace sluice::controller {

namespace {

constexpr std::string_view kHealth = "/healthz";
constexpr std::string_view kReady = "/readyz";
constexpr std::string_view kMetrics = "/metrics";

HttpResponse Plain(int status, std::string text) {
  HttpResponse response;
  response.status = status;
  response.content_type = "text/plain; charset=utf-8";
  response.body = std::move(text) + "\n";
  response.headers.emplace_back("Cache-Control", "no-store");
  return response;
}

}  // namespace

bool HealthPages::Answers(const HttpRequest& request) const {
  if (request.method != "GET" && request.method != "HEAD") return false;
  if (request.path != kHealth && request.path != kReady && request.path != kMetrics) return false;
  return anywhere_ || (!request.secure && IsLoopback(request.client_ip));
}

Task<HttpResponse> HealthPages::Respond(HttpRequest request) const {
  if (request.path == kHealth) co_return Plain(200, "ok");
  if (request.path == kReady) {
    const std::string missing = sources_.not_ready();
    if (missing.empty()) co_return Plain(200, "ready");
    HttpResponse response = Plain(503, missing);
    response.headers.emplace_back("Retry-After", "1");
    co_return response;
  }
  MetricsPage page;
  co_await sources_.collect(&page);
  HttpResponse response = Plain(200, "");
  response.content_type = std::string(MetricsPage::kContentType);
  response.body = page.Render();
  co_return response;
}

}  // namespace sluice::controller
