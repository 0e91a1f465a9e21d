#include "controller/room/subscriber.h"

#include <algorithm>
#include <utility>

#include "controller/ops/log.h"
#include "controller/ops/logging.h"
#include "controller/room/room.h"
#include "controller/worker/delay.h"

namespace sluice::controller {

namespace {

/// Whether asking again can help: not when the parameters do not fit.
bool MayWorkLater(const Status& status) {
  return status.code() != absl::StatusCode::kInvalidArgument &&
         status.code() != absl::StatusCode::kUnimplemented;
}

}  // namespace

void Subscriber::Want(const std::shared_ptr<Producer>& producer) {
  wanted_.push_back({producer});
  Pump();
}

void Subscriber::Pump() {
  const auto room = room_.lock();
  const auto peer = peer_.lock();
  if (!room || !peer) return;
  while (!wanted_.empty() && making_ < kMaxMaking && unanswered_ < kMaxUnanswered) {
    Wanted wanted = std::move(wanted_.front());
    wanted_.pop_front();
    const auto producer = wanted.producer.lock();
    if (!producer || producer->closed) continue;
    ++making_;
    room->Start(Make(shared_from_this(), room, peer, std::move(wanted)));
  }
}

Task<void> Subscriber::Make(std::shared_ptr<Subscriber> self, std::shared_ptr<Room> room,
                            std::shared_ptr<Participant> peer, Wanted wanted) {
  const std::shared_ptr<Producer> producer = wanted.producer.lock();
  const std::shared_ptr<Transport> transport = ReceiveTransport(*peer);
  Result<std::shared_ptr<Consumer>> made = Error("no transport to receive");
  if (producer && transport) {
    made = co_await room->Consume(peer, transport, producer, Room::ConsumerRequest{});
  }
  --self->making_;
  if (made.ok() && !peer->closed) {
    self->ready_.push_back(*made);
  } else if (!room->closed() && !peer->closed && producer && !producer->closed) {
    LogAt(wanted.retry == kFirstRetry ? LogSeverity::kWarn : LogSeverity::kDebug,
          "room {}: peer {} cannot consume {}: {}", room->id(), peer->id, producer->id,
          Reason(made.status()));
    if (MayWorkLater(made.status())) room->Start(TryAgain(self, std::move(wanted)));
  }
  self->Pump();
  self->OfferReady();
}

Task<void> Subscriber::TryAgain(std::shared_ptr<Subscriber> self, Wanted wanted) {
  co_await Delay(wanted.retry);
  wanted.retry = std::min(wanted.retry * 2, kMaxRetry);
  self->wanted_.push_back(std::move(wanted));
  self->Pump();
}

void Subscriber::OfferReady() {
  const auto room = room_.lock();
  const auto peer = peer_.lock();
  if (!room || !peer || ready_.empty()) return;
  if (peer->link->policy() == SubscriptionPolicy::kBatched) {
    const bool more_to_come = making_ > 0 || !wanted_.empty();
    if (unanswered_ > 0 || more_to_come) return;
  }
  ++unanswered_;
  std::vector<std::shared_ptr<Consumer>> consumers = std::exchange(ready_, {});
  room->Start(Offer(shared_from_this(), room, peer, std::move(consumers)));
}

Task<void> Subscriber::Offer(std::shared_ptr<Subscriber> self, std::shared_ptr<Room> room,
                             std::shared_ptr<Participant> peer,
                             std::vector<std::shared_ptr<Consumer>> consumers) {
  std::erase_if(consumers, [](const auto& consumer) { return consumer->closed; });
  if (!consumers.empty() && !peer->closed) {
    const Promise<Status> answer(room->executor());
    peer->link->Offer(consumers, answer);
    for (const auto& consumer : consumers) room->Deliver(peer, consumer);
    const Status taken = co_await answer.Wait();
    for (const auto& consumer : consumers) {
      if (room->closed() || peer->closed) break;
      if (consumer->closed) continue;
      if (!taken.ok()) {
        LogInfo("room {}: peer {} does not take consumer {}: {}", room->id(), peer->id,
                consumer->id, Reason(taken));
        room->DropConsumer(*peer, consumer);
        continue;
      }
      const Status resumed = co_await consumer->remote->Resume();
      if (resumed.ok() && !peer->closed && !consumer->closed) room->TellScore(peer, consumer);
    }
  }
  --self->unanswered_;
  self->OfferReady();
  self->Pump();
}

}  // namespace sluice::controller
