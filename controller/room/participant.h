#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/rtp_parameters.h"
#include "common/status.h"
#include "controller/auth/auth.h"
#include "controller/ortc/capabilities.h"
#include "controller/room/room_event.h"
#include "controller/room/soft_value.h"
#include "controller/worker/worker_objects.h"
#include "controller/worker/worker_types.h"

namespace sluice::controller {

struct Consumer;
struct DataConsumer;
struct DataProducer;
struct Producer;
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
  using OfferAnswer = std::function<void(const Status& taken)>;
  /// Tells the client of new consumers before it returns, and calls `answer` once, later, when the
  /// client has answered, however late, or a consumer has ended. Not when the peer has left.
  virtual void Offer(const std::vector<std::shared_ptr<Consumer>>& consumers,
                     OfferAnswer answer) = 0;
  /// Whether the client may have data messages, and the adapter can offer them.
  virtual bool may_have_data() const { return false; }
  /// As Offer(), of a new data consumer.
  virtual void OfferData(const std::shared_ptr<DataConsumer>& consumer, OfferAnswer answer) = 0;
  /// So much waits for the client that it should be offered nothing more for now: the adapter calls
  /// Room::GoOn() when that has changed.
  virtual bool congested() const { return false; }
  virtual void End(EndReason reason, std::string_view text) = 0;
};

/// What its receiver knows a consumer by.
struct ConsumerIdentity {
  std::string id;
  std::string mid;
  uint32_t first_ssrc = 0;
};

/// A broadcaster's consumer on a plain transport, to be made again as it was.
struct PlannedConsumer {
  std::string producer_id;
  bool enable_rtx = false;
  ConsumerIdentity identity;
};

/// How much everybody in a room may be told of a client: what its address is allowed there.
class AnnouncementAllowance {
 public:
  virtual ~AnnouncementAllowance() = default;
  /// Something that everybody in the room is told of; false when there is too much of that.
  virtual bool TakeAnnouncement() = 0;
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
  bool receiver_listens = true;  ///< of a plain one: somebody seems to be where it sends to
  uint32_t next_mid = 0;         ///< of the next consumer
  std::string cname;             ///< of all its producers; "" before the first
  SoftValue<BandwidthEstimate> downlink;
  std::set<std::string> consumed;  ///< producers that a broadcaster consumes on it
  /// Consumers that it had on another worker and that are not here again yet.
  std::vector<PlannedConsumer> awaited;
  bool sctp = false;                    ///< takes data channels
  std::set<uint16_t> producer_streams;  ///< SCTP streams that data producers use
  std::set<uint16_t> consumer_streams;  ///< likewise data consumers; a number may be in both
  PlainTransportOptions plain_options;  ///< of a plain one, as it was made
  PlainTransportInfo plain_info;
  std::shared_ptr<Shard> shard;  ///< where it is
  std::unique_ptr<WorkerTransport> remote;
  /// Its place in the quota of who asked for it (TransportQuota); given back when it is gone.
  std::shared_ptr<void> quota_place;
  std::shared_ptr<void> own_ports;  ///< OwnPorts::Lease of what it listens on
};

/// What the consumers of one producer have in common at peers with the same capabilities: in a room
/// of 300 with the same browser, one of these stands for 299 consumers.
struct ConsumerPattern {
  using Renderer = std::string (*)(const Producer&, const RtpParameters&);

  std::shared_ptr<const RtpCapabilities> capabilities;
  bool enable_rtx = true;
  /// Without mid; the SSRCs of its encodings count from 0.
  RtpParameters parameters;

  /// What an adapter says of it to the clients, made once.
  const std::string& In(Renderer render, const Producer& producer) const;

 private:
  mutable std::vector<std::pair<Renderer, std::string>> texts_;  // one per dialect in the room
};

struct Producer {
  std::string id;
  std::string owner_id;  ///< peer or broadcaster
  std::string transport_id;
  MediaKind kind = MediaKind::kAudio;
  RtpType type = RtpType::kSimple;
  RtpParameters sent;  ///< as its client described it
  std::shared_ptr<const RtpParameters> consumable;
  ClientText app_data;
  bool closed = false;
  SoftValue<std::vector<ProducerStreamScore>> scores;
  std::shared_ptr<void> stored;  ///< its place in the budget of who made it (SourceBudget)
  std::shared_ptr<Shard> home;   ///< where its transport is
  std::unique_ptr<WorkerProducer> remote;

  /// The pattern of its consumers at peers with these capabilities; UnsupportedError when they
  /// cannot consume it.
  Result<std::shared_ptr<const ConsumerPattern>> PatternFor(
      const std::shared_ptr<const RtpCapabilities>& capabilities, bool enable_rtx);

