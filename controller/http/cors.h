#pragma once

#include <string>

#include "controller/http/http_types.h"

namespace sluice::controller {

/// What a browser is told of who may use an answer (CORS, as the Fetch standard has it): pages of
/// those origins that the option allowedOrigins names, and of any where a token is needed. Nothing
/// is said to others.
class Cors {
 public:
  /// Keeps what it needs of the request, which is then moved on.
  explicit Cors(const HttpRequest& request)
      : origin_(request.origin_allowed ? request.origin : ""),
        asks_first_(request.method == "OPTIONS") {}

  void AddTo(HttpResponse* response) const;

 private:
  std::string origin_;  ///< "" = no page of another origin asks, or it may not
  bool asks_first_;     ///< a preflight
};

}  // namespace sluice::controller
