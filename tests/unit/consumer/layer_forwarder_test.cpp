#include "worker/media/layer_forwarder.h"

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
  CHECK(start.marker);
  CHECK_FALSE(forwarder.awaits_key_frame());
  const ForwardDecision next = forwarder.Decide(Packet(false));
  CHECK(next.action == Action::kForward);
  CHECK(next.rewrite == Rewrite::kContinue);
  CHECK_FALSE(next.marker);
  CHECK(forwarder.Decide(Packet(true)).rewrite == Rewrite::kContinue);
  CHECK(forwarder.Decide(Packet(false, false, true)).rewrite == Rewrite::kRenumber);

  forwarder.Restart();
  CHECK(forwarder.Decide(Packet(false)).action == Action::kWait);
  CHECK(forwarder.Decide(Packet(true)).rewrite == Rewrite::kStart);
  forwarder.ChangeCodec(CodecKind::kH264);
  CHECK(forwarder.awaits_key_frame());
  forwarder.ChangeCodec(CodecKind::kOther);  // nothing to wait for
  CHECK_FALSE(forwarder.awaits_key_frame());
  CHECK(forwarder.Decide(Packet(false)).rewrite == Rewrite::kStart);
}

TEST_CASE("layer forwarder: kinds that are not there yet are refused by name") {
  for (const RtpType type : {RtpType::kSimulcast, RtpType::kSvc}) {
    CHECK_FALSE(LayerForwarder::Create(type, CodecKind::kVp8, 1).ok());
  }
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

}  // namespace
}  // namespace sluice::worker
