#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "controller/base/limits.h"
#include "controller/base/task_scope.h"
#include "controller/base/token_bucket.h"
#include "controller/http/http_types.h"
#include "controller/room/room_registry.h"
#include "controller/signalling/fields.h"
#include "controller/signalling/network_throttle.h"
#include "controller/signalling/request_auth.h"
#include "controller/signalling/source_budget.h"
#include "controller/signalling/transport_quota.h"
#include "controller/signalling/websocket_end.h"
#include "controller/signalling/websocket_intake.h"

namespace sluice::controller {

struct ProtooLimits {
  /// Requests of one peer, with bursts of one second's worth; 0 = no limit. A page that joins a
  /// big room and shows all stats sends some 50.
  uint32_t requests_per_second = 100;
  /// Of these, those that everybody in the room is told of, which cost as much as there are people;
  /// 0 = no limit. So many at once as a peer may have producers.
  uint32_t announcements_per_second = 10;
  uint32_t announcement_burst = 32;
  FieldLimits fields = {};
  /// Places of the peers' transports; null = no limit.
  std::shared_ptr<TransportQuota> quota = nullptr;
  std::shared_ptr<LimitCounters> counters = std::make_shared<LimitCounters>();
  /// Clients that were cut off because they sent far too much.
  std::shared_ptr<uint64_t> flooders = std::make_shared<uint64_t>(0);
  /// What all clients of one address may do together.
  std::shared_ptr<SourceBudget> budget = std::make_shared<SourceBudget>();
  /// Who may slow the network down; null = nobody.
  std::shared_ptr<const ThrottleAccess> throttle = nullptr;
  std::function<TokenBucket::TimePoint()> now = std::chrono::steady_clock::now;
};

/// Decides on WebSocket connections of protoo clients (docs/protocols/room-api.md).
class ProtooGateway {
 public:
  ProtooGateway(const asio::any_io_executor& executor, RoomRegistry* rooms, ProtooLimits limits,
                RequestAuth auth = {})
      : executor_(executor), rooms_(rooms), limits_(std::move(limits)), auth_(std::move(auth)) {}

  /// 403 without the sub-protocol, 400 without (valid) roomId and peerId, 401 or 403 without grants
  /// for them; makes the room.
  Task<UpgradeDecision> Upgrade(HttpRequest request);

