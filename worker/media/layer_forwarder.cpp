#include "worker/media/layer_forwarder.h"

#include <utility>

#include "worker/media/pipe_forwarder.h"

namespace sluice::worker {

namespace {

using Action = ForwardDecision::Action;
using Rewrite = ForwardDecision::Rewrite;

ForwardDecision Forward(Rewrite rewrite) {
  ForwardDecision decision;
  decision.action = Action::kForward;
  decision.rewrite = rewrite;
  return decision;
}
ForwardDecision No(Action action) {
  ForwardDecision decision;
  decision.action = action;
  return decision;
}

/// One encoding, all of it, from its first key frame on.
class SimpleForwarder final : public LayerForwarder {
 public:
  explicit SimpleForwarder(CodecKind codec) : needs_key_frame_(HasKeyFrames(codec)) {}

  void SetTarget(const LayerTarget& /*target*/) override {}  // there is one encoding, whole or not
  ForwardDecision Decide(const RoutedPacket& packet) override {
    if (passes_) [[likely]]
      return Forward(packet.restarted ? Rewrite::kRenumber : Rewrite::kContinue);
    if (needs_key_frame_ && !packet.frame.key) return No(Action::kWait);
    passes_ = runs_ = true;
    return Forward(Rewrite::kStart);
  }
  void Restart(Timestamp /*now*/) override { passes_ = runs_ = false; }
  void ChangeCodec(CodecKind codec) override {
    needs_key_frame_ = HasKeyFrames(codec);
    passes_ = runs_ = false;
  }
  bool awaits_key_frame() const override { return needs_key_frame_ && !passes_; }
  uint32_t KeyFramesWanted(Timestamp /*now*/) const override { return awaits_key_frame() ? 1 : 0; }
  std::optional<Current> current() const override { return std::nullopt; }
  uint8_t current_encoding() const override { return 0; }
  uint8_t needed_encoding() const override { return kAnyEncoding; }
  bool IsReadable(const RoutedPacket& /*packet*/) const override { return true; }
  size_t MemoryUsage() const override { return sizeof(*this); }

 private:
  bool needs_key_frame_;
};

/// One of several encodings at a time, and of it the layers that are wanted: simulcast, SVC. From
/// one encoding to another it goes at a key frame; until that comes the old one goes on.
class alignas(64) LayeredForwarder final : public LayerForwarder {
 public:
  explicit LayeredForwarder(std::shared_ptr<LayerFilterPool> pool) : filter_(std::move(pool)) {}
  void KeepBelow() { filter_.KeepBelow(); }

  void SetTarget(const LayerTarget& target) override {
    if (target == target_) return;
    if (target.encoding != target_.encoding) {
      aiming_since_.reset();
      began_at_.reset();
    }
    target_ = target;
    settled_ = false;
    FollowTarget();
  }
  ForwardDecision Decide(const RoutedPacket& packet) override;
  bool EndTurn() override;
  void Rest() override { filter_.Leave(); }
  void Restart(Timestamp now) override {
    Stop();
    waiting_since_ = now;
  }
  void ChangeCodec(CodecKind /*codec*/) override { Stop(); }
  bool awaits_key_frame() const override { return !runs_; }
  uint32_t KeyFramesWanted(Timestamp now) const override;
  std::optional<Current> current() const override {
    if (!runs_) return std::nullopt;
    return Current{encoding_, filter_.spatial(), filter_.temporal()};
  }
  uint8_t current_encoding() const override { return runs_ ? encoding_ : target_.encoding; }
  uint8_t needed_encoding() const override {
    return runs_ && encoding_ == target_.encoding ? encoding_ : kAnyEncoding;
  }
  bool IsReadable(const RoutedPacket& packet) const override {
    const bool is_current = runs_ && packet.encoding_index == encoding_;
    return is_current ? filter_.IsReadable(packet) : packet.frame.readable;
  }
  size_t MemoryUsage() const override { return sizeof(*this) + filter_.HeapBytes(); }

 private:
  void Stop() {
    runs_ = false;
    settled_ = false;
    shared_ = nullptr;
    aiming_since_.reset();
    filter_.Leave();
  }
  /// The filter's share of the target, of the encoding that is sent.
  void FollowTarget() {
    uint8_t temporal = target_.temporal;
    if (runs_ && encoding_ > target_.encoding) temporal = target_.temporal_above;
    if (runs_ && encoding_ < target_.encoding) temporal = target_.temporal_below;
    filter_.SetTarget(target_.spatial, temporal);
  }
  bool Accepts(const RoutedPacket& key_frame) const;
  ForwardDecision Begin(const RoutedPacket& packet, Rewrite rewrite);
  ForwardDecision Continue(const RoutedPacket& packet);

