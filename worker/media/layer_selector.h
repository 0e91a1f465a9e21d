#pragma once

#include <cstdint>
#include <memory>

#include "common/rtp_parameters.h"
#include "common/status.h"
#include "worker/core/rtp/routed_packet.h"
#include "worker/media/options.h"
#include "worker/wire/payload_descriptor.h"

namespace sluice::worker {

/// What becomes of one packet of the producer.
enum class LayerDecision : uint8_t {
  kForward,
  /// Not for this receiver: its number is closed up.
  kSkip,
  /// Nothing can be shown before a key frame: kept for a moment, in case it belongs to one that
  /// comes late (§5.13 "sync").
  kAwaitKeyFrame,
  /// First packet of a source: numbering, time and picture ids start anew behind what was sent.
  kStart,
};

/// Chooses the packets that a Consumer forwards: the part of it that differs between one encoding,
/// simulcast and SVC (router-protocol §5.13). Owned by the Consumer; asked once per packet.
class LayerSelector {
 public:
  virtual ~LayerSelector() = default;

  /// In receive order; not asked for padding-only packets.
  virtual LayerDecision Decide(const RoutedPacket& packet) = 0;
  /// The consumer has become active, or nothing of what it sent counts any more: begin with a
  /// source.
  virtual void Restart() = 0;
  /// The source has become one of this codec: begin with it as after Restart().
  virtual void ChangeCodec(CodecKind codec) = 0;
  /// True while Decide() waits for a key frame of the encoding with index awaited_encoding().
  virtual bool awaits_key_frame() const = 0;
  virtual uint8_t awaited_encoding() const = 0;
  /// The encoding whose packets are (or will be) sent; its score is the producer score of the
  /// consumer.
  virtual uint8_t current_encoding() const = 0;
};

/// What type of consumer an application asks for (§5.13): pipe if it says so, else by the encodings
/// that can be consumed (one encoding with temporal layers only is simple).
RtpType ConsumerTypeOf(const ConsumeOptions& options);

/// UnsupportedError for the types that this version cannot forward.
Result<std::unique_ptr<LayerSelector>> CreateLayerSelector(RtpType type, CodecKind codec);

}  // namespace sluice::worker
