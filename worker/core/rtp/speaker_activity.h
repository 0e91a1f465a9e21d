#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "common/units.h"

namespace sluice::worker {

/// How certain it is that somebody speaks, over three lengths of time. Natural logarithms of the
/// likelihood scores of SpeakerActivity.
struct SpeechScores {
  double immediate = 0;  ///< of the newest sample
  double medium = 0;     ///< of the last 100 ms
  double longer = 0;     ///< of the last second
};

/// How much one participant speaks, from the audio levels of its packets, after I. Volfin and
/// I. Cohen, "Dominant speaker identification for multipoint videoconferencing" (Computer Speech
/// and Language 27, 2013).
///
/// Levels are sampled every 20 ms; 50 samples are kept. Of each the *immediate* activity is how
/// many steps of ten levels it fills, none when it does not stand out of the noise. Five samples
/// make one *medium* activity: how many of them are loud; ten of those make the *long* one. The
/// score of an activity is the logarithm of how much better a binomial distribution (speech)
/// explains it than an exponential one (noise).
class SpeakerActivity {
 public:
  static constexpr Duration kSample = Duration::Millis(20);
  static constexpr size_t kSamples = 50;      // one second
  static constexpr size_t kMediumGroup = 5;   // samples
  static constexpr uint8_t kMaxLevel = 127;   // RFC 6464, as loudness: 127 − the field
  static constexpr uint8_t kStep = 10;        // levels
  static constexpr uint8_t kLoudSteps = 7;    // a loud sample fills more: −47 dBov or louder
  static constexpr uint8_t kLoudSamples = 4;  // a loud group of five has more
  /// Without a packet for so long somebody is silent.
  static constexpr Duration kIdle = Duration::Millis(40);
  /// The longest packet of Opus: packets further apart mean that there was silence between.
  static constexpr Duration kMaxPacketTime = Duration::Millis(120);
  /// How far samples may run ahead of the clock: packets that come in a burst.
  static constexpr Duration kMaxBurst = Duration::Seconds(1);
  static constexpr uint32_t kNoiseWindow = 750;  // samples, 15 s

  /// One packet; `level`: 0 (silence) … 127 (loudest).
  void OnLevel(uint8_t level, Timestamp now);
  /// To be called before Scores(): without packets it has become silent.
  void OnTime(Timestamp now);
  /// Forgets what was said, but not the noise.
  void Clear();

  SpeechScores Scores() const;
  /// Of the newest packet, Timestamp() before the first.
  Timestamp last_packet_at() const { return last_packet_at_; }
  /// The quietest of the last 15 to 30 s; 0 before the first 15.
  uint8_t noise_floor() const;

 private:
  void Push(uint8_t level, int64_t count);
  void LearnNoise(uint8_t level);

  std::array<uint8_t, kSamples> levels_{};  ///< ring
  size_t next_ = 0;
  Timestamp filled_until_;  ///< end of the newest sample
  Timestamp last_packet_at_;
  uint8_t window_floor_ = kMaxLevel;  ///< of the running window
  uint8_t last_floor_ = 0;            ///< of the one before
  uint32_t window_samples_ = 0;
};

/// A participant as ChooseDominantSpeaker sees it.
struct SpeakerCandidate {
  SpeechScores scores;
  bool eligible = true;  ///< may become the dominant one
};

/// Who is dominant now: somebody other than `current` must be clearly more active than it over all
/// three lengths of time; of several who are, the one whose last 100 ms stand out most. With nobody
/// dominant, the first is measured against. nullopt only without candidates; a single one is
/// dominant whatever it does.
std::optional<size_t> ChooseDominantSpeaker(std::span<const SpeakerCandidate> candidates,
                                            std::optional<size_t> current);

}  // namespace sluice::worker
