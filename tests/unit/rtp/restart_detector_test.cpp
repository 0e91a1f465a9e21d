#include "worker/core/rtp/restart_detector.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdint>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "worker/core/rtp/receive_statistics.h"

namespace sluice::worker {
namespace {

using Verdict = SequenceTracker::Verdict;

struct Packet {
  uint16_t sequence = 0;
  uint32_t timestamp = 0;
  Timestamp at;
};

/// Hands packets to ReceiveStatistics as a receive stream does.
class Receiver {
 public:
  explicit Receiver(uint32_t clock_rate) : statistics(clock_rate) {}

  void Receive(const Packet& packet) {
    const auto outcome = Give(packet);
    if (outcome.verdict == Verdict::kSuspect) {
      while (suspects_.size() >= statistics.suspects()) suspects_.pop_back();
      suspects_.push_back(packet);
    } else if (outcome.verdict == Verdict::kNewRun) {
      for (const Packet& first : std::exchange(suspects_, {})) Give(first);
      Give(packet);
    } else if (outcome.verdict == Verdict::kNewest) {
      suspects_.clear();
    }
  }

  ReceiveStatistics statistics;
  std::vector<int64_t> accepted;  ///< extended numbers

 private:
  SequenceTracker::Outcome Give(const Packet& packet) {
    const auto outcome = statistics.OnPacket(SeqNumber(packet.sequence),
                                             RtpTimestamp(packet.timestamp), 1000, packet.at);
    if (outcome.accepted()) accepted.push_back(outcome.sequence.value());
    return outcome;
  }

  std::vector<Packet> suspects_;
};

/// A sender that paces frames of `packets_per_frame` packets.
struct Sender {
  std::string name;
  uint32_t clock_rate;
  Duration frame;
  int packets_per_frame;

