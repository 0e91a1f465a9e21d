#include "controller/http/connection_table.h"

#include <algorithm>
#include <utility>

namespace sluice::controller {

namespace {
bool MayGo(ConnectionTable::Phase phase) { return phase < ConnectionTable::Phase::kServing; }
}  // namespace

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
  if (live_ && MayGo(phase_)) table_->evictable_.erase(order());
  phase_ = phase;
  since_ = now;
  if (live_ && MayGo(phase_)) table_->evictable_.emplace(order(), this);
}

bool ConnectionTable::Entry::MoveTo(const std::string& source) {
  if (!live_ || source == source_) return true;
  if (!table_->MakeRoom(source)) return false;
  table_->Leave(this);
  source_ = source;
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
    if (evictable_.empty()) {
      ++counters_.refused_full;
      return nullptr;
    }
    Entry* victim = evictable_.begin()->second;
    CountEviction(victim->phase_);
    Evict(victim);
  }
  ++counters_.accepted;
  std::unique_ptr<Entry> entry(new Entry(this, next_number_++, source, std::move(close), now));
  entries_.emplace(entry->number_, entry.get());
  sources_[source].entries.push_back(entry.get());
  evictable_.emplace(entry->order(), entry.get());
  return entry;
}

bool ConnectionTable::MakeRoom(const std::string& source) {
  const auto known = sources_.find(source);
  if (source.empty() || limits_.max_connections_per_source == 0 || known == sources_.end() ||
      known->second.entries.size() < limits_.max_connections_per_source) {
    return true;
  }
  Entry* victim = FirstToGo(known->second.entries);
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

ConnectionTable::Entry* ConnectionTable::FirstToGo(const std::vector<Entry*>& of) const {
  Entry* first = nullptr;
  for (Entry* entry : of) {
    if (MayGo(entry->phase_) && (!first || entry->order() < first->order())) first = entry;
  }
  return first;
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
  entry->live_ = false;
  entries_.erase(entry->number_);
  if (MayGo(entry->phase_)) evictable_.erase(entry->order());
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
