#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/event.h"
#include "controller/http/http_types.h"
#include "controller/signalling/whip_session.h"

namespace sluice::controller {

/// What a player is told as Server-Sent Events, while somebody listens.
class WhepEvents : public HttpStream {
 public:
  static constexpr size_t kMaxWaiting = 64;  ///< events; a client that reads no more has lost them
  /// Something is sent so often, so that a client that has gone is noticed.
  static constexpr std::chrono::seconds kHeartbeat{15};

  /// `wanted`: the kinds of events; empty = all.
  WhepEvents(const asio::any_io_executor& executor, std::set<std::string> wanted)
      : executor_(executor), wanted_(std::move(wanted)) {}

  void Tell(std::string_view event, std::string_view data);
  void Finish();
  Task<std::string> Next() override;

 private:
  asio::any_io_executor executor_;
  const std::set<std::string> wanted_;
  std::deque<std::string> waiting_;
  std::optional<Event> told_;  ///< while somebody waits
  bool finished_ = false;
};

/// Which layers of a video a player wants.
struct LayerWish {
  std::string mid;                  ///< "" = every video
  std::string encoding;             ///< a publisher's RID; "" = as the numbers say
  std::optional<uint8_t> spatial;   ///< nullopt: the highest
  std::optional<uint8_t> temporal;  ///< nullopt: the highest
};

/// A player: one audio and one video of a participant. When that one ends and comes back, the same
/// streams go on, with SSRCs, payload types and MIDs as they were answered.
class WhepPlayer : public WhipSession {
 public:
  static constexpr std::string_view kEvents = "active,inactive,layers";  ///< that there are

  /// `source`: the participant to be played; "" = whoever publishes.
  WhepPlayer(std::string id, std::shared_ptr<Room> room, SdpClient client, const SdpLimits& limits,
             EndedCallback on_ended, std::string source);

  /// Unavailable (NothingLive) when there is nothing to play, UnsupportedError when the offer has
  /// no codec of it.
  static Task<Result<sdp::Description>> Start(std::shared_ptr<WhepPlayer> self,
                                              sdp::Description offer);
  /// Our offer, where the player's cannot be taken: TakeAnswer() follows within
  /// DoorSizes::connect_within.
  static Task<Result<sdp::Description>> StartOffering(std::shared_ptr<WhepPlayer> self);
  /// AlreadyExists when no offer waits, TypeError for an answer that does not fit (the offer waits
  /// on), UnsupportedError for one that takes nothing.
  static Task<Status> TakeAnswer(std::shared_ptr<WhepPlayer> self, std::string text);
  /// Start() failed because the offer has no codec of what is published.
  bool lacks_codec() const { return lacks_codec_; }
  bool offered() const { return offered_; }
  bool awaits_answer() const { return awaits_answer_; }
  /// Whether somebody publishes what a player of `source` would get.
  static bool IsLive(const Room& room, const std::string& source);

  /// TypeError when the wish names what there is not.
  static Task<Status> ChooseLayers(std::shared_ptr<WhepPlayer> self, LayerWish wish);
  /// A stream of events of these kinds (empty = all), which is there until it is ended; its id, ""
  /// when there are too many.
  std::string AddListener(std::set<std::string> wanted);
  /// nullptr when there is none of that id. Who listened to it before hears no more.
  std::shared_ptr<WhepEvents> Listen(const std::string& id);
  bool EndListener(const std::string& id);
  /// The layers of its videos, for the event of that name.
  std::string DescribeLayers() const;

  void OnEvent(const RoomMessage& message) override;

 private:
  /// A section in which something is sent.
  struct Slot {
    size_t section = 0;
    MediaKind kind = MediaKind::kAudio;
    uint32_t first_ssrc = 0;
    uint8_t payload_type = 0;  ///< of the media codec that was answered
    bool has_rtx = false;
    bool filling = false;
    std::shared_ptr<Consumer> consumer;
    LayerWish wish;
  };
  static constexpr size_t kNone = static_cast<size_t>(-1);

  std::shared_ptr<Producer> FindProducer(MediaKind kind) const;
  /// Whom it plays; false when nobody publishes that.
  bool FindSource();
  Task<Status> MakeOffer();
  Status CheckAnswer(const sdp::Description& answer) const;
  /// The player's side is as its answer says.
  void AdoptAnswer(const sdp::Description& answer);
  /// What of the offer is sent; the slots for it.
  Status PlanSlots(sdp::AnswerPlan* plan);
  bool PlanSlot(size_t section, sdp::AnswerPlan* plan);
  sdp::SendParameters Adjusted(sdp::SendParameters parameters) const;
  Task<Status> Play(sdp::AnswerPlan* plan);
  /// What has ended goes on when its participant is back.
  void FillSlots();
  static Task<void> Refill(std::shared_ptr<WhepPlayer> self, size_t index,
                           std::shared_ptr<Producer> producer);
  static Task<Status> Fill(std::shared_ptr<WhepPlayer> self, size_t index,
                           std::shared_ptr<Producer> producer);
  static Task<Status> SetLayers(std::shared_ptr<Consumer> consumer, LayerWish wish);
  void Tell(std::string_view event, std::string_view data);
  void OnEnded() override;

  const std::string wanted_source_;
  std::string source_;  ///< the participant that is played
  std::string cname_;
  std::string stream_id_;
  sdp::Description offer_;  ///< the player's side
  std::vector<Slot> slots_;
  struct Listener {
    std::set<std::string> wanted;
    std::shared_ptr<WhepEvents> events;  ///< null: nobody listens now
  };
  std::map<std::string, Listener> listeners_;
  sdp::AnswerPlan counter_plan_;  ///< of an offer of ours
  bool started_ = false;
  bool lacks_codec_ = false;
  bool offered_ = false;        ///< the offer was ours
  bool awaits_answer_ = false;  ///< which has none yet
};

/// The error for a room in which nobody publishes what is asked for.
Status NothingLive(const std::string& room, const std::string& source);
bool IsNothingLive(const Status& status);

}  // namespace sluice::controller
