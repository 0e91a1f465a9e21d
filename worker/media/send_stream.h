#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "common/rtp_types.h"
#include "common/units.h"
#include "worker/core/prefetch.h"
#include "worker/core/rtp/capture_clock.h"
#include "worker/core/rtp/resend_guard.h"
#include "worker/core/rtp/routed_packet.h"
#include "worker/core/rtp/rtp_header_writer.h"
#include "worker/core/rtp/send_statistics.h"
#include "worker/core/rtp/sequence_rewriter.h"
#include "worker/core/rtp/stream_continuity.h"
#include "worker/core/rtp/time_bends.h"
#include "worker/media/consumer_settings.h"
#include "worker/media/fec_stream.h"
#include "worker/media/rtp_egress.h"

namespace sluice::worker {

/// One outgoing RTP stream and its retransmission stream: turns chosen packets of a producer into
/// the consumer's own, writes them into the egress arena and counts them.
///
/// Owned by a Consumer, which decides what is sent. Nothing here allocates but the resend marks and
/// the numbers of padding, each once, and the rules of numbering, at most six times.
///
/// Receivers get redundant audio as their sender made it, or without the redundancy. One that is to
/// get more than the sender made will have its RED payload written where ContentOf() chooses.
class SendStream {
 public:
  /// A packet as it went out, for traces.
  struct Sent {
    uint8_t payload_type = 0;
    Ssrc ssrc;
    SeqNumber sequence;
    RtpTimestamp timestamp;
    uint32_t header_size = 0;
    uint32_t payload_size = 0;
    bool marker = false;
    uint32_t transport_sequence = RtpEgress::kNoNumber;
  };
  enum class Outcome : uint8_t {
    kSent,
    kTooLate,  ///< from before the start of the source, skipped, or too old
    kRefused,  ///< the transport had no room
  };

  /// The first sequence numbers of media, retransmissions and forward error correction.
  struct First {
    SeqNumber own;
    SeqNumber rtx;
    SeqNumber fec;
  };
  SendStream(const ConsumerSettings& settings, const OutputStreamSettings& stream,
             const First& first, RtpEgress& egress);

  /// To be called after the last Send() of a turn.
  void EndTurn(Timestamp now);

  /// How the layers that are chosen show in what is sent.
  struct Layers {
    uint8_t top = RewriteOffsets::kNoLayer;  ///< RewriteOffsets::top_layer
    uint32_t active_targets = 0;             ///< DescriptorRewrite::active_targets
  };

  /// A source starts with `packet` (see SequenceRewriter::Start); Send() it next. `after_break`:
  /// the stream stood still before; what it left incomplete stays so. `arrival`: of the newest
  /// packet that has been looked at, with which the source was chosen.
  void Start(const RoutedPacket& packet, bool after_break, uint64_t arrival);
  /// The running source has renumbered itself from `packet` on.
  void Renumber(const RoutedPacket& packet);
  /// It begins with packets that were sent already, or with what others behind it were sent without
  /// when its source was left: a source is not begun with it again.
  bool IsPast(const RoutedPacket& key_frame) const {
    const uint8_t source = key_frame.encoding_index;
    if (source >= left_at_.size()) return false;
    if (rewriter_.started() && rewriter_.offsets().source == source) return false;
    return key_frame.sequence.value() - key_frame.info.packets_in_front <= left_at_[source];
  }
  bool IsJump(const RoutedPacket& packet) const { return rewriter_.IsJump(packet.sequence); }
  /// Closes the gap that a packet which is not sent would leave. Where packets behind it have gone
  /// out already the gap is there, and nothing would ever fill it: a packet of padding does.
  /// `closes_picture`: it is the first packet of a picture that is left out.
  void Skip(const RoutedPacket& packet, bool closes_picture = false) {
    if (!rewriter_.Skip(packet.sequence, closes_picture && renumbers_pictures_)) {
      SendPadding(packet);
    }
  }
  /// Skip() of so many packets, of which each has the number behind that of the one before. False,
  /// and nothing was done, where packets behind them have gone out already.
  bool SkipRun(const RoutedPacket& first, size_t count, bool closes_picture) {
    return rewriter_.Skip(first.sequence, closes_picture && renumbers_pictures_, count);
  }
  /// The packet's bytes must stay until the turn ends.
  Outcome Send(const RoutedPacket& packet, const Layers& layers);
  /// Tells when captures were; null, as at first: RTP time follows the arrivals.
  void SetCaptureClock(const CaptureClock* clock) { capture_clock_ = clock; }
  /// Nothing is sent before the next Start(), and nothing sent so far is sent again.
  void Stop();

  /// Stop(), for a source of this codec; `params` are those of the stream with it.
  void ChangeCodec(CodecKind codec, const RtpStreamParams& params);

