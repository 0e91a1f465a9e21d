#include "controller/room/room_policy.h"

#include <algorithm>

#include "controller/room/participant.h"

namespace sluice::controller {

void RoomPolicy::Choose(const KindWish& wish, size_t present, TimePoint now) {
  if (IsTaken(now)) return;
  const bool empty = present == 0;
  if (empty) published_ = false;
  if (ruled_by_ == RuledBy::kManagement) return;
  const bool says = wish.kind != RoomKind::kOpen;
  if (!empty && (!says || published_ || wish.by < ruled_by_)) return;
  const RoomRules rules = RulesOf(wish.kind);
  if (rules.max_participants != 0 && present >= rules.max_participants) return;
  rules_ = rules;
  ruled_by_ = says ? wish.by : RuledBy::kNobody;
  stage_.clear();
}

void RoomPolicy::SetRules(const RoomRules& rules,
                          const std::vector<const Participant*>& publishers) {
  const bool had_stage = HasStage();
  rules_ = rules;
  ruled_by_ = RuledBy::kManagement;
  if (!HasStage()) {
    stage_.clear();
    return;
  }
  if (had_stage) return;
  for (const Participant* publisher : publishers) {
    if (stage_.size() < kMaxStage) stage_.push_back(HolderOf(*publisher));
  }
}

// ---- Coming in

Status RoomPolicy::Admit(const Participant& who, size_t present, TimePoint now) {
  std::erase_if(expected_, [&](const Expected& entry) { return entry.until <= now; });
  const auto announced = std::find_if(expected_.begin(), expected_.end(), [&](const auto& entry) {
    return entry.id == who.id && (who.proven || entry.address == who.owner.address);
  });
  if (announced != expected_.end()) {
    expected_.erase(announced);
    return absl::OkStatus();
  }
  if (rules_.locked) {
    return RuleError(rules_.kind, "locked", "this room is locked: nobody may come in");
  }
  return CheckPlace(present);
}

Status RoomPolicy::CheckPlace(size_t present) const {
  const size_t most = rules_.max_participants;
  if (most == 0 || present + expected_.size() < most) return absl::OkStatus();
  return RuleError(rules_.kind, "maxParticipants",
                   "this room is for " + std::to_string(most) + " participants, who are here");
}

Status RoomPolicy::Expect(const std::string& id, const std::string& address, size_t present,
                          TimePoint now) {
  std::erase_if(expected_, [&](const Expected& entry) {
    return entry.until <= now || (entry.id == id && entry.address == address);
  });
  if (Status place = CheckPlace(present); !place.ok()) return place;
  if (expected_.size() < kMaxExpected) expected_.push_back({id, address, now + kExpectFor});
  return absl::OkStatus();
}

bool RoomPolicy::IsExpecting(TimePoint now) const {
  return std::any_of(expected_.begin(), expected_.end(),
                     [&](const Expected& entry) { return now < entry.until; });
}

// ---- The stage

RoomPolicy::Holder RoomPolicy::HolderOf(const Participant& participant) {
  return {participant.id, participant.owner.address, participant.is_broadcaster(), false, {}};
}

bool RoomPolicy::IsHolder(const Holder& holder, const Participant& participant) {
  const bool same_address = participant.owner.address == holder.address;
  if (participant.id == holder.id) return same_address || participant.proven;
  // A broadcaster's program gives it a new id whenever it starts.
  return holder.left_at && holder.is_broadcaster && participant.is_broadcaster() && same_address;
}

bool RoomPolicy::IsKept(const Holder& holder, TimePoint now) const {
  return !holder.left_at || now < *holder.left_at + grace_;
}

void RoomPolicy::ForgetLeft(TimePoint now) {
  std::erase_if(stage_, [&](const Holder& holder) { return !IsKept(holder, now); });
}

RoomPolicy::Holder* RoomPolicy::Find(const Participant& participant, TimePoint now) {
  ForgetLeft(now);
  const auto found = std::find_if(stage_.begin(), stage_.end(), [&](const Holder& holder) {
    return IsHolder(holder, participant);
  });
  return found == stage_.end() ? nullptr : &*found;
}

size_t RoomPolicy::Taken(TimePoint now) const {
  return static_cast<size_t>(std::count_if(stage_.begin(), stage_.end(), [&](const Holder& holder) {
    return !holder.invited && IsKept(holder, now);
  }));
}

void RoomPolicy::Claim(const Participant& participant, TimePoint now) {
  if (rules_.kind != RoomKind::kLive) return;
  if (Holder* holder = Find(participant, now)) {
    holder->id = participant.id;
    holder->left_at.reset();
    return;
  }
  if (rules_.by_invitation || participant.taken_down) return;
  if (Taken(now) < rules_.max_publishers && stage_.size() < kMaxStage) {
    stage_.push_back(HolderOf(participant));
  }
}

Result<bool> RoomPolicy::Publish(const Participant& participant, MediaSource source,
                                 TimePoint now) {
  if (!rules_.publish.Has(source)) {
    return RuleError(rules_.kind, "publish",
                     "this room takes no " + std::string(ToString(source)) + ", only " +
                         rules_.publish.Describe());
  }
  if (source == MediaSource::kData) return false;
  if (!HasStage()) {
    published_ = true;
    return false;
  }
  if (Holder* holder = Find(participant, now)) {
    holder->id = participant.id;
    holder->left_at.reset();
    return false;
  }
  const bool free = !rules_.by_invitation && Taken(now) < rules_.max_publishers;
  if (!free || participant.taken_down || stage_.size() >= kMaxStage) return StageError(now);
  stage_.push_back(HolderOf(participant));
  return true;
}

Status RoomPolicy::StageError(TimePoint now) const {
  if (rules_.by_invitation || Taken(now) < rules_.max_publishers) {
    return RuleError(rules_.kind, "stage",
                     "who wants to publish in this room must be let up onto its stage");
  }
  std::string names;
  for (const std::string& id : Stage(now)) names += (names.empty() ? "\"" : ", \"") + id + "\"";
  if (rules_.kind == RoomKind::kLive) {
    return RuleError(
        rules_.kind, "stage",
        "this room is live and its stage belongs to " + names + ": nobody else may publish");
  }
  return RuleError(rules_.kind, "maxPublishers",
                   "at most " + std::to_string(rules_.max_publishers) +
                       " may publish in this room at the same time, and do: " + names);
}

Status RoomPolicy::Receive(MediaSource source) const {
  if (rules_.receive.Has(source)) return absl::OkStatus();
  return RuleError(rules_.kind, "receive",
                   "nobody receives " + std::string(ToString(source)) + " in this room, only " +
                       rules_.receive.Describe());
}

Status RoomPolicy::LetUp(const Participant& participant, TimePoint now) {
  if (!HasStage()) {
    return Error("room of kind " + std::string(ToString(rules_.kind)) +
                 " has no stage: everybody may publish; policy.maxPublishers makes one");
  }
  if (Holder* holder = Find(participant, now)) {
    holder->left_at.reset();
    return absl::OkStatus();
  }
  if (stage_.size() >= kMaxStage) {
    return Error("the stage is full: it has " + std::to_string(kMaxStage) + " places");
  }
  stage_.push_back(HolderOf(participant));
  stage_.back().invited = true;
  return absl::OkStatus();
}

void RoomPolicy::TakeDown(const Participant& participant) {
  std::erase_if(stage_, [&](const Holder& holder) { return IsHolder(holder, participant); });
}

void RoomPolicy::MoveTo(const Participant& participant, const std::string& old_address) {
  for (Holder& holder : stage_) {
    if (holder.id != participant.id || holder.address != old_address) continue;
    holder.address = participant.owner.address;
  }
}

// ---- Going

void RoomPolicy::Leave(const Participant& participant, bool for_good, TimePoint now) {
  const auto holder = std::find_if(stage_.begin(), stage_.end(), [&](const Holder& entry) {
    return !entry.left_at && entry.id == participant.id;
  });
  if (holder == stage_.end()) return;
  holder->left_at = now;
  if (for_good) stage_.erase(holder);
}

void RoomPolicy::LeaveAll(TimePoint now) {
  for (Holder& holder : stage_) {
    if (!holder.left_at) holder.left_at = now;
  }
}

void RoomPolicy::Remember(const Participant& participant) {
  std::erase_if(remembered_, [&](const Remembered& entry) {
    return entry.id == participant.id && entry.address == participant.owner.address;
  });
  if (participant.muted.empty() && !participant.taken_down) return;
  if (remembered_.size() >= kMaxRemembered) remembered_.pop_front();
  remembered_.push_back(
      {participant.id, participant.owner.address, participant.muted, participant.taken_down});
}

void RoomPolicy::Recall(Participant* participant) {
  const auto entry = std::find_if(remembered_.begin(), remembered_.end(), [&](const auto& each) {
    return each.id == participant->id &&
           (participant->proven || each.address == participant->owner.address);
  });
  if (entry == remembered_.end()) return;
  participant->muted = entry->muted;
  participant->taken_down = entry->taken_down;
  remembered_.erase(entry);
}

bool RoomPolicy::IsTaken(TimePoint now) const {
  return std::any_of(stage_.begin(), stage_.end(),
                     [&](const Holder& holder) { return IsKept(holder, now); });
}

std::vector<std::string> RoomPolicy::Stage(TimePoint now) const {
  std::vector<std::string> ids;
  for (const Holder& holder : stage_) {
    if (IsKept(holder, now)) ids.push_back(holder.id);
  }
  return ids;
}

bool RoomPolicy::IsOnStage(const Participant& participant, TimePoint now) const {
  return std::any_of(stage_.begin(), stage_.end(), [&](const Holder& holder) {
    return IsKept(holder, now) && IsHolder(holder, participant);
  });
}

}  // namespace sluice::controller
