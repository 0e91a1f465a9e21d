#include "worker/core/rtp/speaker_activity.h"

#include <algorithm>
#include <cmath>

namespace sluice::worker {
namespace {

// Per length of time: how many units an activity has, and the rate of the exponential distribution
// that stands for noise. The numbers are those that clients of the router protocol are used to.
constexpr int kImmediateUnits = 13;
constexpr int kMediumUnits = 5;
constexpr int kLongUnits = 10;
constexpr double kImmediateNoise = 0.78;
constexpr double kMediumNoise = 24;
constexpr double kLongNoise = 47;
constexpr double kSpeech = 0.5;      // probability of a unit in speech
constexpr double kMinScore = 1e-10;  // a ratio needs something above 0

// What a newcomer's advantage must exceed, as logarithms of the ratio of scores.
constexpr double kImmediateLead = 3;
constexpr double kMediumLead = 2;
constexpr double kLongLead = 0;

double LogBinomial(int n, int k) {
  return std::lgamma(n + 1) - std::lgamma(k + 1) - std::lgamma(n - k + 1);
}

/// Logarithms of the scores of 0…kUnits active units.
template <int kUnits>
std::array<double, kUnits + 1> LogScores(double noise) {
  std::array<double, kUnits + 1> scores;
  for (int active = 0; active <= kUnits; ++active) {
    const double speech = LogBinomial(kUnits, active) + active * std::log(kSpeech) +
                          (kUnits - active) * std::log(1 - kSpeech);
    const double silence = std::log(noise) - noise * active;
    scores[static_cast<size_t>(active)] = std::log(std::max(kMinScore, speech - silence));
  }
  return scores;
}

}  // namespace

void SpeakerActivity::OnLevel(uint8_t level, Timestamp now) {
  level = std::min(level, kMaxLevel);
  const Duration gap = now - last_packet_at_;
  const int64_t missing = (now - filled_until_).us() / kSample.us();
  if (missing > 1) Push(gap <= kMaxPacketTime ? level : 0, missing - 1);
  Push(level, 1);
  filled_until_ = std::clamp(filled_until_ + kSample * std::max<int64_t>(missing, 1), now - kSample,
                             now + kMaxBurst);
  last_packet_at_ = now;
  LearnNoise(level);
}

void SpeakerActivity::OnTime(Timestamp now) {
  if (now - last_packet_at_ < kIdle) return;
  const int64_t missing = (now - filled_until_).us() / kSample.us();
  if (missing <= 0) return;
  Push(0, missing);
  filled_until_ = std::max(filled_until_ + kSample * missing, now - kSample);
}

void SpeakerActivity::Clear() { levels_.fill(0); }

void SpeakerActivity::Push(uint8_t level, int64_t count) {
  count = std::min<int64_t>(count, kSamples);
  for (; count > 0; --count) {
    levels_[next_] = level;
    next_ = (next_ + 1) % kSamples;
  }
}

void SpeakerActivity::LearnNoise(uint8_t level) {
  if (level == 0) return;  // muted: says nothing of the room
  window_floor_ = std::min(window_floor_, level);
  if (++window_samples_ < kNoiseWindow) return;
  last_floor_ = window_floor_;
  window_floor_ = kMaxLevel;
  window_samples_ = 0;
}

uint8_t SpeakerActivity::noise_floor() const { return std::min(last_floor_, window_floor_); }

SpeechScores SpeakerActivity::Scores() const {
  static const auto kImmediate = LogScores<kImmediateUnits>(kImmediateNoise);
  static const auto kMedium = LogScores<kMediumUnits>(kMediumNoise);
  static const auto kLonger = LogScores<kLongUnits>(kLongNoise);
  const int quiet = noise_floor() + kStep;
  const auto steps = [&](size_t age) {
    const int level = levels_[(next_ + 2 * kSamples - 1 - age) % kSamples];
    return level < quiet ? 0 : level / kStep;
  };
  size_t newest_group = 0;
  size_t loud_groups = 0;
  for (size_t group = 0; group < kSamples / kMediumGroup; ++group) {
    size_t loud = 0;
    for (size_t i = 0; i < kMediumGroup; ++i) {
      if (steps(group * kMediumGroup + i) > kLoudSteps) ++loud;
    }
    if (group == 0) newest_group = loud;
    if (loud > kLoudSamples) ++loud_groups;
  }
  return {kImmediate[static_cast<size_t>(steps(0))], kMedium[newest_group], kLonger[loud_groups]};
}

std::optional<size_t> ChooseDominantSpeaker(std::span<const SpeakerCandidate> candidates,
                                            std::optional<size_t> current) {
  if (candidates.empty()) return std::nullopt;
  const size_t reference = current.value_or(0);
  const SpeechScores& to_beat = candidates[reference].scores;
  size_t best = reference;
  double best_lead = kMediumLead;
  for (size_t i = 0; i < candidates.size(); ++i) {
    if (i == reference || !candidates[i].eligible) continue;
    const SpeechScores& scores = candidates[i].scores;
    const double lead = scores.medium - to_beat.medium;
    if (scores.immediate - to_beat.immediate <= kImmediateLead || lead <= best_lead ||
        scores.longer - to_beat.longer <= kLongLead) {
      continue;
    }
    best = i;
    best_lead = lead;
  }
  return best;
}

}  // namespace sluice::worker
