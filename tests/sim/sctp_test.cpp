// Two SCTP associations over a simulated link, in virtual time.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <set>

#include "tests/sim/heap_in_use.h"
#include "tests/sim/sctp_endpoint.h"

namespace sluice::worker {
namespace {

LinkConditions Link(double loss, int delay_ms, int jitter_ms = 0) {
  LinkConditions link;
  link.loss = loss;
  link.delay = Duration::Millis(delay_ms);
  link.jitter = Duration::Millis(jitter_ms);
  return link;
}

using States = std::vector<SctpState>;

}  // namespace

TEST_CASE("sctp: one end begins, messages of both arrive with stream and protocol", "[sctp]") {
  SctpPair pair(1, Link(0, 20));
  CHECK(pair.a.Send(3, "before it is connected") == SctpSendResult::kQueued);
  CHECK(pair.a.association().BufferedAmount(3) == 22);
  REQUIRE(pair.Connect());
  CHECK(pair.a.states() == States{SctpState::kConnecting, SctpState::kConnected});
  CHECK(pair.b.states() == States{SctpState::kConnecting, SctpState::kConnected});
  CHECK(pair.a.negotiated().outbound == 65'535);
  CHECK(pair.a.negotiated().inbound == 65'535);
  pair.b.Send(7, "from b");
  REQUIRE(pair.Until([&] { return !pair.a.received().empty() && !pair.b.received().empty(); },
                     Duration::Seconds(1)));
  CHECK(pair.b.text(0) == "before it is connected");
  CHECK(pair.b.received()[0].stream == 3);
  CHECK(pair.b.received()[0].ppid == 51);
  CHECK(pair.a.text(0) == "from b");
  CHECK(pair.a.received()[0].stream == 7);
  CHECK(pair.a.association().BufferedAmount(3) == 0);
}

TEST_CASE("sctp: both ends begin at once, with loss and reordering", "[sctp]") {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SctpPair pair(seed, Link(0.2, 30, 30));
    pair.b.Start();
    REQUIRE(pair.Connect());
    pair.a.Send(0, "a");
    pair.b.Send(0, "b");
    REQUIRE(pair.Until([&] { return !pair.a.received().empty() && !pair.b.received().empty(); },
                       Duration::Seconds(60)));
  }
}

TEST_CASE("sctp: messages of 262,144 bytes both ways", "[sctp]") {
  SctpPair pair(1, Link(0.01, 10));
  REQUIRE(pair.Connect());
  for (uint32_t i = 0; i < 4; ++i) {
    CHECK(pair.a.Send(1, Pattern(262'144, i)) == SctpSendResult::kQueued);
    CHECK(pair.b.Send(2, Pattern(262'144, i)) == SctpSendResult::kQueued);
  }
  REQUIRE(pair.Until([&] { return pair.a.received().size() == 4 && pair.b.received().size() == 4; },
                     Duration::Seconds(120)));
  for (uint32_t i = 0; i < 4; ++i) {
    CHECK(pair.a.received()[i].bytes == Pattern(262'144, i));
    CHECK(pair.b.received()[i].bytes == Pattern(262'144, i));
  }
}

TEST_CASE("sctp: 1 MB/s ordered over 5 % loss arrives whole and in order", "[sctp]") {
  // With a round trip of 4 ms: by loss alone a round trip of 100 ms allows 0.5 Mbit/s.
  SctpPair pair(7, Link(0.05, 2));
  REQUIRE(pair.Connect());
  constexpr uint32_t kMessages = 500;
  constexpr size_t kSize = 10'000;
  constexpr Duration kInterval = Duration::Millis(10);
  constexpr Duration kSending = kInterval * kMessages;
  uint32_t sent = 0;
  const Timestamp begin = pair.environment.Now();
  while (sent < kMessages) {
    if (pair.a.Send(1, Pattern(kSize, sent)) == SctpSendResult::kQueued) ++sent;
    pair.environment.AdvanceBy(kInterval);
  }
  // The buffers for what is sent were never full: it keeps up.
  CHECK(pair.environment.Now() - begin == kSending);
  REQUIRE(
      pair.Until([&] { return pair.b.received().size() == kMessages; }, Duration::Seconds(120)));
  const double seconds = (pair.environment.Now() - begin).seconds();
  CHECK(seconds < 2 * kSending.seconds());
  for (uint32_t i = 0; i < kMessages; ++i) REQUIRE(pair.b.received()[i].bytes == Pattern(kSize, i));
}

TEST_CASE("sctp: unordered without retransmissions drops and does not stall", "[sctp]") {
  SctpPair pair(3, Link(0.1, 20));
  REQUIRE(pair.Connect());
  SctpReliability once;
  once.ordered = false;
  once.max_retransmits = 0;
  for (uint32_t i = 0; i < 1000; ++i) {
    CHECK(pair.a.Send(1, Pattern(500, i), once) == SctpSendResult::kQueued);
    pair.environment.AdvanceBy(Duration::Millis(10));
  }
  pair.environment.AdvanceBy(Duration::Seconds(5));
  CHECK(pair.b.received().size() > 800);
  CHECK(pair.b.received().size() < 960);
  CHECK(NumberOf(pair.b.received().back().bytes) > 990);
  // Nothing is left behind: a reliable message goes through at once.
  const size_t before = pair.b.received().size();
  pair.a.Send(2, "still here");
  REQUIRE(pair.Until([&] { return pair.b.received().size() > before; }, Duration::Seconds(10)));
}

TEST_CASE("sctp: each limit of reliability on its own, and none means none", "[sctp]") {
  struct Case {
    SctpReliability reliability;
    size_t at_least;
  };
  // 300 messages over 20 % loss.
  const std::array<Case, 5> cases = {{{{false, {}, {}}, 300},
                                      {{true, {}, {}}, 300},
                                      {{false, uint16_t{20}, {}}, 295},
                                      {{false, {}, uint16_t{60'000}}, 295},
                                      {{true, uint16_t{20}, {}}, 295}}};
  for (const Case& one : cases) {
    SctpPair pair(5, Link(0.2, 5));
    REQUIRE(pair.Connect());
    for (uint32_t i = 0; i < 300; ++i) {
      pair.a.Send(1, Pattern(1000, i), one.reliability);
      pair.environment.AdvanceBy(Duration::Millis(5));
    }
    pair.environment.AdvanceBy(Duration::Seconds(120));
    CHECK(pair.b.received().size() >= one.at_least);
    CHECK(pair.b.received().size() <= 300);
    std::set<uint32_t> numbers;
    for (const auto& message : pair.b.received()) numbers.insert(NumberOf(message.bytes));
    CHECK(numbers.size() == pair.b.received().size());
  }
}

TEST_CASE("sctp: an ordered stream of a high number goes on behind what was given up", "[sctp]") {
  SctpPair pair(9, Link(0.2, 10));
  REQUIRE(pair.Connect());
  SctpReliability once;
  once.max_retransmits = 0;
  for (uint32_t i = 0; i < 300; ++i) {
    pair.a.Send(60'001, Pattern(100, i), once);
    pair.environment.AdvanceBy(Duration::Millis(10));
  }
  pair.links.SetConditions(Link(0, 10));
  pair.a.Send(60'001, Pattern(100, 300));
  REQUIRE(pair.Until(
      [&] { return !pair.b.received().empty() && NumberOf(pair.b.received().back().bytes) == 300; },
      Duration::Seconds(30)));
  CHECK(pair.b.received().size() > 150);
  CHECK(pair.b.received().size() < 290);
  uint32_t previous = 0;
  for (const SctpReceived& message : pair.b.received()) {
    CHECK(message.stream == 60'001);
    CHECK(NumberOf(message.bytes) >= previous);
    previous = NumberOf(message.bytes);
  }
}

TEST_CASE("sctp: messages whose life time is over are not sent late", "[sctp]") {
  SctpPair pair(1, Link(0, 20));
  REQUIRE(pair.Connect());
  SctpReliability brief;
  brief.max_life_time = 200;
  for (uint32_t i = 0; i < 400; ++i) pair.a.Send(2, Pattern(4000, i));
  REQUIRE(pair.Until([&] { return pair.b.received().size() == 400; }, Duration::Seconds(60)));
  pair.links.SetConditions(Link(1, 20));  // the path is dead for a while
  for (uint32_t i = 0; i < 400; ++i) pair.a.Send(1, Pattern(4000, i), brief);
  pair.environment.AdvanceBy(Duration::Seconds(1));
  pair.links.SetConditions(Link(0, 20));
  pair.environment.AdvanceBy(Duration::Seconds(10));
  // Of 400 many were sent at once, and are not again; the others wait, one of them in the stack.
  CHECK(pair.a.association().stats().messages_expired > 300);
  CHECK(pair.a.association().stats().messages_expired < 390);
  CHECK(pair.a.association().BufferedAmount(1) == 0);
  const size_t late = pair.b.received().size();
  CHECK(late == 400);
  pair.a.Send(1, Pattern(4000, 400), brief);
  REQUIRE(pair.Until([&] { return pair.b.received().size() > late; }, Duration::Seconds(5)));
  CHECK(NumberOf(pair.b.received().back().bytes) == 400);
}

TEST_CASE("sctp: a stream is reset in both directions and used again", "[sctp]") {
  SctpPair pair(1, Link(0.05, 20));
  REQUIRE(pair.Connect());
  for (uint32_t i = 0; i < 200; ++i) pair.a.Send(5, Pattern(1000, i));
  pair.a.ResetStream(5);
  pair.a.Send(5, "of the next channel");
  REQUIRE(pair.Until([&] { return !pair.b.resets().empty(); }, Duration::Seconds(60)));
  CHECK(pair.b.resets() == std::vector<uint16_t>{5});
  CHECK(pair.b.received().size() == 200);  // everything sent before
  pair.b.ResetStream(5);
  REQUIRE(pair.Until([&] { return !pair.a.resets().empty(); }, Duration::Seconds(60)));
  REQUIRE(pair.Until([&] { return pair.b.received().size() == 201; }, Duration::Seconds(60)));
  CHECK(pair.b.text(200) == "of the next channel");
  // Many at once, while data of others flows.
  for (uint16_t stream = 10; stream < 40; ++stream) {
    pair.a.Send(stream, "x");
    pair.a.ResetStream(stream);
    pair.a.Send(1, "between");
  }
  REQUIRE(pair.Until([&] { return pair.b.resets().size() == 31; }, Duration::Seconds(120)));
}

TEST_CASE("sctp: a closed stream that is used and closed again at once", "[sctp]") {
  SctpPair pair(1, Link(0, 20));
  REQUIRE(pair.Connect());
  pair.a.Send(5, "first");
  pair.a.ResetStream(5);
  pair.a.Send(5, "second");
  pair.a.ResetStream(5);
  pair.environment.AdvanceBy(Duration::Seconds(5));
  REQUIRE(pair.b.received().size() == 1);
  pair.a.Send(5, "third");
  REQUIRE(pair.Until([&] { return pair.b.received().size() == 2; }, Duration::Seconds(5)));
  CHECK(pair.b.text(1) == "third");
  CHECK(pair.a.association().BufferedAmount(5) == 0);
}

TEST_CASE("sctp: idle for an hour, and still there", "[sctp]") {
  SctpPair pair(1, Link(0.02, 20));
  REQUIRE(pair.Connect());
  pair.environment.AdvanceBy(Duration::Seconds(5));
  const uint64_t before = pair.a.packets();
  pair.environment.AdvanceBy(Duration::Seconds(3600));
  CHECK(pair.a.connected());
  CHECK(pair.b.connected());
  // Heartbeats of both ends and their answers, one pair in 30 s.
  CHECK(pair.a.packets() - before > 100);
  CHECK(pair.a.packets() - before < 500);
  const Timestamp sent = pair.environment.Now();
  pair.a.Send(1, "hello");
  REQUIRE(pair.Until([&] { return pair.b.received().size() == 1; }, Duration::Seconds(10)));
  CHECK(pair.environment.Now() - sent < Duration::Seconds(2));
}

TEST_CASE("sctp: a peer that is gone ends the association", "[sctp]") {
  SctpPair pair(1, Link(0, 20));
  REQUIRE(pair.Connect());
  pair.links.SetConditions(Link(1, 20));
  pair.a.Send(1, "nobody hears this");
  REQUIRE(pair.Until([&] { return pair.a.states().size() == 3; }, Duration::Seconds(600)));
  CHECK(pair.a.states().back() == SctpState::kClosed);
  CHECK(pair.a.Send(1, "later") == SctpSendResult::kClosed);
}

TEST_CASE("sctp: nobody answers the first packet", "[sctp]") {
  SctpPair pair(1, Link(1, 20));
  pair.a.Start();
  REQUIRE(pair.Until([&] { return pair.a.states().size() == 2; }, Duration::Seconds(600)));
  CHECK(pair.a.states().back() == SctpState::kFailed);
}

TEST_CASE("sctp: closing tells the peer", "[sctp]") {
  SctpPair pair(1, Link(0, 20));
  REQUIRE(pair.Connect());
  pair.a.Close();
  CHECK(pair.a.association().state() == SctpState::kClosed);
  REQUIRE(pair.Until([&] { return pair.b.states().size() == 3; }, Duration::Seconds(1)));
  CHECK(pair.b.states().back() == SctpState::kClosed);
}

TEST_CASE("sctp: a full send buffer refuses, drains and tells when it is low", "[sctp]") {
  SctpOptions options;
  options.send_buffer_size = 1'000'000;
  options.per_stream_send_limit = 600'000;
  SctpPair pair(1, Link(0, 50), options);
  REQUIRE(pair.Connect());
  pair.links.SetConditions(Link(1, 50));
  const auto fill = [&](uint16_t stream) {
    size_t count = 0;
    while (pair.a.Send(stream, Pattern(10'000, 0)) == SctpSendResult::kQueued) ++count;
    return count;
  };
  const size_t first = fill(1);  // the stack takes 262,144 bytes
  CHECK(first > 75);
  CHECK(first < 95);
  CHECK(pair.a.association().BufferedAmount(1) >= 590'000);
  const size_t second = fill(2);  // another stream fills the rest
  CHECK(second > 35);
  CHECK(second < 45);
  CHECK(pair.a.association().stats().send_buffer_full == 2);
  pair.links.SetConditions(Link(0, 50));
  REQUIRE(pair.Until([&] { return pair.b.received().size() == first + second; },
                     Duration::Seconds(120)));
  CHECK(pair.a.association().BufferedAmount(1) == 0);
  std::vector<uint16_t> lows = pair.a.lows();
  std::sort(lows.begin(), lows.end());
  lows.erase(std::unique(lows.begin(), lows.end()), lows.end());
  CHECK(lows == std::vector<uint16_t>{1, 2});
}

TEST_CASE("sctp: streams take turns, however much one of them has to send", "[sctp]") {
  SctpPair pair(1, Link(0, 20));
  REQUIRE(pair.Connect());
  for (uint32_t i = 0; i < 180; ++i) pair.a.Send(1, Pattern(10'000, i));
  pair.a.Send(2, "urgent");
  size_t before = 0;
  pair.b.on_message = [&](const SctpReceived& message) {
    if (message.stream == 1) ++before;
    if (message.stream == 2) pair.b.on_message = nullptr;
  };
  REQUIRE(pair.Until([&] { return pair.b.received().size() == 181; }, Duration::Seconds(60)));
  CHECK(before < 60);  // what the stack had already, and a few
}

TEST_CASE("sctp: a message over the receiver's limit is dropped, the next arrives", "[sctp]") {
  SctpOptions options;
  options.max_receive_message_size = 10'000;
  SctpPair pair(1, Link(0, 20), options);
  REQUIRE(pair.Connect());
  pair.a.Send(1, Pattern(10'001, 1));
  pair.a.Send(1, Pattern(1'500'000, 2));
  pair.a.Send(1, Pattern(10'000, 3));
  REQUIRE(pair.Until([&] { return !pair.b.received().empty(); }, Duration::Seconds(60)));
  CHECK(NumberOf(pair.b.received()[0].bytes) == 3);
  CHECK(pair.b.association().stats().messages_oversized == 2);
}

TEST_CASE("sctp: a stream that the peer does not have", "[sctp]") {
  SctpPair pair(1, Link(0, 20));
  REQUIRE(pair.Connect());
  pair.a.Send(65'535, "nowhere");
  pair.a.ResetStream(65'535);
  pair.a.Send(1, "here");
  REQUIRE(pair.Until([&] { return !pair.b.received().empty(); }, Duration::Seconds(5)));
  CHECK(pair.b.text(0) == "here");
  CHECK(pair.a.association().stats().messages_unsendable == 1);
}

TEST_CASE("sctp: associations that were made and closed leave nothing behind", "[sctp]") {
  const auto cycles = [](uint64_t count) {
    for (uint64_t i = 1; i <= count; ++i) {
      SctpPair pair(i, Link(0, 5));
      REQUIRE(pair.Connect());
      pair.a.Send(1, Pattern(5000, 1));
      pair.environment.AdvanceBy(Duration::Millis(7));
      if (i % 2 == 0) pair.a.Close();
      pair.environment.AdvanceBy(Duration::Millis(20));
    }
    return HeapInUse();
  };
  const size_t before = cycles(300);
  const size_t after = cycles(1000);
  // 1,000 pairs: the library keeps old tags of the last minute, a few bytes each.
  CHECK(static_cast<double>(after) - static_cast<double>(before) < 200'000);
}

TEST_CASE("sctp: any stream number, 1,024 at a time", "[sctp]") {
  SctpPair pair(1, Link(0.02, 10));
  REQUIRE(pair.Connect());
  for (uint32_t i = 0; i < 1024; ++i) {
    pair.a.Send(static_cast<uint16_t>(65'534 - 64 * i), Pattern(10, i));
  }
  REQUIRE(pair.Until([&] { return pair.b.received().size() == 1024; }, Duration::Seconds(60)));
  for (const SctpReceived& message : pair.b.received()) {
    REQUIRE(message.stream == 65'534 - 64 * NumberOf(message.bytes));
  }
  pair.a.Send(3, "no place is left");
  CHECK(pair.a.association().stats().messages_unsendable == 1);
  // Used and closed, one number after the other: far more than there are places.
  for (uint32_t i = 0; i < 1024; ++i) pair.a.ResetStream(static_cast<uint16_t>(65'534 - 64 * i));
  REQUIRE(pair.Until([&] { return pair.b.resets().size() == 1024; }, Duration::Seconds(120)));
  pair.environment.AdvanceBy(Duration::Seconds(2));
  for (uint16_t round = 0; round < 6; ++round) {
    for (uint16_t i = 0; i < 500; ++i) {
      const auto stream = static_cast<uint16_t>(500 * round + i);
      pair.a.Send(stream, "again");
      pair.b.Send(stream, "back");
      pair.a.ResetStream(stream);
      pair.b.ResetStream(stream);
    }
    REQUIRE(pair.Until([&] { return pair.b.resets().size() == 1024U + 500U * (round + 1U); },
                       Duration::Seconds(240)));
    pair.environment.AdvanceBy(Duration::Seconds(2));
  }
  CHECK(pair.b.received().size() == 1024 + 3000);
  CHECK(pair.a.received().size() == 3000);
  CHECK(pair.b.received().back().stream == 2999);
  CHECK(pair.a.association().stats().messages_unsendable == 1);
  CHECK(pair.b.association().stats().streams_refused == 0);
}

namespace {

/// A busy quarter of a minute: both ways, all reliabilities, resets; its hash.
uint64_t RunOf(uint64_t seed) {
  SctpPair pair(seed, Link(0.03, 25, 20));
  if (seed % 2 == 0) pair.b.Start();
  if (!pair.Connect()) return 0;
  SctpReliability unordered;
  unordered.ordered = false;
  SctpReliability brief = unordered;
  brief.max_life_time = 100;
  SctpReliability once = unordered;
  once.max_retransmits = 0;
  for (uint32_t i = 0; i < 100; ++i) {
    pair.a.Send(1, Pattern(20 + (i * 977) % 5000, i));
    pair.b.Send(2, Pattern(20 + (i * 577) % 3000, i), unordered);
    pair.a.Send(3, Pattern(700, i), brief);
    pair.b.Send(4, Pattern(900, i), once);
    if (i % 25 == 24) pair.a.ResetStream(1);
    pair.environment.AdvanceBy(Duration::Millis(20));
  }
  pair.environment.AdvanceBy(Duration::Seconds(10));
  return pair.a.hash() ^ (pair.b.hash() * 3) ^ pair.b.received_bytes();
}

/// In a process of its own: the library's state starts the same for each.
uint64_t RunApart(uint64_t seed) {
  std::array<int, 2> ends{};
  if (pipe(ends.data()) != 0) return 0;
  const pid_t child = fork();
  if (child == 0) {
    const uint64_t hash = RunOf(seed);
    const bool written = write(ends[1], &hash, sizeof(hash)) == sizeof(hash);
    _exit(written ? 0 : 1);
  }
  close(ends[1]);
  uint64_t hash = 0;
  const bool read_whole = read(ends[0], &hash, sizeof(hash)) == sizeof(hash);
  close(ends[0]);
  waitpid(child, nullptr, 0);
  return read_whole ? hash : 0;
}

}  // namespace

/// SLUICE_SCTP_RUNS: fewer, for builds that are slow.
TEST_CASE("sctp: 200 runs replay to the bit", "[sctp]") {
  const char* wanted = std::getenv("SLUICE_SCTP_RUNS");
  const uint64_t runs = wanted == nullptr ? 200 : std::strtoull(wanted, nullptr, 10);
  std::set<uint64_t> hashes;
  for (uint64_t seed = 1; seed <= runs; ++seed) {
    const uint64_t first = RunApart(seed);
    REQUIRE(first != 0);
    REQUIRE(RunApart(seed) == first);
    hashes.insert(first);
  }
  CHECK(hashes.size() == runs);
}

}  // namespace sluice::worker
