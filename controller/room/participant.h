#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/rtp_parameters.h"
#include "common/status.h"
#include "controller/ops/auth.h"
#include "controller/ortc/capabilities.h"
#include "controller/room/room_event.h"
#include "controller/room/soft_value.h"
#include "controller/worker/promise.h"
#include "controller/worker/worker_objects.h"
#include "controller/worker/worker_types.h"

namespace sluice::controller {

struct Consumer;
struct Shard;
class Subscriber;

/// Why the room ends a peer's session.
enum class EndReason : uint8_t {
  kForGood,    ///< the client does not come back
  kReconnect,  ///< the media worker was restarted: the client joins anew
  kShutdown,   ///< this process ends
};

/// What a peer is given of the producers in its room. Chosen by its adapter, not by the room.
enum class SubscriptionPolicy : uint8_t {
  kAutomatic,  ///< a consumer of each producer, offered one by one
  kBatched,    ///< the same, offered as many at once as are ready, one offer at a time
  kOnRequest,  ///< ProducerAdded events; the adapter calls Room::Consume()
};

/// The way to a peer's client, implemented by a signalling adapter.
class PeerLink {
 public:
  virtual ~PeerLink() = default;
  virtual SubscriptionPolicy policy() const { return SubscriptionPolicy::kAutomatic; }
  virtual void OnEvent(const RoomMessage& message) = 0;
  /// Tells the client of new consumers before it returns, and sets `answer` when the client has
  /// answered, however late, or will not any more.
  virtual void Offer(const std::vector<std::shared_ptr<Consumer>>& consumers,
                     Promise<Status> answer) = 0;
  virtual void End(EndReason reason, std::string_view text) = 0;
};

struct Transport {
  std::string id;
  bool plain = false;
  bool producing = false;
  bool consuming = false;
  bool closed = false;
  uint64_t number = 0;      ///< in order of creation in the room
  bool connecting = false;  ///< the client gave its side's parameters
  bool connected = false;   ///< DTLS is up
  bool was_connected = false;
  uint32_t next_mid = 0;  ///< of the next consumer
  std::string cname;      ///< of all its producers; "" before the first
  SoftValue<BandwidthEstimate> downlink;
  std::set<std::string> consumed;       ///< producers that a broadcaster consumes on it
  PlainTransportOptions plain_options;  ///< of a plain one, as it was made
  PlainTransportInfo plain_info;
  std::shared_ptr<Shard> shard;  ///< where it is
  std::unique_ptr<WorkerTransport> remote;
  /// Its place in the quota of who asked for it (TransportQuota); given back when it is gone.
  std::shared_ptr<void> quota_place;
  std::shared_ptr<void> own_ports;  ///< OwnPorts::Lease of what it listens on
};

struct Producer {
  std::string id;
  std::string owner_id;  ///< peer or broadcaster
  std::string transport_id;
  MediaKind kind = MediaKind::kAudio;
  RtpType type = RtpType::kSimple;
  RtpParameters sent;  ///< as its client described it
  RtpParameters consumable;
  ClientText app_data;
  bool closed = false;
  SoftValue<std::vector<ProducerStreamScore>> scores;
  std::shared_ptr<Shard> home;  ///< where its transport is
  std::unique_ptr<WorkerProducer> remote;
};

struct Consumer {
  std::string id;
  std::shared_ptr<Producer> producer;
  std::weak_ptr<Transport> transport;
  RtpParameters parameters;
  bool producer_paused = false;  ///< when it was made; changes come as events
  ConsumerScore score;
  bool closed = false;
  SoftValue<ConsumerScore> told_score;
  SoftValue<std::optional<ConsumerLayers>> layers;
  std::unique_ptr<WorkerConsumer> remote;
};

/// A peer or a broadcaster: whoever owns transports in a room. A broadcaster has no link.
struct Participant {
  std::string id;
  Owner owner;
  bool proven = false;  ///< its token says that it is the one of that id
  std::string display_name;
  ClientText device;
  std::optional<RtpCapabilities> capabilities;  ///< absent: does not consume
  std::shared_ptr<PeerLink> link;
  bool joined = false;
  bool closed = false;
  std::string cname;  ///< of transports whose first producer brings none; "" before one was needed
  std::map<std::string, std::shared_ptr<Transport>> transports;
  std::map<std::string, std::shared_ptr<Producer>> producers;
  std::map<std::string, std::shared_ptr<Consumer>> consumers;
  std::shared_ptr<Subscriber> subscriber;  ///< of a joined peer
  /// Creations in flight, counted against the caps as well.
  size_t pending_transports = 0;
  size_t pending_producers = 0;
  size_t pending_consumers = 0;
};

/// A broadcaster over plain transports as it was, to be made again on another worker at the same
/// ports under the same ids, so that its program does not notice.
struct BroadcastPlan {
  struct Producer {
    std::string id;
    MediaKind kind = MediaKind::kAudio;
    RtpParameters parameters;
    ClientText app_data;
  };
  struct Transport {
    std::string id;
    PlainTransportOptions options;
    PlainTransportInfo info;
    std::vector<Producer> producers;
  };
  std::string id;
  std::string display_name;
  ClientText device;
  std::optional<RtpCapabilities> capabilities;
  std::vector<Transport> transports;
  Owner owner;
};

/// Where the peer's next consumer goes: of its receiving transports the newest that is connected,
/// else the newest that its client is connecting, else the newest; nullptr when there is none.
std::shared_ptr<Transport> ReceiveTransport(const Participant& peer);

}  // namespace sluice::controller
