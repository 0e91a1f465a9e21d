#include "controller/signalling/source_budget.h"

#include <algorithm>
#include <utility>

namespace sluice::controller {

namespace {

constexpr uint32_t kRequestBurst = 5;  // seconds' worth
constexpr double kShareOfRate = 0.1;   // of each client after the first

/// Neither part has a line break in it.
std::string KeyOf(const std::string& source, const std::string& room) {
  return source + "\n" + room;
}

void GiveBack(std::unordered_map<std::string, size_t>* counts, const std::string& source,
              size_t count) {
  const auto it = counts->find(source);
  it->second -= count;
  if (it->second == 0) counts->erase(it);
}

}  // namespace

SourceBudget::SourceBudget(Limits limits)
    : limits_(std::move(limits)),
      requests_(limits_.requests_per_second, kRequestBurst * limits_.requests_per_second) {}

bool SourceBudget::TakeRequest(const std::string& source) {
  if (requests_.Take(source, limits_.now())) return true;
  ++refused_.requests;
  return false;
}

double SourceBudget::BurstOf(const Crowd& crowd) const {
  return limits_.announcement_burst + static_cast<double>((crowd.most - 1) * kShareOfBurst);
}

void SourceBudget::Refill(Crowd* crowd, TimePoint now) const {
  const std::chrono::duration<double> passed = now - crowd->refilled;
  crowd->refilled = now;
  const double rate =
      limits_.announcements_per_second * (1 + kShareOfRate * static_cast<double>(crowd->most - 1));
  crowd->allowance += passed.count() * rate;
  if (crowd->allowance < BurstOf(*crowd)) return;
  crowd->most = std::max<size_t>(crowd->present, 1);
  crowd->allowance = BurstOf(*crowd);
}

std::unique_ptr<SourceBudget::Visit> SourceBudget::Enter(const std::string& source,
                                                         const std::string& room) {
  const TimePoint now = limits_.now();
  ForgetFull(now);
  std::string key = KeyOf(source, room);
  const auto [it, is_new] = crowds_.try_emplace(key);
  Crowd& crowd = it->second;
  if (is_new) {
    crowd.most = 1;
    crowd.allowance = limits_.announcement_burst;
    crowd.refilled = now;
  } else {
    Refill(&crowd, now);
    if (crowd.present == 0) left_.erase(crowd.left);
  }
  if (++crowd.present > crowd.most) {
    crowd.most = crowd.present;
    crowd.allowance += kShareOfBurst;
  }
  return std::unique_ptr<Visit>(new Visit(shared_from_this(), std::move(key)));
}

void SourceBudget::ForgetFull(TimePoint now) {
  constexpr int kAtOnce = 4;  // more than come in, so that the list gets shorter
  for (int i = 0; i < kAtOnce && !left_.empty(); ++i) {
    const auto oldest = crowds_.find(left_.front());
    Refill(&oldest->second, now);
    const bool full = oldest->second.allowance >= limits_.announcement_burst;
    if (!full && left_.size() <= kMaxLeft) return;
    left_.pop_front();
    crowds_.erase(oldest);
  }
}

void SourceBudget::Leave(const std::string& key, bool announced) {
  Crowd& crowd = crowds_.find(key)->second;
  Refill(&crowd, limits_.now());
  // Who leaves cannot be refused: it is taken from who comes next, and no more than was ever there.
  const bool counts = announced && limits_.announcements_per_second != 0;
  if (counts) crowd.allowance = std::max(crowd.allowance - 1, -BurstOf(crowd));
  if (--crowd.present == 0) crowd.left = left_.insert(left_.end(), key);
}

SourceBudget::Visit::~Visit() { budget_->Leave(key_, announced_); }

bool SourceBudget::Visit::TakeAnnouncement() {
  if (budget_->limits_.announcements_per_second == 0) return true;
  Crowd& crowd = budget_->crowds_.find(key_)->second;
  budget_->Refill(&crowd, budget_->limits_.now());
  if (crowd.allowance < 1) {
    ++budget_->refused_.announcements;
    return false;
  }
  crowd.allowance -= 1;
  return true;
}

Result<SourceBudget::Place> SourceBudget::TakeBroadcaster(const std::string& source) {
  const auto it = counts_->broadcasters.find(source);
  if (limits_.broadcasters != 0 && it != counts_->broadcasters.end() &&
      it->second >= limits_.broadcasters) {
    ++refused_.broadcasters;
    return absl::ResourceExhaustedError("this address has " + std::to_string(limits_.broadcasters) +
                                        " broadcasters already, which is the most "
                                        "(maxBroadcastersPerIp)");
  }
  ++counts_->broadcasters[source];
  // The pointer itself means nothing: what counts is the call when its last copy goes.
  return Place(counts_.get(),
               [counts = counts_, source](void*) { GiveBack(&counts->broadcasters, source, 1); });
}

Result<SourceBudget::Place> SourceBudget::Store(const std::string& source, size_t bytes) {
  const auto it = counts_->stored.find(source);
  const size_t before = it == counts_->stored.end() ? 0 : it->second;
  if (limits_.stored != 0 && before + bytes > limits_.stored) {
    ++refused_.stored;
    return absl::ResourceExhaustedError(
        "too much is kept for this address already: at most " + std::to_string(limits_.stored) +
        " bytes of what its clients say of themselves and their media (maxStoredPerIp)");
  }
  const size_t of_all = limits_.stored_of_all * (before + bytes <= kShareOfStored ? 2 : 1);
  if (limits_.stored_of_all != 0 && counts_->stored_of_all + bytes > of_all) {
    ++refused_.stored_of_all;
    return absl::ResourceExhaustedError("too much is kept for all clients already: at most " +
                                        std::to_string(limits_.stored_of_all) +
                                        " bytes (maxStored)");
  }
  if (bytes == 0) return Place();
  counts_->stored[source] += bytes;
  counts_->stored_of_all += bytes;
  return Place(counts_.get(), [counts = counts_, source, bytes](void*) {
    GiveBack(&counts->stored, source, bytes);
    counts->stored_of_all -= bytes;
  });
}

}  // namespace sluice::controller
