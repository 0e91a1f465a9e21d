#include "worker/core/rtp/nack_generator.h"

#include <algorithm>

namespace sluice::worker {

bool NackGenerator::OnPacket(ExtendedSeqNumber sequence, bool key_frame, bool restarted,
                             Timestamp now) {
  const int64_t number = sequence.value();
  if (!newest_ || restarted) {
    holes_.clear();
    key_frames_.clear();
    newest_ = number;
    if (key_frame) key_frames_.push_back(number);
    return false;
  }
  if (number <= *newest_) {
    const auto hole = std::lower_bound(
        holes_.begin(), holes_.end(), number,
        [](const Hole& candidate, int64_t wanted) { return candidate.sequence < wanted; });
    if (hole == holes_.end() || hole->sequence != number) return false;
    const bool was_asked = hole->tries > 0;
    holes_.erase(hole);
    return was_asked;
  }
  if (key_frame) {
    if (key_frames_.size() == kMaxKeyFrames) key_frames_.erase(key_frames_.begin());
    key_frames_.push_back(number);
  }
  const int64_t first_missing = *newest_ + 1;
  newest_ = number;
  DropBefore(number - kMaxAge);
  if (first_missing < number) AddHoles(first_missing, number, now);
  return false;
}

void NackGenerator::AddHoles(int64_t first, int64_t end, Timestamp now) {
  if (!MakeRoom(static_cast<size_t>(end - first))) {
    holes_.clear();
    key_frames_.clear();
    key_frame_needed_ = true;
    return;
  }
  const Timestamp due = now + kReorderDelay;
  if (holes_.empty() || due < earliest_due_) earliest_due_ = due;
  for (int64_t sequence = first; sequence < end; ++sequence) {
    holes_.push_back(Hole{sequence, due});
  }
}

bool NackGenerator::MakeRoom(size_t wanted) {
  // A receiver can start anew at a key frame: what is missing before it is the first to go.
  while (holes_.size() + wanted > kMaxHoles && !key_frames_.empty() && !holes_.empty()) {
    const int64_t key_frame = key_frames_.front();
    key_frames_.erase(key_frames_.begin());
    DropBefore(key_frame);
  }
  return holes_.size() + wanted <= kMaxHoles;
}

void NackGenerator::DropBefore(int64_t sequence) {
  if (holes_.empty() || holes_.front().sequence >= sequence) return;
  const auto keep = std::lower_bound(
      holes_.begin(), holes_.end(), sequence,
      [](const Hole& candidate, int64_t wanted) { return candidate.sequence < wanted; });
  holes_.erase(holes_.begin(), keep);
}

void NackGenerator::TakeDue(Timestamp now, std::vector<SeqNumber>* due) {
  if (holes_.empty() || now < earliest_due_) return;
  earliest_due_ = now + Duration::Seconds(3600);
  auto kept = holes_.begin();
  for (Hole& hole : holes_) {
    if (hole.due <= now) {
      if (hole.tries == kMaxTries) continue;
      due->push_back(SeqNumber(static_cast<uint16_t>(hole.sequence)));
      ++hole.tries;
      hole.due = now + spacing_;
    }
    earliest_due_ = std::min(earliest_due_, hole.due);
    *kept++ = hole;
  }
  holes_.erase(kept, holes_.end());
}

std::optional<Timestamp> NackGenerator::NextDue(Timestamp now) const {
  if (holes_.empty()) return std::nullopt;
  return std::clamp(earliest_due_, now, now + kTimerInterval);
}

bool NackGenerator::TakeKeyFrameNeed() {
  const bool needed = key_frame_needed_;
  key_frame_needed_ = false;
  return needed;
}

void NackGenerator::SetRoundTrip(Duration round_trip) {
  spacing_ = std::max(round_trip, kMinSpacing);
}

void NackGenerator::ClearHoles() {
  holes_.clear();
  key_frames_.clear();
}

}  // namespace sluice::worker
