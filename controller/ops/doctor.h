#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common/socket_address.h"
#include "common/status.h"
#include "controller/ops/config.h"
#include "controller/ops/port_owner.h"

namespace sluice::controller {

/// One line of `sluice doctor`.
struct Finding {
  enum class Grade : uint8_t {
    kGood,
    kNote,  ///< the server runs, but somebody may miss something
    kBad,   ///< it does not start, or does not serve as it shall
  };
  Grade grade = Grade::kGood;
  std::string subject;
  std::string text;  ///< what there is and, unless that is good, how to mend it
};

/// What the doctor asks the machine. All of these have to be there.
struct PatientHost {
  /// Whether a socket can have the address and port now: 0 or an errno.
  std::function<int(TransportProtocol protocol, const std::string& ip, uint16_t port)> try_port;
  std::function<std::optional<PortOwner>(TransportProtocol protocol, uint16_t port)> port_owner;
  /// Addresses of this machine.
  std::function<std::vector<std::string>()> addresses;
  /// The addresses of a host name; none when it is not known.
  std::function<std::vector<std::string>(const std::string& name)> resolve;
  /// AskWorkerVersion().
  std::function<Result<std::string>(const std::string& binary)> worker_version;
  /// Buffer of a UDP socket that is asked for kUdpBuffer: what it gets, in bytes.
  std::function<size_t()> udp_send_buffer;
  std::function<size_t()> udp_receive_buffer;
  size_t descriptors = 0;  ///< the limit that holds (RLIMIT_NOFILE)
  int64_t now = 0;         ///< seconds since 1970
};

/// Bytes that each media worker asks for its UDP sockets, as long as its option --udpSendBuffer or
/// --udpReceiveBuffer says nothing else.
constexpr size_t kUdpBuffer = 4 * 1024 * 1024;

/// Looks at all that the server needs from the machine it would run on with that configuration.
/// Changes nothing there.
std::vector<Finding> Examine(const Config& config, const PatientHost& host);

/// A line for each, and one that sums up; in colours of a terminal where it is one.
std::string RenderFindings(const std::vector<Finding>& findings, bool coloured);

}  // namespace sluice::controller
