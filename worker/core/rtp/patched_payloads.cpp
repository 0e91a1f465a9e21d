#include "worker/core/rtp/patched_payloads.h"

#include <algorithm>
#include <cstring>

#include "worker/wire/payload_descriptor.h"

namespace sluice::worker {

void PatchPayload(std::span<uint8_t> payload, const RoutedPacket& packet,
                  const RewriteOffsets& offsets) {
  const PayloadInfo& info = packet.info;
  ContinuityFields fields;
  fields.picture_id = static_cast<uint16_t>(info.picture_id.value_or(0) + offsets.picture_id);
  fields.tl0_picture_index =
      static_cast<uint8_t>(info.tl0_picture_index.value_or(0) + offsets.tl0_picture_index);
  fields.key_index = static_cast<uint8_t>(info.key_index.value_or(0) + offsets.key_index);
  RewriteContinuity(payload, info, fields);
}

const uint8_t* PatchedPayloads::Find(const RoutedPacket& packet, const RewriteOffsets& offsets,
                                     uint32_t key) {
  const size_t index = packet.turn_index;
  if (index >= packets_.size()) [[unlikely]]
    packets_.resize(index + 1);
  OfPacket& of = packets_[index];
  if (of.arrival != packet.arrival) {
    if (of.arrival != 0) return nullptr;  // one of them is of an earlier turn
    of.arrival = packet.arrival;
  }
  for (size_t i = 0; i < of.count; ++i) {
    if (of.keys[i] == key) return of.payloads[i];
  }
  uint8_t* copy = of.count < kMaxOfPacket ? Allocate(packet.payload.size()) : nullptr;
  if (copy == nullptr) return nullptr;
  std::memcpy(copy, packet.payload.data(), packet.payload.size());
  PatchPayload({copy, packet.payload.size()}, packet, offsets);
  if (of.count == 0) of.first_key = key;
  of.keys[of.count] = key;
  of.payloads[of.count++] = copy;
  return copy;
}

uint8_t* PatchedPayloads::Allocate(size_t size) {
  if (size > kChunk) return nullptr;
  if (chunk_ < chunks_.size() && kChunk - used_ < size) {
    ++chunk_;
    used_ = 0;
  }
  if (chunk_ == chunks_.size()) {
    if (chunks_.size() == kMaxBytes / kChunk) return nullptr;
    chunks_.push_back(std::make_unique_for_overwrite<uint8_t[]>(kChunk));
    used_ = 0;
  }
  uint8_t* at = chunks_[chunk_].get() + used_;
  used_ += size;
  return at;
}

void PatchedPayloads::Clear() {
  packets_.clear();
  chunk_ = 0;
  used_ = 0;
}

void PatchedPayloads::Release() {
  Clear();
  packets_ = std::vector<OfPacket>();
  chunks_ = std::vector<std::unique_ptr<uint8_t[]>>();
}

}  // namespace sluice::worker
