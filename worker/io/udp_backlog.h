#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <set>
#include <span>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "common/socket_address.h"
#include "common/units.h"
#include "worker/io/receiver_backlog.h"
#include "worker/io/send_strategy.h"

namespace sluice::worker {

/// Bytes that the backlogs of all UDP sockets of a worker hold.
struct BacklogBudget {
  /// The default is half a second (ReceiverBacklog::kMaxAge) at 1 Gbit/s.
  size_t max_bytes = size_t{64} << 20;
  size_t used = 0;
};

/// Packets that a full UDP socket did not take. Fair between its destinations: they take turns, so
/// that one with a long queue does not keep the others waiting. Audio, RTCP, STUN and DTLS of all
/// destinations go before video of any.
///
/// Bounded by time (ReceiverBacklog::kMaxAge) and, over all sockets, by bytes. When bytes run out,
/// frames of video of the destination that holds most go first; another packet is refused only when
/// no video is left to drop.
class UdpBacklog {
 public:
  /// Packets that are taken out for one attempt to send; what is not sent of them goes first the
  /// next time, before anything that came since.
  static constexpr size_t kBatch = 32;
  /// Video packets of one destination in a row: neighbours go out as one GSO message.
  static constexpr size_t kVideoTurn = 8;
  /// How often the whole backlog is looked through for what is too old; what is about to be sent
  /// is always looked at.
  static constexpr Duration kSweepInterval = Duration::Millis(10);

  /// Both outlive it.
  UdpBacklog(BacklogBudget& budget, DropStats& drops) : budget_(budget), drops_(drops) {}
  ~UdpBacklog();
  UdpBacklog(const UdpBacklog&) = delete;
  UdpBacklog& operator=(const UdpBacklog&) = delete;

  bool empty() const { return batch_.empty() && receivers_.empty(); }
  size_t bytes() const { return bytes_; }

  /// Keeps a copy, or drops it and counts.
  void Add(const QueuedDatagram& datagram, Timestamp now);
  /// What is to be sent next; empty when nothing is left. Valid until the next call.
  std::span<const QueuedDatagram> NextBatch(Timestamp now);
  /// The first `count` of the batch are done with.
  void Pop(size_t count);
  /// Pairs of destinations that were compared to find who holds most, over all backlogs: the work
  /// done, which a test can count.
  static uint64_t compared() { return compared_; }
  /// Drops what is too old. Cheap within kSweepInterval of the last time.
  void Sweep(Timestamp now);

 private:
  struct Receiver;
  /// Whose video is dropped when bytes run out: who holds most, of equals who came first.
  struct Rank {
    size_t cost = 0;  ///< ReceiverBacklog::cost
    uint64_t serial = 0;
    Receiver* receiver = nullptr;
  };
  struct HoldsMore {
    bool operator()(const Rank& a, const Rank& b) const {
      ++compared_;
      return a.cost != b.cost ? a.cost > b.cost : a.serial < b.serial;
    }
  };
  using Ranking = std::set<Rank, HoldsMore>;
  struct Receiver {
    Receiver(const SocketAddress& address, uint64_t number, DropStats& drops)
        : to(address), serial(number), held(drops) {}
    SocketAddress to;
    const uint64_t serial;
    ReceiverBacklog held;
    bool in_urgent = false;  // stands in `urgent_`; likewise
    bool in_video = false;
    bool ranked = false;  // it holds video; `rank` is valid
    Ranking::iterator rank;
  };

  /// Runs `change` on the receiver's backlog and keeps the byte counts true.
  template <typename Change>
  auto Apply(Receiver& receiver, Change change);
  /// Puts the receiver where it belongs among those that hold video.
  void Rerank(Receiver& receiver);
  bool MakeRoom(size_t cost);
  void FillBatch(Timestamp now);
  void Append(Receiver& receiver, HeldPacket packet);
  void ForgetIfEmpty(Receiver& receiver);

  BacklogBudget& budget_;
  DropStats& drops_;
  absl::flat_hash_map<SocketAddress, std::unique_ptr<Receiver>> receivers_;
  std::deque<Receiver*> urgent_;  // who has other packets than video, in turn
  std::deque<Receiver*> video_;   // who has video
  Ranking ranking_;               // likewise
  uint64_t next_serial_ = 0;
  std::vector<HeldPacket> batch_packets_;
  std::vector<QueuedDatagram> batch_;  // point into `batch_packets_`
  size_t bytes_ = 0;
  Timestamp last_sweep_;
  static inline uint64_t compared_ = 0;
};

}  // namespace sluice::worker
