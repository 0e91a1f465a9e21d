#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>

#include "common/status.h"
#include "controller/base/source_rate.h"
#include "controller/room/participant.h"

namespace sluice::controller {

/// What all clients of one source, an IPv4 address or the /64 of an IPv6 one, may ask and leave
/// here together. It outlives their connections, so that connecting again resets nothing. Always
/// shared.
class SourceBudget : public std::enable_shared_from_this<SourceBudget> {
 public:
  using TimePoint = TokenBucket::TimePoint;

  /// 0 = no limit.
  struct Limits {
    /// Requests over protoo, with five seconds' worth at once: 200 people who all join at the same
    /// time make some 2,000.
    uint32_t requests_per_second = 2'000;
    /// What everybody in a room is told of, by the first client of a source in that room; each more
    /// that is there at the same time adds a tenth of the rate and kShareOfBurst.
    uint32_t announcements_per_second = 5;
    uint32_t announcement_burst = 32;
    size_t broadcasters = 200;
    size_t stored = size_t{32} << 20;  ///< bytes, of one source
    /// Bytes. Once all together have so many, a source that keeps no more than kShareOfStored is
    /// still let in, up to twice as many: a few that keep a lot do not keep out the others.
    size_t stored_of_all = size_t{128} << 20;
    std::function<TimePoint()> now = std::chrono::steady_clock::now;
  };
  /// Of a client: its coming and going, two or three producers and their pauses.
  static constexpr uint32_t kShareOfBurst = 8;
  static constexpr size_t kShareOfStored = size_t{256} << 10;  // bytes; of some ten people
  /// Sources in rooms whose allowance is not full and that have nobody there; beyond, the one that
  /// was left first is forgotten.
  static constexpr size_t kMaxLeft = 65'536;

  SourceBudget() : SourceBudget(Limits()) {}
  explicit SourceBudget(Limits limits);

  /// A request over protoo; false when there are too many.
  bool TakeRequest(const std::string& source);

  /// A client in a room, from its connection to its end.
  class Visit;
  std::unique_ptr<Visit> Enter(const std::string& source, const std::string& room);

  /// Given back when the last copy is gone; kept with what it is for.
  using Place = std::shared_ptr<void>;
  /// A place for a broadcaster. The error names the limit.
  Result<Place> TakeBroadcaster(const std::string& source);
  /// Room for `bytes` that are kept for a client. The error names the limit.
  Result<Place> Store(const std::string& source, size_t bytes);

  /// What was refused, by the limit that it was.
  struct Refused {
    uint64_t requests = 0;
    uint64_t announcements = 0;
    uint64_t broadcasters = 0;
    uint64_t stored = 0;
    uint64_t stored_of_all = 0;
  };
  const Refused& refused() const { return refused_; }
  size_t stored() const { return counts_->stored_of_all; }
  const Limits& limits() const { return limits_; }

 private:
  /// The clients of one source in one room.
  struct Crowd {
    size_t present = 0;
    size_t most = 0;  ///< that were present since the allowance was full
    double allowance = 0;
    TimePoint refilled;
    std::list<std::string>::iterator left;  ///< while nobody is present
  };
  struct Counts {
    std::unordered_map<std::string, size_t> broadcasters;
    std::unordered_map<std::string, size_t> stored;
    size_t stored_of_all = 0;
  };

  double BurstOf(const Crowd& crowd) const;
  void Refill(Crowd* crowd, TimePoint now) const;
  void ForgetFull(TimePoint now);
  void Leave(const std::string& key, bool announced);

  Limits limits_;
  SourceRate requests_;
  std::unordered_map<std::string, Crowd> crowds_;  ///< by source and room
  std::list<std::string> left_;  ///< keys of those with nobody present, the first to leave first
  std::shared_ptr<Counts> counts_ = std::make_shared<Counts>();  ///< places may outlive us
  Refused refused_;
};

class SourceBudget::Visit : public AnnouncementAllowance {
 public:
  ~Visit() override;
  Visit(const Visit&) = delete;
  Visit& operator=(const Visit&) = delete;

  bool TakeAnnouncement() override;
  /// Whether everybody was told that the client is there, and will be of its end: that counts, too.
  void SetAnnounced(bool announced = true) { announced_ = announced; }

 private:
  friend class SourceBudget;
  Visit(std::shared_ptr<SourceBudget> budget, std::string key)
      : budget_(std::move(budget)), key_(std::move(key)) {}

  std::shared_ptr<SourceBudget> budget_;
  std::string key_;
  bool announced_ = false;
};

}  // namespace sluice::controller
