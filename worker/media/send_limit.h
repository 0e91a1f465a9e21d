#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "common/units.h"

namespace sluice::worker {

/// What may go to an address that has not shown that it receives what we send: whoever gave it to
/// us may have forged it, and what we send would hit somebody else. Such an address gets no more
/// bytes than came from it (as RFC 9000 §8 has it, with a factor of one), and nothing once it has
/// been silent for a while. Bytes are those of UDP or TCP payload.
///
/// Owned by an RtpPath; the transport says when it holds and what came in. At first it does not.
class SendLimit {
 public:
  /// Credit that is kept at most: what an address has sent for hours is no licence for a burst.
  static constexpr uint64_t kMaxCredit = 262'144;

  /// Holds from now on, with `credit` bytes to begin with, and lets nothing pass when the address
  /// was silent for `silence`.
  void Impose(uint64_t credit, Duration silence, Timestamp now) {
    holds_ = true;
    credit_ = credit;
    silence_ = silence;
    heard_at_ = now;
  }
  void Lift() { holds_ = false; }
  bool holds() const { return holds_; }

  /// So many bytes came from the address.
  void OnReceived(size_t bytes, Timestamp now) {
    if (!holds_) return;
    credit_ = std::min<uint64_t>(credit_ + bytes, std::max(credit_, kMaxCredit));
    heard_at_ = now;
  }
  /// Whether so many bytes may go there.
  bool Allows(size_t bytes, Timestamp now) const {
    return !holds_ || (bytes <= credit_ && now - heard_at_ < silence_);
  }
  void OnSent(size_t bytes) {
    if (holds_) credit_ -= std::min<uint64_t>(credit_, bytes);
  }

 private:
  bool holds_ = false;
  uint64_t credit_ = 0;  ///< bytes
  Duration silence_;
  Timestamp heard_at_;
};

}  // namespace sluice::worker
