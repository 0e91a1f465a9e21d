#pragma once

#include <chrono>
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
#include "controller/base/task_scope.h"
#include "controller/ortc/capabilities.h"
#include "controller/room/room_event.h"
#include "controller/room/room_rules.h"
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
  kReplaced,   ///< the peer goes on over another connection of its client
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
  /// Whether what its client says in data channels that it opens goes back to it, and to nobody
  /// else.
  virtual bool echoes() const { return false; }
  /// The stream of a channel that its client has, in which it is to hear `producer`; nullopt: a
  /// channel of its own is opened for that.
  virtual std::optional<uint16_t> ChannelFor(const DataProducer& /*producer*/) const {
    return std::nullopt;
  }
  /// The client has opened a data channel. True: the adapter passes on its messages by itself, and
  /// the room gives them to nobody.
  virtual bool TakeChannel(const std::shared_ptr<DataProducer>& /*producer*/) { return false; }
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

/// What its receiver knows a data consumer by.
struct DataConsumerIdentity {
  std::string id;
  uint16_t stream_id = 0;
  bool joins = false;  ///< a channel that its receiver has: none is opened in band
};

/// As PlannedConsumer, a data consumer.
struct PlannedDataConsumer {
  std::string data_producer_id;
  DataConsumerIdentity identity;
};

/// How much everybody in a room may be told of a client: what its address is allowed there.
class AnnouncementAllowance {
 public:
  virtual ~AnnouncementAllowance() = default;
  /// Something that everybody in the room is told of; false when there is too much of that.
  virtual bool TakeAnnouncement() = 0;
};

struct Participant;

struct Transport {
  /// Ends it, at the worker as well, and the tasks that watch it.
  void Close();

  std::string id;
  std::weak_ptr<Participant> owner;
  bool plain = false;
  bool producing = false;
  bool consuming = false;
  bool closed = false;
  bool ends_alone = false;  ///< when it is lost its owner stays
  uint64_t number = 0;      ///< in order of creation in the room
  bool connecting = false;  ///< the client gave its side's parameters
  bool connected = false;   ///< DTLS is up
  bool lost = false;        ///< nobody answers where it sends to (ICE)
  uint64_t losses = 0;      ///< times that it was lost
  bool was_connected = false;
  bool reached = false;          ///< a connectivity check of the client came (ICE)
  bool overdue = false;          ///< of a peer: not connected for longer than there is patience
  bool receiver_listens = true;  ///< of a plain one: somebody seems to be where it sends to
  uint32_t next_mid = 0;         ///< of the next consumer
  std::string cname;             ///< of all its producers; "" before the first
  std::string offered;           ///< of a WebRTC one: where the client shall send to, for people
  SoftValue<BandwidthEstimate> downlink;
  std::set<std::string> consumed;  ///< producers that a broadcaster consumes on it
  /// Consumers that it had on another worker and that are not here again yet.
  std::vector<PlannedConsumer> awaited;
  std::vector<PlannedDataConsumer> awaited_data;  ///< likewise
  bool sctp = false;                              ///< takes data channels
  bool dcep = false;                              ///< which are opened in band
  bool dtls_client = false;                       ///< we are, in what it was connected to
  std::set<uint16_t> producer_streams;            ///< SCTP streams that data producers use
  std::set<uint16_t> consumer_streams;  ///< likewise data consumers; a number may be in both
  PlainTransportOptions plain_options;  ///< of a plain one, as it was made
  PlainTransportInfo plain_info;
  std::optional<PlainDestination> destination;  ///< of a plain one that was connected
  std::shared_ptr<Shard> shard;                 ///< where it is
  std::unique_ptr<WorkerTransport> remote;
  std::optional<TaskScope> watch;  ///< tasks that look whether it is used
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
  MediaSource source = MediaSource::kAudio;
  RtpType type = RtpType::kSimple;
  bool paused = false;     ///< by its client
  bool muted = false;      ///< by a moderator: its client cannot resume it
  bool accounted = false;  ///< its beginning was told to the listener of RoomLife, its end not yet
  RtpParameters sent;      ///< as its client described it
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
  bool taken = false;            ///< its client has accepted it
  bool unanswered = false;       ///< its client was offered it, and may not know it yet
  bool producer_paused = false;  ///< its producer is
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
  std::shared_ptr<void> stored;   ///< its place in what is kept for its address (SourceBudget)
  bool muted = false;             ///< by a moderator
  bool report_consumers = false;  ///< its owner is told who can hear it
  bool echo = false;              ///< heard by its owner, and nobody else
  bool relayed = false;           ///< by its owner's adapter: the room gives it to nobody
  bool announced = false;  ///< given to those who were there; later ones get it when they join
  bool closed = false;
  std::unique_ptr<WorkerDataProducer> remote;
};

