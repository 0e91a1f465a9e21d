#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace sluice::worker {

/// A reflected 32-bit CRC with all ones before and after, eight bytes a step ("slicing by 8"): a
/// STUN check of ~100 bytes costs ~50 ns instead of ~200. `kReflectedPolynomial`: bit 31 is x^0.
template <uint32_t kReflectedPolynomial>
class SlicedCrc {
 public:
  static uint32_t Of(std::span<const uint8_t> bytes) { return Extend(0xFFFFFFFF, bytes) ^ kOnes; }

  /// The register after `bytes`, not yet inverted.
  static uint32_t Extend(uint32_t crc, std::span<const uint8_t> bytes) {
    size_t at = 0;
    for (; bytes.size() - at >= kSlices; at += kSlices) {
      const uint32_t low = LittleEndian32(bytes, at) ^ crc;
      const uint32_t high = LittleEndian32(bytes, at + 4);
      crc = kTable[7][low & 0xff] ^ kTable[6][low >> 8 & 0xff] ^ kTable[5][low >> 16 & 0xff] ^
            kTable[4][low >> 24] ^ kTable[3][high & 0xff] ^ kTable[2][high >> 8 & 0xff] ^
            kTable[1][high >> 16 & 0xff] ^ kTable[0][high >> 24];
    }
    for (; at < bytes.size(); ++at) crc = (crc >> 8) ^ kTable[0][(crc ^ bytes[at]) & 0xff];
    return crc;
  }

 private:
  static constexpr uint32_t kOnes = 0xFFFFFFFF;
  static constexpr size_t kSlices = 8;
  using Table = std::array<std::array<uint32_t, 256>, kSlices>;

  static constexpr Table MakeTable() {
    Table table{};
    for (uint32_t i = 0; i < 256; ++i) {
      uint32_t crc = i;
      for (int bit = 0; bit < 8; ++bit) {
        crc = (crc & 1) != 0 ? (crc >> 1) ^ kReflectedPolynomial : crc >> 1;
      }
      table[0][i] = crc;
    }
    for (size_t slice = 1; slice < kSlices; ++slice) {
      for (size_t i = 0; i < 256; ++i) {
        const uint32_t previous = table[slice - 1][i];
        table[slice][i] = (previous >> 8) ^ table[0][previous & 0xff];
      }
    }
    return table;
  }

  static uint32_t LittleEndian32(std::span<const uint8_t> bytes, size_t at) {
    return static_cast<uint32_t>(bytes[at]) | static_cast<uint32_t>(bytes[at + 1]) << 8 |
           static_cast<uint32_t>(bytes[at + 2]) << 16 | static_cast<uint32_t>(bytes[at + 3]) << 24;
  }

  static const Table kTable;
};

template <uint32_t kReflectedPolynomial>
constexpr typename SlicedCrc<kReflectedPolynomial>::Table SlicedCrc<kReflectedPolynomial>::kTable =
    SlicedCrc<kReflectedPolynomial>::MakeTable();

}  // namespace sluice::worker
