#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <list>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "common/status.h"
#include "controller/base/task.h"
#include "controller/room/participant.h"

namespace sluice::controller {

class Room;

/// Makes one joined peer's consumers and data consumers and offers them as its adapter's policy
/// says.
///
/// A few requests are under way at the worker at a time, so that a newcomer to a room of 1,000
/// producers does not hold back the others. What failed, to make a consumer or to resume it once it
/// was taken, is tried again until the peer, the producer or the consumer ends, unless the reason
/// is that it cannot be done. An offer has no time limit, and offers that are not answered do not
/// hold back others, up to kMaxUnanswered; nor is more offered than the client's connection takes.
/// What waits costs a few bytes, no task.
///
/// Owned by the participant; its tasks are the room's and hold it.
class Subscriber : public std::enable_shared_from_this<Subscriber> {
 public:
  static constexpr size_t kMaxAtWorker = 8;
  /// Offers without an answer above which no more are made: those of a room of 1,000 with two
  /// producers each fit twice.
  static constexpr size_t kMaxUnanswered = 4'096;
  static constexpr size_t kFirstSweep = 256;  ///< entries that wait
  /// Before a second attempt, doubled up to the maximum.
  static constexpr std::chrono::milliseconds kFirstRetry{250};
  static constexpr std::chrono::milliseconds kMaxRetry{8'000};

  Subscriber(std::weak_ptr<Room> room, std::weak_ptr<Participant> peer)
      : room_(std::move(room)), peer_(std::move(peer)) {}

  void Want(const std::shared_ptr<Producer>& producer);
  void Want(const std::shared_ptr<DataProducer>& producer);
  /// The client could not pause the consumer: it is resumed if that was left undone for the pause.
  void MakeUpFor(const std::shared_ptr<Consumer>& consumer);
  /// The client is back over another connection and knows of these: what waits for an answer is
  /// offered again, or is taken if it is known, and so is what the client has lost.
  void OnResumed(const KnownObjects& known);
  /// Does what can be done now. To be called when the way to the client is free again.
  void Pump();
  /// Producers and data producers that wait to be consumed.
  size_t waiting() const { return wanted_.size(); }
  /// All producers and data producers that are consumed, or will be: who asks for them again gives
  /// them twice.
  std::set<const void*> Given() const;

 private:
  /// One of the two.
  struct Wanted {
    std::weak_ptr<Producer> producer;
    std::weak_ptr<DataProducer> data_producer;
    std::chrono::milliseconds retry = kFirstRetry;
  };

  /// One of the two that has to be offered once more.
  struct Again {
    std::shared_ptr<Consumer> consumer;
    std::shared_ptr<DataConsumer> data_consumer;
  };

  /// A consumer that the client has taken: to be resumed.
  struct Taken {
    std::shared_ptr<Consumer> consumer;
    std::chrono::milliseconds retry = kFirstRetry;
  };

  /// Lists what a task holds meanwhile.
  class UnderWay;

  bool MayMake(const Participant& peer) const;
  bool MayOffer(const Participant& peer) const;
  /// What ended while it waited goes, now and then, so that not more waits than twice what there
  /// is.
  void SweepWanted();
  static Task<void> Work(std::shared_ptr<Subscriber> self, std::shared_ptr<Room> room,
                         std::shared_ptr<Participant> peer);
  static Task<void> Make(std::shared_ptr<Subscriber> self, std::shared_ptr<Room> room,
                         std::shared_ptr<Participant> peer, Wanted wanted);
  static Task<void> MakeData(std::shared_ptr<Subscriber> self, std::shared_ptr<Room> room,
                             std::shared_ptr<Participant> peer, Wanted wanted);
  /// `what` could not be made: says so once, and tries again where that can help.
  static void OnNotMade(const std::shared_ptr<Subscriber>& self, const std::shared_ptr<Room>& room,
                        const Participant& peer, const std::string& what, Wanted wanted,
                        const Status& why);
  static Task<void> Resume(std::shared_ptr<Subscriber> self, std::shared_ptr<Room> room,
                           std::shared_ptr<Participant> peer, Taken taken);
  static Task<void> WantAgain(std::shared_ptr<Subscriber> self, Wanted wanted,
                              std::shared_ptr<UnderWay> under_way);
  /// Puts it back into its queue, later.
  template <typename Entry>
  static Task<void> TryAgain(std::shared_ptr<Subscriber> self, std::deque<Entry> Subscriber::*queue,
                             Entry entry);
  void OfferReady(Room& room, const std::shared_ptr<Participant>& peer);
  void OfferAgain(Room& room, const std::shared_ptr<Participant>& peer);
  void Offer(Room& room, const std::shared_ptr<Participant>& peer,
             const std::vector<std::shared_ptr<Consumer>>& consumers);
  void OfferData(Room& room, const std::shared_ptr<Participant>& peer,
                 const std::shared_ptr<DataConsumer>& consumer);
  /// `connection`: over which it was offered.
  void OnAnswer(uint64_t connection, const std::vector<std::shared_ptr<Consumer>>& consumers,
                const Status& taken);
  void OnDataAnswer(uint64_t connection, const std::shared_ptr<DataConsumer>& consumer,
                    const Status& taken);

  std::weak_ptr<Room> room_;
  std::weak_ptr<Participant> peer_;
  std::deque<Wanted> wanted_;
  std::list<Wanted> under_way_;  ///< those of wanted_ that are being made, or will be tried again
  std::deque<Taken> taken_;
  std::vector<std::shared_ptr<Consumer>> ready_;  ///< made, not offered
  size_t tasks_ = 0;                              ///< that work, each on one consumer at a time
  size_t making_ = 0;
  size_t unanswered_ = 0;  ///< offers
  std::deque<Again> again_;
  uint64_t connection_ = 0;  ///< that the client has, counted
  size_t sweep_at_ = kFirstSweep;
};

}  // namespace sluice::controller
