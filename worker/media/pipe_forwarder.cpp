#include "worker/media/pipe_forwarder.h"

#include <algorithm>
#include <utility>

namespace sluice::worker {

using Action = ForwardDecision::Action;
using Rewrite = ForwardDecision::Rewrite;

void PipeForwarder::SetWanted(std::span<const WantedLayers> wanted) {
  const auto is_wanted = [](const WantedLayers& each) { return each.any; };
  const auto first = std::find_if(wanted.begin(), wanted.end(), is_wanted);
  const bool is_one = std::count_if(wanted.begin(), wanted.end(), is_wanted) == 1;
  needed_ = is_one ? static_cast<uint8_t>(first - wanted.begin()) : kAnyEncoding;
  for (size_t i = 0; i < streams_.size() && i < wanted.size(); ++i) {
    Stream& stream = streams_[i];
    if (!wanted[i].any) {
      stream = {State::kUnwanted, nullptr};
      continue;
    }
    const LayerTarget target{static_cast<uint8_t>(i), wanted[i].spatial, wanted[i].temporal};
    const bool whole = target.spatial == LayerTarget::kAll && target.temporal == LayerTarget::kAll;
    if (stream.limiter == nullptr && (whole || !HasKeyFrames(codec_))) {
      if (stream.state == State::kUnwanted) stream.state = State::kWaits;
      continue;
    }
    if (stream.limiter == nullptr) {
      stream.limiter = LayerForwarder::CreateLimiter();
      stream.state = stream.state == State::kRuns ? State::kNarrows : State::kLimited;
    }
    stream.limiter->SetTarget(target);
  }
}

ForwardDecision PipeForwarder::DecideOther(Stream& stream, const RoutedPacket& packet) {
  ForwardDecision decision;
  decision.action = Action::kWait;
  switch (stream.state) {
    case State::kUnwanted:
      return decision;
    case State::kNarrows:
    case State::kLimited:
      return Limit(stream, packet);
    case State::kWaits:
    case State::kRuns:
      break;
  }
  if (HasKeyFrames(codec_) && !packet.frame.key) return decision;
  stream.state = State::kRuns;
  any_started_ = true;
  decision.action = Action::kForward;
  decision.rewrite = Rewrite::kStart;
  return decision;
}

ForwardDecision PipeForwarder::Limit(Stream& stream, const RoutedPacket& packet) {
  ForwardDecision decision = stream.limiter->Decide(packet);
  if (stream.state == State::kNarrows) {
    const bool goes_on = !packet.restarted;
    if (decision.action == Action::kWait) {  // no key frame yet
      decision.action = Action::kForward;
      decision.rewrite = goes_on ? Rewrite::kContinue : Rewrite::kRenumber;
      return decision;
    }
    stream.state = State::kLimited;
    // The stream has not stood still.
    if (decision.action == Action::kWaitBegun) decision.action = Action::kDrop;
    if (decision.rewrite == Rewrite::kStart && goes_on) decision.rewrite = Rewrite::kContinue;
    if (decision.rewrite == Rewrite::kStart) decision.rewrite = Rewrite::kRenumber;
  }
  // What cannot be judged yet does no harm at the far end, which judges it again.
  if (decision.action == Action::kHold) decision.action = Action::kForward;
  if (decision.action == Action::kForward) any_started_ = true;
  return decision;
}

void PipeForwarder::Restart(Timestamp now) {
  any_started_ = false;
  for (Stream& stream : streams_) {
    Begin(stream);
    if (stream.limiter != nullptr) stream.limiter->Restart(now);
  }
}

void PipeForwarder::ChangeCodec(CodecKind codec) {
  codec_ = codec;
  any_started_ = false;
  for (Stream& stream : streams_) {
    if (!HasKeyFrames(codec)) stream.limiter.reset();
    Begin(stream);
    if (stream.limiter != nullptr) stream.limiter->ChangeCodec(codec);
  }
}

uint32_t PipeForwarder::KeyFramesWanted(Timestamp now) const {
  uint32_t wanted = 0;
  for (size_t i = 0; HasKeyFrames(codec_) && i < streams_.size() && i < 32; ++i) {
    const Stream& stream = streams_[i];
    const bool waits = stream.state == State::kWaits;
    const bool limits = stream.state == State::kNarrows || stream.state == State::kLimited;
    if (waits || (limits && stream.limiter->KeyFramesWanted(now) != 0)) wanted |= uint32_t{1} << i;
  }
  return wanted;
}

size_t PipeForwarder::MemoryUsage() const {
  size_t bytes = sizeof(*this) + streams_.capacity() * sizeof(Stream);
  for (const Stream& stream : streams_) {
    if (stream.limiter != nullptr) bytes += stream.limiter->MemoryUsage();
  }
  return bytes;
}

}  // namespace sluice::worker
