#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/status.h"
#include "worker/channel/json/json_context.h"
#include "worker/channel/json/peer.h"
#include "worker/channel/json/protocol_types.h"

namespace sluice::worker::json_protocol {

/// A Room of the JSON protocol: its capabilities, its peers, and the senders that appear by
/// themselves between them (docs/protocols/json-protocol.md §6). One router of the engine.
///
/// Owned by the JsonGraph.
class Room {
 public:
  static constexpr size_t kMaxPeers = 1000;
  static constexpr Duration kAudioLevelsInterval = Duration::Millis(500);

  Room(uint32_t id, JsonCapabilities capabilities, JsonContext& context);
  /// Its peers must be closed.
  ~Room();
  Room(const Room&) = delete;
  Room& operator=(const Room&) = delete;

  uint32_t id() const { return id_; }
  const std::string& router_id() const { return router_id_; }
  const JsonCapabilities& capabilities() const { return capabilities_; }
  bool audio_levels() const { return audio_levels_; }
  /// The room is closing: the engine has nothing of it any more.
  bool router_closed() const { return router_closed_; }

  Status CreatePeer(uint32_t peer_id, std::string name);
  Result<Peer*> GetPeer(const boost::json::object& internal) const;

  /// What a peer that offers this can do here. Error: it has capabilities already.
  Result<RtpCapabilities> EffectiveCapabilities(const Peer& peer,
                                                const RtpCapabilities& offered) const;
  /// Sets them, and makes a sender for every receiver that has parameters.
  void SetPeerCapabilities(Peer& peer, RtpCapabilities effective);
  /// After `receiver` got parameters: makes its senders the first time, else tells those there are.
  void OnReceiverParameters(RtpReceiver& receiver, bool first);
  void SetAudioLevelsEvent(bool enabled);

  /// With the close events of docs/protocols/json-protocol.md §9.
  void ClosePeer(Peer& peer);
  void Close();

  boost::json::object Dump() const;

 private:
  void OnAudioLevelsTimer();
  void CloseRouter();

  const uint32_t id_;
  const std::string router_id_;
  const JsonCapabilities capabilities_;
  JsonContext& context_;
  const RegisteredId registered_{id_, context_.ids};
  std::unique_ptr<Timer> audio_levels_timer_;
  bool audio_levels_ = false;
  bool router_closed_ = false;
  std::vector<std::unique_ptr<Peer>> peers_;  // in the order of creation
};

/// All rooms of a worker.
class JsonGraph {
 public:
  /// Far more than a worker can serve: an empty room costs little.
  static constexpr size_t kMaxRooms = 10'000;

  explicit JsonGraph(JsonContext& context) : context_(context) {}
  ~JsonGraph() { Close(); }

  /// Error: the id is in use, or there are too many.
  Status CheckFree(uint32_t room_id) const;
  Status CreateRoom(uint32_t room_id, JsonCapabilities capabilities);
  Result<Room*> GetRoom(const boost::json::object& internal) const;
  void CloseRoom(Room& room);
  /// Every room, with all its events; newest first.
  void Close();

  boost::json::array Dump() const;
  size_t size() const { return rooms_.size(); }

 private:
  Room* Find(uint32_t room_id) const;

  JsonContext& context_;
  std::vector<std::unique_ptr<Room>> rooms_;  // in the order of creation
};

}  // namespace sluice::worker::json_protocol
