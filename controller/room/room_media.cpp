// The media half of Room: transports, producers and consumers.

#include <chrono>
#include <optional>
#include <utility>
#include <vector>

#include "controller/base/limits.h"
#include "controller/base/log.h"
#include "controller/base/logging.h"
#include "controller/ortc/ortc.h"
#include "controller/room/in_flight.h"
#include "controller/room/random.h"
#include "controller/room/room.h"
#include "controller/room/subscriber.h"
#include "controller/room/unreached_log.h"

namespace sluice::controller {

namespace {

constexpr size_t kCnameLength = 8;

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

/// A producer's id among those that a transport consumes: taken out again unless Keep() is called.
class ConsumedOnce {
 public:
  ConsumedOnce(std::shared_ptr<Transport> transport, std::string producer_id)
      : transport_(std::move(transport)), producer_id_(std::move(producer_id)) {
    is_first_ = transport_->consumed.insert(producer_id_).second;
  }
  ~ConsumedOnce() {
    if (is_first_ && !kept_) transport_->consumed.erase(producer_id_);
  }
  ConsumedOnce(const ConsumedOnce&) = delete;
  ConsumedOnce& operator=(const ConsumedOnce&) = delete;

  bool is_first() const { return is_first_; }
  void Keep() { kept_ = true; }

