#include "controller/http/connection_table.h"

#include <algorithm>
#include <utility>

namespace sluice::controller {

ConnectionTable::Entry::Entry(ConnectionTable* table, uint64_t number, std::string source,
                              std::function<void()> close, TimePoint now)
    : table_(table),
      number_(number),
      source_(std::move(source)),
      close_(std::move(close)),
      since_(now),
      waiting_since_(now) {}

ConnectionTable::Entry::~Entry() {
  if (live_) table_->Remove(this);
}

void ConnectionTable::Entry::SetPhase(Phase phase, TimePoint now) {
  if (MayGo()) table_->ListOf(*this).Remove(this);
  phase_ = phase;
  since_ = now;
  if (MayGo()) table_->ListOf(*this).Add(this);
}

void ConnectionTable::Entry::SetKnown() {
  if (MayGo()) table_->ListOf(*this).Remove(this);
  known_ = true;
  if (MayGo()) table_->ListOf(*this).Add(this);
}

void ConnectionTable::Entry::SetAuthenticated() {
  if (MayGo()) table_->ListOf(*this).Remove(this);
  authenticated_ = true;
}

bool ConnectionTable::Entry::MoveTo(const std::string& source) {
  if (!live_ || source == source_) return true;
  if (!table_->MakeRoom(source)) return false;
  if (MayGo()) table_->ListOf(*this).Remove(this);
  table_->Leave(this);
  source_ = source;
  authenticated_ = false;
  if (MayGo()) table_->ListOf(*this).Add(this);
  Source& mine = table_->sources_[source_];
  mine.entries.push_back(this);
  mine.held += held_;
  return true;
}

bool ConnectionTable::Entry::Hold(size_t bytes, TimePoint now) {
  if (!live_) return false;
  if (held_ == 0) waiting_since_ = now;
  Source& source = table_->sources_[source_];
  source.held += bytes - held_;
  table_->held_ += bytes - held_;
  const bool grows = bytes > held_;
  held_ = bytes;
  if (!grows) return true;
  const Limits& limits = table_->limits_;
  const bool one_source = !source_.empty() && limits.max_held_per_source != 0;
  while (live_ && one_source && source.held > limits.max_held_per_source) {
    ++table_->counters_.evicted_held_source;
    table_->Evict(table_->SlowestReader(source.entries, source.held));
  }
  while (live_ && limits.max_held != 0 && table_->held_ > limits.max_held) {
    ++table_->counters_.evicted_held;
    table_->Evict(table_->SlowestReader(table_->All(), table_->held_));
  }
  return live_;
}

std::unique_ptr<ConnectionTable::Entry> ConnectionTable::Admit(const std::string& source,
                                                               std::function<void()> close,
                                                               TimePoint now) {
  if (!MakeRoom(source)) return nullptr;
  if (limits_.max_connections != 0 && entries_.size() >= limits_.max_connections) {
    Entry* victim = strangers_.FirstToGo();
    if (!victim) victim = known_.FirstToGo();
    if (!victim) {
      ++counters_.refused_full;
      return nullptr;
    }
    CountEviction(victim->phase_);
    Evict(victim);
  }
  ++counters_.accepted;
  std::unique_ptr<Entry> entry(new Entry(this, next_number_++, source, std::move(close), now));
  entries_.emplace(entry->number_, entry.get());
  sources_[source].entries.push_back(entry.get());
  strangers_.Add(entry.get());
  return entry;
}

bool ConnectionTable::MakeRoom(const std::string& source) {
  const auto known = sources_.find(source);
  if (source.empty() || limits_.max_connections_per_source == 0 || known == sources_.end() ||
      known->second.entries.size() < limits_.max_connections_per_source) {
    return true;
  }
  Entry* victim = strangers_.FirstToGo(source);
  if (!victim) victim = known_.FirstToGo(source);
  if (!victim) {
    ++counters_.refused_source_full;
    return false;
  }
  CountEviction(victim->phase_);
  Evict(victim);
  return true;
}

void ConnectionTable::CloseAll() {
  for (Entry* entry : All()) Evict(entry);
}

std::vector<ConnectionTable::Entry*> ConnectionTable::All() const {
  std::vector<Entry*> all;
  all.reserve(entries_.size());
  for (const auto& [number, entry] : entries_) all.push_back(entry);
  return all;
}

ConnectionTable::Evictable& ConnectionTable::ListOf(const Entry& entry) {
  return entry.known_ ? known_ : strangers_;
}

bool ConnectionTable::Evictable::Rank::operator<(const Rank& other) const {
  if (count != other.count) return count > other.count;
  return first < other.first;
}

/// Connections that are not known to be of one client count as one.
ConnectionTable::Evictable::Rank ConnectionTable::Evictable::RankOf(const std::string& source,
                                                                    const Entries& entries) {
  const auto& [order, entry] = *entries.begin();
  return {source.empty() ? 1 : entries.size(), order, entry};
}

void ConnectionTable::Evictable::Add(Entry* entry) {
  Entries& entries = by_source_[entry->source_];
  if (!entries.empty()) ranks_.erase(RankOf(entry->source_, entries));
  entries.emplace(entry->order(), entry);
  ranks_.insert(RankOf(entry->source_, entries));
}

void ConnectionTable::Evictable::Remove(Entry* entry) {
  const auto source = by_source_.find(entry->source_);
  ranks_.erase(RankOf(source->first, source->second));
  source->second.erase(entry->order());
  if (source->second.empty()) {
    by_source_.erase(source);
  } else {
    ranks_.insert(RankOf(source->first, source->second));
  }
}

ConnectionTable::Entry* ConnectionTable::Evictable::FirstToGo() const {
  return ranks_.empty() ? nullptr : ranks_.begin()->entry;
}

ConnectionTable::Entry* ConnectionTable::Evictable::FirstToGo(const std::string& source) const {
  const auto it = by_source_.find(source);
  return it == by_source_.end() ? nullptr : it->second.begin()->second;
}

ConnectionTable::Entry* ConnectionTable::SlowestReader(const std::vector<Entry*>& of,
                                                       size_t held) const {
  const size_t holders = static_cast<size_t>(
      std::count_if(of.begin(), of.end(), [](const Entry* entry) { return entry->held_ > 0; }));
  const size_t average = held / std::max<size_t>(holders, 1);
  Entry* slowest = nullptr;
  for (Entry* entry : of) {
    if (entry->held_ == 0 || entry->held_ < average) continue;
    if (!slowest || entry->waiting_since_ < slowest->waiting_since_) slowest = entry;
  }
  return slowest;
}

void ConnectionTable::CountEviction(Phase phase) {
  switch (phase) {
    case Phase::kUnfinished:
      ++counters_.evicted_unfinished;
      break;
    case Phase::kIdle:
      ++counters_.evicted_idle;
      break;
    default:
      ++counters_.evicted_not_joined;
  }
}

void ConnectionTable::Evict(Entry* victim) {
  Remove(victim);
  victim->close_();
}

void ConnectionTable::Remove(Entry* entry) {
  if (entry->MayGo()) ListOf(*entry).Remove(entry);
  entry->live_ = false;
  entries_.erase(entry->number_);
  held_ -= entry->held_;
  Leave(entry);
}

/// Takes an entry out of what is known of its source.
void ConnectionTable::Leave(Entry* entry) {
  const auto source = sources_.find(entry->source_);
  source->second.held -= entry->held_;
  std::vector<Entry*>& siblings = source->second.entries;
  siblings.erase(std::find(siblings.begin(), siblings.end(), entry));
  if (siblings.empty()) sources_.erase(source);
}

}  // namespace sluice::controller
