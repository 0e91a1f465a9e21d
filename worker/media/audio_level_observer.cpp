#include "worker/media/audio_level_observer.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace sluice::worker {
namespace {

constexpr int kMinLevel = -127;  // dBov, RFC 6464 §3

}  // namespace

Result<std::unique_ptr<AudioLevelObserver>> AudioLevelObserver::Create(
    const std::string& id, const AudioLevelObserverOptions& options, Environment& environment,
    EngineEvents& events) {
  if (options.threshold > 0 || options.threshold < kMinLevel) {
    return TypeError(
        fmt::format("threshold {} is not within {} to 0 dBov", options.threshold, kMinLevel));
  }
  if (options.max_entries == 0) return TypeError("maxEntries 0 is wrong: must be at least 1");
  return std::unique_ptr<AudioLevelObserver>(
      new AudioLevelObserver(id, options, environment, events));
}

AudioLevelObserver::AudioLevelObserver(const std::string& id,
                                       const AudioLevelObserverOptions& options,
                                       Environment& environment, EngineEvents& events)
    : id_(id),
      max_entries_(options.max_entries),
      threshold_(options.threshold),
      interval_(std::clamp(Duration::Millis(options.interval), kMinInterval, kMaxInterval)),
      events_(events),
      timer_(environment.CreateTimer([this](Timestamp) { OnInterval(); })) {
  timer_->Start(interval_);
}

AudioLevelObserver::~AudioLevelObserver() {
  for (const Entry& entry : entries_) entry.producer->RemoveObserver(*this);
}

std::vector<std::string> AudioLevelObserver::producer_ids() const {
  std::vector<std::string> ids;
  for (const Entry& entry : entries_) ids.push_back(entry.producer->id());
  return ids;
}

Status AudioLevelObserver::AddProducer(Producer& producer) {
  if (producer.kind() != MediaKind::kAudio) {
    return TypeError(
        fmt::format("producer '{}' is video: an audio level observer takes audio producers only",
                    producer.id()));
  }
  if (Find(producer) != nullptr) return {};
  places_[&producer] = entries_.size();
  entries_.push_back(Entry{&producer, producer.paused()});
  producer.AddObserver(*this);
  return {};
}

void AudioLevelObserver::RemoveProducer(Producer& producer) {
  if (Find(producer) == nullptr) return;
  producer.RemoveObserver(*this);
  OnProducerClosed(producer);
}

void AudioLevelObserver::Pause() {
  if (std::exchange(paused_, true)) return;
  timer_->Stop();
  ResetLevels();
  EmitSilenceOnce();
}

void AudioLevelObserver::Resume() {
  if (!std::exchange(paused_, false)) return;
  timer_->Start(interval_);
}

void AudioLevelObserver::OnAudioLevel(Producer& producer, uint8_t level) {
  if (paused_) return;
  Entry* entry = Find(producer);
  if (entry == nullptr || entry->paused) return;
  entry->sum += level;
  ++entry->packets;
}

void AudioLevelObserver::OnProducerPaused(Producer& producer) {
  Entry* entry = Find(producer);
  if (entry == nullptr) return;
  *entry = Entry{&producer, /*paused=*/true};
}

void AudioLevelObserver::OnProducerResumed(Producer& producer) {
  if (Entry* entry = Find(producer)) entry->paused = false;
}

void AudioLevelObserver::OnProducerClosed(Producer& producer) {
  const auto place = places_.find(&producer);
  if (place == places_.end()) return;
  entries_[place->second] = entries_.back();
  places_[entries_.back().producer] = place->second;
  entries_.pop_back();
  places_.erase(&producer);
}

void AudioLevelObserver::OnInterval() {
  timer_->Start(interval_);
  std::vector<std::pair<std::string, int8_t>> volumes;
  for (const Entry& entry : entries_) {
    if (entry.packets < kMinPackets) continue;
    const int level = -static_cast<int>(entry.sum / entry.packets);
    if (level >= threshold_) volumes.emplace_back(entry.producer->id(), static_cast<int8_t>(level));
  }
  ResetLevels();
  if (volumes.empty()) return EmitSilenceOnce();
  std::stable_sort(volumes.begin(), volumes.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  if (volumes.size() > max_entries_) volumes.resize(max_entries_);
  silent_ = false;
  events_.OnAudioLevelVolumes(id_, volumes);
}

void AudioLevelObserver::ResetLevels() {
  for (Entry& entry : entries_) {
    entry.sum = 0;
    entry.packets = 0;
  }
}

void AudioLevelObserver::EmitSilenceOnce() {
  if (std::exchange(silent_, true)) return;
  events_.OnAudioLevelSilence(id_);
}

AudioLevelObserver::Entry* AudioLevelObserver::Find(const Producer& producer) {
  const auto place = places_.find(&producer);
  return place == places_.end() ? nullptr : &entries_[place->second];
}

}  // namespace sluice::worker
