#include "worker/core/rtp/key_frame_requester.h"

#include <algorithm>

namespace sluice::worker {

KeyFrameRequester::KeyFrameRequester(Environment& environment, Duration delay,
                                     KeyFrameRequestSink& sink)
    : delay_(delay),
      sink_(sink),
      timer_(environment.CreateTimer([this](Timestamp now) { OnTimer(now); })) {}

void KeyFrameRequester::Request(Timestamp now) {
  RequestFrom(sent_at_ + std::max(delay_, interval()), now);
}

void KeyFrameRequester::RequestUrgently(Timestamp now) { RequestFrom(sent_at_ + interval(), now); }

void KeyFrameRequester::RequestFrom(Timestamp earliest, Timestamp now) {
  retries_left_ = kRetries;
  if (state_ == State::kUnanswered) {
    ++merged_;
    return;
  }
  if (!sent_any_ || now >= earliest) {
    first_sent_at_ = now;
    return Send(now);
  }
  ++merged_;
  if (state_ == State::kMerging && next_at_ <= earliest) return;
  state_ = State::kMerging;
  ArmFor(earliest, now);
}

void KeyFrameRequester::OnKeyFrame(RtpTimestamp timestamp, Timestamp now) {
  if (receiving_ && timestamp == key_timestamp_) return;  // more of the same
  if (state_ == State::kUnanswered) answers_.OnAnswer(now - first_sent_at_);
  if (state_ != State::kIdle) {
    state_ = State::kIdle;
    timer_->Stop();
  }
  receiving_ = sent_any_ && now - sent_at_ < kSlowInterval;
  key_timestamp_ = timestamp;
}

void KeyFrameRequester::OnPacketBehindKeyFrame(RtpTimestamp timestamp, bool ends_frame,
                                               Timestamp now) {
  if (timestamp != key_timestamp_ && !IsNewer(timestamp, key_timestamp_)) return;  // overtaken
  if (timestamp == key_timestamp_ && !ends_frame) return;
  receiving_ = false;
  // The second condition leaves out that the first request was lost and a repetition answered.
  slow_ = now - first_sent_at_ > kMinInterval && now - sent_at_ > kMinInterval / 2;
  if (state_ != State::kMerging) return;
  ArmFor(std::min(next_at_, std::max(sent_at_ + std::max(delay_, interval()), now)), now);
}

void KeyFrameRequester::Send(Timestamp now) {
  sent_any_ = true;
  sent_at_ = now;
  state_ = State::kUnanswered;
  receiving_ = false;
  ArmFor(now + interval(), now);
  sink_.SendKeyFrameRequest();
}

void KeyFrameRequester::OnTimer(Timestamp now) {
  if (now < next_at_) return ArmFor(next_at_, now);
  if (state_ == State::kMerging) {
    first_sent_at_ = now;
    return Send(now);
  }
  if (state_ != State::kUnanswered) return;
  if (retries_left_ == 0) {
    state_ = State::kIdle;
    answers_.OnNoAnswer();
    return;
  }
  --retries_left_;
  Send(now);
}

void KeyFrameRequester::ArmFor(Timestamp at, Timestamp now) {
  next_at_ = at;
  timer_->Start(at - now);
}

}  // namespace sluice::worker
