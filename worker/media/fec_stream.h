#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "common/rtp_types.h"
#include "common/units.h"
#include "worker/core/packet_buffer.h"
#include "worker/core/rtp/rtp_header_writer.h"
#include "worker/core/rtp/sequence_rewriter.h"
#include "worker/media/rtp_egress.h"
#include "worker/wire/flexfec.h"

namespace sluice::worker {

/// A FlexFEC packet of a producer.
struct FecPacket {
  PacketRef buffer;  ///< keeps `payload`
  std::span<const uint8_t> payload;
  FlexfecHeader header;
  ExtendedSeqNumber base;  ///< of the producer's stream
  RtpTimestamp timestamp;
  bool marker = false;
  uint8_t encoding_index = 0;
  uint8_t media_type = 0;  ///< payload type of the stream that it protects, as its sender has it
};

/// The repair stream that goes beside an outgoing stream: hands on those FlexFEC packets of the
/// producer that are true of what this receiver got.
///
/// A FEC packet is the XOR of packets, headers behind the first twelve bytes included, and says by
/// SSRC and number which. SSRC, numbers and payload type can be put right in its own header; all
/// else of the packets must be what their sender wrote, or what a receiver makes of it is noise
/// (docs/protocols/forwarding.md, "FlexFEC"). So it remembers which packets went out unchanged.
///
/// Owned by a SendStream. It does not allocate.
class FecStream {
 public:
  /// Numbers that are remembered, twice what a mask reaches over.
  static constexpr size_t kRemembered = 256;
  static_assert(kRemembered > 2 * FlexfecHeader::kMaxProtected);

  /// `first` is its first sequence number; `mid` and `ids` as of the media.
  FecStream(Ssrc ssrc, PayloadType payload_type, SeqNumber first, std::string_view mid,
            const ExtensionIds& ids)
      : ssrc_(ssrc), payload_type_(payload_type), next_(first), writer_(ssrc, mid, ids) {}

  /// A media packet has gone out. `header`: as it was written, without what is stamped as it
  /// leaves; `as_sent`: what else was changed of it (time, marker, payload) is nothing.
  void OnMediaSent(const RoutedPacket& packet, SeqNumber own, std::span<const uint8_t> header,
                   const RtpHeaderStamps& stamps, bool unchanged);
  /// Nothing that was sent counts any more.
  void Clear() { as_sent_.reset(); }

  enum class Outcome : uint8_t {
    kSent,
    kUnfit,    ///< not true of what this receiver got
    kRefused,  ///< the transport had no room
  };
  /// Sends `packet`, if it is true of the stream `media` with payload type `media_type`, which
  /// `numbers` has numbered.
  Outcome Send(const FecPacket& packet, const SequenceRewriter& numbers, Ssrc media,
               PayloadType media_type, RtpEgress& egress);

  Ssrc ssrc() const { return ssrc_; }
  SeqNumber next() const { return next_; }

 private:
  /// How far the receiver's numbers of what it protects are ahead of the producer's; nullopt where
  /// one of these packets did not go out as it came, or with a number at another distance.
  std::optional<int64_t> ShiftOf(const FecPacket& packet, const SequenceRewriter& numbers) const;
  size_t At(SeqNumber own) const { return own.value() % kRemembered; }

  const Ssrc ssrc_;
  const PayloadType payload_type_;
  SeqNumber next_;
  SeqNumber newest_;
  bool any_ = false;
  std::bitset<kRemembered> as_sent_;  ///< by own number, of the last kRemembered up to newest_
  RtpHeaderWriter writer_;
};

}  // namespace sluice::worker
