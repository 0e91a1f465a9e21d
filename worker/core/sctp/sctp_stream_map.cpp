#include "worker/core/sctp/sctp_stream_map.h"

#include "worker/wire/sctp.h"

namespace sluice::worker {
namespace {

using sctp::Chunk;
using sctp::ChunkType;

uint16_t Read(std::span<const uint8_t> bytes, size_t at) {
  return static_cast<uint16_t>(bytes[at] << 8 | bytes[at + 1]);
}

void Write(std::span<uint8_t> bytes, size_t at, uint16_t value) {
  bytes[at] = static_cast<uint8_t>(value >> 8);
  bytes[at + 1] = static_cast<uint8_t>(value);
}

/// The bytes of `part`, which lies in `packet`, to be written.
std::span<uint8_t> Writable(std::span<uint8_t> packet, std::span<const uint8_t> part) {
  return packet.subspan(static_cast<size_t>(part.data() - packet.data()), part.size());
}

bool IsInit(const Chunk& chunk) {
  return chunk.type == ChunkType::kInit || chunk.type == ChunkType::kInitAck;
}

constexpr size_t kCountsAt = 8;  // of the body of an INIT: outbound, inbound

}  // namespace

bool SctpStreamMap::Used(uint16_t place) const {
  const auto it = stream_at_.find(place);
  if (it == stream_at_.end()) return false;
  const auto stream = place_of_.find(it->second);
  return stream != place_of_.end() && stream->second == place;
}

std::optional<uint16_t> SctpStreamMap::Take(uint16_t stream) {
  if (const auto it = place_of_.find(stream); it != place_of_.end()) return it->second;
  if (place_of_.size() >= places_) return std::nullopt;
  uint16_t place = stream;
  if (stream >= places_ || Used(stream)) {
    place = static_cast<uint16_t>(places_ - 1);
    while (Used(place)) --place;
  }
  place_of_[stream] = place;
  stream_at_[place] = stream;
  return place;
}

uint16_t SctpStreamMap::StreamAt(uint16_t place) const {
  const auto it = stream_at_.find(place);
  return it == stream_at_.end() ? place : it->second;
}

bool MapStreams(std::span<uint8_t> packet,
                const std::function<std::optional<uint16_t>(uint16_t)>& map) {
  const auto change = [&](std::span<uint8_t> bytes, size_t at) {
    if (at + 2 > bytes.size()) return true;
    const std::optional<uint16_t> number = map(Read(bytes, at));
    if (number) Write(bytes, at, *number);
    return number.has_value();
  };
  sctp::ChunkReader chunks(packet);
  while (const std::optional<Chunk> chunk = chunks.Next()) {
    const std::span<uint8_t> body = Writable(packet, chunk->body);
    if (chunk->type == ChunkType::kData) {
      constexpr size_t kStreamAt = 4;
      if (!change(body, kStreamAt)) return false;
    } else if (chunk->type == ChunkType::kForwardTsn) {
      for (size_t at = 4; at + 4 <= body.size(); at += 4) {
        if (!change(body, at)) return false;
      }
    } else if (chunk->type == ChunkType::kReConfig) {
      constexpr uint16_t kOutgoingReset = 13;  // RFC 6525 §4.1
      constexpr size_t kListAt = 12;
      sctp::ParameterReader parameters(chunk->body);
      while (const auto parameter = parameters.Next()) {
        if (parameter->type != kOutgoingReset) continue;
        const std::span<uint8_t> value = Writable(packet, parameter->value);
        for (size_t at = kListAt; at + 2 <= value.size(); at += 2) {
          if (!change(value, at)) return false;
        }
      }
    }
  }
  return true;
}

void WriteStreamCounts(std::span<uint8_t> packet, uint16_t count) {
  sctp::ChunkReader chunks(packet);
  while (const std::optional<Chunk> chunk = chunks.Next()) {
    if (!IsInit(*chunk) || chunk->body.size() < kCountsAt + 4) continue;
    const std::span<uint8_t> body = Writable(packet, chunk->body);
    Write(body, kCountsAt, count);
    Write(body, kCountsAt + 2, count);
  }
}

std::optional<std::pair<uint16_t, uint16_t>> ReadStreamCounts(std::span<const uint8_t> packet) {
  sctp::ChunkReader chunks(packet);
  while (const std::optional<Chunk> chunk = chunks.Next()) {
    if (!IsInit(*chunk) || chunk->body.size() < kCountsAt + 4) continue;
    return std::pair(Read(chunk->body, kCountsAt), Read(chunk->body, kCountsAt + 2));
  }
  return std::nullopt;
}

}  // namespace sluice::worker
