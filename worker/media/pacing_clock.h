#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "common/units.h"
#include "worker/core/environment.h"

namespace sluice::worker {

/// One timer for all transports that have something to do again and again: send what waits, or
/// estimate. Nothing ticks while nobody wants to.
///
/// Owned by the engine; clients stop themselves before they go, also from inside of a tick.
class PacingClock {
 public:
  class Client {
   public:
    virtual ~Client() = default;
    /// False: no more ticks until the next Start().
    virtual bool OnTick(Timestamp now) = 0;

   private:
    friend class PacingClock;
    static constexpr size_t kNone = SIZE_MAX;
    size_t index_ = kNone;
  };

  PacingClock(Environment& environment, Duration interval);
  PacingClock(const PacingClock&) = delete;
  PacingClock& operator=(const PacingClock&) = delete;

  /// Nothing happens where it ticks already.
  void Start(Client& client);
  void Stop(Client& client);
  static bool ticks(const Client& client) { return client.index_ != Client::kNone; }

 private:
  void Tick(Timestamp now);

  const Duration interval_;
  std::unique_ptr<Timer> timer_;
  std::vector<Client*> clients_;  // null: has stopped during a tick
  bool in_tick_ = false;
};

}  // namespace sluice::worker
