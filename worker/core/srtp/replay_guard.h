#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>

#include "common/rtp_types.h"
#include "worker/core/srtp/index_window.h"
#include "worker/core/srtp/retired_indices.h"
#include "worker/core/srtp/ssrc_table.h"

namespace sluice::worker {

/// Replay lists of one direction and domain (RFC 3711 §3.3.2). Asked before authentication, told
/// after it: a packet that does not authenticate changes nothing here.
///
/// Nothing is forgotten with the stream that a packet belongs to: the sender's rollover counter
/// lives as long as the keys, and what was received once may not be received again. When there are
/// more than `max_live` SSRCs, the one that was silent for longest keeps its highest index only; of
/// those, the newest `max_retired` are kept.
class ReplayGuard {
 public:
  struct Verdict {
    enum class Kind : uint8_t {
      kNew,     ///< not received before
      kSeen,    ///< received before
      kTooOld,  ///< older than what is remembered
    };
    Kind kind = Kind::kNew;
    uint64_t index = 0;
  };

  ReplayGuard(size_t max_live, size_t max_retired)
      : live_(max_live), retired_(max_retired), max_retired_(max_retired) {}

  /// For an RTP packet, whose index is estimated from its sequence number.
  Verdict CheckSequence(Ssrc ssrc, SeqNumber seq) {
    if (const Entry* entry = live_.Find(ssrc)) {
      return InWindow(*entry->window, Estimate(entry->window->highest(), seq));
    }
    const std::optional<uint64_t> highest = retired_.Find(ssrc);
    if (!highest) return {Verdict::Kind::kNew, seq.value()};
    return After(*highest, Estimate(*highest, seq));
  }
  /// For SRTCP, which carries its index.
  Verdict CheckIndex(Ssrc ssrc, uint32_t index) {
    if (const Entry* entry = live_.Find(ssrc)) return InWindow(*entry->window, index);
    const std::optional<uint64_t> highest = retired_.Find(ssrc);
    return highest ? After(*highest, index) : Verdict{Verdict::Kind::kNew, index};
  }
  /// Highest index received of `ssrc`; nullopt when there is none.
  std::optional<uint64_t> Highest(Ssrc ssrc) {
    const Entry* entry = live_.Find(ssrc);
    return entry != nullptr ? std::optional(entry->window->highest()) : retired_.Find(ssrc);
  }

  /// Remembers the index of an authenticated packet that is new.
  void Accept(Ssrc ssrc, uint64_t index) {
    ++accepted_;
    if (Entry* entry = live_.Find(ssrc)) {
      entry->window->Mark(index);
      entry->last_used = accepted_;
      return;
    }
    std::unique_ptr<IndexWindow> window;
    if (const std::optional<uint64_t> highest = retired_.Find(ssrc)) {
      window = std::make_unique<IndexWindow>(*highest, /*all_before=*/true);
      window->Mark(index);
      retired_.Erase(ssrc);
    } else {
      window = std::make_unique<IndexWindow>(index);
    }
    if (live_.full()) RetireOldest();
    live_.Insert(ssrc, {std::move(window), accepted_});
  }

  size_t live() const { return live_.size(); }
  size_t retired() const { return retired_.size(); }

 private:
  struct Entry {
    std::unique_ptr<IndexWindow> window;
    uint64_t last_used = 0;  // value of accepted_ then
  };

  static uint64_t Estimate(uint64_t highest, SeqNumber seq) {
    const int64_t estimate = EstimateIndex(highest, seq);
    // Far ahead within rollover 0 looks like "before it": only rollover 0 can be meant.
    return estimate < 0 ? seq.value() : static_cast<uint64_t>(estimate);
  }
  static Verdict InWindow(const IndexWindow& window, uint64_t index) {
    switch (window.Check(index)) {
      case IndexWindow::State::kNew:
        return {Verdict::Kind::kNew, index};
      case IndexWindow::State::kSeen:
        return {Verdict::Kind::kSeen, index};
      default:
        return {Verdict::Kind::kTooOld, index};
    }
  }
  static Verdict After(uint64_t highest, uint64_t index) {
    return {index > highest ? Verdict::Kind::kNew : Verdict::Kind::kTooOld, index};
  }

  void RetireOldest() {
    const auto oldest = live_.Lowest([](const Entry& entry) { return entry.last_used; });
    if (!oldest) return;
    const uint64_t highest = live_.Find(*oldest)->window->highest();
    live_.Remove(*oldest);
    // One that was live again in between is in the list twice; the earlier place counts.
    if (retired_order_.size() >= max_retired_) {
      retired_.Erase(retired_order_.front());
      retired_order_.pop_front();
    }
    retired_order_.push_back(*oldest);
    retired_.Insert(*oldest, highest);
  }

  SsrcTable<Entry> live_;
  RetiredIndices retired_;
  size_t max_retired_;
  std::deque<Ssrc> retired_order_;
  uint64_t accepted_ = 0;  // packets
};

}  // namespace sluice::worker
