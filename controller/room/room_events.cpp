// What the worker reports of a room's objects, turned into events for those who care.

#include <chrono>
#include <utility>
#include <variant>

#include "controller/base/delay.h"
#include "controller/base/log.h"
#include "controller/room/room.h"

namespace sluice::controller {

using Clock = std::chrono::steady_clock;

void Room::TellJoined(RoomEvent event, const Participant* except) const {
  const RoomMessage message(std::move(event));
  for (const auto& peer : peers_) {
    if (peer->joined && peer.get() != except) peer->link->OnEvent(message);
  }
}

template <typename T, typename Object, typename ToEvent>
void Room::TellSoftly(const std::shared_ptr<Participant>& owner,
                      const std::shared_ptr<Object>& object, SoftValue<T>* soft, T value,
                      ToEvent to_event) {
  using Then = typename SoftValue<T>::Then;
  if (owner->is_broadcaster() || owner->closed) return;
  switch (soft->Set(value, Clock::now())) {
    case Then::kNothing:
      break;
    case Then::kTell:
      owner->link->OnEvent(RoomMessage(to_event(*object, std::move(value))));
      break;
    case Then::kLater:
      TellLater(soft->due(), [weak_owner = std::weak_ptr(owner),
                              weak_object = std::weak_ptr(object), soft, to_event] {
        const auto participant = weak_owner.lock();
        const auto subject = weak_object.lock();  // what `soft` is part of
        if (!participant || participant->closed || !subject || subject->closed) return;
        if (std::optional<T> due = soft->TakeDue(Clock::now())) {
          participant->link->OnEvent(RoomMessage(to_event(*subject, *std::move(due))));
        }
      });
  }
}

void Room::TellLater(Clock::time_point due, std::function<void()> tell) {
  later_.emplace(due, std::move(tell));
  if (!std::exchange(later_runs_, true)) Start(RunLater(shared_from_this()));
}

Task<void> Room::RunLater(std::shared_ptr<Room> self) {
  while (!self->later_.empty()) {
    const auto first = self->later_.begin();
    if (const auto left = first->first - Clock::now(); left > Clock::duration::zero()) {
      co_await Delay(std::chrono::ceil<std::chrono::milliseconds>(left));
      continue;
    }
    const std::function<void()> tell = std::move(first->second);
    self->later_.erase(first);
    tell();
  }
  self->later_runs_ = false;
}

void Room::OnTransportEvent(const std::shared_ptr<Participant>& owner,
                            const std::shared_ptr<Transport>& transport, const WorkerEvent& event) {
  if (owner->closed) return;
  bool lost = false;
  bool left = false;  // its client has closed it, as browsers do at the end of a call
  if (const auto* ice = std::get_if<IceStateChanged>(&event)) {
    transport->lost = ice->state == IceState::kDisconnected;
    transport->reached = transport->reached || !transport->lost;
    if (transport->lost) ++transport->losses;
    if (transport->lost && !owner->resume_token.empty()) {
      LogInfo("room {}: peer {} lost its transport {}, it is awaited", id_, owner->id,
              transport->id);
      if (!owner->away) {
        Start(AwaitTransport(shared_from_this(), owner, transport, owner->absences,
                             transport->losses));
      }
    } else {
      lost = transport->lost;
    }
  } else if (const auto* dtls = std::get_if<DtlsStateChanged>(&event)) {
    transport->connected = dtls->state == DtlsState::kConnected;
    transport->was_connected = transport->was_connected || transport->connected;
    left = dtls->state == DtlsState::kClosed;
    lost = left || dtls->state == DtlsState::kFailed;
  } else if (const auto* bandwidth = std::get_if<BandwidthEstimate>(&event)) {
    TellSoftly(owner, transport, &transport->downlink, *bandwidth,
               [](const Transport&, BandwidthEstimate estimate) {
                 return RoomEvent(DownlinkEstimated{estimate});
               });
  } else if (const auto* opened = std::get_if<DataChannelOpened>(&event)) {
    OnChannelOpened(owner, transport, *opened);
  } else if (const auto* closed = std::get_if<DataChannelClosed>(&event)) {
    OnChannelClosed(*owner, closed->data_producer_id);
  } else if (const auto* peer = std::get_if<PlainPeerMoved>(&event)) {
    CheckDestination(*owner, transport, *peer);
  } else if (const auto* receiver = std::get_if<PlainReceiverChanged>(&event)) {
    transport->receiver_listens = receiver->listens;
    LogInfo("room {}: {} at transport {} of {}", id_,
            receiver->listens ? "somebody listens again" : "nobody listens, media stops",
            transport->id, owner->id);
  }
  if (!lost || transport->closed) return;
  if (transport->ends_alone) {
    LogInfo("room {}: {} lost its transport {}, it stays", id_, owner->id, transport->id);
    CloseTransport(*owner, transport);
    owner->link->OnEvent(RoomMessage(TransportEnded{transport->id}));
    return;
  }
  LogInfo("room {}: {} {} {} transport {}", id_, owner->is_broadcaster() ? "broadcaster" : "peer",
          owner->id, left ? "closed its" : "does not answer any more at its", transport->id);
  if (owner->is_broadcaster()) {
    Start(EndBroadcaster(shared_from_this(), owner));
  } else {
    Leave(owner);
  }
}

Task<void> Room::EndBroadcaster(std::shared_ptr<Room> self,
                                std::shared_ptr<Participant> broadcaster) {
  if (broadcaster->closed) co_return;
  ++self->settings_.counters->lost_broadcasters;
  co_await self->DeleteBroadcaster(std::move(broadcaster));
}

void Room::CheckDestination(Participant& owner, const std::shared_ptr<Transport>& transport,
                            const PlainPeerMoved& peer) {
  if (transport->closed || !settings_.own_ports->Has(peer.ip, peer.port)) return;
  LogWarn("room {}: transport {} of {} is closed: it would send to {} port {}, which is ours", id_,
          transport->id, owner.id, peer.ip, peer.port);
  ++settings_.counters->own_ports;
  CloseTransport(owner, transport);
}

void Room::OnProducerEvent(const std::shared_ptr<Participant>& owner,
                           const std::shared_ptr<Producer>& producer, const WorkerEvent& event) {
  if (const auto* wanted = std::get_if<WantedLayersChanged>(&event)) {
    if (owner->is_broadcaster() || owner->closed) return;
    owner->link->OnEvent(RoomMessage(LayersWanted{producer->id, wanted->encodings}));
    return;
  }
  const auto* changed = std::get_if<ProducerScoreChanged>(&event);
  if (!changed) return;
  TellSoftly(owner, producer, &producer->scores, changed->scores,
             [](const Producer& subject, std::vector<ProducerStreamScore> scores) {
               return RoomEvent(ProducerScored{subject.id, std::move(scores)});
             });
}

void Room::OnConsumerEvent(const std::shared_ptr<Participant>& owner,
                           const std::shared_ptr<Consumer>& consumer, const WorkerEvent& event) {
  if (const auto* scored = std::get_if<ConsumerScoreChanged>(&event)) {
    consumer->score = scored->score;
    // Of what they do not know yet applications forget it: they are told when they have answered.
    if (!consumer->unanswered) TellScore(owner, consumer);
    return;
  }
  const bool tell = !owner->is_broadcaster() && !owner->closed;
  if (std::holds_alternative<ConsumerProducerClosed>(event)) {
    consumer->remote->Forget();
    consumer->closed = true;
    if (const auto transport = consumer->transport.lock()) {
      transport->consumed.erase(consumer->producer->id);
    }
    owner->consumers.erase(consumer->id);
    if (tell) owner->link->OnEvent(RoomMessage(ConsumerEnded{consumer->id}));
  } else if (std::holds_alternative<ConsumerProducerPaused>(event)) {
    consumer->producer_paused = true;
    if (tell) owner->link->OnEvent(RoomMessage(ConsumerPaused{consumer->id}));
  } else if (std::holds_alternative<ConsumerProducerResumed>(event)) {
    consumer->producer_paused = false;
    if (tell) owner->link->OnEvent(RoomMessage(ConsumerResumed{consumer->id}));
  } else if (const auto* moved = std::get_if<ConsumerLayersChanged>(&event)) {
    TellSoftly(owner, consumer, &consumer->layers, moved->layers,
               [](const Consumer& subject, std::optional<ConsumerLayers> layers) {
                 return RoomEvent(ConsumerLayersMoved{subject.id, layers});
               });
  }
}

void Room::TellScore(const std::shared_ptr<Participant>& owner,
                     const std::shared_ptr<Consumer>& consumer) {
  TellSoftly(owner, consumer, &consumer->told_score, consumer->score,
             [](const Consumer& subject, ConsumerScore score) {
               return RoomEvent(ConsumerScored{subject.id, std::move(score)});
             });
}

void Room::OnVolumes(const AudioVolumes& volumes) {
  if (volumes.entries.empty()) {
    TellJoined(ActiveSpeaker{}, nullptr);
    return;
  }
  const AudioVolumes::Entry& loudest = volumes.entries.front();
  const std::shared_ptr<Producer> producer = FindProducer(loudest.producer_id);
  if (!producer) return;
  TellJoined(ActiveSpeaker{producer->owner_id, loudest.volume}, nullptr);
}

}  // namespace sluice::controller
