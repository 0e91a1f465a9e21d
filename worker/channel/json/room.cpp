#include "worker/channel/json/room.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <utility>

#include "common/log.h"
#include "common/random_text.h"
#include "worker/channel/json/json_negotiation.h"
#include "worker/channel/json/json_request.h"
#include "worker/channel/json/json_rtp_write.h"

namespace sluice::worker::json_protocol {

namespace json = boost::json;

std::string RandomText(Environment& environment, size_t length) {
  return sluice::RandomText(length,
                            [&](std::span<uint8_t> bytes) { environment.RandomBytes(bytes); });
}

uint32_t RandomId(Environment& environment) {
  constexpr uint32_t kFirst = 10'000'000;
  constexpr uint32_t kCount = 90'000'000;
  return kFirst + environment.RandomBelow(kCount);
}

Room::Room(uint32_t id, JsonCapabilities capabilities, JsonContext& context)
    : id_(id),
      router_id_(context.NextEngineId("room")),
      capabilities_(std::move(capabilities)),
      context_(context),
      audio_levels_timer_(
          context.environment.CreateTimer([this](Timestamp) { OnAudioLevelsTimer(); })) {
  const Status status = context_.engine.CreateRouter(router_id_);
  if (!status.ok()) SLUICE_ERROR("room {}: {}", id_, std::string(status.message()));
}

Room::~Room() { CloseRouter(); }

void Room::CloseRouter() {
  if (std::exchange(router_closed_, true)) return;
  const Status status = context_.engine.CloseRouter(router_id_);
  if (!status.ok()) SLUICE_ERROR("room {}: {}", id_, std::string(status.message()));
}

Status Room::CreatePeer(uint32_t peer_id, std::string name) {
  for (const auto& peer : peers_) {
    if (peer->id() != peer_id) continue;
    return Error(
        fmt::format("internal.peerId {} is in use in room {}: choose another", peer_id, id_));
  }
  if (peers_.size() >= kMaxPeers) {
    return Error(fmt::format("room {} has {} peers, the most it takes", id_, kMaxPeers));
  }
  peers_.push_back(std::make_unique<Peer>(peer_id, std::move(name), *this, context_));
  return absl::OkStatus();
}

Result<Peer*> Room::GetPeer(const json::object& internal) const {
  const Result<uint32_t> peer_id = RequireUint(internal, kInternal, "peerId");
  if (!peer_id.ok()) return peer_id.status();
  for (const auto& peer : peers_) {
    if (peer->id() == *peer_id) return peer.get();
  }
  return NotFoundError(
      fmt::format("internal.peerId {} is unknown: room {} has no such peer", *peer_id, id_));
}

// ---- Senders that appear by themselves --------------------------------------------------------

Result<RtpCapabilities> Room::EffectiveCapabilities(const Peer& peer,
                                                    const RtpCapabilities& offered) const {
  if (peer.capabilities()) {
    return Error(fmt::format(
        "peer.setCapabilities was called before on peer {}; capabilities can be set once",
        peer.id()));
  }
  return EffectivePeerCapabilities(capabilities_, offered);
}

void Room::SetPeerCapabilities(Peer& peer, RtpCapabilities effective) {
  peer.SetCapabilities(std::move(effective));
  for (const auto& other : peers_) {
    if (other.get() == &peer) continue;
    for (const auto& receiver : other->receivers()) {
      if (receiver->parameters()) peer.CreateSender(*receiver);
    }
  }
}

void Room::OnReceiverParameters(RtpReceiver& receiver, bool first) {
  if (!first) {
    for (RtpSender* sender : receiver.senders()) sender->OnReceiverParameters();
    return;
  }
  for (const auto& peer : peers_) {
    if (peer.get() != &receiver.peer() && peer->capabilities()) peer->CreateSender(receiver);
  }
}

// ---- Audio levels -----------------------------------------------------------------------------

void Room::SetAudioLevelsEvent(bool enabled) {
  if (enabled == audio_levels_) return;
  audio_levels_ = enabled;
  for (const auto& peer : peers_) {
    for (const auto& receiver : peer->receivers()) receiver->ObserveAudioLevels(enabled);
  }
  if (enabled) {
    audio_levels_timer_->Start(kAudioLevelsInterval);
  } else {
    audio_levels_timer_->Stop();
  }
}

void Room::OnAudioLevelsTimer() {
  audio_levels_timer_->Start(kAudioLevelsInterval);
  json::array entries;
  for (const auto& peer : peers_) {
    for (const auto& receiver : peer->receivers()) {
      const std::optional<int> level = receiver->TakeAudioLevel();
      if (level) entries.push_back(json::array{receiver->id(), *level});
    }
  }
  json::object data;
  data["entries"] = std::move(entries);
  context_.writer.Event(id_, "Room", "audiolevels", std::move(data));
}

// ---- Closing ----------------------------------------------------------------------------------

void Room::ClosePeer(Peer& peer) {
  peer.Close();
  std::erase_if(peers_, [&](const auto& owned) { return owned.get() == &peer; });
}

void Room::Close() {
  // The engine destroys a whole router in slices. What is left here is told of in the order in
  // which it would close one by one, and goes at once: a thousand peers have a million senders.
  audio_levels_timer_->Stop();
  for (const auto& peer : peers_) {
    for (const auto& receiver : peer->receivers()) receiver->ObserveAudioLevels(false);
  }
  CloseRouter();
  for (auto peer = peers_.rbegin(); peer != peers_.rend(); ++peer) (*peer)->TellClosed();
  for (const auto& peer : peers_) {
    for (const auto& receiver : peer->receivers()) receiver->ForgetSenders();
  }
  for (const auto& peer : peers_) peer->DropSenders();
  peers_.clear();
  context_.writer.Event(id_, "Room", "close", {});
}

json::object Room::Dump() const {
  json::object out;
  out["roomId"] = id_;
  out["capabilities"] = WriteCapabilities(capabilities_.capabilities);
  json::array peers;
  json::object senders_of;
  json::object receiver_of;
  for (const auto& peer : peers_) {
    peers.push_back(peer->Dump());
    for (const auto& receiver : peer->receivers()) {
      if (!receiver->parameters()) continue;
      const std::string receiver_id = std::to_string(receiver->id());
      json::array senders;
      for (const RtpSender* sender : receiver->senders()) {
        const std::string sender_id = std::to_string(sender->id());
        senders.push_back(json::string(sender_id));
        receiver_of[sender_id] = receiver_id;
      }
      senders_of[receiver_id] = std::move(senders);
    }
  }
  out["peers"] = std::move(peers);
  out["mapRtpReceiverRtpSenders"] = std::move(senders_of);
  out["mapRtpSenderRtpReceiver"] = std::move(receiver_of);
  out["audioLevelsEventEnabled"] = audio_levels_;
  return out;
}

// ---- All rooms --------------------------------------------------------------------------------

Room* JsonGraph::Find(uint32_t room_id) const {
  for (const auto& room : rooms_) {
    if (room->id() == room_id) return room.get();
  }
  return nullptr;
}

Status JsonGraph::CheckFree(uint32_t room_id) const {
  if (Find(room_id) != nullptr) {
    return Error(fmt::format("internal.roomId {} is in use: choose another", room_id));
  }
  if (rooms_.size() >= kMaxRooms) {
    return Error(fmt::format("this worker has {} rooms, the most it takes", kMaxRooms));
  }
  return absl::OkStatus();
}

Status JsonGraph::CreateRoom(uint32_t room_id, JsonCapabilities capabilities) {
  SLUICE_RETURN_IF_ERROR(CheckFree(room_id));
  rooms_.push_back(std::make_unique<Room>(room_id, std::move(capabilities), context_));
  return absl::OkStatus();
}

Result<Room*> JsonGraph::GetRoom(const json::object& internal) const {
  const Result<uint32_t> room_id = RequireUint(internal, kInternal, "roomId");
  if (!room_id.ok()) return room_id.status();
  if (Room* room = Find(*room_id)) return room;
  return NotFoundError(
      fmt::format("internal.roomId {} is unknown: this worker has no such room", *room_id));
}

void JsonGraph::CloseRoom(Room& room) {
  room.Close();
  std::erase_if(rooms_, [&](const auto& owned) { return owned.get() == &room; });
}

void JsonGraph::Close() {
  while (!rooms_.empty()) CloseRoom(*rooms_.back());
}

json::array JsonGraph::Dump() const {
  json::array out;
  for (const auto& room : rooms_) out.push_back(room->Dump());
  return out;
}

}  // namespace sluice::worker::json_protocol
