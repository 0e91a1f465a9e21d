#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "common/rtp_parameters.h"
#include "common/rtp_types.h"
#include "common/units.h"
#include "worker/core/packet_buffer.h"
#include "worker/core/rtp/frame_info.h"
#include "worker/wire/payload_descriptor.h"

namespace sluice::worker {

class PatchedPayloads;

/// Header-extension values that travel from a producer to its consumers
/// (docs/protocols/router-protocol.md §11). Each hop's own (MID, RID, abs-send-time, transport-cc)
/// are not among them: the consumer writes those itself.
///
/// What most packets have stands ready to be copied in one piece, with the router's ids, which are
/// those of most receivers. That form has 14 ids and values of up to 16 bytes; what it has no room
/// for is on few packets (the last one of some pictures) and stays where it came, under its URI.
struct RoutedExtensions {
  static constexpr size_t kMaxBytes = 48;  // of `elements`
  /// In `present`: there are elements `in_packet`.
  static constexpr uint32_t kHasInPacket = uint32_t{1} << 31;
  static_assert(kRtpExtensionUriCount <= 31, "bits of `present`");

  /// An element in the packet's own bytes.
  struct InPacket {
    RtpExtensionUri uri = RtpExtensionUri::kMid;
    uint8_t length = 0;
    uint16_t offset = 0;  ///< of its value, from `packet` on
  };
  static constexpr size_t kMaxInPacket = 2;
  static constexpr size_t kMaxInPacketBytes = 48;  // in the two-byte form

  /// Finished one-byte-form elements (id/length byte and value), in the canonical order.
  std::array<uint8_t, kMaxBytes> elements;
  uint8_t size = 0;
  uint8_t in_packet_count = 0;
  /// `1 << RtpExtensionUri` of each element in `elements`, and kHasInPacket.
  uint32_t present = 0;
  /// AV1 dependency descriptor, in the packet's own bytes (kept alive by RoutedPacket::buffer);
  /// empty when absent. Not counted in `present`.
  std::span<const uint8_t> dependency_descriptor;
  std::array<InPacket, kMaxInPacket> in_packet;
  /// First byte of the packet (kept alive by RoutedPacket::buffer), where there are such.
  const uint8_t* packet = nullptr;

  std::span<const uint8_t> ValueOf(const InPacket& element) const {
    return {packet + element.offset, element.length};
  }
};

/// One packet of a producer: the received bytes, decrypted and unchanged, and what was read from
/// them once. Whatever all consumers need of a packet is worked out here by the producer, not by
/// each of them. It lives in the PacketRing of its encoding; everyone else holds pointers or
/// numbers.
struct RoutedPacket {
  PacketRef buffer;  ///< keeps `payload` alive; empty with padding_only
  std::span<const uint8_t> payload;
  ExtendedSeqNumber sequence;  ///< of the producer's stream (after RTX unwrapping)
  RtpTimestamp timestamp;
  PayloadType payload_type;  ///< mapped to the router's
  Ssrc mapped_ssrc;          ///< of the producer encoding
  uint8_t encoding_index = 0;
  /// 0: of the codec of the encoding, as a consumer was told. Another number than before: the
  /// sender has changed its codec.
  uint8_t codec_epoch = 0;
  bool marker = false;
  /// Redundant audio (RFC 2198): `payload` is of several blocks, whose payload types are the
  /// router's already, and this many bytes of it are in front of the primary one. 0: it is not.
  uint16_t primary_offset = 0;
  PayloadType primary_type;  ///< of the primary block, the router's
  /// Bytes of the header as it came, which stands in front of `payload`. 0: the packet had padding,
  /// or none of this is asked for.
  uint16_t header_size = 0;
  bool is_recovered = false;  ///< came as RTX
  /// Carries no payload, but it used up a sequence number, so that the consumer's numbering must
  /// close the gap. `payload` and `extensions` are empty.
  bool padding_only = false;
  /// The sender began anew with this packet, or set its clock: `sequence` may have jumped ahead (it
  /// never goes back) by a distance that means nothing, and so may `timestamp`. The consumer goes
  /// on with its own next number and time.
  bool restarted = false;
  /// Packets that came before this one, with higher numbers, could not be read without it, and now
  /// are.
  bool completes_others = false;
  FrameInfo frame;
  PayloadInfo info;  ///< of the codec; what is rewritten stands in there
  RoutedExtensions extensions;
  Timestamp received_at;

  bool is_redundant() const { return primary_offset != 0; }
  /// What a receiver without redundancy gets.
  std::span<const uint8_t> primary() const { return payload.subspan(primary_offset); }
  /// Counts the packets of the producer in the order in which they came, from 1 on.
  uint64_t arrival = 0;
  /// Its place in the turn in which it came.
  uint32_t turn_index = 0;
  /// Of its producer, where receivers may need other picture ids; else null.
  PatchedPayloads* patched = nullptr;
};

}  // namespace sluice::worker
