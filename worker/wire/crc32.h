#pragma once

#include <cstdint>
#include <span>

namespace sluice::worker {

/// CRC-32 of ITU-T V.42 (reflected 0x04C11DB7), as FINGERPRINT uses it (RFC 8489 §14.7).
uint32_t Crc32(std::span<const uint8_t> bytes);

}  // namespace sluice::worker
