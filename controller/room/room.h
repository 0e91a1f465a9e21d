#pragma once

#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/status.h"
#include "controller/base/event.h"
#include "controller/base/task.h"
#include "controller/base/task_scope.h"
#include "controller/room/own_ports.h"
#include "controller/room/participant.h"
#include "controller/room/room_event.h"
#include "controller/room/room_policy.h"
#include "controller/room/shard.h"
#include "controller/worker/media_worker.h"

namespace sluice::controller {

class Bot;

/// What happened in all rooms since the program started.
struct RoomCounters {
  uint64_t silent_broadcasters = 0;  ///< ended because they sent nothing
  uint64_t lost_broadcasters = 0;    ///< ended because their WebRTC connection was lost
  uint64_t unused_transports = 0;    ///< closed because nobody ever used them
  uint64_t own_ports = 0;            ///< transports closed because they would have sent to us
  uint64_t publishing_refused = 0;   ///< in a live room whose stage is somebody else's
};

/// What all rooms share; from the configuration.
struct RoomSettings {
  std::vector<RtpCodecCapability> media_codecs;
  /// Addresses of transports that do not use a worker's WebRTC server, UDP and TCP.
  std::vector<ListenAddress> webrtc_listen;
  ListenAddress plain_listen;
  uint32_t initial_outgoing_bitrate = 1'000'000;  ///< bps
  uint32_t max_incoming_bitrate = 1'500'000;      ///< bps; 0 = no limit
  /// Least time between two key-frame requests to one sender; workers take at least a second.
  std::chrono::milliseconds key_frame_request_delay{1000};
  /// A room with broadcasters outlives its last peer: a viewer who closes the page must not end the
  /// broadcast. False is what the reference application does.
  bool keep_for_broadcasters = true;
  /// How long a room may be without peers and broadcasters, as one is that only was asked for.
  std::chrono::milliseconds empty_timeout{60'000};
  /// A broadcaster over plain transports that sends no media for so long is ended; 0 = never.
  std::chrono::milliseconds broadcaster_timeout{15'000};
  /// Media to a plain transport stops when nothing has come from there for so long; 0 = never.
  std::chrono::milliseconds plain_receiver_timeout{30'000};
  /// Whether a plain transport may receive at another address than that which asked for it.
  bool plain_any_receiver = false;
  /// Whether a plain transport takes a known stream from another address once its peer is silent.
  bool plain_relock = true;
  size_t max_peers = 1'000;
  size_t max_broadcasters = 100;
  /// Transports of one participant: sending, receiving, and a few being replaced.
  size_t max_transports = 16;
  /// Producers of one participant: camera, microphone, screens; simulcast is one.
  size_t max_producers = 32;
  /// Consumers of one broadcaster, each producer once per transport: more would only multiply what
  /// is sent to one address.
  size_t max_broadcaster_consumers = 256;
  /// A broadcaster's transport that nobody connected or spoke to for so long is closed; 0 = never.
  std::chrono::milliseconds unused_transport_timeout{60'000};
  /// How long the stage of a live room is kept for its holder, who is gone.
  std::chrono::milliseconds stage_grace{30'000};
  /// Extra consumers per producer that the first joiner may ask for.
  int max_consumer_replicas = 0;
  std::shared_ptr<OwnPorts> own_ports = std::make_shared<OwnPorts>();
  std::shared_ptr<RoomCounters> counters = std::make_shared<RoomCounters>();
};

/// One room: the peers and broadcasters in it, what they send to each other, and the shards that
/// carry it. Every signalling adapter calls these operations; the room tells each peer's adapter
/// what happens as typed events (room_event.h) and knows nothing of JSON, SDP or HTTP.
///
/// Shared by the registry, its participants' sessions and operations in flight. Operations on a
/// closed room or participant fail with Error. State changes and the events that they cause happen
/// in one step, without waiting in between; what an adapter must answer first (join, produce) is
/// followed by a separate call (AnnounceJoin, AnnounceProducer) that starts the fan-out.
class Room : public std::enable_shared_from_this<Room> {
 public:
  /// Data producers with this label are heard by the room's bot, and nobody else.
  static constexpr std::string_view kBotLabel = "bot";
  /// Peers told to reconnect do so the moment they are told, so the telling is spread over this
  /// long per peer, up to the maximum.
  static constexpr uint32_t kReconnectSpreadPerPeerMs = 10;
  static constexpr uint32_t kReconnectSpreadMaxMs = 3'000;

  using ClosedCallback = std::function<void(Room&)>;

  /// `consumer_replicas`: extra consumers per producer, as load tests of the reference app want
  /// them; RoomSettings::max_consumer_replicas at most.
  Room(std::string id, const asio::any_io_executor& executor, const RoomSettings& settings,
       int consumer_replicas);
  ~Room();

  /// Makes the room's first shard on the worker.
  Task<Status> Open(std::shared_ptr<MediaWorker> worker, ClosedCallback on_closed);

  const std::string& id() const { return id_; }
  bool closed() const { return closed_; }
  /// Nobody is in it.
  bool empty() const { return peers_.empty() && broadcasters_.empty(); }
  const asio::any_io_executor& executor() const { return executor_; }
  bool UsesWorker(const MediaWorker& worker) const;
  const RtpCapabilities& capabilities() const { return capabilities_; }
  const RoomPolicy& policy() const { return policy_; }
  /// The policy of a room of this id that has ended.
  void set_policy(RoomPolicy policy) { policy_ = std::move(policy); }
  size_t peer_count() const { return peers_.size(); }
  size_t broadcaster_count() const { return broadcasters_.size(); }

  // ---- Peers

  /// A client connected. A peer of the same id is replaced if it belongs to the same `owner` or
  /// it is `proven` to be the same: it leaves, the room stays open. AlreadyExists if not. `kind` is
  /// what the room is for, if this is who comes first.
  Result<std::shared_ptr<Participant>> Connect(const std::string& peer_id,
                                               std::shared_ptr<PeerLink> link, Owner owner = {},
                                               bool proven = false,
                                               RoomKind kind = RoomKind::kOpen);
  /// The client is gone (or is sent away: its link is closed with kCloseForGood).
  void Leave(const std::shared_ptr<Participant>& peer);
  /// Joined peers and broadcasters but `except`.
  std::vector<std::shared_ptr<const Participant>> Others(const Participant& except) const;
  /// Joined peers, in order of arrival.
  std::vector<std::shared_ptr<const Participant>> JoinedPeers() const;
  /// Marks the peer joined; `Peer already joined` the second time. Answer, then AnnounceJoin().
  /// `takes_data`: its client can open data channels.
  Status Join(const std::shared_ptr<Participant>& peer, std::string display_name, ClientText device,
              std::optional<RtpCapabilities> capabilities, bool takes_data = false);
  /// Tells the others and starts creating the newcomer's consumers.
  void AnnounceJoin(const std::shared_ptr<Participant>& peer);
  /// The way to the peer's client is not congested any more.
  void GoOn(const std::shared_ptr<Participant>& peer);
  /// So many of the room's requests wait for its worker that clients should be heard later: after
  /// Calm().
  bool IsBusy() const;
  static Task<void> Calm(std::shared_ptr<Room> self);
  void ChangeDisplayName(const std::shared_ptr<Participant>& peer, std::string display_name);

  // ---- Broadcasters

  Result<std::shared_ptr<Participant>> CreateBroadcaster(
      const std::string& broadcaster_id, std::string display_name, ClientText device,
      std::optional<RtpCapabilities> capabilities, Owner owner = {},
      RoomKind kind = RoomKind::kOpen);
  std::shared_ptr<Participant> FindBroadcaster(const std::string& broadcaster_id) const;
  /// `for_good`: its stage, if it has one, is free at once.
  Task<void> DeleteBroadcaster(std::shared_ptr<Participant> broadcaster, bool for_good = false);
  /// The broadcasters that can be made again elsewhere with Restore().
  std::vector<BroadcastPlan> PlanBroadcasts() const;
  Task<Status> Restore(const BroadcastPlan& plan);
  /// Makes the consumers of restored broadcasters again, of those producers that are here again
  /// under their old ids: to be called when all broadcasters are. What the worker's death prevents
  /// is in the next plans.
  Task<void> RestoreConsumers();

  // ---- Media, for both

  struct TransportRequest {
    bool force_tcp = false;
    bool producing = false;
    bool consuming = false;
    bool sctp = false;
  };
  Task<Result<WebRtcTransportInfo>> CreateWebRtcTransport(std::shared_ptr<Participant> owner,
                                                          TransportRequest request);
  struct PlainRequest {
    bool rtcp_mux = false;
    bool comedia = true;
    /// Who asks: its packets take the transport from any other address. "" = not known.
    std::string source_ip;
    bool source_only = false;  ///< nothing is taken from elsewhere
    /// False: `source_ip` is somebody else's address than that of who asks, so media does not go
    /// there (RoomSettings::plain_any_receiver lifts this).
    bool may_receive = true;
    bool sctp = false;
    /// Instead of RoomSettings::plain_receiver_timeout; 1,000 ms to that, 0 only where that is 0.
    std::optional<std::chrono::milliseconds> receiver_timeout;
  };
  Task<Result<PlainTransportInfo>> CreatePlainTransport(std::shared_ptr<Participant> owner,
                                                        PlainRequest request);
  Task<Status> ConnectTransport(std::shared_ptr<Transport> transport, DtlsParameters remote);
  Task<Result<IceParameters>> RestartIce(std::shared_ptr<Transport> transport);

  /// Makes a producer. Answer, then AnnounceProducer().
  Task<Result<std::shared_ptr<Producer>>> Produce(std::shared_ptr<Participant> owner,
                                                  std::shared_ptr<Transport> transport,
                                                  MediaKind kind, RtpParameters parameters,
                                                  ClientText app_data);
  /// Starts creating consumers of it for all other joined peers.
  void AnnounceProducer(const std::shared_ptr<Participant>& owner,
                        const std::shared_ptr<Producer>& producer);
  Task<Status> CloseProducer(std::shared_ptr<Participant> owner,
                             std::shared_ptr<Producer> producer);
  Task<Status> PauseProducer(std::shared_ptr<Producer> producer);
  Task<Status> ResumeProducer(std::shared_ptr<Producer> producer);
  std::shared_ptr<Producer> FindProducer(const std::string& producer_id) const;

  struct ConsumerRequest {
    bool paused = true;
    bool enable_rtx = true;
    bool ignore_dtx = true;
    std::optional<ConsumerIdentity> identity;  ///< nullopt: a new one
  };
  /// Makes one consumer. UnsupportedError when the owner's capabilities do not fit. Its events are
  /// held until Deliver().
  Task<Result<std::shared_ptr<Consumer>>> Consume(std::shared_ptr<Participant> owner,
                                                  std::shared_ptr<Transport> transport,
                                                  std::shared_ptr<Producer> producer,
                                                  ConsumerRequest request);
  /// The owner's client knows of the consumer: from now on it hears of its events.
  void Deliver(const std::shared_ptr<Participant>& owner,
               const std::shared_ptr<Consumer>& consumer);
  /// Tells the owner the consumer's score, if that is news.
  void TellScore(const std::shared_ptr<Participant>& owner,
                 const std::shared_ptr<Consumer>& consumer);
  /// Closes a consumer that nobody wants.
  void DropConsumer(Participant& owner, const std::shared_ptr<Consumer>& consumer);

  // ---- Data

  struct DataRequest {
    SctpStreamParameters stream;
    std::string label;
    std::string protocol;
    ClientText app_data;
  };
  /// Makes a data producer. Answer, then AnnounceDataProducer().
  Task<Result<std::shared_ptr<DataProducer>>> ProduceData(std::shared_ptr<Participant> owner,
                                                          std::shared_ptr<Transport> transport,
                                                          DataRequest request);
  /// Gives it to all other joined peers that take data, or to the bot.
  void AnnounceDataProducer(const std::shared_ptr<Participant>& owner,
                            const std::shared_ptr<DataProducer>& producer);
  std::shared_ptr<DataProducer> FindDataProducer(const std::string& data_producer_id) const;
  /// Makes one data consumer on a free stream of the transport. Its end is told from DeliverData()
  /// on.
  Task<Result<std::shared_ptr<DataConsumer>>> ConsumeData(std::shared_ptr<Participant> owner,
                                                          std::shared_ptr<Transport> transport,
                                                          std::shared_ptr<DataProducer> producer);
  void DeliverData(const std::shared_ptr<Participant>& owner,
                   const std::shared_ptr<DataConsumer>& consumer);
  /// Closes a data consumer that nobody wants.
  void DropDataConsumer(Participant& owner, const std::shared_ptr<DataConsumer>& consumer);

  /// A worker died: everything is gone. Peers are told to reconnect, spread over time.
  /// `tasks` closes them, since those of the room end with it.
  void OnWorkerDied(TaskScope& tasks);
  /// Ends the room: peers are closed for good, or with this process.
  void Close(EndReason reason = EndReason::kForGood);

  /// Runs a task of this room's on its own; the task holds the room. Closing the room ends it.
  void Start(Task<void> task) { tasks_.Spawn(std::move(task)); }

 private:
  Status CheckAlive(const Participant& participant) const;
  void TellJoined(RoomEvent event, const Participant* except) const;
  /// What of the capabilities matters here, shared with others who have the same; null for nullopt.
  std::shared_ptr<const RtpCapabilities> ShareCapabilities(
      std::optional<RtpCapabilities> capabilities);
  /// Lets go of all that the participant has: its transports are closed, with all on them.
  void Release(Participant& participant);
  static Task<void> CloseTransports(std::shared_ptr<Room> self,
                                    std::vector<std::shared_ptr<Transport>> transports);
  /// Closes the transport when nobody uses it for too long.
  static Task<void> WatchTransport(std::shared_ptr<Room> self, std::shared_ptr<Participant> owner,
                                   std::shared_ptr<Transport> transport);
  /// Makes those that the transport awaits.
  Task<void> RestoreConsumersOf(std::shared_ptr<Participant> owner,
                                std::shared_ptr<Transport> transport);
  static bool IsReceivedBy(const Participant& owner, const Transport& transport);
  static Task<void> EndBroadcaster(std::shared_ptr<Room> self,
                                   std::shared_ptr<Participant> broadcaster);
  /// A plain transport that would send to one of our own ports is closed.
  void CheckDestination(Participant& owner, const std::shared_ptr<Transport>& transport,
                        const PlainPeerMoved& peer);
  /// Closes a broadcaster's transport with all on it.
  void CloseTransport(Participant& owner, const std::shared_ptr<Transport>& transport);
  static Task<void> WatchBroadcaster(std::shared_ptr<Room> self,
                                     std::shared_ptr<Participant> broadcaster);
  Task<Result<PlainTransportInfo>> MakePlainTransport(std::shared_ptr<Participant> owner,
                                                      std::string id,
                                                      PlainTransportOptions options);
  Task<Result<std::shared_ptr<Producer>>> MakeProducer(std::shared_ptr<Participant> owner,
                                                       std::shared_ptr<Transport> transport,
                                                       std::string id, MediaKind kind,
                                                       RtpParameters parameters,
                                                       ClientText app_data);
  /// Ends the room when nobody is left that keeps it.
  void CloseIfLeft();
  /// Ends the room after a while in which nobody came.
  void CloseUnlessUsed();
  void CloseEverything();
  /// Where a new transport of the participant is made. One shard for now.
  const std::shared_ptr<Shard>& ShardFor(const Participant& participant) const;
  /// A transport is in use: its events are for its owner.
  void Adopt(const std::shared_ptr<Participant>& owner,
             const std::shared_ptr<Transport>& transport);
  void OnTransportEvent(const std::shared_ptr<Participant>& owner,
                        const std::shared_ptr<Transport>& transport, const WorkerEvent& event);
  void OnProducerEvent(const std::shared_ptr<Participant>& owner,
                       const std::shared_ptr<Producer>& producer, const WorkerEvent& event);
  void OnConsumerEvent(const std::shared_ptr<Participant>& owner,
                       const std::shared_ptr<Consumer>& consumer, const WorkerEvent& event);
  void OnVolumes(const AudioVolumes& volumes);
  void GivePeer(const std::shared_ptr<Participant>& peer,
                const std::shared_ptr<Producer>& producer);
  void GivePeerData(const std::shared_ptr<Participant>& peer,
                    const std::shared_ptr<DataProducer>& producer);
  /// All data producers here that the peer has not made itself, the bot's last.
  void GivePeerAllData(const std::shared_ptr<Participant>& peer);
  void EndDataConsumer(Participant& owner, const std::shared_ptr<DataConsumer>& consumer);
  /// The bot, made when it is needed first; nullptr when it cannot be made.
  static Task<std::shared_ptr<Bot>> GetBot(std::shared_ptr<Room> self);
  static Task<void> IntroduceBot(std::shared_ptr<Room> self, std::shared_ptr<Participant> peer);
  static Task<void> TalkToBot(std::shared_ptr<Room> self, std::shared_ptr<Participant> owner,
                              std::shared_ptr<DataProducer> producer);
  /// Runs `tell` at `due`, for values that are told at most once a second.
  void TellLater(std::chrono::steady_clock::time_point due, std::function<void()> tell);
  static Task<void> RunLater(std::shared_ptr<Room> self);
  /// Tells `owner` what `to_event` makes of `soft` once `value` is in it, now or when it is due.
  /// `object` is what owns `soft`.
  template <typename T, typename Object, typename ToEvent>
  void TellSoftly(const std::shared_ptr<Participant>& owner, const std::shared_ptr<Object>& object,
                  SoftValue<T>* soft, T value, ToEvent to_event);

  std::string id_;
  asio::any_io_executor executor_;
  const RoomSettings& settings_;
  int consumer_replicas_;
  RtpCapabilities capabilities_;
  std::vector<std::shared_ptr<Shard>> shards_;
  ClosedCallback on_closed_;
  bool closed_ = false;
  asio::steady_timer empty_timer_;
  std::vector<std::shared_ptr<Participant>> peers_;  ///< in order of arrival
  std::map<std::string, std::shared_ptr<Participant>> broadcasters_;
  std::map<std::string, std::shared_ptr<Producer>> producers_;
  std::map<std::string, std::shared_ptr<DataProducer>> data_producers_;  ///< but the bot's
  std::shared_ptr<Bot> bot_;
  std::optional<Event> bot_made_;  ///< while it is being made
  RoomPolicy policy_;
  uint64_t next_transport_number_ = 0;
  std::vector<std::weak_ptr<const RtpCapabilities>> capability_sets_;  ///< of those who are here
  std::multimap<std::chrono::steady_clock::time_point, std::function<void()>> later_;
  bool later_runs_ = false;
  TaskScope tasks_;
};

}  // namespace sluice::controller
