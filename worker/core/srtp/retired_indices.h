#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/container/flat_hash_map.h"
#include "common/rtp_types.h"

namespace sluice::worker {

/// The highest packet index (ROC‖SEQ, 48 bits) of each SSRC that is no longer in use: enough to go
/// on after it and to refuse everything up to it. A window costs 150 bytes, an entry here 13 to 30.
class RetiredIndices {
 public:
  explicit RetiredIndices(size_t capacity) : capacity_(capacity) {}

  size_t size() const { return indices_.size(); }
  bool full() const { return indices_.size() >= capacity_; }

  std::optional<uint64_t> Find(Ssrc ssrc) const {
    const auto it = indices_.find(ssrc.value());
    return it == indices_.end() ? std::nullopt : std::optional(Unpack(it->second));
  }

  /// Remembers `highest`. False, and nothing is stored, when there is no room for another SSRC.
  bool Insert(Ssrc ssrc, uint64_t highest) {
    const auto it = indices_.find(ssrc.value());
    if (it != indices_.end()) {
      it->second = Pack(highest);
      return true;
    }
    if (full()) return false;
    indices_.emplace(ssrc.value(), Pack(highest));
    return true;
  }

  void Erase(Ssrc ssrc) { indices_.erase(ssrc.value()); }

 private:
  using Packed = std::array<uint16_t, 3>;  // 48 bits; makes the map's element 12 bytes, not 16

  static Packed Pack(uint64_t index) {
    return {static_cast<uint16_t>(index >> 32), static_cast<uint16_t>(index >> 16),
            static_cast<uint16_t>(index)};
  }
  static uint64_t Unpack(const Packed& packed) {
    return static_cast<uint64_t>(packed[0]) << 32 | static_cast<uint64_t>(packed[1]) << 16 |
           packed[2];
  }

  size_t capacity_;
  absl::flat_hash_map<uint32_t, Packed> indices_;
};

}  // namespace sluice::worker
