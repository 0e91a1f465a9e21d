#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "common/rtp_parameters.h"
#include "common/rtp_types.h"
#include "worker/core/rtp/routed_packet.h"

namespace sluice::worker {

/// What a consumer negotiated of header extensions: its own ids, 0 = not negotiated. The index is
/// RtpExtensionUri.
using ExtensionIds = std::array<uint8_t, kRtpExtensionUriCount>;

/// Where a finished header has room for what is only known when the packet leaves, as offsets from
/// its first byte. 0: it has none.
struct RtpHeaderStamps {
  uint16_t abs_send_time_at = 0;
  uint16_t transport_sequence_at = 0;
  uint16_t descriptor_at = 0;  ///< the value of the dependency descriptor
};

/// Writes the RTP headers of one outgoing SSRC straight into the egress slot: fixed header (RFC
/// 3550 §5.1), then MID, the forwarded elements that the receiver negotiated, abs-send-time and the
/// transport-wide sequence number (RFC 8285 one-byte form; two-byte form where an id or a value
/// that this receiver negotiated needs it: a receiver that negotiated neither, nor said that it
/// takes both forms, never sees that one, which it might not read, and with it the MID. A value
/// that needs it is left out then). What does not change between packets is prepared once.
///
/// The bytes are a function of the arguments alone: the same arguments give the same bytes.
class RtpHeaderWriter {
 public:
  static constexpr size_t kMaxTwoByteLength = 255;  // bytes, RFC 8285 §4.3
  static constexpr size_t kMaxMid = 32;             // bytes; RFC 8843 §15 asks for 1…16

  /// `mid` (at most kMaxMid bytes, "" = none) is written when `ids` has one for it.
  /// `takes_both_forms`: the receiver said so.
  RtpHeaderWriter(Ssrc ssrc, std::string_view mid, const ExtensionIds& ids,
                  bool takes_both_forms = false);

  /// What changes from packet to packet, beside the forwarded extensions.
  struct Fields {
    PayloadType payload_type;
    bool marker = false;
    SeqNumber sequence;
    RtpTimestamp timestamp;
    /// 24 bits, written when negotiated. 0: whoever sends the packet writes it, see `stamps`.
    uint32_t abs_send_time = 0;
  };
  struct Header {
    size_t size = 0;  ///< a multiple of 4, at most MaxSize()
    RtpHeaderStamps stamps;
  };

  /// Bytes that Write() may touch for a packet with `extensions`.
  size_t MaxSize(const RoutedExtensions& extensions) const {
    return MaxSize(extensions.dependency_descriptor);
  }
  size_t MaxSize(std::span<const uint8_t> descriptor) const {
    return kFixedMax + (HasDescriptor(descriptor) ? descriptor.size() : 0);
  }
  Header Write(uint8_t* out, const Fields& fields, const RoutedExtensions& extensions) const {
    return Write(out, fields, extensions, extensions.dependency_descriptor);
  }
  /// With `descriptor` in the place of the dependency descriptor that came.
  Header Write(uint8_t* out, const Fields& fields, const RoutedExtensions& extensions,
               std::span<const uint8_t> descriptor) const {
    Header header;
    header.size = Write(out, fields, extensions, descriptor, &header.stamps);
    return header;
  }
  /// The same; returns the size. (Returned in registers the stamps would be put together from parts
  /// in memory, which takes 4 ns for each packet.)
  size_t Write(uint8_t* out, const Fields& fields, const RoutedExtensions& extensions,
               std::span<const uint8_t> descriptor, RtpHeaderStamps* stamps) const;

  bool writes_abs_send_time() const { return abs_send_time_id_ != 0; }
  bool writes_descriptor() const { return dependency_descriptor_id_ != 0; }

 private:
  /// The receiver negotiated the dependency descriptor, and any form of header has room for this
  /// one.
  bool HasDescriptor(std::span<const uint8_t> descriptor) const {
    const size_t size = descriptor.size();
    return dependency_descriptor_id_ != 0 && size > 0 && size <= kMaxTwoByteLength;
  }

  static constexpr size_t kFixedHeader = 12;
  static constexpr size_t kExtensionHeader = 4;
  /// Header and block without the dependency descriptor's value: MID 2 + 32, forwarded elements in
  /// two-byte form (of those ready one byte more for each, and the shortest has two), descriptor's
  /// head 2, abs-send-time 5, transport sequence 4, padding 3.
  static constexpr size_t kFixedMax = kFixedHeader + kExtensionHeader + 2 + kMaxMid +
                                      RoutedExtensions::kMaxBytes * 3 / 2 +
                                      RoutedExtensions::kMaxInPacketBytes + 2 + 5 + 4 + 3;

  uint8_t* WriteElements(uint8_t* at, const RoutedExtensions& extensions, bool two_byte) const;
  /// One of its values is to go out, and needs that form.
  bool NeedsTwoByteForm(const RoutedExtensions& extensions) const;
  size_t WriteTwoByteForm(uint8_t* out, const Fields& fields, const RoutedExtensions& extensions,
                          std::span<const uint8_t> descriptor, RtpHeaderStamps* stamps) const;
  size_t Finish(uint8_t* out, uint8_t* end) const;

  /// Fixed header, profile word and MID element in the form that this consumer usually needs.
  std::array<uint8_t, kFixedHeader + kExtensionHeader + 2 + kMaxMid> template_{};
  uint8_t template_size_ = kFixedHeader;
  uint8_t abs_send_time_id_ = 0;
  uint8_t transport_sequence_id_ = 0;
  uint8_t dependency_descriptor_id_ = 0;
  uint8_t mid_size_ = 0;
  /// One-byte form cannot be used: an id above 14 or a MID of more than 16 bytes.
  bool always_two_byte_ = false;
  bool may_two_byte_ = false;  ///< the receiver takes that form
  /// Bits of RoutedExtensions::present whose elements go out as they are.
  uint32_t verbatim_ = 0;
  ExtensionIds ids_;
};

/// Writes the two where `stamps` has a place for them, which it must.
inline void WriteAbsSendTime(uint8_t* header, const RtpHeaderStamps& stamps, uint32_t value) {
  uint8_t* at = header + stamps.abs_send_time_at;
  at[0] = static_cast<uint8_t>(value >> 16);
  at[1] = static_cast<uint8_t>(value >> 8);
  at[2] = static_cast<uint8_t>(value);
}
inline void WriteTransportSequence(uint8_t* header, const RtpHeaderStamps& stamps, uint16_t value) {
  uint8_t* at = header + stamps.transport_sequence_at;
  at[0] = static_cast<uint8_t>(value >> 8);
  at[1] = static_cast<uint8_t>(value);
}

}  // namespace sluice::worker
