#include "worker/media/layer_forwarder.h"

#include <utility>

#include "worker/core/layers/layer_filter.h"
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
    if (started_) [[likely]]
      return Forward(packet.restarted ? Rewrite::kRenumber : Rewrite::kContinue);
    if (needs_key_frame_ && !packet.frame.key) return No(Action::kWait);
    started_ = true;
    return Forward(Rewrite::kStart);
  }
  void Restart(Timestamp /*now*/) override { started_ = false; }
  void ChangeCodec(CodecKind codec) override {
    needs_key_frame_ = HasKeyFrames(codec);
    started_ = false;
  }
  bool awaits_key_frame() const override { return needs_key_frame_ && !started_; }
  uint32_t KeyFramesWanted(Timestamp /*now*/) const override { return awaits_key_frame() ? 1 : 0; }
  std::optional<Current> current() const override { return std::nullopt; }
  uint8_t current_encoding() const override { return 0; }
  uint8_t needed_encoding() const override { return kAnyEncoding; }
  bool IsReadable(const RoutedPacket& /*packet*/) const override { return true; }
  size_t MemoryUsage() const override { return sizeof(*this); }

 private:
  bool needs_key_frame_;
  bool started_ = false;
};

/// One of several encodings at a time, and of it the layers that are wanted: simulcast, SVC. From
/// one encoding to another it goes at a key frame; until that comes the old one goes on.
class LayeredForwarder final : public LayerForwarder {
 public:
  void SetTarget(const LayerTarget& target) override {
    if (target == target_) return;
    if (target.encoding != target_.encoding) aiming_since_.reset();
    target_ = target;
    filter_.SetTarget(target.spatial, target.temporal);
  }
  ForwardDecision Decide(const RoutedPacket& packet) override;
  void Restart(Timestamp now) override {
    running_ = false;
    waiting_since_ = now;
    aiming_since_.reset();
  }
  void ChangeCodec(CodecKind /*codec*/) override {
    running_ = false;
    aiming_since_.reset();
  }
  bool awaits_key_frame() const override { return !running_; }
  uint32_t KeyFramesWanted(Timestamp now) const override;
  std::optional<Current> current() const override {
    if (!running_) return std::nullopt;
    return Current{encoding_, filter_.spatial(), filter_.temporal()};
  }
  uint8_t current_encoding() const override { return running_ ? encoding_ : target_.encoding; }
  uint8_t needed_encoding() const override {
    return running_ && encoding_ == target_.encoding ? encoding_ : kAnyEncoding;
  }
  bool IsReadable(const RoutedPacket& packet) const override {
    const bool is_current = running_ && packet.encoding_index == encoding_;
    return is_current ? filter_.IsReadable(packet) : packet.frame.readable;
  }
  size_t MemoryUsage() const override { return sizeof(*this); }

 private:
  bool Accepts(const RoutedPacket& key_frame) const;
  ForwardDecision Begin(const RoutedPacket& packet, Rewrite rewrite);
  ForwardDecision Continue(const RoutedPacket& packet);

  LayerTarget target_;
  LayerFilter filter_;
  Timestamp waiting_since_;
  /// First packet of another encoding since the way to this target began: with the target, or where
  /// what was shown ended. None once the target is reached.
  std::optional<Timestamp> aiming_since_;
  uint8_t encoding_ = 0;  ///< being sent while running_
  bool running_ = false;
  /// How the first packet of the encoding that is taken goes out; kContinue: one has been.
  Rewrite beginning_ = Rewrite::kContinue;
  RtpTimestamp key_picture_;  ///< with which it was taken
};

ForwardDecision LayeredForwarder::Decide(const RoutedPacket& packet) {
  if (running_ && packet.encoding_index == encoding_) [[likely]] {
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
  if (!packet.frame.key || !Accepts(packet)) return No(running_ ? Action::kDrop : Action::kWait);
  return Begin(packet, running_ ? Rewrite::kSwitch : Rewrite::kStart);
}

/// A key frame of the target; where that has not come for long, one of an encoding on the way
/// there. (A sender that is asked for one makes one of all its encodings, and of those between
/// nobody has any use.) After a standstill that of any encoding below the target, so that there is
/// a picture soon; in the end that of any.
bool LayeredForwarder::Accepts(const RoutedPacket& key_frame) const {
  const uint8_t encoding = key_frame.encoding_index;
  const uint8_t target = target_.encoding;
  if (!running_) {
    return encoding <= target || key_frame.received_at - waiting_since_ >= kMaxWait;
  }
  if (encoding == target) return true;
  if (key_frame.received_at - *aiming_since_ < kMaxWait) return false;
  if (encoding_ < target) return encoding > encoding_ && encoding <= target;
  return encoding < encoding_ && encoding >= target;
}

ForwardDecision LayeredForwarder::Begin(const RoutedPacket& packet, Rewrite rewrite) {
  encoding_ = packet.encoding_index;
  running_ = true;
  beginning_ = rewrite;
  key_picture_ = packet.timestamp;
  if (encoding_ == target_.encoding) aiming_since_.reset();
  filter_.Reset();
  return Continue(packet);
}

ForwardDecision LayeredForwarder::Continue(const RoutedPacket& packet) {
  ForwardDecision decision;
  switch (filter_.Decide(packet)) {
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
  }
  decision.layers.top = filter_.picture_top();
  decision.layers.active_targets = filter_.active_targets();
  return decision;
}

uint32_t LayeredForwarder::KeyFramesWanted(Timestamp now) const {
  constexpr uint32_t kAll = 0xffffffff;
  if (!running_ && now - waiting_since_ >= kMaxWait) return kAll;
  const uint32_t target = uint32_t{1} << (target_.encoding & 31);
  const bool shows = running_ && beginning_ == Rewrite::kContinue;
  if (!shows || encoding_ != target_.encoding) return target;
  return filter_.wants_key_frame() ? target : 0;
}

}  // namespace

Result<std::unique_ptr<LayerForwarder>> LayerForwarder::Create(RtpType type, CodecKind codec,
                                                               size_t streams) {
  switch (type) {
    case RtpType::kSimple:
      return std::make_unique<SimpleForwarder>(codec);
    case RtpType::kSimulcast:
    case RtpType::kSvc:
      return std::make_unique<LayeredForwarder>();
    case RtpType::kPipe:
      return std::make_unique<PipeForwarder>(codec, streams);
  }
  return UnsupportedError("unknown consumer type");
}

}  // namespace sluice::worker
