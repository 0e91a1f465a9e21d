#include "worker/core/sctp/sctp_fragment_ledger.h"

#include <algorithm>
#include <map>

#include "worker/wire/bounded_reader.h"
#include "worker/wire/sctp.h"

namespace sluice::worker {
namespace {

using sctp::Chunk;
using sctp::ChunkType;

// Flags of DATA, RFC 9260 §3.3.1.
constexpr uint8_t kLastFragment = 0x01;
constexpr uint8_t kFirstFragment = 0x02;
constexpr uint8_t kUnorderedMessage = 0x04;
constexpr uint8_t kWholeMessage = kFirstFragment | kLastFragment;
constexpr size_t kDataHeader = 12;  // bytes before the payload

/// Whether `a` lies behind `b` in sequence space (RFC 1982).
bool IsAfter(uint32_t a, uint32_t b) { return static_cast<int32_t>(a - b) > 0; }

bool IsFragment(const Chunk& chunk) {
  return chunk.type == ChunkType::kData && (chunk.flags & kWholeMessage) != kWholeMessage &&
         chunk.body.size() > kDataHeader;
}

uint32_t TsnOf(const Chunk& chunk) { return BoundedReader(chunk.body).ReadU32(); }

}  // namespace

bool SctpFragmentLedger::Acknowledged(uint32_t tsn) const {
  return acknowledged_ && !IsAfter(tsn, *acknowledged_);
}

bool SctpFragmentLedger::HasRoomFor(std::span<const uint8_t> packet) const {
  bool fills_holes = true;
  size_t fragments = 0;
  sctp::ChunkReader chunks(packet);
  while (const std::optional<Chunk> chunk = chunks.Next()) {
    if (chunk->type != ChunkType::kData) continue;
    const uint32_t tsn = TsnOf(*chunk);
    if (acknowledged_ && IsAfter(tsn, *acknowledged_ + kMaxAhead)) return false;
    if (!highest_ || IsAfter(tsn, *highest_)) fills_holes = false;
    if (IsFragment(*chunk)) ++fragments;
  }
  return fills_holes || held_ + fragments <= limit_;
}

bool SctpFragmentLedger::OnReceived(std::span<const uint8_t> packet) {
  if (!HasRoomFor(packet)) return false;
  sctp::ChunkReader chunks(packet);
  while (const std::optional<Chunk> chunk = chunks.Next()) {
    if (chunk->type == ChunkType::kForwardTsn) OnForwardTsn(chunk->body);
    if (chunk->type != ChunkType::kData) continue;
    BoundedReader reader(chunk->body);
    const uint32_t tsn = reader.ReadU32();
    if (!highest_ || IsAfter(tsn, *highest_)) highest_ = tsn;
    if (!IsFragment(*chunk) || Acknowledged(tsn)) continue;
    const uint16_t stream = reader.ReadU16();
    const uint16_t ssn = reader.ReadU16();
    const auto size = static_cast<uint16_t>(chunk->body.size() - kDataHeader);
    if (fragments_.try_emplace(tsn, Fragment{stream, ssn, size, chunk->flags}).second) ++held_;
  }
  return true;
}

void SctpFragmentLedger::OnForwardTsn(std::span<const uint8_t> body) {
  BoundedReader reader(body);
  const uint32_t to = reader.ReadU32();
  if (forwarded_ && !IsAfter(to, *forwarded_)) return;
  forwarded_ = to;
  if (fragments_.empty()) return;
  // RFC 3758 §3.2: of an ordered stream everything up to a number; of unordered messages all.
  std::map<uint16_t, uint16_t> streams;
  while (reader.remaining() >= 4) {
    const uint16_t stream = reader.ReadU16();
    streams[stream] = reader.ReadU16();
  }
  for (auto it = fragments_.begin(); it != fragments_.end();) {
    const auto current = it++;
    const Fragment& fragment = current->second;
    if (!fragment.held || IsAfter(current->first, to)) continue;
    if ((fragment.flags & kUnorderedMessage) == 0) {
      const auto stream = streams.find(fragment.stream);
      if (stream == streams.end()) continue;
      if (static_cast<int16_t>(fragment.ssn - stream->second) > 0) continue;
    }
    Release(current);
  }
}

void SctpFragmentLedger::OnSent(std::span<const uint8_t> packet) {
  sctp::ChunkReader chunks(packet);
  while (const std::optional<Chunk> chunk = chunks.Next()) {
    if (chunk->type != ChunkType::kSack) continue;
    const uint32_t tsn = TsnOf(*chunk);
    if (Acknowledged(tsn)) continue;
    acknowledged_ = tsn;
    if (fragments_.size() == held_) continue;
    // What was delivered ahead of a hole cannot come again.
    std::erase_if(fragments_, [this](const auto& entry) {
      return !entry.second.held && Acknowledged(entry.first);
    });
  }
}

uint32_t SctpFragmentLedger::BeginOf(uint32_t tsn) const {
  auto fragment = fragments_.find(tsn);
  while (fragment != fragments_.end() && (fragment->second.flags & kFirstFragment) == 0) {
    fragment = fragments_.find(tsn - 1);
    if (fragment != fragments_.end()) --tsn;
  }
  return tsn;
}

void SctpFragmentLedger::OnDelivered(uint32_t tsn, size_t bytes, bool last) {
  if (fragments_.empty()) return;
  if (!reading_) {
    reading_ = BeginOf(tsn);
    read_ = 0;
  }
  read_ += bytes;
  for (auto it = fragments_.find(*reading_); it != fragments_.end();
       it = fragments_.find(*reading_)) {
    if (read_ < it->second.size) break;
    read_ -= it->second.size;
    const bool end = (it->second.flags & kLastFragment) != 0;
    if (it->second.held) Release(it);
    ++*reading_;
    if (end) break;
  }
  if (last) reading_.reset();
}

void SctpFragmentLedger::Release(Fragments::iterator fragment) {
  --held_;
  if (Acknowledged(fragment->first)) {
    fragments_.erase(fragment);
  } else {
    fragment->second.held = false;
  }
}

}  // namespace sluice::worker
