#include "controller/room/subscriber.h"

#include <algorithm>
#include <utility>

#include "controller/base/delay.h"
#include "controller/base/log.h"
#include "controller/base/logging.h"
#include "controller/room/room.h"

namespace sluice::controller {

namespace {

/// Whether asking again can help: not when the parameters do not fit.
bool MayWorkLater(const Status& status) {
  return status.code() != absl::StatusCode::kInvalidArgument &&
         status.code() != absl::StatusCode::kUnimplemented;
}

}  // namespace

void Subscriber::Want(const std::shared_ptr<Producer>& producer) {
  wanted_.push_back({producer, {}});
  Pump();
}

void Subscriber::Want(const std::shared_ptr<DataProducer>& producer) {
  wanted_.push_back({{}, producer});
  Pump();
}

void Subscriber::MakeUpFor(const std::shared_ptr<Consumer>& consumer) {
  if (consumer->closed || consumer->client_paused) return;
  if (!std::exchange(consumer->resume_owed, false)) return;
  taken_.push_back({consumer});
  Pump();
}

bool Subscriber::MayMake(const Participant& peer) const {
  return !wanted_.empty() && unanswered_ < kMaxUnanswered && !peer.link->congested();
}

void Subscriber::Pump() {
  const auto room = room_.lock();
  const auto peer = peer_.lock();
  if (!room || room->closed() || !peer || peer->closed) return;
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
  const std::shared_ptr<DataProducer> producer = wanted.data_producer.lock();
  const std::shared_ptr<Transport> transport = ReceiveTransport(*peer);
  Result<std::shared_ptr<DataConsumer>> made = Error("no transport to receive");
  if (producer && !producer->closed && transport) {
    made = co_await room->ConsumeData(peer, transport, producer);
  }
  --self->making_;
  if (made.ok() && !peer->closed) {
    ++self->unanswered_;
    const std::shared_ptr<DataConsumer> consumer = *made;
    peer->link->OfferData(consumer, [weak = std::weak_ptr(self), consumer](const Status& taken) {
      if (const auto subscriber = weak.lock()) subscriber->OnDataAnswer(consumer, taken);
    });
    room->DeliverData(peer, consumer);
  } else if (!made.ok() && producer && !producer->closed) {
    OnNotMade(self, room, *peer, producer->id, std::move(wanted), made.status());
  }
  self->OfferReady(*room, peer);
}

void Subscriber::OnNotMade(const std::shared_ptr<Subscriber>& self,
                           const std::shared_ptr<Room>& room, const Participant& peer,
                           const std::string& what, Wanted wanted, const Status& why) {
  if (room->closed() || peer.closed) return;
  LogAt(wanted.retry == kFirstRetry ? LogSeverity::kWarn : LogSeverity::kDebug,
        "room {}: peer {} cannot consume {}: {}", room->id(), peer.id, what, Reason(why));
  if (MayWorkLater(why)) {
    room->Start(TryAgain(self, &Subscriber::wanted_, std::move(wanted)));
  }
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
  if (consumer->closed || consumer->client_paused) co_return;
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
  if (ready_.empty() || room.closed() || peer->closed) return;
  if (peer->link->policy() == SubscriptionPolicy::kBatched) {
    const bool more_to_come = making_ > 0 || !wanted_.empty();
    if (unanswered_ > 0 || more_to_come) return;
  }
  ++unanswered_;
  const std::vector<std::shared_ptr<Consumer>> consumers = std::exchange(ready_, {});
  peer->link->Offer(consumers, [weak = weak_from_this(), consumers](const Status& taken) {
    if (const auto self = weak.lock()) self->OnAnswer(consumers, taken);
  });
  for (const auto& consumer : consumers) room.Deliver(peer, consumer);
}

void Subscriber::OnAnswer(const std::vector<std::shared_ptr<Consumer>>& consumers,
                          const Status& taken) {
  --unanswered_;
  const auto room = room_.lock();
  const auto peer = peer_.lock();
  if (!room || room->closed() || !peer || peer->closed) return;
  for (const auto& consumer : consumers) {
    if (consumer->closed) continue;
    if (taken.ok()) {
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

void Subscriber::OnDataAnswer(const std::shared_ptr<DataConsumer>& consumer, const Status& taken) {
  --unanswered_;
  const auto room = room_.lock();
  const auto peer = peer_.lock();
  if (!room || room->closed() || !peer || peer->closed) return;
  if (!consumer->closed && !taken.ok()) {
    LogInfo("room {}: peer {} does not take data consumer {}: {}", room->id(), peer->id,
            consumer->id, Reason(taken));
    room->DropDataConsumer(*peer, consumer);
  }
  OfferReady(*room, peer);
  Pump();
}

}  // namespace sluice::controller
