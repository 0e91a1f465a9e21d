#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "common/rtp_types.h"
#include "common/units.h"
#include "worker/core/packet_writer.h"

namespace sluice::worker {

/// Packets that were not sent because their socket was full, by what they were.
struct DropStats {
  std::array<uint64_t, kPacketKinds> packets{};  ///< by PacketKind
  uint64_t video_frames = 0;  ///< to which the video packets belonged, for each receiver

  uint64_t& of(PacketKind kind) { return packets[static_cast<size_t>(kind)]; }
  uint64_t of(PacketKind kind) const { return packets[static_cast<size_t>(kind)]; }
  uint64_t total() const;
};

/// A packet that waits.
struct HeldPacket {
  std::unique_ptr<uint8_t[]> data;
  uint32_t size = 0;
  PacketKind kind = PacketKind::kVideo;
  Timestamp since;

  std::span<const uint8_t> bytes() const { return {data.get(), size}; }
};

/// What waits for one receiver while the socket to it is full: everything but video in the order in
/// which it came, and video by frames, so that what has to go goes by whole frames. A frame of
/// which a part was dropped takes its later packets with it.
///
/// Its owner (UdpBacklog, TcpConnection) decides when to take from it and when to drop.
class ReceiverBacklog {
 public:
  /// What has waited for longer is dropped: no call can use it, and what is new would wait behind
  /// it.
  static constexpr Duration kMaxAge = Duration::Millis(500);
  /// When a frame has become too old, those behind it that have not begun and are older than this
  /// go with it: else the next ones would begin almost as late, and be cut off in the middle.
  static constexpr Duration kFreshAge = Duration::Millis(250);
  /// Bytes that a held packet costs beside its own.
  static constexpr size_t kOverhead = 96;

  explicit ReceiverBacklog(DropStats& drops) : drops_(drops) {}

  /// Keeps a copy; or drops (and counts) it when a part of its frame has been dropped.
  void Add(std::span<const uint8_t> bytes, PacketKind kind, Timestamp now);

  bool empty() const { return urgent_.empty() && frames_.empty(); }
  bool has_urgent() const { return !urgent_.empty(); }
  bool has_video() const { return !frames_.empty(); }
  /// Bytes held, kOverhead of each packet included.
  size_t cost() const { return cost_; }
  /// The oldest packet that is not video; nullopt when there is none.
  std::optional<HeldPacket> TakeUrgent();
  /// The next packet of the oldest frame.
  std::optional<HeldPacket> TakeVideo();

  /// Drops what is older than kMaxAge at `now`.
  void Expire(Timestamp now);
  /// Drops the oldest frame of which nothing has been taken yet; that of which something has when
  /// there is no other. False: no video is held.
  bool DropFrame();
  /// Media SSRCs of the frames that were dropped since the last call, each once, and at most
  /// kMaxDroppedSsrcs of them.
  std::vector<Ssrc> TakeDroppedSsrcs();
  bool has_dropped_ssrcs() const { return !dropped_ssrcs_.empty(); }

 private:
  /// SSRC in the upper half, RTP timestamp in the lower.
  using FrameId = uint64_t;
  struct Frame {
    FrameId id = 0;
    std::vector<HeldPacket> packets;
    size_t taken = 0;  // packets from the first that are gone

    const HeldPacket& front() const { return packets[taken]; }
  };
  /// Frames back from the newest among which a packet's own is looked for: the layers of a picture
  /// that come interleaved, and retransmissions.
  static constexpr size_t kOpenFrames = 8;
  /// Dropped frames that are remembered, for packets of them that come later.
  static constexpr size_t kDroppedFrames = 8;
  static constexpr size_t kMaxDroppedSsrcs = 64;

  static FrameId FrameOf(std::span<const uint8_t> bytes);
  void AddVideo(HeldPacket packet);
  bool WasDropped(FrameId id) const;
  void DropFrame(size_t index);
  HeldPacket Released(HeldPacket packet);

  DropStats& drops_;
  std::deque<HeldPacket> urgent_;
  std::deque<Frame> frames_;
  size_t cost_ = 0;
  std::array<std::optional<FrameId>, kDroppedFrames> dropped_;
  size_t next_dropped_ = 0;
  std::vector<Ssrc> dropped_ssrcs_;
};

}  // namespace sluice::worker
