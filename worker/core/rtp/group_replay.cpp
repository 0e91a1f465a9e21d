#include "worker/core/rtp/group_replay.h"

namespace sluice::worker {

std::optional<ReplayPlan> PlanReplay(size_t bytes, Duration age, DataRate media_now,
                                     std::optional<DataRate> path,
                                     std::optional<Duration> key_frame_after) {
  // The key frame alone would look like a rate that nobody sends at.
  constexpr double kLeastAge = 1;
  const double size = static_cast<double>(bytes) * 8;
  const double media =
      std::max(size / std::max(age.seconds(), kLeastAge), static_cast<double>(media_now.bps()));
  if (bytes == 0) return std::nullopt;
  if (path && static_cast<double>(path->bps()) < kReplayHeadroom * media) return std::nullopt;
  const double in_time = media + size / kReplayTime.seconds();
  double rate = std::clamp(in_time, kReplaySpeed * media, kMostReplaySpeed * media);
  rate = std::clamp(rate, static_cast<double>(kMinReplayRate.bps()),
                    static_cast<double>(kMaxReplayRate.bps()));
  if (rate < kLeastReplaySpeed * media) return std::nullopt;
  const Duration until_live =
      Duration::Micros(static_cast<int64_t>(size / (rate - media) * 1'000'000));
  if (until_live > kMaxUntilLive) return std::nullopt;
  if (key_frame_after && until_live >= *key_frame_after) return std::nullopt;
  return ReplayPlan{DataRate::BitsPerSecond(static_cast<int64_t>(rate)), until_live};
}

}  // namespace sluice::worker
