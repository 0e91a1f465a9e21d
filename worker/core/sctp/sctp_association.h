#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <variant>
#include <vector>

#include "common/status.h"
#include "worker/core/environment.h"
#include "worker/core/sctp/sctp_validator.h"

namespace sluice::worker {

/// The values are the wire enums of the router protocol (FBS.SctpAssociation).
enum class SctpState : uint8_t {
  kNew = 0,
  kConnecting = 1,
  kConnected = 2,
  kFailed = 3,  ///< ended before it was connected
  kClosed = 4
};

struct SctpOptions {
  /// Bytes of an SCTP packet; a multiple of 4. Nothing is ever sent that is larger, and no search
  /// for a larger one takes place.
  size_t path_mtu = 1188;
  /// Nobody but the peer can send here (DTLS).
  bool authenticated_path = true;
  /// Bytes of one message; a larger one is dropped while it arrives.
  size_t max_receive_message_size = 262'144;
  /// Bytes that wait to be sent; Send() refuses when so many wait already.
  size_t send_buffer_size = 2'000'000;
  size_t per_stream_send_limit = 2'000'000;  ///< likewise, of one stream
  /// Bytes that the peer may have under way and in messages of which a part is missing.
  size_t receive_window = 5'242'880;
  uint32_t buffered_amount_low_threshold = 1024;  ///< bytes; of a stream until it is set
};

/// What may become of a message on its way (RFC 3758, RFC 7496).
struct SctpReliability {
  bool ordered = true;
  std::optional<uint16_t> max_retransmits;  ///< absent: as often as it takes
  std::optional<uint16_t> max_life_time;    ///< ms since Send(); absent: for ever
};

/// Bytes of a message, shared by all that send it.
using SctpPayload = std::shared_ptr<const std::vector<uint8_t>>;

struct SctpOutgoing {
  uint16_t stream = 0;
  uint32_t ppid = 0;
  std::vector<uint8_t> prefix;  ///< goes before the payload, in the same message
  SctpPayload payload;          ///< at least one byte
  SctpReliability reliability;
};

enum class SctpSendResult : uint8_t { kQueued, kBufferFull, kClosed };

struct SctpStreamCounts {
  uint16_t outbound = 0;
  uint16_t inbound = 0;
};

/// Counters of one association.
struct SctpStats {
  SctpRefusals refusals;
  uint64_t packets_received = 0;  ///< those refused included
  uint64_t packets_sent = 0;
  uint64_t messages_received = 0;
  uint64_t messages_sent = 0;        ///< handed to the stack whole
  uint64_t messages_expired = 0;     ///< their life time was over before they were
  uint64_t messages_oversized = 0;   ///< received, over max_receive_message_size
  uint64_t messages_unsendable = 0;  ///< of a stream that the peer does not have
  uint64_t send_buffer_full = 0;     ///< refusals of Send()
  uint64_t streams_refused = 0;      ///< packets of more streams than there is room for
  uint64_t fragments_refused = 0;    ///< packets of more fragments than there is room for
  uint64_t restarts = 0;             ///< the peer began anew: closed
  uint64_t dropped_outputs = 0;      ///< the owner did not drain the association
};

// What an association wants done; see SctpAssociation::TakeOutput().

/// To be sent to the peer, at most SctpOptions::path_mtu bytes.
struct SctpPacket {
  std::vector<uint8_t> bytes;
};
struct SctpStateChange {
  SctpState state;
};
/// Comes before the state change to kConnected.
struct SctpNegotiated {
  SctpStreamCounts streams;
};
struct SctpReceived {
  uint16_t stream = 0;
  uint32_t ppid = 0;
  std::vector<uint8_t> bytes;
};
/// The peer has closed these streams towards us (empty: all of them); nothing more comes of what
/// was before.
struct SctpStreamsReset {
  std::vector<uint16_t> streams;
};
/// What waits on a stream fell to its threshold, from above.
struct SctpBufferedAmountLow {
  uint16_t stream = 0;
  size_t bytes = 0;
};
using SctpOutput = std::variant<SctpPacket, SctpStateChange, SctpNegotiated, SctpReceived,
                                SctpStreamsReset, SctpBufferedAmountLow>;

/// One SCTP association (RFC 9260) as data channels use it (RFC 8831): partial reliability (RFC
/// 3758), resets of streams (RFC 6525), one path, ports 5000.
///
/// Owned by a DataCore, which drains TakeOutput() after every call into it and whenever the hook
/// given at its making is called. Both ends may begin at once.
class SctpAssociation {
 public:
  /// Streams each way that can be in use at a time, whatever their numbers.
  static constexpr uint16_t kMaxStreamsInUse = 1024;

  virtual ~SctpAssociation() = default;

  /// What is to be done, in this order; nullopt when there is nothing more.
  virtual std::optional<SctpOutput> TakeOutput() = 0;

  /// Sends an INIT; nothing when it was started before.
  virtual void Start() = 0;
  /// A packet of the peer; starts the association if need be. Any bytes.
  virtual void OnPacket(std::span<const uint8_t> packet) = 0;
  /// Takes a message of at least one byte; before the association is connected it waits.
  virtual SctpSendResult Send(SctpOutgoing message) = 0;
  /// Closes the stream towards the peer once what was sent on it before has been. Messages sent
  /// afterwards wait until the peer has agreed.
  virtual void ResetStream(uint16_t stream) = 0;
  /// Ends it; the peer is told by an ABORT. No state change comes.
  virtual void Close() = 0;

  virtual SctpState state() const = 0;
  /// Zeros until it is connected.
  virtual SctpStreamCounts streams() const = 0;
  /// Bytes of messages of this stream that wait.
  virtual size_t BufferedAmount(uint16_t stream) const = 0;
  /// Bytes. SctpBufferedAmountLow comes if this lifts the threshold over what waits.
  virtual void SetBufferedAmountLowThreshold(uint16_t stream, uint32_t bytes) = 0;
  /// What is kept of a stream that has nothing to send any more: its threshold.
  virtual void ForgetStream(uint16_t stream) = 0;
  virtual SctpStats stats() const = 0;
};

/// Makes associations; one per engine. Outlives them.
class SctpStack {
 public:
  /// Error when the stack below cannot be given our clock and random numbers.
  static Result<std::unique_ptr<SctpStack>> Create(Environment& environment);
  virtual ~SctpStack() = default;
  /// `on_output`: called when a timer has left outputs; what it does is free, up to destroying the
  /// association.
  virtual std::unique_ptr<SctpAssociation> CreateAssociation(const SctpOptions& options,
                                                             std::function<void()> on_output) = 0;
};

}  // namespace sluice::worker
