#pragma once

#include <optional>
#include <string>
#include <utility>

#include "controller/ops/config_defaults.h"

namespace sluice::controller {

/// Tells a service manager how this program is: a datagram to the socket that NOTIFY_SOCKET names,
/// as sd_notify(3) has it. Without the variable it tells nobody. Never blocks; what is not taken at
/// once is lost.
class ServiceNotifier {
 public:
  /// `socket`: the path of a socket in the file system, or "@" and a name outside of it.
  explicit ServiceNotifier(std::optional<std::string> socket) : socket_(std::move(socket)) {}
  /// By the variable, which it takes out of this process's environment: it is nothing for others.
  static ServiceNotifier FromEnvironment(const HostFacts& host);

  /// Assignments, each in a line: "READY=1", "STATUS=…". False when nobody took it.
  bool Tell(const std::string& state) const;

 private:
  std::optional<std::string> socket_;
};

}  // namespace sluice::controller
