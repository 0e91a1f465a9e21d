#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/status.h"
#include "controller/room/room_rules.h"

namespace sluice::controller {

struct Participant;

/// What the participants of one room may do, by the room's rules: the one place that decides it.
///
/// What the first one wished for stands until somebody publishes: a room that waits for its
/// broadcast is of the kind that the broadcast brings. What a token or the management says counts
/// before what a joiner does, and rules of the management stay until it changes them.
///
/// Where not everybody may publish at the same time, there is a stage with that many places. A
/// place belongs to who publishes there first, or makes a broadcaster in a live room to publish
/// with, or was let up, until they leave; who leaves without saying that it is for good may come
/// back to it for a while, as the same peer, or as a broadcaster of the same address. Pure: no
/// clock.
class RoomPolicy {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  /// Places on a stage, those of guests who were let up included.
  static constexpr size_t kMaxStage = 64;
  /// How long a place in the room is kept for who was announced (Expect).
  static constexpr std::chrono::seconds kExpectFor{30};
  static constexpr size_t kMaxExpected = 4'096;
  /// Of whom it is remembered what a moderator has said, the newest.
  static constexpr size_t kMaxRemembered = 1'024;

  explicit RoomPolicy(std::chrono::milliseconds grace) : grace_(grace) {}

  RoomKind kind() const { return rules_.kind; }
  const RoomRules& rules() const { return rules_; }
  RuledBy ruled_by() const { return ruled_by_; }

  /// What somebody who comes wishes for, with `present` participants there already. Taken from the
  /// first one, and later from who names a kind before anybody has published, if there are not too
  /// many for it. The kind of a room whose stage is somebody's stays.
  void Choose(const KindWish& wish, size_t present, TimePoint now);
  /// The rules of the management. `publishers` are those who publish now: they keep places on the
  /// stage.
  void SetRules(const RoomRules& rules, const std::vector<const Participant*>& publishers);

  /// Whether one more may come in, with `present` participants there already. PermissionDenied
  /// (RuleError) when the room is locked or full.
  Status Admit(const Participant& who, size_t present, TimePoint now);
  /// A participant with that id who comes from that address, or with a token that names it, has a
  /// place in the room, locked as it may be: it is moved here, or lost its media worker. RuleError
  /// when the room is full.
  Status Expect(const std::string& id, const std::string& address, size_t present, TimePoint now);

  /// Somebody is about to publish: a place of a live room is theirs, or theirs again, if one is
  /// free.
  void Claim(const Participant& participant, TimePoint now);
  /// Whether the participant may publish; takes a place when there is need of one. True when it
  /// took one. PermissionDenied (RuleError) says which rule is against it.
  Result<bool> Publish(const Participant& participant, MediaSource source, TimePoint now);
  /// PermissionDenied when nobody may receive that here.
  Status Receive(MediaSource source) const;
  /// Lets the participant up onto the stage, full as it may be. Error when there is none, or it has
  /// kMaxStage.
  Status LetUp(const Participant& participant, TimePoint now);
  /// The participant is not on the stage any more.
  void TakeDown(const Participant& participant);
  /// The participant came back from another address.
  void MoveTo(const Participant& participant, const std::string& old_address);

  /// The participant is gone, or did not publish after all. `for_good`: its place is free at once.
  void Leave(const Participant& participant, bool for_good, TimePoint now);
  /// Everybody is gone.
  void LeaveAll(TimePoint now);
  /// Keeps what a moderator has said of a participant that is gone: muted, taken down.
  void Remember(const Participant& participant);
  /// Gives it back to who comes with the same id, from the same address or proven.
  void Recall(Participant* participant);
  bool IsRemembering() const { return !remembered_.empty(); }
  /// Whether a place on the stage is somebody's, who may be gone for a moment.
  bool IsTaken(TimePoint now) const;
  /// Whether somebody is expected.
  bool IsExpecting(TimePoint now) const;
  /// Who is on the stage, in the order in which they came.
  std::vector<std::string> Stage(TimePoint now) const;
  bool IsOnStage(const Participant& participant, TimePoint now) const;

 private:
  struct Holder {
    std::string id;
    std::string address;
    bool is_broadcaster = false;
    bool invited = false;  ///< does not count against max_publishers
    std::optional<TimePoint> left_at;
  };
  struct Expected {
    std::string id;
    std::string address;
    TimePoint until;
  };
  struct Remembered {
    std::string id;
    std::string address;
    MediaSources muted;
    bool taken_down = false;
  };

  static Holder HolderOf(const Participant& participant);
  static bool IsHolder(const Holder& holder, const Participant& participant);
  bool IsKept(const Holder& holder, TimePoint now) const;
  Holder* Find(const Participant& participant, TimePoint now);
  bool HasStage() const { return rules_.max_publishers != 0 || rules_.by_invitation; }
  /// Places that are taken by other than guests.
  size_t Taken(TimePoint now) const;
  void ForgetLeft(TimePoint now);
  Status StageError(TimePoint now) const;
  Status CheckPlace(size_t present) const;

  std::chrono::milliseconds grace_;
  RoomRules rules_;
  RuledBy ruled_by_ = RuledBy::kNobody;
  bool published_ = false;     ///< somebody has, since the room was empty
  std::vector<Holder> stage_;  ///< at most kMaxStage
  std::vector<Expected> expected_;
  std::deque<Remembered> remembered_;  ///< at most kMaxRemembered, the oldest first
};

}  // namespace sluice::controller
