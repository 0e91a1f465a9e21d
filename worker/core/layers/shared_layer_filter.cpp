#include "worker/core/layers/shared_layer_filter.h"

#include <algorithm>
#include <utility>

namespace sluice::worker {

namespace {

using Verdict = LayerFilter::Verdict;

LayerDecision Ask(LayerFilter& filter, const RoutedPacket& packet) {
  LayerDecision decision;
  decision.verdict = filter.Decide(packet);
  decision.top = filter.picture_top();
  decision.active_targets = filter.active_targets();
  return decision;
}

bool IsDrop(Verdict verdict) {
  return verdict == Verdict::kDrop || verdict == Verdict::kDropPicture;
}

/// Behind one packet the decision of the other is all that is needed.
bool GoesOn(const RoutedPacket& a, const RoutedPacket& b) {
  const bool alike = b.payload_type == a.payload_type && b.codec_epoch == a.codec_epoch;
  return alike && !b.restarted && !a.completes_others && !b.completes_others;
}

/// What is done for one packet, and then for the next, can be done for both at once.
bool GoTogether(const RoutedPacket& a, const LayerDecision& of_a, const RoutedPacket& b,
                const LayerDecision& of_b) {
  const bool neighbours = b.sequence.value() == a.sequence.value() + 1 && b.arrival > a.arrival &&
                          b.encoding_index == a.encoding_index;
  if (!neighbours || !GoesOn(a, b)) return false;
  if (IsDrop(of_a.verdict)) {
    // A picture is left out once, whatever frames it has.
    return of_b.verdict == Verdict::kDrop ||
           (of_b.verdict == Verdict::kDropPicture && a.timestamp == b.timestamp &&
            a.info.picture_id == b.info.picture_id);
  }
  return of_a.verdict == Verdict::kForward && of_b.verdict == Verdict::kForward &&
         of_a.top == of_b.top && of_a.active_targets == of_b.active_targets;
}

}  // namespace

void LayerFilterPool::Seal(State& state) {
  state.sealed = true;
  const LayerFilter& filter = state.filter;
  state.steady = filter.spatial() == state.spatial && filter.temporal() == state.temporal &&
                 !filter.wants_key_frame();
  for (size_t i = state.log.size(); i > 1; --i) {
    Entry& entry = state.log[i - 2];
    const Entry& next = state.log[i - 1];
    const bool full = next.decision.run == UINT16_MAX;
    if (full || !GoTogether(*entry.packet, entry.decision, *next.packet, next.decision)) {
      entry.decision.goes_on = GoesOn(*entry.packet, *next.packet);
      continue;
    }
    entry.decision.run = static_cast<uint16_t>(next.decision.run + 1);
    entry.decision.goes_on = next.decision.goes_on;
  }
}

void LayerFilterPool::MatchOffers() {
  for (size_t i = 0; i < kMaxOffersPerTurn && !offers_.empty(); ++i) {
    SharedLayerFilter& filter = *offers_.back();
    offers_.pop_back();
    filter.offered_ = false;
    if (!filter.state_->solo) continue;
    if (Join(filter)) {
      filter.retry_ = SharedLayerFilter::kFirstRetry;
      continue;
    }
    Open(filter.state_);
    filter.wait_ = filter.retry_;
    filter.retry_ = std::min<uint16_t>(filter.retry_ * 2, SharedLayerFilter::kLastRetry);
  }
}

bool LayerFilterPool::Join(SharedLayerFilter& filter) {
  State& own = *filter.state_;
  own.filter.Arrange();
  const auto found = std::find_if(open_.begin(), open_.end(), [&own](const auto& other) {
    if (other.get() == &own || other->encoding != own.encoding) return false;
    other->filter.Arrange();
    return other->filter == own.filter;
  });
  if (found == open_.end()) return false;
  std::shared_ptr<State> joined = *found;
  filter.Release();  // its own state may be one of open_
  ++joined->members;
  joined->solo = false;
  filter.state_ = std::move(joined);
  filter.turn_ = turn_;
  filter.follows_ = true;
  filter.next_ = filter.end_ = nullptr;
  return true;
}

void LayerFilterPool::Open(const std::shared_ptr<State>& state) {
  if (state->open) return;
  if (open_.size() == kMaxOpen) {
    // Those that are shared are found again by who has left them.
    const auto oldest = std::find_if(open_.begin(), open_.end(),
                                     [](const auto& each) { return each->members == 1; });
    if (oldest == open_.end()) return;
    (*oldest)->open = false;
    open_.erase(oldest);
  }
  state->open = true;
  open_.push_back(state);
}

SharedLayerFilter::SharedLayerFilter(std::shared_ptr<LayerFilterPool> pool)
    : state_(std::make_shared<State>()),
      owned_pool_(pool != nullptr ? std::move(pool) : std::make_shared<LayerFilterPool>()) {
  pool_ = owned_pool_.get();
}

SharedLayerFilter::~SharedLayerFilter() {
  Release();
  if (offered_) std::erase(pool_->offers_, this);
}

/// It leaves the state, which state_ still points to.
void SharedLayerFilter::Release() {
  State& state = *state_;
  if (state.leader == this) {
    state.leader = nullptr;
    if (!state.sealed) LayerFilterPool::Seal(state);
  }
  if (--state.members > 0 || !state.open) return;
  state.open = false;
  std::erase(pool_->open_, state_);
}

LayerFilter& SharedLayerFilter::Own() {
  if (!state_->solo) Part();
  return state_->filter;
}

SharedLayerFilter::Progress SharedLayerFilter::ProgressInTurn() const {
  const bool others_began = state_->turn == pool_->turn_ && state_->before != nullptr;
  if (!others_began) return Progress::kState;
  if (turn_ != pool_->turn_) return Progress::kNone;
  return follows_ && next_ != end_ ? Progress::kSome : Progress::kState;
}

/// Takes a copy of the state, as it is at the place in the turn that this one has come to.
void SharedLayerFilter::Part() {
  auto own = std::make_shared<State>();
  const State& shared = *state_;
  own->encoding = shared.encoding;
  const Progress progress = ProgressInTurn();
  own->filter = progress == Progress::kState ? shared.filter : *shared.before;
  if (progress == Progress::kSome) {
    for (const Entry* entry = shared.log.data(); entry != next_; ++entry) {
      own->filter.Decide(*entry->packet);
    }
  }
  Release();
  state_ = std::move(own);
  next_ = end_ = nullptr;
  follows_ = false;
  wait_ = retry_ = kFirstRetry;
}

void SharedLayerFilter::Reset(uint8_t encoding) {
  Own().Reset();
  state_->encoding = encoding;
  wait_ = 1;
  retry_ = kFirstRetry;
}

void SharedLayerFilter::SetTarget(uint8_t spatial, uint8_t temporal) {
  Own().SetTarget(spatial, temporal);
  if (wait_ == 0 || wait_ > kFirstRetry) wait_ = kFirstRetry;
  retry_ = kFirstRetry;
}

LayerDecision SharedLayerFilter::DecideAnew(const RoutedPacket& packet) {
  if (state_->solo) [[likely]]
    return Ask(state_->filter, packet);
  return DecideShared(packet);
}

LayerDecision SharedLayerFilter::DecideShared(const RoutedPacket& packet) {
  if (turn_ != pool_->turn_) EnterTurn();
  if (!state_->solo && state_->leader != this) Part();
  const LayerDecision decision = Ask(state_->filter, packet);
  if (!state_->solo) state_->log.push_back({&packet, decision});
  return decision;
}

/// The first packet of a turn, or the end of one without packets.
void SharedLayerFilter::EnterTurn() {
  State& state = *state_;
  if (state.turn != pool_->turn_) {
    turn_ = pool_->turn_;
    follows_ = false;
    next_ = end_ = nullptr;
    state.log.clear();
    state.turn = 0;
    state.leader = nullptr;
    state.solo = state.members == 1;
    if (state.solo) return state.before.reset();
    state.turn = pool_->turn_;
    state.leader = this;
    state.sealed = false;
    state.spatial = state.filter.spatial();
    state.temporal = state.filter.temporal();
    if (state.before == nullptr) {
      state.before = std::make_unique<LayerFilter>(state.filter);
    } else {
      *state.before = state.filter;
    }
    return;
  }
  if (!state.sealed) return Part();  // who decides has not said all
  Follow();
}

void SharedLayerFilter::FinishTurn() {
  if (!state_->solo && turn_ != pool_->turn_) EnterTurn();
  if (!state_->solo && next_ != end_) Part();
  if (state_->leader == this && !state_->sealed) LayerFilterPool::Seal(*state_);
  if (!state_->solo) {
    wait_ = 0;
    return;
  }
  if (wait_ == 0) wait_ = retry_;
  if (--wait_ > 0 || offered_) return;
  offered_ = true;
  pool_->offers_.push_back(this);
}

size_t SharedLayerFilter::HeapBytes() const {
  const State& state = *state_;
  const size_t bytes = sizeof(State) + state.log.capacity() * sizeof(Entry) +
                       (state.before == nullptr ? 0 : sizeof(LayerFilter));
  return bytes / std::max<size_t>(state.members, 1);
}

}  // namespace sluice::worker
