#include <utility>

#include "worker/media/consumer_impl.h"

// The first picture of a Consumer: the producer's group of pictures so far, sent before what comes.
namespace sluice::worker {

bool Consumer::Impl::AwaitReplay() {
  if (!replays_group || replay_barred) return false;
  // What the path allows may be told in this turn still, and what its receiver had before.
  awaits_replay = true;
  producer->StartReplay(*self);
  return true;
}

/// Of the encoding that is wanted, else of the next lower one: where that is what is sent first,
/// the forwarder goes on from there as after any key frame.
bool Consumer::Impl::BeginReplay(Timestamp now) {
  awaits_replay = false;
  const int wanted = has_layers ? policy.target().encoding : 0;
  for (int encoding = wanted; encoding >= 0 && replay == nullptr; --encoding) {
    replay = PlanReplayOf(static_cast<uint8_t>(encoding), now);
  }
  if (replay == nullptr) {
    AskForKeyFrames(now);
    return false;
  }
  ++replays.groups_replayed;
  replay_began_at = now;
  UpdateTarget(now);
  return true;
}

std::unique_ptr<GroupReplay> Consumer::Impl::PlanReplayOf(uint8_t encoding, Timestamp now) const {
  const PacketRing* ring = producer->ring(encoding);
  if (ring == nullptr) return nullptr;
  const std::optional<PacketRing::Group> group = ring->ReadGroup();
  if (!group) return nullptr;
  // Time goes forward: who has seen some of it, or what came after it, gets none of it again.
  const StreamContinuity& before = outputs.front().send.continuity();
  if (before.sent_any() && group->began_at <= before.last_received_at()) return nullptr;
  const RoutedPacket* first = ring->FindKept(group->first);
  const RoutedPacket* newest = ring->FindKept(ring->newest());
  if (first->codec_epoch != newest->codec_epoch) return nullptr;
  const std::optional<ReplayPlan> plan =
      PlanReplay(group->bytes, now - group->began_at, producer->encoding_bitrate(encoding, now),
                 egress.PathRate(), producer->KeyFrameAfter(encoding));
  if (!plan) return nullptr;
  return std::make_unique<GroupReplay>(encoding, group->first, newest->arrival, *plan, now);
}

bool Consumer::Impl::EndsReplay(const RoutedPacket& packet) const {
  if (packet.encoding_index != replay->encoding()) {
    return has_layers && packet.frame.key && packet.encoding_index > replay->encoding() &&
           packet.encoding_index <= policy.target().encoding;
  }
  if (packet.sequence < replay->next()) return false;
  return packet.restarted;
}

bool Consumer::Impl::RunReplay(size_t* room, Timestamp now) {
  const PacketRing* ring = producer->ring(replay->encoding());
  replay->Refill(now);
  egress.SetPassing(true);
  bool good = true;
  while (*room > 0 && replay->MaySend() && replay->next() <= ring->newest()) {
    good = ring->size() > 0 && replay->next() >= ring->oldest();
    if (!good) break;
    const RoutedPacket* packet = ring->FindKept(replay->next());
    if (packet == nullptr) {
      replay->Advance(0);  // lost on the way to us, or follows
      continue;
    }
    --*room;
    const uint64_t refused = counters.refused;
    // Whatever is looked up around it in the ring is looked up as of then.
    Forward({&packet, 1}, packet->received_at);
    const bool left_out = has_layers && packet->frame.temporal_layer > 0;
    replay->Advance(left_out ? 0 : packet->payload.size());
    good = counters.refused == refused;
    if (!good) break;
  }
  egress.SetPassing(false);
  return good;
}

bool Consumer::OnReplay(std::span<const RoutedPacket* const> packets, size_t* room, Timestamp now) {
  Impl& impl = *impl_;
  const bool given_up = !impl.is_replaying();
  if (!impl.active || given_up || (impl.awaits_replay && !impl.BeginReplay(now))) {
    OnPackets(packets, now);
    return true;
  }
  for (const RoutedPacket* packet : packets) {
    if (!impl.EndsReplay(*packet)) continue;
    ++impl.replays.replays_cut;
    impl.GiveUpReplay(/*lost=*/false, now);
    OnPackets(packets, now);
    return true;
  }
  for (const RoutedPacket* packet : packets) {
    // It fills a hole that the replay has passed.
    const bool late = packet->encoding_index == impl.replay->encoding() &&
                      packet->sequence >= impl.replay->first() &&
                      packet->sequence < impl.replay->next();
    if (late) impl.Forward({&packet, 1}, now);
  }
  const bool good = impl.RunReplay(room, now);
  for (Impl::Output& output : impl.outputs) output.send.EndTurn(now);
  if (!good) {
    impl.GiveUpReplay(/*lost=*/true, now);
    impl.AskForKeyFrames(now);
    return true;
  }
  if (impl.has_layers) impl.ReportLayers();
  const PacketRing* ring = impl.producer->ring(impl.replay->encoding());
  if (impl.replay->next() <= ring->newest()) return false;
  impl.replay.reset();
  impl.replayed_until = now;
  impl.waited = false;
  impl.UpdateTarget(now);
  return true;
}

void Consumer::Impl::GiveUpReplay(bool lost, Timestamp now) {
  replay_barred = lost;
  replays.replays_lost += static_cast<uint64_t>(lost);
  replay.reset();
  replayed_until = now;
  waited = false;
  held.clear();
  UpdateTarget(now);
  forwarder->Restart(now);
  key_frames_asked = 0;
}

std::optional<ExtendedSeqNumber> Consumer::ReplayPosition(uint8_t encoding_index) const {
  const GroupReplay* replay = impl_->replay.get();
  if (replay == nullptr || replay->encoding() != encoding_index) return std::nullopt;
  return replay->next();
}

const RoutedPacket* Consumer::Impl::FindToRepair(const PacketRing& ring,
                                                 const SequenceRewriter::Origin& origin,
                                                 Timestamp now) const {
  const bool replayed =
      replay != nullptr || (replayed_until != Timestamp() && now - replayed_until < ring.max_age());
  return replayed ? ring.FindKept(origin.sequence) : ring.Find(origin.sequence, now);
}

}  // namespace sluice::worker
