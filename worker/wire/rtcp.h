#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/rtp_types.h"
#include "common/units.h"

/// RTCP packets (RFC 3550 §6, 3611, 4585, 5104, draft-alvestrand-rmcat-remb,
/// draft-holmer-rmcat-transport-wide-cc): a visitor for what comes in, builders for what goes out.
namespace sluice::worker::rtcp {

enum class PacketType : uint8_t {
  kSenderReport = 200,
  kReceiverReport = 201,
  kSdes = 202,
  kBye = 203,
  kApp = 204,
  kTransportFeedback = 205,  // RTPFB
  kPayloadFeedback = 206,    // PSFB
  kExtendedReport = 207,
};

struct ReportBlock {
  Ssrc ssrc;                    ///< whose stream is reported on
  uint8_t fraction_lost = 0;    ///< 1/256
  int32_t cumulative_lost = 0;  ///< 24-bit signed
  uint32_t extended_highest_seq = 0;
  uint32_t jitter = 0;               ///< RTP timestamp units
  uint32_t last_sr = 0;              ///< compact NTP
  uint32_t delay_since_last_sr = 0;  ///< 1/65536 s
};

struct SenderInfo {
  Ssrc ssrc;
  NtpTime ntp;
  RtpTimestamp rtp_timestamp;
  uint32_t packet_count = 0;
  uint32_t octet_count = 0;
};

/// One item of a generic NACK: a packet and a bit mask of the 16 after it (RFC 4585 §6.2.1).
struct NackItem {
  SeqNumber packet_id;
  uint16_t following_lost = 0;
};

/// XR DLRR sub-block (RFC 3611 §4.5).
struct DlrrItem {
  Ssrc ssrc;
  uint32_t last_rr = 0;
  uint32_t delay_since_last_rr = 0;
};

/// One packet's fate in a transport-cc feedback.
struct TransportPacketStatus {
  uint16_t sequence = 0;
  bool received = false;
  int64_t arrival_us = 0;  ///< relative to the feedback's reference time origin; valid if received
};

struct TransportFeedback {
  Ssrc sender;
  Ssrc media;
  uint16_t base_sequence = 0;
  uint8_t feedback_count = 0;
  int32_t reference_time = 0;  ///< 24-bit signed, 64 ms units
  std::vector<TransportPacketStatus> packets;
};

/// Receives the contents of a compound packet. Every handler has an empty default.
class Visitor {
 public:
  virtual ~Visitor() = default;
  virtual void OnSenderReport(const SenderInfo&) {}
  /// From an SR or RR, one call per block.
  virtual void OnReportBlock(Ssrc /*reporter*/, const ReportBlock&) {}
  virtual void OnSdesCname(Ssrc, std::string_view) {}
  virtual void OnBye(Ssrc) {}
  virtual void OnReceiverReferenceTime(Ssrc /*reporter*/, NtpTime) {}  // XR RRT
  virtual void OnDlrr(Ssrc /*reporter*/, const DlrrItem&) {}           // XR DLRR
  virtual void OnNack(Ssrc /*media*/, const NackItem&) {}
  virtual void OnPli(Ssrc /*media*/) {}
  virtual void OnFir(Ssrc /*media*/, uint8_t /*sequence*/) {}
  virtual void OnRemb(DataRate, std::span<const Ssrc>) {}
  virtual void OnTransportFeedback(const TransportFeedback&) {}
  /// A packet of a type or format that we do not know.
  virtual void OnUnknown(uint8_t /*type*/, uint8_t /*format*/) {}
};

/// True for a datagram that the demultiplexer takes for RTCP: version 2, type 192…223 (RFC 5761
/// §4).
bool LooksLikeRtcp(std::span<const uint8_t> datagram);

/// Walks a compound (or reduced-size) packet. Stops at the first malformed packet and returns
/// false; what came before it has been visited. Never reads past a packet's own length,
/// and visits nothing of a packet that turns out malformed.
bool Parse(std::span<const uint8_t> compound, Visitor& visitor);

/// Appends packets to a compound in a caller's buffer. Each Add returns false, and leaves the
/// compound as it was, when the packet does not fit or a value has no encoding (too many blocks or
/// items, an empty list, a CNAME not of 1…255 bytes, a negative rate, a transport-cc delta beyond
/// ±8 s). Bytes behind size() may have been written to.
class Builder {
 public:
  static constexpr size_t kMaxCompound = 1292;  // bytes (docs/protocols/rtp-rtcp.md §5)

  explicit Builder(std::span<uint8_t> out);

  bool AddSenderReport(const SenderInfo& info, std::span<const ReportBlock> blocks);  // ≤ 31 blocks
  bool AddReceiverReport(Ssrc sender, std::span<const ReportBlock> blocks);  // ≤ 31 blocks
  bool AddSdesCname(Ssrc ssrc, std::string_view cname);
  bool AddBye(Ssrc ssrc);
  bool AddReceiverReferenceTime(Ssrc sender, NtpTime ntp);
  bool AddDlrr(Ssrc sender, std::span<const DlrrItem> items);
  bool AddNack(Ssrc sender, Ssrc media, std::span<const NackItem> items);
  bool AddPli(Ssrc sender, Ssrc media);
  bool AddFir(Ssrc sender, Ssrc media, uint8_t sequence);
  bool AddRemb(Ssrc sender, DataRate bitrate, std::span<const Ssrc> ssrcs);
  /// `feedback.packets` in sequence order without gaps, arrival in µs since the reference time.
  bool AddTransportFeedback(const TransportFeedback& feedback);

  std::span<const uint8_t> packet() const { return out_.first(size_); }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  void Reset() { size_ = 0; }

 private:
  /// Appends one packet: header, what `write_body(writer)` writes, zeros up to a whole word.
  template <typename WriteBody>
  bool Append(PacketType type, size_t count_or_format, WriteBody write_body);

  std::span<uint8_t> out_;
  size_t size_ = 0;
};

/// Packs ascending sequence numbers into NACK items.
std::vector<NackItem> PackNackItems(std::span<const SeqNumber> lost);

}  // namespace sluice::worker::rtcp