  // Read for each packet: one cache line, with what comes first in the filter.
  uint8_t encoding_ = 0;  ///< being sent while runs_
  /// How the first packet of the encoding that is taken goes out; kContinue: one has been.
  Rewrite beginning_ = Rewrite::kContinue;
  LayerTarget target_;
  Current seen_;          ///< current() at the end of the last turn
  bool settled_ = false;  ///< what EndTurn() was last
  SharedLayerFilter filter_;
  RtpTimestamp key_picture_;  ///< with which it was taken
  Timestamp waiting_since_;
  /// First packet of another encoding since the way to this target began: with the target, or where
  /// what was shown ended. None once the target is reached.
  std::optional<Timestamp> aiming_since_;
  /// First packet of what ended the last standstill; none where the target has changed since.
  std::optional<Timestamp> began_at_;
};

bool LayeredForwarder::EndTurn() {
  if (!runs_) return false;
  if (settled_ && filter_.EndSteadyTurn()) [[likely]]
    return true;
  filter_.EndTurn();
  const Current now{encoding_, filter_.spatial(), filter_.temporal()};
  const bool same = now == seen_;
  seen_ = now;
  const bool shows = beginning_ == Rewrite::kContinue;
  settled_ = same && shows && encoding_ == target_.encoding && !filter_.wants_key_frame();
  return settled_;
}

ForwardDecision LayeredForwarder::Decide(const RoutedPacket& packet) {
  if (runs_ && packet.encoding_index == encoding_) [[likely]] {
    if (beginning_ == Rewrite::kContinue && !packet.restarted) [[likely]]
      return Continue(packet);
    const bool begins_again = beginning_ != Rewrite::kContinue && packet.frame.key &&
                              IsNewer(packet.timestamp, key_picture_);
    if (begins_again) [[unlikely]]
      return Begin(packet, beginning_);
    if (!packet.restarted) [[likely]]
      return Continue(packet);
    // The sender has begun anew: what its frames refer to is gone.
    if (packet.frame.key) return Begin(packet, Rewrite::kRenumber);
    Restart(packet.received_at);
    return No(Action::kWait);
  }
  if (!aiming_since_) aiming_since_ = packet.received_at;
  if (!packet.frame.key || !Accepts(packet)) return No(runs_ ? Action::kDrop : Action::kWait);
  const bool shows = runs_ && beginning_ != Rewrite::kStart;
  return Begin(packet, shows ? Rewrite::kSwitch : Rewrite::kStart);
}

/// A key frame of the target; where that has not come for long, one of an encoding on the way
/// there. (A sender that is asked for one makes one of all its encodings, and of those between
/// nobody has any use.) After a standstill that of any encoding below the target, so that there is
/// a picture soon, and each better one that follows within kKeyFrameGroup; in the end that of any.
bool LayeredForwarder::Accepts(const RoutedPacket& key_frame) const {
  const uint8_t encoding = key_frame.encoding_index;
  const uint8_t target = target_.encoding;
  if (!runs_) {
    return encoding <= target || key_frame.received_at - waiting_since_ >= kMaxWait;
  }
  if (encoding == target) return true;
  const bool better = encoding > encoding_ && encoding < target;
  if (better && began_at_ && key_frame.received_at - *began_at_ < kKeyFrameGroup) return true;
  if (key_frame.received_at - *aiming_since_ < kMaxWait) return false;
  if (encoding_ < target) return encoding > encoding_ && encoding <= target;
  return encoding < encoding_ && encoding >= target;
}

ForwardDecision LayeredForwarder::Begin(const RoutedPacket& packet, Rewrite rewrite) {
  encoding_ = packet.encoding_index;
  if (rewrite == Rewrite::kStart) began_at_ = packet.received_at;
  runs_ = true;
  beginning_ = rewrite;
  settled_ = false;
  shared_ = nullptr;
  key_picture_ = packet.timestamp;
  if (encoding_ == target_.encoding) aiming_since_.reset();
  filter_.Reset(encoding_);
  FollowTarget();
  return Continue(packet);
}

ForwardDecision LayeredForwarder::Continue(const RoutedPacket& packet) {
  const LayerDecision layer = filter_.Decide(packet);
  ForwardDecision decision;
  switch (layer.verdict) {
    case LayerFilter::Verdict::kForward:
      decision.action = Action::kForward;
      break;
    case LayerFilter::Verdict::kDrop:
      decision.action = Action::kDrop;
      break;
    case LayerFilter::Verdict::kDropPicture:
      decision.action = Action::kDropPicture;
      break;
    case LayerFilter::Verdict::kUnreadable:
      decision.action = Action::kHold;
      break;
  }
  if (beginning_ != Rewrite::kContinue) [[unlikely]] {
    // A key picture may begin with a frame of a layer that this receiver does without. Of that
    // which it begins with, packets may have overtaken the first one: they follow it.
    const bool begins = packet.frame.start || packet.frame.key;
    // What refers to the key picture follows it.
    const bool of_key_picture = packet.timestamp == key_picture_;
    if (decision.action != Action::kForward || !begins || !of_key_picture) {
      return No(packet.frame.key ? Action::kWaitBegun : Action::kWait);
    }
    decision.rewrite = std::exchange(beginning_, Rewrite::kContinue);
    shared_ = &filter_;
  }
  decision.layers = {layer.top, layer.active_targets};
  return decision;
}

uint32_t LayeredForwarder::KeyFramesWanted(Timestamp now) const {
  constexpr uint32_t kAll = 0xffffffff;
  constexpr uint8_t kBits = 32;  // more than a producer has encodings
  if (!runs_ && now - waiting_since_ >= kMaxWait) return kAll;
  const uint32_t target = target_.encoding < kBits ? uint32_t{1} << target_.encoding : 0;
  const bool shows = runs_ && beginning_ == Rewrite::kContinue;
  if (!shows || encoding_ != target_.encoding) return target;
  return filter_.wants_key_frame() ? target : 0;
}

}  // namespace

Result<std::unique_ptr<LayerForwarder>> LayerForwarder::Create(
    RtpType type, CodecKind codec, size_t streams, std::shared_ptr<LayerFilterPool> pool) {
  switch (type) {
    case RtpType::kSimple:
      return std::make_unique<SimpleForwarder>(codec);
    case RtpType::kSimulcast:
    case RtpType::kSvc:
      return std::make_unique<LayeredForwarder>(std::move(pool));
    case RtpType::kPipe:
      return std::make_unique<PipeForwarder>(codec, streams);
  }
  return UnsupportedError("unknown consumer type");
}

std::unique_ptr<LayerForwarder> LayerForwarder::CreateLimiter() {
  auto limiter = std::make_unique<LayeredForwarder>(nullptr);
  limiter->KeepBelow();
  return limiter;
}

}  // namespace sluice::worker
