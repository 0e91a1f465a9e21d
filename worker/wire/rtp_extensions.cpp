#include <algorithm>

#include "worker/wire/bounded_reader.h"
#include "worker/wire/bounded_writer.h"
#include "worker/wire/rtp_packet.h"

namespace sluice::worker {
namespace {

constexpr size_t kBlockHeader = 4;  // profile word and length
constexpr uint8_t kMaxOneByteId = 14;
constexpr size_t kMaxOneByteLength = 16;
constexpr size_t kMaxTwoByteLength = 255;
/// Longest MID or RID that is accepted, bytes: what fits the one-byte form.
constexpr size_t kMaxSdesItem = 16;

}  // namespace

bool RtpExtensionWriter::Add(uint8_t id, std::span<const uint8_t> value) {
  if (id == 0 || value.size() > kMaxTwoByteLength) return false;
  if (count_ == elements_.size() || value.size() > values_.size() - used_) return false;
  const bool two_byte_before = two_byte_;
  elements_[count_] = {id, static_cast<uint8_t>(value.size()), static_cast<uint16_t>(used_)};
  ++count_;
  used_ += value.size();
  if (id > kMaxOneByteId || value.empty() || value.size() > kMaxOneByteLength) two_byte_ = true;
  if (Size() > kMaxBlock) {
    --count_;
    used_ -= value.size();
    two_byte_ = two_byte_before;
    return false;
  }
  std::copy(value.begin(), value.end(), values_.begin() + elements_[count_ - 1].offset);
  return true;
}

size_t RtpExtensionWriter::Size() const {
  if (count_ == 0) return 0;
  const size_t elements = count_ * (two_byte_ ? 2 : 1) + used_;
  return kBlockHeader + ((elements + 3) & ~size_t{3});
}

size_t RtpExtensionWriter::Write(std::span<uint8_t> out) const {
  const size_t size = Size();
  if (size == 0 || size > out.size()) return 0;
  BoundedWriter writer(out.first(size));
  writer.WriteU16(two_byte_ ? RtpPacket::kTwoByteProfile : RtpPacket::kOneByteProfile);
  writer.WriteU16(static_cast<uint16_t>((size - kBlockHeader) / 4));
  for (size_t i = 0; i < count_; ++i) {
    const Element& element = elements_[i];
    if (two_byte_) {
      writer.WriteU8(element.id);
      writer.WriteU8(element.length);
    } else {
      writer.WriteU8(static_cast<uint8_t>(element.id << 4 | (element.length - 1)));
    }
    writer.WriteBytes(std::span(values_).subspan(element.offset, element.length));
  }
  writer.WriteZeros(writer.remaining());
  return size;
}

std::optional<std::string_view> ParseSdesItem(std::span<const uint8_t> value) {
  if (value.empty() || value.size() > kMaxSdesItem) return std::nullopt;
  const bool printable =
      std::all_of(value.begin(), value.end(), [](uint8_t c) { return c > 0x20 && c < 0x7f; });
  if (!printable) return std::nullopt;
  return std::string_view(reinterpret_cast<const char*>(value.data()), value.size());
}

uint32_t AbsSendTimeFromMicros(int64_t us) {
  constexpr int64_t kWrap = 64'000'000;  // µs: six bits of seconds
  const int64_t in_wrap = (us % kWrap + kWrap) % kWrap;
  return static_cast<uint32_t>((in_wrap << 18) / 1'000'000);
}

std::optional<uint32_t> ParseAbsSendTime(std::span<const uint8_t> value) {
  if (value.size() != 3) return std::nullopt;
  return static_cast<uint32_t>(value[0] << 16 | value[1] << 8 | value[2]);
}

std::optional<AudioLevel> ParseAudioLevel(std::span<const uint8_t> value) {
  if (value.size() != 1) return std::nullopt;
  return AudioLevel{static_cast<uint8_t>(value[0] & 0x7f), (value[0] & 0x80) != 0};
}

std::optional<VideoOrientationValue> ParseVideoOrientation(std::span<const uint8_t> value) {
  if (value.size() != 1) return std::nullopt;
  return VideoOrientationValue{(value[0] & 0x08) != 0, (value[0] & 0x04) != 0,
                               static_cast<uint16_t>((value[0] & 0x03) * 90)};
}

std::optional<uint16_t> ParseTransportSequence(std::span<const uint8_t> value) {
  if (value.size() != 2) return std::nullopt;
  return BoundedReader(value).ReadU16();
}

std::optional<AbsCaptureTime> ParseAbsCaptureTime(std::span<const uint8_t> value) {
  if (value.size() != 8 && value.size() != 16) return std::nullopt;
  BoundedReader reader(value);
  AbsCaptureTime time;
  time.capture_ntp = reader.ReadU64();
  if (!reader.empty()) time.clock_offset = static_cast<int64_t>(reader.ReadU64());
  return time;
}

}  // namespace sluice::worker
