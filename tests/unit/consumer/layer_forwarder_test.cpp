#include "worker/media/layer_forwarder.h"

#include <array>
#include <catch2/catch.hpp>
#include <memory>
#include <utility>

#include "tests/sim/routed_source.h"
#include "worker/media/layer_policy.h"

namespace sluice::worker {
namespace {

using Action = ForwardDecision::Action;
using Rewrite = ForwardDecision::Rewrite;

RoutedPacket Packet(bool key, bool marker = false, bool restarted = false) {
  RoutedPacket packet;
  packet.frame.key = key;
  packet.marker = marker;
  packet.restarted = restarted;
  return packet;
}

TEST_CASE("layer forwarder: a simple one starts with a key frame and then forwards all") {
  auto created = LayerForwarder::Create(RtpType::kSimple, CodecKind::kVp8, 1);
  REQUIRE(created.ok());
  LayerForwarder& forwarder = **created;
  CHECK(forwarder.awaits_key_frame());
  CHECK(forwarder.Decide(Packet(false)).action == Action::kWait);
  const ForwardDecision start = forwarder.Decide(Packet(true, true));
  CHECK(start.action == Action::kForward);
  CHECK(start.rewrite == Rewrite::kStart);
  CHECK(start.stream == 0);
  CHECK_FALSE(forwarder.awaits_key_frame());
  const ForwardDecision next = forwarder.Decide(Packet(false));
  CHECK(next.action == Action::kForward);
  CHECK(next.rewrite == Rewrite::kContinue);
  CHECK(forwarder.Decide(Packet(true)).rewrite == Rewrite::kContinue);
  CHECK(forwarder.Decide(Packet(false, false, true)).rewrite == Rewrite::kRenumber);

  forwarder.Restart(Timestamp());
  CHECK(forwarder.Decide(Packet(false)).action == Action::kWait);
  CHECK(forwarder.Decide(Packet(true)).rewrite == Rewrite::kStart);
  forwarder.ChangeCodec(CodecKind::kH264);
  CHECK(forwarder.awaits_key_frame());
  forwarder.ChangeCodec(CodecKind::kOther);  // nothing to wait for
  CHECK_FALSE(forwarder.awaits_key_frame());
  CHECK(forwarder.Decide(Packet(false)).rewrite == Rewrite::kStart);
}

TEST_CASE("layer policy: priority is 1 to 255, a single encoding has no layers to prefer") {
  LayerPolicy policy;
  CHECK(policy.priority() == 1);
  CHECK_FALSE(policy.SetPriority(0).ok());
  CHECK(policy.SetPriority(255).ok());
  CHECK(policy.priority() == 255);
  CHECK(policy.SetPreferredLayers({2, 1}) == std::nullopt);
  CHECK(policy.target() == LayerTarget());
}

TEST_CASE("layer policy: wishes are cut to what there is") {
  LayerPolicy policy(RtpType::kSimulcast, 3, 1);
  CHECK(policy.preferred_layers() == ConsumerLayers{2, uint8_t{0}});
  CHECK(policy.SetPreferredLayers({9, 9}) == ConsumerLayers{2, uint8_t{0}});
  CHECK(policy.SetPreferredLayers({1, std::nullopt}) == ConsumerLayers{1, uint8_t{0}});
  LayerPolicy svc(RtpType::kSvc, 2, 3);
  CHECK(svc.SetPreferredLayers({1, std::nullopt}) == ConsumerLayers{1, uint8_t{2}});
  CHECK(svc.SetPreferredLayers({0, uint8_t{1}}) == ConsumerLayers{0, uint8_t{1}});
}

TEST_CASE("layer policy: the highest living encoding that is wanted, else the lowest above") {
  LayerPolicy policy(RtpType::kSimulcast, 3, 3);
  const Timestamp now = Timestamp::Millis(100'000);
  std::array<EncodingLife, 3> lives{};
  policy.Update(lives, now);
  CHECK(policy.target_layers() == std::nullopt);  // nothing lives
  lives[0].alive = lives[2].alive = true;
  policy.Update(lives, now);
  CHECK(policy.target().encoding == 2);
  policy.SetPreferredLayers({1, uint8_t{0}});
  policy.Update(lives, now);
  CHECK(policy.target().encoding == 0);
  CHECK(policy.target().temporal == 0);
  lives[0].alive = false;
  policy.Update(lives, now);
  CHECK(policy.target().encoding == 2);  // above what is wanted, but the only one
  CHECK(policy.target_layers() == ConsumerLayers{2, uint8_t{0}});

  // One that comes back has to last where a lower one can be had.
  policy.SetPreferredLayers({2, uint8_t{2}});
  lives[0].alive = true;
  lives[2].alive_since = now;
  policy.Update(lives, now + Duration::Millis(1999));
  CHECK(policy.target().encoding == 0);
  REQUIRE(policy.next_update() == now + Duration::Millis(2000));
  policy.Update(lives, *policy.next_update());
  CHECK(policy.target().encoding == 2);
  CHECK(policy.target().temporal == LayerTarget::kAll);  // also what was not announced
  CHECK_FALSE(policy.next_update());
}

TEST_CASE("layer policy: looks again when the first of the new encodings has lasted") {
  LayerPolicy policy(RtpType::kSimulcast, 3, 1);
  const Timestamp now = Timestamp::Millis(100'000);
  std::array<EncodingLife, 3> lives{};
  for (EncodingLife& each : lives) each.alive = true;
  for (const int first : {1, 2}) {
    lives[1].alive_since = now - Duration::Millis(first == 1 ? 500 : 0);
    lives[2].alive_since = now - Duration::Millis(first == 2 ? 500 : 0);
    policy.Update(lives, now);
    CHECK(policy.target().encoding == 0);
    CHECK(policy.next_update() == now + Duration::Millis(1500));
  }
}

TEST_CASE("layer policy: of SVC the highest spatial layer that comes") {
  LayerPolicy policy(RtpType::kSvc, 3, 2);
  EncodingLife life;
  life.alive = true;
  life.spatial_layers = 3;
  policy.Update({&life, 1}, Timestamp());
  CHECK(policy.target().spatial == LayerTarget::kAll);
  life.spatial_layers = 2;
  policy.Update({&life, 1}, Timestamp());
  CHECK(policy.target().spatial == 1);
  policy.SetPreferredLayers({0, uint8_t{0}});
  policy.Update({&life, 1}, Timestamp());
  CHECK(policy.target().spatial == 0);
  CHECK(policy.target().temporal == 0);
}

TEST_CASE("layer policy: what has to go for want of bandwidth goes on as little as can be") {
  LayerPolicy policy(RtpType::kSimulcast, 3, 3);
  std::array<EncodingLife, 3> lives{};
  for (EncodingLife& each : lives) each.alive = true;
  policy.SetPreferredLayers({2, uint8_t{1}});
  policy.Update(lives, Timestamp());
  CHECK(policy.target() == LayerTarget{2, LayerTarget::kAll, 1, 1, 1});
  CHECK(policy.SetCeiling(LayerTarget{1, LayerTarget::kAll, 0}));
  policy.Update(lives, Timestamp());
  CHECK(policy.target() == LayerTarget{1, LayerTarget::kAll, 0, 0, 1});
}

TEST_CASE("layer policy: what it wishes does not depend on what lives") {
  LayerPolicy policy(RtpType::kSimulcast, 3, 3);
  std::array<EncodingLife, 3> lives{};
  lives[0].alive = true;
  policy.Update(lives, Timestamp());
  CHECK(policy.target().encoding == 0);
  CHECK(policy.Wish() == LayerTarget{2, LayerTarget::kAll, LayerTarget::kAll});
  policy.SetPreferredLayers({1, uint8_t{1}});
  CHECK(policy.Wish() == LayerTarget{1, LayerTarget::kAll, 1});
  LayerPolicy svc(RtpType::kSvc, 3, 2);
  CHECK(svc.Wish() == LayerTarget());
  svc.SetPreferredLayers({1, uint8_t{0}});
  CHECK(svc.Wish() == LayerTarget{0, 1, 0});
  CHECK(LayerPolicy().Wish() == LayerTarget());
}

/// A picture of one packet, 3000 ticks after the one before.
RoutedPacket Picture(int number, uint8_t temporal, bool key = false, uint8_t encoding = 0) {
  RoutedPacket packet;
  packet.sequence = ExtendedSeqNumber(number);
  packet.timestamp = RtpTimestamp(static_cast<uint32_t>(number) * 3000);
  packet.received_at = Timestamp::Millis(number * 33);
  packet.encoding_index = encoding;
  packet.marker = true;
  packet.frame.start = packet.frame.end = true;
  packet.frame.key = key;
  packet.frame.temporal_layer = temporal;
  packet.frame.switch_point = temporal > 0;
  return packet;
}

std::unique_ptr<LayerForwarder> Layered(const LayerTarget& target,
                                        RtpType type = RtpType::kSimulcast) {
  auto created = LayerForwarder::Create(type, CodecKind::kVp8, 1);
  REQUIRE(created.ok());
  (*created)->SetTarget(target);
  (*created)->Restart(Timestamp());
  return *std::move(created);
}

TEST_CASE("layer forwarder: what comes late is judged by what was wanted at its place") {
  const auto forwarder = Layered({}, RtpType::kSvc);
  const auto action = [&](int number, uint8_t temporal) {
    return forwarder->Decide(Picture(number, temporal)).action;
  };
  CHECK(forwarder->Decide(Picture(1, 0, true)).rewrite == Rewrite::kStart);
  CHECK(action(3, 0) == Action::kForward);
  CHECK(action(5, 0) == Action::kForward);
  forwarder->SetTarget({0, LayerTarget::kAll, 0});
  CHECK(action(4, 1) == Action::kForward);  // when it was sent it was wanted
  CHECK(action(7, 0) == Action::kForward);
  CHECK(action(6, 1) == Action::kDrop);  // between the last with and the first without
  CHECK(action(8, 1) == Action::kDropPicture);
  CHECK(action(9, 0) == Action::kForward);
  CHECK(action(13, 0) == Action::kForward);
  forwarder->SetTarget({});
  CHECK(action(12, 1) == Action::kDrop);  // wanted now, but not at its place
  CHECK(action(15, 0) == Action::kForward);
  CHECK(action(16, 1) == Action::kForward);
  CHECK(action(0, 0) == Action::kDrop);  // from before the start
}

TEST_CASE("layer forwarder: begins with a key frame at or below the target, later with any") {
  auto forwarder = Layered({1, LayerTarget::kAll, LayerTarget::kAll});
  CHECK(forwarder->awaits_key_frame());
  CHECK(forwarder->KeyFramesWanted(Timestamp()) == 2u);
  CHECK(forwarder->needed_encoding() == LayerForwarder::kAnyEncoding);
  CHECK(forwarder->Decide(Picture(1, 0, true, 2)).action == Action::kWait);  // above
  CHECK(forwarder->Decide(Picture(1, 0, true, 0)).rewrite == Rewrite::kStart);
  CHECK(forwarder->current() == LayerForwarder::Current{0, 0, 7});
  CHECK(forwarder->KeyFramesWanted(Timestamp()) == 2u);  // it is not there yet
  CHECK(forwarder->Decide(Picture(2, 0, true, 1)).rewrite == Rewrite::kSwitch);
  CHECK(forwarder->KeyFramesWanted(Timestamp()) == 0u);
  CHECK(forwarder->needed_encoding() == 1);

  forwarder = Layered({0, LayerTarget::kAll, LayerTarget::kAll});
  const Timestamp later = Timestamp() + LayerForwarder::kMaxWait;
  CHECK(forwarder->KeyFramesWanted(later) == 0xffffffffu);
  RoutedPacket any = Picture(50, 0, true, 2);
  any.received_at = later;
  CHECK(forwarder->Decide(any).rewrite == Rewrite::kStart);
}

TEST_CASE("layer forwarder: what was left is dropped, also what comes late of it") {
  const auto forwarder = Layered({0, LayerTarget::kAll, LayerTarget::kAll});
  CHECK(forwarder->Decide(Picture(1, 0, true, 0)).rewrite == Rewrite::kStart);
  forwarder->SetTarget({2, LayerTarget::kAll, LayerTarget::kAll});
  CHECK(forwarder->Decide(Picture(2, 0, false, 0)).action == Action::kForward);  // it lives on
  CHECK(forwarder->Decide(Picture(3, 0, false, 2)).action == Action::kDrop);     // no key frame
  CHECK(forwarder->Decide(Picture(4, 0, true, 1)).action == Action::kDrop);      // on the way
  CHECK(forwarder->Decide(Picture(5, 0, true, 2)).rewrite == Rewrite::kSwitch);
  CHECK(forwarder->Decide(Picture(3, 0, false, 0)).action == Action::kDrop);
  CHECK(forwarder->Decide(Picture(5, 0, true, 0)).action == Action::kDrop);
  // Down again: not at a key frame above where it is to go.
  forwarder->SetTarget({1, LayerTarget::kAll, LayerTarget::kAll});
  CHECK(forwarder->Decide(Picture(6, 0, true, 0)).action == Action::kDrop);
  CHECK(forwarder->Decide(Picture(6, 0, false, 2)).action == Action::kForward);
  CHECK(forwarder->Decide(Picture(7, 0, true, 1)).rewrite == Rewrite::kSwitch);
  CHECK(forwarder->Decide(Picture(6, 0, false, 2)).action == Action::kDrop);
}

TEST_CASE("layer forwarder: until the key frame comes the old encoding has layers of its own") {
  LayerTarget target{2, LayerTarget::kAll, LayerTarget::kAll};
  const auto forwarder = Layered(target);
  const auto action = [&](int number, uint8_t temporal, bool key, uint8_t encoding) {
    return forwarder->Decide(Picture(number, temporal, key, encoding)).action;
  };
  CHECK(action(1, 0, true, 2) == Action::kForward);
  CHECK(action(2, 2, false, 2) == Action::kForward);
  // What does not fit any more goes on as little as can be, what is smaller whole.
  target = {1, LayerTarget::kAll, 1, /*above=*/0, /*below=*/2};
  forwarder->SetTarget(target);
  CHECK(action(3, 0, false, 2) == Action::kForward);
  CHECK(action(4, 1, false, 2) == Action::kDropPicture);
  CHECK(action(5, 0, true, 1) == Action::kForward);
  CHECK(action(6, 1, false, 1) == Action::kForward);
  CHECK(action(7, 2, false, 1) == Action::kDropPicture);
  target.encoding = 2;
  forwarder->SetTarget(target);
  CHECK(action(8, 0, false, 1) == Action::kForward);
  CHECK(action(9, 2, false, 1) == Action::kForward);
  CHECK(action(10, 0, true, 2) == Action::kForward);
  CHECK(action(11, 2, false, 2) == Action::kDropPicture);
}

TEST_CASE("layer forwarder: a sender that begins anew is followed from its key frame") {
  const auto forwarder = Layered({});
  CHECK(forwarder->Decide(Picture(1, 0, true)).rewrite == Rewrite::kStart);
  RoutedPacket again = Picture(2, 0, false);
  again.restarted = true;
  CHECK(forwarder->Decide(again).action == Action::kWait);
  CHECK(forwarder->awaits_key_frame());
  CHECK(forwarder->Decide(Picture(3, 0, true)).rewrite == Rewrite::kStart);
  again = Picture(4, 0, true);
  again.restarted = true;
  CHECK(forwarder->Decide(again).rewrite == Rewrite::kRenumber);
}

/// Two temporal layers: targets T0 and T1, of which the second has the frames of both.
std::shared_ptr<DependencyStructure> TwoTemporalLayers(uint8_t template_offset) {
  auto structure = std::make_shared<DependencyStructure>();
  structure->template_offset = template_offset;
  structure->target_count = 2;
  structure->layers[1].temporal = 1;
  structure->contained = {0b01, 0b11};
  return structure;
}

DependencyDescriptor Described(std::shared_ptr<const DependencyStructure> structure, int number,
                               DecodeTargetIndication indication, int reference) {
  DependencyDescriptor descriptor;
  descriptor.start_of_frame = descriptor.end_of_frame = true;
  descriptor.frame_number = static_cast<uint16_t>(number);
  descriptor.active_targets = structure->AllTargets();
  descriptor.structure = std::move(structure);
  descriptor.frame.indications[0] = descriptor.frame.indications[1] = indication;
  if (reference > 0) {
    descriptor.frame.reference_count = 1;
    descriptor.frame.references[0] = static_cast<uint16_t>(reference);
  }
  return descriptor;
}

TEST_CASE("layer forwarder: a structure that changes without a key frame") {
  const auto forwarder = Layered({}, RtpType::kSvc);
  const auto before = TwoTemporalLayers(0);
  const auto after = TwoTemporalLayers(7);
  const auto decide = [&](int number, DependencyDescriptor descriptor, bool key) {
    RoutedPacket packet = Picture(number, 0, key);
    packet.frame.descriptor = &descriptor;
    return forwarder->Decide(packet).action;
  };
  using Indication = DecodeTargetIndication;
  auto first = Described(before, 1, Indication::kSwitch, 0);
  first.brings_structure = true;
  CHECK(decide(1, first, true) == Action::kForward);
  CHECK(decide(2, Described(before, 2, Indication::kRequired, 1), false) == Action::kForward);
  // Its targets are new: whether a receiver can go on with one of them only a switch tells.
  auto change = Described(after, 3, Indication::kRequired, 1);
  change.brings_structure = true;
  CHECK(decide(3, change, false) != Action::kForward);
  CHECK(forwarder->KeyFramesWanted(Timestamp()) == 1u);
  // One that refers to a frame that was left out does not help, one that refers to frames that were
  // sent does.
  CHECK(decide(4, Described(after, 4, Indication::kSwitch, 1), false) != Action::kForward);
  CHECK(decide(5, Described(after, 5, Indication::kSwitch, 3), false) == Action::kForward);
  CHECK(decide(6, Described(after, 6, Indication::kRequired, 1), false) == Action::kForward);
  CHECK(forwarder->KeyFramesWanted(Timestamp()) == 0u);
}

TEST_CASE("layer forwarder: a better key frame replaces the first only for a while") {
  const auto forwarder = Layered({2, LayerTarget::kAll, LayerTarget::kAll});
  const Timestamp start = Timestamp::Millis(100'000);
  const auto key_frame = [&](int number, uint8_t encoding, Duration after) {
    RoutedPacket packet = Picture(number, 0, true, encoding);
    packet.received_at = start + after;
    return forwarder->Decide(packet);
  };
  forwarder->Restart(start - Duration::Seconds(1));
  CHECK(key_frame(1, 0, {}).rewrite == Rewrite::kStart);
  CHECK(key_frame(2, 1, LayerForwarder::kKeyFrameGroup).action == Action::kDrop);
  // After another standstill the time begins anew.
  forwarder->Restart(start + Duration::Seconds(1));
  CHECK(key_frame(3, 0, Duration::Seconds(2)).rewrite == Rewrite::kStart);
  CHECK(key_frame(4, 1, Duration::Millis(2299)).rewrite == Rewrite::kSwitch);
}

TEST_CASE("layer forwarder: from one encoding to another, past those between") {
  const auto made = LayerForwarder::Create(RtpType::kSimulcast, CodecKind::kVp8, 1);
  REQUIRE(made.ok());
  LayerForwarder& forwarder = **made;
  Timestamp now = Timestamp::Millis(100'000);
  RoutedPacket packet;
  packet.payload_type = PayloadType(101);
  int64_t sequence = 0;
  const auto key_frame = [&](uint8_t encoding) {
    packet.sequence = ExtendedSeqNumber(1000 + ++sequence);
    packet.timestamp = RtpTimestamp(static_cast<uint32_t>(now.ms() * 90));
    packet.encoding_index = encoding;
    packet.frame.key = packet.frame.start = packet.frame.end = true;
    packet.received_at = now;
    return forwarder.Decide(packet).action == ForwardDecision::Action::kForward;
  };
  LayerTarget target;
  target.encoding = 2;
  forwarder.SetTarget(target);
  forwarder.Restart(now);
  // A picture soon, then each better one of the same request, up to the one that is wanted.
  CHECK(key_frame(0));
  now = now + Duration::Millis(299);
  CHECK(key_frame(1));
  CHECK_FALSE(key_frame(0));
  CHECK(key_frame(2));
  CHECK_FALSE(key_frame(1));
  now = now + Duration::Millis(5000);
  // The sender makes key frames of all of them when it is asked for one.
  target.encoding = 0;
  forwarder.SetTarget(target);
  CHECK(key_frame(2));
  CHECK_FALSE(key_frame(1));
  CHECK(key_frame(0));
  // Where that of the target does not come, one on the way is better than none.
  now = now + Duration::Millis(5000);
  target.encoding = 2;
  forwarder.SetTarget(target);
  CHECK_FALSE(key_frame(1));
  now = now + LayerForwarder::kMaxWait;
  CHECK(key_frame(1));
  CHECK(key_frame(2));
  // After a standstill the way begins anew, although the target is the one of before.
  now = now + Duration::Millis(5000);
  SECTION("a pause") { forwarder.Restart(now); }
  SECTION("another codec") { forwarder.ChangeCodec(CodecKind::kVp9); }
  SECTION("a sender that begins anew") {
    packet.restarted = true;
    packet.frame.key = false;
    packet.encoding_index = 2;
    packet.received_at = now;
    CHECK(forwarder.Decide(packet).action == ForwardDecision::Action::kWait);
    packet.restarted = false;
  }
  CHECK(key_frame(0));
  CHECK(key_frame(1));
  CHECK(key_frame(2));
}

TEST_CASE("layer forwarder: a key frame is wanted until something is shown, whatever the filter") {
  // Nothing is to be changed, and there is nothing yet.
  CHECK(Layered({0, 0, 0}, RtpType::kSvc)->KeyFramesWanted(Timestamp()) == 1u);
  CHECK(Layered({31, 0, 0})->KeyFramesWanted(Timestamp()) == 0x80000000u);
  CHECK(Layered({32, 0, 0})->KeyFramesWanted(Timestamp()) == 0u);  // no producer has it
  // Three independent layers, each of which brings the structure, and of which one is sent.
  LayerStructure structure;
  structure.codec = CodecKind::kVp9;
  structure.spatial = 3;
  structure.mode = LayerStructure::Spatial::kIndependent;
  structure.packets = 1;
  RoutedSource source(structure, 0, 1);
  const auto forwarder = Layered({0, 2, 0}, RtpType::kSvc);
  for (const RoutedPacket* packet : source.Turn(true, 0)) forwarder->Decide(*packet);
  CHECK(forwarder->KeyFramesWanted(Timestamp()) == 0u);
  forwarder->Restart(Timestamp());
  const auto turn = source.Turn(true, 0);
  REQUIRE(turn.size() == 3);
  CHECK(forwarder->Decide(*turn[0]).action == Action::kWaitBegun);
  CHECK(forwarder->KeyFramesWanted(Timestamp()) == 1u);
  CHECK(forwarder->Decide(*turn[1]).action != Action::kForward);
  CHECK(forwarder->KeyFramesWanted(Timestamp()) == 1u);
  CHECK(forwarder->Decide(*turn[2]).rewrite == Rewrite::kStart);
  CHECK(forwarder->KeyFramesWanted(Timestamp()) == 0u);
  CHECK(forwarder->KeyFramesWanted(Timestamp() + LayerForwarder::kMaxWait) == 0u);
}

}  // namespace
}  // namespace sluice::worker
