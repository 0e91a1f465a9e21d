#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "worker/core/rtp/routed_packet.h"

namespace sluice::worker {

/// Chooses frames of one encoding by what their payload says of layers (VP8, VP9, H264, H265, AV1
/// without dependency descriptor), so that every frame that is chosen can be decoded from those
/// chosen before (docs/protocols/layers.md §2). A state machine: packets in, yes or no out; all
/// packets of a frame get the same answer.
///
/// A frame is known by RTP timestamp and spatial layer. What it refers to is looked up where the
/// sender says it (VP9 flexible mode, or the group of its structure); else layers are followed: an
/// upper temporal layer is intact from a switching point to its first frame that was left out, a
/// spatial one from a key picture. Each picture keeps what was intact at its place, so that a frame
/// that comes late is judged as if it had come in time.
class PictureFilter {
 public:
  /// Pictures remembered: reordering and references reach back less than that.
  static constexpr size_t kPictures = 32;
  static constexpr uint8_t kMaxSpatialLayer = 7;   // 3 bits in VP9
  static constexpr uint8_t kMaxTemporalLayer = 7;  // likewise
  /// So many frames of temporal layers that are wanted are waited for a switching point, then for a
  /// key frame; of a sender that has never marked one (AV1 cannot), so many.
  static constexpr size_t kMaxUnsynced = 32;
  static constexpr size_t kMaxUnsyncedUntold = 4;

  /// Forgets all; the next packet begins a key frame.
  void Reset();
  /// The highest layers wanted. What is taken changes with a later picture that allows it.
  void SetTarget(uint8_t spatial, uint8_t temporal);
  /// From now on frames of lower spatial layers are taken, too, that those which are wanted do
  /// without (VP9 Z): whoever receives them chooses again. Outlives Reset().
  void KeepBelow() { keeps_below_ = true; }

  /// In the order of arrival.
  bool Decide(const RoutedPacket& packet);
  /// The last packet of the frame that was decided last, which is this one, has been taken: where
  /// it is of picture_top() the picture ends with it, and nothing above is taken any more.
  void OnFrameEnd(RtpTimestamp timestamp, uint8_t layer) {
    Picture& picture = pictures_[newest_];
    if (layer != picture_top_ || picture.timestamp != timestamp) return;
    picture.ended = true;
    picture.top = std::min(picture.top, layer);
  }
  /// The packet is the first of its picture, which Decide() has just left out as a whole.
  bool closes_picture() const { return closes_picture_; }

  /// Highest spatial layer taken, of those that there are.
  uint8_t spatial() const {
    const uint8_t highest = Highest(pictures_[newest_]);
    return spatial_ < highest ? spatial_ : highest;
  }
  uint8_t temporal() const { return temporal_; }
  /// The highest spatial layer that is sent of the picture that was decided last.
  uint8_t picture_top() const { return picture_top_; }
  /// The target, or decodable frames at all, can only be had with a key frame.
  bool wants_key_frame() const {
    return broken_ || spatial_ != target_spatial_ || unsynced_ >= MaxUnsynced();
  }

  /// Puts what is remembered in the order in which it came: filters in the same state are equal
  /// then.
  void Arrange();
  /// They are in the same state, and arranged: whatever they are asked, they will say the same.
  friend bool operator==(const PictureFilter&, const PictureFilter&) = default;

 private:
  struct Picture {
    RtpTimestamp timestamp;
    uint16_t id = 0;        ///< meaningful when has_id
    uint8_t decided = 0;    ///< a bit for each spatial layer
    uint8_t forwarded = 0;  ///< likewise
    uint8_t unneeded = 0;   ///< of those left out: layers above do without them
    uint8_t top = 0;        ///< highest spatial layer that may be taken
    uint8_t temporal = 0;   ///< likewise
    uint8_t highest = 0;    ///< spatial layer that there is, as far as was known
    /// A bit for each spatial layer all of whose frames up to here were taken, or are to be, since
    /// the key picture; and for each temporal one since its switching point.
    uint8_t intact = 0;
    uint8_t synced = 0xff;
    bool used = false;
    bool has_id = false;
    bool key = false;
    bool fresh = false;  ///< no packet of it has been decided
    bool ended = false;  ///< its last packet for the receiver has been taken, that of layer `top`
    friend bool operator==(const Picture&, const Picture&) = default;
  };
  enum class References : uint8_t { kForwarded, kDropped, kUnknown };

  Picture* Enter(const RoutedPacket& packet);
  Picture* EnterLate(const RoutedPacket& packet);
  Picture& Add(const RoutedPacket& packet);
  const Picture* FindById(uint16_t id) const;
  void BeginKeyPicture(Picture& picture);
  bool Wants(Picture& picture, const RoutedPacket& packet);
  bool WantsTemporal(Picture& picture, const RoutedPacket& packet, References references);
  bool IsNewest(const Picture& picture) const { return &picture == &pictures_[newest_]; }
  /// Behind the newest key picture, or that itself.
  bool IsSinceKey(const Picture& picture) const;
  bool IsPromised(const Picture& picture, uint8_t bit) const;
  void Cut(Picture& picture, uint8_t bit);
  uint8_t TopSent(const Picture& picture) const;
  uint8_t Highest(const Picture& picture) const {
    return picture.key && announced_ > picture.highest ? announced_ : picture.highest;
  }
  References ReferencesOf(const Picture& picture, const RoutedPacket& packet) const;
  /// The temporal layers 1…`layer` are intact.
  static bool IsSyncedUpTo(const Picture& picture, uint8_t layer) {
    const auto all = static_cast<uint8_t>((2u << layer) - 2);
    return (picture.synced & all) == all;
  }
  size_t MaxUnsynced() const { return seen_switch_ ? kMaxUnsynced : kMaxUnsyncedUntold; }

  size_t next_ = 0;    ///< where the next one goes
  size_t newest_ = 0;  ///< by time; meaningful when used
  uint8_t target_spatial_ = kMaxSpatialLayer;
  uint8_t target_temporal_ = kMaxTemporalLayer;
  uint8_t spatial_ = 0;
  uint8_t temporal_ = 0;
  uint8_t picture_top_ = 0;
  uint8_t announced_ = 0;       ///< highest spatial layer that the sender's structure has
  uint8_t highest_before_ = 0;  ///< spatial layer that there was before Reset()
  RtpTimestamp key_;            ///< of the newest key picture
  bool has_key_ = false;
  bool broken_ = false;
  /// Frames of temporal layers that are wanted, left out in a row for want of a switching point,
  /// and the highest layer that they were of.
  size_t unsynced_ = 0;
  uint8_t unsynced_layer_ = 0;
  /// The sender marks switching points of temporal layers. Outlives Reset().
  bool seen_switch_ = false;
  /// Key frames of independent upper layers bring the structure, too. It is the sender's habit, and
  /// outlives Reset().
  bool layers_bring_structure_ = false;
  bool keeps_below_ = false;
  bool closes_picture_ = false;
  std::array<Picture, kPictures> pictures_{};
};

}  // namespace sluice::worker
