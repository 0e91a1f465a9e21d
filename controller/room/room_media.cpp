// The media half of Room: transports, producers, consumers and their fan-out.

#include <spdlog/spdlog.h>

#include <boost/json/array.hpp>
#include <utility>

#include "controller/ops/logging.h"
#include "controller/ortc/ortc.h"
#include "controller/room/random.h"
#include "controller/room/room.h"
#include "controller/room/shapes.h"

namespace sluice::controller {

namespace json = boost::json;

namespace {

constexpr size_t kCnameLength = 8;

/// Counts an operation in flight for as long as it lives.
class InFlight {
 public:
  explicit InFlight(size_t* count) : count_(count) { ++*count_; }
  ~InFlight() { --*count_; }
  InFlight(const InFlight&) = delete;
  InFlight& operator=(const InFlight&) = delete;

 private:
  size_t* count_;
};

json::value LayerOrNull(const std::optional<uint8_t>& layer) {
  if (!layer) return nullptr;
  return *layer;
}

/// The CNAME of a new producer: that of its transport, which its first producer decides. One that
/// brings none gets its owner's, so that audio and video sent over transports of their own still
/// share a clock (RFC 3550 §6.5.1) and receivers play them in sync.
std::string CnameFor(Participant& owner, Transport& transport, const std::string& brought) {
  if (transport.cname.empty()) {
    if (owner.cname.empty()) owner.cname = brought.empty() ? RandomText(kCnameLength) : brought;
    transport.cname = brought.empty() ? owner.cname : brought;
  }
  return transport.cname;
}

Status TooMany(const char* what, size_t limit) {
  return Error(std::string("too many ") + what + ": one peer may have " + std::to_string(limit));
}

}  // namespace

// ---- Transports

Task<Result<WebRtcTransportInfo>> Room::CreateWebRtcTransport(std::shared_ptr<Participant> owner,
                                                              TransportRequest request) {
  const auto self = shared_from_this();
  if (Status alive = CheckAlive(*owner); !alive.ok()) co_return alive;
  if (owner->transports.size() + owner->pending_transports >= kMaxTransports) {
    co_return TooMany("transports", kMaxTransports);
  }
  const InFlight in_flight(&owner->pending_transports);

  auto transport = std::make_shared<Transport>();
  transport->id = MakeUuid();
  transport->producing = request.producing;
  transport->consuming = request.consuming;
  RegisterTransport(owner, transport);

  WebRtcTransportOptions options;
  options.webrtc_server_id = worker_->webrtc_server_id();
  for (const ListenAddress& listen : settings_.webrtc_listen) {
    if (request.force_tcp && listen.protocol == TransportProtocol::kUdp) continue;
    options.listen.push_back(listen);
  }
  options.enable_udp = !request.force_tcp;
  options.initial_outgoing_bitrate = settings_.initial_outgoing_bitrate;
  Result<WebRtcTransportInfo> info =
      co_await worker_->CreateWebRtcTransport(router_id_, transport->id, std::move(options));
  if (!info.ok()) {
    worker_->Unsubscribe(transport->id);
    co_return info;
  }
  if (Status alive = CheckAlive(*owner); !alive.ok()) {
    worker_->Unsubscribe(transport->id);
    if (!closed_) Start(CloseTransports({transport->id}));
    co_return alive;
  }
  owner->transports[transport->id] = transport;
  if (settings_.max_incoming_bitrate > 0) {
    Spawn(executor_,
          LogFailure(worker_,
                     worker_->SetMaxIncomingBitrate(transport->id, settings_.max_incoming_bitrate),
                     "limiting a transport's incoming bitrate"));
  }
  if (request.consuming) {
    Spawn(executor_, LogFailure(worker_, worker_->EnableBandwidthTrace(transport->id),
                                "asking for a transport's bandwidth estimates"));
  }
  co_return info;
}

Task<Result<PlainTransportInfo>> Room::CreatePlainTransport(std::shared_ptr<Participant> owner,
                                                            bool rtcp_mux, bool comedia) {
  const auto self = shared_from_this();
  if (Status alive = CheckAlive(*owner); !alive.ok()) co_return alive;
  if (owner->transports.size() + owner->pending_transports >= kMaxTransports) {
    co_return TooMany("transports", kMaxTransports);
  }
  const InFlight in_flight(&owner->pending_transports);

  auto transport = std::make_shared<Transport>();
  transport->id = MakeUuid();
  transport->plain = true;
  PlainTransportOptions options{settings_.plain_listen, rtcp_mux, comedia};
  Result<PlainTransportInfo> info =
      co_await worker_->CreatePlainTransport(router_id_, transport->id, std::move(options));
  if (!info.ok()) co_return info;
  if (Status alive = CheckAlive(*owner); !alive.ok()) {
    if (!closed_) Start(CloseTransports({transport->id}));
    co_return alive;
  }
  owner->transports[transport->id] = transport;
  co_return info;
}

void Room::RegisterTransport(const std::shared_ptr<Participant>& owner,
                             const std::shared_ptr<Transport>& transport) {
  worker_->Subscribe(transport->id, [weak = weak_from_this(), weak_owner = std::weak_ptr(owner),
                                     transport](const WorkerEvent& event) {
    const auto room = weak.lock();
    const auto participant = weak_owner.lock();
    if (room && participant) room->OnTransportEvent(participant, *transport, event);
  });
}

void Room::OnTransportEvent(const std::shared_ptr<Participant>& owner, const Transport& transport,
                            const WorkerEvent& event) {
  if (!owner->link || owner->closed) return;
  bool lost = false;
  if (const auto* ice = std::get_if<IceStateChanged>(&event)) {
    lost = ice->state == IceState::kDisconnected;
  } else if (const auto* dtls = std::get_if<DtlsStateChanged>(&event)) {
    lost = dtls->state == DtlsState::kFailed || dtls->state == DtlsState::kClosed;
  } else if (const auto* bandwidth = std::get_if<BandwidthEstimate>(&event)) {
    owner->link->Notify("downlinkBwe", {{"desiredBitrate", bandwidth->desired},
                                        {"effectiveDesiredBitrate", bandwidth->effective_desired},
                                        {"availableBitrate", bandwidth->available}});
  }
  if (lost) {
    spdlog::info("room {}: peer {} lost its transport {}", id_, owner->id, transport.id);
    Leave(owner);
  }
}

Task<Status> Room::ConnectTransport(std::shared_ptr<Transport> transport, DtlsParameters remote) {
  if (closed_ || transport->closed) co_return Error("transport closed");
  co_return co_await worker_->ConnectWebRtcTransport(transport->id, std::move(remote));
}

Task<Result<IceParameters>> Room::RestartIce(std::shared_ptr<Transport> transport) {
  if (closed_ || transport->closed) co_return Error("transport closed");
  co_return co_await worker_->RestartIce(transport->id);
}

// ---- Producers

Task<Result<std::shared_ptr<Producer>>> Room::Produce(std::shared_ptr<Participant> owner,
                                                      std::shared_ptr<Transport> transport,
                                                      MediaKind kind, RtpParameters parameters,
                                                      json::object app_data) {
  const auto self = shared_from_this();
  if (Status alive = CheckAlive(*owner); !alive.ok()) co_return alive;
  if (owner->producers.size() + owner->pending_producers >= kMaxProducers) {
    co_return TooMany("producers", kMaxProducers);
  }
  const InFlight in_flight(&owner->pending_producers);

  parameters.rtcp.cname = CnameFor(*owner, *transport, parameters.rtcp.cname);
  Result<RtpMapping> mapping = GetProducerRtpMapping(parameters, capabilities_, RandomSsrcBase());
  if (!mapping.ok()) co_return mapping.status();

  auto producer = std::make_shared<Producer>();
  producer->id = MakeUuid();
  producer->owner_id = owner->id;
  producer->transport_id = transport->id;
  producer->kind = kind;
  producer->app_data = std::move(app_data);
  producer->consumable = GetConsumableRtpParameters(kind, parameters, capabilities_, *mapping);

  worker_->Subscribe(producer->id, [weak_owner = std::weak_ptr(owner),
                                    id = producer->id](const WorkerEvent& event) {
    const auto participant = weak_owner.lock();
    const auto* changed = std::get_if<ProducerScoreChanged>(&event);
    if (!participant || !participant->link || !changed) return;
    json::array scores;
    for (const ProducerStreamScore& stream : changed->scores) {
      json::object entry{
          {"encodingIdx", stream.encoding_index}, {"ssrc", stream.ssrc}, {"score", stream.score}};
      if (!stream.rid.empty()) entry["rid"] = stream.rid;
      scores.push_back(std::move(entry));
    }
    participant->link->Notify("producerScore", {{"producerId", id}, {"score", std::move(scores)}});
  });
  const Result<RtpType> type = co_await worker_->Produce(
      transport->id, producer->id, kind, std::move(parameters), *std::move(mapping));
  if (!type.ok()) {
    worker_->Unsubscribe(producer->id);
    co_return type.status();
  }
  if (Status alive = CheckAlive(*owner); !alive.ok()) {
    worker_->Unsubscribe(producer->id);  // its transport is being closed and takes it along
    co_return alive;
  }
  producer->type = *type;
  owner->producers[producer->id] = producer;
  producers_[producer->id] = producer;
  if (kind == MediaKind::kAudio && !observer_id_.empty()) {
    Spawn(executor_, LogFailure(worker_, worker_->AddToObserver(observer_id_, producer->id),
                                "observing an audio producer"));
  }
  co_return producer;
}

void Room::AnnounceProducer(const std::shared_ptr<Participant>& owner,
                            const std::shared_ptr<Producer>& producer) {
  if (closed_ || producer->closed) return;
  for (const auto& peer : peers_) {
    if (peer->joined && peer != owner) StartConsumers(peer, producer);
  }
}

std::shared_ptr<Producer> Room::FindProducer(const std::string& producer_id) const {
  const auto it = producers_.find(producer_id);
  return it == producers_.end() ? nullptr : it->second;
}

Task<Status> Room::CloseProducer(std::shared_ptr<Participant> owner,
                                 std::shared_ptr<Producer> producer) {
  const auto self = shared_from_this();
  producer->closed = true;
  owner->producers.erase(producer->id);
  producers_.erase(producer->id);
  worker_->Unsubscribe(producer->id);
  co_return co_await worker_->CloseProducer(producer->transport_id, producer->id);
}

Task<Status> Room::PauseProducer(std::shared_ptr<Producer> producer) {
  const Status paused = co_await worker_->PauseProducer(producer->id);
  if (paused.ok()) producer->paused = true;
  co_return paused;
}

Task<Status> Room::ResumeProducer(std::shared_ptr<Producer> producer) {
  const Status resumed = co_await worker_->ResumeProducer(producer->id);
  if (resumed.ok()) producer->paused = false;
  co_return resumed;
}

// ---- Consumers

void Room::StartConsumers(const std::shared_ptr<Participant>& peer,
                          const std::shared_ptr<Producer>& producer) {
  if (!peer->capabilities || !CanConsume(producer->consumable, *peer->capabilities)) return;
  std::shared_ptr<Transport> transport;
  for (const auto& [id, candidate] : peer->transports) {
    if (candidate->consuming) transport = candidate;
  }
  if (!transport) return;
  for (int copy = 0; copy <= consumer_replicas_; ++copy) {
    Start(OfferConsumer(peer, transport, producer));
  }
}

Task<Result<std::shared_ptr<Consumer>>> Room::Consume(std::shared_ptr<Participant> owner,
                                                      std::shared_ptr<Transport> transport,
                                                      std::shared_ptr<Producer> producer,
                                                      ConsumerRequest request) {
  const auto self = shared_from_this();
  if (Status alive = CheckAlive(*owner); !alive.ok()) co_return alive;
  if (!owner->capabilities) co_return Error("no rtpCapabilities were given");
  Result<RtpParameters> parameters =
      GetConsumerRtpParameters(producer->consumable, *owner->capabilities, /*pipe=*/false,
                               request.enable_rtx, RandomSsrcBase());
  if (!parameters.ok()) co_return parameters.status();
  parameters->mid = std::to_string(transport->next_mid++);

  auto consumer = std::make_shared<Consumer>();
  consumer->id = MakeUuid();
  consumer->transport_id = transport->id;
  consumer->producer = producer;
  consumer->parameters = *parameters;
  worker_->Subscribe(consumer->id, [weak = weak_from_this(), weak_owner = std::weak_ptr(owner),
                                    consumer](const WorkerEvent& event) {
    const auto room = weak.lock();
    const auto participant = weak_owner.lock();
    if (room && participant) room->OnConsumerEvent(participant, consumer, event);
  });

  ConsumeOptions options;
  options.consumer_id = consumer->id;
  options.producer_id = producer->id;
  options.kind = producer->kind;
  options.parameters = *std::move(parameters);
  options.type = producer->type;
  options.consumable_encodings = producer->consumable.encodings;
  options.paused = request.paused;
  options.ignore_dtx = request.ignore_dtx;
  const Result<ConsumeResult> made = co_await worker_->Consume(transport->id, std::move(options));
  if (!made.ok()) {
    worker_->Unsubscribe(consumer->id);
    co_return made.status();
  }
  if (Status alive = CheckAlive(*owner); !alive.ok()) {
    worker_->Unsubscribe(consumer->id);  // goes with its transport
    co_return alive;
  }
  if (consumer->closed)
    co_return NotFoundError("Producer with id \"" + producer->id + "\" not found");
  consumer->score = made->score;
  owner->consumers[consumer->id] = consumer;
  co_return consumer;
}

Task<void> Room::OfferConsumer(std::shared_ptr<Participant> peer,
                               std::shared_ptr<Transport> transport,
                               std::shared_ptr<Producer> producer) {
  const auto self = shared_from_this();
  if (closed_ || peer->closed || producer->closed) co_return;
  Result<std::shared_ptr<Consumer>> made =
      co_await Consume(peer, transport, producer, ConsumerRequest{});
  if (!made.ok()) {
    if (worker_->alive() && !peer->closed && !producer->closed) {
      spdlog::warn("room {}: peer {} cannot consume {}: {}", id_, peer->id, producer->id,
                   Reason(made.status()));
    }
    co_return;
  }
  const std::shared_ptr<Consumer> consumer = *made;
  consumer->announced = true;
  json::object offer = NewConsumerData(*consumer);
  const std::shared_ptr<PeerLink> link = peer->link;
  const Result<json::value> answer = co_await link->Request("newConsumer", std::move(offer));
  if (closed_ || peer->closed || consumer->closed) co_return;
  if (!answer.ok()) {
    spdlog::info("room {}: peer {} does not take consumer {}: {}", id_, peer->id, consumer->id,
                 Reason(answer.status()));
    ForgetConsumer(peer, consumer);
    Spawn(executor_, LogFailure(worker_, worker_->CloseConsumer(transport->id, consumer->id),
                                "closing a refused consumer"));
    co_return;
  }
  const Status resumed = co_await worker_->ResumeConsumer(consumer->id);
  if (!resumed.ok() || closed_ || peer->closed || consumer->closed) co_return;
  link->Notify("consumerScore", {{"consumerId", consumer->id}, {"score", ToJson(consumer->score)}});
}

void Room::ForgetConsumer(const std::shared_ptr<Participant>& owner,
                          const std::shared_ptr<Consumer>& consumer) {
  consumer->closed = true;
  owner->consumers.erase(consumer->id);
  worker_->Unsubscribe(consumer->id);
}

void Room::OnConsumerEvent(const std::shared_ptr<Participant>& owner,
                           const std::shared_ptr<Consumer>& consumer, const WorkerEvent& event) {
  const bool tell = owner->link && consumer->announced && !owner->closed;
  const json::object subject{{"consumerId", consumer->id}};
  if (std::holds_alternative<ConsumerProducerClosed>(event)) {
    ForgetConsumer(owner, consumer);
    if (tell) owner->link->Notify("consumerClosed", subject);
  } else if (std::holds_alternative<ConsumerProducerPaused>(event)) {
    if (tell) owner->link->Notify("consumerPaused", subject);
  } else if (std::holds_alternative<ConsumerProducerResumed>(event)) {
    if (tell) owner->link->Notify("consumerResumed", subject);
  } else if (const auto* scored = std::get_if<ConsumerScoreChanged>(&event)) {
    consumer->score = scored->score;
    if (!tell) return;
    owner->link->Notify("consumerScore",
                        {{"consumerId", consumer->id}, {"score", ToJson(scored->score)}});
  } else if (const auto* moved = std::get_if<ConsumerLayersChanged>(&event)) {
    if (!tell) return;
    json::object data = subject;
    const auto& layers = moved->layers;
    data["spatialLayer"] = layers ? json::value(layers->spatial) : json::value(nullptr);
    data["temporalLayer"] = layers ? LayerOrNull(layers->temporal) : json::value(nullptr);
    owner->link->Notify("consumerLayersChanged", std::move(data));
  }
}

}  // namespace sluice::controller
