#include "controller/worker/worker_channel.h"

#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>
#include <optional>

#include "controller/base/limits.h"
#include "controller/base/task_scope.h"
#include "tests/unit/controller/fake_worker.h"

namespace sluice::controller {
namespace {

using FBS::Request::Method;

std::vector<uint8_t> Frame(const std::vector<uint8_t>& payload) {
  const auto size = static_cast<uint32_t>(payload.size());
  std::vector<uint8_t> frame(FrameBuffer::kPrefix + payload.size());
  for (size_t i = 0; i < FrameBuffer::kPrefix; ++i) {
    frame[i] = static_cast<uint8_t>(size >> (8 * i));
  }
  std::copy(payload.begin(), payload.end(), frame.begin() + FrameBuffer::kPrefix);
  return frame;
}

struct RecordedEvents : ChannelEvents {
  void OnNotification(const FBS::Notification::Notification& notification) override {
    notifications.push_back(notification.handler_id()->str());
  }
  void OnLog(char level, std::string_view text) override {
    logs.push_back(level + std::string(text));
  }
  void OnAnswer() override { ++answers; }
  void OnChannelClosed(const std::string& why) override { closed = why; }

  std::vector<std::string> notifications;
  std::vector<std::string> logs;
  int answers = 0;
  std::optional<std::string> closed;
};

struct ChannelFixture {
  explicit ChannelFixture(const ChannelLimits& limits = {}) {
    LaunchedWorker launched = *launcher.Launch(0);
    channel = std::make_shared<WorkerChannel>(context.get_executor(), launched.read_fd,
                                              launched.write_fd, &events, limits);
    channel->Start();
    worker = launcher.workers.back();
    lane_of_ours = channel->NewLane();
  }
  ~ChannelFixture() {
    channel->Close();
    worker->Die();
    context.restart();
    context.poll();
  }

  using Lane = std::shared_ptr<WorkerLane>;
  using Outcome = std::shared_ptr<std::optional<Status>>;

  /// Makes a request; the outcome comes when the loop runs.
  Outcome Start(const Lane& lane, Method method, const std::string& id = "id") {
    auto outcome = std::make_shared<std::optional<Status>>();
    const auto ask = [](std::shared_ptr<WorkerChannel> asking, Lane from, Method asked,
                        std::string handler, Outcome out) -> Task<void> {
      const auto response = co_await asking->Request(from, asked, handler);
      *out = response.status();
    };
    Spawn(context.get_executor(), ask(channel, lane, method, id, outcome));
    return outcome;
  }

  std::optional<Status> Ask(Method method) {
    const Outcome outcome = Start(lane_of_ours, method);
    test::RunUntil(context, [&] { return outcome->has_value(); });
    return *outcome;
  }

