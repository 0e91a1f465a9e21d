#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "common/units.h"
#include "tests/sim/network/schedule.h"
#include "tests/sim/network/seeded_random.h"

namespace sluice::worker {

/// Loss in bursts (Gilbert–Elliott): a process with a good and a bad state, common to all that
/// passes the link, which may change its state with each packet.
struct BurstLoss {
  double to_bad = 0;   ///< probability of leaving the good state
  double to_good = 1;  ///< probability of leaving the bad state
  double in_good = 0;  ///< loss while good
  double in_bad = 0;   ///< loss while bad
};

/// Drops what is above a rate, without a queue (token bucket).
struct Policer {
  DataRate rate;
  size_t burst = 0;  ///< bytes
};

/// One direction of a link: what happens to a packet, in this order.
struct LinkSettings {
  /// All that is sent in one of these times after the start is lost.
  std::vector<std::pair<Duration, Duration>> blackouts;
  std::optional<Policer> policer;
  BurstLoss loss;
  /// Of the bottleneck; empty: none. At zero everything waits.
  Schedule<DataRate> capacity;
  // Its queue; what does not fit is lost.
  size_t queue_bytes = SIZE_MAX;
  size_t queue_packets = SIZE_MAX;
  Duration queue = Duration::Infinite();  ///< what would wait longer
  // Behind it.
  Schedule<Duration> delay = Duration::Zero();
  Duration jitter = Duration::Zero();  ///< uniform 0…jitter on top of delay
  bool reorder = false;                ///< jitter may let packets overtake; else they wait
};

/// A link in virtual time, by arithmetic alone: it says of each packet, as it is sent, when it will
/// arrive, and so needs no events. Packets of any number of flows may share it. Deterministic by
/// its seed.
class LinkModel {
 public:
  /// `start`: what times in the settings count from.
  LinkModel(LinkSettings settings, uint64_t seed, Timestamp start);

  /// A packet of that size enters; times of calls ascend. When it arrives; nullopt: it is lost.
  std::optional<Timestamp> Send(size_t bytes, Timestamp now);

  /// What a packet sent now would wait in the queue.
  Duration QueueDelay(Timestamp now) const;
  DataRate CapacityAt(Timestamp now) const { return settings_.capacity.At(now - start_); }

  struct Stats {
    uint64_t sent = 0;
    uint64_t sent_bytes = 0;
    uint64_t delivered = 0;
    uint64_t delivered_bytes = 0;
    uint64_t lost_at_random = 0;
    uint64_t lost_in_queue = 0;
    uint64_t lost_to_policer = 0;
    uint64_t lost_in_blackout = 0;
  };
  const Stats& stats() const { return stats_; }
  const LinkSettings& settings() const { return settings_; }

 private:
  struct Waiting {
    Timestamp departure;
    size_t bytes;
  };
  bool InBlackout(Timestamp now) const;
  bool PassesPolicer(size_t bytes, Timestamp now);
  bool IsLostAtRandom();
  std::optional<Timestamp> PassQueue(size_t bytes, Timestamp now);
  Timestamp Transmit(size_t bytes, Timestamp begin) const;

  const LinkSettings settings_;
  const Timestamp start_;
  SeededRandom random_;
  bool bad_ = false;
  double tokens_ = 0;  ///< bytes
  Timestamp tokens_at_;
  std::deque<Waiting> queue_;
  size_t queued_bytes_ = 0;
  Timestamp free_at_;
  Timestamp last_arrival_;
  Stats stats_;
};

}  // namespace sluice::worker
