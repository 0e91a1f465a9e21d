#include "controller/ortc/h264_profile.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace sluice::controller {

namespace {

constexpr const char* kProfileLevelId = "profile-level-id";
constexpr const char* kLevelAsymmetry = "level-asymmetry-allowed";
constexpr uint8_t kConstraintSet3 = 0x10;  // with level_idc 11: level 1b (H.264 §A.3)

/// A profile_idc and the constraint flags that go with it: bits of `mask` must equal `bits`.
struct ProfilePattern {
  uint8_t profile_idc;
  uint8_t mask;
  uint8_t bits;
  H264Profile profile;
};

constexpr std::array<ProfilePattern, 9> kPatterns = {{
    {0x42, 0b01001111, 0b01000000, H264Profile::kConstrainedBaseline},
    {0x4d, 0b10001111, 0b10000000, H264Profile::kConstrainedBaseline},
    {0x58, 0b11001111, 0b11000000, H264Profile::kConstrainedBaseline},
    {0x42, 0b01001111, 0b00000000, H264Profile::kBaseline},
    {0x58, 0b11001111, 0b10000000, H264Profile::kBaseline},
    {0x4d, 0b10101111, 0b00000000, H264Profile::kMain},
    {0x64, 0b11111111, 0b00000000, H264Profile::kHigh},
    {0x64, 0b11111111, 0b00001100, H264Profile::kConstrainedHigh},
    {0xf4, 0b11111111, 0b00000000, H264Profile::kPredictiveHigh444},
}};

constexpr std::array<uint8_t, 16> kLevels = {10, 11, 12, 13, 20, 21, 22, 30,
                                             31, 32, 40, 41, 42, 50, 51, 52};

std::string ProfileLevelText(const Parameters& parameters) {
  const auto it = parameters.find(kProfileLevelId);
  if (it == parameters.end()) return "";
  if (const auto* text = std::get_if<std::string>(&it->second)) return *text;
  return "invalid";  // a number, such as 42001: not six hex digits
}

bool AllowsAsymmetry(const Parameters& parameters) {
  const auto it = parameters.find(kLevelAsymmetry);
  if (it == parameters.end()) return false;
  if (const auto* number = std::get_if<int32_t>(&it->second)) return *number == 1;
  if (const auto* flag = std::get_if<bool>(&it->second)) return *flag;
  if (const auto* text = std::get_if<std::string>(&it->second)) return *text == "1";
  return false;
}

/// Orders levels: 1 < 1b < 1.1.
int LevelRank(uint8_t level) {
  constexpr int kRank1b = 21;
  return level == H264ProfileLevel::kLevel1b ? kRank1b : level * 2;
}

}  // namespace

std::optional<H264ProfileLevel> ParseH264ProfileLevelId(std::string_view text) {
  if (text.empty()) return H264ProfileLevel{};
  if (text.size() != 6) return std::nullopt;
  uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  const auto profile_idc = static_cast<uint8_t>(value >> 16);
  const auto flags = static_cast<uint8_t>(value >> 8);
  auto level = static_cast<uint8_t>(value);
  if (std::find(kLevels.begin(), kLevels.end(), level) == kLevels.end()) return std::nullopt;
  if (level == 11 && (flags & kConstraintSet3) != 0) level = H264ProfileLevel::kLevel1b;
  for (const ProfilePattern& pattern : kPatterns) {
    if (pattern.profile_idc == profile_idc && (flags & pattern.mask) == pattern.bits) {
      return H264ProfileLevel{pattern.profile, level};
    }
  }
  return std::nullopt;
}

std::string ToString(const H264ProfileLevel& profile_level) {
  if (profile_level.level == H264ProfileLevel::kLevel1b) {
    switch (profile_level.profile) {
      case H264Profile::kConstrainedBaseline:
        return "42f00b";
      case H264Profile::kBaseline:
        return "42100b";
      case H264Profile::kMain:
        return "4d100b";
      default:
        return "";  // level 1b does not exist for the high profiles
    }
  }
  const char* prefix = "42e0";
  switch (profile_level.profile) {
    case H264Profile::kConstrainedBaseline:
      prefix = "42e0";
      break;
    case H264Profile::kBaseline:
      prefix = "4200";
      break;
    case H264Profile::kMain:
      prefix = "4d00";
      break;
    case H264Profile::kConstrainedHigh:
      prefix = "640c";
      break;
    case H264Profile::kHigh:
      prefix = "6400";
      break;
    case H264Profile::kPredictiveHigh444:
      prefix = "f400";
      break;
  }
  return fmt::format("{}{:02x}", prefix, profile_level.level);
}

Result<std::string> H264ProfileLevelIdForAnswer(const Parameters& local, const Parameters& remote) {
  if (!local.contains(kProfileLevelId) && !remote.contains(kProfileLevelId)) return std::string();
  const std::string local_text = ProfileLevelText(local);
  const std::string remote_text = ProfileLevelText(remote);
  const auto ours = ParseH264ProfileLevelId(local_text);
  const auto theirs = ParseH264ProfileLevelId(remote_text);
  if (!ours || !theirs) {
    return TypeError(
        fmt::format("invalid profile-level-id \"{}\": expected six hex digits of a "
                    "known profile and level, such as \"42e01f\"",
                    ours ? remote_text : local_text));
  }
  if (ours->profile != theirs->profile) {
    return TypeError(fmt::format("profile-level-id \"{}\" and \"{}\" are of different profiles",
                                 local_text, remote_text));
  }
  H264ProfileLevel answer = *ours;
  const bool asymmetric = AllowsAsymmetry(local) && AllowsAsymmetry(remote);
  if (!asymmetric && LevelRank(theirs->level) < LevelRank(ours->level)) {
    answer.level = theirs->level;
  }
  return ToString(answer);
}

}  // namespace sluice::controller
