#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <vector>

#include "worker/wire/sctp.h"

namespace sluice::worker {

/// SCTP packets byte by byte.
class SctpPacketBuilder {
 public:
  explicit SctpPacketBuilder(uint32_t tag) {
    U16(sctp::kPort);
    U16(sctp::kPort);
    U32(tag);
    U32(0);
  }
  /// `body` with the length that it has, or another.
  SctpPacketBuilder& Chunk(sctp::ChunkType type, const std::vector<uint8_t>& body,
                           uint8_t flags = 0, int length = -1) {
    bytes_.push_back(static_cast<uint8_t>(type));
    bytes_.push_back(flags);
    U16(static_cast<uint16_t>(length < 0 ? body.size() + 4 : static_cast<size_t>(length)));
    bytes_.insert(bytes_.end(), body.begin(), body.end());
    while (bytes_.size() % 4 != 0) bytes_.push_back(0);
    return *this;
  }
  std::vector<uint8_t> Build() {
    sctp::WriteChecksum(bytes_);
    return bytes_;
  }
  std::vector<uint8_t>& bytes() { return bytes_; }

 private:
  void U16(uint16_t value) {
    bytes_.push_back(static_cast<uint8_t>(value >> 8));
    bytes_.push_back(static_cast<uint8_t>(value));
  }
  void U32(uint32_t value) {
    U16(static_cast<uint16_t>(value >> 16));
    U16(static_cast<uint16_t>(value));
  }
  std::vector<uint8_t> bytes_;
};

inline void PutU32(std::vector<uint8_t>* bytes, uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) {
    bytes->push_back(static_cast<uint8_t>(value >> shift));
  }
}
inline void PutU16(std::vector<uint8_t>* bytes, uint16_t value) {
  bytes->push_back(static_cast<uint8_t>(value >> 8));
  bytes->push_back(static_cast<uint8_t>(value));
}

/// The body of an INIT, or of an INIT-ACK with `parameters` that have a cookie.
inline std::vector<uint8_t> InitBody(uint32_t tag, const std::vector<uint8_t>& parameters = {}) {
  std::vector<uint8_t> body;
  PutU32(&body, tag);
  PutU32(&body, 100'000);  // window
  PutU16(&body, 16);
  PutU16(&body, 16);
  PutU32(&body, 1000);  // first TSN
  body.insert(body.end(), parameters.begin(), parameters.end());
  return body;
}

/// An outgoing reset of one stream, RFC 6525 §4.1.
inline std::vector<uint8_t> ResetBody(uint32_t number, uint32_t after_tsn, uint16_t stream) {
  std::vector<uint8_t> body = {0, 13, 0, 18};
  PutU32(&body, number);
  PutU32(&body, 0);
  PutU32(&body, after_tsn);
  PutU16(&body, stream);
  return body;
}

}  // namespace sluice::worker
