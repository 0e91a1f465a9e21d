#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "worker/core/layers/layer_filter.h"

namespace sluice::worker {

class SharedLayerFilter;

/// What a LayerFilter says of one packet.
struct LayerDecision {
  LayerFilter::Verdict verdict = LayerFilter::Verdict::kDrop;
  uint8_t top = 0;  ///< LayerFilter::picture_top()
  /// So many packets of the turn right behind this one are decided alike: they have the numbers
  /// that follow and its payload type, and nothing else is to be done for any of them. Of a picture
  /// that is left out only the first packet says kDropPicture.
  uint16_t run = 0;
  /// What was decided behind these is of a packet with its payload type, too, and nothing else is
  /// to be done before it.
  bool goes_on = false;
  uint32_t active_targets = 0;  ///< LayerFilter::active_targets()
};

/// The filters of the receivers of one producer. Most receivers want the same layers and have got
/// the same frames: then their filters are in the same state and will decide the same, so one
/// decides for all of them, once for each packet.
///
/// Owned by the producer and its receivers' filters together, so that it outlives them all.
class LayerFilterPool {
 public:
  /// States that others are compared with: more than one encoding has layers.
  static constexpr size_t kMaxOpen = 32;
  /// Filters that look for their like in one turn; further ones do in the turns behind it.
  static constexpr size_t kMaxOffersPerTurn = 256;

  /// States that are kept for others to be compared with.
  size_t open() const { return open_.size(); }

  /// The packets of a turn are about to be decided, receiver by receiver.
  void BeginTurn() { ++turn_; }
  /// Every receiver has had the turn's packets: brings together filters that have come to the same
  /// state.
  void EndTurn() {
    if (!offers_.empty()) [[unlikely]]
      MatchOffers();
  }

 private:
  friend class SharedLayerFilter;

  struct Entry {
    const RoutedPacket* packet = nullptr;  ///< stays until the turn ends
    LayerDecision decision;
  };
  struct State {
    LayerFilter filter;
    uint8_t encoding = 0;  ///< whose packets it is asked of
    /// There is one member, and it is where `filter` is: nothing needs to be kept for others.
    bool solo = true;
    bool sealed = false;  ///< the one that decides in this turn has finished
    bool open = false;    ///< in open_
    /// In this turn nothing changed of what follows, and no key frame is wanted.
    bool steady = false;
    uint8_t spatial = 0;   ///< of `filter`, at the beginning of the turn
    uint8_t temporal = 0;  ///< likewise
    size_t members = 1;
    uint64_t turn = 0;                          ///< of `log`; 0: there is none
    const SharedLayerFilter* leader = nullptr;  ///< who decides in this turn
    std::vector<Entry> log;                     ///< what was decided in this turn
    std::unique_ptr<LayerFilter> before;        ///< the filter at the beginning of it
  };

  static void Seal(State& state);
  void MatchOffers();
  bool Join(SharedLayerFilter& filter);
  void Open(const std::shared_ptr<State>& state);

  uint64_t turn_ = 1;
  std::vector<SharedLayerFilter*> offers_;  ///< they look for their like
  std::vector<std::shared_ptr<State>> open_;
};

/// A LayerFilter that shares its state with those of other receivers while it is the same. To its
/// owner it is a filter of its own: what would make the states differ parts them first.
///
/// The first of those who share a state that is asked in a turn decides. What it says is kept until
/// the turn ends, and the others read it, packet by packet. One of them that is asked of other
/// packets, or of more or fewer, takes a copy of the state from before the turn and catches up.
///
/// Who is what, and what it does when it is asked of a packet:
///
///     alone                state_->solo            its filter decides; nothing is kept of the turn
///     not asked yet        turn_ is an old one     EnterTurn() makes it one of the next two
///     leader of the turn   state_->leader is it    its filter decides, and the log gets that
///     follower             follows_                reads [next_, end_), what is left of the log
///
/// A follower whose next packet is not the log's next, one that is asked when the leader has not
/// said all, and whoever is told to want something else: Part(), and it is alone.
///
/// Owned by a LayerForwarder, and stays where it was made.
class SharedLayerFilter {
 public:
  /// Turns until one that has found nobody looks again: at first, and at most. States become the
  /// same when what made them differ has been forgotten (DescriptorFilter::kFrames).
  static constexpr uint16_t kFirstRetry = 16;
  static constexpr uint16_t kLastRetry = 256;

