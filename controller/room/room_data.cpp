// The data half of Room: data producers, data consumers, and the bot.

#include <algorithm>
#include <utility>
#include <variant>

#include "controller/base/log.h"
#include "controller/base/logging.h"
#include "controller/room/bot.h"
#include "controller/room/in_flight.h"
#include "controller/room/random.h"
#include "controller/room/room.h"
#include "controller/room/subscriber.h"

namespace sluice::controller {

namespace {

constexpr std::string_view kNoSctp = "SCTP not enabled and not a direct Transport";

/// A stream of the transport in one direction, given back when what was to use it was not made.
class StreamLease {
 public:
  using Streams = std::set<uint16_t> Transport::*;
  StreamLease(std::shared_ptr<Transport> transport, Streams streams, uint16_t stream)
      : transport_(std::move(transport)), streams_(streams), stream_(stream) {
    is_free_ = ((*transport_).*streams_).insert(stream_).second;
  }
  ~StreamLease() {
    if (is_free_ && !kept_) ((*transport_).*streams_).erase(stream_);
  }
  StreamLease(const StreamLease&) = delete;
  StreamLease& operator=(const StreamLease&) = delete;

  bool is_free() const { return is_free_; }
  void Keep() { kept_ = true; }

 private:
  std::shared_ptr<Transport> transport_;
  Streams streams_;
  uint16_t stream_;
  bool is_free_ = false;
  bool kept_ = false;
};

/// The lowest number that is not in use in either direction, as applications of the room API
/// expect.
std::optional<uint16_t> FreeStream(const Transport& transport) {
  uint16_t number = 0;
  while (transport.producer_streams.contains(number) ||
         transport.consumer_streams.contains(number)) {
    ++number;
  }
  if (number >= kMaxSctpStreams) return std::nullopt;
  return number;
}

}  // namespace

Task<Result<std::shared_ptr<DataProducer>>> Room::ProduceData(std::shared_ptr<Participant> owner,
                                                              std::shared_ptr<Transport> transport,
                                                              DataRequest request) {
  const auto self = shared_from_this();
  if (Status alive = CheckAlive(*owner); !alive.ok()) co_return alive;
  if (transport->closed) co_return Error("transport closed");
  if (!transport->sctp) co_return Error(std::string(kNoSctp));
  if (owner->data_producers.size() + owner->pending_data_producers >= settings_.max_producers) {
    co_return TooMany("data producers", settings_.max_producers, "maxProducersPerPeer");
  }
  const InFlight in_flight(&owner->pending_data_producers);
  StreamLease lease(transport, &Transport::producer_streams, request.stream.stream_id);

  const auto producer = std::make_shared<DataProducer>();
  producer->id = MakeUuid();
  producer->owner_id = owner->id;
  producer->transport = transport;
  producer->stream = request.stream;
  producer->label = std::move(request.label);
  producer->protocol = std::move(request.protocol);
  producer->app_data = std::move(request.app_data);
  // A number that is in use is the worker's to refuse: it may be in use in the other direction
  // only.
  ProduceDataOptions options{producer->id, producer->stream, producer->label, producer->protocol};
  Result<std::unique_ptr<WorkerDataProducer>> made =
      co_await transport->remote->ProduceData(std::move(options));
  if (!made.ok()) co_return made.status();
  if (Status alive = CheckAlive(*owner); !alive.ok()) co_return alive;
  lease.Keep();
  producer->remote = *std::move(made);
  owner->data_producers[producer->id] = producer;
  data_producers_[producer->id] = producer;
  co_return producer;
}

std::shared_ptr<DataProducer> Room::FindDataProducer(const std::string& data_producer_id) const {
  const auto it = data_producers_.find(data_producer_id);
  return it == data_producers_.end() ? nullptr : it->second;
}

void Room::AnnounceDataProducer(const std::shared_ptr<Participant>& owner,
                                const std::shared_ptr<DataProducer>& producer) {
  if (closed_ || producer->closed) return;
  if (producer->label == kBotLabel) {
    Start(TalkToBot(shared_from_this(), owner, producer));
    return;
  }
  for (const auto& peer : peers_) {
    if (peer->joined && peer != owner) GivePeerData(peer, producer);
  }
}

void Room::GivePeerData(const std::shared_ptr<Participant>& peer,
                        const std::shared_ptr<DataProducer>& producer) {
  if (!peer->takes_data || !peer->link->may_have_data()) return;
  const std::shared_ptr<Transport> transport = ReceiveTransport(*peer);
  if (transport && transport->sctp) peer->subscriber->Want(producer);
}

void Room::GivePeerAllData(const std::shared_ptr<Participant>& peer) {
  if (!peer->takes_data) return;
  for (const auto& [id, producer] : data_producers_) {
    if (producer->owner_id != peer->id && producer->label != kBotLabel) {
      GivePeerData(peer, producer);
    }
  }
  Start(IntroduceBot(shared_from_this(), peer));
}

Task<Result<std::shared_ptr<DataConsumer>>> Room::ConsumeData(
    std::shared_ptr<Participant> owner, std::shared_ptr<Transport> transport,
    std::shared_ptr<DataProducer> producer) {
  const auto self = shared_from_this();
  if (Status alive = CheckAlive(*owner); !alive.ok()) co_return alive;
  if (transport->closed) co_return Error("transport closed");
  if (!transport->sctp) co_return Error(std::string(kNoSctp));
  std::optional<InFlight> in_flight;
  if (owner->link == nullptr) {  // a broadcaster
    if (owner->consumers.size() + owner->data_consumers.size() + owner->pending_consumers >=
        settings_.max_broadcaster_consumers) {
      co_return LimitError("maxConsumersPerBroadcaster",
                           Error("too many consumers: one broadcaster may have " +
                                 std::to_string(settings_.max_broadcaster_consumers)));
    }
    in_flight.emplace(&owner->pending_consumers);
  }
  const std::optional<uint16_t> number = FreeStream(*transport);
  if (!number) {
    co_return Error("no SCTP stream of transport \"" + transport->id + "\" is free: it has " +
                    std::to_string(kMaxSctpStreams));
  }
  StreamLease lease(transport, &Transport::consumer_streams, *number);

  const auto consumer = std::make_shared<DataConsumer>();
  consumer->id = MakeUuid();
  consumer->producer = producer;
  consumer->transport = transport;
  consumer->stream = producer->stream;
  consumer->stream.stream_id = *number;
  ConsumeDataOptions options;
  options.data_consumer_id = consumer->id;
  options.data_producer_id = producer->id;
  options.stream = consumer->stream;
  options.label = producer->label;
  options.protocol = producer->protocol;
  Result<std::unique_ptr<WorkerDataConsumer>> made =
      co_await transport->remote->ConsumeData(transport->shard->bulk, std::move(options));
  if (!made.ok()) co_return made.status();
  if (Status alive = CheckAlive(*owner); !alive.ok()) co_return alive;
  lease.Keep();
  consumer->remote = *std::move(made);
  owner->data_consumers[consumer->id] = consumer;
  co_return consumer;
}

void Room::DeliverData(const std::shared_ptr<Participant>& owner,
                       const std::shared_ptr<DataConsumer>& consumer) {
  if (consumer->closed) return;
  consumer->remote->Listen([weak = weak_from_this(), weak_owner = std::weak_ptr(owner),
                            weak_consumer = std::weak_ptr(consumer)](const WorkerEvent& event) {
    const auto room = weak.lock();
    const auto participant = weak_owner.lock();
    const auto subject = weak_consumer.lock();
    if (!room || !participant || !subject) return;
    if (!std::holds_alternative<DataProducerClosed>(event)) return;
    subject->remote->Forget();
    room->EndDataConsumer(*participant, subject);
    if (participant->link && !participant->closed) {
      participant->link->OnEvent(RoomMessage(DataConsumerEnded{subject->id}));
    }
  });
}

void Room::EndDataConsumer(Participant& owner, const std::shared_ptr<DataConsumer>& consumer) {
  consumer->closed = true;
  if (const auto transport = consumer->transport.lock()) {
    transport->consumer_streams.erase(consumer->stream.stream_id);
  }
  owner.data_consumers.erase(consumer->id);
}

void Room::DropDataConsumer(Participant& owner, const std::shared_ptr<DataConsumer>& consumer) {
  consumer->remote.reset();
  EndDataConsumer(owner, consumer);
}

// ---- The bot

Task<std::shared_ptr<Bot>> Room::GetBot(std::shared_ptr<Room> self) {
  // Several may have waited for one that could not be made: the first of them makes the next, the
  // others wait for that.
  while (self->bot_made_) co_await self->bot_made_->Wait();
  if (self->bot_ || self->closed_) co_return self->bot_;
  self->bot_made_.emplace(self->executor_);
  Result<std::shared_ptr<Bot>> bot = co_await Bot::Create(self->shards_.front());
  if (bot.ok() && !self->closed_) {
    self->bot_ = *bot;
  } else if (!self->closed_) {
    LogWarn("room {}: no bot: {}", self->id_, Reason(bot.status()));
  }
  self->bot_made_->Fire();
  self->bot_made_.reset();
  co_return self->bot_;
}

Task<void> Room::IntroduceBot(std::shared_ptr<Room> self, std::shared_ptr<Participant> peer) {
  const std::shared_ptr<Bot> bot = co_await GetBot(self);
  if (bot && !peer->closed) self->GivePeerData(peer, bot->producer());
}

Task<void> Room::TalkToBot(std::shared_ptr<Room> self, std::shared_ptr<Participant> owner,
                           std::shared_ptr<DataProducer> producer) {
  const std::shared_ptr<Bot> bot = co_await GetBot(self);
  if (!bot || producer->closed) co_return;
  const Status heard = co_await Bot::Hear(bot, owner, producer);
  if (!heard.ok() && !producer->closed) {
    LogWarn("room {}: the bot does not hear {}: {}", self->id_, owner->id, Reason(heard));
  }
}

}  // namespace sluice::controller
