#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/status.h"

/// What a room may be told of who may do what in it (docs/management-api.md §3). Plain values; who
/// judges by them is RoomPolicy.
namespace sluice::controller {

/// What a room is for.
enum class RoomKind : uint8_t {
  kOpen,  ///< nobody said: all may publish
  kLive,  ///< one publishes, the others watch (1:N)
  kCall,  ///< 1:1
  kMeet,  ///< N:N
};

/// "live", "call" (or "chat"), "meet"; "open" and "" are kOpen. TypeError lists them.
Result<RoomKind> ParseRoomKind(std::string_view text);
/// "open", "live", "call" or "meet".
std::string_view ToString(RoomKind kind);

/// What a participant sends. Whether a video is a screen is what its client says of it.
enum class MediaSource : uint8_t { kAudio = 1, kVideo = 2, kScreen = 4, kData = 8 };

/// A set of them.
class MediaSources {
 public:
  constexpr MediaSources() = default;
  constexpr MediaSources(MediaSource one)  // NOLINT(google-explicit-constructor): a set of one
      : bits_(static_cast<uint8_t>(one)) {}
  static constexpr MediaSources All() { return MediaSources(uint8_t{15}); }

  constexpr bool empty() const { return bits_ == 0; }
  constexpr bool Has(MediaSource one) const { return (bits_ & static_cast<uint8_t>(one)) != 0; }
  constexpr MediaSources operator|(MediaSources other) const {
    return MediaSources(static_cast<uint8_t>(bits_ | other.bits_));
  }
  constexpr MediaSources Without(MediaSources other) const {
    return MediaSources(static_cast<uint8_t>(bits_ & ~other.bits_));
  }
  constexpr bool operator==(const MediaSources&) const = default;

  /// "audio, video"; "nothing" when empty.
  std::string Describe() const;

 private:
  constexpr explicit MediaSources(uint8_t bits) : bits_(bits) {}

  uint8_t bits_ = 0;
};

inline constexpr MediaSource kMediaSources[] = {MediaSource::kAudio, MediaSource::kVideo,
                                                MediaSource::kScreen, MediaSource::kData};
/// "audio", "video", "screen" or "data"; nullopt for another text.
std::optional<MediaSource> ParseMediaSource(std::string_view text);
std::string_view ToString(MediaSource source);

/// Who has said what the rules are. One of a lower rank does not change what a higher one has said.
enum class RuledBy : uint8_t { kNobody, kJoiner, kToken, kManagement };
/// "nobody", "joiner", "token" or "management".
std::string_view ToString(RuledBy by);

/// A kind that somebody who comes asks for.
struct KindWish {
  RoomKind kind = RoomKind::kOpen;
  RuledBy by = RuledBy::kJoiner;
};

struct RoomRules {
  RoomKind kind = RoomKind::kOpen;
  /// Peers and broadcasters at the same time; 0 = as many as the server allows.
  uint32_t max_participants = 0;
  /// Of these, those who may send media at the same time (not data); 0 = everybody. They are the
  /// room's stage.
  uint32_t max_publishers = 0;
  MediaSources publish = MediaSources::All();  ///< what may be sent at all
  MediaSources receive = MediaSources::All();  ///< what everybody is given of what others send
  bool by_invitation = false;  ///< only who was let up onto the stage may send media
  bool locked = false;         ///< nobody may come in

  bool operator==(const RoomRules&) const = default;
};

/// The rules of a kind: live has a stage for one, call is for two, the others have no limit.
RoomRules RulesOf(RoomKind kind);
/// OK, or TypeError that names the field, its value and what would be right: a call is for two, a
/// live room has a stage of 1 to RoomPolicy::kMaxStage.
Status CheckRules(const RoomRules& rules);

/// An error for what a room's rules do not allow: PermissionDenied; `text` and behind it
/// "(rule KIND.RULE)".
Status RuleError(RoomKind kind, std::string_view rule, const std::string& text);
/// The "KIND.RULE" of a RuleError(); "" of other errors.
std::string RuleOf(const Status& status);

}  // namespace sluice::controller
