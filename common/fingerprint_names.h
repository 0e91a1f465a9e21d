#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <string_view>

namespace sluice {

/// Hash functions of certificate fingerprints (RFC 8122 §5), in the order of the wire enum
/// FBS.WebRtcTransport.FingerprintAlgorithm.
inline constexpr std::array<std::string_view, 5> kFingerprintNames = {"sha-1", "sha-224", "sha-256",
                                                                      "sha-384", "sha-512"};
/// What each of them gives, bytes.
inline constexpr std::array<size_t, kFingerprintNames.size()> kFingerprintSizes = {20, 28, 32, 48,
                                                                                   64};
/// For messages.
inline constexpr std::string_view kFingerprintList = "sha-1, sha-224, sha-256, sha-384 or sha-512";

template <typename Algorithm>
constexpr std::string_view FingerprintName(Algorithm algorithm) {
  const auto index = static_cast<size_t>(algorithm);
  return index < kFingerprintNames.size() ? kFingerprintNames[index] : "unknown";
}

template <typename Algorithm>
constexpr std::optional<Algorithm> FingerprintOf(std::string_view name) {
  const auto* const found = std::find(kFingerprintNames.begin(), kFingerprintNames.end(), name);
  if (found == kFingerprintNames.end()) return std::nullopt;
  return static_cast<Algorithm>(found - kFingerprintNames.begin());
}

/// Bytes of what the function gives; nullopt for an unknown name.
constexpr std::optional<size_t> FingerprintSize(std::string_view name) {
  const std::optional<size_t> index = FingerprintOf<size_t>(name);
  if (!index) return std::nullopt;
  return kFingerprintSizes[*index];
}

}  // namespace sluice