 private:
  std::shared_ptr<Transport> transport_;
  std::string producer_id_;
  bool is_first_ = false;
  bool kept_ = false;
};

/// What the worker is asked for a consumer.
ConsumeOptions OptionsOf(const Consumer& consumer, const Room::ConsumerRequest& request) {
  const Producer& producer = *consumer.producer;
  ConsumeOptions options;
  options.consumer_id = consumer.id;
  options.producer_id = producer.id;
  options.kind = producer.kind;
  options.parameters =
      std::shared_ptr<const RtpParameters>(consumer.pattern, &consumer.pattern->parameters);
  options.mid = consumer.mid;
  options.encodings = consumer.Encodings();
  options.type = producer.type;
  options.consumable = producer.consumable;
  options.paused = request.paused;
  options.ignore_dtx = request.ignore_dtx;
  options.source_payload_type = request.source_payload_type;
  options.extmap_allow_mixed = request.extmap_allow_mixed;
  return options;
}

}  // namespace

// ---- Transports

Task<Result<WebRtcTransportInfo>> Room::CreateWebRtcTransport(std::shared_ptr<Participant> owner,
                                                              TransportRequest request) {
  const auto self = shared_from_this();
  if (Status alive = CheckAlive(*owner); !alive.ok()) co_return alive;
  if (owner->transports.size() + owner->pending_transports >= settings_.max_transports) {
    co_return TooMany("transports", settings_.max_transports, "maxTransportsPerPeer");
  }
  const InFlight in_flight(&owner->pending_transports);

  auto transport = std::make_shared<Transport>();
  transport->id = MakeUuid();
  transport->producing = request.producing;
  transport->consuming = request.consuming;
  transport->ends_alone = request.ends_alone;
  transport->shard = ShardFor(*owner);

  WebRtcTransportOptions options;
  options.webrtc_server_id = transport->shard->worker->webrtc_server_id();
  const bool has_own_ports = options.webrtc_server_id.empty();
  for (const ListenAddress& listen : settings_.webrtc_listen) {
    if (request.force_tcp && listen.protocol == TransportProtocol::kUdp) continue;
    options.listen.push_back(listen);
  }
  options.enable_udp = !request.force_tcp;
  if (request.consent_timeout) options.ice_consent_timeout = *request.consent_timeout;
  options.enable_sctp = request.sctp;
  options.terminate_dcep = transport->dcep = request.sctp && request.dcep;
  transport->sctp = request.sctp;
  options.initial_outgoing_bitrate = settings_.initial_outgoing_bitrate;
  Result<WorkerRouter::WebRtcTransportMade> made =
      co_await transport->shard->router->CreateWebRtcTransport(transport->id, std::move(options));
  if (!made.ok()) co_return made.status();
  if (Status alive = CheckAlive(*owner); !alive.ok()) co_return alive;
  transport->remote = std::move(made->transport);
  if (has_own_ports) {
    std::vector<uint16_t> ports;
    for (const IceCandidate& candidate : made->info.ice_candidates) ports.push_back(candidate.port);
    transport->own_ports = settings_.own_ports->Take(std::move(ports));
  }
  transport->offered = DescribeCandidates(made->info.ice_candidates);
  Adopt(owner, transport);
  const std::shared_ptr<MediaWorker>& worker = transport->shard->worker;
  if (settings_.max_incoming_bitrate > 0) {
    Start(LogFailure(worker,
                     transport->remote->SetMaxIncomingBitrate(settings_.max_incoming_bitrate),
                     "limiting a transport's incoming bitrate"));
  }
  if (request.consuming) {
    Start(LogFailure(worker, transport->remote->EnableBandwidthTrace(),
                     "asking for a transport's bandwidth estimates"));
  }
  co_return std::move(made->info);
}

Task<Result<PlainTransportInfo>> Room::CreatePlainTransport(std::shared_ptr<Participant> owner,
                                                            PlainRequest request) {
  PlainTransportOptions options;
  options.listen = settings_.plain_listen;
  options.rtcp_mux = request.rtcp_mux;
  options.comedia = request.comedia;
  options.source_only = request.source_only;
  options.source_receives = !request.source_ip.empty() && !settings_.plain_any_receiver;
  options.source_ip = std::move(request.source_ip);
  options.relock = settings_.plain_relock;
  options.may_receive = request.may_receive || settings_.plain_any_receiver;
  options.receiver_timeout = request.receiver_timeout.value_or(settings_.plain_receiver_timeout);
  options.public_destinations = true;
  options.enable_sctp = request.sctp;
  return MakePlainTransport(std::move(owner), MakeUuid(), std::move(options));
}

Task<Result<PlainTransportInfo>> Room::MakePlainTransport(std::shared_ptr<Participant> owner,
                                                          std::string id,
                                                          PlainTransportOptions options) {
  const auto self = shared_from_this();
  if (Status alive = CheckAlive(*owner); !alive.ok()) co_return alive;
  if (owner->transports.size() + owner->pending_transports >= settings_.max_transports) {
    co_return TooMany("transports", settings_.max_transports, "maxTransportsPerPeer");
  }
  const InFlight in_flight(&owner->pending_transports);

  auto transport = std::make_shared<Transport>();
  transport->id = std::move(id);
  transport->plain = true;
  transport->sctp = options.enable_sctp;
  transport->plain_options = options;
  transport->shard = ShardFor(*owner);
  Result<WorkerRouter::PlainTransportMade> made =
      co_await transport->shard->router->CreatePlainTransport(transport->id, std::move(options));
  if (!made.ok()) co_return made.status();
  if (Status alive = CheckAlive(*owner); !alive.ok()) co_return alive;
  transport->remote = std::move(made->transport);
  transport->plain_info = made->info;
  transport->own_ports =
      settings_.own_ports->Take({made->info.port, made->info.rtcp_port.value_or(made->info.port)});
  Adopt(owner, transport);
  co_return std::move(made->info);
}

void Room::Adopt(const std::shared_ptr<Participant>& owner,
                 const std::shared_ptr<Transport>& transport) {
  transport->number = next_transport_number_++;
  transport->owner = owner;
  owner->transports[transport->id] = transport;
  transport->watch.emplace(executor_);
  if (settings_.unused_transport_timeout.count() > 0) {
    transport->watch->Spawn(owner->is_broadcaster()
                                ? WatchTransport(shared_from_this(), owner, transport)
                                : WatchPeerTransport(shared_from_this(), owner, transport));
  }
  transport->remote->Listen([weak = weak_from_this(), weak_owner = std::weak_ptr(owner),
                             weak_transport = std::weak_ptr(transport)](const WorkerEvent& event) {
    const auto room = weak.lock();
    const auto participant = weak_owner.lock();
    const auto subject = weak_transport.lock();
    if (room && participant && subject) room->OnTransportEvent(participant, subject, event);
  });
}

Task<Status> Room::ConnectTransport(std::shared_ptr<Transport> transport, DtlsParameters remote) {
  if (closed_ || transport->closed) co_return Error("transport closed");
  if (std::exchange(transport->connecting, true)) co_return Error("connect() already called");
  transport->dtls_client = remote.role == DtlsRole::kServer;
  const Status connected = co_await transport->remote->Connect(std::move(remote));
  transport->connecting = connected.ok();
  if (connected.ok() && transport->watch && !transport->closed) {
    transport->watch->Spawn(WatchReach(shared_from_this(), transport));
  }
  co_return connected;
}

Task<Status> Room::ConnectTransport(std::shared_ptr<Transport> transport,
                                    PlainDestination destination) {
  if (closed_ || transport->closed) co_return Error("transport closed");
  if (transport->destination) co_return Error("connect() already called");
  if (transport->plain_options.comedia) {
    co_return Error("transport with id \"" + transport->id +
                    "\" was made with comedia: it sends to where packets come from");
  }
  if (transport->plain_options.rtcp_mux != !destination.rtcp_port) {
    co_return TypeError(transport->plain_options.rtcp_mux
                            ? "body.rtcpPort must be absent: the transport has rtcpMux"
                            : "missing body.rtcpPort: the transport has no rtcpMux");
  }
  for (const uint16_t port : {destination.port, destination.rtcp_port.value_or(destination.port)}) {
    if (settings_.own_ports->Has(destination.ip, port)) {
      ++settings_.counters->own_ports;
      co_return TypeError("port " + std::to_string(port) + " of " + destination.ip +
                          " is one of this server");
    }
  }
  transport->destination = destination;
  const Status connected = co_await transport->remote->Connect(std::move(destination));
  if (!connected.ok()) transport->destination.reset();
  co_return connected;
}

Task<Result<IceParameters>> Room::RestartIce(std::shared_ptr<Transport> transport) {
  if (closed_ || transport->closed) co_return Error("transport closed");
  co_return co_await transport->remote->RestartIce();
}

// ---- Producers

Task<Result<std::shared_ptr<Producer>>> Room::Produce(std::shared_ptr<Participant> owner,
                                                      std::shared_ptr<Transport> transport,
                                                      ProducerRequest request) {
  MediaSource source = MediaSource::kAudio;
  if (request.kind == MediaKind::kVideo) {
    source = request.screen ? MediaSource::kScreen : MediaSource::kVideo;
  }
  return MakeProducer(std::move(owner), std::move(transport), MakeUuid(), source,
                      std::move(request));
}

Task<Result<std::shared_ptr<Producer>>> Room::MakeProducer(std::shared_ptr<Participant> owner,
                                                           std::shared_ptr<Transport> transport,
                                                           std::string id, MediaSource source,
                                                           ProducerRequest request) {
  const auto self = shared_from_this();
  if (Status may = CheckProducer(*owner, *transport, source); !may.ok()) co_return may;
  const InFlight in_flight(&owner->pending_producers);
  ProduceOptions options;
  Result<std::shared_ptr<Producer>> described =
      DescribeProducer(*owner, *transport, source, std::move(request), &options);
  if (!described.ok()) co_return described.status();
  const std::shared_ptr<Producer> producer = *std::move(described);
  producer->id = options.producer_id = std::move(id);
  producer->home = transport->shard;
  Result<bool> stage = MayPublish(*owner, source);
  if (!stage.ok()) co_return stage.status();
  bool took_place = *stage;

  Result<WorkerTransport::ProducerMade> made =
      co_await transport->remote->Produce(std::move(options));
  if (Status alive = CheckAlive(*owner); !alive.ok()) co_return alive;
  Status done = made.status();
  if (done.ok()) done = CheckAlive(*owner, *transport);
  if (done.ok()) {
    // The rules may have changed meanwhile, or the owner may have been taken off the stage.
    stage = MayPublish(*owner, source);
    took_place = took_place || (stage.ok() && *stage);
    done = stage.status();
  }
  if (!done.ok()) {
    // Who could not publish after all has no stage.
    const bool alone = owner->producers.empty() && owner->pending_producers <= 1;
    if (took_place && alone) {
      policy_.Leave(*owner, /*for_good=*/true, std::chrono::steady_clock::now());
    }
    co_return done;
  }
  AdoptProducer(owner, producer, *std::move(made));
  co_return producer;
}

Status Room::CheckProducer(const Participant& owner, const Transport& transport,
                           MediaSource source) {
  if (Status alive = CheckAlive(owner, transport); !alive.ok()) return alive;
  if (owner.producers.size() + owner.pending_producers >= settings_.max_producers) {
    return TooMany("producers", settings_.max_producers, "maxProducersPerPeer");
  }
  return CheckMuted(owner, source);
}

Status Room::CheckMuted(const Participant& owner, MediaSource source) const {
  if (!owner.muted.Has(source) || owner.restoring) return absl::OkStatus();
  return RuleError(policy_.kind(), "muted",
                   "a moderator has muted your " + std::string(ToString(source)));
}

Result<bool> Room::MayPublish(const Participant& owner, MediaSource source) {
  Result<bool> stage = policy_.Publish(owner, source, std::chrono::steady_clock::now());
  if (!stage.ok()) ++settings_.counters->publishing_refused;
  return stage;
}

Result<std::shared_ptr<Producer>> Room::DescribeProducer(Participant& owner, Transport& transport,
                                                         MediaSource source,
                                                         ProducerRequest request,
                                                         ProduceOptions* options) const {
  RtpParameters& parameters = request.parameters;
  parameters.rtcp.cname = CnameFor(owner, transport, parameters.rtcp.cname);
  Result<RtpMapping> mapping = GetProducerRtpMapping(parameters, capabilities_, RandomSsrcBase());
  if (!mapping.ok()) return mapping.status();
  auto producer = std::make_shared<Producer>();
  producer->owner_id = owner.id;
  producer->transport_id = transport.id;
  producer->sent = parameters;
  producer->kind = request.kind;
  producer->source = source;
  producer->app_data = std::move(request.app_data);
  producer->consumable = std::make_shared<const RtpParameters>(
      GetConsumableRtpParameters(request.kind, parameters, capabilities_, *mapping));
  options->kind = request.kind;
  options->parameters = std::move(parameters);
  options->mapping = *std::move(mapping);
  options->key_frame_request_delay = settings_.key_frame_request_delay;
  options->report_wanted_layers = request.report_wanted_layers;
  return producer;
}

void Room::AdoptProducer(const std::shared_ptr<Participant>& owner,
                         const std::shared_ptr<Producer>& producer,
                         WorkerTransport::ProducerMade made) {
  producer->muted = owner->muted.Has(producer->source);  // by now
  producer->type = made.type;
  producer->remote = std::move(made.producer);
  owner->producers[producer->id] = producer;
  producers_[producer->id] = producer;
  AccountBegin(*owner, *producer);
  TellPublishersChanged();
  producer->remote->Listen([weak = weak_from_this(), weak_owner = std::weak_ptr(owner),
                            weak_producer = std::weak_ptr(producer)](const WorkerEvent& event) {
    const auto room = weak.lock();
    const auto participant = weak_owner.lock();
    const auto subject = weak_producer.lock();
    if (room && participant && subject) room->OnProducerEvent(participant, subject, event);
  });
  if (owner->is_broadcaster() && !owner->restoring && !producer->sent.codecs.empty()) {
    LogInfo("room {}: broadcaster {} ({}) sends {}", id_, owner->id, owner->display_name,
            producer->sent.codecs.front().mime_type);
  }
  if (producer->muted) {
    Start(LogFailure(producer->home->worker, producer->remote->Pause(), "muting"));
  }
  if (producer->kind == MediaKind::kAudio && producer->home->observer) {
    Start(LogFailure(producer->home->worker, producer->home->observer->Add(producer->id),
                     "observing an audio producer"));
  }
}

void Room::AnnounceProducer(const std::shared_ptr<Participant>& owner,
                            const std::shared_ptr<Producer>& producer) {
  if (closed_ || producer->closed) return;
  for (const auto& peer : peers_) {
    if (peer->joined && peer != owner) GivePeer(peer, producer);
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
  AccountEnd(*owner, *producer);
  owner->producers.erase(producer->id);
  producers_.erase(producer->id);
  TellPublishersChanged();
  co_return co_await producer->remote->Close();
}

Task<Status> Room::PauseProducer(std::shared_ptr<Producer> producer) {
  if (producer->closed) co_return Error("producer closed");
  producer->paused = true;
  if (producer->muted) co_return absl::OkStatus();  // it is paused already
  co_return co_await producer->remote->Pause();
}

Task<Status> Room::ResumeProducer(std::shared_ptr<Producer> producer) {
  if (producer->closed) co_return Error("producer closed");
  if (producer->muted) {
    co_return RuleError(policy_.kind(), "muted",
                        "a moderator has muted your " + std::string(ToString(producer->source)));
  }
  producer->paused = false;
  co_return co_await producer->remote->Resume();
}

// ---- Consumers

void Room::GivePeer(const std::shared_ptr<Participant>& peer,
                    const std::shared_ptr<Producer>& producer) {
  if (!policy_.rules().receive.Has(producer->source)) return;
  if (!peer->capabilities || !producer->PatternFor(peer->capabilities, true).ok()) return;
  if (peer->link->policy() == SubscriptionPolicy::kOnRequest) {
    peer->link->OnEvent(
        RoomMessage(ProducerAdded{producer->owner_id, producer->id, producer->kind}));
    return;
  }
  if (!ReceiveTransport(*peer)) return;
  for (int copy = 0; copy <= consumer_replicas_; ++copy) peer->subscriber->Want(producer);
}

Task<Result<std::shared_ptr<Consumer>>> Room::Consume(std::shared_ptr<Participant> owner,
                                                      std::shared_ptr<Transport> transport,
                                                      std::shared_ptr<Producer> producer,
                                                      ConsumerRequest request) {
  const auto self = shared_from_this();
  if (Status may = CheckConsumer(*owner, *transport); !may.ok()) co_return may;
  if (Status may = policy_.Receive(producer->source); !may.ok()) co_return may;
  if (!owner->capabilities) co_return Error("no rtpCapabilities were given");
  const InFlight in_flight(&owner->pending_consumers);
  std::optional<ConsumedOnce> consumed;
  if (owner->is_broadcaster()) {
    consumed.emplace(transport, producer->id);
    if (!consumed->is_first()) {
      co_return Error("producer \"" + producer->id + "\" is consumed on transport \"" +
                      transport->id + "\" already");
    }
  }
  Result<std::shared_ptr<const ConsumerPattern>> pattern = request.pattern;
  if (!request.pattern) pattern = producer->PatternFor(owner->capabilities, request.enable_rtx);
  if (!pattern.ok()) co_return pattern.status();
  const std::shared_ptr<Consumer> consumer =
      DescribeConsumer(transport, producer, *pattern, request);
  ConsumeOptions options = OptionsOf(*consumer, request);
  Result<WorkerTransport::ConsumerMade> made =
      co_await transport->remote->Consume(transport->shard->bulk, std::move(options));
  if (!made.ok()) co_return made.status();
  if (Status alive = CheckAlive(*owner, *transport); !alive.ok()) co_return alive;
  // The rules may have changed meanwhile.
  if (Status may = policy_.Receive(producer->source); !may.ok()) co_return may;
  consumer->producer_paused = made->result.producer_paused;
  consumer->score = made->result.score;
  consumer->remote = std::move(made->consumer);
  if (consumed) consumed->Keep();
  owner->consumers[consumer->id] = consumer;
  co_return consumer;
}

Status Room::CheckConsumer(const Participant& owner, const Transport& transport) const {
  if (Status alive = CheckAlive(owner, transport); !alive.ok()) return alive;
  if (!owner.is_broadcaster()) return absl::OkStatus();
  if (transport.plain && !transport.plain_options.may_receive) {
    return Error("transport \"" + transport.id +
                 "\" is pinned to another address than yours: it can send, not receive");
  }
  if (owner.consumers.size() + owner.data_consumers.size() + owner.pending_consumers >=
      settings_.max_broadcaster_consumers) {
    return LimitError("maxConsumersPerBroadcaster",
                      Error("too many consumers: one broadcaster may have " +
                            std::to_string(settings_.max_broadcaster_consumers)));
  }
  return absl::OkStatus();
}

std::shared_ptr<Consumer> Room::DescribeConsumer(const std::shared_ptr<Transport>& transport,
                                                 const std::shared_ptr<Producer>& producer,
                                                 std::shared_ptr<const ConsumerPattern> pattern,
                                                 const ConsumerRequest& request) {
  const auto& known = request.identity;
  auto consumer = std::make_shared<Consumer>();
  consumer->id = known ? known->id : MakeUuid();
  consumer->producer = producer;
  consumer->transport = transport;
  consumer->pattern = std::move(pattern);
  consumer->mid = known ? known->mid : std::to_string(transport->next_mid++);
  consumer->first_ssrc = known ? known->first_ssrc : RandomSsrcBase();
  return consumer;
}

void Room::Deliver(const std::shared_ptr<Participant>& owner,
                   const std::shared_ptr<Consumer>& consumer) {
  if (consumer->closed) return;
  consumer->remote->Listen([weak = weak_from_this(), weak_owner = std::weak_ptr(owner),
                            weak_consumer = std::weak_ptr(consumer)](const WorkerEvent& event) {
    const auto room = weak.lock();
    const auto participant = weak_owner.lock();
    const auto subject = weak_consumer.lock();
    if (room && participant && subject) room->OnConsumerEvent(participant, subject, event);
  });
}

void Room::DropConsumer(Participant& owner, const std::shared_ptr<Consumer>& consumer) {
  consumer->closed = true;
  if (const auto transport = consumer->transport.lock()) {
    transport->consumed.erase(consumer->producer->id);
  }
  consumer->remote.reset();
  owner.consumers.erase(consumer->id);
}

}  // namespace sluice::controller
