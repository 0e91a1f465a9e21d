#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "controller/base/task.h"
#include "controller/http/client_address.h"
#include "controller/http/http_types.h"
#include "controller/ops/metrics.h"

namespace sluice::controller {

/// What a supervisor and a monitoring system ask:
///   GET /healthz   200 "ok" as long as the program answers at all
///   GET /readyz    200 "ready" when rooms can be served, else 503 with the reason
///   GET /metrics   counters as Prometheus text
/// All three are for the machine itself: they are answered on the plain listener to loopback
/// addresses, elsewhere only when `anywhere` (option metricsAnywhere) says so; otherwise they are
/// 404 like any path that is not there.
class HealthPages {
 public:
  struct Sources {
    /// "" when ready, else what is missing.
    std::function<std::string()> not_ready;
    /// Adds everything that there is to tell.
    std::function<Task<void>(MetricsPage*)> collect;
  };

  HealthPages(Sources sources, bool anywhere) : sources_(std::move(sources)), anywhere_(anywhere) {}

  /// Whether the request is one of the three, and its sender may ask.
  bool Answers(const HttpRequest& request) const;
  Task<HttpResponse> Respond(HttpRequest request) const;

 private:
  Sources sources_;
  bool anywhere_;
};

}  // namespace sluice::controller
