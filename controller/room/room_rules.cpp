#include "controller/room/room_rules.h"

#include "controller/room/room_policy.h"

namespace sluice::controller {

namespace {

constexpr std::string_view kRulePayload = "sluice/rule";
constexpr uint32_t kCallParticipants = 2;

struct NamedKind {
  RoomKind kind;
  std::string_view name;
};
constexpr NamedKind kKinds[] = {
    {RoomKind::kOpen, "open"}, {RoomKind::kLive, "live"}, {RoomKind::kCall, "call"},
    {RoomKind::kMeet, "meet"}, {RoomKind::kOpen, ""},     {RoomKind::kCall, "chat"},
};

}  // namespace

Result<RoomKind> ParseRoomKind(std::string_view text) {
  for (const NamedKind& known : kKinds) {
    if (text == known.name) return known.kind;
  }
  return TypeError("mode \"" + std::string(text) +
                   "\": must be live, call or meet (chat is another name of call)");
}

std::string_view ToString(RoomKind kind) {
  for (const NamedKind& known : kKinds) {
    if (kind == known.kind) return known.name;
  }
  return "";
}

std::string_view ToString(MediaSource source) {
  switch (source) {
    case MediaSource::kAudio:
      return "audio";
    case MediaSource::kVideo:
      return "video";
    case MediaSource::kScreen:
      return "screen";
    case MediaSource::kData:
      break;
  }
  return "data";
}

std::optional<MediaSource> ParseMediaSource(std::string_view text) {
  for (const MediaSource source : kMediaSources) {
    if (text == ToString(source)) return source;
  }
  return std::nullopt;
}

std::string MediaSources::Describe() const {
  std::string text;
  for (const MediaSource source : kMediaSources) {
    if (Has(source)) text += (text.empty() ? "" : ", ") + std::string(ToString(source));
  }
  return text.empty() ? "nothing" : text;
}

std::string_view ToString(RuledBy by) {
  switch (by) {
    case RuledBy::kJoiner:
      return "joiner";
    case RuledBy::kToken:
      return "token";
    case RuledBy::kManagement:
      return "management";
    case RuledBy::kNobody:
      break;
  }
  return "nobody";
}

RoomRules RulesOf(RoomKind kind) {
  RoomRules rules;
  rules.kind = kind;
  if (kind == RoomKind::kLive) rules.max_publishers = 1;
  if (kind == RoomKind::kCall) rules.max_participants = kCallParticipants;
  return rules;
}

Status CheckRules(const RoomRules& rules) {
  if (rules.kind == RoomKind::kCall && rules.max_participants != kCallParticipants) {
    return TypeError("policy.maxParticipants " + std::to_string(rules.max_participants) +
                     ": a call is for 2; for more, policy.kind must be meet");
  }
  const bool live = rules.kind == RoomKind::kLive;
  if (rules.max_publishers > RoomPolicy::kMaxStage || (live && rules.max_publishers == 0)) {
    return TypeError("policy.maxPublishers " + std::to_string(rules.max_publishers) +
                     ": must be an integer from " + (live ? "1" : "0 (everybody)") + " to " +
                     std::to_string(RoomPolicy::kMaxStage));
  }
  return absl::OkStatus();
}

Status RuleError(RoomKind kind, std::string_view rule, const std::string& text) {
  const std::string name = std::string(ToString(kind)) + "." + std::string(rule);
  Status status = absl::PermissionDeniedError(text + " (rule " + name + ")");
  status.SetPayload({kRulePayload.data(), kRulePayload.size()}, absl::Cord(name));
  return status;
}

std::string RuleOf(const Status& status) {
  const auto rule = status.GetPayload({kRulePayload.data(), kRulePayload.size()});
  return rule ? std::string(*rule) : std::string();
}

}  // namespace sluice::controller
