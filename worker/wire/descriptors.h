#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "worker/wire/payload_descriptor.h"

/// One parser per codec; ParsePayload() picks. All are pure and bounded by the payload's size.
namespace sluice::worker {

/// RFC 7741 §4.2, §4.3.
std::optional<PayloadInfo> ParseVp8(std::span<const uint8_t> payload);
/// RFC 9628 §4.2.
std::optional<PayloadInfo> ParseVp9(std::span<const uint8_t> payload);
/// RFC 6184 §5.
std::optional<PayloadInfo> ParseH264(std::span<const uint8_t> payload);
/// RFC 7798 §4.
std::optional<PayloadInfo> ParseH265(std::span<const uint8_t> payload);
/// RTP Payload Format For AV1 v1.0 §4.4, §4.5.
std::optional<PayloadInfo> ParseAv1(std::span<const uint8_t> payload);

}  // namespace sluice::worker
