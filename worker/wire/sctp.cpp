#include "worker/wire/sctp.h"

#include <algorithm>
#include <array>

#include "worker/wire/bounded_reader.h"
#include "worker/wire/crc32.h"

namespace sluice::worker::sctp {
namespace {

constexpr size_t kChecksumAt = 8;
constexpr std::array<uint8_t, 4> kNoChecksum{};  // counts as zeros (RFC 9260 §6.8)

uint32_t ChecksumOf(std::span<const uint8_t> packet) {
  return Crc32c(packet.first(kChecksumAt), kNoChecksum, packet.subspan(kCommonHeader));
}

/// Bytes of a chunk or parameter with its padding, of which the last in `rest` may lack.
size_t Padded(size_t length, std::span<const uint8_t> rest) {
  return std::min((length + 3) & ~size_t{3}, rest.size());
}

}  // namespace

std::optional<PacketHeader> ParseHeader(std::span<const uint8_t> packet) {
  BoundedReader reader(packet);
  PacketHeader header;
  header.source_port = reader.ReadU16();
  header.destination_port = reader.ReadU16();
  header.verification_tag = reader.ReadU32();
  header.checksum = reader.ReadU32();
  if (!reader.ok()) return std::nullopt;
  return header;
}

bool LooksLikeSctp(std::span<const uint8_t> datagram) {
  const auto header = ParseHeader(datagram);
  return header && header->source_port == kPort && header->destination_port == kPort;
}

bool ChecksumIsRight(std::span<const uint8_t> packet) {
  const uint32_t sum = ChecksumOf(packet);
  for (size_t i = 0; i < 4; ++i) {
    if (packet[kChecksumAt + i] != static_cast<uint8_t>(sum >> (8 * i))) return false;
  }
  return true;
}

void WriteChecksum(std::span<uint8_t> packet) {
  const uint32_t sum = ChecksumOf(packet);
  for (size_t i = 0; i < 4; ++i) packet[kChecksumAt + i] = static_cast<uint8_t>(sum >> (8 * i));
}

ChunkReader::ChunkReader(std::span<const uint8_t> packet)
    : rest_(packet.size() < kCommonHeader ? std::span<const uint8_t>()
                                          : packet.subspan(kCommonHeader)),
      ok_(packet.size() >= kCommonHeader) {}

std::optional<Chunk> ChunkReader::Next() {
  if (!ok_ || rest_.empty()) return std::nullopt;
  BoundedReader reader(rest_);
  Chunk chunk;
  chunk.type = static_cast<ChunkType>(reader.ReadU8());
  chunk.flags = reader.ReadU8();
  const size_t length = reader.ReadU16();
  if (!reader.ok() || length < kChunkHeader || length > rest_.size()) {
    ok_ = false;
    return std::nullopt;
  }
  chunk.body = rest_.subspan(kChunkHeader, length - kChunkHeader);
  rest_ = rest_.subspan(Padded(length, rest_));
  return chunk;
}

std::optional<ParameterReader::Parameter> ParameterReader::Next() {
  if (!ok_ || rest_.empty()) return std::nullopt;
  constexpr size_t kHeader = 4;  // bytes: type, length
  BoundedReader reader(rest_);
  Parameter parameter;
  parameter.type = reader.ReadU16();
  const size_t length = reader.ReadU16();
  if (!reader.ok() || length < kHeader || length > rest_.size()) {
    ok_ = false;
    return std::nullopt;
  }
  parameter.value = rest_.subspan(kHeader, length - kHeader);
  rest_ = rest_.subspan(Padded(length, rest_));
  return parameter;
}

}  // namespace sluice::worker::sctp
