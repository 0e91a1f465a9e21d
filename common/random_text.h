#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace sluice {

/// `length` characters of 0-9 and a-z, each as likely as any other. `fill(std::span<uint8_t>)` puts
/// random bytes there: who calls has the source.
template <typename Fill>
std::string RandomText(size_t length, Fill fill) {
  constexpr std::string_view kAlphabet = "0123456789abcdefghijklmnopqrstuvwxyz";
  // Bytes from here on are thrown away: they would make the first characters likelier.
  constexpr uint8_t kUnbiased = 256 / kAlphabet.size() * kAlphabet.size();
  std::string text;
  text.reserve(length);
  std::array<uint8_t, 32> bytes{};
  while (text.size() < length) {
    fill(std::span<uint8_t>(bytes));
    for (const uint8_t byte : bytes) {
      if (byte >= kUnbiased || text.size() == length) continue;
      text.push_back(kAlphabet[byte % kAlphabet.size()]);
    }
  }
  return text;
}

}  // namespace sluice
