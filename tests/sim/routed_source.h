#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <utility>
#include <vector>

#include "tests/sim/layer_source.h"
#include "worker/core/rtp/frame_info.h"
#include "worker/core/rtp/routed_packet.h"
#include "worker/wire/dependency_descriptor.h"

namespace sluice::worker {

/// Reads the dependency descriptors of what a producer receives.
class FrameReader {
 public:
  void Read(const std::vector<uint8_t>& written, RoutedPacket* packet) {
    auto descriptor = std::make_unique<DependencyDescriptor>();
    const bool read = !written.empty() && reader_.Read(written, descriptor.get());
    packet->frame = FrameInfo::Of(packet->info, packet->marker, read ? descriptor.get() : nullptr);
    packet->frame.readable = read || written.empty();
    descriptors_.push_back(std::move(descriptor));
  }

 private:
  DependencyDescriptorReader reader_;
  std::vector<std::unique_ptr<DependencyDescriptor>> descriptors_;
};

/// Packets of one encoding as a producer routes them.
class RoutedSource {
 public:
  RoutedSource(const LayerStructure& structure, int encoding, uint64_t seed)
      : structure_(structure),
        encoding_(encoding),
        encoder_(structure, encoding, seed),
        random_(static_cast<uint32_t>(seed)) {}

  /// From now on its packets differ in what a filter does not look at, but those who ask it must.
  void BeRestless() { restless_ = true; }
  /// A picture; some of its packets are lost, and some come later.
  std::vector<const RoutedPacket*> Turn(bool key, int loss_percent) {
    ++picture_;
    std::vector<const RoutedPacket*> turn;
    for (const SourcePacket& packet :
         encoder_.Encode(picture_, picture_ * 33'000, key, structure_.spatial, &frames_)) {
      const bool is_late = Chance(loss_percent);
      if (is_late && Chance(50)) continue;
      (is_late ? late_ : on_time_).push_back(packet);
    }
    for (const SourcePacket& packet : on_time_) turn.push_back(Route(packet));
    on_time_.clear();
    if (Chance(50)) std::swap(on_time_, late_);
    return turn;
  }

  /// All that it has made so far, by id.
  const std::map<uint32_t, TrueFrame>& frames() const { return frames_; }
  /// Its dependency descriptor as it was written.
  const std::vector<uint8_t>& DescriptorOf(const RoutedPacket& packet) const {
    return written_.at(&packet);
  }

 private:
  bool Chance(int percent) { return static_cast<int>(random_() % 100) < percent; }

  const RoutedPacket* Route(const SourcePacket& from) {
    auto packet = std::make_unique<RoutedPacket>();
    auto payload = std::make_unique<std::vector<uint8_t>>(from.payload);
    packet->payload = *payload;
    packet->sequence = ExtendedSeqNumber(from.sequence);
    packet->timestamp = RtpTimestamp(from.timestamp);
    packet->encoding_index = static_cast<uint8_t>(encoding_);
    packet->marker = from.marker;
    packet->arrival = ++arrivals_;
    packet->info = ParsePayload(structure_.codec, *payload).value_or(PayloadInfo{});
    payloads_.push_back(std::move(payload));
    packets_.push_back(std::move(packet));
    written_[packets_.back().get()] = from.descriptor;
    RoutedPacket& routed = *packets_.back();
    reader_.Read(from.descriptor, &routed);
    if (!restless_) return &routed;
    routed.payload_type = PayloadType(Chance(1) ? 97 : 96);
    routed.codec_epoch = Chance(1) ? 1 : 0;
    routed.restarted = Chance(1);
    routed.completes_others = Chance(1);
    return &routed;
  }

  const LayerStructure structure_;
  const int encoding_;
  LayerEncoder encoder_;
  std::mt19937 random_;
  FrameReader reader_;
  std::map<uint32_t, TrueFrame> frames_;
  std::vector<SourcePacket> on_time_;
  std::vector<SourcePacket> late_;
  std::vector<std::unique_ptr<RoutedPacket>> packets_;
  std::vector<std::unique_ptr<std::vector<uint8_t>>> payloads_;
  std::map<const RoutedPacket*, std::vector<uint8_t>> written_;
  bool restless_ = false;
  uint32_t picture_ = 0;
  uint64_t arrivals_ = 0;
};

}  // namespace sluice::worker
