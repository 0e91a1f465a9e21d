#pragma once

#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/status.h"
#include "controller/room/participant.h"
#include "controller/worker/media_worker.h"
#include "controller/worker/task.h"

namespace sluice::controller {

/// What all rooms share; from the configuration.
struct RoomSettings {
  std::vector<RtpCodecCapability> media_codecs;
  /// Addresses of transports that do not use a worker's WebRTC server, UDP and TCP.
  std::vector<ListenAddress> webrtc_listen;
  ListenAddress plain_listen;
  uint32_t initial_outgoing_bitrate = 1'000'000;  ///< bps
  uint32_t max_incoming_bitrate = 1'500'000;      ///< bps; 0 = no limit
  /// A room with broadcasters outlives its last peer: a viewer who closes the page must not end the
  /// broadcast. False is what the reference application does (room-api §4.1).
  bool keep_for_broadcasters = true;
  /// How long a room may be without peers and broadcasters, as one is that only was asked for.
  std::chrono::milliseconds empty_timeout{60'000};
  size_t max_peers = 1'000;
  size_t max_broadcasters = 100;
};

/// One room: a router on one worker, the peers and broadcasters in it and what they send to each
/// other (room-api §4). Every signalling adapter calls these operations.
///
/// Shared by the registry, its participants' sessions and operations in flight. Operations on a
/// closed room or participant fail with Error. Rules that keep the order of room-api §2.4: state
/// changes and the notifications that they cause happen in one step, without waiting in between;
/// what an adapter must answer first (join, produce) is followed by a separate call (AnnounceJoin,
/// AnnounceProducer) that starts the fan-out.
class Room : public std::enable_shared_from_this<Room> {
 public:
  /// Transports of one participant: sending, receiving, and a few being replaced.
  static constexpr size_t kMaxTransports = 16;
  /// Producers of one participant: camera, microphone, screens; simulcast is one.
  static constexpr size_t kMaxProducers = 32;
  /// Extra consumers per producer that a client may ask for (load tests of the reference app).
  static constexpr int kMaxConsumerReplicas = 8;
  /// Peers told to reconnect are spread over this long per peer, up to the maximum (jitter).
  static constexpr uint32_t kReconnectSpreadPerPeerMs = 10;
  static constexpr uint32_t kReconnectSpreadMaxMs = 3'000;

  using ClosedCallback = std::function<void(Room&)>;

  Room(std::string id, const asio::any_io_executor& executor, const RoomSettings& settings,
       std::shared_ptr<MediaWorker> worker, int consumer_replicas);
  ~Room();

  /// Makes the router and the observer on the worker.
  Task<Status> Open(ClosedCallback on_closed);

  const std::string& id() const { return id_; }
  bool closed() const { return closed_; }
  const std::shared_ptr<MediaWorker>& worker() const { return worker_; }
  const RtpCapabilities& capabilities() const { return capabilities_; }
  size_t peer_count() const { return peers_.size(); }
  size_t broadcaster_count() const { return broadcasters_.size(); }

  // ---- Peers

  /// A client connected. A peer of the same id is replaced: it leaves, the room stays open.
  Result<std::shared_ptr<Participant>> Connect(const std::string& peer_id,
                                               std::shared_ptr<PeerLink> link);
  /// The client is gone (or is sent away: its link is closed with kCloseForGood).
  void Leave(const std::shared_ptr<Participant>& peer);
  /// Joined peers and broadcasters but `except`, as {id, displayName, device}.
  boost::json::array DescribeOthers(const Participant& except) const;
  /// Marks the peer joined; `Peer already joined` the second time. Answer, then AnnounceJoin().
  Status Join(const std::shared_ptr<Participant>& peer, std::string display_name,
              boost::json::object device, std::optional<RtpCapabilities> capabilities);
  /// Tells the others and starts creating the newcomer's consumers.
  void AnnounceJoin(const std::shared_ptr<Participant>& peer);
  void ChangeDisplayName(const std::shared_ptr<Participant>& peer, std::string display_name);

  // ---- Broadcasters

