#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "common/rtp_types.h"
#include "worker/core/srtp/index_window.h"
#include "worker/core/srtp/srtp_session.h"
#include "worker/core/srtp/ssrc_table.h"

namespace sluice::worker {

/// Replay lists of one direction and domain (RFC 3711 §3.3.2). Asked before authentication, told
/// after it: a packet that does not authenticate changes nothing here.
class ReplayGuard {
 public:
  explicit ReplayGuard(size_t max_ssrcs) : table_(max_ssrcs) {}

  /// Index of an RTP packet by its sequence number; nullopt with `error` when it is a replay or its
  /// SSRC finds no room.
  std::optional<uint64_t> CheckSequence(Ssrc ssrc, SeqNumber seq, SrtpUnprotectError* error) {
    const Window* window = table_.Find(ssrc);
    if (window == nullptr) return CheckNew(seq.value(), error);
    const int64_t estimate = EstimateIndex((*window)->highest(), seq);
    // Far ahead within rollover 0 looks like "before it": only rollover 0 can be meant.
    return CheckKnown(**window, estimate < 0 ? seq.value() : static_cast<uint64_t>(estimate),
                      error);
  }
  /// As CheckSequence, for an explicit SRTCP index.
  std::optional<uint64_t> CheckIndex(Ssrc ssrc, uint32_t index, SrtpUnprotectError* error) {
    const Window* window = table_.Find(ssrc);
    return window == nullptr ? CheckNew(index, error) : CheckKnown(**window, index, error);
  }

  /// Remembers the index of an authenticated packet that passed the check.
  void Accept(Ssrc ssrc, uint64_t index) {
    if (Window* window = table_.Find(ssrc)) {
      (*window)->Mark(index);
    } else {
      table_.Insert(ssrc, std::make_unique<IndexWindow>(index));
    }
  }

  void Remove(Ssrc ssrc) { table_.Remove(ssrc); }
  size_t size() const { return table_.size(); }

 private:
  using Window = std::unique_ptr<IndexWindow>;

  std::optional<uint64_t> CheckNew(uint64_t index, SrtpUnprotectError* error) const {
    if (!table_.full()) return index;
    *error = SrtpUnprotectError::kOther;
    return std::nullopt;
  }
  static std::optional<uint64_t> CheckKnown(const IndexWindow& window, uint64_t index,
                                            SrtpUnprotectError* error) {
    if (window.Check(index) == IndexWindow::State::kNew) return index;
    *error = SrtpUnprotectError::kReplayed;
    return std::nullopt;
  }

  SsrcTable<Window> table_;
};

}  // namespace sluice::worker
