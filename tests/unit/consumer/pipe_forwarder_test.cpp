#include "worker/media/pipe_forwarder.h"

#include <catch2/catch.hpp>
#include <vector>

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

constexpr WantedLayers kWhole{true, WantedLayers::kAll, WantedLayers::kAll};
constexpr WantedLayers kNothing{};

TEST_CASE("a pipe leaves out what is not wanted at its far end, and begins it with a key frame") {
  PipeForwarder pipe(CodecKind::kVp8, 2);
  CHECK(pipe.Decide(Packet(0, true)).rewrite == Rewrite::kStart);
  CHECK(pipe.Decide(Packet(1, true)).rewrite == Rewrite::kStart);
  const std::vector<WantedLayers> one{kNothing, kWhole};
  pipe.SetWanted(one);
  CHECK(pipe.Decide(Packet(0)).action == Action::kWait);
  CHECK(pipe.Decide(Packet(0, true)).action == Action::kWait);
  CHECK(pipe.Decide(Packet(1)).rewrite == Rewrite::kContinue);
  CHECK(pipe.KeyFramesWanted(Timestamp()) == 0);
  CHECK(pipe.needed_encoding() == 1);  // of the other it need not be told
  pipe.Restart(Timestamp());
  CHECK(pipe.KeyFramesWanted(Timestamp()) == 0b10);
  const std::vector<WantedLayers> both{kWhole, kWhole};
  pipe.SetWanted(both);
  CHECK(pipe.needed_encoding() == LayerForwarder::kAnyEncoding);
  CHECK(pipe.KeyFramesWanted(Timestamp()) == 0b11);
  CHECK(pipe.Decide(Packet(0)).action == Action::kWait);
  CHECK(pipe.Decide(Packet(0, true)).rewrite == Rewrite::kStart);
  const std::vector<WantedLayers> none{kNothing, kNothing};
  pipe.SetWanted(none);
  CHECK(pipe.KeyFramesWanted(Timestamp()) == 0);
  pipe.SetWanted(both);
  CHECK(pipe.KeyFramesWanted(Timestamp()) == 0b11);
  CHECK(pipe.Decide(Packet(1, true)).rewrite == Rewrite::kStart);
}

/// One of a stream of two temporal layers: T0 at even numbers.
RoutedPacket Temporal(int number, bool key = false) {
  RoutedPacket packet = Packet(0, key);
  packet.sequence = ExtendedSeqNumber(1000 + number);
  packet.timestamp = RtpTimestamp(static_cast<uint32_t>(number) * 3000);
  packet.frame.start = packet.frame.end = true;
  packet.frame.temporal_layer = static_cast<uint8_t>(number % 2);
  packet.frame.switch_point = number % 2 == 1;
  return packet;
}

TEST_CASE("a pipe leaves out temporal layers that are not wanted, from a key frame on") {
  PipeForwarder pipe(CodecKind::kVp8, 1);
  CHECK(pipe.Decide(Temporal(0, true)).rewrite == Rewrite::kStart);
  CHECK(pipe.Decide(Temporal(1)).action == Action::kForward);
  const std::vector<WantedLayers> lowest{{true, WantedLayers::kAll, 0}};
  pipe.SetWanted(lowest);
  CHECK(pipe.KeyFramesWanted(Timestamp()) == 1);
  for (int i = 2; i < 6; ++i) {  // whole still: nothing stands still for it
    CHECK(pipe.Decide(Temporal(i)).action == Action::kForward);
    CHECK(pipe.Decide(Temporal(i)).rewrite == Rewrite::kContinue);
  }
  const ForwardDecision key = pipe.Decide(Temporal(6, true));
  CHECK(key.action == Action::kForward);
  CHECK(key.rewrite == Rewrite::kContinue);
  CHECK(pipe.KeyFramesWanted(Timestamp()) == 0);
  CHECK(pipe.Decide(Temporal(7)).action == Action::kDropPicture);
  CHECK(pipe.Decide(Temporal(8)).action == Action::kForward);
  CHECK(pipe.Decide(Temporal(9)).action == Action::kDropPicture);
  // Up again at a switching point, without a key frame.
  pipe.SetWanted(std::vector<WantedLayers>{kWhole});
  CHECK(pipe.Decide(Temporal(10)).action == Action::kForward);
  CHECK(pipe.Decide(Temporal(11)).action == Action::kForward);
  pipe.Restart(Timestamp());
  CHECK(pipe.Decide(Temporal(12)).action == Action::kWait);
  CHECK(pipe.Decide(Temporal(14, true)).rewrite == Rewrite::kStart);
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