  /// The producer packet behind a number of ours, and how it was rewritten.
  std::optional<SequenceRewriter::Origin> Find(SeqNumber own) const { return rewriter_.Find(own); }
  /// It came when the source that it is of had been left, and has not been sent.
  static bool IsTooLateFor(const SequenceRewriter::Origin& origin, const RoutedPacket& packet) {
    return origin.ended_at &&
           static_cast<int32_t>(static_cast<uint32_t>(packet.arrival) - *origin.ended_at) >= 0;
  }
  /// Packet `sequence` of the source of `origin`, which came in time, was not left out.
  bool WasChosen(const SequenceRewriter::Origin& origin, ExtendedSeqNumber sequence) const {
    const auto own = rewriter_.OwnNear(origin, sequence);
    return own && !WasPadded(SeqNumber(static_cast<uint16_t>(*own)));
  }
  /// Sends it again: as RTX (RFC 4588), or byte for byte. Not for consumers that can do neither.
  /// `was_skipped`: it went out as padding, see Skip(), which is remembered of the last kMaxPadded
  /// packets.
  Outcome Resend(const SequenceRewriter::Origin& origin, const RoutedPacket& packet,
                 bool was_skipped, Timestamp now);

  /// The same by RTX, which must have been negotiated, where nobody has asked for it.
  Outcome SendAsPadding(const SequenceRewriter::Origin& origin, const RoutedPacket& packet);

  /// Numbers that went out as padding and are remembered: more than two seconds of a bad link.
  static constexpr size_t kMaxPadded = 256;
  bool WasPadded(SeqNumber own) const;

  /// Sends a FEC packet of the producer, if it is true of what went out here.
  FecStream::Outcome SendFec(const FecPacket& packet) {
    if (fec_ == nullptr) return FecStream::Outcome::kUnfit;
    return fec_->Send(packet, rewriter_, ssrc_, payload_type_, egress_);
  }
  /// Null: none was negotiated.
  const FecStream* fec() const { return fec_.get(); }

  /// The stream goes on after one of another producer, with this, as its receiver sees one stream.
  void GoOnAfter(const StreamContinuity& earlier, bool same_producer) {
    continuity_ = earlier;
    continuity_.ChangeProducer(same_producer);
  }

  SeqNumber next_own() const { return rewriter_.next_own(); }
  SeqNumber next_rtx() const { return SeqNumber(next_rtx_); }
  const StreamContinuity& continuity() const { return continuity_; }
  const SendStatistics& statistics() const { return statistics_; }
  SendStatistics& statistics() { return statistics_; }
  ResendGuard& guard() { return guard_; }
  const ResendGuard& guard() const { return guard_; }
  size_t HeapBytes() const {
    return guard_.HeapBytes() + rewriter_.HeapBytes() + padded_.capacity() * sizeof(SeqNumber);
  }
  const Sent& last_sent() const { return last_sent_; }
  Ssrc ssrc() const { return ssrc_; }

  /// Bytes from its start that Send() looks at; and, once these are there, the rest is fetched by
  /// PrefetchRest().
  static constexpr size_t kHotBytes = 328;
  void PrefetchRest() const { Prefetch(&statistics_); }

