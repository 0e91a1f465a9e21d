#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "common/rtp_parameters.h"
#include "common/status.h"
#include "common/units.h"
#include "worker/core/rtp/routed_packet.h"
#include "worker/media/layer_policy.h"
#include "worker/media/send_stream.h"
#include "worker/wire/payload_descriptor.h"

namespace sluice::worker {

/// What becomes of one packet of the producer, and how.
struct ForwardDecision {
  enum class Action : uint8_t {
    kForward,
    /// Not for this receiver: its number is closed up.
    kDrop,
    /// The same, and with it a whole picture is left out, of which this is the first packet.
    kDropPicture,
    /// It may belong to a frame whose first packet is late: its number stays open.
    kHold,
    /// Nothing can be shown before a key frame. The packet stays in the producer's ring, in case it
    /// belongs to one that comes late.
    kWait,
    /// The same, but with this packet a source was chosen: packets that overtook it may be the
    /// first that are shown.
    kWaitBegun,
  };
  enum class Rewrite : uint8_t {
    kContinue,  ///< the running source goes on
    kRenumber,  ///< the running source has renumbered itself from this packet on
    kSwitch,    ///< first packet of another source: numbers go on behind what was sent
    /// First packet after a standstill: numbering, time and picture ids go on behind what was sent.
    kStart,
  };

  Action action = Action::kDrop;
  Rewrite rewrite = Rewrite::kContinue;
  uint8_t stream = 0;         ///< index of the output stream
  SendStream::Layers layers;  ///< how what is chosen shows in the packet
};

/// Brings a consumer to the target of its LayerPolicy, packet by packet, so that what leaves can
/// always be decoded. Everything that can be wrong with references, time and numbers is decided
/// here; it knows no bitrate and no wish. A state machine: the packets of a producer in, a decision
/// for each out.
///
/// Owned by a Consumer; asked once per packet.
class LayerForwarder {
 public:
  /// For a consumer with so many output streams. UnsupportedError for a type that does not exist.
  static Result<std::unique_ptr<LayerForwarder>> Create(RtpType type, CodecKind codec,
                                                        size_t streams);

  /// No encoding, or every one of them.
  static constexpr uint8_t kAnyEncoding = 0xff;
  /// How long one waits for a key frame of the target before that of any other encoding will do.
  static constexpr Duration kMaxWait = Duration::Millis(1500);

  /// What is being sent.
  struct Current {
    uint8_t encoding = 0;
    uint8_t spatial = 0;  ///< of the encoding
    uint8_t temporal = 0;
    friend bool operator==(const Current&, const Current&) = default;
  };

  virtual ~LayerForwarder() = default;

  /// From now on this is wanted; what is sent changes at the next packet that allows it.
  virtual void SetTarget(const LayerTarget& target) = 0;
  /// In receive order; not asked for padding-only packets.
  virtual ForwardDecision Decide(const RoutedPacket& packet) = 0;
  /// The consumer has become active at `now`, or nothing of what it sent counts any more: begin
  /// with a source.
  virtual void Restart(Timestamp now) = 0;
  /// The source has become one of this codec: begin with it as after Restart().
  virtual void ChangeCodec(CodecKind codec) = 0;
  /// Nothing is forwarded before a key frame.
  virtual bool awaits_key_frame() const = 0;
  /// A bit for each encoding of which a key frame is wanted.
  virtual uint32_t KeyFramesWanted(Timestamp now) const = 0;
  /// nullopt while nothing is.
  virtual std::optional<Current> current() const = 0;
  /// The encoding whose packets are (or will be) sent; its score is the producer score of the
  /// consumer.
  virtual uint8_t current_encoding() const = 0;
  /// The encoding that all packets that matter are of; kAnyEncoding while others' may.
  virtual uint8_t needed_encoding() const = 0;
  /// False for a packet that Decide() would hold.
  virtual bool IsReadable(const RoutedPacket& packet) const = 0;
  virtual size_t MemoryUsage() const = 0;
};

}  // namespace sluice::worker
