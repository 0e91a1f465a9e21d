#include "controller/room/room.h"

#include <algorithm>
#include <chrono>
#include <tuple>
#include <utility>
#include <variant>

#include "controller/base/delay.h"
#include "controller/base/limits.h"
#include "controller/base/log.h"
#include "controller/base/logging.h"
#include "controller/ortc/ortc.h"
#include "controller/room/bot.h"
#include "controller/room/broadcast_log.h"
#include "controller/room/random.h"
#include "controller/room/subscriber.h"

namespace sluice::controller {

using Clock = std::chrono::steady_clock;

namespace {

bool SameCodec(const RtpCodecCapability& a, const RtpCodecCapability& b) {
  return std::tie(a.kind, a.mime_type, a.preferred_payload_type, a.clock_rate, a.channels,
                  a.parameters, a.rtcp_feedback) ==
         std::tie(b.kind, b.mime_type, b.preferred_payload_type, b.clock_rate, b.channels,
                  b.parameters, b.rtcp_feedback);
}

bool SameExtension(const RtpHeaderExtension& a, const RtpHeaderExtension& b) {
  return std::tie(a.kind, a.uri, a.preferred_id, a.preferred_encrypt, a.direction) ==
         std::tie(b.kind, b.uri, b.preferred_id, b.preferred_encrypt, b.direction);
}

bool SameCapabilities(const RtpCapabilities& a, const RtpCapabilities& b) {
  return std::equal(a.codecs.begin(), a.codecs.end(), b.codecs.begin(), b.codecs.end(),
                    &SameCodec) &&
         std::equal(a.header_extensions.begin(), a.header_extensions.end(),
                    b.header_extensions.begin(), b.header_extensions.end(), &SameExtension);
}

constexpr const char* kWorkerRestarted = "the media worker was restarted, reconnect";

/// Ends a peer's session later, holding what is needed until then.
Task<void> EndLater(std::shared_ptr<PeerLink> link, std::chrono::milliseconds delay,
                    std::string why) {
  co_await Delay(delay);
  link->End(EndReason::kReconnect, why);
}

RoomLife LifeOf(const Participant& member, const std::string& room_id, bool begins) {
  RoomLife life;
  life.of = member.is_broadcaster() ? RoomLife::Of::kBroadcaster : RoomLife::Of::kPeer;
  life.begins = begins;
  life.room_id = room_id;
  life.member_id = member.id;
  life.is_broadcaster = member.is_broadcaster();
  life.display_name = member.display_name;
  return life;
}

RoomLife LifeOf(const Participant& owner, const Producer& producer, const std::string& room_id,
                bool begins) {
  RoomLife life = LifeOf(owner, room_id, begins);
  life.of = RoomLife::Of::kProducer;
  life.producer_id = producer.id;
  life.kind = producer.kind;
  life.source = producer.source;
  return life;
}

}  // namespace

Room::Room(std::string id, const asio::any_io_executor& executor, const RoomSettings& settings,
           int consumer_replicas)
    : id_(std::move(id)),
      executor_(executor),
      settings_(settings),
      consumer_replicas_(std::clamp(consumer_replicas, 0, settings.max_consumer_replicas)),
      empty_timer_(executor),
      policy_(settings.stage_grace),
      tasks_(executor) {}

Room::~Room() = default;

Task<Status> Room::Open(std::shared_ptr<MediaWorker> worker, ClosedCallback on_closed) {
  const auto self = shared_from_this();
  on_closed_ = std::move(on_closed);
  Result<RtpCapabilities> capabilities = MakeRouterRtpCapabilities(settings_.media_codecs);
  if (!capabilities.ok()) co_return capabilities.status();
  capabilities_ = *std::move(capabilities);
  const Result<std::shared_ptr<Shard>> shard = co_await Shard::Create(std::move(worker));
  if (!shard.ok()) co_return shard.status();
  shards_.push_back(*shard);
  if ((*shard)->observer) {
    (*shard)->observer->Listen([weak = weak_from_this()](const WorkerEvent& event) {
      const auto room = weak.lock();
      const auto* volumes = std::get_if<AudioVolumes>(&event);
      if (room && volumes) room->OnVolumes(*volumes);
    });
  }
  CloseUnlessUsed();
  co_return absl::OkStatus();
}

bool Room::UsesWorker(const MediaWorker& worker) const {
  return std::any_of(shards_.begin(), shards_.end(),
                     [&](const auto& shard) { return shard->worker->SameWorker(worker); });
}

const std::shared_ptr<Shard>& Room::ShardFor(const Participant& /*participant*/) const {
  return shards_.front();
}

Status Room::CheckAlive(const Participant& participant) const {
  if (closed_) return Error("room closed");
  if (participant.closed) return Error("peer closed");
  return absl::OkStatus();
}

Status Room::CheckAlive(const Participant& owner, const Transport& transport) const {
  if (Status alive = CheckAlive(owner); !alive.ok()) return alive;
  if (transport.closed) return Error("transport closed");
  return absl::OkStatus();
}

// ---- Peers

Result<std::shared_ptr<Participant>> Room::Connect(const std::string& peer_id,
                                                   std::shared_ptr<PeerLink> link, Owner owner,
                                                   bool proven, const KindWish& wish) {
  if (closed_) return Error("room closed");
  auto peer = std::make_shared<Participant>();
  peer->id = peer_id;
  peer->link = std::move(link);
  peer->owner = std::move(owner);
  peer->proven = proven;
  const std::shared_ptr<Participant> old = FindPeer(peer_id);
  peer->pending = old && !old->resume_token.empty();
  if (peer->pending) {
    AddNewcomer(peer, wish);
    return peer;
  }
  if (Status entered = Enter(peer, wish); !entered.ok()) return entered;
  return peer;
}

Status Room::Enter(const std::shared_ptr<Participant>& peer, const KindWish& wish) {
  if (broadcasters_.contains(peer->id)) {
    // Else this peer's leaving would end the broadcaster on every screen.
    return Error("peer with id \"" + peer->id + "\" is a broadcaster");
  }
  const std::shared_ptr<Participant> old = FindPeer(peer->id);
  if (old) {
    if (Status may = MayReplace(*old, *peer); !may.ok()) return may;
  } else if (peers_.size() >= settings_.max_peers) {
    return LimitError("maxPeersPerRoom", Error("room \"" + id_ + "\" is full: it holds " +
                                               std::to_string(settings_.max_peers) + " peers"));
  }
  policy_.Choose(wish, present(), Clock::now());
  if (!old) {
    if (Status admitted = Admit(*peer, present()); !admitted.ok()) return admitted;
  }
  // The newcomer is in before the old one leaves, so that the room is never empty in between.
  peers_.push_back(peer);
  if (old) {
    LogInfo("room {}: peer {} connected again, the old connection is closed", id_, peer->id);
    Leave(old);
  }
  policy_.Recall(peer.get());
  return absl::OkStatus();
}

Status Room::MayReplace(const Participant& old, const Participant& newcomer) const {
  if (newcomer.proven) return absl::OkStatus();
  const std::string who = "peer with id \"" + old.id + "\" is connected ";
  // What a token says counts for more than an address, which many may share.
  if (old.proven) return absl::AlreadyExistsError(who + "with a token that names it");
  const bool has_token = !old.resume_token.empty();
  if (has_token || settings_.takeover_needs_token) {
    return absl::AlreadyExistsError(
        who + "already: to take its place, its resumeToken or a token that names it is needed" +
        (has_token ? "" : " (takeoverNeedsToken)"));
  }
  if (IsOwner(old.owner, newcomer.owner)) return absl::OkStatus();
  return absl::AlreadyExistsError(who + "from another address");
}

Status Room::Admit(const Participant& who, size_t present) {
  Status admitted = policy_.Admit(who, present, Clock::now());
  if (!admitted.ok()) ++settings_.counters->joining_refused;
  return admitted;
}

std::shared_ptr<Participant> Room::FindPeer(const std::string& peer_id) const {
  const auto it = std::find_if(peers_.begin(), peers_.end(),
                               [&](const auto& peer) { return peer->id == peer_id; });
  return it == peers_.end() ? nullptr : *it;
}

std::shared_ptr<Participant> Room::FindParticipant(const std::string& id) const {
  std::shared_ptr<Participant> peer = FindPeer(id);
  return peer ? peer : FindBroadcaster(id);
}

void Room::TellPublishersChanged() const {
  if (const auto watcher = publisher_watcher_.lock()) watcher->OnPublishersChanged();
}

// ---- Accounts

void Room::AccountBegin(Participant& member) const {
  if (!settings_.life_listener || std::exchange(member.accounted, true)) return;
  settings_.life_listener->OnRoomLife(LifeOf(member, id_, true));
}

void Room::AccountBegin(const Participant& owner, Producer& producer) const {
  if (!settings_.life_listener || std::exchange(producer.accounted, true)) return;
  settings_.life_listener->OnRoomLife(LifeOf(owner, producer, id_, true));
}

void Room::AccountEnd(const Participant& owner, Producer& producer) const {
  if (!std::exchange(producer.accounted, false)) return;
  settings_.life_listener->OnRoomLife(LifeOf(owner, producer, id_, false));
}

void Room::AccountEnd(Participant& member) const {
  for (const auto& [id, producer] : member.producers) AccountEnd(member, *producer);
  if (!std::exchange(member.accounted, false)) return;
  settings_.life_listener->OnRoomLife(LifeOf(member, id_, false));
}

// ---- Leaving and joining

void Room::Leave(const std::shared_ptr<Participant>& peer, bool for_good, std::string_view text) {
  if (peer->closed) return;
  peer->closed = true;
  if (peer->pending) {
    std::erase_if(newcomers_, [&](const Newcomer& newcomer) { return newcomer.who == peer; });
    peer->link->End(EndReason::kForGood, text);
    return;
  }
  std::erase(peers_, peer);
  policy_.Leave(*peer, for_good, Clock::now());
  policy_.Remember(*peer);
  if (peer->joined) TellJoined(PeerLeft{peer->id}, peer.get());
  AccountEnd(*peer);
  Release(*peer);
  peer->link->End(EndReason::kForGood, text);
  CloseIfLeft();
}

std::vector<std::shared_ptr<const Participant>> Room::Others(const Participant& except) const {
  std::vector<std::shared_ptr<const Participant>> others = JoinedPeers();
  for (const auto& [id, broadcaster] : broadcasters_) others.push_back(broadcaster);
  std::erase_if(others, [&](const auto& other) { return other.get() == &except; });
  return others;
}

std::vector<std::shared_ptr<const Participant>> Room::JoinedPeers() const {
  std::vector<std::shared_ptr<const Participant>> joined;
  for (const auto& peer : peers_) {
    if (peer->joined) joined.push_back(peer);
  }
  return joined;
}

Status Room::Join(const std::shared_ptr<Participant>& peer, std::string display_name,
                  ClientText device, std::optional<RtpCapabilities> capabilities, bool takes_data) {
  if (Status alive = CheckAlive(*peer); !alive.ok()) return alive;
  if (peer->joined) return Error("Peer already joined");
  peer->joined = true;
  peer->display_name = std::move(display_name);
  peer->device = std::move(device);
  peer->capabilities = ShareCapabilities(std::move(capabilities));
  peer->takes_data = takes_data;
  peer->subscriber = std::make_shared<Subscriber>(weak_from_this(), peer);
  AccountBegin(*peer);
  return absl::OkStatus();
}

std::shared_ptr<const RtpCapabilities> Room::ShareCapabilities(
    std::optional<RtpCapabilities> capabilities) {
  if (!capabilities) return nullptr;
  *capabilities = ReduceCapabilities(*capabilities, capabilities_);
  std::erase_if(capability_sets_, [](const auto& set) { return set.expired(); });
  for (const auto& known : capability_sets_) {
    if (const auto set = known.lock(); set && SameCapabilities(*set, *capabilities)) return set;
  }
  auto set = std::make_shared<const RtpCapabilities>(*std::move(capabilities));
  capability_sets_.push_back(set);
  return set;
}

void Room::AnnounceJoin(const std::shared_ptr<Participant>& peer) {
  if (peer->closed) return;
  for (const auto& [id, producer] : producers_) {
    if (producer->owner_id != peer->id) GivePeer(peer, producer);
  }
  GivePeerAllData(peer);
  if (!peer->muted.empty()) TellMuted(*peer);  // as it was before it came back
  TellJoined(PeerJoined{peer->id, peer->display_name, peer->device}, peer.get());
}

void Room::GoOn(const std::shared_ptr<Participant>& peer) {
  if (!peer->closed && peer->subscriber) peer->subscriber->Pump();
}

bool Room::IsBusy() const {
  return !closed_ && std::any_of(shards_.begin(), shards_.end(),
                                 [](const auto& shard) { return shard->IsBusy(); });
}

Task<void> Room::Calm(std::shared_ptr<Room> self) {
  while (self->IsBusy()) {
    const std::vector<std::shared_ptr<Shard>> shards = self->shards_;
    for (const std::shared_ptr<Shard>& shard : shards) {
      co_await shard->worker->Calm();
      co_await shard->bulk->Calm();
    }
  }
}

void Room::ChangeDisplayName(const std::shared_ptr<Participant>& peer, std::string display_name) {
  const std::string old = std::exchange(peer->display_name, std::move(display_name));
  TellJoined(PeerRenamed{peer->id, peer->display_name, old}, peer.get());
  TellPublishersChanged();
}

// ---- Ends

void Room::Release(Participant& participant) {
  // Transports first: they take along what is on them.
  for (const auto& [id, transport] : participant.transports) {
    transport->Close();
  }
  for (const auto& [id, consumer] : participant.consumers) {
    consumer->closed = true;
    consumer->remote.reset();
  }
  for (const auto& [id, producer] : participant.producers) {
    producer->closed = true;
    producers_.erase(id);
    producer->remote.reset();
  }
  for (const auto& [id, consumer] : participant.data_consumers) {
    consumer->closed = true;
    consumer->remote.reset();
  }
  for (const auto& [id, producer] : participant.data_producers) {
    producer->closed = true;
    data_producers_.erase(id);
    producer->remote.reset();
  }
  participant.consumers.clear();
  participant.producers.clear();
  participant.data_consumers.clear();
  participant.data_producers.clear();
  participant.transports.clear();
  TellPublishersChanged();
}

Task<void> Room::CloseTransports(std::shared_ptr<Room> self,
                                 std::vector<std::shared_ptr<Transport>> transports) {
  for (const auto& transport : transports) {
    if (self->closed_) co_return;  // the router takes them along
    if (!transport->remote) continue;
    const Status closed = co_await transport->remote->Close();
    if (!closed.ok() && transport->shard->worker->alive()) {
      LogWarn("room {}: closing transport {}: {}", self->id_, transport->id, Reason(closed));
    }
  }
}

void Room::CloseTransport(Participant& owner, const std::shared_ptr<Transport>& transport) {
  owner.transports.erase(transport->id);
  transport->Close();  // the worker takes along what is on it
  std::erase_if(owner.consumers, [&](const auto& entry) {
    if (entry.second->transport.lock() != transport) return false;
    entry.second->closed = true;
    entry.second->remote.reset();
    return true;
  });
  std::erase_if(owner.producers, [&](const auto& entry) {
    if (entry.second->transport_id != transport->id) return false;
    AccountEnd(owner, *entry.second);
    entry.second->closed = true;
    producers_.erase(entry.first);
    entry.second->remote.reset();
    return true;
  });
  std::erase_if(owner.data_consumers, [&](const auto& entry) {
    if (entry.second->transport.lock() != transport) return false;
    entry.second->closed = true;
    entry.second->remote.reset();
    return true;
  });
  std::erase_if(owner.data_producers, [&](const auto& entry) {
    if (entry.second->transport.lock() != transport) return false;
    entry.second->closed = true;
    data_producers_.erase(entry.first);
    entry.second->remote.reset();
    return true;
  });
  TellPublishersChanged();
}

void Room::CloseIfLeft() {
  if (closed_ || !peers_.empty()) return;
  if (settings_.keep_for_broadcasters && !broadcasters_.empty()) return;
  if (!kept_empty_) {
    Close();
  } else if (empty()) {
    CloseUnlessUsed();
  }
}

void Room::CloseUnlessUsed() {
  const std::chrono::milliseconds patience = kept_empty_.value_or(settings_.empty_timeout);
  if (patience.count() == 0) {
    empty_timer_.cancel();
    return;
  }
  empty_timer_.expires_after(patience);
  empty_timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    const auto room = weak.lock();
    if (!room || error || room->closed_) return;
    // Whoever came since ends the room by leaving.
    if (room->empty()) room->Close();
  });
}

