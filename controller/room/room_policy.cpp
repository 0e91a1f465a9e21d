#include "controller/room/room_policy.h"

#include "controller/room/participant.h"

namespace sluice::controller {

namespace {

struct NamedKind {
  RoomKind kind;
  std::string_view name;
};
constexpr NamedKind kKinds[] = {
    {RoomKind::kOpen, ""},
    {RoomKind::kLive, "live"},
    {RoomKind::kCall, "call"},
    {RoomKind::kMeet, "meet"},
};

}  // namespace

Result<RoomKind> ParseRoomKind(std::string_view text) {
  for (const NamedKind& known : kKinds) {
    if (text == known.name) return known.kind;
  }
  return TypeError("mode \"" + std::string(text) + "\": must be live, call or meet");
}

std::string_view ToString(RoomKind kind) {
  for (const NamedKind& known : kKinds) {
    if (kind == known.kind) return known.name;
  }
  return "";
}

void RoomPolicy::Choose(RoomKind kind, bool empty, TimePoint now) {
  if (IsTaken(now)) return;
  if (empty) published_ = false;
  const bool counts = empty || (kind != RoomKind::kOpen && !published_);
  if (!counts) return;
  kind_ = kind;
  holder_.reset();
}

void RoomPolicy::Claim(const Participant& participant, TimePoint now) {
  if (kind_ != RoomKind::kLive || IsTaken(now)) return;
  holder_ = Holder{participant.id, participant.owner.address, participant.link == nullptr, {}};
}

Result<bool> RoomPolicy::Publish(const Participant& participant, TimePoint now) {
  if (kind_ != RoomKind::kLive) {
    published_ = true;
    return false;
  }
  if (!IsTaken(now)) {
    Claim(participant, now);
    return true;
  }
  if (!IsHolder(participant)) {
    return absl::PermissionDeniedError("this room is live and its stage belongs to \"" +
                                       holder_->id + "\": nobody else may publish");
  }
  holder_->id = participant.id;
  holder_->left_at.reset();
  return false;
}

bool RoomPolicy::IsHolder(const Participant& participant) const {
  const bool same_address = participant.owner.address == holder_->address;
  if (participant.id == holder_->id) return same_address || participant.proven;
  // A broadcaster's program gives it a new id whenever it starts.
  return holder_->left_at && holder_->is_broadcaster && participant.link == nullptr && same_address;
}

void RoomPolicy::Leave(const Participant& participant, bool for_good, TimePoint now) {
  if (!holder_ || holder_->left_at || holder_->id != participant.id) return;
  holder_->left_at = now;
  if (for_good) holder_.reset();
}

void RoomPolicy::LeaveAll(TimePoint now) {
  if (holder_ && !holder_->left_at) holder_->left_at = now;
}

bool RoomPolicy::IsTaken(TimePoint now) const {
  if (!holder_) return false;
  return !holder_->left_at || now < *free_at();
}

std::optional<RoomPolicy::TimePoint> RoomPolicy::free_at() const {
  if (!holder_ || !holder_->left_at) return std::nullopt;
  return *holder_->left_at + grace_;
}

}  // namespace sluice::controller
