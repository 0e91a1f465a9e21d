#include "worker/media/extension_router.h"

#include <cstring>

namespace sluice::worker {
namespace {

constexpr size_t kAudioLevelSize = 1;     // RFC 6464 §3
constexpr size_t kOrientationSize = 1;    // 3GPP TS 26.114 §7.4.5
constexpr size_t kTimeOffsetSize = 3;     // RFC 5450 §2
constexpr size_t kPlayoutDelaySize = 3;   // webrtc.org experiments: two 12-bit values
constexpr size_t kPacketIdSize = 4;       // docs/protocols/router-protocol.md §11
constexpr size_t kCaptureTimeSize = 8;    // abs-capture-time without its clock offset
constexpr size_t kCaptureOffsetSize = 8;  // that clock offset
// webrtc.org experiments, what is said of a picture on its last packet:
constexpr size_t kContentTypeSize = 1;
constexpr size_t kTimingSize = 13;     // flags and six times of 16 bits
constexpr size_t kColorSpaceSize = 4;  // primaries, transfer, matrix, range and siting
constexpr size_t kColorMetadata = 24;  // what may follow: mastering display, light levels
constexpr size_t kTwoByteHead = 2;
static_assert(kTimingSize + kColorSpaceSize + kColorMetadata + 2 * kTwoByteHead <=
              RoutedExtensions::kMaxInPacketBytes);

void Append(RtpExtensionUri uri, std::span<const uint8_t> value, RoutedExtensions* out) {
  if (value.empty() || out->size + 1 + value.size() > RoutedExtensions::kMaxBytes) return;
  const uint8_t id = RouterExtensionId(uri);
  out->elements[out->size] = static_cast<uint8_t>(id << 4 | static_cast<int>(value.size() - 1));
  std::memcpy(out->elements.data() + out->size + 1, value.data(), value.size());
  out->size = static_cast<uint8_t>(out->size + 1 + value.size());
  out->present |= uint32_t{1} << static_cast<uint8_t>(uri);
}

void WriteBigEndian64(uint64_t value, uint8_t* out) {
  for (int i = 7; i >= 0; --i, value >>= 8) out[i] = static_cast<uint8_t>(value);
}

/// Q32.32 seconds. A sender may claim any time of day, so this wraps, as the field does.
uint64_t ToFixedPoint(Duration duration) {
  const int64_t seconds = duration.us() / 1'000'000;
  const int64_t rest_us = duration.us() % 1'000'000;
  return (static_cast<uint64_t>(seconds) << 32) +
         static_cast<uint64_t>(rest_us * (int64_t{1} << 32) / 1'000'000);
}

}  // namespace

ExtensionRouter::ExtensionRouter(const RtpParameters& parameters, MediaKind kind,
                                 bool add_packet_id)
    : kind_(kind), add_packet_id_(add_packet_id) {
  for (const RtpHeaderExtensionParameters& extension : parameters.header_extensions) {
    uint8_t& id = ids_[static_cast<size_t>(extension.uri)];
    if (id == 0) id = extension.id;  // the first of each kind counts
  }
  const auto has = [this](RtpExtensionUri uri) { return ids_[static_cast<size_t>(uri)] != 0; };
  says_of_pictures_ = has(RtpExtensionUri::kVideoContentType) ||
                      has(RtpExtensionUri::kVideoTiming) || has(RtpExtensionUri::kColorSpace);
}

std::span<const uint8_t> ExtensionRouter::Value(const RtpPacket& packet,
                                                RtpExtensionUri uri) const {
  const uint8_t id = ids_[static_cast<size_t>(uri)];
  if (id == 0) return {};
  return packet.Extension(id);
}

void ExtensionRouter::Route(const RtpPacket& packet, std::optional<Duration> clock_offset,
                            RoutedExtensions* out) {
  out->size = 0;
  out->present = 0;
  out->in_packet_count = 0;
  out->dependency_descriptor = {};
  if (packet.extension_count() > 0) {
    RouteAbsCaptureTime(packet, clock_offset, out);
    Copy(packet, RtpExtensionUri::kPlayoutDelay, kPlayoutDelaySize, out);
    if (kind_ == MediaKind::kAudio) {
      Copy(packet, RtpExtensionUri::kAudioLevel, kAudioLevelSize, out);
    } else {
      out->dependency_descriptor = Value(packet, RtpExtensionUri::kDependencyDescriptor);
      Copy(packet, RtpExtensionUri::kVideoOrientation, kOrientationSize, out);
      Copy(packet, RtpExtensionUri::kTimeOffset, kTimeOffsetSize, out);
      if (says_of_pictures_) RoutePicture(packet, out);
    }
    if (Copy(packet, RtpExtensionUri::kPacketId, kPacketIdSize, out)) return;
  }
  if (!add_packet_id_) return;
  const uint32_t packet_id = next_packet_id_++;
  const std::array<uint8_t, kPacketIdSize> value = {
      static_cast<uint8_t>(packet_id >> 24), static_cast<uint8_t>(packet_id >> 16),
      static_cast<uint8_t>(packet_id >> 8), static_cast<uint8_t>(packet_id)};
  Append(RtpExtensionUri::kPacketId, value, out);
}

void ExtensionRouter::RouteAbsCaptureTime(const RtpPacket& packet,
                                          std::optional<Duration> clock_offset,
                                          RoutedExtensions* out) const {
  const auto value = Value(packet, RtpExtensionUri::kAbsCaptureTime);
  const auto capture = ParseAbsCaptureTime(value);
  if (!capture) return;
  std::array<uint8_t, kCaptureTimeSize + kCaptureOffsetSize> routed;
  std::memcpy(routed.data(), value.data(), kCaptureTimeSize);
  if (!clock_offset) {
    // What the sender says of its own clock is not true of ours.
    Append(RtpExtensionUri::kAbsCaptureTime, std::span(routed).first(kCaptureTimeSize), out);
    return;
  }
  // An intermediate system adds what its clock is ahead of the sender's; wraps as Q32.32 does.
  const uint64_t offset =
      static_cast<uint64_t>(capture->clock_offset.value_or(0)) + ToFixedPoint(*clock_offset);
  WriteBigEndian64(offset, routed.data() + kCaptureTimeSize);
  Append(RtpExtensionUri::kAbsCaptureTime, routed, out);
}

/// The timing of a picture is in milliseconds from its capture, by the sender's clock alone, so
/// that it is as true behind a router as in front of it. Two of its six times are for routers, if
/// they wish: they stay as they came. Filling them in takes the time of the capture, which the
/// packet does not say, and the time of leaving, which is another one for each receiver; who wants
/// to know what a router takes has abs-capture-time, whose offset is made ours.
void ExtensionRouter::RoutePicture(const RtpPacket& packet, RoutedExtensions* out) const {
  Copy(packet, RtpExtensionUri::kVideoContentType, kContentTypeSize, out);
  Refer(packet, RtpExtensionUri::kVideoTiming, kTimingSize, out);
  if (Copy(packet, RtpExtensionUri::kColorSpace, kColorSpaceSize, out)) return;
  Refer(packet, RtpExtensionUri::kColorSpace, kColorSpaceSize + kColorMetadata, out);
}

void ExtensionRouter::Refer(const RtpPacket& packet, RtpExtensionUri uri, size_t length,
                            RoutedExtensions* out) const {
  const auto value = Value(packet, uri);
  if (value.size() != length || out->in_packet_count == RoutedExtensions::kMaxInPacket) return;
  const uint8_t* const first = packet.bytes().data();
  out->packet = first;
  out->in_packet[out->in_packet_count++] = {uri, static_cast<uint8_t>(length),
                                            static_cast<uint16_t>(value.data() - first)};
  out->present |= RoutedExtensions::kHasInPacket;
}

bool ExtensionRouter::Copy(const RtpPacket& packet, RtpExtensionUri uri, size_t length,
                           RoutedExtensions* out) const {
  const auto value = Value(packet, uri);
  if (value.size() != length) return false;
  Append(uri, value, out);
  return true;
}

}  // namespace sluice::worker
