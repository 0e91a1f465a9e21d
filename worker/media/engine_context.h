#pragma once

#include <memory>

#include "worker/core/dtls/dtls_session.h"
#include "worker/core/environment.h"
#include "worker/core/packet_buffer.h"
#include "worker/core/sctp/sctp_association.h"
#include "worker/core/srtp/srtp_session.h"
#include "worker/media/engine_counters.h"
#include "worker/media/engine_events.h"
#include "worker/media/engine_limits.h"
#include "worker/media/engine_settings.h"
#include "worker/media/forwarding_delay.h"
#include "worker/media/line_limit.h"
#include "worker/media/object_table.h"
#include "worker/media/pacing_clock.h"
#include "worker/media/socket_factory.h"
#include "worker/media/turn_queue.h"

namespace sluice::worker {

/// What every object of the graph shares: the outside world, the id table and the turn's queue. One
/// per engine; outlives the objects.
struct EngineContext {
  Environment& environment;
  SocketFactory& sockets;
  PacketBufferPool& buffers;
  SrtpEngine& srtp;
  std::shared_ptr<DtlsContext> dtls;
  EngineEvents& events;
  const EngineLimits limits;
  const EngineSettings settings;
  ObjectTable objects;
  TurnQueue turn;
  /// What objects counted that have closed since.
  EngineCounters closed;
  ForwardingDelay delay;
  /// Lines about receivers to which media stops: who receives can cause them.
  LineLimit receiver_lines;
  /// Lines about messages that were dropped: peers can cause them.
  struct DataLines {
    LineLimit stray;    ///< of no data producer
    LineLimit untaken;  ///< for streams that the peer does not take
    LineLimit unread;   ///< for a controller that does not read
  };
  DataLines data_lines;
  /// Null until a transport needs it.
  std::unique_ptr<SctpStack> sctp;
  /// Of what waits to be sent, and of estimation; null until a transport needs them.
  std::unique_ptr<PacingClock> pacing = nullptr;
  std::unique_ptr<PacingClock> estimation = nullptr;
  /// Lines about packets from elsewhere: strangers can cause them.
  LineLimit refusal_lines = {};
};

}  // namespace sluice::worker
