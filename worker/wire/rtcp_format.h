#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "worker/wire/bounded_writer.h"
#include "worker/wire/rtcp.h"

/// Numbers and steps that the RTCP parser and builder share; not for use outside wire/.
namespace sluice::worker::rtcp {

inline constexpr uint8_t kVersion = 2;
inline constexpr size_t kHeader = 4;        // bytes
inline constexpr size_t kReportBlock = 24;  // bytes
inline constexpr size_t kSenderInfo = 20;   // bytes after the SSRC
inline constexpr size_t kMaxCount = 31;     // the count field has 5 bits

// RTPFB formats (RFC 4585 §6.2, draft-holmer-rmcat-transport-wide-cc §3.1).
inline constexpr uint8_t kFormatNack = 1;
inline constexpr uint8_t kFormatTransportFeedback = 15;
// PSFB formats (RFC 4585 §6.3, RFC 5104 §4.3, draft-alvestrand-rmcat-remb).
inline constexpr uint8_t kFormatPli = 1;
inline constexpr uint8_t kFormatFir = 4;
inline constexpr uint8_t kFormatApplicationLayer = 15;

inline constexpr uint32_t kRembId = 0x52454D42;  // "REMB"
inline constexpr uint8_t kSdesEnd = 0;
inline constexpr uint8_t kSdesCname = 1;
inline constexpr uint8_t kXrReceiverReferenceTime = 4;  // RFC 3611 §4.4
inline constexpr uint8_t kXrDlrr = 5;                   // RFC 3611 §4.5
inline constexpr size_t kDlrrItem = 12;                 // bytes

/// Unit of the deltas of a transport-cc feedback.
inline constexpr int64_t kTransportDeltaUs = 250;

/// Packets that one transport-cc feedback may cover. More than half the sequence circle cannot be
/// put in order; it also bounds what a 30-byte packet of run-lengths makes us store (512 KiB).
inline constexpr size_t kMaxTransportFeedbackPackets = 32'768;

/// Parses the FCI of a transport-cc feedback (what follows the two SSRCs) into `feedback`.
bool ParseTransportFeedback(std::span<const uint8_t> fci, TransportFeedback& feedback);

/// Writes that FCI; false when it does not fit or a delta cannot be expressed.
bool WriteTransportFeedback(const TransportFeedback& feedback, BoundedWriter& writer);

}  // namespace sluice::worker::rtcp
