#include <limits>

#include "worker/wire/bounded_reader.h"
#include "worker/wire/rtcp.h"
#include "worker/wire/rtcp_format.h"

namespace sluice::worker::rtcp {
namespace {

constexpr uint8_t kFirstType = 192;  // RFC 5761 §4
constexpr uint8_t kLastType = 223;
constexpr uint8_t kRtcpPaddingBit = 0x20;

/// One packet of a compound: its header taken apart, its body without padding.
struct PacketView {
  uint8_t count_or_format = 0;
  uint8_t type = 0;
  std::span<const uint8_t> body;
};

std::optional<PacketView> ReadPacket(BoundedReader& reader) {
  const uint8_t flags = reader.ReadU8();
  PacketView packet;
  packet.type = reader.ReadU8();
  packet.count_or_format = flags & 0x1f;
  packet.body = reader.ReadBytes(size_t{4} * reader.ReadU16());
  if (!reader.ok() || flags >> 6 != kVersion) return std::nullopt;
  if (packet.type < kFirstType || packet.type > kLastType) return std::nullopt;
  if ((flags & kRtcpPaddingBit) != 0) {
    // Not held to whole words: transport-cc feedback is sent with 1…3 bytes of it.
    const size_t padding = packet.body.empty() ? 0 : packet.body.back();
    if (padding == 0 || padding > packet.body.size()) return std::nullopt;
    packet.body = packet.body.first(packet.body.size() - padding);
  }
  return packet;
}

Ssrc ReadSsrc(BoundedReader& reader) { return Ssrc(reader.ReadU32()); }

ReportBlock ReadReportBlock(BoundedReader& reader) {
  ReportBlock block;
  block.ssrc = ReadSsrc(reader);
  block.fraction_lost = reader.ReadU8();
  block.cumulative_lost = static_cast<int32_t>(reader.ReadU24() << 8) >> 8;  // sign-extended
  block.extended_highest_seq = reader.ReadU32();
  block.jitter = reader.ReadU32();
  block.last_sr = reader.ReadU32();
  block.delay_since_last_sr = reader.ReadU32();
  return block;
}

void VisitReportBlocks(BoundedReader& reader, size_t count, Ssrc reporter, Visitor& visitor) {
  for (size_t i = 0; i < count; ++i) visitor.OnReportBlock(reporter, ReadReportBlock(reader));
}

bool ParseSenderReport(const PacketView& packet, Visitor& visitor) {
  BoundedReader reader(packet.body);
  SenderInfo info;
  info.ssrc = ReadSsrc(reader);
  info.ntp.seconds = reader.ReadU32();
  info.ntp.fraction = reader.ReadU32();
  info.rtp_timestamp = RtpTimestamp(reader.ReadU32());
  info.packet_count = reader.ReadU32();
  info.octet_count = reader.ReadU32();
  if (!reader.ok() || reader.remaining() < packet.count_or_format * kReportBlock) return false;
  visitor.OnSenderReport(info);
  VisitReportBlocks(reader, packet.count_or_format, info.ssrc, visitor);
  return true;
}

bool ParseReceiverReport(const PacketView& packet, Visitor& visitor) {
  BoundedReader reader(packet.body);
  const Ssrc reporter = ReadSsrc(reader);
  if (!reader.ok() || reader.remaining() < packet.count_or_format * kReportBlock) return false;
  VisitReportBlocks(reader, packet.count_or_format, reporter, visitor);
  return true;
}

/// Walks the chunks; tells `visitor` their CNAMEs if there is one.
bool WalkSdes(const PacketView& packet, Visitor* visitor) {
  BoundedReader reader(packet.body);
  for (uint8_t i = 0; i < packet.count_or_format; ++i) {
    const Ssrc ssrc = ReadSsrc(reader);
    while (true) {
      const uint8_t item = reader.ReadU8();
      if (!reader.ok()) return false;  // a chunk without an end included
      if (item == kSdesEnd) break;
      const auto text = reader.ReadBytes(reader.ReadU8());
      if (!reader.ok()) return false;
      if (item == kSdesCname && visitor != nullptr) {
        visitor->OnSdesCname(ssrc, {reinterpret_cast<const char*>(text.data()), text.size()});
      }
    }
    reader.Skip((4 - reader.position() % 4) % 4);  // the next chunk starts on a word
    if (!reader.ok()) return false;
  }
  return true;
}

bool ParseSdes(const PacketView& packet, Visitor& visitor) {
  // First without a visitor: nothing of a malformed packet is visited.
  return WalkSdes(packet, nullptr) && WalkSdes(packet, &visitor);
}

bool ParseBye(const PacketView& packet, Visitor& visitor) {
  BoundedReader reader(packet.body);
  BoundedReader sources(reader.ReadBytes(size_t{4} * packet.count_or_format));
  if (!reader.empty()) reader.ReadBytes(reader.ReadU8());  // the reason
  if (!reader.ok()) return false;
  while (!sources.empty()) visitor.OnBye(ReadSsrc(sources));
  return true;
}

bool WalkExtendedReport(const PacketView& packet, Visitor* visitor) {
  BoundedReader reader(packet.body);
  const Ssrc reporter = ReadSsrc(reader);
  while (reader.ok() && !reader.empty()) {
    const uint8_t type = reader.ReadU8();
    reader.Skip(1);  // type-specific
    BoundedReader block(reader.ReadBytes(size_t{4} * reader.ReadU16()));
    if (!reader.ok()) return false;
    if (type == kXrReceiverReferenceTime) {
      NtpTime ntp;
      ntp.seconds = block.ReadU32();
      ntp.fraction = block.ReadU32();
      if (!block.ok() || !block.empty()) return false;
      if (visitor != nullptr) visitor->OnReceiverReferenceTime(reporter, ntp);
    } else if (type == kXrDlrr) {
      if (block.remaining() % kDlrrItem != 0) return false;
      while (visitor != nullptr && !block.empty()) {
        DlrrItem item;
        item.ssrc = ReadSsrc(block);
        item.last_rr = block.ReadU32();
        item.delay_since_last_rr = block.ReadU32();
        visitor->OnDlrr(reporter, item);
      }
    }
  }
  return reader.ok();
}

bool ParseExtendedReport(const PacketView& packet, Visitor& visitor) {
  return WalkExtendedReport(packet, nullptr) && WalkExtendedReport(packet, &visitor);
}

bool ParseNack(Ssrc media, BoundedReader& fci, Visitor& visitor) {
  if (fci.empty() || fci.remaining() % 4 != 0) return false;
  while (!fci.empty()) {
    NackItem item;
    item.packet_id = SeqNumber(fci.ReadU16());
    item.following_lost = fci.ReadU16();
    visitor.OnNack(media, item);
  }
  return true;
}

bool ParseTransportLayerFeedback(const PacketView& packet, Visitor& visitor) {
  BoundedReader reader(packet.body);
  const Ssrc sender = ReadSsrc(reader);
  const Ssrc media = ReadSsrc(reader);
  if (!reader.ok()) return false;
  if (packet.count_or_format == kFormatNack) return ParseNack(media, reader, visitor);
  if (packet.count_or_format == kFormatTransportFeedback) {
    TransportFeedback feedback;
    feedback.sender = sender;
    feedback.media = media;
    if (!ParseTransportFeedback(reader.Rest(), feedback)) return false;
    visitor.OnTransportFeedback(feedback);
    return true;
  }
  visitor.OnUnknown(packet.type, packet.count_or_format);
  return true;
}

/// FIR names its targets in the items (RFC 5104 §4.3.1.1).
bool ParseFir(BoundedReader& fci, Visitor& visitor) {
  constexpr size_t kItem = 8;
  if (fci.empty() || fci.remaining() % kItem != 0) return false;
  while (!fci.empty()) {
    const Ssrc media = ReadSsrc(fci);
    const uint8_t sequence = fci.ReadU8();
    fci.Skip(3);  // reserved
    visitor.OnFir(media, sequence);
  }
  return true;
}

bool ParseRemb(BoundedReader& fci, Visitor& visitor) {
  std::array<Ssrc, 255> ssrcs;
  const size_t count = fci.ReadU8();
  const uint32_t rate = fci.ReadU24();
  const uint32_t exponent = rate >> 18;
  const uint64_t mantissa = rate & 0x3ffff;
  BoundedReader list(fci.ReadBytes(4 * count));
  if (!fci.ok()) return false;
  constexpr auto kMaxRate = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
  if (mantissa > kMaxRate >> exponent) return false;
  for (size_t i = 0; i < count; ++i) ssrcs[i] = ReadSsrc(list);
  visitor.OnRemb(DataRate::BitsPerSecond(static_cast<int64_t>(mantissa << exponent)),
                 std::span(ssrcs).first(count));
  return true;
}

bool ParsePayloadFeedback(const PacketView& packet, Visitor& visitor) {
  BoundedReader reader(packet.body);
  reader.Skip(4);  // sender
  const Ssrc media = ReadSsrc(reader);
  if (!reader.ok()) return false;
  switch (packet.count_or_format) {
    case kFormatPli:
      visitor.OnPli(media);
      return true;
    case kFormatFir:
      return ParseFir(reader, visitor);
    case kFormatApplicationLayer: {
      if (reader.remaining() >= 4 && BoundedReader(reader.Rest()).ReadU32() == kRembId) {
        reader.Skip(4);
        return ParseRemb(reader, visitor);
      }
      break;
    }
    default:
      break;
  }
  visitor.OnUnknown(packet.type, packet.count_or_format);
  return true;
}

bool ParsePacket(const PacketView& packet, Visitor& visitor) {
  switch (static_cast<PacketType>(packet.type)) {
    case PacketType::kSenderReport:
      return ParseSenderReport(packet, visitor);
    case PacketType::kReceiverReport:
      return ParseReceiverReport(packet, visitor);
    case PacketType::kSdes:
      return ParseSdes(packet, visitor);
    case PacketType::kBye:
      return ParseBye(packet, visitor);
    case PacketType::kTransportFeedback:
      return ParseTransportLayerFeedback(packet, visitor);
    case PacketType::kPayloadFeedback:
      return ParsePayloadFeedback(packet, visitor);
    case PacketType::kExtendedReport:
      return ParseExtendedReport(packet, visitor);
    case PacketType::kApp:
      break;
  }
  visitor.OnUnknown(packet.type, packet.count_or_format);
  return true;
}

}  // namespace

bool LooksLikeRtcp(std::span<const uint8_t> datagram) {
  return datagram.size() >= kHeader && datagram[0] >> 6 == kVersion && datagram[1] >= kFirstType &&
         datagram[1] <= kLastType;
}

bool Parse(std::span<const uint8_t> compound, Visitor& visitor) {
  if (compound.empty()) return false;
  BoundedReader reader(compound);
  while (!reader.empty()) {
    const auto packet = ReadPacket(reader);
    if (!packet || !ParsePacket(*packet, visitor)) return false;
  }
  return reader.ok();
}

}  // namespace sluice::worker::rtcp
