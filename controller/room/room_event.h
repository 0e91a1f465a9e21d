#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "controller/room/room_rules.h"
#include "controller/worker/worker_types.h"

/// What happens in a room, as values: adapters turn them into their dialect.
namespace sluice::controller {

/// JSON text that a client gave about itself or its media and that the others get unchanged. Rooms
/// carry it and do not read it. "" = nothing was given.
using ClientText = std::string;

struct PeerJoined {
  std::string peer_id;  ///< or a broadcaster's
  std::string display_name;
  ClientText device;
};
struct PeerLeft {
  std::string peer_id;
};
struct PeerRenamed {
  std::string peer_id;
  std::string display_name;
  std::string old_display_name;
};
struct ActiveSpeaker {
  std::optional<std::string> peer_id;  ///< nullopt: silence
  int volume = 0;                      ///< dBov, -127..0
};
/// A producer that the peer can consume; for those who choose themselves.
struct ProducerAdded {
  std::string peer_id;
  std::string producer_id;
  MediaKind kind = MediaKind::kAudio;
};
struct ConsumerEnded {
  std::string consumer_id;
};
struct ConsumerPaused {
  std::string consumer_id;
};
struct ConsumerResumed {
  std::string consumer_id;
};
struct ConsumerScored {
  std::string consumer_id;
  ConsumerScore score;
};
struct ConsumerLayersMoved {
  std::string consumer_id;
  std::optional<ConsumerLayers> layers;
};
struct ProducerScored {
  std::string producer_id;
  std::vector<ProducerStreamScore> scores;
};
/// What is wanted of a producer, one element for each of its encodings.
struct LayersWanted {
  std::string producer_id;
  std::vector<std::optional<WantedEncoding>> encodings;
};
/// A peer has taken its consumer of the peer's data producer: it hears what is said from now on.
struct DataProducerConsumed {
  std::string data_producer_id;
  std::string peer_id;
};
struct DataConsumerEnded {
  std::string data_consumer_id;
};
/// Of the peer's downlink.
struct DownlinkEstimated {
  BandwidthEstimate estimate;
};

/// A producer of the peer's own was closed by the room, not by its client.
struct ProducerEnded {
  std::string producer_id;
};
struct DataProducerEnded {
  std::string data_producer_id;
};
/// What of the peer a moderator has muted by now.
struct PeerMuted {
  MediaSources sources;
};
/// A moderator has let the peer up onto the stage, or has taken it down.
struct StageGiven {
  bool up = false;
};
/// A transport of the peer's own that may end alone (Room::TransportRequest) has: its client is
/// gone from there.
struct TransportEnded {
  std::string transport_id;
};
/// The peer shall go on in another room: its session here ends.
struct PeerMoved {
  std::string room_id;
};

using RoomEvent =
    std::variant<PeerJoined, PeerLeft, PeerRenamed, ActiveSpeaker, ProducerAdded, ConsumerEnded,
                 ConsumerPaused, ConsumerResumed, ConsumerScored, ConsumerLayersMoved,
                 ProducerScored, LayersWanted, DataProducerConsumed, DataConsumerEnded,
                 DownlinkEstimated, ProducerEnded, DataProducerEnded, PeerMuted, PeerMoved,
                 StageGiven, TransportEnded>;

/// An event on its way to one or many peers, with the text that an adapter made of it, so that an
/// event for 1,000 peers is rendered once and its text is one shared buffer.
class RoomMessage {
 public:
  using Text = std::shared_ptr<const std::string>;
  using Renderer = std::string (*)(const RoomEvent&);

  explicit RoomMessage(RoomEvent event) : event_(std::move(event)) {}

  const RoomEvent& event() const { return event_; }

  /// The event in the dialect of `render`.
  const Text& In(Renderer render) const {
    for (const auto& [dialect, text] : texts_) {
      if (dialect == render) return text;
    }
    texts_.emplace_back(render, std::make_shared<const std::string>(render(event_)));
    return texts_.back().second;
  }

 private:
  RoomEvent event_;
  mutable std::vector<std::pair<Renderer, Text>> texts_;  // one per dialect in the room
};

}  // namespace sluice::controller
