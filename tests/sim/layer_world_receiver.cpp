#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "tests/sim/layer_world.h"
#include "worker/wire/rtp_packet.h"

// What the consumer of a LayerWorld sends, the way to its receiver, and what that asks for again.
namespace sluice::worker {

namespace {
constexpr int kMaxTries = 14;
}  // namespace

uint8_t* LayerWorld::BeginRtp(size_t capacity) {
  if (capacity > slot_.size()) std::abort();
  return slot_.data();
}

uint32_t LayerWorld::EndRtp(const OutgoingRtp& out) {
  if (out.rtp_class != RtpClass::kRetransmission) digests_.push_back(Digest(out));
  std::vector<uint8_t> bytes(out.slot, out.slot + out.header_size);
  bytes.insert(bytes.end(), out.payload.begin(), out.payload.end());
  auto packet = RtpPacket::Parse(bytes);
  if (!packet) {
    early_faults_.push_back("a packet that is no RTP was sent");
    return kNoNumber;
  }
  Sent sent;
  sent.at = Now();
  sent.timestamp = packet->timestamp().value();
  sent.marker = packet->marker();
  std::span<const uint8_t> payload = packet->payload();
  uint16_t number = packet->sequence_number().value();
  const bool again = packet->ssrc().value() == kOwnRtxSsrc;
  if (again) {
    if (payload.size() < 2) return kNoNumber;
    number = static_cast<uint16_t>(payload[0] << 8 | payload[1]);
    payload = payload.subspan(2);
  }
  sent.bytes.assign(payload.begin(), payload.end());
  const auto descriptor = packet->Extension(kOwnDescriptorId);
  sent.descriptor.assign(descriptor.begin(), descriptor.end());
  sent.padding = payload.empty() || packet->padding_size() > 0;
  if (!sent.padding) {
    const LayerEncoder::Tail tail = LayerEncoder::ReadTail(payload.data(), payload.size());
    sent.frame = tail.frame;
    sent.index = tail.index;
    if (frames_.find(tail.frame) == frames_.end()) {
      early_faults_.push_back("a payload that nobody sent");
      return kNoNumber;
    }
    if (const auto info = ParsePayload(options_.structure.codec, payload)) {
      sent.picture_id = info->picture_id;
      sent.tl0 = info->tl0_picture_index;
    }
  }
  int64_t own = number;
  if (last_own_) {
    own = newest_own_ + static_cast<int16_t>(number - static_cast<uint16_t>(newest_own_));
  } else {
    own += 65'536;
    newest_own_ = own;
    last_own_ = number;
    highest_received_ = own - 1;  // the receiver is told where it begins
  }
  newest_own_ = std::max(newest_own_, own);
  if (!again && !sent.padding) {
    ++sent_packets_;
    sent_payload_bytes_ += payload.size();
    if (!first_sent_at_) first_sent_at_ = Now();
    const TrueFrame& frame = frames_[sent.frame];
    const bool new_run = runs_.empty() || runs_.back().encoding != frame.encoding || break_;
    if (new_run) {
      if (!runs_.empty() && runs_.back().ended == Timestamp()) runs_.back().ended = Now();
      runs_.push_back({frame.encoding, Now(), Timestamp(), break_});
      break_ = false;
    }
    const auto newest = frames_.find(newest_sent_);
    const bool ahead = newest == frames_.end() || frame.picture > newest->second.picture ||
                       newest->second.encoding != frame.encoding;
    // A frame that has begun is completed, whatever is wanted by then.
    const bool begins = begun_.insert(sent.frame).second;
    if (ahead || frame.picture == newest->second.picture) {
      newest_sent_ = sent.frame;
      // A late one is judged by what was wanted at its place.
      const bool late = newest_came_[static_cast<size_t>(frame.encoding)] > frame.picture;
      if (begins && !late) turn_frames_.push_back(sent.frame);
    }
  }
  sent.run = static_cast<int>(runs_.size()) - 1;
  const auto first = sent_.find(own);
  if (first == sent_.end()) {
    // It had no number of its own before, but one between others.
    const auto above = sent_.lower_bound(own);
    if (again && above != sent_.begin()) sent.run = std::prev(above)->second.run;
    sent.only_again = again;
    sent_[own] = sent;
  } else if (!again) {
    early_faults_.push_back(fmt::format("number {} was used twice", number));
  } else {
    const Sent& before = first->second;
    sent.run = before.run;
    sent.only_again = before.only_again;
    sent.marker = before.marker;  // compared below where RTX carries it
    if (before.padding != sent.padding || before.frame != sent.frame ||
        before.index != sent.index || before.timestamp != sent.timestamp ||
        before.bytes != sent.bytes || before.marker != packet->marker()) {
      early_faults_.push_back(fmt::format("number {} was another packet when sent again", number));
    }
  }
  Tell(again ? "again" : "sent ", own, sent.frame, sent.index, sent.marker);
  SendDown(own, sent);
  return kNoNumber;
}

void LayerWorld::SendDown(int64_t own, const Sent& packet) {
  const LayerPath& down = options_.down;
  if (Chance(down.loss)) return;
  const int copies = Chance(down.duplicate) ? 2 : 1;
  for (int i = 0; i < copies; ++i) {
    environment_.Schedule(DelayOf(down), [this, own, packet] { Arrive(own, packet); });
  }
}

void LayerWorld::Arrive(int64_t own, const Sent& packet) {
  received_.emplace(own, packet);
  missing_.erase(own);
  for (int64_t number = highest_received_ + 1; number < own; ++number) {
    if (received_.find(number) == received_.end()) missing_[number] = {Now(), Timestamp(), 0};
  }
  highest_received_ = std::max(highest_received_, own);
}

void LayerWorld::AskAgain() {
  std::vector<SeqNumber> due;
  for (auto& [number, missing] : missing_) {
    if (Now() - missing.since < Duration::Millis(15) || missing.tries >= kMaxTries) continue;
    if (missing.tries > 0 && Now() - missing.asked_at < Duration::Millis(110)) continue;
    missing.asked_at = Now();
    ++missing.tries;
    due.push_back(SeqNumber(static_cast<uint16_t>(number)));
  }
  if (!due.empty()) {
    const auto items = rtcp::PackNackItems(due);
    environment_.Schedule(options_.down.delay,
                          [this, items] { consumer_->OnNack(0, items, Now()); });
  }
  environment_.Schedule(Duration::Millis(10), [this] { AskAgain(); });
}

void LayerWorld::OnConsumerLayers(const std::string& /*id*/,
                                  const std::optional<ConsumerLayers>& now) {
  layers_ = now;
  ++layer_changes_;
  if (!consumer_ || consumer_->active()) return;
  break_ = true;  // it stands still
  standstills_.push_back(Now());
  if (runs_.empty() || runs_.back().ended != Timestamp()) return;
  runs_.back().ended = Now();
}

bool LayerWorld::WasForgotten(const Run_& run, Timestamp missed) const {
  if (run.ended == Timestamp()) return false;
  return std::any_of(standstills_.begin(), standstills_.end(), [&](Timestamp at) {
    return at >= run.ended && at - missed < Duration::Millis(2000);
  });
}

bool LayerWorld::Allows(const std::optional<ConsumerLayers>& layers, const TrueFrame& frame) const {
  if (!layers) return false;
  const LayerStructure& structure = options_.structure;
  int temporal = frame.temporal;
  // H264 says only of the highest layer that nothing refers to it.
  const bool blunt = structure.codec == CodecKind::kH264 && !structure.descriptors;
  if (blunt && temporal + 1 < structure.temporal) temporal = 0;
  if (temporal > layers->temporal_layer.value_or(0)) return false;
  if (structure.encodings > 1) return frame.encoding == layers->spatial_layer;
  if (frame.spatial > layers->spatial_layer) return false;
  const bool sees_modes = structure.descriptors || structure.codec == CodecKind::kVp9;
  if (structure.mode == LayerStructure::Spatial::kFull || !sees_modes) return true;
  const bool key = frame.key_picture && structure.mode == LayerStructure::Spatial::kKey;
  // That each layer brings the structure is not known with the first key picture.
  const bool brings_structure =
      frame.key_picture && frame.spatial == 0 && (structure.structure_once || !layers_told_);
  return frame.spatial == layers->spatial_layer || key || brings_structure;
}

void LayerWorld::EndTurn() {
  if (std::exchange(delivery_due_, false)) producer_->DeliverTurn(Now());
  for (const uint32_t id : turn_frames_) {
    const TrueFrame& frame = frames_[id];
    if (Allows(layers_, frame) || Allows(layers_before_, frame)) continue;
    ++unwanted_;
    Tell("above", 0, id, 0, false);
  }
  for (const uint32_t id : turn_frames_) {
    const TrueFrame& frame = frames_[id];
    layers_told_ |= up_was_clean_ && frame.key_picture && frame.spatial > 0;
  }
  turn_frames_.clear();
  layers_before_ = layers_;
}

}  // namespace sluice::worker
