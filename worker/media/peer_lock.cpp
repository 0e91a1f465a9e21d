#include "worker/media/peer_lock.h"

namespace sluice::worker {

PeerLock::Verdict PeerLock::Check(const SocketAddress& from, bool receives_only,
                                  Timestamp now) const {
  if (IsPeer(from)) return Verdict::kPeer;
  if (!rules_.comedia) return locked() ? Verdict::kRefuse : Verdict::kEarly;
  const bool from_source = IsSource(from);
  if (rules_.source_only && !from_source) return Verdict::kRefuse;
  const bool awaits_source = rules_.source_receives && receives_only;
  if (!locked()) {
    return awaits_source && !from_source ? Verdict::kRefuse : Verdict::kLock;
  }
  if (from_source && !IsSource(*peer_)) return Verdict::kLock;
  if (awaits_source && !from_source) return Verdict::kRefuse;
  const bool silent = now - heard_at_ >= kSilence;
  return rules_.relock && silent ? Verdict::kMoved : Verdict::kRefuse;
}

bool PeerLock::peer_may_receive() const {
  if (!rules_.comedia || !rules_.source_receives || !locked()) return true;
  return IsSource(*peer_);
}

void PeerLock::Lock(const SocketAddress& peer, Timestamp now) {
  peer_ = peer;
  heard_at_ = now;
}

}  // namespace sluice::worker
