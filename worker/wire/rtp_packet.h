#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "common/rtp_types.h"

namespace sluice::worker {

/// A validated view over the bytes of one RTP packet (RFC 3550 §5.1, header extensions RFC 8285).
/// Owns nothing; the bytes must outlive it. Extensions are indexed once, in Parse.
class RtpPacket {
 public:
  static constexpr size_t kFixedHeader = 12;
  /// Elements that are indexed; further ones are ignored (RFC 8285 sets no limit, senders use <
  /// 12).
  static constexpr size_t kMaxExtensions = 16;
  /// "Defined by profile" words of the two forms (RFC 8285 §4.2, §4.3); the low four bits of the
  /// second one are the application's.
  static constexpr uint16_t kOneByteProfile = 0xBEDE;
  static constexpr uint16_t kTwoByteProfile = 0x1000;
  static constexpr uint16_t kTwoByteProfileMask = 0xFFF0;

  /// nullopt when the bytes are not one well-formed RTP packet: version, CSRC list, extension
  /// length, padding (zero or beyond the payload) and element lengths are all checked.
  static std::optional<RtpPacket> Parse(std::span<uint8_t> bytes);

  bool marker() const { return (bytes_[1] & 0x80) != 0; }
  PayloadType payload_type() const { return PayloadType(bytes_[1] & 0x7f); }
  SeqNumber sequence_number() const {
    return SeqNumber(static_cast<uint16_t>(bytes_[2] << 8 | bytes_[3]));
  }
  RtpTimestamp timestamp() const { return RtpTimestamp(Read32(4)); }
  Ssrc ssrc() const { return Ssrc(Read32(8)); }

  void set_marker(bool marker);
  void set_payload_type(PayloadType type);
  void set_sequence_number(SeqNumber seq);
  void set_timestamp(RtpTimestamp timestamp);
  void set_ssrc(Ssrc ssrc);

  std::span<uint8_t> bytes() const { return bytes_; }
  size_t size() const { return bytes_.size(); }
  size_t header_size() const { return header_size_; }  ///< CSRCs and extensions included
  size_t padding_size() const { return padding_size_; }
  /// Without padding; empty for a padding-only packet.
  std::span<uint8_t> payload() const {
    return bytes_.subspan(header_size_, bytes_.size() - header_size_ - padding_size_);
  }

  /// Value bytes of the first element with `id`; empty data() == nullptr when there is none. A
  /// one-byte-form element of length 0 cannot exist; a two-byte-form one yields size 0, data() !=
  /// null.
  std::span<uint8_t> Extension(uint8_t id) const;
  size_t extension_count() const { return extension_count_; }

 private:
  struct ExtensionEntry {
    uint8_t id = 0;
    uint8_t length = 0;
    uint16_t offset = 0;
  };

  /// Index the elements of a block that starts at `offset`; false when one runs past its end.
  bool IndexExtensions(uint16_t profile, size_t offset, std::span<const uint8_t> block);
  bool IndexOneByteElements(size_t offset, std::span<const uint8_t> block);
  bool IndexTwoByteElements(size_t offset, std::span<const uint8_t> block);
  void AddExtension(uint8_t id, uint8_t length, size_t offset);

  uint32_t Read32(size_t at) const {
    return static_cast<uint32_t>(bytes_[at]) << 24 | static_cast<uint32_t>(bytes_[at + 1]) << 16 |
           static_cast<uint32_t>(bytes_[at + 2]) << 8 | bytes_[at + 3];
  }

  std::span<uint8_t> bytes_;
  size_t header_size_ = kFixedHeader;
  size_t padding_size_ = 0;
  size_t extension_count_ = 0;
  std::array<ExtensionEntry, kMaxExtensions> extensions_;
};

/// Writes the header-extension block of a packet being made (RFC 8285), one-byte form while every
/// element allows it (id 1…14, 1…16 bytes), else two-byte form; padded to 32 bits.
class RtpExtensionWriter {
 public:
  /// Bytes of the whole block; the router writes well under 100.
  static constexpr size_t kMaxBlock = 256;

  /// False, and nothing added, when it does not fit or id/length are out of range (id 1…255,
  /// length ≤ 255).
  bool Add(uint8_t id, std::span<const uint8_t> value);
  /// Writes profile word, length and elements to `out`; returns the size, 0 when there are none
  /// or `out` is shorter than Size().
  size_t Write(std::span<uint8_t> out) const;
  /// Size that Write() will need.
  size_t Size() const;

 private:
  struct Element {
    uint8_t id;
    uint8_t length;
    uint16_t offset;
  };
  std::array<Element, RtpPacket::kMaxExtensions> elements_{};
  size_t count_ = 0;
  std::array<uint8_t, kMaxBlock> values_{};
  size_t used_ = 0;
  bool two_byte_ = false;
};

// Values of the header extensions that the router reads or writes. Parsers return nullopt on a
// wrong length.

/// MID, RID, repaired RID: 1…16 ASCII characters are accepted (RFC 8843 §15, RFC 8852).
std::optional<std::string_view> ParseSdesItem(std::span<const uint8_t> value);

/// abs-send-time: 24 bits, 6.18 fixed-point seconds (webrtc.org experiments).
uint32_t AbsSendTimeFromMicros(int64_t us);
std::optional<uint32_t> ParseAbsSendTime(std::span<const uint8_t> value);

/// RFC 6464: level 0…127 is −dBov; `voice` is the V bit.
struct AudioLevel {
  uint8_t level = 127;
  bool voice = false;
};
std::optional<AudioLevel> ParseAudioLevel(std::span<const uint8_t> value);

/// 3GPP TS 26.114 §7.4.5 (CVO).
struct VideoOrientationValue {
  bool camera = false;
  bool flip = false;
  uint16_t rotation = 0;  ///< degrees
};
std::optional<VideoOrientationValue> ParseVideoOrientation(std::span<const uint8_t> value);

std::optional<uint16_t> ParseTransportSequence(std::span<const uint8_t> value);

/// abs-capture-time: NTP of the capture, and the capturer's clock minus ours where known.
struct AbsCaptureTime {
  uint64_t capture_ntp = 0;             ///< UQ32.32
  std::optional<int64_t> clock_offset;  ///< Q32.32
};
std::optional<AbsCaptureTime> ParseAbsCaptureTime(std::span<const uint8_t> value);

}  // namespace sluice::worker
