#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "common/log.h"
#include "common/status.h"
#include "worker/channel/json/json_settings.h"
#include "worker/core/srtp/srtp_session.h"
#include "worker/io/port_allocator.h"
#include "worker/io/send_strategy.h"
#include "worker/io/tcp_census.h"
#include "worker/io/udp_backlog.h"
#include "worker/media/engine_limits.h"
#include "worker/media/engine_settings.h"

namespace sluice::worker {

/// The command line of sluice-worker (docs/protocols/router-protocol.md §1, and options of our
/// own).
struct WorkerOptions {
  LogLevel log_level = LogLevel::kError;
  uint16_t log_tags = 0;  ///< LogTag bits
  PortRange rtc_ports{10'000, 59'999};
  PortAllocator::UdpBuffers udp_buffers;
  // What strangers may make us hold (docs/limits.md).
  EngineLimits limits;
  TcpLimits tcp_limits;
  size_t max_send_backlog = BacklogBudget().max_bytes;
  EngineSettings engine{.replay_groups = true};
  std::string dtls_certificate_file;  ///< both files or neither
  std::string dtls_private_key_file;
  /// Accepted and checked, without effect.
  std::string field_trials = "WebRTC-Bwe-AlrLimitedBackoff/Enabled/";
  SendStrategy::Kind writer = SendStrategy::Kind::kAuto;
  SrtpEngine::Kind srtp_engine = SrtpEngine::Kind::kAuto;
  bool help = false;
  bool version = false;
  // The JSON protocol (docs/json-protocol.md §3); unset: the router protocol.
  std::optional<json_protocol::JsonSettings> room;
  int json_channel_fd = -1;
};

enum class WorkerProtocol : uint8_t { kRouter, kJson };

/// What tells how this process was started.
struct StartSigns {
  const char* channel_fd = nullptr;  ///< the variable MEDIASOUP_CHANNEL_FD
  bool has_router_fds = false;       ///< 3 and 4 are both open
};
/// Which protocol this process is to speak: --protocol, or with `auto` what the way it was started
/// tells (the JSON protocol's library names the channel in MEDIASOUP_CHANNEL_FD and gives a worker
/// id first; the router protocol's opens 3 and 4). TypeError for another name.
Result<WorkerProtocol> ChooseProtocol(std::span<const char* const> arguments,
                                      const StartSigns& signs);

/// Reads the arguments after the program's name. `--name=value` and `--name value`; `--logTag` may
/// be repeated; arguments that are no options are ignored. An error is one line that names the
/// option, its value and what would be right.
Result<WorkerOptions> ParseWorkerOptions(std::span<const char* const> arguments);

/// What --help prints.
std::string WorkerHelp();

}  // namespace sluice::worker
