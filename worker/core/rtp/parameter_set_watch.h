#pragma once

#include <algorithm>
#include <cstdint>

#include "common/rtp_types.h"
#include "worker/wire/payload_descriptor.h"

namespace sluice::worker {

/// Decides where a decoder of H264 or H265 can start (docs/protocols/rtp-rtcp.md §4). It needs the
/// parameter sets and a random-access picture behind them. Senders that repeat the sets in packets
/// of their own may do so in front of any picture, so it is the picture that decides: its first
/// slice is the key frame, and it says how many packets before it the sets begin.
///
/// Some senders leave their parameter sets to the signalling: there a receiver starts with the
/// picture. Where the sets have come in the stream the picture alone is none to start with, for
/// they may be late or lost.
///
/// Owned by the receive stream, which asks for each packet of these codecs.
class ParameterSetWatch {
 public:
  /// Pictures in a row without parameter sets, after which none are expected.
  static constexpr uint8_t kBarePictures = 2;
  /// From the first packet of parameter sets to the slice, with the same timestamp (packets).
  static constexpr int64_t kMaxInFront = 64;
  /// The same with another timestamp, which some senders give their sets: VPS, SPS, PPS, SEI.
  static constexpr int64_t kMaxInFrontOfOther = 4;

  /// Completes what the payload says: sets `key_frame` and `packets_in_front`.
  void OnPacket(ExtendedSeqNumber sequence, RtpTimestamp timestamp, PayloadInfo* info) {
    refuted_ = false;
    if (info->recovery_point) {
      has_recovery_point_ = true;
      recovery_point_ = timestamp;
    }
    if (info->key_frame) return OnWhole(timestamp);
    if (info->parameter_sets) return OnParameterSets(sequence.value(), timestamp, info);
    if (info->bare_random_access) return OnPicture(sequence.value(), timestamp, info);
    if (info->other_picture) OnOtherPicture(sequence.value(), timestamp, info);
  }

  /// Parameter sets of that time have come, and nothing yet of the picture behind them.
  bool IsPending(RtpTimestamp timestamp) const { return pending_ && sets_ == timestamp; }
  /// The last packet showed that they stood in front of a picture that nobody can start with.
  bool refuted() const { return refuted_; }

 private:
  /// A packet with both.
  void OnWhole(RtpTimestamp timestamp) {
    in_band_ = true;
    bare_pictures_ = 0;
    pending_ = false;
    has_picture_ = true;
    picture_ = timestamp;
    awaits_sets_ = false;
  }
  void OnParameterSets(int64_t sequence, RtpTimestamp timestamp, PayloadInfo* info) {
    in_band_ = true;
    bare_pictures_ = 0;
    // The picture overtook them.
    if (awaits_sets_ && timestamp == picture_ && sequence < picture_sequence_) {
      awaits_sets_ = false;
      info->key_frame = true;
      return;
    }
    if (pending_ && timestamp == sets_) {
      first_set_ = std::min(first_set_, sequence);
    } else if (!pending_ || sequence > first_set_) {
      pending_ = true;
      first_set_ = sequence;
      sets_ = timestamp;
    }
  }
  void OnPicture(int64_t sequence, RtpTimestamp timestamp, PayloadInfo* info) {
    if (TakeSets(sequence, timestamp, info)) {
      bare_pictures_ = 0;
      has_picture_ = true;
      picture_ = timestamp;
      awaits_sets_ = false;
      return;
    }
    const bool is_new = !has_picture_ || timestamp != picture_;
    if (!is_new && in_band_) return;  // another of its slices
    if (is_new && bare_pictures_ < kBarePictures) ++bare_pictures_;
    has_picture_ = true;
    picture_ = timestamp;
    picture_sequence_ = sequence;
    info->key_frame = !in_band_ || bare_pictures_ >= kBarePictures;
    awaits_sets_ = !info->key_frame;
  }
  void OnOtherPicture(int64_t sequence, RtpTimestamp timestamp, PayloadInfo* info) {
    if (!IsPending(timestamp) || sequence < first_set_) return;
    if (has_recovery_point_ && recovery_point_ == timestamp) {
      TakeSets(sequence, timestamp, info);
    } else {
      refuted_ = true;
    }
    pending_ = false;
  }
  /// True when parameter sets stand in front of the slice in `sequence`.
  bool TakeSets(int64_t sequence, RtpTimestamp timestamp, PayloadInfo* info) {
    if (!pending_) return false;
    const int64_t distance = sequence - first_set_;
    const int64_t most = timestamp == sets_ ? kMaxInFront : kMaxInFrontOfOther;
    if (distance <= 0 || distance > most) return false;
    pending_ = false;
    info->key_frame = true;
    info->packets_in_front = static_cast<uint8_t>(distance);
    return true;
  }

  bool in_band_ = false;
  uint8_t bare_pictures_ = 0;
  bool pending_ = false;  ///< sets_ and first_set_ are of sets that no slice has followed yet
  bool refuted_ = false;
  bool has_recovery_point_ = false;
  bool has_picture_ = false;
  bool awaits_sets_ = false;  ///< the picture came without sets, and they may be late
  RtpTimestamp sets_;
  RtpTimestamp recovery_point_;
  RtpTimestamp picture_;  ///< the last random-access picture
  int64_t first_set_ = 0;
  int64_t picture_sequence_ = 0;
};

}  // namespace sluice::worker
