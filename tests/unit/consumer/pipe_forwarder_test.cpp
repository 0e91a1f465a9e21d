#include "worker/media/pipe_forwarder.h"

#include <catch2/catch.hpp>

namespace sluice::worker {
namespace {

using Action = ForwardDecision::Action;
using Rewrite = ForwardDecision::Rewrite;

RoutedPacket Packet(uint8_t encoding, bool key = false) {
  RoutedPacket packet;
  packet.encoding_index = encoding;
  packet.frame.key = key;
  packet.marker = true;
  return packet;
}

TEST_CASE("each encoding of a pipe starts with its own key frame, in a stream of its own") {
  PipeForwarder pipe(CodecKind::kVp8, 3);
  CHECK(pipe.awaits_key_frame());
  CHECK(pipe.Decide(Packet(1)).action == Action::kWait);
  CHECK(pipe.Decide(Packet(1)).stream == 1);
  const ForwardDecision first = pipe.Decide(Packet(1, true));
  CHECK(first.action == Action::kForward);
  CHECK(first.rewrite == Rewrite::kStart);
  CHECK(first.stream == 1);
  CHECK_FALSE(pipe.awaits_key_frame());
  CHECK(pipe.KeyFramesWanted(Timestamp()) == 0b101);
  CHECK(pipe.Decide(Packet(1)).rewrite == Rewrite::kContinue);
  CHECK(pipe.Decide(Packet(0)).action == Action::kWait);
  CHECK(pipe.Decide(Packet(0, true)).rewrite == Rewrite::kStart);
  CHECK(pipe.Decide(Packet(2)).action == Action::kWait);
  RoutedPacket renumbered = Packet(1);
  renumbered.restarted = true;
  CHECK(pipe.Decide(renumbered).rewrite == Rewrite::kRenumber);
  pipe.Restart(Timestamp());
  CHECK(pipe.KeyFramesWanted(Timestamp()) == 0b111);
  CHECK(pipe.awaits_key_frame());
  CHECK(pipe.Decide(Packet(0)).action == Action::kWait);
}

TEST_CASE("a pipe of audio starts at once, and knows no encoding that it was not told of") {
  PipeForwarder pipe(CodecKind::kOpus, 1);
  CHECK_FALSE(pipe.awaits_key_frame());
  CHECK(pipe.KeyFramesWanted(Timestamp()) == 0);
  CHECK(pipe.Decide(Packet(0)).rewrite == Rewrite::kStart);
  CHECK(pipe.Decide(Packet(1)).action == Action::kDrop);
  CHECK(pipe.Decide(Packet(255)).action == Action::kDrop);
  pipe.ChangeCodec(CodecKind::kVp9);
  CHECK(pipe.awaits_key_frame());
}

}  // namespace
}  // namespace sluice::worker
