#include "worker/wire/crc32.h"

#include "worker/wire/crc_slicing.h"

namespace sluice::worker {

uint32_t Crc32(std::span<const uint8_t> bytes) { return SlicedCrc<0xEDB88320>::Of(bytes); }

uint32_t Crc32c(std::span<const uint8_t> first, std::span<const uint8_t> second,
                std::span<const uint8_t> third) {
  using Crc = SlicedCrc<0x82F63B78>;
  return Crc::Extend(Crc::Extend(Crc::Extend(0xFFFFFFFF, first), second), third) ^ 0xFFFFFFFF;
}

}  // namespace sluice::worker
