#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "controller/base/task_scope.h"
#include "controller/signalling/data_wish.h"
#include "controller/signalling/sdp_peer.h"
#include "controller/signalling/sdp_session.h"

namespace sluice::controller {

/// A client that has data channels alone, and to which we make the offer: one peer, one transport,
/// one section (RFC 8841).
///
/// Its agreed channels are there before the offer is, so that nothing that comes is early; what the
/// answer brings is the client's certificate and role. As an echo it does not join the room: what
/// it says in a channel comes back there. In the room what it says is for all who take data, and
/// what others say with a label comes in its channel of that label, or else in one that we open.
///
/// Shared by its door, the room and tasks. Worked on one by one: starts and answers.
class DataSession : public PeerLink, public std::enable_shared_from_this<DataSession> {
 public:
  static constexpr size_t kMaxWaiting = 16;  ///< starts and answers

  DataSession(std::shared_ptr<Room> room, SdpClient client, const SdpLimits& limits);
  ~DataSession() override;

  /// Into the room. The dialect is told of all that follows.
  Status Enter(std::weak_ptr<SdpDialect> dialect);
  /// An offer follows, or OnRefused(). Again before the answer: the same offer. After it: one that
  /// restarts ICE; what is wanted counts the first time only.
  void Start(DataWish wish);
  /// OnRefused() follows when it cannot be taken; the offer waits on.
  void TakeAnswer(std::string text);
  /// The client leaves.
  void Leave();

  const SdpPeer& peer() const { return peer_; }
  bool ended() const { return ended_; }
  /// Starts and answers that are not worked on yet.
  size_t waiting() const { return work_.size(); }

  SubscriptionPolicy policy() const override { return SubscriptionPolicy::kOnRequest; }
  bool may_have_data() const override { return peer_.client().may_have_data; }
  bool echoes() const override { return wish_.echo; }
  std::optional<uint16_t> ChannelFor(const DataProducer& producer) const override;
  void OnEvent(const RoomMessage& message) override;
  void Offer(const std::vector<std::shared_ptr<Consumer>>& consumers, OfferAnswer answer) override;
  void OfferData(const std::shared_ptr<DataConsumer>& consumer, OfferAnswer answer) override;
  void End(EndReason reason, std::string_view text) override;

 private:
  struct Answer {
    std::string text;
  };
  using Work = std::variant<DataWish, Answer>;

  void Queue(sdp::DescriptionType type, Work work);
  static Task<void> Run(std::shared_ptr<DataSession> self);
  Task<Status> MakeOffer(DataWish wish);
  /// The transport and the agreed channels.
  Task<Status> Begin(DataWish wish);
  Task<Status> Agree(AgreedChannel channel);
  Task<Status> ApplyAnswer(std::string text);
  Result<sdp::RemoteTransport> ReadAnswer(const std::string& text) const;
  /// Into the room, or as an echo the channels that we open.
  Task<Status> Announce();
  Task<Status> OpenEcho(std::string label);
  Task<Status> Echo(std::shared_ptr<DataProducer> producer, bool opens);
  static Task<void> EndEcho(std::shared_ptr<Room> room, std::shared_ptr<Participant> peer,
                            std::shared_ptr<DataProducer> producer);
  sdp::Description Describe();
  void Refuse(sdp::DescriptionType type, const Status& why);
  /// From now on nothing more happens; true the first time.
  bool SetEnded();
  /// Ends a client that is not connected so long after its answer.
  static Task<void> Watch(std::weak_ptr<DataSession> weak, std::chrono::milliseconds patience);

  SdpPeer peer_;
  std::weak_ptr<SdpDialect> dialect_;
  DataWish wish_;
  std::vector<std::shared_ptr<DataProducer>> agreed_;
  /// Of agreed channels and those that we open, by the data consumers that give back.
  std::map<std::string, std::weak_ptr<DataProducer>> echoes_;
  std::deque<Work> work_;
  uint64_t session_id_ = 0;
  uint64_t version_ = 0;
  bool begun_ = false;          ///< the transport is there
  bool awaits_answer_ = false;  ///< our offer has none yet
  bool connected_ = false;      ///< an answer was taken
  bool running_ = false;
  bool ended_ = false;
  TaskScope tasks_;  ///< they end with the session
};

}  // namespace sluice::controller