 private:
  asio::any_io_executor executor_;
  RoomRegistry* rooms_;
  ProtooLimits limits_;
  RequestAuth auth_;
};

/// Who is at the other end of a protoo connection.
struct ProtooClient {
  std::string peer_id;
  std::string address;  ///< HttpRequest::client_ip
  std::string source;   ///< HttpRequest::source
  Grants grants;
  KindWish wish = {};  ///< what the room is for, if this is who comes first
  /// A token for another room (RequestAuth::PassFor); "" when none is needed.
  std::function<std::string(const std::string& room_id)> pass_for = nullptr;
};

/// One protoo client: turns its requests into room operations and the room's notifications and
/// requests into messages (docs/protocols/room-api.md). Shared by the socket, the room and requests
/// in flight; ends when the socket does, or with its peer, if that is awaited longer.
class ProtooSession : public WebSocketEvents,
                      public PeerLink,
                      public std::enable_shared_from_this<ProtooSession> {
 public:
  /// Requests of the client that may be unanswered: then nothing more is read of it until half of
  /// them are answered. Its library sends a handful at once.
  static constexpr size_t kMaxClientRequests = 256;

  ProtooSession(const asio::any_io_executor& executor, std::shared_ptr<Room> room,
                ProtooClient client, const ProtooLimits& limits);
  ~ProtooSession() override;

  void OnOpen(std::shared_ptr<WebSocketLink> link) override;
  void OnText(std::string_view text) override;
  void OnIgnored() override;
  void OnDrained() override;
  void OnLeft(uint16_t code) override;
  void OnClosed() override;

  /// Who may not receive media is offered none.
  SubscriptionPolicy policy() const override;
  void OnEvent(const RoomMessage& message) override;
  void Offer(const std::vector<std::shared_ptr<Consumer>>& consumers, OfferAnswer answer) override;
  void OfferData(const std::shared_ptr<DataConsumer>& consumer, OfferAnswer answer) override;
  bool may_have_data() const override;
  bool congested() const override;
  void End(EndReason reason, std::string_view text) override;

 private:
  /// A request of ours without an answer. No time limit: a client may sleep and answer later.
  struct ServerRequest {
    OfferAnswer answer;
    std::string consumer_id;  ///< that it offers, or data consumer
  };
  /// What a handler wants sent, and what shall happen right after it was queued.
  struct Reply {
    boost::json::value data = boost::json::object();
    std::function<void()> then;
  };
  /// The session's room and peer as they were when the request arrived.
  struct Context {
    std::shared_ptr<Room> room;
    std::shared_ptr<Participant> peer;
    boost::json::object data;
    std::shared_ptr<const ProtooSession> session;
  };
  using Handler = Task<Result<Reply>> (*)(Context);
  struct Method {
    Handler handler;
    bool needs_join;
    Permissions any_of = Permissions::All();  ///< what the client needs one of
    bool announced = false;                   ///< everybody in the room is told of it
  };
  static const std::map<std::string, Method, std::less<>>& Methods();

  void Send(const boost::json::object& message);
  /// Keeps a request that offers a consumer until it is answered; its id.
  uint32_t AddServerRequest(const std::string& consumer_id, OfferAnswer answer);
  void Forget(const std::string& consumer_id);
  /// Takes the request out of those without an answer; nullopt when it is not among them.
  std::optional<ServerRequest> TakeServerRequest(uint32_t id);
  /// `code` is protoo's; what REST would say, a status of HTTP, stands beside it as a word:
  /// HttpStatusOf(why) unless it is given.
  void SendError(const boost::json::value& id, int code, const Status& why, int http_status = 0);
  /// Something came more often than it may.
  void SendLimit(const boost::json::value& id, const Status& refused);
  /// The code of the error that answers a request of this method.
  static int CodeOf(const Method& method, const Status& refused);
  /// The throttle, for a request that may use it.
  static Result<std::shared_ptr<NetworkThrottle>> OpenThrottle(const Context& context);
  /// Whether the rates of the client and of its address allow one more request; what is refused is
  /// answered.
  bool TakeRequest(const boost::json::value& id);
  bool TakeAnnouncement(const boost::json::value& id);
  void OnRequest(const boost::json::object& message);
  /// The request `resume`: takes up the peer that the client was before its connection was lost.
  void OnResume(const boost::json::value& id, const boost::json::object& data);
  /// Lets go of the room: nothing more happens there for this session.
  void Detach(bool announced);
  /// Ends a connection whose peer is not let in.
  void Refuse(const Status& why);
  void OnResponse(const boost::json::object& message);
  /// Ends the session once it is over its rate by far: what is refused costs work, too.
  void CloseFlooder();
  /// Static, holding the session from before it starts, which may be after the socket's end.
  static Task<void> Handle(std::shared_ptr<ProtooSession> self, boost::json::value id,
                           const Method* method, Context context);

  static Task<Result<Reply>> GetRouterRtpCapabilities(Context context);
  static Task<Result<Reply>> Join(Context context);
  static Task<Result<Reply>> CreateWebRtcTransport(Context context);
  static Task<Result<Reply>> ConnectWebRtcTransport(Context context);
  static Task<Result<Reply>> RestartIce(Context context);
  static Task<Result<Reply>> Produce(Context context);
  static Task<Result<Reply>> CloseProducer(Context context);
  static Task<Result<Reply>> PauseProducer(Context context);
  static Task<Result<Reply>> ResumeProducer(Context context);
  static Task<Result<Reply>> PauseConsumer(Context context);
  static Task<Result<Reply>> ResumeConsumer(Context context);
  static Task<Result<Reply>> SetConsumerPreferredLayers(Context context);
  static Task<Result<Reply>> SetConsumerPriority(Context context);
  static Task<Result<Reply>> RequestConsumerKeyFrame(Context context);
  static Task<Result<Reply>> ProduceData(Context context);
  static Task<Result<Reply>> ChangeDisplayName(Context context);
  static Task<Result<Reply>> GetTransportStats(Context context);
  static Task<Result<Reply>> GetProducerStats(Context context);
  static Task<Result<Reply>> GetConsumerStats(Context context);
  static Task<Result<Reply>> GetDataProducerStats(Context context);
  static Task<Result<Reply>> GetDataConsumerStats(Context context);
  static Task<Result<Reply>> ApplyNetworkThrottle(Context context);
  static Task<Result<Reply>> ResetNetworkThrottle(Context context);

  std::shared_ptr<Room> room_;
  const ProtooClient client_;
  std::shared_ptr<Participant> peer_;
  std::shared_ptr<WebSocketLink> link_;
  TaskScope tasks_;  ///< requests of the client; they end with the connection
  size_t client_requests_ = 0;
  bool left_ = false;  ///< the client has closed the connection itself, or is cut off
  std::shared_ptr<BackPressure> pressure_;
  ProtooLimits limits_;
  std::unique_ptr<SourceBudget::Visit> visit_;  ///< while the connection is open
  TokenBucket request_rate_;
  TokenBucket announcement_rate_;  ///< of these, those that everybody is told of
  TokenBucket refusal_rate_;       ///< answers "too many requests"
  std::unordered_map<uint32_t, ServerRequest> server_requests_;
  std::unordered_map<std::string, uint32_t> offers_;  ///< requests by the consumer they offer
};

}  // namespace sluice::controller
