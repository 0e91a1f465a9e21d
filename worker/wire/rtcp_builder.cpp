#include <algorithm>
#include <bit>

#include "worker/wire/bounded_writer.h"
#include "worker/wire/rtcp.h"
#include "worker/wire/rtcp_format.h"

namespace sluice::worker::rtcp {
namespace {

/// Words after the header that the 16-bit length can count.
constexpr size_t kMaxCompoundPacket = kHeader + size_t{4} * 0xffff;
/// CNAME is counted in 8 bits (RFC 3550 §6.5.1).
constexpr size_t kMaxCname = 255;
constexpr size_t kMaxRembSsrcs = 255;
constexpr int kRembMantissaBits = 18;

void WriteReportBlocks(std::span<const ReportBlock> blocks, BoundedWriter& writer) {
  for (const ReportBlock& block : blocks) {
    // Beyond 24 bits the count stays at its limit (RFC 3550 §A.3).
    constexpr int32_t kLimit = 0x7fffff;
    const int32_t lost = std::clamp(block.cumulative_lost, -kLimit - 1, kLimit);
    writer.WriteU32(block.ssrc.value());
    writer.WriteU8(block.fraction_lost);
    writer.WriteU24(static_cast<uint32_t>(lost) & 0xffffff);
    writer.WriteU32(block.extended_highest_seq);
    writer.WriteU32(block.jitter);
    writer.WriteU32(block.last_sr);
    writer.WriteU32(block.delay_since_last_sr);
  }
}

void WriteNtp(NtpTime ntp, BoundedWriter& writer) {
  writer.WriteU32(ntp.seconds);
  writer.WriteU32(ntp.fraction);
}

}  // namespace

Builder::Builder(std::span<uint8_t> out) : out_(out) {}

template <typename WriteBody>
bool Builder::Append(PacketType type, size_t count_or_format, WriteBody write_body) {
  const auto room = out_.subspan(size_, std::min(out_.size() - size_, kMaxCompoundPacket));
  BoundedWriter writer(room);
  writer.WriteU8(static_cast<uint8_t>(kVersion << 6 | count_or_format));
  writer.WriteU8(static_cast<uint8_t>(type));
  writer.WriteU16(0);  // length, below
  if (!write_body(writer)) return false;
  writer.WriteZeros((4 - writer.size() % 4) % 4);
  if (!writer.ok()) return false;
  BoundedWriter(room.subspan(2, 2)).WriteU16(static_cast<uint16_t>(writer.size() / 4 - 1));
  size_ += writer.size();
  return true;
}

bool Builder::AddSenderReport(const SenderInfo& info, std::span<const ReportBlock> blocks) {
  if (blocks.size() > kMaxCount) return false;
  return Append(PacketType::kSenderReport, blocks.size(), [&](BoundedWriter& writer) {
    writer.WriteU32(info.ssrc.value());
    WriteNtp(info.ntp, writer);
    writer.WriteU32(info.rtp_timestamp.value());
    writer.WriteU32(info.packet_count);
    writer.WriteU32(info.octet_count);
    WriteReportBlocks(blocks, writer);
    return true;
  });
}

bool Builder::AddReceiverReport(Ssrc sender, std::span<const ReportBlock> blocks) {
  if (blocks.size() > kMaxCount) return false;
  return Append(PacketType::kReceiverReport, blocks.size(), [&](BoundedWriter& writer) {
    writer.WriteU32(sender.value());
    WriteReportBlocks(blocks, writer);
    return true;
  });
}

bool Builder::AddSdesCname(Ssrc ssrc, std::string_view cname) {
  if (cname.empty() || cname.size() > kMaxCname) return false;
  return Append(PacketType::kSdes, 1, [&](BoundedWriter& writer) {
    writer.WriteU32(ssrc.value());
    writer.WriteU8(kSdesCname);
    writer.WriteU8(static_cast<uint8_t>(cname.size()));
    writer.WriteBytes({reinterpret_cast<const uint8_t*>(cname.data()), cname.size()});
    writer.WriteU8(kSdesEnd);
    return true;
  });
}

bool Builder::AddBye(Ssrc ssrc) {
  return Append(PacketType::kBye, 1, [&](BoundedWriter& writer) {
    writer.WriteU32(ssrc.value());
    return true;
  });
}

bool Builder::AddReceiverReferenceTime(Ssrc sender, NtpTime ntp) {
  return Append(PacketType::kExtendedReport, 0, [&](BoundedWriter& writer) {
    writer.WriteU32(sender.value());
    writer.WriteU8(kXrReceiverReferenceTime);
    writer.WriteU8(0);
    writer.WriteU16(2);  // words
    WriteNtp(ntp, writer);
    return true;
  });
}

bool Builder::AddDlrr(Ssrc sender, std::span<const DlrrItem> items) {
  if (items.empty() || items.size() > kMaxCompoundPacket / kDlrrItem) return false;
  return Append(PacketType::kExtendedReport, 0, [&](BoundedWriter& writer) {
    writer.WriteU32(sender.value());
    writer.WriteU8(kXrDlrr);
    writer.WriteU8(0);
    writer.WriteU16(static_cast<uint16_t>(items.size() * (kDlrrItem / 4)));
    for (const DlrrItem& item : items) {
      writer.WriteU32(item.ssrc.value());
      writer.WriteU32(item.last_rr);
      writer.WriteU32(item.delay_since_last_rr);
    }
    return true;
  });
}

bool Builder::AddNack(Ssrc sender, Ssrc media, std::span<const NackItem> items) {
  if (items.empty()) return false;
  return Append(PacketType::kTransportFeedback, kFormatNack, [&](BoundedWriter& writer) {
    writer.WriteU32(sender.value());
    writer.WriteU32(media.value());
    for (const NackItem& item : items) {
      writer.WriteU16(item.packet_id.value());
      writer.WriteU16(item.following_lost);
    }
    return true;
  });
}

bool Builder::AddPli(Ssrc sender, Ssrc media) {
  return Append(PacketType::kPayloadFeedback, kFormatPli, [&](BoundedWriter& writer) {
    writer.WriteU32(sender.value());
    writer.WriteU32(media.value());
    return true;
  });
}

bool Builder::AddFir(Ssrc sender, Ssrc media, uint8_t sequence) {
  return Append(PacketType::kPayloadFeedback, kFormatFir, [&](BoundedWriter& writer) {
    writer.WriteU32(sender.value());
    writer.WriteU32(0);  // unused, RFC 5104 §4.3.1.2
    writer.WriteU32(media.value());
    writer.WriteU8(sequence);
    writer.WriteU24(0);
    return true;
  });
}

bool Builder::AddRemb(Ssrc sender, DataRate bitrate, std::span<const Ssrc> ssrcs) {
  if (bitrate < DataRate::Zero() || ssrcs.size() > kMaxRembSsrcs) return false;
  return Append(PacketType::kPayloadFeedback, kFormatApplicationLayer, [&](BoundedWriter& writer) {
    const auto bps = static_cast<uint64_t>(bitrate.bps());
    const int exponent = std::max(0, static_cast<int>(std::bit_width(bps)) - kRembMantissaBits);
    const auto mantissa = static_cast<uint32_t>(bps >> exponent);
    writer.WriteU32(sender.value());
    writer.WriteU32(0);  // no media source
    writer.WriteU32(kRembId);
    writer.WriteU8(static_cast<uint8_t>(ssrcs.size()));
    writer.WriteU24(static_cast<uint32_t>(exponent) << kRembMantissaBits | mantissa);
    for (const Ssrc ssrc : ssrcs) writer.WriteU32(ssrc.value());
    return true;
  });
}

bool Builder::AddTransportFeedback(const TransportFeedback& feedback) {
  return Append(PacketType::kTransportFeedback, kFormatTransportFeedback,
                [&](BoundedWriter& writer) {
                  writer.WriteU32(feedback.sender.value());
                  writer.WriteU32(feedback.media.value());
                  return WriteTransportFeedback(feedback, writer);
                });
}

std::vector<NackItem> PackNackItems(std::span<const SeqNumber> lost) {
  constexpr int kMaskBits = 16;
  std::vector<NackItem> items;
  for (const SeqNumber seq : lost) {
    const int distance = items.empty() ? 0 : Distance(seq, items.back().packet_id);
    if (!items.empty() && distance == 0) continue;
    if (distance >= 1 && distance <= kMaskBits) {
      auto& mask = items.back().following_lost;
      mask = static_cast<uint16_t>(mask | 1 << (distance - 1));
    } else {
      items.push_back({seq, 0});
    }
  }
  return items;
}

}  // namespace sluice::worker::rtcp
