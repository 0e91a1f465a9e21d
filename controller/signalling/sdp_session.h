#pragma once

#include <chrono>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "controller/base/task_scope.h"
#include "controller/sdp/answer.h"
#include "controller/sdp/description.h"
#include "controller/signalling/sdp_peer.h"

namespace sluice::controller {

/// How a door tells its client what an SdpSession says.
class SdpDialect {
 public:
  virtual ~SdpDialect() = default;
  virtual void OnDescription(sdp::DescriptionType type, const sdp::Description& description) = 0;
  /// A description of the client was not taken; nothing has changed.
  virtual void OnRefused(sdp::DescriptionType type, const Status& why) = 0;
  /// An answer of the client was taken.
  virtual void OnAnswered() {}
  /// A description of the client, or its start, no longer waits, whatever became of it.
  virtual void OnWorked() {}
  /// The last call. The client may come back when `reason` says so.
  virtual void OnEnded(EndReason reason, std::string_view text) = 0;
};

/// What of a room goes over an SdpSession.
struct SdpScope {
  std::string source;    ///< only what this participant publishes is sent; "" = of everybody
  bool receives = true;  ///< the client may send
  bool sends = true;     ///< the client is sent what others publish
  /// What is sent goes in the sections in which the client's offers receive, one audio and one
  /// video; it is never offered more.
  bool fills_offers = false;
  bool ends_alone = false;  ///< Room::TransportRequest
  bool silent = false;      ///< the client may stop its connectivity checks once it is connected
  /// Data channels may be described after the first description: SCTP is begun before they are.
  /// webrtcbin 1.22 ends its reception at SCTP that it has not agreed on.
  bool late_data = true;
};

/// A client that sends and receives over one transport by offers and answers in both directions:
/// one peer or, beside other sessions, a part of one, and the sections of its descriptions, which
/// become producers and consumers.
///
/// The client offers what it sends, or we begin (Open()). What others publish we offer in sections
/// of our own, many changes within kBatch in one offer. When both offer at the same time the
/// client's counts, and we offer again (RFC 9429 §4.1.8.2: we are the polite side). Descriptions
/// are worked on one by one.
///
/// Shared by its door, the room and its own tasks.
class SdpSession : public PeerLink, public std::enable_shared_from_this<SdpSession> {
 public:
  static constexpr std::chrono::milliseconds kBatch{50};
  static constexpr size_t kMaxWaiting = 16;  ///< descriptions of the client

  SdpSession(std::shared_ptr<Room> room, SdpClient client, const SdpLimits& limits);
  /// One of several sessions of `member`, whose owner is its PeerLink: it hands on OnEvent(), and
  /// calls Close() in place of Leave().
  SdpSession(std::shared_ptr<SdpMember> member, SdpScope scope);
  ~SdpSession() override;

  /// Into the room. The dialect is told of all that follows.
  Status Enter(std::weak_ptr<SdpDialect> dialect);
  /// As Enter(), of a session of a member that is in the room.
  void Attach(std::weak_ptr<SdpDialect> dialect) { dialect_ = std::move(dialect); }
  /// We begin, with an offer of what is there of SdpScope::source; `data`: and of data channels.
  /// OnDescription() follows, or OnRefused() of an offer when it cannot be.
  void Open(bool data);
  /// A description of the client. OnRefused() follows, or OnDescription() after an offer.
  void Take(sdp::DescriptionType type, std::string text);
  /// The client leaves.
  void Leave();
  /// The session of a member ends: its transport is closed, the member stays.
  void Close();

  const SdpPeer& peer() const { return peer_; }
  bool ended() const { return ended_; }
  /// An offer of ours has no answer yet.
  bool awaits_answer() const { return awaits_answer_; }
  /// The transport knows the client's side.
  bool connected() const { return connected_; }
  /// Descriptions and offers that are not worked on yet.
  size_t waiting() const { return work_.size(); }
  /// Producers that the client is to be offered; at most those of the room and one.
  size_t wanted() const { return wanted_.size(); }
  /// Data channels are agreed on, or offered.
  bool has_data() const;
  /// The section in which the producer is received or sent; "" = none.
  std::string MidOf(const std::string& producer_id) const;
  /// What is received or sent in a section; nullptr = nothing.
  std::shared_ptr<Producer> ProducerIn(std::string_view mid) const;

