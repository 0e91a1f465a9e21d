#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "common/rtp_types.h"

namespace sluice::worker {

/// State per SSRC, flat and small: a viewer has two to four, so the last one found is tried first
/// and the rest is a short scan. A hash index appears with kIndexFrom entries (large meetings).
/// Pointers into it last until the next Insert or Remove.
template <typename State>
class SsrcTable {
 public:
  explicit SsrcTable(size_t capacity) : capacity_(capacity) {}

  size_t size() const { return entries_.size(); }
  size_t capacity() const { return capacity_; }
  bool full() const { return entries_.size() >= capacity_; }

  State* Find(Ssrc ssrc) {
    if (last_ < entries_.size() && entries_[last_].ssrc == ssrc) return &entries_[last_].state;
    if (index_ != nullptr) {
      const auto it = index_->find(ssrc);
      if (it == index_->end()) return nullptr;
      last_ = it->second;
      return &entries_[last_].state;
    }
    for (size_t i = 0; i < entries_.size(); ++i) {
      if (entries_[i].ssrc != ssrc) continue;
      last_ = i;
      return &entries_[i].state;
    }
    return nullptr;
  }

  /// `ssrc` must not be there. nullptr when full.
  State* Insert(Ssrc ssrc, State state) {
    if (full()) return nullptr;
    entries_.push_back({ssrc, std::move(state)});
    last_ = entries_.size() - 1;
    if (index_ != nullptr) {
      index_->emplace(ssrc, last_);
    } else if (entries_.size() >= kIndexFrom) {
      index_ = std::make_unique<absl::flat_hash_map<Ssrc, size_t>>();
      for (size_t i = 0; i < entries_.size(); ++i) index_->emplace(entries_[i].ssrc, i);
    }
    return &entries_[last_].state;
  }

  /// The SSRC whose state has the lowest `value(state)`; nullopt when empty. Looks at all of them.
  template <typename Value>
  std::optional<Ssrc> Lowest(Value value) const {
    const auto it = std::min_element(
        entries_.begin(), entries_.end(),
        [&](const Entry& a, const Entry& b) { return value(a.state) < value(b.state); });
    return it == entries_.end() ? std::nullopt : std::optional(it->ssrc);
  }

  void Remove(Ssrc ssrc) {
    if (Find(ssrc) == nullptr) return;
    if (index_ != nullptr) {
      index_->erase(ssrc);
      if (last_ + 1 < entries_.size()) (*index_)[entries_.back().ssrc] = last_;
    }
    if (last_ + 1 < entries_.size()) entries_[last_] = std::move(entries_.back());
    entries_.pop_back();
  }

 private:
  static constexpr size_t kIndexFrom = 16;  // entries; a scan of fewer is faster than a hash

  struct Entry {
    Ssrc ssrc;
    State state;
  };
  size_t capacity_;
  size_t last_ = 0;
  std::vector<Entry> entries_;
  std::unique_ptr<absl::flat_hash_map<Ssrc, size_t>> index_;
};

}  // namespace sluice::worker
