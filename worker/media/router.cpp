#include "worker/media/router.h"

#include <fmt/format.h>

#include <algorithm>
#include <new>
#include <utility>

#include "worker/core/rtp/sender_clock.h"
#include "worker/media/active_speaker_observer.h"
#include "worker/media/audio_level_observer.h"
#include "worker/media/consumer.h"
#include "worker/media/data_core.h"
#include "worker/media/rtp_core.h"
#include "worker/media/transport_core.h"

namespace sluice::worker {

Router::Router(std::string id, EngineContext& context) : id_(std::move(id)), context_(context) {}

Router::~Router() {
  DropObservers();  // first: they would report who goes
  // Consumers before producers: they hang on producers of any transport.
  for (const auto& transport : transports_) {
    transport->rtp().DropConsumers();
    transport->data().DropConsumers();
  }
  for (const auto& transport : transports_) {
    transport->rtp().DropProducers();
    transport->data().DropProducers();
  }
  for (const auto& transport : transports_) {
    context_.objects.Unregister(transport->core().id(), &closed_);
  }
  transports_.TakeAll();
}

void Router::Close() {
  closed_ = true;
  context_.srtp.Flush();  // what this turn has sent so far leaves whole
  DropObservers();
  for (const auto& transport : transports_) transport->Seal();
}

bool Router::DestroySome(size_t effort) {
  const bool done = DestroyChildren(effort);
  // glibc's malloc keeps small pieces that were freed apart until it is asked for a large one, and
  // joins all of them then: 20 ms after 20,000 consumers. So it is asked after each slice.
  ::operator delete(::operator new(kLargeRequest));
  return done;
}

bool Router::DestroyChildren(size_t effort) {
  for (; without_consumers_ < transports_.size(); ++without_consumers_) {
    RtpCore& rtp = transports_[without_consumers_]->rtp();
    effort -= rtp.DropConsumers(effort);
    if (effort == 0) return false;
    transports_[without_consumers_]->data().DropConsumers();
  }
  for (; without_producers_ < transports_.size(); ++without_producers_) {
    RtpCore& rtp = transports_[without_producers_]->rtp();
    effort -= kProducerEffort * rtp.DropProducers(effort / kProducerEffort);
    if (effort < kProducerEffort) return false;
    transports_[without_producers_]->data().DropProducers();
  }
  while (!transports_.empty()) {
    if (effort < kTransportEffort) return false;
    effort -= kTransportEffort;
    Transport& transport = *transports_.all().back();
    context_.objects.Unregister(transport.core().id(), &closed_);
    transports_.Take(transport);
  }
  return true;
}

void Router::DropObservers() {
  for (const auto& observer : observers_) context_.objects.Unregister(observer->id(), &closed_);
  observers_.clear();
}

// ---- Transports -------------------------------------------------------------------------------

void Router::AddTransport(std::unique_ptr<Transport> transport, const ObjectTable::Object& object) {
  context_.objects.Register(transport->core().id(), object, &closed_);
  transports_.Add(std::move(transport));
}

Transport* Router::FindTransport(const std::string& id) const {
  const ObjectTable::Object* object = context_.objects.Find(id);
  Transport* transport = object == nullptr ? nullptr : AsTransport(*object);
  return transport != nullptr && transports_.Has(*transport) ? transport : nullptr;
}

Status Router::CloseTransport(const std::string& transport_id) {
  Transport* const found = FindTransport(transport_id);
  if (found == nullptr) {
    return NotFoundError(
        fmt::format("transportId '{}' names no transport of router '{}'", transport_id, id_));
  }
  const std::unique_ptr<Transport> closing = transports_.Take(*found);
  closing->rtp().CloseChildren();
  closing->data().CloseChildren();
  context_.objects.Unregister(closing->core().id(), &closed_);
  return absl::OkStatus();
}

// ---- Producers --------------------------------------------------------------------------------

void Router::AddProducer(Producer& producer) { producers_.Add(&producer); }

void Router::RemoveProducer(Producer& producer) {
  for (const auto& observer : observers_) observer->RemoveProducer(producer);
  producers_.Take(producer);
}

Producer* Router::FindProducer(const std::string& id) const {
  const auto* entry = context_.objects.FindAs<ProducerEntry>(id);
  if (entry == nullptr || &entry->transport->router() != this) return nullptr;
  return entry->producer;
}

DataProducer* Router::FindDataProducer(const std::string& id) const {
  const auto* entry = context_.objects.FindAs<DataProducerEntry>(id);
  if (entry == nullptr || &entry->transport->core().router() != this) return nullptr;
  return entry->producer;
}

std::shared_ptr<SenderClock> Router::ClockOf(const std::string& cname) {
  if (const auto it = clocks_.find(cname); it != clocks_.end()) {
    if (std::shared_ptr<SenderClock> clock = it->second.lock()) return clock;
  }
  // Dead entries go when the map has doubled, so it is bounded by twice the producers alive.
  if (clocks_.size() >= clocks_swept_at_) {
    absl::erase_if(clocks_, [](const auto& entry) { return entry.second.expired(); });
    clocks_swept_at_ = std::max(kMinClocksToSweep, 2 * clocks_.size());
  }
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
  AddObserver(*std::move(created));
  return absl::OkStatus();
}

Status Router::CreateActiveSpeakerObserver(const std::string& observer_id,
                                           const ActiveSpeakerObserverOptions& options) {
  SLUICE_RETURN_IF_ERROR(context_.objects.CheckFree(observer_id));
  AddObserver(std::make_unique<ActiveSpeakerObserver>(observer_id, options, context_.environment,
                                                      context_.events));
  return absl::OkStatus();
}

void Router::AddObserver(std::unique_ptr<RtpObserver> observer) {
  context_.objects.Register(observer->id(), RtpObserverEntry{observer.get(), this}, &closed_);
  observers_.push_back(std::move(observer));
}

Status Router::CloseObserver(const std::string& observer_id) {
  const auto it = std::find_if(observers_.begin(), observers_.end(),
                               [&](const auto& observer) { return observer->id() == observer_id; });
  if (it == observers_.end()) {
    return NotFoundError(
        fmt::format("rtpObserverId '{}' names no observer of router '{}'", observer_id, id_));
  }
  context_.objects.Unregister(observer_id, &closed_);
  observers_.erase(it);
  return absl::OkStatus();
}

Status Router::AddProducerToObserver(RtpObserver& observer, const std::string& producer_id) {
  Producer* producer = FindProducer(producer_id);
  if (producer == nullptr) {
    return NotFoundError(
        fmt::format("producerId '{}' names no producer of router '{}'", producer_id, id_));
  }
  return observer.AddProducer(*producer);
}

Status Router::RemoveProducerFromObserver(RtpObserver& observer, const std::string& producer_id) {
  Producer* producer = FindProducer(producer_id);
  if (producer == nullptr) {
    return NotFoundError(
        fmt::format("producerId '{}' names no producer of router '{}'", producer_id, id_));
  }
  observer.RemoveProducer(*producer);
  return absl::OkStatus();
}

// ---- Dump -------------------------------------------------------------------------------------

void Router::AddTo(EngineCounters* counters, ObjectCounts* alive) const {
  for (const auto& transport : transports_) transport->AddTo(counters, alive);
  ++alive->routers;
}

RouterDump Router::Dump() const {
  RouterDump dump;
  dump.id = id_;
  for (const auto& transport : transports_) dump.transport_ids.push_back(transport->core().id());
  for (const auto& observer : observers_) dump.rtp_observer_ids.push_back(observer->id());
  for (Producer* producer : producers_) {
    std::vector<std::string> consumer_ids;
    for (const Consumer* consumer : producer->consumers()) {
      consumer_ids.push_back(consumer->id());
      dump.consumer_producer_ids.emplace_back(consumer->id(), producer->id());
    }
    dump.producer_consumer_ids.emplace_back(producer->id(), std::move(consumer_ids));

    std::vector<std::string> observer_ids;
    for (const auto& observer : observers_) {
      if (observer->Has(*producer)) observer_ids.push_back(observer->id());
    }
    dump.producer_observer_ids.emplace_back(producer->id(), std::move(observer_ids));
  }
  for (const DataProducer* producer : data_producers_) {
    std::vector<std::string> consumer_ids;
    for (const DataConsumer* consumer : producer->consumers()) {
      consumer_ids.push_back(consumer->id());
      dump.data_consumer_producer_ids.emplace_back(consumer->id(), producer->id());
    }
    dump.data_producer_consumer_ids.emplace_back(producer->id(), std::move(consumer_ids));
  }
  return dump;
}

}  // namespace sluice::worker