  SubscriptionPolicy policy() const override { return SubscriptionPolicy::kOnRequest; }
  bool may_have_data() const override { return peer_.client().may_have_data; }
  void OnEvent(const RoomMessage& message) override;
  void Offer(const std::vector<std::shared_ptr<Consumer>>& consumers, OfferAnswer answer) override;
  void OfferData(const std::shared_ptr<DataConsumer>& consumer, OfferAnswer answer) override;
  void End(EndReason reason, std::string_view text) override;

 private:
  /// One m= line, by its index, for the life of the session.
  struct Line {
    sdp::Section remote;    ///< the client's side, or the model of one
    sdp::SectionPlan plan;  ///< ours
    bool ours = false;      ///< made by an offer of ours
    bool known = false;     ///< the client has answered or offered it
    std::shared_ptr<Producer> producer;
    std::shared_ptr<Consumer> consumer;
  };
  struct Received {
    sdp::DescriptionType type;
    std::string text;
  };
  struct Renegotiation {};
  struct Opening {
    bool data;
  };
  using Work = std::variant<Received, Renegotiation, Opening>;

  void Queue(Work work);
  static Task<void> Run(std::shared_ptr<SdpSession> self);
  Task<void> TakeOffer(std::string text);
  Task<Status> ApplyOffer(sdp::Description offer);
  Task<void> OpenNow(bool data);
  /// Producers in whose scope we are, that are there by now.
  void WantAll();
  bool IsWanted(const std::string& owner_id) const;
  /// Sends in the sections of the client's offer what there is to be sent.
  Task<void> FillLines();
  Status CheckLines(const sdp::Description& description, bool may_grow) const;
  /// `data`: data channels are described.
  Room::TransportRequest TransportFor(bool data) const;
  Task<Status> Begin(const sdp::Description& offer, const sdp::AnswerPlan& plan);
  Task<Status> Continue(const sdp::AnswerPlan& plan);
  /// Producers become what the section now sends.
  Task<Status> UpdateProducer(size_t index, const sdp::SectionPlan& plan);
  Task<void> TakeAnswer(std::string text);
  Task<void> ApplyAnswer(sdp::Description answer);
  /// An offer of ours is as if it had not been made.
  void WithdrawOffer();
  Task<void> Renegotiate();
  /// A section for the producer, and its consumer, which is paused until the client has answered.
  Task<bool> AddConsumer(std::shared_ptr<Producer> producer);
  /// A consumer in a section.
  /// `first_ssrc`: the one that the client was told already; nullopt: a new one.
  Task<Status> SendIn(size_t index, std::shared_ptr<Producer> producer, bool paused,
                      std::optional<uint32_t> first_ssrc = std::nullopt);
  /// The client has answered our section without RTX: none is sent. A payload type that it does not
  /// know ends webrtcbin's reception.
  Task<Status> DropRtx(size_t index);
  /// A section of ours that has ended and can be used again, or a new one; none: there are too
  /// many.
  std::optional<size_t> LineFor(sdp::MediaType type);
  void EndConsumer(Line* line);
  sdp::Description Describe(sdp::Setup setup);
  /// An offer is due in a while.
  void Kick();
  static Task<void> KickLater(std::shared_ptr<SdpSession> self);
  void Refuse(sdp::DescriptionType type, const Status& why);

  SdpPeer peer_;
  SdpScope scope_;
  std::weak_ptr<SdpDialect> dialect_;
  std::vector<Line> lines_;
  std::deque<Work> work_;
  std::deque<std::weak_ptr<Producer>> wanted_;
  uint64_t session_id_ = 0;
  uint64_t version_ = 0;
  uint32_t next_mid_ = 0;
  sdp::Setup setup_ = sdp::Setup::kPassive;  ///< ours, once it is agreed on
  bool extmap_allow_mixed_ = false;
  bool bundle_ = false;         ///< the client's last offer had a group
  bool begun_ = false;          ///< the transport is there
  bool connected_ = false;      ///< it knows the client's side
  bool awaits_answer_ = false;  ///< our offer has none yet
  bool wants_data_ = false;     ///< data channels are to be in our first offer
  bool stale_ = false;          ///< something has changed since our last description
  bool kicked_ = false;
  bool running_ = false;
  bool ended_ = false;
  TaskScope tasks_;  ///< they end with the session
};

}  // namespace sluice::controller
