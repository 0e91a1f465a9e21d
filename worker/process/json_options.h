#pragma once

#include <span>
#include <string>
#include <string_view>

#include "common/status.h"
#include "worker/process/options.h"

namespace sluice::worker {

/// What room options need to know of the host.
class HostAddresses {
 public:
  virtual ~HostAddresses() = default;
  /// Addresses that are not internal, in the system's order.
  virtual std::vector<IpAddress> External() const = 0;
  /// Whether a UDP socket can be bound to it.
  virtual Status CheckBindable(const IpAddress& ip) const = 0;
};
/// The host that we run on.
const HostAddresses& ThisHost();

/// Reads the arguments of the JSON protocol (docs/json-protocol.md §3): the worker id, then options
/// as `--name=value`, `--name value` or with one dash. An error is one line that names the option,
/// its value and what would be right.
Result<WorkerOptions> ParseRoomOptions(std::span<const char* const> arguments,
                                       const HostAddresses& host);

/// The worker id: the first argument that is no option; "" when there is none.
std::string_view JsonWorkerId(std::span<const char* const> arguments);

/// The descriptor that MEDIASOUP_CHANNEL_FD names. TypeError: it is not set, or no number.
Result<int> ParseChannelFd(const char* value);

/// The part of --help that is about these options.
std::string JsonOptionsHelp();

}  // namespace sluice::worker
