#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "common/units.h"
#include "worker/core/environment.h"

namespace sluice::worker {

/// What a TimerQueue needs from its loop.
class TimerHost {
 public:
  virtual ~TimerHost() = default;
  virtual Timestamp TimerNow() const = 0;
  /// Expire() is wanted at `deadline` or soon after; earlier wishes stay.
  virtual void WakeAt(Timestamp deadline) = 0;
};

/// All timers of a worker on one alarm: a binary heap by deadline, then by order of Start().
///
/// A worker holds several timers per transport and stream, and most are moved to a later time
/// again and again without ever firing. Moving one later is O(1): its place in the heap is
/// corrected when it comes up. Everything else is O(log n).
class TimerQueue {
 public:
  /// Floor of every delay: two timers that restart each other cannot keep a turn from ending.
  static constexpr Duration kMinDelay = Duration::Millis(1);
  /// Ceiling: keeps sums away from the end of int64_t.
  static constexpr Duration kMaxDelay = Duration::Seconds(int64_t{10} * 365 * 24 * 3600);

  explicit TimerQueue(TimerHost& host) : host_(host) {}
  TimerQueue(const TimerQueue&) = delete;
  TimerQueue& operator=(const TimerQueue&) = delete;

  /// The queue must outlive the timer.
  std::unique_ptr<Timer> Create(std::function<void(Timestamp)> on_expiry);
  /// Fires what is due at `now`, in order. Callbacks may start, stop and destroy any timer.
  void Expire(Timestamp now);
  /// When Expire() should run next; may be early by a moved timer, never late.
  std::optional<Timestamp> NextDeadline() const;
  size_t armed_count() const { return heap_.size(); }

 private:
  class QueuedTimer;
  struct Node {
    std::function<void(Timestamp)> on_expiry;
    Timestamp deadline;
    uint64_t order = 0;
    size_t index = kNotQueued;
  };
  /// The heap's own copy of a node's key; older than the node's when that was moved later.
  struct Entry {
    Timestamp deadline;
    uint64_t order;
    Node* node;
    bool Before(const Entry& other) const {
      return deadline != other.deadline ? deadline < other.deadline : order < other.order;
    }
  };
  static constexpr size_t kNotQueued = static_cast<size_t>(-1);

  void Start(Node& node, Duration delay);
  void Remove(Node& node);
  void SiftUp(size_t index);
  void SiftDown(size_t index);
  void Place(size_t index, const Entry& entry);

  TimerHost& host_;
  std::vector<Entry> heap_;
  uint64_t next_order_ = 0;
  Node* firing_ = nullptr;
  std::unique_ptr<Node> destroyed_while_firing_;
};

}  // namespace sluice::worker