 private:
  /// What this receiver gets of a packet's content: all of it, or the primary block of redundant
  /// audio.
  struct Content {
    PayloadType payload_type;
    std::span<const uint8_t> payload;
  };
  Content ContentOf(const RoutedPacket& packet) const {
    if (packet.is_redundant() && !takes_red_) [[unlikely]]
      return {TypeOf(packet.primary_type), packet.primary()};
    return {TypeOf(packet.payload_type), packet.payload};
  }
  /// What a payload type of the router is to this receiver.
  PayloadType TypeOf(PayloadType routed) const { return has_own_type_ ? payload_type_ : routed; }
  Outcome Repeat(const SequenceRewriter::Origin& origin, const RoutedPacket& packet,
                 bool was_skipped, RtpClass rtp_class);
  /// Another source follows, or none.
  void LeaveSource();
  void SendPadding(const RoutedPacket& packet);
  void RememberPadded(SeqNumber own);
  /// What is sent next has the number behind what was sent before, and none before that is missing.
  bool Follows(const RoutedPacket& packet) const {
    return rewriter_.Follows(packet.sequence) && rewriter_.next_own() != behind_hole_;
  }
  /// Writes the header into out->slot, and of `out` what is known of it.
  void Write(const RoutedPacket& packet, const RtpHeaderWriter& writer,
             std::span<const uint8_t> descriptor, const RewriteOffsets& offsets,
             RtpHeaderWriter::Fields& fields, OutgoingRtp* out);
  /// Numbers of its dependency descriptor are changed where it stands in the header.
  static bool RenumbersInPlace(const RoutedPacket& packet) {
    return packet.frame.descriptor != nullptr && !packet.frame.descriptor->brings_structure;
  }
  /// Goes out with the offsets of what went out before, and behind it: ApplyChanges() would change
  /// nothing.
  bool FollowsAlike(const RoutedPacket& packet, const Layers& layers) const {
    const RewriteOffsets& before = rewriter_.offsets();
    return before.top_layer == layers.top &&
           before.descriptor.active_targets == layers.active_targets &&
           (continuity_.aligned() || packet.timestamp == continuity_.last_source_timestamp()) &&
           rewriter_.IsAhead(packet.sequence);
  }
  /// False: it is too old to be sent.
  bool ApplyChanges(const RoutedPacket& packet, const Layers& layers);
  bool ApplyToLate(const RoutedPacket& packet, const Layers& layers);
  std::optional<uint32_t> CorrectedTime(const RoutedPacket& packet, uint32_t offset);
  /// Memory for a dependency descriptor that is rewritten.
  using DescriptorRoom =
      std::array<uint8_t, RtpHeaderWriter::kMaxTwoByteLength + kMaxDescriptorGrowth>;
  /// The packet's own, or what it becomes, perhaps in `room`; but for what Write() renumbers.
  std::span<const uint8_t> DescriptorOf(const RoutedPacket& packet, const RewriteOffsets& offsets,
                                        DescriptorRoom* room) const {
    const auto own = packet.extensions.dependency_descriptor;
    if (own.empty() || !writer_.writes_descriptor() || offsets.descriptor == DescriptorRewrite{}) {
      return own;
    }
    const DependencyDescriptor* descriptor = packet.frame.descriptor;
    if (descriptor == nullptr) return {};  // not understood: its numbers would be wrong
    // Active targets are said once a frame.
    const uint32_t targets = descriptor->start_of_frame ? offsets.descriptor.active_targets : 0;
    if (!descriptor->brings_structure) {
      if (targets == 0) return own;
      const auto announced = AnnounceTargets(own, *descriptor, targets);
      if (!announced.empty()) return announced;
    }
    return RewrittenDescriptor(packet, offsets, targets, room);
  }
  static std::span<const uint8_t> RewrittenDescriptor(const RoutedPacket& packet,
                                                      const RewriteOffsets& offsets,
                                                      uint32_t targets, DescriptorRoom* room);
  bool NeedsPatch(const RoutedPacket& packet, const RewriteOffsets& offsets) const {
    return patches_payload_ &&
           (offsets.picture_id | offsets.tl0_picture_index | offsets.key_index) != 0 &&
           (packet.info.picture_id_offset | packet.info.tl0_picture_index_offset |
            packet.info.key_index_offset) != 0;
  }
  static bool MarkerOf(const RoutedPacket& packet, const RewriteOffsets& offsets) {
    return packet.marker || (packet.frame.end && packet.frame.spatial_layer == offsets.top_layer);
  }

  /// A frame of a spatial layer that others of the picture follow, or that follows one.
  Av1Joint JointOf(const RoutedPacket& packet, const RewriteOffsets& offsets, bool marker) const {
    if (!joins_layers_ || offsets.top_layer == RewriteOffsets::kNoLayer) [[likely]]
      return {};
    const FrameInfo& frame = packet.frame;
    const bool ends = frame.end && !marker && frame.spatial_layer < offsets.top_layer;
    return {frame.start && frame.inter_layer, frame.descriptor != nullptr && ends};
  }

  // What every packet needs comes first and without gaps: with a small packet to each of many
  // viewers in a turn it is memory that takes time.
  RtpEgress& egress_;
  const CaptureClock* capture_clock_ = nullptr;
  std::unique_ptr<FecStream> fec_;  ///< null without FEC
  bool patches_payload_;            ///< VP8, VP9
  bool joins_layers_;               ///< AV1, where ConsumerSettings::joins_layers says so
  bool renumbers_pictures_;         ///< VP8: picture ids close up where pictures are left out
  bool has_key_frames_;
  const bool may_join_layers_;
  bool takes_red_;           ///< redundant audio goes out as it is
  const bool has_own_type_;  ///< ConsumerSettings::source_payload_type
  const bool uses_rtx_;
  const PacketKind packet_kind_;
  /// ConsumerSettings::plain_retransmission: where retransmission repeats the bytes, abs-send-time
  /// must follow from the packet.
  const bool fixes_time_;
  PayloadType payload_type_;  ///< of the codec that is sent
  PayloadType rtx_payload_type_;
  uint16_t next_rtx_;
  const Ssrc ssrc_;
  const Ssrc rtx_ssrc_;
  uint32_t turn_packets_ = 0;
  size_t turn_bytes_ = 0;
  size_t turn_payload_bytes_ = 0;
  ResendGuard guard_;
  StreamContinuity continuity_;
  Sent last_sent_;
  RtpHeaderWriter writer_;
  SequenceRewriter rewriter_;  // its first 60 bytes
  SendStatistics statistics_;  // likewise
  RtpHeaderWriter rtx_writer_;
  std::vector<SeqNumber> padded_;  ///< a ring once it is full
  size_t oldest_padded_ = 0;
  /// The number behind padding that numbers before it are missing of, and behind more padding.
  std::optional<SeqNumber> behind_hole_;
  TimeBends bends_;
  /// By encoding, as many as a producer has at most: the newest packet that was sent or skipped
  /// when it was left.
  std::array<int64_t, 8> left_at_{};
};

}  // namespace sluice::worker
