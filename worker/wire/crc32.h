#pragma once

#include <cstdint>
#include <span>

namespace sluice::worker {

/// CRC-32 of ITU-T V.42 (reflected 0x04C11DB7), as FINGERPRINT uses it (RFC 8489 §14.7).
uint32_t Crc32(std::span<const uint8_t> bytes);

/// CRC-32c (Castagnoli, reflected 0x1EDC6F41), as SCTP uses it (RFC 9260 appendix A), of the
/// spans one after the other.
uint32_t Crc32c(std::span<const uint8_t> first, std::span<const uint8_t> second = {},
                std::span<const uint8_t> third = {});

}  // namespace sluice::worker