  /// `pool` may be null: always a filter of its own.
  explicit SharedLayerFilter(std::shared_ptr<LayerFilterPool> pool);
  ~SharedLayerFilter();
  SharedLayerFilter(const SharedLayerFilter&) = delete;
  SharedLayerFilter& operator=(const SharedLayerFilter&) = delete;

  /// LayerFilter::Reset(); packets of this encoding follow.
  void Reset(uint8_t encoding);
  void SetTarget(uint8_t spatial, uint8_t temporal);
  /// LayerFilter::KeepBelow().
  void KeepBelow() { Own().KeepBelow(); }
  /// LayerFilter::Decide().
  LayerDecision Decide(const RoutedPacket& packet) {
    if (const LayerDecision* decision = Read(packet)) return *decision;
    return DecideAnew(packet);
  }
  /// What another has decided of the packet, which then counts as asked of; nullptr: nothing.
  const LayerDecision* Read(const RoutedPacket& packet) {
    if (turn_ != pool_->turn_ && state_->turn == pool_->turn_) {
      if (state_->sealed) [[likely]] {
        Follow();
      } else {
        Part();  // who decides has not said all
      }
    }
    if (next_ == end_ || next_->packet != &packet) return nullptr;
    return &(next_++)->decision;
  }
  /// The packets up to `last`, `count` more than the one that was asked of last, got the decision
  /// of that one, whose `run` is at least `count`. False: these are not the packets it is true of.
  bool TakeRun(size_t count, const RoutedPacket& last) {
    if (static_cast<size_t>(end_ - next_) < count || next_[count - 1].packet != &last) return false;
    next_ += count;
    return true;
  }
  /// It was asked of all packets of this turn. To be called in each turn until Leave().
  void EndTurn() {
    if (follows_ && next_ == end_ && turn_ == pool_->turn_) [[likely]]
      return;
    FinishTurn();
  }
  /// EndTurn(), if nothing is to be done. False: call that; or something has changed since the turn
  /// before, or a key frame is wanted.
  bool EndSteadyTurn() const {
    return follows_ && next_ == end_ && turn_ == pool_->turn_ && state_->steady;
  }
  /// It will miss turns; Reset() comes first when it is asked again.
  void Leave() { Own(); }

  // As of LayerFilter. Not within a turn, but at its end.
  bool IsReadable(const RoutedPacket& packet) const { return state_->filter.IsReadable(packet); }
  uint8_t spatial() const { return state_->filter.spatial(); }
  uint8_t temporal() const { return state_->filter.temporal(); }
  bool wants_key_frame() const { return state_->filter.wants_key_frame(); }

  /// How many share its state, itself among them.
  size_t sharers() const { return state_->members; }
  /// Of the state, divided by those who share it.
  size_t HeapBytes() const;

 private:
  friend class LayerFilterPool;
  using Entry = LayerFilterPool::Entry;
  using State = LayerFilterPool::State;

  LayerDecision DecideAnew(const RoutedPacket& packet);
  LayerDecision DecideShared(const RoutedPacket& packet);
  void EnterTurn();
  /// Another has decided all of this turn.
  void Follow() {
    turn_ = pool_->turn_;
    follows_ = true;
    next_ = state_->log.data();
    end_ = next_ + state_->log.size();
  }
  void FinishTurn();
  /// The filter, after parting from those who share it.
  LayerFilter& Own();
  /// How far it has come in this turn with a state that it shares.
  enum class Progress : uint8_t {
    kNone,   ///< another has begun the turn: it is where `before` is
    kSome,   ///< it has read the log up to next_
    kState,  ///< it is where the filter of the state is
  };
  Progress ProgressInTurn() const;
  void Part();
  void Release();

  // Read for each packet.
  const Entry* next_ = nullptr;  ///< of state_->log, what is read next
  const Entry* end_ = nullptr;
  LayerFilterPool* pool_;
  std::shared_ptr<State> state_;
  uint64_t turn_ = 0;     ///< in which it was asked last; not kept up while solo
  bool follows_ = false;  ///< reads what another has decided in this turn
  bool offered_ = false;  ///< in LayerFilterPool::offers_
  uint16_t wait_ = 0;     ///< turns until it looks for its like; 0: it does not
  uint16_t retry_ = kFirstRetry;
  std::shared_ptr<LayerFilterPool> owned_pool_;
};

}  // namespace sluice::worker
