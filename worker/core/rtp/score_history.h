#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace sluice::worker {

/// Quality of one RTP stream as 0 (dead) … 10 (no loss): a weighted mean of the last samples, the
/// newest heaviest (docs/protocols/rtp-rtcp.md §6). Fed by a receiver at each sender report, by a
/// sender at each receiver report.
class ScoreHistory {
 public:
  static constexpr size_t kSamples = 24;  // about 24 s of reports
  static constexpr uint8_t kBest = 10;

  /// Adds a sample 0…10; true when the score changed.
  bool Add(uint8_t sample);
  /// Forgets the samples and starts at `score`.
  void Reset(uint8_t score = kBest);
  uint8_t score() const { return score_; }

  /// One sample from the packets of an interval. `delivered` counts them, `lost` and `repaired`
  /// (first retransmissions) of `retransmitted` are of the same interval. Loss that a
  /// retransmission repaired counts less, the less of it there was.
  static uint8_t Sample(uint64_t packets, uint64_t lost, uint64_t repaired, uint64_t retransmitted);

 private:
  std::array<uint8_t, kSamples> samples_{};  ///< ring
  uint8_t count_ = 0;
  uint8_t next_ = 0;
  uint8_t score_ = kBest;
};

inline bool ScoreHistory::Add(uint8_t sample) {
  samples_[next_] = std::min(sample, kBest);
  next_ = static_cast<uint8_t>((next_ + 1) % kSamples);
  count_ = static_cast<uint8_t>(std::min<size_t>(count_ + 1u, kSamples));
  uint32_t sum = 0;
  uint32_t weights = 0;
  for (uint32_t weight = 1; weight <= count_; ++weight) {
    sum += weight * samples_[(next_ + kSamples - count_ + weight - 1) % kSamples];
    weights += weight;
  }
  const auto score = static_cast<uint8_t>((sum + weights / 2) / weights);
  return std::exchange(score_, score) != score;
}

inline void ScoreHistory::Reset(uint8_t score) {
  count_ = 0;
  next_ = 0;
  score_ = std::min(score, kBest);
}

inline uint8_t ScoreHistory::Sample(uint64_t packets, uint64_t lost, uint64_t repaired,
                                    uint64_t retransmitted) {
  if (packets == 0) return kBest;
  lost = std::min(lost, packets);
  repaired = std::min(repaired, lost);
  if (repaired > 0) {
    const double total = static_cast<double>(packets);
    double weight = std::pow(1.0 / (static_cast<double>(repaired) / total + 1.0), 4);
    if (retransmitted > repaired) {
      weight *= static_cast<double>(repaired) / static_cast<double>(retransmitted);
    }
    lost -= static_cast<uint64_t>(std::lround(static_cast<double>(repaired) * weight));
  }
  const double delivered = static_cast<double>(packets - lost) / static_cast<double>(packets);
  return static_cast<uint8_t>(std::lround(std::pow(delivered, 4) * kBest));
}

}  // namespace sluice::worker
