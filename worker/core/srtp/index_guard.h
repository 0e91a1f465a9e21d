#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "common/rtp_types.h"
#include "worker/core/srtp/index_window.h"
#include "worker/core/srtp/srtp_packet.h"
#include "worker/core/srtp/ssrc_table.h"

namespace sluice::worker {

/// Gives every outgoing RTP packet its index and refuses what could reuse a nonce (RFC 7714 §8.4)
/// or a key stream (RFC 3711 §9.1) with another plaintext.
///
/// A new index passes once: forward, or late inside the window of IndexWindow::kSize. A used one
/// passes only as retransmission, whose caller promises the same bytes; so does one older than the
/// window, of which nothing is known. A removed SSRC keeps its highest index: all up to it counts
/// as used.
class IndexGuard {
 public:
  explicit IndexGuard(size_t max_ssrcs) : table_(max_ssrcs) {}

  /// The index to encrypt under, now marked as used; nullopt when refused.
  std::optional<uint64_t> Claim(Ssrc ssrc, SeqNumber seq, bool retransmission) {
    Entry* entry = table_.Find(ssrc);
    if (entry == nullptr) {
      if (table_.full()) return std::nullopt;
      const uint64_t first = seq.value();  // rollover counter 0
      table_.Insert(ssrc, {std::make_unique<IndexWindow>(first), 0});
      return first;
    }
    const uint64_t highest = entry->window ? entry->window->highest() : entry->retired_at;
    const int64_t estimate = EstimateIndex(highest, seq);
    // Before rollover 0 there is no index; 2^48 packets end the life of the keys.
    if (estimate < 0 || estimate > static_cast<int64_t>(kMaxSrtpIndex)) return std::nullopt;
    const auto index = static_cast<uint64_t>(estimate);
    if (entry->window == nullptr) {
      if (index <= highest && !retransmission) return std::nullopt;
      entry->window = std::make_unique<IndexWindow>(highest, /*all_before=*/true);
    }
    if (entry->window->Check(index) != IndexWindow::State::kNew) {
      return retransmission ? std::optional(index) : std::nullopt;
    }
    entry->window->Mark(index);
    return index;
  }

  void Retire(Ssrc ssrc) {
    Entry* entry = table_.Find(ssrc);
    if (entry == nullptr || entry->window == nullptr) return;
    entry->retired_at = entry->window->highest();
    entry->window.reset();
  }

 private:
  struct Entry {
    std::unique_ptr<IndexWindow> window;  // null while retired
    uint64_t retired_at = 0;
  };
  SsrcTable<Entry> table_;
};

}  // namespace sluice::worker