 private:
  /// Kinds of browsers in a room; a pattern that is not kept is made anew.
  static constexpr size_t kMaxPatterns = 8;
  std::deque<std::shared_ptr<const ConsumerPattern>> patterns_;
};

struct Consumer {
  std::string id;
  std::shared_ptr<Producer> producer;
  std::weak_ptr<Transport> transport;
  std::shared_ptr<const ConsumerPattern> pattern;
  std::string mid;
  uint32_t first_ssrc = 0;
  bool producer_paused = false;  ///< when it was made; changes come as events
  bool client_paused = false;    ///< its client has asked for that
  bool resume_owed = false;      ///< it would have been resumed, had its client not asked for that
  ConsumerScore score;
  bool closed = false;
  SoftValue<ConsumerScore> told_score;
  SoftValue<std::optional<ConsumerLayers>> layers;
  std::unique_ptr<WorkerConsumer> remote;

  std::vector<RtpEncodingParameters> Encodings() const;
  /// The whole: pattern, mid and encodings.
  RtpParameters Parameters() const;
};

struct DataProducer {
  std::string id;
  std::string owner_id;  ///< peer or broadcaster; "" of the room's bot
  std::weak_ptr<Transport> transport;
  SctpStreamParameters stream;
  std::string label;
  std::string protocol;
  ClientText app_data;
  std::shared_ptr<void> stored;  ///< its place in what is kept for its address (SourceBudget)
  bool closed = false;
  std::unique_ptr<WorkerDataProducer> remote;
};

struct DataConsumer {
  std::string id;
  std::shared_ptr<DataProducer> producer;
  std::weak_ptr<Transport> transport;
  SctpStreamParameters stream;  ///< as the producer's, with a number of its own
  bool closed = false;
  std::unique_ptr<WorkerDataConsumer> remote;
};

/// A peer or a broadcaster: whoever owns transports in a room. A broadcaster has no link.
struct Participant {
  std::string id;
  Owner owner;
  bool proven = false;  ///< its token says that it is the one of that id
  std::string display_name;
  ClientText device;
  std::shared_ptr<const RtpCapabilities> capabilities;  ///< null: does not consume
  std::shared_ptr<PeerLink> link;
  bool takes_data = false;  ///< its client can open data channels
  bool joined = false;
  bool closed = false;
  bool restoring = false;  ///< a broadcaster of which not everything is there again
  std::string cname;  ///< of transports whose first producer brings none; "" before one was needed
  std::map<std::string, std::shared_ptr<Transport>> transports;
  std::map<std::string, std::shared_ptr<Producer>> producers;
  std::map<std::string_view, std::shared_ptr<Consumer>> consumers;  ///< by their own ids
  std::map<std::string, std::shared_ptr<DataProducer>> data_producers;
  std::map<std::string, std::shared_ptr<DataConsumer>> data_consumers;
  std::shared_ptr<Subscriber> subscriber;  ///< of a joined peer
  /// Its places in the budget of its address (SourceBudget), given back when it is gone.
  std::vector<std::shared_ptr<void>> places;
  std::shared_ptr<AnnouncementAllowance> allowance;  ///< of a broadcaster; null: not limited
  /// Creations in flight, counted against the caps as well.
  size_t pending_transports = 0;
  size_t pending_producers = 0;
  size_t pending_consumers = 0;
  size_t pending_data_producers = 0;
};

/// A broadcaster over plain transports as it was, to be made again on another worker at the same
/// ports under the same ids, so that its program does not notice.
struct BroadcastPlan {
  struct Producer {
    std::string id;
    MediaKind kind = MediaKind::kAudio;
    RtpParameters parameters;
    ClientText app_data;
    std::shared_ptr<void> stored;
  };
  struct Transport {
    std::string id;
    PlainTransportOptions options;
    PlainTransportInfo info;
    std::vector<Producer> producers;
    std::vector<PlannedConsumer> consumers;
    std::shared_ptr<void> quota_place;
    uint32_t next_mid = 0;
  };
  std::string id;
  std::string display_name;
  ClientText device;
  std::optional<RtpCapabilities> capabilities;
  std::vector<Transport> transports;
  Owner owner;
  std::vector<std::shared_ptr<void>> places;
  std::shared_ptr<AnnouncementAllowance> allowance;
};

/// Where the peer's next consumer goes: of its receiving transports the newest that is connected,
/// else the newest that its client is connecting, else the newest; nullptr when there is none.
std::shared_ptr<Transport> ReceiveTransport(const Participant& peer);

}  // namespace sluice::controller
