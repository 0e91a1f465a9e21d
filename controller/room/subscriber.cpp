#include "controller/room/subscriber.h"

#include <algorithm>
#include <utility>

#include "controller/base/delay.h"
#include "controller/base/log.h"
#include "controller/base/logging.h"
#include "controller/room/random.h"
#include "controller/room/room.h"

namespace sluice::controller {

namespace {

/// Whether asking again can help: not when the parameters do not fit, nor when the room's rules are
/// against it, as who changes those gives everybody what they allow.
bool MayWorkLater(const Status& status) {
  return status.code() != absl::StatusCode::kInvalidArgument &&
         status.code() != absl::StatusCode::kUnimplemented && !absl::IsPermissionDenied(status);
}

}  // namespace

class Subscriber::UnderWay {
 public:
  UnderWay(std::shared_ptr<Subscriber> subscriber, const Wanted& wanted)
      : subscriber_(std::move(subscriber)),
        place_(subscriber_->under_way_.insert(subscriber_->under_way_.end(), wanted)) {}
  ~UnderWay() { subscriber_->under_way_.erase(place_); }
  UnderWay(const UnderWay&) = delete;
  UnderWay& operator=(const UnderWay&) = delete;

 private:
  std::shared_ptr<Subscriber> subscriber_;
  std::list<Wanted>::iterator place_;
};

std::set<const void*> Subscriber::Given() const {
  std::set<const void*> given;
  const auto add = [&given](const Wanted& wanted) {
    given.insert(wanted.producer.lock().get());
    given.insert(wanted.data_producer.lock().get());
  };
  for (const Wanted& wanted : wanted_) add(wanted);
  for (const Wanted& wanted : under_way_) add(wanted);
  if (const auto peer = peer_.lock()) {
    for (const auto& [id, consumer] : peer->consumers) given.insert(consumer->producer.get());
    for (const auto& [id, consumer] : peer->data_consumers) given.insert(consumer->producer.get());
  }
  return given;
}

void Subscriber::Want(const std::shared_ptr<Producer>& producer) {
  SweepWanted();
  wanted_.push_back({producer, {}});
  Pump();
}

void Subscriber::Want(const std::shared_ptr<DataProducer>& producer) {
  SweepWanted();
  wanted_.push_back({{}, producer});
  Pump();
}

void Subscriber::SweepWanted() {
  if (wanted_.size() < sweep_at_) return;
  std::erase_if(wanted_, [](const Wanted& wanted) {
    const auto producer = wanted.producer.lock();
    const auto data_producer = wanted.data_producer.lock();
    return !(producer && !producer->closed) && !(data_producer && !data_producer->closed);
  });
  sweep_at_ = std::max(kFirstSweep, 2 * wanted_.size());
}

void Subscriber::MakeUpFor(const std::shared_ptr<Consumer>& consumer) {
  if (consumer->closed || consumer->client_paused) return;
  if (!std::exchange(consumer->resume_owed, false)) return;
  taken_.push_back({consumer});
  Pump();
}

bool Subscriber::MayMake(const Participant& peer) const {
  return !wanted_.empty() && MayOffer(peer);
}

bool Subscriber::MayOffer(const Participant& peer) const {
  return !peer.away && unanswered_ < kMaxUnanswered && !peer.link->congested();
}

void Subscriber::Pump() {
  const auto room = room_.lock();
  const auto peer = peer_.lock();
  if (!room || room->closed() || !peer || peer->closed) return;
  OfferAgain(*room, peer);
  const size_t work = taken_.size() + (MayMake(*peer) ? wanted_.size() : 0);
  for (size_t i = 0; i < work && tasks_ < kMaxAtWorker; ++i) {
    ++tasks_;
    room->Start(Work(shared_from_this(), room, peer));
  }
}

/// Goes on as long as there is something to do.
Task<void> Subscriber::Work(std::shared_ptr<Subscriber> self, std::shared_ptr<Room> room,
                            std::shared_ptr<Participant> peer) {
  while (!peer->closed) {
    if (!self->taken_.empty()) {
      Taken taken = std::move(self->taken_.front());
      self->taken_.pop_front();
      co_await Resume(self, room, peer, std::move(taken));
    } else if (self->MayMake(*peer)) {
      Wanted wanted = std::move(self->wanted_.front());
      self->wanted_.pop_front();
      ++self->making_;
      if (wanted.data_producer.lock()) {
        co_await MakeData(self, room, peer, std::move(wanted));
      } else {
        co_await Make(self, room, peer, std::move(wanted));
      }
    } else {
      break;
    }
  }
  --self->tasks_;
}

Task<void> Subscriber::Make(std::shared_ptr<Subscriber> self, std::shared_ptr<Room> room,
                            std::shared_ptr<Participant> peer, Wanted wanted) {
  const UnderWay under_way(self, wanted);
  const std::shared_ptr<Producer> producer = wanted.producer.lock();
  const std::shared_ptr<Transport> transport = ReceiveTransport(*peer);
  Result<std::shared_ptr<Consumer>> made = Error("no transport to receive");
  if (producer && !producer->closed && transport) {
    made = co_await room->Consume(peer, transport, producer, Room::ConsumerRequest{});
  }
  --self->making_;
  if (made.ok() && !peer->closed) {
    self->ready_.push_back(*made);
  } else if (!made.ok() && producer && !producer->closed) {
    OnNotMade(self, room, *peer, producer->id, std::move(wanted), made.status());
  }
  self->OfferReady(*room, peer);
}

Task<void> Subscriber::MakeData(std::shared_ptr<Subscriber> self, std::shared_ptr<Room> room,
                                std::shared_ptr<Participant> peer, Wanted wanted) {
  const UnderWay under_way(self, wanted);
  const std::shared_ptr<DataProducer> producer = wanted.data_producer.lock();
  const std::shared_ptr<Transport> transport = ReceiveTransport(*peer);
  Result<std::shared_ptr<DataConsumer>> made = Error("no transport to receive");
  if (producer && !producer->closed && transport) {
    std::optional<DataConsumerIdentity> identity;
    if (const auto stream = peer->link->ChannelFor(*producer)) {
      identity = DataConsumerIdentity{MakeUuid(), *stream, /*joins=*/true};
    }
    made = co_await room->ConsumeData(peer, transport, producer, std::move(identity));
  }
  --self->making_;
  if (made.ok() && !peer->closed) {
    // Else OnResumed() finds it.
    if (!peer->away) self->OfferData(*room, peer, *made);
  } else if (!made.ok() && producer && !producer->closed) {
    OnNotMade(self, room, *peer, producer->id, std::move(wanted), made.status());
  }
  self->OfferReady(*room, peer);
}

void Subscriber::OnNotMade(const std::shared_ptr<Subscriber>& self,
                           const std::shared_ptr<Room>& room, const Participant& peer,
                           const std::string& what, Wanted wanted, const Status& why) {
  if (room->closed() || peer.closed) return;
  const bool is_news = wanted.retry == kFirstRetry && !absl::IsPermissionDenied(why);
  LogAt(is_news ? LogSeverity::kWarn : LogSeverity::kDebug,
        "room {}: peer {} cannot consume {}: {}", room->id(), peer.id, what, Reason(why));
  if (!MayWorkLater(why)) return;
  auto under_way = std::make_shared<UnderWay>(self, wanted);
  room->Start(WantAgain(self, std::move(wanted), std::move(under_way)));
}

Task<void> Subscriber::WantAgain(std::shared_ptr<Subscriber> self, Wanted wanted,
                                 std::shared_ptr<UnderWay> /*under_way*/) {
  co_await TryAgain(self, &Subscriber::wanted_, std::move(wanted));
}

template <typename Entry>
Task<void> Subscriber::TryAgain(std::shared_ptr<Subscriber> self,
                                std::deque<Entry> Subscriber::*queue, Entry entry) {
  co_await Delay(entry.retry);
  entry.retry = std::min(entry.retry * 2, kMaxRetry);
  ((*self).*queue).push_back(std::move(entry));
  self->Pump();
}

Task<void> Subscriber::Resume(std::shared_ptr<Subscriber> self, std::shared_ptr<Room> room,
                              std::shared_ptr<Participant> peer, Taken taken) {
  const std::shared_ptr<Consumer> consumer = taken.consumer;
  consumer->resume_owed = consumer->client_paused;
  if (consumer->closed) co_return;
  if (consumer->client_paused) {
    room->TellScore(peer, consumer);
    co_return;
  }
  const Status resumed = co_await consumer->remote->Resume();
  if (room->closed() || peer->closed || consumer->closed) co_return;
  if (resumed.ok()) {
    room->TellScore(peer, consumer);
    co_return;
  }
  LogAt(taken.retry == kFirstRetry ? LogSeverity::kWarn : LogSeverity::kDebug,
        "room {}: consumer {} of peer {} cannot be resumed: {}", room->id(), consumer->id, peer->id,
        Reason(resumed));
  if (MayWorkLater(resumed)) {
    room->Start(TryAgain(self, &Subscriber::taken_, std::move(taken)));
  }
}

void Subscriber::OfferReady(Room& room, const std::shared_ptr<Participant>& peer) {
  std::erase_if(ready_, [](const auto& consumer) { return consumer->closed; });
  if (ready_.empty() || room.closed() || peer->closed || peer->away) return;
  if (peer->link->policy() == SubscriptionPolicy::kBatched) {
    const bool more_to_come = making_ > 0 || !wanted_.empty();
    if (unanswered_ > 0 || more_to_come) return;
  }
  Offer(room, peer, std::exchange(ready_, {}));
}

void Subscriber::Offer(Room& room, const std::shared_ptr<Participant>& peer,
                       const std::vector<std::shared_ptr<Consumer>>& consumers) {
  ++unanswered_;
  for (const auto& consumer : consumers) consumer->unanswered = true;
  peer->link->Offer(consumers, [weak = weak_from_this(), connection = connection_,
                                consumers](const Status& taken) {
    if (const auto self = weak.lock()) self->OnAnswer(connection, consumers, taken);
  });
  for (const auto& consumer : consumers) room.Deliver(peer, consumer);
}

void Subscriber::OfferData(Room& room, const std::shared_ptr<Participant>& peer,
                           const std::shared_ptr<DataConsumer>& consumer) {
  ++unanswered_;
  peer->link->OfferData(
      consumer, [weak = weak_from_this(), connection = connection_, consumer](const Status& taken) {
        if (const auto self = weak.lock()) self->OnDataAnswer(connection, consumer, taken);
      });
  room.DeliverData(peer, consumer);
}

void Subscriber::OnResumed(const KnownObjects& known) {
  const auto room = room_.lock();
  const auto peer = peer_.lock();
  if (!room || room->closed() || !peer || peer->closed) return;
  // Answers over the lost connection do not come any more.
  ++connection_;
  unanswered_ = 0;
  ready_.clear();
  again_.clear();
  const bool batched = peer->link->policy() == SubscriptionPolicy::kBatched;
  const auto has = [](const KnownObjects::Ids& ids, const std::string& id, bool taken) {
    return ids ? ids->contains(id) : taken;
  };
  for (const auto& [id, consumer] : peer->consumers) {
    const bool is_known = has(known.consumers, consumer->id, consumer->taken);
    if (is_known && !consumer->taken) taken_.push_back({consumer});
    consumer->taken = is_known;
    consumer->unanswered = !is_known;
    if (is_known) continue;
    if (batched) {
      ready_.push_back(consumer);
    } else {
      again_.push_back({consumer, nullptr});
    }
  }
  for (const auto& [id, consumer] : peer->data_consumers) {
    consumer->taken = has(known.data_consumers, id, consumer->taken);
    if (!consumer->taken) again_.push_back({nullptr, consumer});
  }
  OfferReady(*room, peer);
  Pump();
}

void Subscriber::OfferAgain(Room& room, const std::shared_ptr<Participant>& peer) {
  while (!again_.empty() && MayOffer(*peer)) {
    const Again again = std::move(again_.front());
    again_.pop_front();
    if (again.consumer && !again.consumer->closed) Offer(room, peer, {again.consumer});
    if (again.data_consumer && !again.data_consumer->closed) {
      OfferData(room, peer, again.data_consumer);
    }
  }
}

void Subscriber::OnAnswer(uint64_t connection,
                          const std::vector<std::shared_ptr<Consumer>>& consumers,
                          const Status& taken) {
  if (connection != connection_) return;
  --unanswered_;
  const auto room = room_.lock();
  const auto peer = peer_.lock();
  if (!room || room->closed() || !peer || peer->closed) return;
  for (const auto& consumer : consumers) {
    if (consumer->closed) continue;
    consumer->unanswered = false;
    if (taken.ok()) {
      consumer->taken = true;
      taken_.push_back({consumer});
      continue;
    }
    LogInfo("room {}: peer {} does not take consumer {}: {}", room->id(), peer->id, consumer->id,
            Reason(taken));
    room->DropConsumer(*peer, consumer);
  }
  OfferReady(*room, peer);
  Pump();
}

void Subscriber::OnDataAnswer(uint64_t connection, const std::shared_ptr<DataConsumer>& consumer,
                              const Status& taken) {
  if (connection != connection_) return;
  --unanswered_;
  const auto room = room_.lock();
  const auto peer = peer_.lock();
  if (!room || room->closed() || !peer || peer->closed) return;
  consumer->taken = taken.ok();
  if (!consumer->closed && taken.ok()) room->TellConsumed(*peer, *consumer);
  if (!consumer->closed && !taken.ok()) {
    LogInfo("room {}: peer {} does not take data consumer {}: {}", room->id(), peer->id,
            consumer->id, Reason(taken));
    room->DropDataConsumer(*peer, consumer);
  }
  OfferReady(*room, peer);
  Pump();
}

}  // namespace sluice::controller