void Room::Close(EndReason reason) {
  if (closed_) return;
  LogInfo("room {} closed", id_);
  const auto self = shared_from_this();
  const auto peers = peers_;
  const auto newcomers = newcomers_;
  CloseEverything();
  for (const auto& peer : peers) peer->link->End(reason, "");
  // Who was not in the room may come to the next one.
  const bool shutdown = reason == EndReason::kShutdown;
  for (const Newcomer& newcomer : newcomers) {
    newcomer.who->link->End(shutdown ? reason : EndReason::kReconnect, "room closed");
  }
}

void Room::OnWorkerDied(TaskScope& tasks, size_t coming) {
  if (closed_) return;
  LogWarn("room {}: its media ended; {} peers shall reconnect, {} broadcasters are gone", id_,
          peers_.size(), broadcasters_.size());
  const auto self = shared_from_this();
  const auto peers = peers_;
  const auto newcomers = newcomers_;
  worker_died_ = true;
  // Those who were here come back, and no stranger takes their places meanwhile.
  if (policy_.rules().locked || policy_.rules().max_participants != 0) {
    for (const auto& peer : peers) {
      if (!policy_.Expect(peer->id, peer->owner.address, 0, Clock::now()).ok()) break;
    }
  }
  for (const auto& peer : peers) policy_.Remember(*peer);
  for (const auto& [id, broadcaster] : broadcasters_) policy_.Remember(*broadcaster);
  CloseEverything();
  const auto wanted = static_cast<uint32_t>(
      std::min<size_t>(coming * kReconnectSpreadPerPeerMs, kReconnectJitterMaxMs));
  const uint32_t spread = std::clamp(wanted, kReconnectSpreadPerPeerMs, kReconnectSpreadMaxMs);
  std::string why = kWorkerRestarted;
  if (wanted > spread) why += " within " + std::to_string(wanted - spread) + " ms";
  for (const auto& peer : peers) {
    const std::chrono::milliseconds delay(RandomBelow(spread));
    tasks.Spawn(EndLater(peer->link, delay, why));
  }
  for (const Newcomer& newcomer : newcomers) {
    const std::chrono::milliseconds delay(RandomBelow(spread));
    tasks.Spawn(EndLater(newcomer.who->link, delay, why));
  }
}

void Room::CloseEverything() {
  closed_ = true;
  for (const auto& shard : shards_) shard->Close();
  bot_.reset();
  for (const auto& peer : peers_) {
    peer->closed = true;
    AccountEnd(*peer);
    Release(*peer);
  }
  for (const auto& [id, broadcaster] : broadcasters_) {
    broadcaster->closed = true;
    // After a worker's death they go on.
    if (!worker_died_) {
      LogBroadcastEnd(id_, *broadcaster, DescribeMedia(*broadcaster), std::nullopt);
    }
    AccountEnd(*broadcaster);
    Release(*broadcaster);
  }
  for (const Newcomer& newcomer : newcomers_) newcomer.who->closed = true;
  peers_.clear();
  newcomers_.clear();
  broadcasters_.clear();
  policy_.LeaveAll(Clock::now());
  empty_timer_.cancel();
  tasks_.Cancel();
  if (const ClosedCallback on_closed = std::exchange(on_closed_, nullptr)) on_closed(*this);
}

}  // namespace sluice::controller
