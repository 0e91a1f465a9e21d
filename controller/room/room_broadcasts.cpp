// Broadcasters: made and ended by REST, ended when they fall silent, rebuilt after a worker's
// death.

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include "controller/base/delay.h"
#include "controller/base/limits.h"
#include "controller/base/log.h"
#include "controller/base/logging.h"
#include "controller/room/broadcast_log.h"
#include "controller/room/room.h"

namespace sluice::controller {

namespace {

/// Looks per time-out at whether media comes. They are counted, so that time in which this process
/// does not run does not count.
constexpr int kLooks = 3;
/// A plain transport that was used and is not any more is closed after so many times as long as one
/// that never was.
constexpr int kSilentLooks = 5;
/// A broadcaster without a producer, as it is while somebody types the requests, may stay this many
/// times as long.
constexpr int kIdleFactor = 4;

}  // namespace

Result<std::shared_ptr<Participant>> Room::CreateBroadcaster(
    const std::string& broadcaster_id, std::string display_name, ClientText device,
    std::optional<RtpCapabilities> capabilities, Owner owner, const KindWish& wish,
    bool may_publish) {
  BroadcastPlan plan;
  plan.id = broadcaster_id;
  plan.display_name = std::move(display_name);
  plan.device = std::move(device);
  plan.capabilities = std::move(capabilities);
  plan.owner = std::move(owner);
  plan.may_publish = may_publish;
  plan.since = std::chrono::steady_clock::now();
  Result<std::shared_ptr<Participant>> broadcaster = MakeBroadcaster(plan);
  if (!broadcaster.ok()) return broadcaster;
  policy_.Choose(wish, present(), std::chrono::steady_clock::now());
  if (Status admitted = Admit(**broadcaster, present()); !admitted.ok()) return admitted;
  policy_.Recall(broadcaster->get());
  AddBroadcaster(*broadcaster);
  LogInfo("room {}: broadcaster {} ({}) begins", id_, broadcaster_id, (*broadcaster)->display_name);
  return broadcaster;
}

Result<std::shared_ptr<Participant>> Room::MakeBroadcaster(const BroadcastPlan& plan) {
  if (closed_) return Error("room closed");
  if (broadcasters_.contains(plan.id)) {
    return Error("broadcaster with id \"" + plan.id + "\" already exists");
  }
  if (std::any_of(peers_.begin(), peers_.end(),
                  [&](const auto& peer) { return peer->id == plan.id; })) {
    return Error("peer with id \"" + plan.id + "\" already exists");
  }
  if (broadcasters_.size() >= settings_.max_broadcasters) {
    return LimitError("maxBroadcastersPerRoom",
                      Error("room \"" + id_ + "\" already has " +
                            std::to_string(settings_.max_broadcasters) + " broadcasters"));
  }
  auto broadcaster = std::make_shared<Participant>();
  broadcaster->id = plan.id;
  broadcaster->owner = plan.owner;
  broadcaster->display_name = plan.display_name;
  broadcaster->device = plan.device;
  broadcaster->capabilities = ShareCapabilities(plan.capabilities);
  broadcaster->muted = plan.muted;
  broadcaster->taken_down = plan.taken_down;
  broadcaster->may_publish = plan.may_publish;
  broadcaster->since = plan.since;
  broadcaster->places = plan.places;
  broadcaster->allowance = plan.allowance;
  return broadcaster;
}

void Room::AddBroadcaster(const std::shared_ptr<Participant>& broadcaster) {
  if (broadcaster->may_publish) policy_.Claim(*broadcaster, std::chrono::steady_clock::now());
  broadcasters_[broadcaster->id] = broadcaster;
  AccountBegin(*broadcaster);
  if (settings_.broadcaster_timeout.count() > 0) {
    Start(WatchBroadcaster(shared_from_this(), broadcaster));
  }
  TellJoined(PeerJoined{broadcaster->id, broadcaster->display_name, broadcaster->device}, nullptr);
}

std::shared_ptr<Participant> Room::FindBroadcaster(const std::string& broadcaster_id) const {
  const auto it = broadcasters_.find(broadcaster_id);
  return it == broadcasters_.end() ? nullptr : it->second;
}

Task<void> Room::DeleteBroadcaster(std::shared_ptr<Participant> broadcaster, bool for_good) {
  const auto self = shared_from_this();
  if (broadcaster->closed) co_return;
  broadcaster->closed = true;
  policy_.Leave(*broadcaster, for_good, std::chrono::steady_clock::now());
  policy_.Remember(*broadcaster);
  broadcasters_.erase(broadcaster->id);
  AccountEnd(*broadcaster);
  // Now: who watches it holds it for some seconds more.
  broadcaster->places.clear();
  broadcaster->allowance = nullptr;
  std::vector<std::shared_ptr<Transport>> transports;
  for (const auto& [id, transport] : broadcaster->transports) transports.push_back(transport);
  const std::string media = DescribeMedia(*broadcaster);
  std::optional<uint64_t> bytes;
  for (const auto& transport : transports) {
    if (transport->closed) continue;
    const Result<TransportTraffic> traffic = co_await transport->remote->Traffic();
    if (traffic.ok()) bytes = bytes.value_or(0) + traffic->received;
  }
  LogBroadcastEnd(id_, *broadcaster, media, bytes);
  // Transports first, so that consumers are told of their end before the broadcaster's is.
  co_await CloseTransports(self, std::move(transports));
  Release(*broadcaster);
  TellJoined(PeerLeft{broadcaster->id}, nullptr);
  if (!closed_ && empty()) CloseIfLeft();
}

/// Whether media or data goes to somebody by the transport, or will again.
bool Room::IsReceivedBy(const Participant& owner, const Transport& transport) {
  if (!transport.receiver_listens) return false;
  if (!transport.awaited.empty() || !transport.awaited_data.empty()) return true;
  return std::any_of(owner.consumers.begin(), owner.consumers.end(), [&](const auto& entry) {
    return entry.second->transport.lock().get() == &transport;
  });
}

Task<void> Room::WatchTransport(std::shared_ptr<Room> self, std::shared_ptr<Participant> owner,
                                std::shared_ptr<Transport> transport) {
  uint64_t before = 0;
  int silent = 0;
  while (true) {
    co_await Delay(self->settings_.unused_transport_timeout);
    if (transport->closed || transport->was_connected) co_return;
    if (transport->plain) {
      const Result<TransportTraffic> traffic = co_await transport->remote->Traffic();
      if (!traffic.ok() || transport->closed) co_return;
      const bool used = traffic->received != before || IsReceivedBy(*owner, *transport);
      silent = used ? 0 : silent + 1;
      const bool never = traffic->received == 0 && silent > 0;
      before = traffic->received;
      if (!never && silent < kSilentLooks) continue;
    }
    break;
  }
  LogInfo("room {}: transport {} of broadcaster {} is not used, it is closed", self->id_,
          transport->id, owner->id);
  ++self->settings_.counters->unused_transports;
  self->CloseTransport(*owner, transport);
}

Task<void> Room::WatchPeerTransport(std::shared_ptr<Room> self, std::weak_ptr<Participant> peer,
                                    std::weak_ptr<Transport> transport) {
  co_await Delay(self->settings_.unused_transport_timeout);
  const std::shared_ptr<Participant> owner = peer.lock();
  const std::shared_ptr<Transport> watched = transport.lock();
  if (!owner || owner->closed || !watched || watched->closed) co_return;
  watched->overdue = true;
  size_t unused = 0;
  std::shared_ptr<Transport> oldest;
  for (const auto& [id, each] : owner->transports) {
    if (!each->overdue || each->was_connected) continue;
    ++unused;
    if (!oldest || each->number < oldest->number) oldest = each;
  }
  if (unused <= self->settings_.max_unused_transports) co_return;
  LogInfo("room {}: transport {} of peer {} is not used, it is closed: the peer has {} newer ones",
          self->id_, oldest->id, owner->id, self->settings_.max_unused_transports);
  ++self->settings_.counters->unused_transports;
  self->CloseTransport(*owner, oldest);
}

Task<void> Room::WatchBroadcaster(std::shared_ptr<Room> self,
                                  std::shared_ptr<Participant> broadcaster) {
  uint64_t before = 0;
  int silent = 0;
  while (!broadcaster->closed) {
    co_await Delay(self->settings_.broadcaster_timeout / kLooks);
    // One that receives, or whose connection has a life of its own, ends otherwise.
    const bool elsewhere =
        std::any_of(broadcaster->transports.begin(), broadcaster->transports.end(),
                    [](const auto& entry) { return !entry.second->plain; });
    const bool received =
        std::any_of(broadcaster->transports.begin(), broadcaster->transports.end(),
                    [&](const auto& entry) { return IsReceivedBy(*broadcaster, *entry.second); });
    if (elsewhere || received) {
      silent = 0;
      continue;
    }
    uint64_t bytes = 0;
    const auto transports = broadcaster->transports;
    for (const auto& [id, transport] : transports) {
      if (transport->closed) continue;
      const Result<TransportTraffic> traffic = co_await transport->remote->Traffic();
      if (!traffic.ok()) continue;
      const bool data =
          !transport->producer_streams.empty() || !transport->consumer_streams.empty();
      bytes += data ? traffic->received : traffic->rtp_received;
    }
    silent = bytes == before ? silent + 1 : 0;
    before = bytes;
    const int allowed = broadcaster->producers.empty() ? kLooks * kIdleFactor : kLooks;
    if (silent < allowed || broadcaster->closed) continue;
    LogInfo("room {}: broadcaster {} sends nothing, it is ended (broadcasterTimeout)", self->id_,
            broadcaster->id);
    ++self->settings_.counters->silent_broadcasters;
    co_await self->DeleteBroadcaster(broadcaster);
  }
}

std::vector<BroadcastPlan> Room::PlanBroadcasts() const {
  std::vector<BroadcastPlan> plans;
  for (const auto& [id, broadcaster] : broadcasters_) {
    if (broadcaster->restoring) continue;  // who restores it has the whole plan
    BroadcastPlan plan;
    plan.id = id;
    plan.display_name = broadcaster->display_name;
    plan.device = broadcaster->device;
    plan.owner = broadcaster->owner;
    plan.muted = broadcaster->muted;
    plan.taken_down = broadcaster->taken_down;
    plan.may_publish = broadcaster->may_publish;
    plan.since = broadcaster->since;
    plan.places = broadcaster->places;
    plan.allowance = broadcaster->allowance;
    if (broadcaster->capabilities) plan.capabilities = *broadcaster->capabilities;
    for (const auto& [transport_id, transport] : broadcaster->transports) {
      if (!transport->plain) continue;
      BroadcastPlan::Transport planned;
      planned.id = transport_id;
      planned.options = transport->plain_options;
      planned.info = transport->plain_info;
      planned.quota_place = transport->quota_place;
      planned.next_mid = transport->next_mid;
      planned.destination = transport->destination;
      for (const auto& [producer_id, producer] : broadcaster->producers) {
        if (producer->transport_id != transport_id) continue;
        planned.producers.push_back({producer_id, producer->kind, producer->source, producer->sent,
                                     producer->app_data, producer->stored});
      }
      for (const auto& [producer_id, producer] : broadcaster->data_producers) {
        if (producer->transport.lock() != transport) continue;
        planned.data_producers.push_back({producer_id, producer->stream, producer->label,
                                          producer->protocol, producer->app_data,
                                          producer->stored});
      }
      planned.consumers = transport->awaited;
      for (const auto& [consumer_id, consumer] : broadcaster->consumers) {
        if (consumer->transport.lock() != transport) continue;
        planned.consumers.push_back({consumer->producer->id,
                                     consumer->pattern->enable_rtx,
                                     {consumer->id, consumer->mid, consumer->first_ssrc}});
      }
      planned.data_consumers = transport->awaited_data;
      for (const auto& [consumer_id, consumer] : broadcaster->data_consumers) {
        if (consumer->transport.lock() != transport) continue;
        // The next worker's bot has another id.
        const bool of_bot = consumer->producer->owner_id.empty();
        planned.data_consumers.push_back({of_bot ? std::string(kBotLabel) : consumer->producer->id,
                                          {consumer_id, consumer->stream.stream_id}});
      }
      plan.transports.push_back(std::move(planned));
    }
    // One over WebRTC has lost its keys with the worker and starts anew by itself.
    if (!plan.transports.empty()) plans.push_back(std::move(plan));
  }
  return plans;
}

Task<Status> Room::Restore(const BroadcastPlan& given) {
  const auto self = shared_from_this();
  BroadcastPlan plan = given;
  // It was here before: the rules of the room have let it in.
  const Result<std::shared_ptr<Participant>> made = MakeBroadcaster(plan);
  if (!made.ok()) co_return made.status();
  const std::shared_ptr<Participant>& broadcaster = *made;
  broadcaster->restoring = true;
  AddBroadcaster(broadcaster);
  for (BroadcastPlan::Transport& planned : plan.transports) {
    PlainTransportOptions options = planned.options;
    options.listen.port = planned.info.port;
    if (planned.info.rtcp_port) {
      options.rtcp_listen = options.listen;
      options.rtcp_listen->port = *planned.info.rtcp_port;
    }
    const Result<PlainTransportInfo> listening =
        co_await MakePlainTransport(broadcaster, planned.id, std::move(options));
    if (!listening.ok()) {
      co_await DeleteBroadcaster(broadcaster);
      co_return listening.status();
    }
    const auto transport = broadcaster->transports.find(planned.id);
    if (transport == broadcaster->transports.end()) co_return Error("transport closed");
    const Status restored =
        co_await RestoreProducers(broadcaster, transport->second, std::move(planned));
    if (!restored.ok()) {
      co_await DeleteBroadcaster(broadcaster);
      co_return restored;
    }
  }
  broadcaster->restoring = false;
  co_return absl::OkStatus();
}

Task<Status> Room::RestoreProducers(std::shared_ptr<Participant> owner,
                                    std::shared_ptr<Transport> transport,
                                    BroadcastPlan::Transport planned) {
  transport->quota_place = std::move(planned.quota_place);
  transport->awaited = std::move(planned.consumers);
  transport->awaited_data = std::move(planned.data_consumers);
  transport->next_mid = planned.next_mid;
  if (planned.destination) {
    const Status connected = co_await ConnectTransport(transport, *std::move(planned.destination));
    if (!connected.ok()) co_return connected;
  }
  for (BroadcastPlan::Producer& producer : planned.producers) {
    ProducerRequest request{producer.kind, producer.source == MediaSource::kScreen,
                            std::move(producer.parameters), std::move(producer.app_data)};
    const Result<std::shared_ptr<sluice::controller::Producer>> made =
        co_await MakeProducer(owner, transport, producer.id, producer.source, std::move(request));
    if (!made.ok()) co_return made.status();
    (*made)->stored = std::move(producer.stored);
    AnnounceProducer(owner, *made);
  }
  for (BroadcastPlan::DataProducer& producer : planned.data_producers) {
    DataRequest request{producer.stream, std::move(producer.label), std::move(producer.protocol),
                        std::move(producer.app_data)};
    const Result<std::shared_ptr<sluice::controller::DataProducer>> made =
        co_await MakeDataProducer(owner, transport, producer.id, std::move(request));
    if (!made.ok()) co_return made.status();
    (*made)->stored = std::move(producer.stored);
    AnnounceDataProducer(owner, *made);
  }
  co_return absl::OkStatus();
}

Task<void> Room::RestoreConsumers() {
  const auto self = shared_from_this();
  std::vector<std::pair<std::shared_ptr<Participant>, std::shared_ptr<Transport>>> receiving;
  for (const auto& [id, broadcaster] : broadcasters_) {
    for (const auto& [transport_id, transport] : broadcaster->transports) {
      if (transport->awaited.empty() && transport->awaited_data.empty()) continue;
      receiving.emplace_back(broadcaster, transport);
    }
  }
  for (const auto& [owner, transport] : receiving) {
    co_await RestoreConsumersOf(owner, transport);
    co_await RestoreDataConsumersOf(owner, transport);
  }
}

Task<void> Room::RestoreConsumersOf(std::shared_ptr<Participant> owner,
                                    std::shared_ptr<Transport> transport) {
  while (!closed_ && !transport->closed && !transport->awaited.empty()) {
    const PlannedConsumer planned = transport->awaited.front();
    const std::shared_ptr<Producer> producer = FindProducer(planned.producer_id);
    // A peer that comes back makes new producers: whoever received the old one asks again.
    if (!producer) {
      transport->awaited.erase(transport->awaited.begin());
      continue;
    }
    ConsumerRequest request;
    request.paused = false;
    request.enable_rtx = planned.enable_rtx;
    request.ignore_dtx = false;
    request.identity = planned.identity;
    const Result<std::shared_ptr<sluice::controller::Consumer>> made =
        co_await Consume(owner, transport, producer, request);
    // It is awaited on the next worker, unless this is what ended it.
    if (!made.ok() && !transport->shard->worker->alive()) co_return;
    transport->awaited.erase(transport->awaited.begin());
    if (made.ok()) {
      Deliver(owner, *made);
    } else {
      LogWarn("room {}: broadcaster {} does not receive {} any more: {}", id_, owner->id,
              producer->id, Reason(made.status()));
    }
  }
}

Task<void> Room::RestoreDataConsumersOf(std::shared_ptr<Participant> owner,
                                        std::shared_ptr<Transport> transport) {
  while (!closed_ && !transport->closed && !transport->awaited_data.empty()) {
    const PlannedDataConsumer planned = transport->awaited_data.front();
    const std::shared_ptr<DataProducer> producer =
        co_await GetDataProducer(shared_from_this(), planned.data_producer_id);
    if (!producer) {  // a peer's, as of consumers
      if (!transport->shard->worker->alive()) co_return;
      transport->awaited_data.erase(transport->awaited_data.begin());
      continue;
    }
    const Result<std::shared_ptr<DataConsumer>> made =
        co_await ConsumeData(owner, transport, producer, planned.identity);
    if (!made.ok() && !transport->shard->worker->alive()) co_return;
    transport->awaited_data.erase(transport->awaited_data.begin());
    if (made.ok()) {
      DeliverData(owner, *made);
    } else {
      LogWarn("room {}: broadcaster {} does not receive {} any more: {}", id_, owner->id,
              producer->id, Reason(made.status()));
    }
  }
}

}  // namespace sluice::controller
