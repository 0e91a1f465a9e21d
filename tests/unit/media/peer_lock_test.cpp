#include "worker/media/peer_lock.h"

#include <catch2/catch.hpp>
#include <string>

namespace sluice::worker {
namespace {

using Verdict = PeerLock::Verdict;

SocketAddress At(const std::string& ip, uint16_t port = 4000) {
  return {*IpAddress::Parse(ip), port};
}
const SocketAddress kPeer = At("192.0.2.1");
const SocketAddress kStranger = At("198.51.100.7");
const SocketAddress kSource = At("203.0.113.5");
const Timestamp kStart = Timestamp() + Duration::Seconds(100);

PeerLock::Rules Comedia() {
  PeerLock::Rules rules;
  rules.comedia = true;
  return rules;
}

TEST_CASE("without comedia the peer's address has to be given", "[peer_lock]") {
  PeerLock lock({});
  CHECK(lock.Check(kPeer, false, kStart) == Verdict::kEarly);
  lock.Lock(kPeer, kStart);
  CHECK(lock.Check(kPeer, false, kStart) == Verdict::kPeer);
  CHECK(lock.Check(kStranger, false, kStart) == Verdict::kRefuse);
  CHECK(lock.Check(At("192.0.2.1", 4001), false, kStart) == Verdict::kRefuse);  // the port, too
}

TEST_CASE("plain comedia belongs to whoever comes first, for ever", "[peer_lock]") {
  PeerLock lock(Comedia());
  CHECK(lock.Check(kStranger, true, kStart) == Verdict::kLock);
  lock.Lock(kStranger, kStart);
  CHECK(lock.Check(kPeer, false, kStart) == Verdict::kRefuse);
  CHECK(lock.Check(kPeer, false, kStart + Duration::Seconds(3600)) == Verdict::kRefuse);
}

TEST_CASE("the source takes the lock from any other address", "[peer_lock]") {
  PeerLock::Rules rules = Comedia();
  rules.source = kSource.ip;
  PeerLock lock(rules);
  CHECK(lock.Check(kStranger, false, kStart) == Verdict::kLock);
  lock.Lock(kStranger, kStart);
  CHECK(lock.Check(kSource, false, kStart) == Verdict::kLock);
  lock.Lock(kSource, kStart);
  CHECK(lock.Check(kStranger, false, kStart) == Verdict::kRefuse);
  // Another port of the source is another program there.
  CHECK(lock.Check(At("203.0.113.5", 9), false, kStart) == Verdict::kRefuse);
}

TEST_CASE("a pinned source is the only one", "[peer_lock]") {
  PeerLock::Rules rules = Comedia();
  rules.source = kSource.ip;
  rules.source_only = true;
  rules.relock = true;
  PeerLock lock(rules);
  CHECK(lock.Check(kStranger, false, kStart) == Verdict::kRefuse);
  CHECK(lock.Check(kSource, false, kStart) == Verdict::kLock);
  lock.Lock(kSource, kStart);
  const Timestamp later = kStart + Duration::Seconds(60);
  CHECK(lock.Check(kStranger, false, later) == Verdict::kRefuse);
  CHECK(lock.Check(At("203.0.113.5", 9), false, later) == Verdict::kMoved);
}

TEST_CASE("a transport that only receives learns its peer from the source alone", "[peer_lock]") {
  PeerLock::Rules rules = Comedia();
  rules.source = kSource.ip;
  rules.relock = true;
  CHECK(PeerLock(rules).Check(kStranger, /*receives_only=*/true, kStart) == Verdict::kLock);
  rules.source_receives = true;
  PeerLock lock(rules);
  CHECK(lock.Check(kStranger, true, kStart) == Verdict::kRefuse);
  CHECK(lock.Check(kSource, true, kStart) == Verdict::kLock);
  lock.Lock(kSource, kStart);
  CHECK(lock.Check(kStranger, true, kStart + Duration::Seconds(60)) == Verdict::kRefuse);
}

TEST_CASE("media goes to a learned peer only where it is the source", "[peer_lock]") {
  PeerLock::Rules rules = Comedia();
  rules.source = kSource.ip;
  rules.source_receives = true;
  PeerLock lock(rules);
  CHECK(lock.Check(kStranger, /*receives_only=*/false, kStart) == Verdict::kLock);
  lock.Lock(kStranger, kStart);
  CHECK_FALSE(lock.peer_may_receive());  // a sender elsewhere
  lock.Lock(kSource, kStart);
  CHECK(lock.peer_may_receive());
  rules.comedia = false;
  PeerLock given(rules);
  given.Lock(kStranger, kStart);
  CHECK(given.peer_may_receive());  // who gave the address chose it
}

TEST_CASE("a peer that is silent for three seconds may have moved", "[peer_lock]") {
  PeerLock::Rules rules = Comedia();
  rules.relock = true;
  PeerLock lock(rules);
  lock.Lock(kPeer, kStart);
  const Duration almost = PeerLock::kSilence - Duration::Micros(1);
  CHECK(lock.Check(kStranger, false, kStart + almost) == Verdict::kRefuse);
  CHECK(lock.Check(kStranger, false, kStart + PeerLock::kSilence) == Verdict::kMoved);
  lock.OnPacket(kStart + Duration::Seconds(2));
  CHECK(lock.Check(kStranger, false, kStart + PeerLock::kSilence) == Verdict::kRefuse);
  CHECK(lock.Check(kPeer, false, kStart + Duration::Seconds(60)) == Verdict::kPeer);
}

}  // namespace
}  // namespace sluice::worker
