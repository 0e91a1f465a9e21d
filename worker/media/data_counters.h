#pragma once

#include <cstdint>

namespace sluice::worker {

/// What data channels have carried and refused.
struct DataCounters {
  uint64_t messages_received = 0;
  uint64_t bytes_received = 0;  ///< of messages
  uint64_t messages_sent = 0;   ///< to each consumer
  uint64_t bytes_sent = 0;
  // Messages that came and went nowhere.
  uint64_t no_producer = 0;  ///< of a stream without a data producer
  uint64_t dcep = 0;         ///< DCEP, where the application negotiates channels itself
  uint64_t oversized = 0;    ///< over maxReceiveMessageSize
  /// Requests by DCEP to open a channel that were refused, and messages of DCEP that mean nothing.
  uint64_t dcep_refused = 0;
  // Messages that a consumer did not send.
  uint64_t not_subscribed = 0;
  uint64_t too_large = 0;
  uint64_t send_buffer_full = 0;
  uint64_t not_open = 0;
  uint64_t expired = 0;
  uint64_t no_such_stream = 0;  ///< that the peer's association does not have
};

/// SCTP below it.
struct SctpCounters {
  uint64_t packets_received = 0;
  uint64_t packets_sent = 0;
  uint64_t restarts = 0;
  uint64_t dropped_outputs = 0;
  // Packets refused before the stack saw them (SctpRefusals).
  uint64_t malformed = 0;
  uint64_t bad_checksum = 0;
  uint64_t wrong_port = 0;
  uint64_t wrong_tag = 0;
  uint64_t unexpected_init = 0;
  uint64_t extensions = 0;
  uint64_t too_many_resets = 0;
  uint64_t too_many_streams = 0;
  uint64_t too_many_fragments = 0;
};

}  // namespace sluice::worker
