#include "worker/io/receiver_backlog.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <utility>

namespace sluice::worker {

uint64_t DropStats::total() const {
  return std::accumulate(packets.begin(), packets.end(), uint64_t{0});
}

/// RFC 3550 section 5.1: timestamp in bytes 4 to 7, SSRC in 8 to 11. Zero for what is no RTP.
ReceiverBacklog::FrameId ReceiverBacklog::FrameOf(std::span<const uint8_t> bytes) {
  constexpr size_t kRtpHeader = 12;
  if (bytes.size() < kRtpHeader) return 0;
  const auto word = [&](size_t at) {
    return uint32_t{bytes[at]} << 24 | uint32_t{bytes[at + 1]} << 16 |
           uint32_t{bytes[at + 2]} << 8 | uint32_t{bytes[at + 3]};
  };
  return uint64_t{word(8)} << 32 | word(4);
}

void ReceiverBacklog::Add(std::span<const uint8_t> bytes, PacketKind kind, Timestamp now) {
  const bool video = kind == PacketKind::kVideo;
  if (video && WasDropped(FrameOf(bytes))) {
    ++drops_.of(kind);
    return;
  }
  HeldPacket packet;
  packet.data.reset(new uint8_t[bytes.size()]);
  if (!bytes.empty()) std::memcpy(packet.data.get(), bytes.data(), bytes.size());
  packet.size = static_cast<uint32_t>(bytes.size());
  packet.kind = kind;
  packet.since = now;
  cost_ += packet.size + kOverhead;
  if (video) {
    AddVideo(std::move(packet));
  } else {
    urgent_.push_back(std::move(packet));
  }
}

void ReceiverBacklog::AddVideo(HeldPacket packet) {
  const FrameId id = FrameOf(packet.bytes());
  const size_t open = std::min(frames_.size(), kOpenFrames);
  for (size_t back = 1; back <= open; ++back) {
    Frame& frame = frames_[frames_.size() - back];
    if (frame.id != id) continue;
    frame.packets.push_back(std::move(packet));
    return;
  }
  Frame frame;
  frame.id = id;
  frame.packets.push_back(std::move(packet));
  frames_.push_back(std::move(frame));
}

HeldPacket ReceiverBacklog::Released(HeldPacket packet) {
  cost_ -= packet.size + kOverhead;
  return packet;
}

std::optional<HeldPacket> ReceiverBacklog::TakeUrgent() {
  if (urgent_.empty()) return std::nullopt;
  HeldPacket packet = std::move(urgent_.front());
  urgent_.pop_front();
  return Released(std::move(packet));
}

std::optional<HeldPacket> ReceiverBacklog::TakeVideo() {
  if (frames_.empty()) return std::nullopt;
  Frame& frame = frames_.front();
  HeldPacket packet = std::move(frame.packets[frame.taken++]);
  if (frame.taken == frame.packets.size()) frames_.pop_front();
  return Released(std::move(packet));
}

void ReceiverBacklog::Expire(Timestamp now) {
  const auto is_late = [&](const HeldPacket& packet) { return now - packet.since > kMaxAge; };
  while (!urgent_.empty() && is_late(urgent_.front())) {
    ++drops_.of(Released(std::move(urgent_.front())).kind);
    urgent_.pop_front();
  }
  if (frames_.empty() || !is_late(frames_.front().front())) return;
  DropFrame(0);
  while (!frames_.empty() && now - frames_.front().front().since > kFreshAge) DropFrame(0);
}

bool ReceiverBacklog::DropFrame() {
  if (frames_.empty()) return false;
  const bool spare_first = frames_.front().taken > 0 && frames_.size() > 1;
  DropFrame(spare_first ? 1 : 0);
  return true;
}

void ReceiverBacklog::DropFrame(size_t index) {
  const Frame frame = std::move(frames_[index]);
  frames_.erase(frames_.begin() + static_cast<std::ptrdiff_t>(index));
  for (size_t i = frame.taken; i < frame.packets.size(); ++i) {
    cost_ -= frame.packets[i].size + kOverhead;
  }
  drops_.of(PacketKind::kVideo) += frame.packets.size() - frame.taken;
  ++drops_.video_frames;
  dropped_[next_dropped_++ % kDroppedFrames] = frame.id;
  const Ssrc ssrc(static_cast<uint32_t>(frame.id >> 32));
  const bool known =
      std::find(dropped_ssrcs_.begin(), dropped_ssrcs_.end(), ssrc) != dropped_ssrcs_.end();
  if (!known && dropped_ssrcs_.size() < kMaxDroppedSsrcs) dropped_ssrcs_.push_back(ssrc);
}

bool ReceiverBacklog::WasDropped(FrameId id) const {
  return std::find(dropped_.begin(), dropped_.end(), std::optional(id)) != dropped_.end();
}

std::vector<Ssrc> ReceiverBacklog::TakeDroppedSsrcs() { return std::exchange(dropped_ssrcs_, {}); }

}  // namespace sluice::worker
