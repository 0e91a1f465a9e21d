// The data half of Room: data producers, data consumers, and the bot.

#include <algorithm>
#include <set>
#include <utility>
#include <variant>

#include "common/utf8.h"
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

bool IsAwaited(const Transport& transport, uint16_t stream) {
  return std::any_of(transport.awaited_data.begin(), transport.awaited_data.end(),
                     [&](const auto& planned) { return planned.identity.stream_id == stream; });
}

}  // namespace

/// As applications of the room API expect. Of channels that are opened in band the DTLS client has
/// the even ones (RFC 8832 §6).
std::optional<uint16_t> Room::FreeStream(const Transport& transport) {
  const int step = transport.dcep ? 2 : 1;
  uint16_t number = transport.dcep && !transport.dtls_client ? 1 : 0;
  while (transport.producer_streams.contains(number) ||
         transport.consumer_streams.contains(number) || IsAwaited(transport, number)) {
    number = static_cast<uint16_t>(number + step);
  }
  if (number >= kMaxSctpStreams) return std::nullopt;
  return number;
}

Task<Result<std::shared_ptr<DataProducer>>> Room::ProduceData(std::shared_ptr<Participant> owner,
                                                              std::shared_ptr<Transport> transport,
                                                              DataRequest request) {
  return MakeDataProducer(std::move(owner), std::move(transport), MakeUuid(), std::move(request));
}

Task<Result<std::shared_ptr<DataProducer>>> Room::MakeDataProducer(
    std::shared_ptr<Participant> owner, std::shared_ptr<Transport> transport, std::string id,
    DataRequest request) {
  const auto self = shared_from_this();
  if (Status alive = CheckAlive(*owner, *transport); !alive.ok()) co_return alive;
  if (!transport->sctp) co_return Error(std::string(kNoSctp));
  if (owner->data_producers.size() + owner->pending_data_producers >= settings_.max_producers) {
    co_return TooMany("data producers", settings_.max_producers, "maxProducersPerPeer");
  }
  const InFlight in_flight(&owner->pending_data_producers);
  if (Status may = CheckMuted(*owner, MediaSource::kData); !may.ok()) co_return may;
  Result<bool> may = true;
  if (!request.echo) may = MayPublish(*owner, MediaSource::kData);
  if (!may.ok()) co_return may.status();
  StreamLease lease(transport, &Transport::producer_streams, request.stream.stream_id);

  const auto producer = std::make_shared<DataProducer>();
  producer->id = std::move(id);
  producer->owner_id = owner->id;
  producer->transport = transport;
  producer->stream = request.stream;
  producer->label = std::move(request.label);
  producer->protocol = std::move(request.protocol);
  producer->app_data = std::move(request.app_data);
  producer->relayed = request.relayed;
  producer->report_consumers = request.report_consumers;
  producer->echo = request.echo;
  // A number that is in use is the worker's to refuse: it may be in use in the other direction
  // only.
  ProduceDataOptions options{producer->id, producer->stream, producer->label, producer->protocol};
  Result<std::unique_ptr<WorkerDataProducer>> made =
      co_await transport->remote->ProduceData(std::move(options));
  if (!made.ok()) co_return made.status();
  if (Status alive = CheckAlive(*owner, *transport); !alive.ok()) co_return alive;
  // The rules may have changed meanwhile.
  if (!producer->echo) may = MayPublish(*owner, MediaSource::kData);
  if (!may.ok()) co_return may.status();
  lease.Keep();
  producer->remote = *std::move(made);
  producer->muted = owner->muted.Has(MediaSource::kData);
  owner->data_producers[producer->id] = producer;
  if (!producer->echo) data_producers_[producer->id] = producer;
  if (producer->muted) {
    Start(LogFailure(transport->shard->worker, producer->remote->Pause(), "muting"));
  }
  co_return producer;
}

