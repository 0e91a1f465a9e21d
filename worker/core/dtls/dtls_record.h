#pragma once

#include <cstdint>
#include <optional>
#include <span>

namespace sluice::worker {

/// The framing of one DTLS record (RFC 6347 §4.1): what can be told without keys.
struct DtlsRecord {
  static constexpr size_t kHeader = 13;
  /// 2^14 and what the worst cipher adds (RFC 6347 §4.1, RFC 5246 §6.2.3).
  static constexpr size_t kMaxPayload = (1 << 14) + 2048;

  enum Type : uint8_t {
    kChangeCipherSpec = 20,
    kAlert = 21,
    kHandshake = 22,
    kApplicationData = 23
  };

  uint8_t type = 0;
  uint16_t epoch = 0;
  size_t size = 0;  ///< header included

  /// The record at the start of `bytes`; nullopt when that is none, or cut short.
  static std::optional<DtlsRecord> Parse(std::span<const uint8_t> bytes);
};

}  // namespace sluice::worker
