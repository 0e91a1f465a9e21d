#pragma once

#include <cstdint>

#include "common/units.h"

namespace sluice::worker {

/// Whether somebody listens where a plain transport sends media. Without ICE there is no consent
/// (RFC 7675): a destination that was given wrongly, by a stranger, or whose program has ended
/// would be sent to for ever.
///
/// Media stops when nothing has come from the destination for the timeout while media was sent, or
/// when the network says twice within five seconds that nobody is there; it goes on with the next
/// packet that comes from there.
///
/// Owned by PlainTransport. Says what is; the owner acts.
class ReceiverLiveness {
 public:
  /// One ICMP answer may be about a packet that overtook the receiver's start.
  static constexpr Duration kUnreachableWindow = Duration::Seconds(5);
  /// How often the owner calls OnTick.
  static constexpr Duration kTick = Duration::Seconds(1);

  enum class State : uint8_t { kListening, kSilent, kUnreachable };

  /// Zero: always listening, whatever the network says.
  explicit ReceiverLiveness(Duration timeout) : timeout_(timeout) {}

  bool enabled() const { return timeout_ > Duration::Zero(); }
  State state() const { return state_; }
  bool listening() const { return state_ == State::kListening; }

  // Each returns true when state() has changed.

  /// A packet came from the destination.
  bool OnPacket();
  /// The network answered that a packet did not reach the destination.
  bool OnUnreachable(Timestamp now);
  /// kTick has passed. `sending`: media went to the destination in it.
  bool OnTick(bool sending);

 private:
  bool Become(State state);

  const Duration timeout_;
  State state_ = State::kListening;
  Duration unheard_;  ///< of sending, since the last packet
  bool was_unreachable_ = false;
  Timestamp unreachable_at_;
};

}  // namespace sluice::worker