  asio::io_context context{1};
  test::FakeLauncher launcher{context.get_executor()};
  RecordedEvents events;
  std::shared_ptr<WorkerChannel> channel;
  std::shared_ptr<test::FakeWorker> worker;
  Lane lane_of_ours;
};

TEST_CASE_METHOD(ChannelFixture, "a request gets its answer or the worker's error") {
  CHECK(Ask(Method::WORKER_DUMP)->ok());
  worker->refuse.insert(Method::PRODUCER_PAUSE);
  const Status refused = *Ask(Method::PRODUCER_PAUSE);
  CHECK(std::string(ErrorClassName(refused)) == "TypeError");
  CHECK(refused.message() == "refused by the test");
}

TEST_CASE_METHOD(ChannelFixture, "a garbage frame is dropped, the next one is read") {
  worker->SendRaw(Frame(std::vector<uint8_t>(16, 0xff)));
  CHECK(Ask(Method::WORKER_DUMP)->ok());
  CHECK(channel->invalid_frames() == 1);
  CHECK_FALSE(events.closed.has_value());
}

TEST_CASE_METHOD(ChannelFixture, "an oversized frame closes the channel") {
  worker->SendRaw({0xff, 0xff, 0xff, 0x7f});
  REQUIRE(test::RunUntil(context, [&] { return events.closed.has_value(); }));
  CHECK(channel->closed());
}

TEST_CASE_METHOD(ChannelFixture, "the worker's death fails what is pending and what waits") {
  worker->mute = true;
  std::vector<Outcome> outcomes;
  for (size_t i = 0; i <= WorkerChannel::kWindow; ++i) {
    outcomes.push_back(Start(lane_of_ours, Method::WORKER_DUMP));
  }
  REQUIRE(
      test::RunUntil(context, [&] { return worker->received.size() == WorkerChannel::kWindow; }));
  worker->Die();
  REQUIRE(test::RunUntil(context, [&] {
    return std::all_of(outcomes.begin(), outcomes.end(),
                       [](const Outcome& outcome) { return outcome->has_value(); });
  }));
  for (const Outcome& outcome : outcomes) {
    CHECK((*outcome)->code() == absl::StatusCode::kUnavailable);
  }
  CHECK(events.closed.has_value());
  CHECK(Ask(Method::WORKER_DUMP)->code() == absl::StatusCode::kUnavailable);
}

TEST_CASE_METHOD(ChannelFixture, "one slow request fails alone, after many ticks") {
  worker->mute = true;
  const Outcome slow = Start(lane_of_ours, Method::WORKER_DUMP);
  REQUIRE(test::RunUntil(context, [&] { return worker->received.size() == 1; }));
  worker->mute = false;
  for (uint64_t tick = 1; tick < ChannelLimits().request_ticks; ++tick) channel->Tick();
  CHECK(Ask(Method::PRODUCER_PAUSE)->ok());
  CHECK_FALSE(slow->has_value());
  channel->Tick();
  REQUIRE(test::RunUntil(context, [&] { return slow->has_value(); }));
  CHECK((*slow)->code() == absl::StatusCode::kDeadlineExceeded);
  CHECK_FALSE(channel->closed());
}

TEST_CASE("how many requests may wait, and for how long, is set") {
  ChannelFixture few({.waiting = 2, .request_ticks = 3});
  few.worker->mute = true;
  std::vector<ChannelFixture::Outcome> outcomes;
  for (size_t i = 0; i < WorkerChannel::kWindow + 3; ++i) {
    outcomes.push_back(few.Start(few.lane_of_ours, Method::PRODUCER_PAUSE));
  }
  REQUIRE(test::RunUntil(few.context, [&] { return outcomes.back()->has_value(); }));
  CHECK_THAT(std::string((*outcomes.back())->message()),
             Catch::Contains(": 2 requests") && Catch::Contains("(maxWaitingRequests)"));
  CHECK(LimitOf(**outcomes.back()) == "maxWaitingRequests");
  for (int tick = 0; tick < 2; ++tick) few.channel->Tick();
  CHECK_FALSE(outcomes.front()->has_value());
  few.channel->Tick();
  REQUIRE(test::RunUntil(few.context, [&] { return outcomes.front()->has_value(); }));
  CHECK_THAT(std::string((*outcomes.front())->message()),
             Catch::Contains("within 3 s (workerRequestTimeout)"));
}

TEST_CASE_METHOD(ChannelFixture, "a probe is answered as any request is") {
  channel->Probe();
  CHECK(test::RunUntil(context, [&] { return events.answers == 1; }));
}

TEST_CASE_METHOD(ChannelFixture, "a room with many requests delays another's by a few") {
  const Lane busy = channel->NewLane();
  worker->mute = true;
  std::vector<Outcome> many;
  for (int i = 0; i < 1'000; ++i) many.push_back(Start(busy, Method::TRANSPORT_CONSUME, "busy"));
  REQUIRE(test::RunUntil(context, [&] { return !worker->received.empty(); }));
  const Outcome other = Start(lane_of_ours, Method::WORKER_DUMP, "other");
  REQUIRE(test::RunUntil(context, [&] {
    return !worker->received.empty() && worker->received.back().handler_id == "other";
  }));
  CHECK(worker->received.size() <= WorkerChannel::kWindow + 1);
  worker->Die();
  REQUIRE(test::RunUntil(context, [&] { return many.back()->has_value(); }));
}

TEST_CASE_METHOD(ChannelFixture, "an address with many rooms delays another's by one window") {
  const size_t per_room = GENERATE(64U, 200U);
  worker->hold = true;
  std::vector<Outcome> many;
  for (int room = 0; room < 100; ++room) {
    const Lane lane = channel->NewLane(WorkerChannel::kBusy, "198.51.100.1");
    for (size_t i = 0; i < per_room; ++i) many.push_back(Start(lane, Method::PRODUCER_PAUSE));
  }
  const auto received = [&] { return worker->received.size(); };
  REQUIRE(test::RunUntil(context, [&] { return received() == WorkerChannel::kWindowOfAll; }));
  context.restart();
  context.poll();
  CHECK(received() == WorkerChannel::kWindowOfAll);
  const Lane honest = channel->NewLane(WorkerChannel::kBusy, "203.0.113.1");
  const Outcome first = Start(honest, Method::WORKER_DUMP, "honest");
  const Outcome second = Start(honest, Method::WORKER_DUMP, "honest");
  // Of the 100 rooms' requests every second one goes before, whichever room it is of.
  const auto sent = [&] {
    return std::count_if(worker->received.begin(), worker->received.end(),
                         [](const auto& request) { return request.handler_id == "honest"; });
  };
  worker->Release();
  REQUIRE(test::RunUntil(context, [&] { return sent() == 2; }));
  size_t place = 0;
  for (size_t i = 0; i < received(); ++i) {
    if (worker->received[i].handler_id == "honest") place = i + 1;
  }
  CHECK(place <= WorkerChannel::kWindowOfAll + 4);
  worker->Die();
  REQUIRE(test::RunUntil(context, [&] { return many.back()->has_value(); }));
}

TEST_CASE_METHOD(ChannelFixture, "requests beyond the pipe wait for room, none is refused") {
  // Some 40 MB of requests at once, with the worker reading at its leisure.
  constexpr int kRequests = 10'000;
  std::vector<Outcome> outcomes;
  outcomes.reserve(kRequests);
  for (int i = 0; i < kRequests; ++i) {
    outcomes.push_back(Start(lane_of_ours, Method::PRODUCER_PAUSE, std::string(4'000, 'x')));
  }
  context.restart();
  while (!outcomes.back()->has_value() && context.run_one_for(std::chrono::seconds(5)) > 0) {
  }
  CHECK(std::all_of(outcomes.begin(), outcomes.end(), [](const Outcome& outcome) {
    return outcome->has_value() && (*outcome)->ok();
  }));
}

TEST_CASE_METHOD(ChannelFixture, "requests of one room that wait are bounded, and say so") {
  worker->mute = true;
  std::vector<Outcome> outcomes;
  for (size_t i = 0; i < ChannelLimits().waiting + WorkerChannel::kWindow; ++i) {
    outcomes.push_back(Start(lane_of_ours, Method::PRODUCER_PAUSE));
  }
  const Outcome last = Start(lane_of_ours, Method::PRODUCER_PAUSE);
  context.restart();
  while (!last->has_value() && context.run_one_for(std::chrono::seconds(5)) > 0) {
  }
  REQUIRE(last->has_value());
  CHECK((*last)->message() ==
        "the media worker is busy: 20000 requests of this room wait already (maxWaitingRequests)");
  CHECK(channel->refused_requests() == 1);
  // What closes something is never refused.
  channel->Post(lane_of_ours, Method::PRODUCER_PAUSE, "id", {}, "a test");
  channel->Close();
  context.restart();
  context.poll();
}

TEST_CASE_METHOD(ChannelFixture, "a lane with many requests is busy until half of them are left") {
  worker->hold = true;
  std::vector<Outcome> outcomes;
  for (size_t i = 0; i < WorkerChannel::kBusy + WorkerChannel::kWindow; ++i) {
    CHECK_FALSE(WorkerChannel::IsBusy(*lane_of_ours));
    outcomes.push_back(Start(lane_of_ours, Method::WORKER_DUMP));
    context.restart();
    context.poll();
  }
  CHECK(WorkerChannel::IsBusy(*lane_of_ours));
  CHECK_FALSE(WorkerChannel::IsBusy(*channel->NewLane()));
  bool calm = false;
  const auto wait = [](Lane lane, bool* is_calm) -> Task<void> {
    co_await WorkerChannel::Calm(lane);
    *is_calm = true;
  };
  Spawn(context.get_executor(), wait(lane_of_ours, &calm));
  context.restart();
  context.poll();
  CHECK_FALSE(calm);
  SECTION("by answers") {
    worker->Release();
    REQUIRE(test::RunUntil(context, [&] { return calm; }));
    CHECK(worker->received.size() >= WorkerChannel::kBusy / 2);
  }
  SECTION("by the worker's death") {
    worker->Die();
    REQUIRE(test::RunUntil(context, [&] { return calm; }));
  }
}

TEST_CASE_METHOD(ChannelFixture, "a request of somebody who was cancelled frees its place") {
  TaskScope scope(context.get_executor());
  const auto ask = [](std::shared_ptr<WorkerChannel> asking, Lane from) -> Task<void> {
    const auto ignored = co_await asking->Request(from, Method::WORKER_DUMP, "");
    static_cast<void>(ignored);
  };
  worker->mute = true;
  scope.Spawn(ask(channel, lane_of_ours));
  REQUIRE(test::RunUntil(context, [&] { return worker->received.size() == 1; }));
  scope.Cancel();
  REQUIRE(test::RunUntil(context, [&] { return scope.size() == 0; }));
  for (uint64_t tick = 0; tick < ChannelLimits().request_ticks; ++tick) channel->Tick();
  CHECK(channel->in_flight() == 0);
}

}  // namespace
}  // namespace sluice::controller
