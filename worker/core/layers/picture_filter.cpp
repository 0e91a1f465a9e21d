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
  pictures_.fill(Picture());
  next_ = newest_ = 0;
  spatial_ = 0;
  temporal_ = 0;
  picture_top_ = 0;
  announced_ = 0;
  seen_ = 0;
  intact_ = 0;
  synced_ = 0xff;
  broken_ = false;
  closes_picture_ = false;
}

void PictureFilter::SetTarget(uint8_t spatial, uint8_t temporal) {
  target_spatial_ = std::min(spatial, kMaxSpatialLayer);
  target_temporal_ = std::min(temporal, kMaxTemporalLayer);
}

bool PictureFilter::Decide(const RoutedPacket& packet) {
  Picture* picture = &pictures_[newest_];
  closes_picture_ = false;
  if (packet.timestamp != picture->timestamp || !picture->used) {
    picture = Enter(packet);
    if (picture == nullptr) return false;
  }
  const bool is_newest = picture == &pictures_[newest_];
  if (packet.info.has_structure && is_newest) [[unlikely]] {
    Vp9Structure structure;
    if (ParseVp9Structure(packet.payload, &structure) && structure.spatial_layers > 0) {
      announced_ = static_cast<uint8_t>(structure.spatial_layers - 1);
    }
  }
  if (packet.frame.key && !picture->key && is_newest) BeginKeyPicture(*picture);
  const uint8_t bit = BitOf(packet.frame.spatial_layer);
  if ((picture->decided & bit) == 0) {
    const bool wanted = Wants(*picture, packet);
    picture->decided |= bit;
    if (wanted) picture->forwarded |= bit;
  }
  const bool forward = (picture->forwarded & bit) != 0;
  closes_picture_ = picture->fresh && !forward;
  picture->fresh = false;
  picture_top_ = picture->top;
  return forward;
}

PictureFilter::Picture* PictureFilter::Enter(const RoutedPacket& packet) {
  const Picture& newest = pictures_[newest_];
  if (newest.used && !IsNewer(packet.timestamp, newest.timestamp)) return EnterLate(packet);
  Picture& picture = Add(packet);
  newest_ = static_cast<size_t>(&picture - pictures_.data());
  // Down at any picture, to a layer of which nothing was left out.
  for (uint8_t layer = target_spatial_; layer < spatial_; ++layer) {
    if ((intact_ & BitOf(layer)) == 0) continue;
    spatial_ = layer;
    broken_ = false;
  }
  temporal_ = std::min(temporal_, target_temporal_);
  picture.top = spatial_;
  uint8_t temporal = target_temporal_;
  while (!IntactUpTo(temporal)) --temporal;
  picture.temporal = temporal;
  picture.fresh = true;
  return &picture;
}

/// A picture that others overtook: it counts as what both those around it count as. So it is there
/// for those behind it that refer to it, and it refers to none that was left out.
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
  const uint8_t top = std::min(older->top, newer->top);
  const uint8_t temporal = std::min(older->temporal, newer->temporal);
  const bool behind_newest = &pictures_[next_] == &pictures_[newest_];
  if (behind_newest) return nullptr;
  Picture& picture = Add(packet);
  picture.top = top;
  picture.temporal = temporal;
  picture.late = true;
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
  // Where packets overtook this one and were left out, their layers are not whole any more.
  const auto cut = static_cast<uint8_t>(picture.decided & ~picture.forwarded);
  if ((cut & 1) != 0) return;
  picture.key = true;
  seen_ = 0;
  spatial_ = target_spatial_;
  if (cut != 0) spatial_ = static_cast<uint8_t>(std::min(spatial_ + 0, std::countr_zero(cut) - 1));
  temporal_ = target_temporal_;
  picture.top = spatial_;
  picture.temporal = temporal_;
  intact_ = 0;
  synced_ = 0xff;
  broken_ = false;
}

bool PictureFilter::Wants(Picture& picture, const RoutedPacket& packet) {
  const uint8_t layer = packet.frame.spatial_layer;
  const uint8_t bit = BitOf(layer);
  // Needed by none above; but the highest that there is is shown, whatever else may be taken.
  seen_ = std::max(seen_, std::min(layer, kMaxSpatialLayer));
  const uint8_t top = std::min(picture.top, Highest(picture));
  // Where layers are independent, the receiver needs the structure, which may stand in the lowest
  // one's key frame alone.
  const bool has_structure = picture.key && packet.info.has_structure;
  if (has_structure && layer > 0) layers_bring_structure_ = true;
  const bool carries_structure = has_structure && !layers_bring_structure_;
  const bool not_needed = layer < top && packet.info.not_for_upper && !carries_structure;
  if (layer > picture.top || not_needed) {
    if (!picture.late) intact_ &= static_cast<uint8_t>(~bit);
    return false;
  }
  const References references = ReferencesOf(picture, packet);
  if (picture.late) {
    return packet.frame.temporal_layer <= picture.temporal && references != References::kDropped;
  }
  if (picture.key) {
    if (references == References::kDropped) return false;  // the layer below, in this picture
    intact_ |= bit;
    return true;
  }
  const bool lost = (intact_ & bit) == 0 && references != References::kForwarded;
  if (packet.frame.temporal_layer > 0 && !lost) return WantsTemporal(packet, references);
  if (lost || references == References::kDropped) {
    broken_ |= layer == top && packet.frame.temporal_layer == 0;
    intact_ &= static_cast<uint8_t>(~bit);
    return false;
  }
  intact_ |= bit;
  return true;
}

bool PictureFilter::WantsTemporal(const RoutedPacket& packet, References references) {
  const uint8_t layer = std::min(packet.frame.temporal_layer, kMaxTemporalLayer);
  const auto bit = static_cast<uint8_t>(1u << layer);
  const bool below = IntactUpTo(static_cast<uint8_t>(layer - 1));
  const bool follows = packet.frame.switch_point ? below : IntactUpTo(layer);
  bool wanted = layer <= target_temporal_ && references != References::kDropped;
  if (references == References::kUnknown) wanted = wanted && follows;
  if (!wanted) {
    synced_ &= static_cast<uint8_t>(~bit);
    return false;
  }
  if (packet.frame.switch_point && below) synced_ |= bit;
  temporal_ = std::max(temporal_, layer);
  return true;
}

PictureFilter::References PictureFilter::ReferencesOf(const Picture& picture,
                                                      const RoutedPacket& packet) const {
  const PayloadInfo& info = packet.info;
  const uint8_t layer = std::min(packet.frame.spatial_layer, kMaxSpatialLayer);
  References result = References::kForwarded;
  if (layer > 0 && info.inter_layer) {
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