void Room::OnChannelOpened(const std::shared_ptr<Participant>& owner,
                           const std::shared_ptr<Transport>& transport,
                           const DataChannelOpened& opened) {
  // Whatever is against it: without its handle the channel is closed.
  std::unique_ptr<WorkerDataProducer> remote = transport->remote->Adopt(opened.data_producer_id);
  const bool full =
      owner->data_producers.size() + owner->pending_data_producers >= settings_.max_producers;
  const bool echo = owner->link->echoes();
  // RFC 8832 §5.1; others are told of both.
  const bool texts = IsUtf8(opened.label) && IsUtf8(opened.protocol);
  const bool may = !full && texts && owner->link->may_have_data() &&
                   CheckMuted(*owner, MediaSource::kData).ok() &&
                   (echo || (owner->joined && MayPublish(*owner, MediaSource::kData).ok()));
  if (!may) {
    LogInfo("room {}: a data channel of {} is closed: it may not have it", id_, owner->id);
    return;
  }
  const auto producer = std::make_shared<DataProducer>();
  producer->id = opened.data_producer_id;
  producer->owner_id = owner->id;
  producer->transport = transport;
  producer->stream = opened.stream;
  producer->label = opened.label;
  producer->protocol = opened.protocol;
  producer->remote = std::move(remote);
  transport->producer_streams.insert(opened.stream.stream_id);
  owner->data_producers[producer->id] = producer;
  producer->echo = echo;
  if (echo) {
    Start(EchoChannel(shared_from_this(), owner, transport, producer));
    return;
  }
  data_producers_[producer->id] = producer;
  producer->relayed = owner->link->TakeChannel(producer);
  AnnounceDataProducer(owner, producer);
}

Task<void> Room::EchoChannel(std::shared_ptr<Room> self, std::shared_ptr<Participant> owner,
                             std::shared_ptr<Transport> transport,
                             std::shared_ptr<DataProducer> producer) {
  const Result<std::string> echoed =
      co_await Echo(self, owner, transport, producer, /*opens=*/false);
  if (!echoed.ok() && !producer->closed && !owner->closed) {
    LogInfo("room {}: a data channel of {} gives nothing back: {}", self->id_, owner->id,
            Reason(echoed.status()));
  }
}

Task<Result<std::string>> Room::Echo(std::shared_ptr<Room> self, std::shared_ptr<Participant> owner,
                                     std::shared_ptr<Transport> transport,
                                     std::shared_ptr<DataProducer> producer, bool opens) {
  DataConsumerIdentity identity{MakeUuid(), producer->stream.stream_id, !opens};
  const Result<std::shared_ptr<DataConsumer>> consumer =
      co_await self->ConsumeData(owner, transport, producer, std::move(identity));
  if (!consumer.ok()) co_return consumer.status();
  self->DeliverData(owner, *consumer);
  co_return (*consumer)->id;
}

void Room::OnChannelClosed(Participant& owner, const std::string& data_producer_id) {
  const auto it = owner.data_producers.find(data_producer_id);
  if (it == owner.data_producers.end()) return;
  const std::shared_ptr<DataProducer> producer = it->second;
  producer->closed = true;
  producer->remote->Forget();
  if (const auto transport = producer->transport.lock()) {
    transport->producer_streams.erase(producer->stream.stream_id);
  }
  owner.data_producers.erase(it);
  data_producers_.erase(data_producer_id);
}

std::shared_ptr<DataProducer> Room::FindDataProducer(const std::string& data_producer_id) const {
  const auto it = data_producers_.find(data_producer_id);
  if (it != data_producers_.end()) return it->second;
  if (bot_ && bot_->producer()->id == data_producer_id) return bot_->producer();
  return nullptr;
}

Task<std::shared_ptr<DataProducer>> Room::GetDataProducer(std::shared_ptr<Room> self,
                                                          std::string data_producer_id) {
  if (data_producer_id != kBotLabel) co_return self->FindDataProducer(data_producer_id);
  const std::shared_ptr<Bot> bot = co_await GetBot(self);
  if (!bot) co_return nullptr;
  co_return bot->producer();
}

Task<Status> Room::CloseDataProducer(std::shared_ptr<Participant> owner,
                                     std::shared_ptr<DataProducer> producer) {
  const auto self = shared_from_this();
  producer->closed = true;
  if (const auto transport = producer->transport.lock()) {
    transport->producer_streams.erase(producer->stream.stream_id);
  }
  owner->data_producers.erase(producer->id);
  data_producers_.erase(producer->id);
  co_return co_await producer->remote->Close();
}

void Room::AnnounceDataProducer(const std::shared_ptr<Participant>& owner,
                                const std::shared_ptr<DataProducer>& producer) {
  if (closed_ || producer->closed || producer->relayed) return;
  producer->announced = true;
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
  if (!policy_.rules().receive.Has(MediaSource::kData)) return;
  if (!peer->takes_data || !peer->link->may_have_data()) return;
  const std::shared_ptr<Transport> transport = ReceiveTransport(*peer);
  if (transport && transport->sctp) peer->subscriber->Want(producer);
}

