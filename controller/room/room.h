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
#include "controller/room/room_life.h"
#include "controller/room/room_policy.h"
#include "controller/room/shard.h"
#include "controller/room/unreached_log.h"
#include "controller/worker/media_worker.h"

namespace sluice::controller {

class Bot;

/// Is told when it may have changed who publishes media in a room, or what the publishers are
/// called. To look at the room then is not the time: it is in the middle of a change.
class PublisherWatcher {
 public:
  virtual ~PublisherWatcher() = default;
  virtual void OnPublishersChanged() = 0;
};

/// What happened in all rooms since the program started.
struct RoomCounters {
  uint64_t silent_broadcasters = 0;   ///< ended because they sent nothing
  uint64_t lost_broadcasters = 0;     ///< ended because their WebRTC connection was lost
  uint64_t unused_transports = 0;     ///< closed because nobody used them
  uint64_t own_ports = 0;             ///< transports closed because they would have sent to us
  uint64_t unreached_transports = 0;  ///< no DTLS in reach_patience after the client connected them
  // By the rules of a room:
  uint64_t publishing_refused = 0;  ///< attempts to publish
  uint64_t joining_refused = 0;     ///< peers and broadcasters that were not let in
  // By the management:
  uint64_t kicked = 0;  ///< peers
  uint64_t moved = 0;   ///< peers
  uint64_t muted = 0;   ///< times that something of a participant was muted
  // Of peers that lost their connection and may come back:
  uint64_t dropped = 0;         ///< connections lost
  uint64_t resumed = 0;         ///< came back
  uint64_t not_resumed = 0;     ///< did not come back in time
  uint64_t resume_refused = 0;  ///< attempts with a token that is not that of the peer
  // Connections with the id of such a peer, before they have said what they are:
  uint64_t newcomers_silent = 0;   ///< closed because they said nothing
  uint64_t newcomers_surplus = 0;  ///< closed because there were too many
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
  /// A peer keeps so many such transports, the newest ones: mediasoup-client makes one for each
  /// direction when it joins, and connects it when it has something to send or to receive, which in
  /// an empty room may be hours later.
  size_t max_unused_transports = 4;
  /// How long the stage of a live room is kept for its holder, who is gone.
  std::chrono::milliseconds stage_grace{30'000};
  /// How long a peer that asked for it is kept when its connection is lost; 0 = not at all.
  std::chrono::milliseconds resume_grace{30'000};
  /// How long a connection with the id of a peer that may come back has to say what it is.
  std::chrono::milliseconds newcomer_patience{10'000};
  /// A client whose media has not got through so long after it connected a transport is told of in
  /// the log.
  std::chrono::milliseconds reach_patience{10'000};
  /// Such connections of one peer id: its client's own, the one that it gave up for that, and a few
  /// that are not its own.
  size_t max_newcomers = 4;
  /// Whether nobody may take the place of a peer that has no resume token either. False: a second
  /// connection with its id from the same address replaces it.
  bool takeover_needs_token = false;
  /// Extra consumers per producer that the first joiner may ask for.
  int max_consumer_replicas = 0;
  std::shared_ptr<OwnPorts> own_ports = std::make_shared<OwnPorts>();
  std::shared_ptr<RoomCounters> counters = std::make_shared<RoomCounters>();
  std::shared_ptr<UnreachedLog> unreached = std::make_shared<UnreachedLog>();
  std::shared_ptr<RoomLifeListener> life_listener;  ///< null: nobody keeps account
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
  /// Peers told to reconnect come back one in so many milliseconds on average. Most clients do so
  /// the moment they are told, so the telling is spread, over the maximum at most; what is left of
  /// the time, up to the other maximum, clients are asked to wait themselves.
  static constexpr uint32_t kReconnectSpreadPerPeerMs = 10;
  static constexpr uint32_t kReconnectSpreadMaxMs = 3'000;
  static constexpr uint32_t kReconnectJitterMaxMs = 10'000;

  /// Of a resume token, characters of 36 kinds: more than 2^128.
  static constexpr size_t kResumeTokenLength = 26;

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
  bool empty() const { return present() == 0; }
  size_t present() const { return peers_.size() + broadcasters_.size(); }
  const asio::any_io_executor& executor() const { return executor_; }
  bool UsesWorker(const MediaWorker& worker) const;
  const RtpCapabilities& capabilities() const { return capabilities_; }
  const RoomPolicy& policy() const { return policy_; }
  /// The policy of a room of this id that has ended.
  void set_policy(RoomPolicy policy) { policy_ = std::move(policy); }
  /// How long it stays without anybody, when the management says so (0 = until it is closed there);
  /// nullopt: it ends with the last who leaves.
  const std::optional<std::chrono::milliseconds>& kept_empty() const { return kept_empty_; }
  /// How long a peer is awaited that may come back.
  std::chrono::seconds resume_grace() const {
    return std::chrono::duration_cast<std::chrono::seconds>(settings_.resume_grace);
  }
  /// Its media worker has died.
  bool worker_died() const { return worker_died_; }
  size_t peer_count() const { return peers_.size(); }
  size_t broadcaster_count() const { return broadcasters_.size(); }

  // ---- Peers

  /// A client connected. A peer of the same id is replaced if it belongs to the same `owner` or
  /// it is `proven` to be the same: it leaves, the room stays open. AlreadyExists if not,
  /// PermissionDenied when the room's rules do not let it in. `wish` is what the room is for, if
  /// this is who comes first. When the peer of that id may come back, the result is `pending` and
  /// not in the room: Resume() or Settle() follows before anything else, within
  /// RoomSettings::newcomer_patience.
  Result<std::shared_ptr<Participant>> Connect(const std::string& peer_id,
                                               std::shared_ptr<PeerLink> link, Owner owner = {},
                                               bool proven = false, const KindWish& wish = {});
  /// A pending newcomer does not come back: it is another peer, or replaces the old one. Errors as
  /// of Connect(); then it is still pending.
  Status Settle(const std::shared_ptr<Participant>& newcomer);
  /// The peer's client may come back when it loses its connection: its token, which Resume() takes
  /// once; "" where that is off (RoomSettings::resume_grace).
  std::string OfferResumption(const std::shared_ptr<Participant>& peer);
  /// The newcomer's client brings the token of the peer of its id: that peer goes on over the
  /// newcomer's link and has a new token; the newcomer is gone. NotFoundError when there is no such
  /// peer, PermissionDenied when the token is another. Answer, then Reconcile().
  Result<std::shared_ptr<Participant>> Resume(const std::shared_ptr<Participant>& newcomer,
                                              const std::string& token);
  /// Makes the same of what is here and what the client knows of: it is offered what it lacks, told
  /// the end of what is gone, and what it sends without knowing is closed.
  static Task<void> Reconcile(std::shared_ptr<Room> self, std::shared_ptr<Participant> peer,
                              KnownObjects known);
  /// The connection to the client is lost: it leaves, or is awaited for a while.
  void Drop(const std::shared_ptr<Participant>& peer);
  /// The client is gone (or is sent away: its link is closed with kCloseForGood and `text`).
  /// `for_good`: its stage, if it has one, is free at once.
  void Leave(const std::shared_ptr<Participant>& peer, bool for_good = false,
             std::string_view text = "");
  /// All peers, in order of arrival, those who have not joined as well. None that is pending.
  const std::vector<std::shared_ptr<Participant>>& peers() const { return peers_; }
  const std::map<std::string, std::shared_ptr<Participant>>& broadcasters() const {
    return broadcasters_;
  }
  /// The peer of that id; nullptr when there is none.
  std::shared_ptr<Participant> FindPeer(const std::string& peer_id) const;
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
      std::optional<RtpCapabilities> capabilities, Owner owner = {}, const KindWish& wish = {},
      bool may_publish = true);
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
    bool dcep = false;  ///< data channels are opened in band, by either side
    /// Seconds without a connectivity check until the client counts as lost; nullopt: as usual, 0:
    /// it sends none once it is connected.
    std::optional<uint8_t> consent_timeout = std::nullopt;
    /// Its owner has others and stays when this one is lost: TransportEnded. False: it leaves.
    bool ends_alone = false;
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
  /// Has a plain transport without comedia send to `destination`, once. TypeError where its ports
  /// are not those that the transport has, or are ours.
  Task<Status> ConnectTransport(std::shared_ptr<Transport> transport, PlainDestination destination);
  Task<Result<IceParameters>> RestartIce(std::shared_ptr<Transport> transport);
  /// Closes a transport with all on it.
  void CloseTransport(Participant& owner, const std::shared_ptr<Transport>& transport);

  /// What a producer is made of. `screen`: the client says that a video is one.
  struct ProducerRequest {
    MediaKind kind = MediaKind::kAudio;
    bool screen = false;
    RtpParameters parameters;
    ClientText app_data;
    bool report_wanted_layers = false;  ///< its owner is told by LayersWanted
  };
  /// Makes a producer. Answer, then AnnounceProducer().
  Task<Result<std::shared_ptr<Producer>>> Produce(std::shared_ptr<Participant> owner,
                                                  std::shared_ptr<Transport> transport,
                                                  ProducerRequest request);
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
    std::optional<ConsumerIdentity> identity = std::nullopt;  ///< nullopt: a new one
    /// In its receiver's own payload types and extension ids, of which the router's type of the
    /// media codec is `source_payload_type`; null: what the owner's capabilities make of the
    /// producer.
    std::shared_ptr<const ConsumerPattern> pattern = nullptr;
    std::optional<uint8_t> source_payload_type = std::nullopt;
    bool extmap_allow_mixed = false;  ///< its receiver takes both forms of header extensions
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
    bool relayed = false;           ///< DataProducer::relayed
    bool report_consumers = false;  ///< its owner is told by DataProducerConsumed
    bool echo = false;              ///< heard by its owner, and nobody else: Echo() follows
  };
  /// Makes a data producer. Answer, then AnnounceDataProducer().
  Task<Result<std::shared_ptr<DataProducer>>> ProduceData(std::shared_ptr<Participant> owner,
                                                          std::shared_ptr<Transport> transport,
                                                          DataRequest request);
  /// Gives it to all other joined peers that take data, or to the bot.
  void AnnounceDataProducer(const std::shared_ptr<Participant>& owner,
                            const std::shared_ptr<DataProducer>& producer);
  /// The bot's as well, once there is a bot.
  std::shared_ptr<DataProducer> FindDataProducer(const std::string& data_producer_id) const;
  /// As FindDataProducer(); kBotLabel is the bot's, which is made when it is asked for first.
  /// nullptr when there is none.
  static Task<std::shared_ptr<DataProducer>> GetDataProducer(std::shared_ptr<Room> self,
                                                             std::string data_producer_id);
  /// Makes one data consumer, on a free stream of the transport unless it is one that its receiver
  /// knows. Its end is told from DeliverData() on.
  Task<Result<std::shared_ptr<DataConsumer>>> ConsumeData(
      std::shared_ptr<Participant> owner, std::shared_ptr<Transport> transport,
      std::shared_ptr<DataProducer> producer,
      std::optional<DataConsumerIdentity> identity = std::nullopt);
  void DeliverData(const std::shared_ptr<Participant>& owner,
                   const std::shared_ptr<DataConsumer>& consumer);
  /// `peer` has taken the consumer: tells the owner of its producer, if that wants to know.
  void TellConsumed(const Participant& peer, const DataConsumer& consumer) const;
  /// Has the owner hear what it says with `producer` in the same channel; `opens`: which is opened
  /// in band. The id of the data consumer for that.
  static Task<Result<std::string>> Echo(std::shared_ptr<Room> self,
                                        std::shared_ptr<Participant> owner,
                                        std::shared_ptr<Transport> transport,
                                        std::shared_ptr<DataProducer> producer, bool opens);
  /// The lowest stream of the transport that is not in use in either direction and that a channel
  /// of ours may have; nullopt when there is none.
  static std::optional<uint16_t> FreeStream(const Transport& transport);
  Task<Status> CloseDataProducer(std::shared_ptr<Participant> owner,
                                 std::shared_ptr<DataProducer> producer);
  /// Closes a data consumer that nobody wants.
  void DropDataConsumer(Participant& owner, const std::shared_ptr<DataConsumer>& consumer);

  // ---- Moderation

  /// Changes the rules. What they do not allow any more is ended, but nobody is sent away.
  static Task<void> SetRules(std::shared_ptr<Room> self, RoomRules rules);
  void KeepEmpty(std::chrono::milliseconds empty_timeout);
  /// Sends the peer away for good.
  void Kick(const std::shared_ptr<Participant>& peer, std::string_view why);
  /// What `member` sends of `sources` is paused until a moderator lets it go on; so is what it
  /// makes later refused.
  static Task<Status> Mute(std::shared_ptr<Room> self, std::shared_ptr<Participant> member,
                           MediaSources sources, bool muted);
  Status LetUp(const std::shared_ptr<Participant>& member);
  /// Ends the media that the member sends; it may not publish until it is let up again.
  static Task<Status> TakeDown(std::shared_ptr<Room> self, std::shared_ptr<Participant> member);
  /// Keeps a place for a peer that is moved here. PermissionDenied when the room is full.
  Status Expect(const Participant& peer);
  /// Tells the peer to go on in another room, and ends its session here.
  void MovePeer(const std::shared_ptr<Participant>& peer, const std::string& room_id);
  /// Says a text to all who take data, with the bot's voice; how many they are.
  static Task<Result<size_t>> Say(std::shared_ptr<Room> self, std::string text);

  /// A worker died: everything is gone. Peers are told to reconnect, spread over time.
  /// `tasks` closes them, since those of the room end with it.
  /// `coming`: how many come back with them, of all rooms that were there.
  void OnWorkerDied(TaskScope& tasks, size_t coming);
  /// Ends the room: peers are closed for good, or with this process.
  void Close(EndReason reason = EndReason::kForGood);

  /// One watcher at a time; it is not held.
  void SetPublisherWatcher(std::weak_ptr<PublisherWatcher> watcher) {
    publisher_watcher_ = std::move(watcher);
  }
  /// A peer or broadcaster in the room of that id; nullptr when there is none.
  std::shared_ptr<Participant> FindParticipant(const std::string& id) const;

  /// Runs a task of this room's on its own; the task holds the room. Closing the room ends it.
  void Start(Task<void> task) { tasks_.Spawn(std::move(task)); }

 private:
  void TellPublishersChanged() const;
  // What begins and ends, for RoomSettings::life_listener.
  void AccountBegin(Participant& member) const;
  void AccountBegin(const Participant& owner, Producer& producer) const;
  void AccountEnd(const Participant& owner, Producer& producer) const;
  /// And that of all its producers.
  void AccountEnd(Participant& member) const;
  Status CheckAlive(const Participant& participant) const;
  Status CheckAlive(const Participant& owner, const Transport& transport) const;
  /// Whether the newcomer may take the place of `old`.
  Status MayReplace(const Participant& old, const Participant& newcomer) const;
  /// Whether the rules let one more in.
  Status Admit(const Participant& who, size_t present);
  /// Takes a peer in, in the place of the one of its id if that is here.
  Status Enter(const std::shared_ptr<Participant>& peer, const KindWish& wish);
  /// Keeps a pending one until it says what it is. One of the same id may have to go.
  void AddNewcomer(const std::shared_ptr<Participant>& newcomer, const KindWish& wish);
  static Task<void> EndSilence(std::shared_ptr<Room> self, std::weak_ptr<Participant> newcomer);
  /// Tells the member's client what a moderator has muted of it by now.
  static void TellMuted(Participant& member);
  /// Ends a pending one's session; its client may come again.
  void SendAway(const std::shared_ptr<Participant>& newcomer, std::string_view why);
  /// Ends what the member receives of other sources than these.
  void TakeAway(Participant& member, MediaSources receive);
  /// Gives everybody what there is of these sources.
  void GiveAll(MediaSources sources);
  /// Closes what the owner sends of these sources, and tells it so.
  static Task<void> EndProducers(std::shared_ptr<Room> self, std::shared_ptr<Participant> owner,
                                 MediaSources sources);
  static Task<void> EndAbsence(std::shared_ptr<Room> self, std::shared_ptr<Participant> peer,
                               uint64_t absence);
  /// The peer leaves unless its transport is in use again in time. `absence` and `loss`: those that
  /// this is about.
  static Task<void> AwaitTransport(std::shared_ptr<Room> self, std::shared_ptr<Participant> peer,
                                   std::shared_ptr<Transport> transport, uint64_t absence,
                                   uint64_t loss);
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
  /// Once it is overdue, closes the oldest of the peer's transports that nobody uses if there are
  /// more than it may keep. Holds nothing of a peer that has left.
  static Task<void> WatchPeerTransport(std::shared_ptr<Room> self, std::weak_ptr<Participant> peer,
                                       std::weak_ptr<Transport> transport);
  /// Logs and counts a transport that its client connected and whose DTLS is not up in time. Holds
  /// nothing of a peer that has left.
  static Task<void> WatchReach(std::shared_ptr<Room> self, std::weak_ptr<Transport> transport);
  /// Makes those that the transport awaits.
  Task<void> RestoreConsumersOf(std::shared_ptr<Participant> owner,
                                std::shared_ptr<Transport> transport);
  Task<void> RestoreDataConsumersOf(std::shared_ptr<Participant> owner,
                                    std::shared_ptr<Transport> transport);
  static bool IsReceivedBy(const Participant& owner, const Transport& transport);
  static Task<void> EndBroadcaster(std::shared_ptr<Room> self,
                                   std::shared_ptr<Participant> broadcaster);
  /// A plain transport that would send to one of our own ports is closed.
  void CheckDestination(Participant& owner, const std::shared_ptr<Transport>& transport,
                        const PlainPeerMoved& peer);
  static Task<void> WatchBroadcaster(std::shared_ptr<Room> self,
                                     std::shared_ptr<Participant> broadcaster);
  Task<Result<PlainTransportInfo>> MakePlainTransport(std::shared_ptr<Participant> owner,
                                                      std::string id,
                                                      PlainTransportOptions options);
  Result<std::shared_ptr<Participant>> MakeBroadcaster(const BroadcastPlan& plan);
  void AddBroadcaster(const std::shared_ptr<Participant>& broadcaster);
  Task<Result<std::shared_ptr<Producer>>> MakeProducer(std::shared_ptr<Participant> owner,
                                                       std::shared_ptr<Transport> transport,
                                                       std::string id, MediaSource source,
                                                       ProducerRequest request);
  /// Whether the owner may send this now. Takes a place on the stage where there is need of one;
  /// the result says so.
  Result<bool> MayPublish(const Participant& owner, MediaSource source);
  Status CheckProducer(const Participant& owner, const Transport& transport, MediaSource source);
  Status CheckMuted(const Participant& owner, MediaSource source) const;
  /// A producer of what is asked for, and what its worker is to be asked.
  Result<std::shared_ptr<Producer>> DescribeProducer(Participant& owner, Transport& transport,
                                                     MediaSource source, ProducerRequest request,
                                                     ProduceOptions* options) const;
  /// A producer is made: it is the owner's and can be heard of.
  void AdoptProducer(const std::shared_ptr<Participant>& owner,
                     const std::shared_ptr<Producer>& producer, WorkerTransport::ProducerMade made);
  /// Whether the owner may have one more consumer, or data consumer, there.
  Status CheckConsumer(const Participant& owner, const Transport& transport) const;
  static std::shared_ptr<Consumer> DescribeConsumer(const std::shared_ptr<Transport>& transport,
                                                    const std::shared_ptr<Producer>& producer,
                                                    std::shared_ptr<const ConsumerPattern> pattern,
                                                    const ConsumerRequest& request);
  Task<Result<std::shared_ptr<DataProducer>>> MakeDataProducer(std::shared_ptr<Participant> owner,
                                                               std::shared_ptr<Transport> transport,
                                                               std::string id, DataRequest request);
  /// Makes what a plan has on one transport, which is there.
  Task<Status> RestoreProducers(std::shared_ptr<Participant> owner,
                                std::shared_ptr<Transport> transport,
                                BroadcastPlan::Transport planned);
  static Task<void> EchoChannel(std::shared_ptr<Room> self, std::shared_ptr<Participant> owner,
                                std::shared_ptr<Transport> transport,
                                std::shared_ptr<DataProducer> producer);
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
  void OnChannelOpened(const std::shared_ptr<Participant>& owner,
                       const std::shared_ptr<Transport>& transport,
                       const DataChannelOpened& opened);
  void OnChannelClosed(Participant& owner, const std::string& data_producer_id);
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
  bool worker_died_ = false;
  std::optional<std::chrono::milliseconds> kept_empty_;
  asio::steady_timer empty_timer_;
  std::vector<std::shared_ptr<Participant>> peers_;  ///< in order of arrival
  /// A pending one: not in the room.
  struct Newcomer {
    std::shared_ptr<Participant> who;
    KindWish wish;
  };
  /// In order of arrival, at most RoomSettings::max_newcomers of one id.
  std::vector<Newcomer> newcomers_;
  std::map<std::string, std::shared_ptr<Participant>> broadcasters_;
  std::map<std::string, std::shared_ptr<Producer>> producers_;
  std::map<std::string, std::shared_ptr<DataProducer>> data_producers_;  ///< but the bot's
  std::shared_ptr<Bot> bot_;
  std::optional<Event> bot_made_;  ///< while it is being made
  std::weak_ptr<PublisherWatcher> publisher_watcher_;
  RoomPolicy policy_;
  uint64_t next_transport_number_ = 0;
  std::vector<std::weak_ptr<const RtpCapabilities>> capability_sets_;  ///< of those who are here
  std::multimap<std::chrono::steady_clock::time_point, std::function<void()>> later_;
  bool later_runs_ = false;
  TaskScope tasks_;
};

}  // namespace sluice::controller
