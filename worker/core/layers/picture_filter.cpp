#include "worker/core/layers/picture_filter.h"

#include <algorithm>
#include <bit>

namespace sluice::worker {

namespace {

constexpr uint16_t kShortIdMask = 0x7f;
constexpr uint16_t kLongIdMask = 0x7fff;

uint8_t BitOf(uint8_t layer) {
  return static_cast<uint8_t>(1u << std::min(layer, PictureFilter::kMaxSpatialLayer));
}

}  // namespace

void PictureFilter::Reset() {
  if (pictures_[newest_].used) highest_before_ = pictures_[newest_].highest;
  pictures_.fill(Picture());
  next_ = newest_ = 0;
  spatial_ = 0;
  temporal_ = 0;
  picture_top_ = 0;
  announced_ = 0;
  key_ = RtpTimestamp();
  has_key_ = false;
  broken_ = false;
  unsynced_ = 0;
  unsynced_layer_ = 0;
  closes_picture_ = false;
}

void PictureFilter::Arrange() {
  if (next_ == 0) return;
  std::rotate(pictures_.begin(), pictures_.begin() + static_cast<std::ptrdiff_t>(next_),
              pictures_.end());
  newest_ = (newest_ + kPictures - next_) % kPictures;
  next_ = 0;
}

void PictureFilter::SetTarget(uint8_t spatial, uint8_t temporal) {
  target_spatial_ = std::min(spatial, kMaxSpatialLayer);
  target_temporal_ = std::min(temporal, kMaxTemporalLayer);
  unsynced_ = 0;
  unsynced_layer_ = 0;
}

bool PictureFilter::Decide(const RoutedPacket& packet) {
  Picture* picture = &pictures_[newest_];
  closes_picture_ = false;
  if (packet.timestamp != picture->timestamp || !picture->used) {
    picture = Enter(packet);
    if (picture == nullptr) return false;
  }
  if (packet.info.has_structure && IsNewest(*picture)) [[unlikely]] {
    Vp9Structure structure;
    if (ParseVp9Structure(packet.payload, &structure) && structure.spatial_layers > 0) {
      announced_ = static_cast<uint8_t>(structure.spatial_layers - 1);
    }
  }
  if (packet.frame.key && !picture->key && IsNewest(*picture)) BeginKeyPicture(*picture);
  const uint8_t bit = BitOf(packet.frame.spatial_layer);
  if ((picture->decided & bit) == 0) {
    const bool wanted = Wants(*picture, packet);
    picture->decided |= bit;
    if (wanted) picture->forwarded |= bit;
  }
  const bool forward = (picture->forwarded & bit) != 0;
  closes_picture_ = picture->fresh && !forward;
  picture->fresh = false;
  picture_top_ = TopSent(*picture);
  return forward;
}

/// The highest layer that was taken of the picture, or will be when it comes: its last packet ends
/// the picture for the receiver.
uint8_t PictureFilter::TopSent(const Picture& picture) const {
  const auto left_out = static_cast<uint8_t>(picture.decided & ~picture.forwarded);
  // What else may come of a key picture is not known: the sender marks the end.
  const bool any_may_come = picture.key && left_out == 0;
  for (uint8_t layer = picture.top; layer > 0; --layer) {
    const uint8_t bit = BitOf(layer);
    if ((picture.forwarded & bit) != 0) return layer;
    const bool will_be_taken = any_may_come || (picture.intact & bit) != 0;
    if ((picture.decided & bit) == 0 && will_be_taken) return layer;
  }
  return 0;
}

PictureFilter::Picture* PictureFilter::Enter(const RoutedPacket& packet) {
  const Picture newest = pictures_[newest_];
  if (newest.used && !IsNewer(packet.timestamp, newest.timestamp)) return EnterLate(packet);
  Picture& picture = Add(packet);
  newest_ = static_cast<size_t>(&picture - pictures_.data());
  picture.intact = newest.intact;
  // Of layers that are not wanted at this place, what comes late is left out, too.
  picture.synced = newest.synced & static_cast<uint8_t>((2u << target_temporal_) - 1);
  picture.highest = newest.highest;
  // Down at any picture, to a layer of which nothing was left out.
  for (uint8_t layer = target_spatial_; layer < spatial_; ++layer) {
    if ((picture.intact & BitOf(layer)) == 0) continue;
    spatial_ = layer;
    broken_ = false;
  }
  temporal_ = std::min(temporal_, target_temporal_);
  picture.top = spatial_;
  picture.temporal = target_temporal_;
  picture.fresh = true;
  return &picture;
}

/// A picture that others overtook: what was intact before it is, and it counts as what both those
/// around it count as.
PictureFilter::Picture* PictureFilter::EnterLate(const RoutedPacket& packet) {
  const Picture* older = nullptr;
  const Picture* newer = nullptr;
  for (Picture& each : pictures_) {
    if (!each.used) continue;
    if (each.timestamp == packet.timestamp) return &each;
    if (IsNewer(each.timestamp, packet.timestamp)) {
      if (newer == nullptr || IsNewer(newer->timestamp, each.timestamp)) newer = &each;
    } else if (older == nullptr || IsNewer(each.timestamp, older->timestamp)) {
      older = &each;
    }
  }
  if (older == nullptr || newer == nullptr) return nullptr;  // from before the source, or too old
  if (next_ == newest_) return nullptr;
  Picture late = *older;
  late.top = std::min(older->top, newer->top);
  late.temporal = std::min(older->temporal, newer->temporal);
  Picture& picture = Add(packet);
  picture.top = late.top;
  picture.temporal = late.temporal;
  picture.intact = late.intact;
  picture.synced = late.synced;
  picture.highest = late.highest;
  return &picture;
}

PictureFilter::Picture& PictureFilter::Add(const RoutedPacket& packet) {
  Picture& picture = pictures_[next_];
  next_ = (next_ + 1) % kPictures;
  picture = Picture();
  picture.used = true;
  picture.timestamp = packet.timestamp;
  picture.has_id = packet.info.picture_id.has_value();
  picture.id = packet.info.picture_id.value_or(0);
  return picture;
}

const PictureFilter::Picture* PictureFilter::FindById(uint16_t id) const {
  for (const Picture& each : pictures_) {
    if (each.has_id && each.id == id) return &each;
  }
  return nullptr;
}

void PictureFilter::BeginKeyPicture(Picture& picture) {
  // Packets may have overtaken this one. Where they were left out, their layers are not whole, nor
  // those above which need them; where they were taken, they belong to what is sent.
  const auto left_out = static_cast<uint8_t>(picture.decided & ~picture.forwarded);
  if ((left_out & 1) != 0) return;
  const auto cut = static_cast<uint8_t>(left_out & ~picture.unneeded);
  const int highest_taken = std::bit_width(picture.forwarded) - 1;
  int top = std::max<int>(target_spatial_, highest_taken);
  if (cut != 0) top = std::min(top, std::countr_zero(cut) - 1);
  // Those that there were until now are to come, if only behind the next picture.
  const uint8_t known = std::max({picture.highest, announced_, highest_before_});
  // What stands above the end that has gone out cannot be sent any more.
  const uint8_t most = picture.ended ? picture.top : kMaxSpatialLayer;
  if (known > most) top = std::min<int>(top, most);
  while ((left_out >> top & 1) != 0) --top;  // ends at 0
  picture.key = true;
  spatial_ = static_cast<uint8_t>(top);
  picture.top = std::min(spatial_, most);
  temporal_ = target_temporal_;
  picture.intact = static_cast<uint8_t>(((2u << std::min(known, most)) - 1) & ~left_out);
  picture.synced = static_cast<uint8_t>((2u << target_temporal_) - 1);
  picture.highest =
      picture.decided == 0 ? 0 : static_cast<uint8_t>(std::bit_width(picture.decided) - 1);
  key_ = picture.timestamp;
  has_key_ = true;
  broken_ = false;
  unsynced_ = 0;
  unsynced_layer_ = 0;
}

bool PictureFilter::IsSinceKey(const Picture& picture) const {
  return !has_key_ || !IsNewer(key_, picture.timestamp);
}

/// A frame of a newer picture was taken that relies on this picture's of the same layer.
bool PictureFilter::IsPromised(const Picture& picture, uint8_t bit) const {
  if (IsNewest(picture) || (picture.intact & bit) == 0) return false;
  const Picture* next = nullptr;
  for (const Picture& each : pictures_) {
    const bool taken = each.used && (each.forwarded & bit) != 0;
    if (!taken || !IsNewer(each.timestamp, picture.timestamp)) continue;
    if (next == nullptr || IsNewer(next->timestamp, each.timestamp)) next = &each;
  }
  if (next == nullptr || next->key) return false;
  return std::none_of(pictures_.begin(), pictures_.end(), [&](const Picture& each) {
    return each.used && each.key && IsNewer(each.timestamp, picture.timestamp) &&
           IsNewer(next->timestamp, each.timestamp);
  });
}

/// A frame of this layer is left out: from here on it is not intact.
void PictureFilter::Cut(Picture& picture, uint8_t bit) {
  picture.intact &= static_cast<uint8_t>(~bit);
  if (IsNewest(picture)) [[likely]]
    return;
  const Picture* key = nullptr;  // the next one
  for (const Picture& each : pictures_) {
    if (!each.used || !each.key || !IsNewer(each.timestamp, picture.timestamp)) continue;
    if (key == nullptr || IsNewer(key->timestamp, each.timestamp)) key = &each;
  }
  for (Picture& each : pictures_) {
    if (!each.used || !IsNewer(each.timestamp, picture.timestamp)) continue;
    if (key != nullptr && !IsNewer(key->timestamp, each.timestamp)) continue;
    each.intact &= static_cast<uint8_t>(~bit);
  }
}

bool PictureFilter::Wants(Picture& picture, const RoutedPacket& packet) {
  const uint8_t layer = std::min(packet.frame.spatial_layer, kMaxSpatialLayer);
  const uint8_t bit = BitOf(layer);
  const bool lowest_temporal = packet.frame.temporal_layer == 0;
  // Needed by none above; but the highest that there is is shown, whatever else may be taken.
  picture.highest = std::max(picture.highest, layer);
  const References references = ReferencesOf(picture, packet);
  if (lowest_temporal && references != References::kDropped && IsPromised(picture, bit)) {
    return true;
  }
  const uint8_t top = std::min(picture.top, Highest(picture));
  // Where layers are independent, the receiver needs the structure, which may stand in the lowest
  // one's key frame alone.
  if (packet.info.has_structure && layer > 0) layers_bring_structure_ = true;
  const bool carries_structure =
      picture.key && packet.info.has_structure && !layers_bring_structure_;
  const bool not_needed =
      layer < top && packet.info.not_for_upper && !carries_structure && !keeps_below_;
  if (layer > picture.top || not_needed) {
    if (not_needed) picture.unneeded |= bit;
    Cut(picture, bit);
    return false;
  }
  if (picture.key) {
    if (references == References::kDropped) {  // the layer below, in this picture
      Cut(picture, bit);
      return false;
    }
    // Those below are to come, too; what is not needed of them is cut when it does.
    picture.intact |=
        static_cast<uint8_t>((bit | (bit - 1)) & ~(picture.decided & ~picture.forwarded));
    return true;
  }
  const bool lost = (picture.intact & bit) == 0 && references != References::kForwarded;
  if (!lowest_temporal && !lost) return WantsTemporal(picture, packet, references);
  if (lost || references == References::kDropped) {
    broken_ |= layer == top && lowest_temporal && IsSinceKey(picture);
    Cut(picture, bit);
    return false;
  }
  picture.intact |= bit;
  return true;
}

bool PictureFilter::WantsTemporal(Picture& picture, const RoutedPacket& packet,
                                  References references) {
  const uint8_t layer = std::min(packet.frame.temporal_layer, kMaxTemporalLayer);
  const auto bit = static_cast<uint8_t>(1u << layer);
  const bool below = IsSyncedUpTo(picture, static_cast<uint8_t>(layer - 1));
  const bool follows = packet.frame.switch_point ? below : IsSyncedUpTo(picture, layer);
  bool wanted = layer <= picture.temporal && references != References::kDropped;
  if (references == References::kUnknown) wanted = wanted && follows;
  seen_switch_ |= packet.frame.switch_point;
  if (!wanted) {
    picture.synced &= static_cast<uint8_t>(~bit);
    if (layer <= target_temporal_ && IsNewest(picture)) {
      ++unsynced_;
      unsynced_layer_ = std::max(unsynced_layer_, layer);
    }
    return false;
  }
  if (packet.frame.switch_point && below) picture.synced |= bit;
  if (!IsNewest(picture)) return true;
  temporal_ = std::max(temporal_, layer);
  if (layer >= unsynced_layer_) {
    unsynced_ = 0;
    unsynced_layer_ = 0;
  }
  return true;
}

PictureFilter::References PictureFilter::ReferencesOf(const Picture& picture,
                                                      const RoutedPacket& packet) const {
  const PayloadInfo& info = packet.info;
  const uint8_t layer = std::min(packet.frame.spatial_layer, kMaxSpatialLayer);
  References result = References::kForwarded;
  // Only VP9 says whether it does, which has picture ids.
  if (layer > 0 && (info.inter_layer || !info.picture_id)) {
    const uint8_t below = BitOf(static_cast<uint8_t>(layer - 1));
    if ((picture.decided & below) == 0) {
      result = References::kUnknown;
    } else if ((picture.forwarded & below) == 0) {
      return References::kDropped;
    }
  }
  if (!info.references_known || !info.picture_id) return References::kUnknown;
  const uint16_t mask = info.picture_id_long ? kLongIdMask : kShortIdMask;
  const uint8_t bit = BitOf(layer);
  for (size_t i = 0; i < info.reference_count; ++i) {
    const Picture* other = FindById((*info.picture_id - info.references[i]) & mask);
    if (other == nullptr || (other->decided & bit) == 0) {
      result = References::kUnknown;
    } else if ((other->forwarded & bit) == 0) {
      return References::kDropped;
    }
  }
  return result;
}

}  // namespace sluice::worker
