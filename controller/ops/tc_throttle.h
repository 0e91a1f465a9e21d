#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "controller/ops/run_program.h"
#include "controller/signalling/network_throttle.h"

namespace sluice::controller {

/// NetworkThrottle by the kernel's traffic control (`tc`), which needs CAP_NET_ADMIN. What is sent
/// passes a queue on the interface itself; what is received is led through a second, virtual
/// interface (ifb) that has such a queue. Delay and loss need the queue "netem"; where the kernel
/// has none, rates alone are kept by "tbf".
///
/// What is ours is known by its names, a handle and that of the virtual interface, so that another
/// process after us finds it, too. A queue that somebody else has configured is never replaced.
class TcThrottle : public NetworkThrottle {
 public:
  /// `interface`: its name, for example "eth0".
  TcThrottle(std::string interface, ProgramRunner run)
      : interface_(std::move(interface)), run_(std::move(run)) {}

  /// UnsupportedError also where somebody else's queue is in the way.
  Task<Status> Apply(NetworkConditions conditions) override;
  /// Takes away what is ours, also what a process before this one has left behind.
  Task<Status> Reset() override;

 private:
  /// One direction.
  struct Way {
    uint32_t rate;   ///< kbit/s
    uint32_t delay;  ///< ms
    uint32_t loss;   ///< percent
    bool changes() const { return rate < NetworkConditions::kUnlimited || delay > 0 || loss > 0; }
  };
  /// What there is on the interface.
  struct Found {
    bool our_queue = false;
    bool our_inbound = false;     ///< packets are led through our virtual interface
    bool our_device = false;      ///< the virtual interface itself
    std::string foreign_queue;    ///< somebody else's, as "htb 1:"; "" = none
    std::string foreign_inbound;  ///< likewise on what is received
    bool ours() const { return our_queue || our_inbound || our_device; }
  };
  Task<Result<Found>> Look();
  static Way WayOut(const NetworkConditions& conditions);
  static Way WayIn(const NetworkConditions& conditions);
  Task<Status> ApplyAll(NetworkConditions conditions);
  /// Takes away what is ours.
  Task<void> Clear(Found found);
  Task<Status> Shape(std::string interface, Way way);
  Task<Status> LeadIn();
  Task<Status> Run(std::vector<std::string> command);

  std::string interface_;
  ProgramRunner run_;
  bool busy_ = false;
};

/// The interface of the default route, by the text of /proc/net/route; "lo" where there is none.
std::string DefaultInterface(const std::string& routes);

}  // namespace sluice::controller
