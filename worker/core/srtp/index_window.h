#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "common/rtp_types.h"

namespace sluice::worker {

/// Which of the newest kSize packet indices of one SSRC were seen: the replay list of RFC 3711
/// §3.3.2 on the receiving side, the guard against a second use of a nonce on the sending side.
class IndexWindow {
 public:
  static constexpr size_t kSize = 1024;  // packets

  enum class State : uint8_t { kNew, kSeen, kTooOld };

  /// Starts with `index` seen, and all before it too if `all_before`.
  explicit IndexWindow(uint64_t index, bool all_before = false) : highest_(index) {
    if (all_before) words_.fill(~uint64_t{0});
    Set(index);
  }

  uint64_t highest() const { return highest_; }

  State Check(uint64_t index) const {
    if (index > highest_) return State::kNew;
    if (highest_ - index >= kSize) return State::kTooOld;
    return (words_[Word(index)] & Bit(index)) != 0 ? State::kSeen : State::kNew;
  }

  /// Remembers `index`; one that is kTooOld changes nothing.
  void Mark(uint64_t index) {
    if (index > highest_) {
      Advance(index);
    } else if (highest_ - index >= kSize) {
      return;
    }
    Set(index);
  }

 private:
  static constexpr size_t Word(uint64_t index) { return (index % kSize) / 64; }
  static constexpr uint64_t Bit(uint64_t index) { return uint64_t{1} << (index % 64); }
  void Set(uint64_t index) { words_[Word(index)] |= Bit(index); }
  void Advance(uint64_t index) {
    if (index - highest_ >= kSize) {
      words_.fill(0);
    } else {
      for (uint64_t i = highest_ + 1; i <= index; ++i) words_[Word(i)] &= ~Bit(i);
    }
    highest_ = index;
  }

  uint64_t highest_;
  std::array<uint64_t, kSize / 64> words_{};
};

/// Packet index (ROC‖SEQ) of `seq` next to the highest one known (RFC 3711 §3.3.1, Appendix A).
/// Negative when `seq` lies before the first packet of rollover 0.
inline int64_t EstimateIndex(uint64_t highest, SeqNumber seq) {
  constexpr int32_t kHalf = 0x8000;
  const auto roc = static_cast<int64_t>(highest >> 16);
  const auto last = static_cast<int32_t>(highest & 0xffff);
  const int32_t current = seq.value();
  int64_t guess = roc;
  if (last < kHalf) {
    if (current - last > kHalf) guess = roc - 1;
  } else if (last - kHalf > current) {
    guess = roc + 1;
  }
  return guess * 0x10000 + current;
}

}  // namespace sluice::worker
