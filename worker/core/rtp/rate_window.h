#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "common/units.h"

namespace sluice::worker {

/// Bitrate over a sliding window, in a fixed ring of time slots: no allocation, O(1) per update.
/// Resolution is window / kSlots (100 ms for the 2500 ms of an RTP stream,
/// docs/protocols/rtp-rtcp.md §6). Within a slot an update touches the first 16 bytes only: there
/// is one of these, or several, for each of thousands of streams.
class RateWindow {
 public:
  static constexpr size_t kSlots = 25;

  explicit RateWindow(Duration window = Duration::Millis(2500))
      : slot_us_(window.us() / static_cast<int64_t>(kSlots)) {}

  void Add(size_t bytes, Timestamp now) {
    if (now.us() >= slot_end_us_) Advance(now);
    slot_bytes_ += bytes;
  }
  /// Mean over the whole window, also while the stream is younger than that.
  DataRate Rate(Timestamp now) {
    if (now.us() >= slot_end_us_) Advance(now);
    const int64_t window_us = slot_us_ * static_cast<int64_t>(kSlots);
    const auto bytes = static_cast<int64_t>(total_ + slot_bytes_);
    return DataRate::BitsPerSecond(bytes * 8 * 1'000'000 / window_us);
  }

 private:
  /// Files what the slot that has ended holds and clears those between it and `now`. A clock that
  /// steps back changes nothing.
  void Advance(Timestamp now) {
    const int64_t slot = now.us() / slot_us_;
    slot_end_us_ = (slot + 1) * slot_us_;
    if (slot <= current_) return;
    if (slot - current_ >= static_cast<int64_t>(kSlots)) {
      slots_.fill(0);
      total_ = 0;
    } else {
      slots_[static_cast<size_t>(current_) % kSlots] = static_cast<uint32_t>(slot_bytes_);
      total_ += slot_bytes_;
      for (int64_t i = current_ + 1; i <= slot; ++i) {
        uint32_t& bytes = slots_[static_cast<size_t>(i) % kSlots];
        total_ -= bytes;
        bytes = 0;
      }
    }
    slot_bytes_ = 0;
    current_ = slot;
  }

  int64_t slot_end_us_ = 0;
  uint64_t slot_bytes_ = 0;  ///< of the slot that runs
  int64_t slot_us_;
  int64_t current_ = 0;  ///< number of the slot that runs
  uint64_t total_ = 0;   ///< of the slots before it
  std::array<uint32_t, kSlots> slots_{};
};

}  // namespace sluice::worker
