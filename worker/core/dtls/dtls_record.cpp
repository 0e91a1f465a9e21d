#include "worker/core/dtls/dtls_record.h"

namespace sluice::worker {

std::optional<DtlsRecord> DtlsRecord::Parse(std::span<const uint8_t> bytes) {
  if (bytes.size() < kHeader) return std::nullopt;
  const uint8_t type = bytes[0];
  if (type < kChangeCipherSpec || type > kApplicationData) return std::nullopt;
  constexpr uint8_t kMajorVersion = 0xfe;  // every DTLS 1.x; the minor one is for the handshake
  if (bytes[1] != kMajorVersion) return std::nullopt;
  const auto epoch = static_cast<uint16_t>(bytes[3] << 8 | bytes[4]);
  const auto payload = static_cast<size_t>(bytes[11] << 8 | bytes[12]);
  if (payload == 0 || payload > kMaxPayload || payload > bytes.size() - kHeader)
    return std::nullopt;
  return DtlsRecord{type, epoch, kHeader + payload};
}

}  // namespace sluice::worker
