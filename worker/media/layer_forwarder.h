#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "common/rtp_parameters.h"
#include "common/status.h"
#include "worker/core/rtp/routed_packet.h"
#include "worker/media/layer_policy.h"
#include "worker/wire/payload_descriptor.h"

namespace sluice::worker {

/// What becomes of one packet of the producer, and how.
struct ForwardDecision {
  enum class Action : uint8_t {
    kForward,
    /// Not for this receiver: its number is closed up.
    kDrop,
    /// Nothing can be shown before a key frame. The packet stays in the producer's ring, in case it
    /// belongs to one that comes late.
    kWait,
  };
  enum class Rewrite : uint8_t {
    kContinue,  ///< the running source goes on
    kRenumber,  ///< the running source has renumbered itself from this packet on
    /// First packet of a source: numbering, time and picture ids start anew behind what was sent.
    kStart,
  };

  Action action = Action::kDrop;
  Rewrite rewrite = Rewrite::kContinue;
  uint8_t stream = 0;   ///< index of the output stream
  bool marker = false;  ///< as it has to be sent: the last packet of a forwarded picture
};

/// Brings a consumer to the target of its LayerPolicy, packet by packet, so that what leaves can
/// always be decoded. Everything that can be wrong with references, time and numbers is decided
/// here; it knows no bitrate and no wish. A state machine: the packets of a producer in, a decision
/// for each out.
///
/// Owned by a Consumer; asked once per packet.
class LayerForwarder {
 public:
  /// For a consumer with so many output streams. UnsupportedError for the types that this version
  /// cannot forward.
  static Result<std::unique_ptr<LayerForwarder>> Create(RtpType type, CodecKind codec,
                                                        size_t streams);

  virtual ~LayerForwarder() = default;

  /// From now on this is wanted; what is sent changes at the next packet that allows it.
  virtual void SetTarget(const LayerTarget& target) = 0;
  /// In receive order; not asked for padding-only packets.
  virtual ForwardDecision Decide(const RoutedPacket& packet) = 0;
  /// The consumer has become active, or nothing of what it sent counts any more: begin with a
  /// source.
  virtual void Restart() = 0;
  /// The source has become one of this codec: begin with it as after Restart().
  virtual void ChangeCodec(CodecKind codec) = 0;
  /// Nothing is forwarded before a key frame of the encoding with index awaited_encoding().
  virtual bool awaits_key_frame() const = 0;
  virtual uint8_t awaited_encoding() const = 0;
  /// The encoding whose packets are (or will be) sent; its score is the producer score of the
  /// consumer.
  virtual uint8_t current_encoding() const = 0;
};

}  // namespace sluice::worker