struct DataConsumer {
  std::string id;
  std::shared_ptr<DataProducer> producer;
  std::weak_ptr<Transport> transport;
  SctpStreamParameters stream;  ///< as the producer's, with a number of its own
  bool taken = false;           ///< its client has accepted it
  bool closed = false;
  std::unique_ptr<WorkerDataConsumer> remote;
};

/// A peer or a broadcaster: whoever owns transports in a room.
struct Participant {
  std::string id;
  Owner owner;
  bool proven = false;  ///< its token says that it is the one of that id
  std::string display_name;
  ClientText device;
  std::shared_ptr<const RtpCapabilities> capabilities;  ///< null: does not consume
  std::shared_ptr<PeerLink> link;                       ///< null: it is a broadcaster
  bool takes_data = false;                              ///< its client can open data channels
  bool joined = false;
  bool accounted = false;  ///< its beginning was told to the listener of RoomLife, its end not yet
  bool closed = false;
  bool restoring = false;   ///< a broadcaster of which not everything is there again
  MediaSources muted;       ///< by a moderator
  bool taken_down = false;  ///< from the stage by a moderator: it must be let up again
  bool mute_told = false;   ///< its client was told of a mute: it is told of the end as well
  bool may_publish = true;  ///< of a broadcaster: its maker may send media
  std::chrono::steady_clock::time_point since;  ///< of a broadcaster: when it was made
  /// A peer of that id is there and may come back over this connection: Room::Resume() or Settle().
  /// Not in the room before that.
  bool pending = false;
  bool away = false;      ///< its connection is lost, and it is awaited
  uint64_t absences = 0;  ///< times that it was lost or came back
  /// What its client comes back with, in place of the connection that it loses; "" = it does not.
  std::string resume_token;
  /// The one before, which counts until the client has shown that it knows the new one.
  std::string old_resume_token;
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

  bool is_broadcaster() const { return link == nullptr; }
};

/// A broadcaster over plain transports as it was, to be made again on another worker at the same
/// ports under the same ids, so that its program does not notice.
struct BroadcastPlan {
  struct Producer {
    std::string id;
    MediaKind kind = MediaKind::kAudio;
    MediaSource source = MediaSource::kAudio;
    RtpParameters parameters;
    ClientText app_data;
    std::shared_ptr<void> stored;
  };
  struct DataProducer {
    std::string id;
    SctpStreamParameters stream;
    std::string label;
    std::string protocol;
    ClientText app_data;
    std::shared_ptr<void> stored;
  };
  struct Transport {
    std::string id;
    PlainTransportOptions options;
    PlainTransportInfo info;
    std::vector<Producer> producers;
    std::vector<DataProducer> data_producers;
    std::vector<PlannedConsumer> consumers;
    std::vector<PlannedDataConsumer> data_consumers;
    std::shared_ptr<void> quota_place;
    uint32_t next_mid = 0;
    std::optional<PlainDestination> destination;
  };
  std::string id;
  std::string display_name;
  ClientText device;
  std::optional<RtpCapabilities> capabilities;
  std::vector<Transport> transports;
  Owner owner;
  MediaSources muted;
  bool taken_down = false;
  bool may_publish = true;
  std::chrono::steady_clock::time_point since;
  std::vector<std::shared_ptr<void>> places;
  std::shared_ptr<AnnouncementAllowance> allowance;
};

/// What a client that comes back knows of; nullopt = all that it was told of.
struct KnownObjects {
  using Ids = std::optional<std::set<std::string>>;
  Ids producers;
  Ids consumers;
  Ids data_producers;
  Ids data_consumers;
};

/// Where the peer's next consumer goes: of its receiving transports the newest that is connected,
/// else the newest that its client is connecting, else the newest; nullptr when there is none.
std::shared_ptr<Transport> ReceiveTransport(const Participant& peer);

}  // namespace sluice::controller
