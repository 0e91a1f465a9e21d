#include "controller/room/room.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <chrono>
#include <utility>

#include "controller/ops/logging.h"
#include "controller/ortc/ortc.h"
#include "controller/room/random.h"
#include "controller/room/shapes.h"
#include "controller/worker/gate.h"

namespace sluice::controller {

namespace json = boost::json;

namespace {
// Audio level observer (room-api §4.4): the loudest producer above -80 dBov, each 800 ms.
constexpr uint16_t kObserverEntries = 1;
constexpr int8_t kObserverThreshold = -80;
constexpr uint16_t kObserverIntervalMs = 800;

/// Closes a peer's link later, holding what is needed until then.
Task<void> CloseLinkAfter(std::shared_ptr<PeerLink> link, std::chrono::milliseconds delay) {
  co_await Delay(delay);
  link->Close(kCloseReconnect, "the media worker was restarted, reconnect");
}
/// Holds a room from before its task starts, which may be after everyone else let go of it.
Task<void> Hold(std::shared_ptr<Room> /*room*/, Task<void> task) { co_await std::move(task); }
}  // namespace

Room::Room(std::string id, const asio::any_io_executor& executor, const RoomSettings& settings,
           std::shared_ptr<MediaWorker> worker, int consumer_replicas)
    : id_(std::move(id)),
      executor_(executor),
      settings_(settings),
      worker_(std::move(worker)),
      consumer_replicas_(std::clamp(consumer_replicas, 0, kMaxConsumerReplicas)),
      empty_timer_(executor) {
  ++worker_->room_count;
}

Room::~Room() { --worker_->room_count; }

Task<Status> Room::Open(ClosedCallback on_closed) {
  const auto self = shared_from_this();
  on_closed_ = std::move(on_closed);
  Result<RtpCapabilities> capabilities = MakeRouterRtpCapabilities(settings_.media_codecs);
  if (!capabilities.ok()) co_return capabilities.status();
  capabilities_ = *std::move(capabilities);

  const std::string router_id = MakeUuid();
  const Status made = co_await worker_->CreateRouter(router_id);
  if (!made.ok()) co_return made;
  router_id_ = router_id;

  const std::string observer_id = MakeUuid();
  worker_->Subscribe(observer_id, [weak = weak_from_this()](const WorkerEvent& event) {
    const auto room = weak.lock();
    const auto* volumes = std::get_if<AudioVolumes>(&event);
    if (room && volumes) room->OnVolumes(*volumes);
  });
  const Status observing = co_await worker_->CreateAudioLevelObserver(
      router_id_, observer_id, kObserverEntries, kObserverThreshold, kObserverIntervalMs);
  if (observing.ok()) {
    observer_id_ = observer_id;
  } else {
    worker_->Unsubscribe(observer_id);
    spdlog::warn("room {}: no active speaker: {}", id_, Reason(observing));
  }
  if (!worker_->alive()) co_return absl::UnavailableError("the media worker is gone");
  CloseUnlessUsed();
  co_return absl::OkStatus();
}

void Room::Start(Task<void> task) { Spawn(executor_, Hold(shared_from_this(), std::move(task))); }

Status Room::CheckAlive(const Participant& participant) const {
  if (closed_) return Error("room closed");
  if (participant.closed) return Error("peer closed");
  return absl::OkStatus();
}

// ---- Peers

Result<std::shared_ptr<Participant>> Room::Connect(const std::string& peer_id,
                                                   std::shared_ptr<PeerLink> link) {
  if (closed_) return Error("room closed");
  const auto old = std::find_if(peers_.begin(), peers_.end(),
                                [&](const auto& peer) { return peer->id == peer_id; });
  if (broadcasters_.contains(peer_id)) {
    // Else this peer's leaving would end the broadcaster on every screen.
    return Error("peer with id \"" + peer_id + "\" is a broadcaster");
  }
  if (old == peers_.end() && peers_.size() >= settings_.max_peers) {
    return Error("room \"" + id_ + "\" is full: it holds " + std::to_string(settings_.max_peers) +
                 " peers");
  }
  auto peer = std::make_shared<Participant>();
  peer->id = peer_id;
  peer->link = std::move(link);
  // The newcomer is in before the old one leaves, so that the room is never empty in between.
  std::shared_ptr<Participant> replaced;
  if (old != peers_.end()) replaced = *old;
  peers_.push_back(peer);
  if (replaced) {
    spdlog::info("room {}: peer {} connected again, the old connection is closed", id_, peer_id);
    Leave(replaced);
  }
  return peer;
}

void Room::Leave(const std::shared_ptr<Participant>& peer) {
  if (peer->closed) return;
  peer->closed = true;
  std::erase(peers_, peer);
  if (peer->joined) NotifyJoined("peerClosed", {{"peerId", peer->id}}, peer.get());
  Release(peer, /*tell_worker=*/true);
  peer->link->Close(kCloseForGood, kClosedByServer);
  CloseIfLeft();
}

json::array Room::DescribeOthers(const Participant& except) const {
  json::array others;
  for (const auto& peer : peers_) {
    if (peer->joined && peer.get() != &except) others.push_back(DescribeParticipant(*peer));
  }
  for (const auto& [id, broadcaster] : broadcasters_) {
    if (broadcaster.get() != &except) others.push_back(DescribeParticipant(*broadcaster));
  }
  return others;
}

Status Room::Join(const std::shared_ptr<Participant>& peer, std::string display_name,
                  json::object device, std::optional<RtpCapabilities> capabilities) {
  if (Status alive = CheckAlive(*peer); !alive.ok()) return alive;
  if (peer->joined) return Error("Peer already joined");
  peer->joined = true;
  peer->display_name = std::move(display_name);
  peer->device = std::move(device);
  peer->capabilities = std::move(capabilities);
  return absl::OkStatus();
}

void Room::AnnounceJoin(const std::shared_ptr<Participant>& peer) {
  if (peer->closed) return;
  for (const auto& [id, producer] : producers_) {
    if (producer->owner_id != peer->id) StartConsumers(peer, producer);
  }
  NotifyJoined("newPeer", DescribeParticipant(*peer), peer.get());
}

void Room::ChangeDisplayName(const std::shared_ptr<Participant>& peer, std::string display_name) {
  const std::string old = std::exchange(peer->display_name, std::move(display_name));
  NotifyJoined("peerDisplayNameChanged",
               {{"peerId", peer->id}, {"displayName", peer->display_name}, {"oldDisplayName", old}},
               peer.get());
}

void Room::NotifyJoined(std::string_view method, const json::object& data,
                        const Participant* except) const {
  for (const auto& peer : peers_) {
    if (peer->joined && peer.get() != except) peer->link->Notify(method, data);
  }
}

// ---- Broadcasters

Result<std::shared_ptr<Participant>> Room::CreateBroadcaster(
    const std::string& broadcaster_id, std::string display_name, json::object device,
    std::optional<RtpCapabilities> capabilities) {
  if (closed_) return Error("room closed");
  if (broadcasters_.contains(broadcaster_id)) {
    return Error("broadcaster with id \"" + broadcaster_id + "\" already exists");
  }
  if (std::any_of(peers_.begin(), peers_.end(),
                  [&](const auto& peer) { return peer->id == broadcaster_id; })) {
    return Error("peer with id \"" + broadcaster_id + "\" already exists");
  }
  if (broadcasters_.size() >= settings_.max_broadcasters) {
    return Error("room \"" + id_ + "\" already has " + std::to_string(settings_.max_broadcasters) +
                 " broadcasters");
  }
  auto broadcaster = std::make_shared<Participant>();
  broadcaster->id = broadcaster_id;
  broadcaster->display_name = std::move(display_name);
  broadcaster->device = std::move(device);
  broadcaster->capabilities = std::move(capabilities);
  broadcasters_[broadcaster_id] = broadcaster;
  NotifyJoined("newPeer", DescribeParticipant(*broadcaster), nullptr);
  return broadcaster;
}

std::shared_ptr<Participant> Room::FindBroadcaster(const std::string& broadcaster_id) const {
  const auto it = broadcasters_.find(broadcaster_id);
  return it == broadcasters_.end() ? nullptr : it->second;
}

Task<void> Room::DeleteBroadcaster(std::shared_ptr<Participant> broadcaster) {
  const auto self = shared_from_this();
  if (broadcaster->closed) co_return;
  broadcaster->closed = true;
  broadcasters_.erase(broadcaster->id);
  std::vector<std::string> transports;
  for (const auto& [id, transport] : broadcaster->transports) transports.push_back(id);
  Release(broadcaster, /*tell_worker=*/false);
  // Transports first, so that consumerClosed comes before peerClosed (room-api §2.4, row 3).
  co_await CloseTransports(std::move(transports));
  NotifyJoined("peerClosed", {{"peerId", broadcaster->id}}, nullptr);
  if (!closed_ && empty()) Close();
}

json::array Room::DescribePeersFor(const Participant& broadcaster) const {
  json::array peers;
  if (!broadcaster.capabilities) return peers;
  for (const auto& peer : peers_) {
    if (!peer->joined) continue;
    json::array producers;
    for (const auto& [id, producer] : peer->producers) {
      if (!CanConsume(producer->consumable, *broadcaster.capabilities)) continue;
      producers.push_back(json::object{{"id", id}, {"kind", ToString(producer->kind)}});
    }
    json::object entry = DescribeParticipant(*peer);
    entry["producers"] = std::move(producers);
    peers.push_back(std::move(entry));
  }
  return peers;
}

// ---- Ends

void Room::Release(const std::shared_ptr<Participant>& participant, bool tell_worker) {
  for (const auto& [id, consumer] : participant->consumers) {
    consumer->closed = true;
    worker_->Unsubscribe(id);
  }
  for (const auto& [id, producer] : participant->producers) {
    producer->closed = true;
    producers_.erase(id);
    worker_->Unsubscribe(id);
  }
  std::vector<std::string> transports;
  for (const auto& [id, transport] : participant->transports) {
    transport->closed = true;
    worker_->Unsubscribe(id);
    transports.push_back(id);
  }
  participant->consumers.clear();
  participant->producers.clear();
  participant->transports.clear();
  if (tell_worker && !transports.empty()) {
    Start(CloseTransports(std::move(transports)));
  }
}

Task<void> Room::CloseTransports(std::vector<std::string> ids) {
  const auto self = shared_from_this();
  for (const std::string& transport_id : ids) {
    if (closed_) co_return;  // the router takes them along
    const Status closed = co_await worker_->CloseTransport(router_id_, transport_id);
    if (!closed.ok() && worker_->alive()) {
      spdlog::warn("room {}: closing transport {}: {}", id_, transport_id, Reason(closed));
    }
  }
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

void Room::Close() {
  if (closed_) return;
  spdlog::info("room {} closed", id_);
  closed_ = true;
  const auto self = shared_from_this();
  const auto peers = peers_;
  CloseEverything(/*worker_lives=*/true);
  for (const auto& peer : peers) peer->link->Close(kCloseForGood, kClosedByServer);
}

void Room::OnWorkerDied() {
  if (closed_) return;
  spdlog::warn("room {}: its media ended; {} peers shall reconnect, {} broadcasters are gone", id_,
               peers_.size(), broadcasters_.size());
  closed_ = true;
  const auto self = shared_from_this();
  const auto peers = peers_;
  CloseEverything(/*worker_lives=*/false);
  const uint32_t spread = std::min(static_cast<uint32_t>(peers.size()) * kReconnectSpreadPerPeerMs,
                                   kReconnectSpreadMaxMs);
  for (const auto& peer : peers) {
    const std::chrono::milliseconds delay(RandomBelow(spread));
    Spawn(executor_, CloseLinkAfter(peer->link, delay));
  }
}

void Room::CloseEverything(bool worker_lives) {
  for (const auto& peer : peers_) {
    peer->closed = true;
    Release(peer, /*tell_worker=*/false);
  }
  for (const auto& [id, broadcaster] : broadcasters_) {
    broadcaster->closed = true;
    Release(broadcaster, /*tell_worker=*/false);
  }
  peers_.clear();
  broadcasters_.clear();
  empty_timer_.cancel();
  if (!observer_id_.empty()) worker_->Unsubscribe(observer_id_);
  if (worker_lives && !router_id_.empty()) {
    Spawn(executor_, LogFailure(worker_, worker_->CloseRouter(router_id_), "closing a router"));
  }
  if (const ClosedCallback on_closed = std::exchange(on_closed_, nullptr)) on_closed(*this);
}

// ---- Observers

void Room::OnVolumes(const AudioVolumes& volumes) {
  if (volumes.entries.empty()) {
    NotifyJoined("activeSpeaker", {{"peerId", nullptr}}, nullptr);
    return;
  }
  const AudioVolumes::Entry& loudest = volumes.entries.front();
  const std::shared_ptr<Producer> producer = FindProducer(loudest.producer_id);
  if (!producer) return;
  NotifyJoined("activeSpeaker", {{"peerId", producer->owner_id}, {"volume", loudest.volume}},
               nullptr);
}

}  // namespace sluice::controller
