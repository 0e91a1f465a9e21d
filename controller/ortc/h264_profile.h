#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/rtp_parameters.h"
#include "common/status.h"

namespace sluice::controller {

/// H.264 profiles that WebRTC endpoints distinguish (RFC 6184 §8.1, profile_idc with constraint
/// flags).
enum class H264Profile : uint8_t {
  kConstrainedBaseline,
  kBaseline,
  kMain,
  kConstrainedHigh,
  kHigh,
  kPredictiveHigh444
};

struct H264ProfileLevel {
  H264Profile profile = H264Profile::kConstrainedBaseline;
  /// Ten times the level number (31 = 3.1); kLevel1b stands for level 1b.
  uint8_t level = 31;

  static constexpr uint8_t kLevel1b = 0;
};

/// Parses six hex digits; nullopt when profile or level is none that we know. An empty text is the
/// default of RFC 6184: Constrained Baseline 3.1.
std::optional<H264ProfileLevel> ParseH264ProfileLevelId(std::string_view text);
/// Canonical six hex digits.
std::string ToString(const H264ProfileLevel& profile_level);

/// The profile-level-id to answer with (RFC 6184 §8.2.2): "" when neither side names one; TypeError
/// when the profiles differ. The level is the local one where both sides allow asymmetry, else the
/// lower.
Result<std::string> H264ProfileLevelIdForAnswer(const Parameters& local, const Parameters& remote);

}  // namespace sluice::controller
