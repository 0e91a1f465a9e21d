#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace sluice::worker::testing {

/// Bytes from hexadecimal text; anything but digits is a separator. "80 c8-00" and "80c800" are
/// the same.
inline std::vector<uint8_t> Hex(std::string_view text) {
  std::vector<uint8_t> bytes;
  int digits = 0;
  uint8_t value = 0;
  for (const char c : text) {
    int digit = -1;
    if (c >= '0' && c <= '9') digit = c - '0';
    if (c >= 'a' && c <= 'f') digit = c - 'a' + 10;
    if (digit < 0) continue;
    value = static_cast<uint8_t>(value << 4 | digit);
    if (++digits % 2 == 0) bytes.push_back(value);
  }
  return bytes;
}

}  // namespace sluice::worker::testing
