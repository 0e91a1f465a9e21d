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

/// Ends a peer's session later, holding what is needed until then.
Task<void> EndLater(std::shared_ptr<PeerLink> link, std::chrono::milliseconds delay) {
  co_await Delay(delay);
  link->End(EndReason::kReconnect, "the media worker was restarted, reconnect");
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

// ---- Peers

Result<std::shared_ptr<Participant>> Room::Connect(const std::string& peer_id,
                                                   std::shared_ptr<PeerLink> link, Owner owner,
                                                   bool proven, RoomKind kind) {
  if (closed_) return Error("room closed");
  const auto old = std::find_if(peers_.begin(), peers_.end(),
                                [&](const auto& peer) { return peer->id == peer_id; });
  if (broadcasters_.contains(peer_id)) {
    // Else this peer's leaving would end the broadcaster on every screen.
    return Error("peer with id \"" + peer_id + "\" is a broadcaster");
  }
  if (old != peers_.end() && !proven) {
    // What a token says counts for more than an address, which many may share.
    if ((*old)->proven) {
      return absl::AlreadyExistsError("peer with id \"" + peer_id +
                                      "\" is connected with a token that names it");
    }
    if (!IsOwner((*old)->owner, owner)) {
      return absl::AlreadyExistsError("peer with id \"" + peer_id +
                                      "\" is connected from another address");
    }
  }
  if (old == peers_.end() && peers_.size() >= settings_.max_peers) {
    return LimitError("maxPeersPerRoom", Error("room \"" + id_ + "\" is full: it holds " +
                                               std::to_string(settings_.max_peers) + " peers"));
  }
  auto peer = std::make_shared<Participant>();
  peer->id = peer_id;
  peer->link = std::move(link);
  peer->owner = std::move(owner);
  peer->proven = proven;
  policy_.Choose(kind, empty(), Clock::now());
  // The newcomer is in before the old one leaves, so that the room is never empty in between.
  std::shared_ptr<Participant> replaced;
  if (old != peers_.end()) replaced = *old;
  peers_.push_back(peer);
  if (replaced) {
    LogInfo("room {}: peer {} connected again, the old connection is closed", id_, peer_id);
    Leave(replaced);
  }
  return peer;
}

void Room::Leave(const std::shared_ptr<Participant>& peer) {
  if (peer->closed) return;
  peer->closed = true;
  std::erase(peers_, peer);
  policy_.Leave(*peer, /*for_good=*/false, Clock::now());
  if (peer->joined) TellJoined(PeerLeft{peer->id}, peer.get());
  Release(*peer);
  peer->link->End(EndReason::kForGood, "");
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
}

// ---- Ends

void Room::Release(Participant& participant) {
  // Transports first: they take along what is on them.
  for (const auto& [id, transport] : participant.transports) {
    transport->closed = true;
    transport->remote.reset();
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
  transport->closed = true;
  owner.transports.erase(transport->id);
  transport->remote.reset();  // the worker takes along what is on it
  std::erase_if(owner.consumers, [&](const auto& entry) {
    if (entry.second->transport.lock() != transport) return false;
    entry.second->closed = true;
    entry.second->remote.reset();
    return true;
  });
  std::erase_if(owner.producers, [&](const auto& entry) {
    if (entry.second->transport_id != transport->id) return false;
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
}

void Room::CloseIfLeft() {
  if (closed_ || !peers_.empty()) return;
  if (settings_.keep_for_broadcasters && !broadcasters_.empty()) return;
  Close();
}

void Room::CloseUnlessUsed() {
  empty_timer_.expires_after(settings_.empty_timeout);
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
  CloseEverything();
  for (const auto& peer : peers) peer->link->End(reason, "");
}

void Room::OnWorkerDied(TaskScope& tasks) {
  if (closed_) return;
  LogWarn("room {}: its media ended; {} peers shall reconnect, {} broadcasters are gone", id_,
          peers_.size(), broadcasters_.size());
  const auto self = shared_from_this();
  const auto peers = peers_;
  CloseEverything();
  const uint32_t spread = std::min(static_cast<uint32_t>(peers.size()) * kReconnectSpreadPerPeerMs,
                                   kReconnectSpreadMaxMs);
  for (const auto& peer : peers) {
    const std::chrono::milliseconds delay(RandomBelow(spread));
    tasks.Spawn(EndLater(peer->link, delay));
  }
}

void Room::CloseEverything() {
  closed_ = true;
  for (const auto& shard : shards_) shard->Close();
  bot_.reset();
  for (const auto& peer : peers_) {
    peer->closed = true;
    Release(*peer);
  }
  for (const auto& [id, broadcaster] : broadcasters_) {
    broadcaster->closed = true;
    Release(*broadcaster);
  }
  peers_.clear();
  broadcasters_.clear();
  policy_.LeaveAll(Clock::now());
  empty_timer_.cancel();
  tasks_.Cancel();
  if (const ClosedCallback on_closed = std::exchange(on_closed_, nullptr)) on_closed(*this);
}

}  // namespace sluice::controller
