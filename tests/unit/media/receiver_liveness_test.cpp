#include "worker/media/receiver_liveness.h"

#include <catch2/catch.hpp>

namespace sluice::worker {
namespace {

using State = ReceiverLiveness::State;
const Timestamp kStart = Timestamp() + Duration::Seconds(100);

TEST_CASE("a receiver that says nothing for the timeout is silent", "[liveness]") {
  ReceiverLiveness liveness(Duration::Seconds(30));
  for (int i = 0; i < 29; ++i) CHECK_FALSE(liveness.OnTick(/*sending=*/true));
  CHECK(liveness.OnTick(true));
  CHECK(liveness.state() == State::kSilent);
  CHECK_FALSE(liveness.OnTick(true));
  CHECK(liveness.OnPacket());
  CHECK(liveness.listening());
  for (int i = 0; i < 29; ++i) CHECK_FALSE(liveness.OnTick(true));
  CHECK_FALSE(liveness.OnPacket());
  CHECK_FALSE(liveness.OnTick(true));
}

TEST_CASE("only time in which media was sent counts, and pauses win nothing", "[liveness]") {
  ReceiverLiveness liveness(Duration::Seconds(3));
  CHECK_FALSE(liveness.OnTick(true));
  CHECK_FALSE(liveness.OnTick(true));
  for (int i = 0; i < 100; ++i) CHECK_FALSE(liveness.OnTick(false));
  CHECK(liveness.OnTick(true));
}

TEST_CASE("two unreachables within five seconds end it, one does not", "[liveness]") {
  ReceiverLiveness liveness(Duration::Seconds(30));
  CHECK_FALSE(liveness.OnUnreachable(kStart));
  const Timestamp late = kStart + ReceiverLiveness::kUnreachableWindow + Duration::Micros(1);
  CHECK_FALSE(liveness.OnUnreachable(late));
  CHECK(liveness.OnUnreachable(late + ReceiverLiveness::kUnreachableWindow));
  CHECK(liveness.state() == State::kUnreachable);
  CHECK(liveness.OnPacket());
  CHECK_FALSE(liveness.OnUnreachable(late + Duration::Seconds(6)));  // counted anew
}

TEST_CASE("a timeout of zero switches it off", "[liveness]") {
  ReceiverLiveness liveness(Duration::Zero());
  CHECK_FALSE(liveness.enabled());
  for (int i = 0; i < 1000; ++i) CHECK_FALSE(liveness.OnTick(true));
  CHECK_FALSE(liveness.OnUnreachable(kStart));
  CHECK_FALSE(liveness.OnUnreachable(kStart));
  CHECK(liveness.listening());
}

}  // namespace
}  // namespace sluice::worker
