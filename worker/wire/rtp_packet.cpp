#include "worker/wire/rtp_packet.h"

#include "worker/wire/bounded_reader.h"
#include "worker/wire/bounded_writer.h"

namespace sluice::worker {
namespace {

constexpr uint8_t kVersion = 2;
constexpr uint8_t kPaddingBit = 0x20;
constexpr uint8_t kExtensionBit = 0x10;
constexpr uint8_t kCsrcCountMask = 0x0f;
/// Element offsets are kept in 16 bits; no datagram is longer.
constexpr size_t kMaxPacket = 65'536;

}  // namespace

std::optional<RtpPacket> RtpPacket::Parse(std::span<uint8_t> bytes) {
  if (bytes.size() > kMaxPacket) return std::nullopt;
  RtpPacket packet;
  packet.bytes_ = bytes;
  BoundedReader reader(bytes);
  const uint8_t flags = reader.ReadU8();
  reader.Skip(kFixedHeader - 1);
  if (!reader.ok() || flags >> 6 != kVersion) return std::nullopt;
  reader.Skip(size_t{4} * (flags & kCsrcCountMask));

  if ((flags & kExtensionBit) != 0) {
    const uint16_t profile = reader.ReadU16();
    const size_t length = size_t{4} * reader.ReadU16();
    const size_t offset = reader.position();
    const auto block = reader.ReadBytes(length);
    if (!reader.ok() || !packet.IndexExtensions(profile, offset, block)) return std::nullopt;
  }
  if (!reader.ok()) return std::nullopt;
  packet.header_size_ = reader.position();

  if ((flags & kPaddingBit) != 0) {
    packet.padding_size_ = reader.empty() ? 0 : bytes.back();
    if (packet.padding_size_ == 0 || packet.padding_size_ > reader.remaining()) {
      return std::nullopt;
    }
  }
  return packet;
}

bool RtpPacket::IndexExtensions(uint16_t profile, size_t offset, std::span<const uint8_t> block) {
  if (profile == kOneByteProfile) return IndexOneByteElements(offset, block);
  if ((profile & kTwoByteProfileMask) == kTwoByteProfile) {
    return IndexTwoByteElements(offset, block);
  }
  return true;  // some other profile (RFC 3550 §5.3.1): carried, not understood
}

bool RtpPacket::IndexOneByteElements(size_t offset, std::span<const uint8_t> block) {
  BoundedReader reader(block);
  while (!reader.empty()) {
    const uint8_t head = reader.ReadU8();
    if (head == 0) continue;  // padding
    const auto id = static_cast<uint8_t>(head >> 4);
    // 15 ends the block (RFC 8285 §4.2). So does 0 with a length, which means nothing: what follows
    // it cannot be told from padding.
    if (id == 0 || id == 15) return true;
    const auto length = static_cast<uint8_t>((head & 0x0f) + 1);
    AddExtension(id, length, offset + reader.position());
    reader.Skip(length);
  }
  return reader.ok();
}

bool RtpPacket::IndexTwoByteElements(size_t offset, std::span<const uint8_t> block) {
  BoundedReader reader(block);
  while (!reader.empty()) {
    const uint8_t id = reader.ReadU8();
    if (id == 0) continue;  // padding
    const uint8_t length = reader.ReadU8();
    AddExtension(id, length, offset + reader.position());
    reader.Skip(length);
  }
  return reader.ok();
}

void RtpPacket::AddExtension(uint8_t id, uint8_t length, size_t offset) {
  if (extension_count_ == kMaxExtensions) return;
  extensions_[extension_count_++] = {id, length, static_cast<uint16_t>(offset)};
}

std::span<uint8_t> RtpPacket::Extension(uint8_t id) const {
  for (size_t i = 0; i < extension_count_; ++i) {
    if (extensions_[i].id == id)
      return bytes_.subspan(extensions_[i].offset, extensions_[i].length);
  }
  return {};
}

void RtpPacket::set_marker(bool marker) {
  bytes_[1] = static_cast<uint8_t>((bytes_[1] & 0x7f) | (marker ? 0x80 : 0));
}
void RtpPacket::set_payload_type(PayloadType type) {
  bytes_[1] = static_cast<uint8_t>((bytes_[1] & 0x80) | (type.value() & 0x7f));
}
void RtpPacket::set_sequence_number(SeqNumber seq) {
  BoundedWriter(bytes_.subspan(2, 2)).WriteU16(seq.value());
}
void RtpPacket::set_timestamp(RtpTimestamp timestamp) {
  BoundedWriter(bytes_.subspan(4, 4)).WriteU32(timestamp.value());
}
void RtpPacket::set_ssrc(Ssrc ssrc) { BoundedWriter(bytes_.subspan(8, 4)).WriteU32(ssrc.value()); }

}  // namespace sluice::worker
