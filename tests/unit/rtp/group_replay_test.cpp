#include "worker/core/rtp/group_replay.h"

#include <catch2/catch.hpp>
#include <optional>

#include "worker/core/rtp/key_frame_answers.h"

namespace sluice::worker {
namespace {

constexpr size_t kSecond = 125'000;  // bytes of a second at 1 Mbit/s
constexpr DataRate Megabits(double count) {
  return DataRate::BitsPerSecond(static_cast<int64_t>(count * 1e6));
}

TEST_CASE("replay plan: whatever the age of the group, what happens now is shown within a second") {
  for (const int seconds : {1, 2, 4, 6, 8, 11}) {
    const auto plan = PlanReplay(kSecond * static_cast<size_t>(seconds), Duration::Seconds(seconds),
                                 Megabits(1), std::nullopt, std::nullopt);
    INFO(seconds);
    REQUIRE(plan);
    CHECK(plan->rate >= Megabits(kReplaySpeed));
    CHECK(plan->rate <= kMaxReplayRate);
    CHECK(plan->until_live <= Duration::Millis(800));
  }
}

TEST_CASE("replay plan: a group that has just begun is no reason to wait") {
  // A key frame of 50 KB and nothing else.
  const DataRate none = DataRate::Zero();
  const auto plan = PlanReplay(50'000, Duration::Millis(10), none, std::nullopt, std::nullopt);
  REQUIRE(plan);
  CHECK(plan->until_live < Duration::Millis(200));
  // A small frame of a stream that was still until now: what follows it must not outrun the replay.
  const auto small = PlanReplay(500, Duration::Millis(10), none, std::nullopt, std::nullopt);
  REQUIRE(small);
  CHECK(small->rate >= kMinReplayRate);
  CHECK_FALSE(PlanReplay(0, Duration::Zero(), none, std::nullopt, std::nullopt));
}

TEST_CASE("replay plan: a key frame that comes sooner is the better way") {
  const auto plan = [](std::optional<Duration> key_frame_after) {
    return PlanReplay(kSecond * 6, Duration::Seconds(6), Megabits(1), std::nullopt,
                      key_frame_after);
  };
  CHECK_FALSE(plan(Duration::Millis(150)));
  CHECK(plan(Duration::Millis(1000)));
  CHECK(plan(KeyFrameAnswers::kNever));
  // A short group is sooner there than any answer.
  CHECK(PlanReplay(kSecond / 2, Duration::Millis(500), Megabits(1), std::nullopt,
                   Duration::Millis(150)));
}

TEST_CASE("replay plan: a path that has no room for it, and media too fast for any, get none") {
  const auto plan = [](double path) {
    return PlanReplay(kSecond * 6, Duration::Seconds(6), Megabits(1), Megabits(path), std::nullopt);
  };
  CHECK_FALSE(plan(1.2));
  CHECK(plan(1.6));
  CHECK_FALSE(
      PlanReplay(kSecond * 60, Duration::Seconds(6), Megabits(10), std::nullopt, std::nullopt));
}

TEST_CASE("group replay: sends at its rate, and makes up for little of what a late timer cost") {
  const Timestamp start = Timestamp::Millis(1000);
  const ReplayPlan plan{Megabits(8), Duration::Millis(500)};  // 1000 bytes a millisecond
  GroupReplay replay(0, ExtendedSeqNumber(5), 77, plan, start);
  const auto send_all = [&] {
    int packets = 0;
    for (; replay.MaySend(); ++packets) replay.Advance(1000);
    return packets;
  };
  CHECK(send_all() == 5);
  CHECK(replay.next() == ExtendedSeqNumber(10));
  replay.Refill(start + Duration::Millis(5));
  CHECK(send_all() == 5);
  replay.Refill(start + Duration::Seconds(2));
  CHECK(send_all() == 20);
  replay.Advance(0);  // a packet that was left out
  CHECK(replay.next() == ExtendedSeqNumber(36));
  CHECK(replay.first() == ExtendedSeqNumber(5));
}

TEST_CASE("group replay: a few losses are repaired, many say that the path does not take it") {
  const ReplayPlan plan{Megabits(8), Duration::Millis(500)};
  GroupReplay replay(0, ExtendedSeqNumber(0), 1, plan, Timestamp::Millis(1000));
  for (int i = 0; i < 500; ++i) replay.Advance(1000);
  CHECK_FALSE(replay.OnLost(30));
  CHECK_FALSE(replay.OnLost(20));
  CHECK(replay.OnLost(1));
}

TEST_CASE("key frame answers: the slowest of the last three counts") {
  KeyFrameAnswers answers;
  CHECK_FALSE(answers.expected());
  answers.OnAnswer(Duration::Millis(100));
  CHECK(answers.expected() == Duration::Millis(100));
  answers.OnAnswer(Duration::Millis(900));
  answers.OnAnswer(Duration::Millis(200));
  CHECK(answers.expected() == Duration::Millis(900));
  answers.OnAnswer(Duration::Millis(300));
  CHECK(answers.expected() == Duration::Millis(900));
  answers.OnAnswer(Duration::Millis(250));
  CHECK(answers.expected() == Duration::Millis(300));
  answers.OnNoAnswer();
  CHECK(answers.expected() == KeyFrameAnswers::kNever);
  answers.OnAnswer(Duration::Seconds(60));
  CHECK(answers.expected() == KeyFrameAnswers::kNever);
}

}  // namespace
}  // namespace sluice::worker
