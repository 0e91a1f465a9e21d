#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "controller/base/task_scope.h"
#include "controller/base/token_bucket.h"
#include "controller/http/http_types.h"
#include "controller/room/room.h"
#include "controller/signalling/gst_channel.h"
#include "controller/signalling/gst_control.h"
#include "controller/signalling/gst_signalling.h"
#include "controller/signalling/sdp_session.h"
#include "controller/signalling/websocket_intake.h"

namespace sluice::controller {

/// What GStreamer's clients may take, together with those of other doors.
struct GstLimits : DoorLimits {
  /// Messages of one client at once: a browser with ten sessions has some 400 candidates, and the
  /// reference server's queue takes as many.
  static constexpr uint32_t kBurst = 1'000;
  /// Messages of one consumer's control channels, with a second's worth at once: a mouse that is
  /// moved over a picture makes as many events as the screen has frames.
  uint32_t control_per_second = 250;
  size_t max_sessions = GstSignalling::kMaxSessions;  ///< that one client sees at a time
  SizeLimit max_meta = FieldLimits().device;
  /// A session that is not connected after this has failed. webrtcsink may take seconds to offer.
  std::chrono::milliseconds connect_within{30'000};
  /// One from which nothing comes for so long is lost. libnice has no consent checks (RFC 7675):
  /// its keepalives are indications, every 20 s, and media that it receives makes it send reports.
  std::chrono::milliseconds silent_for{45'000};
  /// Before a producer whose session has ended is asked for another, doubled up to kMaxRetry.
  std::chrono::milliseconds first_retry{2'000};
  static constexpr std::chrono::milliseconds kMaxRetry{60'000};
  std::shared_ptr<GstCounters> counters = std::make_shared<GstCounters>();
};

class GstRoom;

/// One client of the door: a WebSocket and a peer of the room that has as many transports as it has
/// sessions. It is not read while it does not read itself, and while its room is busy.
///
/// Shared by its connection, the room and the door's part of the room.
class GstPeer : public WebSocketEvents,
                public PeerLink,
                public std::enable_shared_from_this<GstPeer> {
 public:
  GstPeer(std::shared_ptr<GstRoom> room, SdpClient client, GstLimits limits);

  const std::string& id() const { return member_->client().peer_id; }
  const std::shared_ptr<SdpMember>& member() const { return member_; }
  void Send(std::shared_ptr<const std::string> text);
  /// It has said who it is: it joins the room, if it has not, or is called otherwise.
  void SetStatus(const std::string& name, size_t bytes);
  /// Joins the room, if it has not.
  Status Join();

  void OnOpen(std::shared_ptr<WebSocketLink> link) override;
  void OnText(std::string_view text) override;
  void OnIgnored() override;
  void OnDrained() override { pressure_->Update(); }
  void OnClosed() override;

  SubscriptionPolicy policy() const override { return SubscriptionPolicy::kOnRequest; }
  bool may_have_data() const override { return member_->client().may_have_data; }
  bool TakeChannel(const std::shared_ptr<DataProducer>& producer) override;
  void OnEvent(const RoomMessage& message) override;
  void Offer(const std::vector<std::shared_ptr<Consumer>>& consumers, OfferAnswer answer) override;
  void OfferData(const std::shared_ptr<DataConsumer>& consumer, OfferAnswer answer) override;
  void End(EndReason reason, std::string_view text) override;

 private:
  bool TakeMessage();
  std::shared_ptr<GstRoom> room_;
  std::shared_ptr<SdpMember> member_;
  GstLimits limits_;
  std::shared_ptr<WebSocketLink> link_;
  MessageRate rate_;
  std::shared_ptr<BackPressure> pressure_;
  SourceBudget::Place meta_place_;
};

/// The door's part of a room: does what GstSignalling decides.
///
/// Shared by the clients there; ends with the last of them.
class GstRoom : public PublisherWatcher, public std::enable_shared_from_this<GstRoom> {
 public:
  /// Many changes in the room are looked at once.
  static constexpr std::chrono::milliseconds kBatch{50};

  GstRoom(std::shared_ptr<Room> room, const GstLimits& limits);
  ~GstRoom() override;

  const std::shared_ptr<Room>& room() const { return room_; }

  void Add(const std::shared_ptr<GstPeer>& peer);
  void Remove(const GstPeer& peer);
  void Receive(const std::string& peer_id, std::string_view text);
  /// An event of the room, for the sessions of a client.
  void OnRoomEvent(const std::string& peer_id, const RoomMessage& message);
  bool TakeChannel(const std::shared_ptr<DataProducer>& producer);

  void OnPublishersChanged() override;

 private:
  struct Media;
  class Dialect;
  using MediaPtr = std::shared_ptr<Media>;

  // What the machine wants.
  void Run();
  void Do(const GstSignalling::Send& send);
  void Do(const GstSignalling::StatusSet& status);
  void Do(const GstSignalling::IngestBegun& begun);
  void Do(const GstSignalling::ViewBegun& begun);
  void Do(const GstSignalling::Described& described);
  void Do(const GstSignalling::SessionEnded& ended);

  // What sessions say.
  void OnDescription(const std::string& session_id, sdp::DescriptionType type,
                     const sdp::Description& description);
  void OnRefused(const std::string& session_id, sdp::DescriptionType type, const Status& why);
  void OnAnswered(const std::string& session_id);

  MediaPtr Find(const std::string& session_id) const;
  MediaPtr IngestOf(const std::string& producer_id) const;
  MediaPtr Begin(const std::string& session_id, const std::string& peer_id, SdpScope scope);
  void Fail(const std::string& session_id, const std::string& why);
  /// Whether what the producer publishes is there by now.
  bool IsLive(const std::string& producer_id) const;
  /// Views whose producers are live.
  void BeginViews();
  /// Makes the same of the publishers in the room and those that the clients know of.
  void Scan();
  static Task<void> ScanLater(std::weak_ptr<GstRoom> weak);
  static Task<void> Watch(std::weak_ptr<GstRoom> weak, std::string session_id,
                          std::chrono::milliseconds after);
  /// Ends the session when nothing comes over its transport any more.
  static Task<void> Listen(std::weak_ptr<GstRoom> weak, std::string session_id,
                           std::shared_ptr<Transport> transport,
                           std::chrono::milliseconds silent_for);
  static Task<void> Retry(std::weak_ptr<GstRoom> weak, std::string peer_id,
                          std::chrono::milliseconds after);

  // Control channels, gst_relay.cpp.
  static Task<void> AcceptChannel(std::shared_ptr<GstRoom> self, MediaPtr media,
                                  std::shared_ptr<DataProducer> opened);
  static Task<void> OpenChannel(std::shared_ptr<GstRoom> self, MediaPtr media, std::string label);
  /// Opens towards the consumer what its producer has open.
  void OpenChannels(const MediaPtr& view);
  /// The transport that all channels end in; null when it cannot be made.
  static Task<std::shared_ptr<GstDirect>> GetDirect(std::shared_ptr<GstRoom> self,
                                                    std::shared_ptr<Shard> shard);
  GstChannel::OnText Hearer(const MediaPtr& media, std::string label);
  void OnControl(const std::string& session_id, const std::string& label, std::string_view text);
  void FromConsumer(Media& view, const std::string& label, std::string_view text);
  void FromProducer(Media& ingest, const std::string& label, std::string_view text);

  std::shared_ptr<Room> room_;
  GstLimits limits_;
  GstSignalling signalling_;
  std::map<std::string, std::shared_ptr<GstPeer>> peers_;
  std::map<std::string, MediaPtr> media_;                         ///< by session
  std::map<std::string, std::chrono::milliseconds> retry_after_;  ///< by producer
  std::map<std::string, GstControl> controls_;                    ///< by producer
  std::shared_ptr<GstDirect> direct_;
  bool running_ = false;
  bool scan_due_ = false;
};

/// What a session has besides its signalling.
struct GstRoom::Media {
  explicit Media(const asio::any_io_executor& executor) : tasks(executor) {}

  std::string id;
  std::string peer_id;      ///< the client
  std::string producer_id;  ///< who is seen; of an ingest the client
  bool ingest = false;
  bool begun = false;      ///< of a view: its producer was there
  bool described = false;  ///< we have sent a description
  std::string offer;       ///< of a view, the client's; until it has begun
  std::shared_ptr<SdpSession> session;
  std::shared_ptr<Dialect> dialect;
  std::map<std::string, std::shared_ptr<GstChannel>> channels;  ///< by label; null: being made
  TokenBucket control_rate{0, {}};
  TaskScope tasks;  ///< that watch it; they end with it
};

}  // namespace sluice::controller
