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
/// and the rest is a short scan, of SSRCs that lie close together. A hash index appears with
/// kIndexFrom entries (large meetings). Pointers into it last until the next Insert or Remove.
template <typename State>
class SsrcTable {
 public:
  explicit SsrcTable(size_t capacity) : capacity_(capacity) {}

  size_t size() const { return ssrcs_.size(); }
  size_t capacity() const { return capacity_; }
  bool full() const { return ssrcs_.size() >= capacity_; }

  State* Find(Ssrc ssrc) {
    if (last_ != kNone && last_ssrc_ == ssrc) return &states_[last_];
    return Remember(ssrc, Place(ssrc));
  }
  const State* Find(Ssrc ssrc) const {
    const uint32_t place = last_ != kNone && last_ssrc_ == ssrc ? last_ : Place(ssrc);
    return place == kNone ? nullptr : &states_[place];
  }

  /// `ssrc` must not be there. nullptr when full.
  State* Insert(Ssrc ssrc, State state) {
    if (full()) return nullptr;
    const auto place = static_cast<uint32_t>(ssrcs_.size());
    ssrcs_.push_back(ssrc);
    states_.push_back(std::move(state));
    if (index_ != nullptr) {
      index_->emplace(ssrc, place);
    } else if (ssrcs_.size() >= kIndexFrom) {
      index_ = std::make_unique<absl::flat_hash_map<Ssrc, uint32_t>>();
      for (uint32_t i = 0; i < ssrcs_.size(); ++i) index_->emplace(ssrcs_[i], i);
    }
    return Remember(ssrc, place);
  }

  /// The SSRC whose state has the lowest `value(state)`; nullopt when empty. Looks at all of them.
  template <typename Value>
  std::optional<Ssrc> Lowest(Value value) const {
    const auto it =
        std::min_element(states_.begin(), states_.end(),
                         [&](const State& a, const State& b) { return value(a) < value(b); });
    if (it == states_.end()) return std::nullopt;
    return ssrcs_[static_cast<size_t>(it - states_.begin())];
  }

  void Remove(Ssrc ssrc) {
    const uint32_t place = Place(ssrc);
    if (place == kNone) return;
    last_ = kNone;
    if (index_ != nullptr) index_->erase(ssrc);
    if (place + 1 < ssrcs_.size()) {
      ssrcs_[place] = ssrcs_.back();
      states_[place] = std::move(states_.back());
      if (index_ != nullptr) (*index_)[ssrcs_[place]] = place;
    }
    ssrcs_.pop_back();
    states_.pop_back();
  }

 private:
  static constexpr size_t kIndexFrom = 16;  // entries; a scan of fewer is faster than a hash
  static constexpr uint32_t kNone = UINT32_MAX;

  uint32_t Place(Ssrc ssrc) const {
    if (index_ != nullptr) {
      const auto it = index_->find(ssrc);
      return it == index_->end() ? kNone : it->second;
    }
    const auto it = std::find(ssrcs_.begin(), ssrcs_.end(), ssrc);
    return it == ssrcs_.end() ? kNone : static_cast<uint32_t>(it - ssrcs_.begin());
  }
  State* Remember(Ssrc ssrc, uint32_t place) {
    if (place == kNone) return nullptr;
    last_ssrc_ = ssrc;
    last_ = place;
    return &states_[place];
  }

  // A packet of the SSRC that was found last needs these three only.
  uint32_t last_ = kNone;
  Ssrc last_ssrc_;
  std::vector<State> states_;
  std::vector<Ssrc> ssrcs_;  ///< likewise
  size_t capacity_;
  std::unique_ptr<absl::flat_hash_map<Ssrc, uint32_t>> index_;
};

}  // namespace sluice::worker
