#include "worker/media/layer_forwarder.h"

#include <array>
#include <catch2/catch.hpp>

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
  // A picture soon; then at once the one that is wanted.
  CHECK(key_frame(0));
  CHECK_FALSE(key_frame(1));
  CHECK(key_frame(2));
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
}

}  // namespace
}  // namespace sluice::worker