  Result<std::shared_ptr<Participant>> CreateBroadcaster(
      const std::string& broadcaster_id, std::string display_name, boost::json::object device,
      std::optional<RtpCapabilities> capabilities);
  std::shared_ptr<Participant> FindBroadcaster(const std::string& broadcaster_id) const;
  Task<void> DeleteBroadcaster(std::shared_ptr<Participant> broadcaster);
  /// Joined peers with the producers that `broadcaster` can consume (room-api §3.2, route 2).
  boost::json::array DescribePeersFor(const Participant& broadcaster) const;

  // ---- Media, for both

  struct TransportRequest {
    bool force_tcp = false;
    bool producing = false;
    bool consuming = false;
  };
  Task<Result<WebRtcTransportInfo>> CreateWebRtcTransport(std::shared_ptr<Participant> owner,
                                                          TransportRequest request);
  Task<Result<PlainTransportInfo>> CreatePlainTransport(std::shared_ptr<Participant> owner,
                                                        bool rtcp_mux, bool comedia);
  Task<Status> ConnectTransport(std::shared_ptr<Transport> transport, DtlsParameters remote);
  Task<Result<IceParameters>> RestartIce(std::shared_ptr<Transport> transport);

  /// Makes a producer. Answer, then AnnounceProducer().
  Task<Result<std::shared_ptr<Producer>>> Produce(std::shared_ptr<Participant> owner,
                                                  std::shared_ptr<Transport> transport,
                                                  MediaKind kind, RtpParameters parameters,
                                                  boost::json::object app_data);
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
  };
  /// Makes one consumer. UnsupportedError when the owner's capabilities do not fit.
  Task<Result<std::shared_ptr<Consumer>>> Consume(std::shared_ptr<Participant> owner,
                                                  std::shared_ptr<Transport> transport,
                                                  std::shared_ptr<Producer> producer,
                                                  ConsumerRequest request);

  /// The worker died: everything is gone. Peers are told to reconnect, spread over time.
  void OnWorkerDied();
  /// Ends the room: peers are closed for good.
  void Close();

 private:
  /// Runs a task of this room's on its own.
  void Start(Task<void> task);
  Status CheckAlive(const Participant& participant) const;
  void NotifyJoined(std::string_view method, const boost::json::object& data,
                    const Participant* except) const;
  void Release(const std::shared_ptr<Participant>& participant, bool tell_worker);
  Task<void> CloseTransports(std::vector<std::string> ids);
  bool empty() const { return peers_.empty() && broadcasters_.empty(); }
  /// Ends the room when nobody is left that keeps it.
  void CloseIfLeft();
  /// Ends the room after a while in which nobody came.
  void CloseUnlessUsed();
  void CloseEverything(bool worker_lives);
  void RegisterTransport(const std::shared_ptr<Participant>& owner,
                         const std::shared_ptr<Transport>& transport);
  void OnTransportEvent(const std::shared_ptr<Participant>& owner, const Transport& transport,
                        const WorkerEvent& event);
  void OnConsumerEvent(const std::shared_ptr<Participant>& owner,
                       const std::shared_ptr<Consumer>& consumer, const WorkerEvent& event);
  void OnVolumes(const AudioVolumes& volumes);
  void StartConsumers(const std::shared_ptr<Participant>& peer,
                      const std::shared_ptr<Producer>& producer);
  Task<void> OfferConsumer(std::shared_ptr<Participant> peer, std::shared_ptr<Transport> transport,
                           std::shared_ptr<Producer> producer);
  void ForgetConsumer(const std::shared_ptr<Participant>& owner,
                      const std::shared_ptr<Consumer>& consumer);

  std::string id_;
  asio::any_io_executor executor_;
  const RoomSettings& settings_;
  std::shared_ptr<MediaWorker> worker_;
  int consumer_replicas_;
  RtpCapabilities capabilities_;
  std::string router_id_;
  std::string observer_id_;  ///< "" when the worker has no audio level observer
  ClosedCallback on_closed_;
  bool closed_ = false;
  asio::steady_timer empty_timer_;
  std::vector<std::shared_ptr<Participant>> peers_;  ///< in order of arrival
  std::map<std::string, std::shared_ptr<Participant>> broadcasters_;
  std::map<std::string, std::shared_ptr<Producer>> producers_;
};

}  // namespace sluice::controller
