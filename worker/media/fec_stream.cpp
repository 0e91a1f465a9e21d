#include "worker/media/fec_stream.h"

#include <algorithm>
#include <cstring>

namespace sluice::worker {

namespace {

constexpr size_t kRtpFixedHeader = 12;  // RFC 3550 §5.1
constexpr size_t kAbsSendTimeSize = 3;  // bytes
constexpr size_t kTransportSequence = 2;

/// Senders leave these two out of the XOR as zeros, for they change on the way.
bool IsStamped(size_t at, const RtpHeaderStamps& stamps) {
  const auto within = [at](size_t begin, size_t size) {
    return begin != 0 && at >= begin && at < begin + size;
  };
  return within(stamps.abs_send_time_at, kAbsSendTimeSize) ||
         within(stamps.transport_sequence_at, kTransportSequence);
}

/// The first byte (padding, extension, count of sources) and all behind the fixed header are as
/// they came.
bool SameHeader(const RoutedPacket& packet, std::span<const uint8_t> header,
                const RtpHeaderStamps& stamps) {
  if (packet.header_size != header.size()) return false;
  const uint8_t* came = packet.payload.data() - packet.header_size;
  if (came[0] != header[0]) return false;
  for (size_t i = kRtpFixedHeader; i < header.size(); ++i) {
    if (came[i] != header[i] && !IsStamped(i, stamps)) return false;
  }
  return true;
}

}  // namespace

void FecStream::OnMediaSent(const RoutedPacket& packet, SeqNumber own,
                            std::span<const uint8_t> header, const RtpHeaderStamps& stamps,
                            bool unchanged) {
  if (!any_ || IsNewer(own, newest_)) {
    const int ahead = any_ ? Distance(own, newest_) : 1;
    if (ahead >= static_cast<int>(kRemembered)) {
      as_sent_.reset();
    } else {
      for (int i = 1; i < ahead; ++i) as_sent_.reset(At(newest_ + i));
    }
    newest_ = own;
    any_ = true;
  } else if (Distance(newest_, own) >= static_cast<int16_t>(kRemembered)) {
    return;  // its place is another's
  }
  as_sent_.set(At(own), unchanged && packet.header_size != 0 && SameHeader(packet, header, stamps));
}

std::optional<int64_t> FecStream::ShiftOf(const FecPacket& packet,
                                          const SequenceRewriter& numbers) const {
  std::optional<int64_t> shift;
  for (size_t i = 0; i < packet.header.protected_count; ++i) {
    const int64_t number = packet.base.value() + packet.header.distances[i];
    const auto own = numbers.OwnOf(ExtendedSeqNumber(number));
    if (!own || (shift && *own - number != *shift)) return std::nullopt;
    shift = *own - number;
    const SeqNumber sent(static_cast<uint16_t>(*own));
    const int16_t behind = Distance(newest_, sent);
    if (behind < 0 || behind >= static_cast<int16_t>(kRemembered)) return std::nullopt;
    if (!as_sent_.test(At(sent))) return std::nullopt;
  }
  return shift;
}

FecStream::Outcome FecStream::Send(const FecPacket& packet, const SequenceRewriter& numbers,
                                   Ssrc media, PayloadType media_type, RtpEgress& egress) {
  const std::optional<int64_t> shift = ShiftOf(packet, numbers);
  if (!shift) return Outcome::kUnfit;
  const std::span<const uint8_t> none;
  uint8_t* slot = egress.BeginRtp(writer_.MaxSize(none) + packet.payload.size());
  if (slot == nullptr) return Outcome::kRefused;
  RtpHeaderWriter::Fields fields;
  fields.payload_type = payload_type_;
  fields.marker = packet.marker;
  fields.sequence = next_;
  fields.timestamp = packet.timestamp;  // the media's was not changed either
  static const RoutedExtensions kNone{};
  const RtpHeaderWriter::Header header = writer_.Write(slot, fields, kNone, none);
  uint8_t* body = slot + header.size;
  std::memcpy(body, packet.payload.data(), packet.payload.size());
  RewriteFlexfec({body, packet.payload.size()}, packet.header, media,
                 SeqNumber(static_cast<uint16_t>(packet.base.value() + *shift)),
                 static_cast<uint8_t>(packet.media_type ^ media_type.value()));
  OutgoingRtp out;
  out.slot = slot;
  out.header_size = header.size;
  out.payload = {body, packet.payload.size()};
  out.stamps = header.stamps;
  // A number that does not leave would look lost.
  if (egress.EndRtp(out) == RtpEgress::kNotSent) return Outcome::kRefused;
  next_ = next_ + 1;
  return Outcome::kSent;
}

}  // namespace sluice::worker