  uint32_t frame_ticks() const {
    return static_cast<uint32_t>(frame.us() * clock_rate / 1'000'000);
  }
  Packet PacketAt(int i, uint16_t base, uint32_t base_timestamp, Timestamp start) const {
    const int number = i / packets_per_frame;
    return {static_cast<uint16_t>(base + i),
            base_timestamp + static_cast<uint32_t>(number) * frame_ticks(), start + frame * number};
  }
};

const std::vector<Sender> kSenders = {
    {"audio", 48'000, Duration::Millis(20), 1},
    {"video", 90'000, Duration::Millis(40), 5},
};
constexpr Timestamp kStart = Timestamp::Millis(1'000'000);

TEST_CASE("a sender that begins anew is noticed by its third packet, and nothing of it is lost") {
  // What the new run begins with, seen from the last number of the old one.
  const std::vector<int> offsets = {-30'000, -4000, -1600, -1500, -1499, -700, -100, -30,  -5,
                                    -1,      0,     2,     5,     300,   2999, 3000, 9000, 32'767};
  enum class Time { kRandom, kHoursAhead, kHoursBack, kGoesOn, kTenSecondsBack };
  const std::vector<std::pair<std::string, Time>> times = {
      {"another time base", Time::kRandom},
      {"hours ahead", Time::kHoursAhead},
      {"hours back", Time::kHoursBack},
      {"the clock on the wall", Time::kGoesOn},
      {"ten seconds back", Time::kTenSecondsBack},
  };
  for (const Sender& sender : kSenders) {
    for (const int offset : offsets) {
      for (const auto& [time_name, time] : times) {
        for (const int run : {60, 2000}) {
          INFO(sender.name << ", offset " << offset << ", " << time_name << ", after " << run);
          Receiver receiver(sender.clock_rate);
          const uint16_t base = 64'000;
          Packet last;
          for (int i = 0; i < run; ++i) {
            last = sender.PacketAt(i, base, 4'294'000'000, kStart);
            receiver.Receive(last);
          }
          REQUIRE(receiver.statistics.packets() == static_cast<uint64_t>(run));
          const Duration pause = Duration::Millis(300);
          uint32_t timestamp = last.timestamp;
          const uint32_t second = sender.clock_rate;
          switch (time) {
            case Time::kRandom:
              timestamp = 1'234'567'890;
              break;
            case Time::kHoursAhead:
              timestamp += 3 * 3600 * second;
              break;
            case Time::kHoursBack:
              timestamp -= 3 * 3600 * second;
              break;
            case Time::kGoesOn:
              timestamp += static_cast<uint32_t>(pause.us() * second / 1'000'000);
              break;
            case Time::kTenSecondsBack:
              timestamp -= 10 * second;
              break;
          }
          const auto new_base = static_cast<uint16_t>(last.sequence + offset);
          const size_t before = receiver.accepted.size();
          for (int i = 0; i < 3; ++i) {
            receiver.Receive(sender.PacketAt(i, new_base, timestamp, last.at + pause));
          }
          // Where numbers and time both go on a little it is a loss, which is no less right.
          const bool as_loss = time == Time::kGoesOn && offset > 0 && offset < 3000;
          CHECK(receiver.statistics.restarts() == (as_loss ? 0 : 1));
          REQUIRE(receiver.accepted.size() == before + 3);
          CHECK(receiver.accepted[before] > receiver.accepted[before - 1]);
          CHECK(receiver.accepted[before + 2] == receiver.accepted[before] + 2);
          for (int i = 3; i < 300; ++i) {
            receiver.Receive(sender.PacketAt(i, new_base, timestamp, last.at + pause));
          }
          CHECK(receiver.accepted.size() == before + 300);
          CHECK(receiver.statistics.restarts() == (as_loss ? 0 : 1));
          CHECK(receiver.statistics.discarded() == 0);
        }
      }
    }
  }
}

TEST_CASE("a run that repeats numbers and times of the last is noticed once that is 2 s old") {
  for (const Sender& sender : kSenders) {
    INFO(sender.name);
    Receiver receiver(sender.clock_rate);
    const int run = static_cast<int>(4000 / sender.frame.ms()) * sender.packets_per_frame;
    Packet last;
    for (int i = 0; i < run; ++i) {
      last = sender.PacketAt(i, 100, 5000, kStart);
      receiver.Receive(last);
    }
    SECTION("the first run was complete") {}
    SECTION("packets of the first run were lost: they are no part of the new one") {
      receiver.statistics.OnPacket(SeqNumber(static_cast<uint16_t>(100 + run + 3)),
                                   RtpTimestamp(last.timestamp), 100, last.at);
    }
    for (int i = 0; i < 500; ++i) receiver.Receive(sender.PacketAt(i, 100, 5000, last.at));
    CHECK(receiver.statistics.restarts() == 1);
    CHECK(receiver.accepted.size() >= static_cast<size_t>(run + 500));
  }
}

TEST_CASE("a clock that is set is a jump of time, and no more") {
  for (const int64_t step_s : {-36'000, -3600, -2, 5, 60, 3600, 36'000}) {
    for (const Sender& sender : kSenders) {
      INFO(sender.name << ", by " << step_s << " s");
      Receiver receiver(sender.clock_rate);
      uint32_t base = 77;
      for (int i = 0; i < 1000; ++i) {
        if (i == 505) {
          base += static_cast<uint32_t>(step_s * static_cast<int64_t>(sender.clock_rate));
        }
        receiver.Receive(sender.PacketAt(i, 65'300, base, kStart));
      }
      CHECK(receiver.accepted.size() == 1000);
      CHECK(receiver.accepted.back() == receiver.accepted.front() + 999);
      CHECK(receiver.statistics.time_jumps() == 1);
      CHECK(receiver.statistics.restarts() == 0);
    }
  }
}

TEST_CASE("late packets around a jump of time keep their place") {
  Receiver receiver(90'000);
  const Sender& sender = kSenders[1];
  for (int i = 0; i < 100; ++i) {
    if (i != 97) receiver.Receive(sender.PacketAt(i, 1000, 0, kStart));
  }
  const uint32_t far = 90'000 * 3600;
  for (int i = 100; i < 104; ++i) receiver.Receive(sender.PacketAt(i, 1000, far, kStart));
  receiver.Receive(sender.PacketAt(97, 1000, 0, kStart));
  for (int i = 104; i < 200; ++i) receiver.Receive(sender.PacketAt(i, 1000, far, kStart));
  CHECK(receiver.accepted.size() == 200);
  CHECK(receiver.statistics.time_jumps() == 1);
}

TEST_CASE("a repaired packet of a run that is over is left out") {
  const Sender& sender = kSenders[1];
  Receiver receiver(sender.clock_rate);
  for (int i = 0; i < 200; ++i) receiver.Receive(sender.PacketAt(i, 1000, 0, kStart));
  const uint32_t other = 1'000'000'000;
  for (int i = 0; i < 50; ++i) {
    if (i != 40) receiver.Receive(sender.PacketAt(i, 1000, other, kStart + Duration::Seconds(4)));
  }
  REQUIRE(receiver.statistics.restarts() == 1);
  const auto repair = [&](int i, uint32_t base) {
    const Packet packet = sender.PacketAt(i, 1000, base, kStart + Duration::Seconds(5));
    return receiver.statistics
        .OnRepaired(SeqNumber(packet.sequence), RtpTimestamp(packet.timestamp), 1000, packet.at)
        .accepted();
  };
  CHECK_FALSE(repair(40, 0));
  CHECK_FALSE(repair(150, 0));  // would be the newest
  CHECK(repair(40, other));
  CHECK(repair(50, other));
}

/// What a network, and a sender that answers NACKs with the same packets, make of a stream.
struct Disturbance {
  double loss = 0;
  double duplicate = 0;
  Duration jitter;           // of each packet: reordering
  Duration duplicate_delay;  // at most
  double resend = 0;         // part of the lost packets that come again, the same
  Duration resend_delay;     // first answer; repeated after as long again
  Duration blackout;         // in the middle: nothing comes, then all that was resent
  int frames_back = 0;       // a frame is shown that many frames before the one sent before it
};

std::vector<Packet> Disturb(const Sender& sender, const Disturbance& how, uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto chance = [&](double p) {
    return static_cast<double>(random() % 1'000'000) < p * 1'000'000;
  };
  const auto upto = [&](Duration most) {
    return most == Duration::Zero() ? most
                                    : Duration::Micros(static_cast<int64_t>(
                                          random() % static_cast<uint64_t>(most.us())));
  };
  const auto base = static_cast<uint16_t>(random());
  const auto base_timestamp = static_cast<uint32_t>(random());
  std::vector<Packet> packets;
  const int count = 6000;
  const Timestamp dark_from = sender.PacketAt(count / 2, 0, 0, kStart).at;
  const Timestamp dark_until = dark_from + how.blackout;
  for (int i = 0; i < count; ++i) {
    Packet packet = sender.PacketAt(i, base, base_timestamp, kStart);
    const int frame = i / sender.packets_per_frame;
    // Every third frame is shown before the two that were sent before it.
    if (how.frames_back > 0 && frame % 3 == 2) {
      packet.timestamp -= static_cast<uint32_t>(how.frames_back) * sender.frame_ticks() + 1;
    }
    const Timestamp sent = packet.at;
    const bool dark = sent >= dark_from && sent < dark_until;
    if (dark || chance(how.loss)) {
      if (!chance(how.resend)) continue;
      // Asked for more than once, answered each time.
      packet.at = (dark ? dark_until : sent) + how.resend_delay + upto(how.jitter);
      packets.push_back(packet);
      for (int again = 0; again < 2; ++again) {
        packet.at = packet.at + how.resend_delay;
        packets.push_back(packet);
      }
      continue;
    }
    packet.at = sent + upto(how.jitter);
    packets.push_back(packet);
    if (chance(how.duplicate)) {
      packet.at = packet.at + upto(how.duplicate_delay);
      packets.push_back(packet);
    }
  }
  std::stable_sort(packets.begin(), packets.end(),
                   [](const Packet& a, const Packet& b) { return a.at < b.at; });
  return packets;
}

TEST_CASE("loss, reordering, duplicates and late answers are never taken for a restart") {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    std::mt19937_64 random(seed * 7919);
    const auto one_of = [&](std::initializer_list<int64_t> values) {
      return values.begin()[random() % values.size()];
    };
    Disturbance how;
    how.loss = static_cast<double>(one_of({0, 1, 5, 30, 60})) / 100;
    how.duplicate = static_cast<double>(one_of({0, 1, 10, 100})) / 100;
    how.jitter = Duration::Millis(one_of({0, 5, 50, 300, 1000}));
    how.duplicate_delay = Duration::Millis(one_of({1, 50, 500, 1900}));
    how.resend = static_cast<double>(one_of({0, 50, 100})) / 100;
    how.resend_delay = Duration::Millis(one_of({10, 100, 400, 900}));
    how.blackout = Duration::Millis(one_of({0, 0, 300, 1500, 4000}));
    how.frames_back = static_cast<int>(one_of({0, 0, 2, 4}));
    for (const Sender& sender : kSenders) {
      if (sender.packets_per_frame == 1) how.frames_back = 0;
      INFO(sender.name << ", seed " << seed << ", loss " << how.loss << ", duplicates "
                       << how.duplicate << " by " << how.duplicate_delay.ms() << " ms, jitter "
                       << how.jitter.ms() << " ms, resent " << how.resend << " after "
                       << how.resend_delay.ms() << " ms, dark " << how.blackout.ms()
                       << " ms, frames back " << how.frames_back);
      Receiver receiver(sender.clock_rate);
      std::vector<uint16_t> sent;
      for (const Packet& packet : Disturb(sender, how, seed)) {
        receiver.Receive(packet);
        sent.push_back(packet.sequence);
      }
      CHECK(receiver.statistics.restarts() == 0);
      CHECK(receiver.statistics.time_jumps() == 0);
      std::sort(receiver.accepted.begin(), receiver.accepted.end());
      CHECK(std::adjacent_find(receiver.accepted.begin(), receiver.accepted.end()) ==
            receiver.accepted.end());
      std::sort(sent.begin(), sent.end());
      const auto distinct = std::unique(sent.begin(), sent.end()) - sent.begin();
      // All of it within reach of reordering (1500 numbers, none of these is later).
      CHECK(receiver.accepted.size() == static_cast<size_t>(distinct));
    }
  }
}

TEST_CASE("a restart is noticed through a disturbed network, too") {
  size_t noticed = 0;
  constexpr size_t kRuns = 200;
  for (uint64_t seed = 1; seed <= kRuns; ++seed) {
    INFO("seed " << seed);
    const Sender& sender = kSenders[seed % 2];
    Disturbance how;
    how.loss = 0.05;
    how.duplicate = 0.05;
    how.jitter = Duration::Millis(10);
    how.duplicate_delay = Duration::Millis(100);
    Receiver receiver(sender.clock_rate);
    auto first = Disturb(sender, how, seed);
    auto second = Disturb(sender, how, seed + 100'000);
    const Duration later = first.back().at - kStart;
    for (const Packet& packet : first) receiver.Receive(packet);
    const size_t before = receiver.accepted.size();
    for (size_t i = 0; i < second.size(); ++i) {
      Packet packet = second[i];
      packet.at = packet.at + later;
      receiver.Receive(packet);
      if (i == 20 && receiver.accepted.size() > before + 10) ++noticed;
    }
    CHECK(receiver.accepted.size() - before > second.size() * 9 / 10);
  }
  CHECK(noticed >= kRuns * 95 / 100);
}

}  // namespace
}  // namespace sluice::worker
