#include "worker/media/router.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "worker/core/rtp/sender_clock.h"
#include "worker/media/audio_level_observer.h"
#include "worker/media/consumer.h"
#include "worker/media/producer.h"
#include "worker/media/rtp_core.h"
#include "worker/media/transport_core.h"

namespace sluice::worker {

Router::Router(std::string id, EngineContext& context) : id_(std::move(id)), context_(context) {}

Router::~Router() {
  // Consumers before producers: they hang on producers of any transport.
  for (const auto& transport : transports_) transport->rtp().DropConsumers();
  for (const auto& transport : transports_) transport->rtp().DropProducers();
  for (ObserverEntry& entry : observers_) context_.objects.Unregister(entry.id);
  observers_.clear();
  for (const auto& transport : transports_) context_.objects.Unregister(transport->core().id());
  transports_.clear();
}

// ---- Transports -------------------------------------------------------------------------------

void Router::AddTransport(std::unique_ptr<Transport> transport, const ObjectTable::Object& object) {
  context_.objects.Register(transport->core().id(), object);
  transports_.push_back(std::move(transport));
}

Status Router::CloseTransport(const std::string& transport_id) {
  const auto it = std::find_if(transports_.begin(), transports_.end(), [&](const auto& transport) {
    return transport->core().id() == transport_id;
  });
  if (it == transports_.end()) {
    return NotFoundError(
        fmt::format("transportId '{}' names no transport of router '{}'", transport_id, id_));
  }
  const std::unique_ptr<Transport> closing = std::move(*it);
  transports_.erase(it);
  closing->rtp().CloseChildren();
  context_.objects.Unregister(closing->core().id());
  return absl::OkStatus();
}

// ---- Producers --------------------------------------------------------------------------------

void Router::AddProducer(Producer& producer) { producers_.push_back(&producer); }

void Router::RemoveProducer(Producer& producer) {
  for (ObserverEntry& entry : observers_) DetachFromObserver(&entry, producer);
  std::erase(producers_, &producer);
}

Producer* Router::FindProducer(const std::string& id) const {
  const auto* entry = context_.objects.FindAs<ProducerEntry>(id);
  if (entry == nullptr || &entry->transport->router() != this) return nullptr;
  return entry->producer;
}

std::shared_ptr<SenderClock> Router::ClockOf(const std::string& cname) {
  if (const auto it = clocks_.find(cname); it != clocks_.end()) {
    if (std::shared_ptr<SenderClock> clock = it->second.lock()) return clock;
  }
  // Dead entries go when a new one comes, so the map is bounded by the producers alive.
  absl::erase_if(clocks_, [](const auto& entry) { return entry.second.expired(); });
  auto clock = std::make_shared<SenderClock>();
  clocks_[cname] = clock;
  return clock;
}

// ---- Observers --------------------------------------------------------------------------------

Status Router::CreateAudioLevelObserver(const std::string& observer_id,
                                        const AudioLevelObserverOptions& options) {
  SLUICE_RETURN_IF_ERROR(context_.objects.CheckFree(observer_id));
  Result<std::unique_ptr<AudioLevelObserver>> created =
      AudioLevelObserver::Create(observer_id, options, context_.environment, context_.events);
  if (!created.ok()) return created.status();
  context_.objects.Register(observer_id, AudioLevelObserverEntry{created->get(), this});
  observers_.push_back({observer_id, *std::move(created), {}});
  return absl::OkStatus();
}

Status Router::CloseObserver(const std::string& observer_id) {
  for (ObserverEntry& entry : observers_) {
    if (entry.id != observer_id) continue;
    CloseObserverEntry(&entry);
    return absl::OkStatus();
  }
  return NotFoundError(
      fmt::format("rtpObserverId '{}' names no observer of router '{}'", observer_id, id_));
}

void Router::CloseObserverEntry(ObserverEntry* entry) {
  while (!entry->producers.empty()) DetachFromObserver(entry, *entry->producers.back());
  context_.objects.Unregister(entry->id);
  observers_.erase(observers_.begin() + (entry - observers_.data()));
}

Router::ObserverEntry* Router::FindObserver(const AudioLevelObserver& observer) {
  for (ObserverEntry& entry : observers_) {
    if (entry.observer.get() == &observer) return &entry;
  }
  return nullptr;
}

Status Router::AddProducerToObserver(AudioLevelObserver& observer, const std::string& producer_id) {
  Producer* producer = FindProducer(producer_id);
  if (producer == nullptr) {
    return NotFoundError(
        fmt::format("producerId '{}' names no producer of router '{}'", producer_id, id_));
  }
  ObserverEntry* entry = FindObserver(observer);
  if (entry == nullptr) return absl::OkStatus();
  if (std::find(entry->producers.begin(), entry->producers.end(), producer) !=
      entry->producers.end()) {
    return absl::OkStatus();  // accepted silently (router-protocol §2.7)
  }
  SLUICE_RETURN_IF_ERROR(observer.AddProducer(*producer));
  entry->producers.push_back(producer);
  return absl::OkStatus();
}

Status Router::RemoveProducerFromObserver(AudioLevelObserver& observer,
                                          const std::string& producer_id) {
  Producer* producer = FindProducer(producer_id);
  if (producer == nullptr) {
    return NotFoundError(
        fmt::format("producerId '{}' names no producer of router '{}'", producer_id, id_));
  }
  if (ObserverEntry* entry = FindObserver(observer)) DetachFromObserver(entry, *producer);
  return absl::OkStatus();
}

void Router::DetachFromObserver(ObserverEntry* entry, Producer& producer) {
  if (std::erase(entry->producers, &producer) == 0) return;
  entry->observer->RemoveProducer(producer);
}

// ---- Dump -------------------------------------------------------------------------------------

RouterDump Router::Dump() const {
  RouterDump dump;
  dump.id = id_;
  for (const auto& transport : transports_) dump.transport_ids.push_back(transport->core().id());
  for (const ObserverEntry& entry : observers_) dump.rtp_observer_ids.push_back(entry.id);
  for (Producer* producer : producers_) {
    std::vector<std::string> consumer_ids;
    for (const Consumer* consumer : producer->consumers()) {
      consumer_ids.push_back(consumer->id());
      dump.consumer_producer_ids.emplace_back(consumer->id(), producer->id());
    }
    dump.producer_consumer_ids.emplace_back(producer->id(), std::move(consumer_ids));

    std::vector<std::string> observer_ids;
    for (const ObserverEntry& entry : observers_) {
      const auto& members = entry.producers;
      if (std::find(members.begin(), members.end(), producer) != members.end()) {
        observer_ids.push_back(entry.id);
      }
    }
    dump.producer_observer_ids.emplace_back(producer->id(), std::move(observer_ids));
  }
  return dump;
}

}  // namespace sluice::worker
