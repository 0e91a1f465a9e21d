#pragma once

#include <cstdint>
#include <string>

#include "controller/base/task.h"
#include "controller/http/http_types.h"

namespace sluice::controller {

/// Tells whether an address leads to this very process: it asks there for a path that nobody else
/// knows.
class SelfProbe {
 public:
  SelfProbe();

  /// Whether the request is a probe of ours: to be answered with Answer().
  bool Owns(const HttpRequest& request) const { return request.path == path_; }
  static HttpResponse Answer();

  /// Whether who goes to `host` (a name or an address) and `port` comes to this process: an address
  /// of the name answers within two seconds, as this process, and none as another does. Whose
  /// certificate it is does not matter.
  Task<bool> Reaches(std::string host, uint16_t port, bool tls) const;

 private:
  std::string path_;
};

}  // namespace sluice::controller
