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

namespace {
/// glibc's malloc keeps small pieces that were freed apart until it is asked for a large one, and
/// joins all of them then: 20 ms after 20,000 consumers. So it is asked after each slice.
void JoinFreedPieces() {
  constexpr size_t kLargeRequest = 4096;  // bytes: more than malloc has small pieces for
  ::operator delete(::operator new(kLargeRequest));
}
}  // namespace

Router::Router(std::string id, EngineContext& context) : id_(std::move(id)), context_(context) {}

Router::~Router() {
  DropObservers();  // first: they would report who goes
  TakeBackClosing();
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
    context_.objects.Unregister(transport->core().id(), transport->core().closed_flag());
  }
  transports_.TakeAll();
}

void Router::TakeBackClosing() {
  for (auto& transport : closing_.TakeAll()) transports_.Add(std::move(transport));
}

void Router::Close() {
  closed_ = true;
  context_.srtp.Flush();  // what this turn has sent so far leaves whole
  DropObservers();
  for (const auto& transport : transports_) Seal(*transport);
  TakeBackClosing();
}

void Router::Seal(Transport& transport) {
  transport.core().MarkClosed();
  transport.Seal();
}

bool Router::DestroySome(size_t* effort) {
  const bool done = DestroyChildren(effort);
  JoinFreedPieces();
  return done;
}

bool Router::DestroyChildren(size_t* effort) {
  for (; without_consumers_ < transports_.size(); ++without_consumers_) {
    RtpCore& rtp = transports_[without_consumers_]->rtp();
    *effort -= rtp.DropConsumers(*effort);
    if (*effort == 0) return false;
    transports_[without_consumers_]->data().DropConsumers();
  }
  for (; without_producers_ < transports_.size(); ++without_producers_) {
    RtpCore& rtp = transports_[without_producers_]->rtp();
    *effort -= RtpCore::kProducerEffort * rtp.DropProducers(*effort / RtpCore::kProducerEffort);
    if (*effort < RtpCore::kProducerEffort) return false;
    transports_[without_producers_]->data().DropProducers();
  }
  while (!transports_.empty()) {
    if (*effort < kTransportEffort) return false;
    *effort -= kTransportEffort;
    Transport& transport = *transports_.all().back();
    context_.objects.Unregister(transport.core().id(), transport.core().closed_flag());
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
  context_.objects.Register(transport->core().id(), object, transport->core().closed_flag());
  transports_.Add(std::move(transport));
}

Result<Transport*> Router::GetTransport(const std::string& transport_id) const {
  const ObjectTable::Object* object = context_.objects.Find(transport_id);
  Transport* transport = object == nullptr ? nullptr : AsTransport(*object);
  if (transport != nullptr && transports_.Has(*transport)) return transport;
  return NotFoundError(
      fmt::format("transportId '{}' names no transport of router '{}'", transport_id, id_));
}

Status Router::CloseTransport(const std::string& transport_id) {
  const Result<Transport*> found = GetTransport(transport_id);
  if (!found.ok()) return found.status();
  CloseTransport(**found);
  return absl::OkStatus();
}

void Router::CloseTransport(Transport& transport) {
  const std::unique_ptr<Transport> closing = transports_.Take(transport);
  closing->rtp().CloseChildren();
  closing->data().CloseChildren();
  context_.objects.Unregister(closing->core().id(), closing->core().closed_flag());
}

size_t Router::EffortOf(Transport& transport) {
  return kTransportEffort + transport.rtp().effort() + transport.data().size();
}

void Router::BeginClose(Transport& transport) {
  closing_.Add(transports_.Take(transport));
  context_.srtp.Flush();  // what this turn has sent so far leaves whole
  transport.rtp().LeaveRouter();
  transport.data().LeaveRouter();
  Seal(transport);
}

bool Router::CloseSome(Transport& transport, size_t* effort) {
  const bool empty = transport.rtp().CloseSome(effort) && transport.data().CloseSome(effort);
  JoinFreedPieces();
  if (!empty || *effort < kTransportEffort) return false;
  *effort -= kTransportEffort;
  context_.objects.Unregister(transport.core().id(), transport.core().closed_flag());
  closing_.Take(transport);
  return true;
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
  ObjectCounts dying;  // what they have counted counts until it has moved to `closed`
  for (const auto& transport : closing_) transport->AddTo(counters, &dying);
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
