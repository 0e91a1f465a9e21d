#include "worker/core/rtp/rtp_header_writer.h"

#include <algorithm>
#include <cstring>

namespace sluice::worker {

namespace {

constexpr uint8_t kVersion2 = 0x80;
constexpr uint8_t kExtensionBit = 0x10;
constexpr uint8_t kMarkerBit = 0x80;
constexpr size_t kMaxOneByteLength = 16;  // bytes
constexpr uint16_t kOneByteProfile = 0xBEDE;
constexpr uint16_t kTwoByteProfile = 0x1000;

void Store16(uint8_t* at, uint16_t value) {
  at[0] = static_cast<uint8_t>(value >> 8);
  at[1] = static_cast<uint8_t>(value);
}
void Store32(uint8_t* at, uint32_t value) {
  Store16(at, static_cast<uint16_t>(value >> 16));
  Store16(at + 2, static_cast<uint16_t>(value));
}
uint8_t OneByteHead(uint8_t id, size_t length) {
  return static_cast<uint8_t>(id << 4 | static_cast<uint8_t>(length - 1));
}

/// Writes id and length in the wanted form.
uint8_t* WriteHead(uint8_t* at, uint8_t id, size_t length, bool two_byte) {
  if (!two_byte) {
    *at = OneByteHead(id, length);
    return at + 1;
  }
  at[0] = id;
  at[1] = static_cast<uint8_t>(length);
  return at + 2;
}

uint8_t Id(const ExtensionIds& ids, RtpExtensionUri uri) { return ids[static_cast<size_t>(uri)]; }

constexpr uint8_t kNoUri = kRtpExtensionUriCount;
/// RtpExtensionUri by the router's id, of those that the one-byte form has.
constexpr auto kUriOfRouterId = [] {
  std::array<uint8_t, 16> uris{};
  uris.fill(kNoUri);
  for (uint8_t uri = 0; uri < kRtpExtensionUriCount; ++uri) {
    const uint8_t id = kRouterExtensionIds[uri];
    if (id <= kMaxOneByteExtensionId) uris[id] = uri;
  }
  return uris;
}();

}  // namespace

RtpHeaderWriter::RtpHeaderWriter(Ssrc ssrc, std::string_view mid, const ExtensionIds& ids,
                                 bool takes_both_forms)
    : ids_(ids) {
  abs_send_time_id_ = Id(ids, RtpExtensionUri::kAbsSendTime);
  transport_sequence_id_ = Id(ids, RtpExtensionUri::kTransportWideCc);
  dependency_descriptor_id_ = Id(ids, RtpExtensionUri::kDependencyDescriptor);
  const uint8_t mid_id = Id(ids, RtpExtensionUri::kMid);
  if (mid_id != 0) mid_size_ = static_cast<uint8_t>(std::min(mid.size(), kMaxMid));
  always_two_byte_ =
      mid_size_ > kMaxOneByteLength ||
      std::any_of(ids.begin(), ids.end(), [](uint8_t id) { return id > kMaxOneByteExtensionId; });
  may_two_byte_ = takes_both_forms || always_two_byte_ || dependency_descriptor_id_ != 0;
  for (size_t uri = 0; uri < ids.size(); ++uri) {
    if (ids[uri] == kRouterExtensionIds[uri]) verbatim_ |= uint32_t{1} << uri;
  }
  if (always_two_byte_) verbatim_ = 0;

  template_[0] = kVersion2;
  Store32(&template_[8], ssrc.value());
  const bool any = std::any_of(ids.begin(), ids.end(), [](uint8_t id) { return id != 0; });
  if (!any) return;
  template_[0] |= kExtensionBit;
  Store16(&template_[kFixedHeader], always_two_byte_ ? kTwoByteProfile : kOneByteProfile);
  uint8_t* at = &template_[kFixedHeader + kExtensionHeader];
  if (mid_size_ > 0) {
    at = WriteHead(at, mid_id, mid_size_, always_two_byte_);
    std::memcpy(at, mid.data(), mid_size_);
    at += mid_size_;
  }
  template_size_ = static_cast<uint8_t>(at - template_.data());
}

size_t RtpHeaderWriter::Write(uint8_t* out, const Fields& fields,
                              const RoutedExtensions& extensions, std::span<const uint8_t> value,
                              RtpHeaderStamps* stamps) const {
  *stamps = RtpHeaderStamps();
  std::memcpy(out, template_.data(), template_.size());  // constant size: three vector moves
  out[1] = static_cast<uint8_t>((fields.marker ? kMarkerBit : 0) | fields.payload_type.value());
  Store16(out + 2, fields.sequence.value());
  Store32(out + 4, fields.timestamp.value());
  if (template_size_ == kFixedHeader) return kFixedHeader;

  const bool descriptor = HasDescriptor(value);
  const bool two_byte = always_two_byte_ || (descriptor && value.size() > kMaxOneByteLength);
  if (two_byte) return WriteTwoByteForm(out, fields, extensions, value, stamps);

  uint8_t* at = out + template_size_;
  if ((extensions.present & ~verbatim_) == 0) [[likely]] {
    std::memcpy(at, extensions.elements.data(), extensions.elements.size());
    at += extensions.size;
  } else if (NeedsTwoByteForm(extensions)) {
    return WriteTwoByteForm(out, fields, extensions, value, stamps);
  } else {
    at = WriteElements(at, extensions, false);
  }
  if (descriptor) {
    *at++ = OneByteHead(dependency_descriptor_id_, value.size());
    stamps->descriptor_at = static_cast<uint16_t>(at - out);
    std::memcpy(at, value.data(), value.size());
    at += value.size();
  }
  if (abs_send_time_id_ != 0) {
    Store32(at, fields.abs_send_time);  // the top byte is the element's head
    *at = OneByteHead(abs_send_time_id_, 3);
    stamps->abs_send_time_at = static_cast<uint16_t>(at + 1 - out);
    at += 4;
  }
  if (transport_sequence_id_ != 0) {
    *at = OneByteHead(transport_sequence_id_, 2);
    Store16(at + 1, 0);
    stamps->transport_sequence_at = static_cast<uint16_t>(at + 1 - out);
    at += 3;
  }
  return Finish(out, at);
}

size_t RtpHeaderWriter::WriteTwoByteForm(uint8_t* out, const Fields& fields,
                                         const RoutedExtensions& extensions,
                                         std::span<const uint8_t> descriptor,
                                         RtpHeaderStamps* stamps) const {
  uint8_t* at = out + kFixedHeader + kExtensionHeader;
  Store16(out + kFixedHeader, kTwoByteProfile);
  if (mid_size_ > 0) {
    const size_t head = always_two_byte_ ? 2 : 1;
    const uint8_t* value = &template_[kFixedHeader + kExtensionHeader + head];
    at = WriteHead(at, Id(ids_, RtpExtensionUri::kMid), mid_size_, true);
    std::memcpy(at, value, mid_size_);
    at += mid_size_;
  }
  at = WriteElements(at, extensions, true);
  if (HasDescriptor(descriptor)) {
    at = WriteHead(at, dependency_descriptor_id_, descriptor.size(), true);
    stamps->descriptor_at = static_cast<uint16_t>(at - out);
    std::memcpy(at, descriptor.data(), descriptor.size());
    at += descriptor.size();
  }
  if (abs_send_time_id_ != 0) {
    at = WriteHead(at, abs_send_time_id_, 3, true);
    at[0] = static_cast<uint8_t>(fields.abs_send_time >> 16);
    Store16(at + 1, static_cast<uint16_t>(fields.abs_send_time));
    stamps->abs_send_time_at = static_cast<uint16_t>(at - out);
    at += 3;
  }
  if (transport_sequence_id_ != 0) {
    at = WriteHead(at, transport_sequence_id_, 2, true);
    Store16(at, 0);
    stamps->transport_sequence_at = static_cast<uint16_t>(at - out);
    at += 2;
  }
  return Finish(out, at);
}

/// Copies the forwarded elements that were negotiated, with the consumer's ids.
uint8_t* RtpHeaderWriter::WriteElements(uint8_t* at, const RoutedExtensions& extensions,
                                        bool two_byte) const {
  const size_t size = std::min<size_t>(extensions.size, extensions.elements.size());
  for (size_t pos = 0; pos < size;) {
    const uint8_t head = extensions.elements[pos++];
    const size_t length = static_cast<size_t>(head & 0x0f) + 1;
    if (pos + length > size) break;
    const uint8_t uri = kUriOfRouterId[head >> 4];
    const uint8_t id = uri != kNoUri ? ids_[uri] : 0;
    if (id != 0) {
      at = WriteHead(at, id, length, two_byte);
      std::memcpy(at, &extensions.elements[pos], length);
      at += length;
    }
    pos += length;
  }
  if ((extensions.present & RoutedExtensions::kHasInPacket) == 0) [[likely]]
    return at;
  for (size_t i = 0; i < extensions.in_packet_count; ++i) {
    const RoutedExtensions::InPacket& element = extensions.in_packet[i];
    const uint8_t id = Id(ids_, element.uri);
    if (id == 0 || (element.length > kMaxOneByteLength && !two_byte)) continue;
    const auto value = extensions.ValueOf(element);
    at = WriteHead(at, id, value.size(), two_byte);
    std::memcpy(at, value.data(), value.size());
    at += value.size();
  }
  return at;
}

bool RtpHeaderWriter::NeedsTwoByteForm(const RoutedExtensions& extensions) const {
  if ((extensions.present & RoutedExtensions::kHasInPacket) == 0 || !may_two_byte_) return false;
  for (size_t i = 0; i < extensions.in_packet_count; ++i) {
    const RoutedExtensions::InPacket& element = extensions.in_packet[i];
    if (element.length > kMaxOneByteLength && Id(ids_, element.uri) != 0) return true;
  }
  return false;
}

/// Pads the block to 32 bits and writes its length; drops it when it is empty.
size_t RtpHeaderWriter::Finish(uint8_t* out, uint8_t* end) const {
  uint8_t* const block = out + kFixedHeader + kExtensionHeader;
  if (end == block) {
    out[0] = kVersion2;
    return kFixedHeader;
  }
  while ((end - block) % 4 != 0) *end++ = 0;
  Store16(out + kFixedHeader + 2, static_cast<uint16_t>((end - block) / 4));
  return static_cast<size_t>(end - out);
}

}  // namespace sluice::worker