void Room::GivePeerAllData(const std::shared_ptr<Participant>& peer) {
  if (!peer->takes_data) return;
  const std::set<const void*> given = peer->subscriber->Given();
  for (const auto& [id, producer] : data_producers_) {
    if (producer->owner_id == peer->id || producer->label == kBotLabel) continue;
    if (!producer->announced) continue;
    if (!given.contains(producer.get())) GivePeerData(peer, producer);
  }
  Start(IntroduceBot(shared_from_this(), peer));
}

Task<Result<std::shared_ptr<DataConsumer>>> Room::ConsumeData(
    std::shared_ptr<Participant> owner, std::shared_ptr<Transport> transport,
    std::shared_ptr<DataProducer> producer, std::optional<DataConsumerIdentity> identity) {
  const auto self = shared_from_this();
  if (Status may = CheckConsumer(*owner, *transport); !may.ok()) co_return may;
  if (!transport->sctp) co_return Error(std::string(kNoSctp));
  if (Status may = policy_.Receive(MediaSource::kData); !may.ok()) co_return may;
  const InFlight in_flight(&owner->pending_consumers);
  const std::optional<uint16_t> number =
      identity ? std::optional(identity->stream_id) : FreeStream(*transport);
  const bool joins = identity && identity->joins;
  if (!number) {
    co_return Error("no SCTP stream of transport \"" + transport->id + "\" is free: it has " +
                    std::to_string(kMaxSctpStreams));
  }
  StreamLease lease(transport, &Transport::consumer_streams, *number);

  const auto consumer = std::make_shared<DataConsumer>();
  consumer->id = identity ? std::move(identity->id) : MakeUuid();
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
  options.open_channel = transport->dcep && !joins;
  Result<std::unique_ptr<WorkerDataConsumer>> made =
      co_await transport->remote->ConsumeData(transport->shard->bulk, std::move(options));
  if (!made.ok()) co_return made.status();
  if (Status alive = CheckAlive(*owner, *transport); !alive.ok()) co_return alive;
  if (Status may = policy_.Receive(MediaSource::kData); !may.ok()) co_return may;
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
    if (!participant->is_broadcaster() && !participant->closed) {
      participant->link->OnEvent(RoomMessage(DataConsumerEnded{subject->id}));
    }
  });
}

void Room::TellConsumed(const Participant& peer, const DataConsumer& consumer) const {
  const DataProducer& producer = *consumer.producer;
  if (!producer.report_consumers || producer.closed) return;
  const std::shared_ptr<Participant> owner = FindPeer(producer.owner_id);
  if (owner) owner->link->OnEvent(RoomMessage(DataProducerConsumed{producer.id, peer.id}));
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

namespace {

/// The bot is being made. However that ends, those who wait for it go on.
class BotInTheMaking {
 public:
  BotInTheMaking(std::optional<Event>* made, const asio::any_io_executor& executor) : made_(made) {
    made_->emplace(executor);
  }
  ~BotInTheMaking() {
    (*made_)->Fire();
    made_->reset();
  }
  BotInTheMaking(const BotInTheMaking&) = delete;
  BotInTheMaking& operator=(const BotInTheMaking&) = delete;

 private:
  std::optional<Event>* made_;
};

}  // namespace

Task<std::shared_ptr<Bot>> Room::GetBot(std::shared_ptr<Room> self) {
  // Several may have waited for one that could not be made: the first of them makes the next, the
  // others wait for that.
  while (self->bot_made_) co_await self->bot_made_->Wait();
  if (self->bot_ || self->closed_) co_return self->bot_;
  const BotInTheMaking in_the_making(&self->bot_made_, self->executor_);
  Result<std::shared_ptr<Bot>> bot = co_await Bot::Create(self->shards_.front());
  if (bot.ok() && !self->closed_) {
    self->bot_ = *bot;
  } else if (!self->closed_) {
    LogWarn("room {}: no bot: {}", self->id_, Reason(bot.status()));
  }
  co_return self->bot_;
}

Task<void> Room::IntroduceBot(std::shared_ptr<Room> self, std::shared_ptr<Participant> peer) {
  const std::shared_ptr<Bot> bot = co_await GetBot(self);
  if (!bot || peer->closed || peer->subscriber->Given().contains(bot->producer().get())) co_return;
  self->GivePeerData(peer, bot->producer());
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
