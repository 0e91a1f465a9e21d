#include "worker/core/rtp/key_frame_requester.h"

#include <algorithm>

namespace sluice::worker {

KeyFrameRequester::KeyFrameRequester(Environment& environment, Duration delay,
                                     KeyFrameRequestSink& sink)
    : delay_(delay),
      sink_(sink),
      timer_(environment.CreateTimer([this](Timestamp now) { OnTimer(now); })) {}

void KeyFrameRequester::Request(Timestamp now) {
  if (delaying_ && now < delaying_until_) {
    requested_in_delay_ = true;
    return;
  }
  if (pending_ && now < pending_until_) {
    retries_left_ = kRetries;
    return;
  }
  ForceRequest(now);
}

void KeyFrameRequester::ForceRequest(Timestamp now) {
  delaying_ = delay_ > Duration::Zero();
  delaying_until_ = now + delay_;
  requested_in_delay_ = false;
  retries_left_ = kRetries;
  Send(now);
}

void KeyFrameRequester::OnKeyFrame() {
  pending_ = false;
  // It serves those who asked during the delay as well.
  requested_in_delay_ = false;
}

void KeyFrameRequester::Send(Timestamp now) {
  pending_ = true;
  pending_until_ = now + kPending;
  Rearm(now);
  sink_.SendKeyFrameRequest();
}

void KeyFrameRequester::OnTimer(Timestamp now) {
  if (delaying_ && now >= delaying_until_) {
    delaying_ = false;
    if (requested_in_delay_) return ForceRequest(now);
  }
  if (pending_ && now >= pending_until_) {
    pending_ = false;
    if (retries_left_ > 0) {
      --retries_left_;
      return Send(now);
    }
  }
  Rearm(now);
}

void KeyFrameRequester::Rearm(Timestamp now) {
  if (!pending_ && !delaying_) return timer_->Stop();
  Timestamp next = pending_ ? pending_until_ : delaying_until_;
  if (delaying_) next = std::min(next, delaying_until_);
  timer_->Start(next - now);
}

}  // namespace sluice::worker
