#include "worker/media/active_speaker_observer.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

namespace sluice::worker {

ActiveSpeakerObserver::ActiveSpeakerObserver(const std::string& id,
                                             const ActiveSpeakerObserverOptions& options,
                                             Environment& environment, EngineEvents& events)
    : id_(id),
      interval_(std::clamp(Duration::Millis(options.interval), kMinInterval, kMaxInterval)),
      environment_(environment),
      events_(events),
      timer_(environment.CreateTimer([this](Timestamp) { OnInterval(); })) {
  timer_->Start(interval_);
}

ActiveSpeakerObserver::~ActiveSpeakerObserver() {
  for (const Entry& entry : entries_) entry.producer->RemoveObserver(*this);
}

Status ActiveSpeakerObserver::AddProducer(Producer& producer) {
  if (producer.kind() != MediaKind::kAudio) {
    return TypeError(
        fmt::format("producer '{}' is video: an active speaker observer takes audio producers only",
                    producer.id()));
  }
  if (Has(producer)) {
    return Error(fmt::format("producer '{}' is already in this observer", producer.id()));
  }
  places_[&producer] = entries_.size();
  entries_.push_back(Entry{&producer, {}, environment_.Now(), producer.paused()});
  producer.AddObserver(*this);
  return {};
}

void ActiveSpeakerObserver::RemoveProducer(Producer& producer) {
  if (!Has(producer)) return;
  producer.RemoveObserver(*this);
  OnProducerClosed(producer);
}

void ActiveSpeakerObserver::Pause() {
  if (std::exchange(paused_, true)) return;
  timer_->Stop();
  for (Entry& entry : entries_) entry.activity.Clear();
}

void ActiveSpeakerObserver::Resume() {
  if (!std::exchange(paused_, false)) return;
  timer_->Start(interval_);
}

void ActiveSpeakerObserver::OnAudioLevel(Producer& producer, uint8_t level) {
  if (paused_) return;
  const auto place = places_.find(&producer);
  if (place == places_.end()) return;
  Entry& entry = entries_[place->second];
  if (entry.paused) return;
  // RFC 6464 counts downwards.
  const auto loudness = static_cast<uint8_t>(SpeakerActivity::kMaxLevel -
                                             std::min(level, SpeakerActivity::kMaxLevel));
  entry.activity.OnLevel(loudness, environment_.Now());
}

void ActiveSpeakerObserver::OnProducerPaused(Producer& producer) {
  const auto place = places_.find(&producer);
  if (place == places_.end()) return;
  entries_[place->second].paused = true;
  entries_[place->second].activity.Clear();
}

void ActiveSpeakerObserver::OnProducerResumed(Producer& producer) {
  const auto place = places_.find(&producer);
  if (place != places_.end()) entries_[place->second].paused = false;
}

void ActiveSpeakerObserver::OnProducerClosed(Producer& producer) {
  const auto place = places_.find(&producer);
  if (place == places_.end()) return;
  const bool was_dominant = producer.id() == dominant_;
  const size_t index = place->second;
  if (index + 1 != entries_.size()) {
    entries_[index] = entries_.back();
    places_[entries_[index].producer] = index;
  }
  entries_.pop_back();
  places_.erase(&producer);
  if (!was_dominant) return;
  dominant_.clear();
  if (!paused_) Elect(environment_.Now());
}

void ActiveSpeakerObserver::OnInterval() {
  timer_->Start(interval_);
  Elect(environment_.Now());
}

void ActiveSpeakerObserver::Elect(Timestamp now) {
  std::vector<SpeakerCandidate> candidates;
  candidates.reserve(entries_.size());
  std::optional<size_t> current;
  for (size_t i = 0; i < entries_.size(); ++i) {
    Entry& entry = entries_[i];
    entry.activity.OnTime(now);
    const Timestamp heard_at = std::max(entry.added_at, entry.activity.last_packet_at());
    candidates.push_back({entry.activity.Scores(), !entry.paused && now - heard_at < kForgotten});
    if (entry.producer->id() == dominant_) current = i;
  }
  const std::optional<size_t> chosen = ChooseDominantSpeaker(candidates, current);
  if (chosen == current) return;
  dominant_ = entries_[*chosen].producer->id();
  events_.OnDominantSpeaker(id_, dominant_);
}

}  // namespace sluice::worker
