#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "common/rtp_parameters.h"
#include "common/status.h"
#include "common/units.h"
#include "worker/core/layers/shared_layer_filter.h"
#include "worker/core/rtp/routed_packet.h"
#include "worker/media/layer_policy.h"
#include "worker/media/reports.h"
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
  uint64_t stream = 0;        ///< index of the output stream
  SendStream::Layers layers;  ///< how what is chosen shows in the packet
};
/// Of up to 16 bytes it would be returned in registers, put together from its parts in memory,
/// which takes 4 ns each time.
static_assert(sizeof(ForwardDecision) > 16);

/// Brings a consumer to the target of its LayerPolicy, packet by packet, so that what leaves can
/// always be decoded. Everything that can be wrong with references, time and numbers is decided
/// here; it knows no bitrate and no wish. A state machine: the packets of a producer in, a decision
/// for each out.
///
/// Owned by a Consumer; asked once per packet.
class LayerForwarder {
 public:
  /// For a consumer with so many output streams. UnsupportedError for a type that does not exist.
  /// `pool` is that of the producer; null: nothing is shared with others.
  static Result<std::unique_ptr<LayerForwarder>> Create(
      RtpType type, CodecKind codec, size_t streams,
      std::shared_ptr<LayerFilterPool> pool = nullptr);
  /// For one encoding of a pipe, whose far end chooses again: all of it up to the layers of the
  /// target, also what those above do without (VP9 Z, targets of a dependency descriptor).
  static std::unique_ptr<LayerForwarder> CreateLimiter();

  /// No encoding, or every one of them.
  static constexpr uint8_t kAnyEncoding = 0xff;
  /// How long one waits for a key frame of the target before that of any other encoding will do.
  static constexpr Duration kMaxWait = Duration::Millis(1500);
  /// How far apart the key frames are that a sender makes of its encodings on one request. After a
  /// standstill a better one replaces the first that came.
  static constexpr Duration kKeyFrameGroup = Duration::Millis(300);

  /// What is being sent.
  struct Current {
    uint8_t encoding = 0;
    uint8_t spatial = 0;  ///< of the encoding
    uint8_t temporal = 0;
    friend bool operator==(const Current&, const Current&) = default;
  };

  virtual ~LayerForwarder() = default;

  /// Bytes from its start that a turn looks at.
  static constexpr size_t kHotBytes = 96;
  /// Every packet goes out as it comes, but one that is `restarted`: Decide() need not be asked.
  bool passes() const { return passes_; }
  /// A source is being forwarded. False: one may be all the same.
  bool runs() const { return runs_; }

  /// From now on this is wanted; what is sent changes at the next packet that allows it.
  virtual void SetTarget(const LayerTarget& target) = 0;
  /// The same of a pipe, one element for each encoding.
  virtual void SetWanted(std::span<const WantedLayers> /*wanted*/) {}
  /// In receive order; not asked for padding-only packets.
  virtual ForwardDecision Decide(const RoutedPacket& packet) = 0;
  /// The `count` packets up to `last` were treated as the one before them, whose decision's `run`
  /// is at least that. False: these are not the packets that it is true of.
  bool TakeRun(size_t count, const RoutedPacket& last) {
    return shared_ != nullptr && shared_->TakeRun(count, last);
  }
  /// Decide() where its work has been done for another consumer, and the packet goes on with the
  /// source that is running, or is left out of it; else nullptr.
  const LayerDecision* Read(const RoutedPacket& packet) {
    return shared_ == nullptr ? nullptr : shared_->Read(packet);
  }
  /// All packets of a turn were decided. True when nothing has changed since the last turn: what is
  /// sent is what is wanted, and is what current() was.
  virtual bool EndTurn() { return true; }
  /// No packets come before the next Restart().
  virtual void Rest() {}
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

 protected:
  bool passes_ = false;
  bool runs_ = false;
  /// Whose decisions are those of the forwarder; null while they are not.
  SharedLayerFilter* shared_ = nullptr;
};

}  // namespace sluice::worker
