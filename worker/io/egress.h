#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "worker/io/send_strategy.h"
#include "worker/io/udp_backlog.h"

namespace sluice::worker {

/// What waits in the egress for the end of the turn: the queue of one socket.
class EgressQueue {
 public:
  virtual ~EgressQueue() = default;

 private:
  friend class Egress;
  /// Hands everything queued to the kernel. What the kernel does not take now must be copied out of
  /// the arena. Must not call anything outside `io/`.
  virtual void FlushQueue() = 0;
  bool dirty_ = false;
};

/// Where all packets of a worker are written and from where they leave: one arena, one send
/// strategy, the list of sockets that have something to send.
///
/// The arena is shared so that an idle socket holds no memory and the arena stays in the CPU's
/// cache. A socket that is full copies its rest into a backlog of its own.
class Egress {
 public:
  /// Bytes. Fits in a level-2 cache beside the packets' plaintext; some 800 full packets.
  static constexpr size_t kArenaSize = size_t{1} << 20;

  explicit Egress(std::unique_ptr<SendStrategy> strategy);
  Egress(const Egress&) = delete;
  Egress& operator=(const Egress&) = delete;

  /// Runs before anything is sent: finishes encryptions that still write into the arena.
  void SetBeforeFlush(std::function<void()> before_flush);

  /// A piece of the arena that was handed out; empty when there was none.
  struct Slot {
    uint8_t* data = nullptr;
    size_t size = 0;
    uint64_t flush = 0;  ///< flushes before it was handed out: it is good until the next one
  };

  /// The next `size` bytes of the arena; an empty slot when size > kArenaSize. When they are not
  /// there, everything queued is flushed first. They are used up by this call, whether Commit()
  /// follows or not: a deferred encryption may write into them until the flush, so they can belong
  /// to nobody else before it.
  Slot Reserve(size_t size);
  /// True when `slot` is good still: no flush came in between. The bytes behind the first `size`
  /// of it are free again if it was the latest that was handed out.
  bool Commit(const Slot& slot, size_t size);

  /// Puts `queue` on the list of the next flush.
  void MarkDirty(EgressQueue& queue);
  /// Sends what `queue` holds and takes it off the list: its owner is about to die.
  void Retire(EgressQueue& queue);
  /// Sends what all queues hold and empties the arena.
  void Flush();

  SendStrategy& strategy() { return *strategy_; }
  BacklogBudget& backlog_budget() { return backlog_budget_; }
  SendStats& stats() { return stats_; }
  const SendStats& stats() const { return stats_; }

 private:
  std::unique_ptr<SendStrategy> strategy_;
  std::function<void()> before_flush_;
  std::unique_ptr<uint8_t[]> arena_;
  size_t used_ = 0;
  uint64_t flushes_ = 0;
  std::vector<EgressQueue*> dirty_;  // null: retired
  BacklogBudget backlog_budget_;
  SendStats stats_;
};

}  // namespace sluice::worker
