#pragma once

#include <cstdint>
#include <utility>

#include "common/units.h"

namespace sluice::worker {

/// How many lines of one kind the worker logs that a client can cause: kLines in a window of
/// kWindow that begins with the first. The others are counted, and the next line that passes says
/// how many they were.
class LineLimit {
 public:
  static constexpr uint32_t kLines = 10;
  static constexpr Duration kWindow = Duration::Seconds(10);

  bool Allows(Timestamp now) {
    if (lines_ == 0 || now - since_ >= kWindow) {
      since_ = now;
      lines_ = 0;
    }
    if (lines_ >= kLines) {
      ++left_out_;
      return false;
    }
    ++lines_;
    return true;
  }
  /// Lines that did not pass since the last call.
  uint64_t TakeLeftOut() { return std::exchange(left_out_, 0); }

 private:
  Timestamp since_;
  uint32_t lines_ = 0;
  uint64_t left_out_ = 0;
};

}  // namespace sluice::worker
