#include "worker/media/receiver_liveness.h"

#include <utility>

namespace sluice::worker {

bool ReceiverLiveness::OnPacket() {
  unheard_ = Duration::Zero();
  was_unreachable_ = false;
  return Become(State::kListening);
}

bool ReceiverLiveness::OnUnreachable(Timestamp now) {
  if (!enabled() || !listening()) return false;
  const bool second = was_unreachable_ && now - unreachable_at_ <= kUnreachableWindow;
  was_unreachable_ = true;
  unreachable_at_ = now;
  return second && Become(State::kUnreachable);
}

bool ReceiverLiveness::OnTick(bool sending) {
  if (!enabled() || !listening() || !sending) return false;
  unheard_ = unheard_ + kTick;
  return unheard_ >= timeout_ && Become(State::kSilent);
}

bool ReceiverLiveness::Become(State state) { return std::exchange(state_, state) != state; }

}  // namespace sluice::worker
