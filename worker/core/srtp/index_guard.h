#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "common/rtp_types.h"
#include "worker/core/prefetch.h"
#include "worker/core/srtp/index_window.h"
#include "worker/core/srtp/retired_indices.h"
#include "worker/core/srtp/srtp_packet.h"
#include "worker/core/srtp/srtp_session.h"
#include "worker/core/srtp/ssrc_table.h"

namespace sluice::worker {

/// Gives every outgoing RTP packet its index and refuses what could reuse a nonce (RFC 7714 §8.4)
/// or a key stream (RFC 3711 §9.1) with another plaintext.
///
/// A new index passes once: forward, or late inside the window of IndexWindow::kSize. A used one
/// passes only as retransmission, whose caller promises the same bytes; so does one older than the
/// window, of which nothing is known. A retired SSRC keeps its highest index: all up to it counts
/// as used. What was once sent is never forgotten: when there is no room to remember an SSRC, a new
/// one is refused.
class IndexGuard {
 public:
  IndexGuard(size_t max_live, size_t max_retired) : live_(max_live), retired_(max_retired) {}

  /// The index to encrypt under, now marked as used; nullopt, and `refusal`, when refused.
  std::optional<uint64_t> Claim(Ssrc ssrc, SeqNumber seq, bool retransmission,
                                SrtpRefusal* refusal) {
    *refusal = SrtpRefusal::kIndexUsed;
    if (IndexWindow* window = live_.Find(ssrc)) return ClaimIn(*window, seq, retransmission);
    if (live_.full()) {
      *refusal = SrtpRefusal::kTooManySsrcs;
      return std::nullopt;
    }
    const std::optional<uint64_t> highest = retired_.Find(ssrc);
    if (!highest) {
      live_.Insert(ssrc, IndexWindow(seq.value()));  // rollover counter 0
      return seq.value();
    }
    // Whether a window opens again is decided before there is one: a packet that is refused must
    // not make the SSRC live.
    const int64_t estimate = EstimateIndex(*highest, seq);
    if (estimate <= static_cast<int64_t>(*highest) && !retransmission) return std::nullopt;
    retired_.Erase(ssrc);
    IndexWindow* window = live_.Insert(ssrc, IndexWindow(*highest, /*all_before=*/true));
    return ClaimIn(*window, seq, retransmission);
  }

  /// The SSRC is no longer sent. It stays live where there is no room to remember it as retired.
  void Retire(Ssrc ssrc) {
    const IndexWindow* window = live_.Find(ssrc);
    if (window != nullptr && retired_.Insert(ssrc, window->highest())) live_.Remove(ssrc);
  }

  /// The sequence number after the highest one of a retired SSRC.
  std::optional<SeqNumber> NextSequence(Ssrc ssrc) const {
    const std::optional<uint64_t> highest = retired_.Find(ssrc);
    if (!highest) return std::nullopt;
    return SeqNumber(static_cast<uint16_t>(*highest + 1));
  }

  /// Fetches what Claim() is going to look at.
  void PrefetchFor(Ssrc ssrc) const { Prefetch(live_.Find(ssrc), sizeof(IndexWindow)); }

  size_t live() const { return live_.size(); }
  size_t retired() const { return retired_.size(); }
  /// How many SSRCs more can be live at the same time.
  size_t room() const { return live_.capacity() - live_.size(); }

 private:
  static std::optional<uint64_t> ClaimIn(IndexWindow& window, SeqNumber seq, bool retransmission) {
    const int64_t estimate = EstimateIndex(window.highest(), seq);
    // Before rollover 0 there is no index; 2^48 packets end the life of the keys.
    if (estimate < 0 || estimate > static_cast<int64_t>(kMaxSrtpIndex)) return std::nullopt;
    const auto index = static_cast<uint64_t>(estimate);
    if (window.Check(index) != IndexWindow::State::kNew) {
      return retransmission ? std::optional(index) : std::nullopt;
    }
    window.Mark(index);
    return index;
  }

  SsrcTable<IndexWindow> live_;
  RetiredIndices retired_;
};

}  // namespace sluice::worker
