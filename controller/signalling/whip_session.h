#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controller/base/task_scope.h"
#include "controller/sdp/description.h"
#include "controller/signalling/sdp_peer.h"

namespace sluice::controller {

/// One session of WHIP or WHEP: a peer whose client speaks HTTP, so that nothing can be told to it
/// but in answers. What both have in common: its address, its ETag, trickle ICE and restarts.
///
/// Shared by the API, which finds it by its id, the room and requests under way. Its peer's end is
/// its own, and the other way round.
class WhipSession : public PeerLink, public std::enable_shared_from_this<WhipSession> {
 public:
  /// A client that sends nothing for so long, where it sends no connectivity checks, is gone; so is
  /// one that has not connected within DoorSizes::connect_within.
  static constexpr std::chrono::seconds kSilentFor{30};
  /// Called once, when the session has ended.
  using EndedCallback = std::function<void(const std::string& id)>;

  WhipSession(std::string id, std::shared_ptr<Room> room, SdpClient client, const SdpLimits& limits,
              EndedCallback on_ended);
  ~WhipSession() override;

  const std::string& id() const { return id_; }
  const std::string& room_id() const { return room_id_; }
  const std::string& peer_id() const { return peer_.client().peer_id; }
  bool ended() const { return ended_; }
  /// Of the ICE session (RFC 9725 §4.3.1): another after each restart. With its quotation marks.
  const std::string& etag() const { return etag_; }
  /// Our description: the answer, or a counter-offer.
  const sdp::Description& answer() const { return answer_; }

  /// What a fragment's credentials say.
  enum class Credentials : uint8_t {
    kCurrent,  ///< of this ICE session, of the one before, or none
    kNew,      ///< a restart is asked for
    kHalf,     ///< one of the two is new
  };
  Credentials Compare(const sdp::Fragment& fragment) const;
  /// New credentials of ours; the fragment that answers.
  static Task<Result<sdp::Fragment>> Restart(std::shared_ptr<WhipSession> self,
                                             sdp::Fragment fragment);
  /// The client, or whoever may, ends the session.
  void Leave(bool for_good);

  SubscriptionPolicy policy() const override { return SubscriptionPolicy::kOnRequest; }
  void OnEvent(const RoomMessage& message) override;
  void Offer(const std::vector<std::shared_ptr<Consumer>>& consumers, OfferAnswer answer) override;
  void OfferData(const std::shared_ptr<DataConsumer>& consumer, OfferAnswer answer) override;
  void End(EndReason reason, std::string_view text) override;

 protected:
  SdpPeer& peer() { return peer_; }
  const SdpPeer& peer() const { return peer_; }
  std::shared_ptr<Room> room() const { return peer_.room(); }
  /// Ends a client that does not connect; where `silent` it may stop its connectivity checks, and
  /// ends when nothing comes any more.
  void StartWatching(bool silent);
  /// The answer to `offer`, which is kept.
  const sdp::Description& KeepAnswer(const sdp::Description& offer, const sdp::AnswerPlan& plan);
  /// The same of an offer of ours to sections of which the client's sides are those of `remote`.
  const sdp::Description& KeepOffer(const sdp::Description& remote, const sdp::AnswerPlan& plan);
  virtual void OnEnded() {}

 private:
  static Task<void> Watch(std::weak_ptr<WhipSession> weak, std::chrono::milliseconds patience,
                          bool silent);
  void SetEnded();

  const std::string id_;
  const std::string room_id_;
  SdpPeer peer_;
  EndedCallback on_ended_;
  std::string etag_;
  std::string previous_ufrag_;  ///< the client's, before the last restart
  sdp::Description answer_;
  bool ended_ = false;
  TaskScope tasks_;  ///< they end with the session
};

/// A publisher: what it offers becomes producers of its room.
class WhipPublisher : public WhipSession {
 public:
  using WhipSession::WhipSession;

  /// Publishes all of the offer or nothing. TypeError for an offer that makes no sense or does not
  /// send, UnsupportedError for one of which something cannot be taken.
  static Task<Result<sdp::Description>> Start(std::shared_ptr<WhipPublisher> self,
                                              sdp::Description offer);

 private:
  Task<Status> Publish(const sdp::AnswerPlan& plan, const sdp::Description& offer);
};

}  // namespace sluice::controller
