#include "controller/worker/worker_channel.h"

#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>
#include <optional>

#include "controller/worker/worker_pool.h"
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
  void OnUnresponsive() override { unresponsive = true; }
  void OnChannelClosed(const std::string& why) override { closed = why; }

  std::vector<std::string> notifications;
  std::vector<std::string> logs;
  bool unresponsive = false;
  std::optional<std::string> closed;
};

struct ChannelFixture {
  ChannelFixture() {
    LaunchedWorker launched = *launcher.Launch(0);
    channel = std::make_shared<WorkerChannel>(context.get_executor(), launched.read_fd,
                                              launched.write_fd, &events);
    channel->Start();
    worker = launcher.workers.back();
  }
  ~ChannelFixture() {
    channel->Close();
    worker->Die();
    context.restart();
    context.poll();
  }

  std::optional<Status> Ask(Method method,
                            std::chrono::milliseconds timeout = WorkerChannel::kRequestTimeout) {
    auto result = std::make_shared<std::optional<Status>>();
    const auto ask = [](std::shared_ptr<WorkerChannel> asking, Method asked,
                        std::chrono::milliseconds limit,
                        std::shared_ptr<std::optional<Status>> out) -> Task<void> {
      const auto response = co_await asking->Request(asked, "id", {}, limit);
      *out = response.status();
    };
    Spawn(context.get_executor(), ask(channel, method, timeout, result));
    test::RunUntil(context, [&] { return result->has_value(); });
    return *result;
  }

  asio::io_context context{1};
  test::FakeLauncher launcher{context.get_executor()};
  RecordedEvents events;
  std::shared_ptr<WorkerChannel> channel;
  std::shared_ptr<test::FakeWorker> worker;
};

TEST_CASE("FrameBuffer joins split frames and splits joined ones") {
  FrameBuffer buffer;
  std::vector<uint8_t> stream = Frame({1, 2, 3});
  const std::vector<uint8_t> second = Frame({4});
  stream.insert(stream.end(), second.begin(), second.end());
  std::vector<std::vector<uint8_t>> frames;
  for (const uint8_t byte : stream) {
    buffer.Append(std::span(&byte, 1));
    while (auto frame = buffer.Next()) frames.push_back(*frame);
  }
  CHECK(frames == std::vector<std::vector<uint8_t>>{Frame({1, 2, 3}), Frame({4})});

  buffer.Append(stream);
  CHECK(buffer.Next() == Frame({1, 2, 3}));
  CHECK(buffer.Next() == Frame({4}));
  CHECK_FALSE(buffer.Next().has_value());
}

TEST_CASE("FrameBuffer skips empty frames and breaks on oversized ones") {
  FrameBuffer buffer;
  buffer.Append(Frame({}));
  buffer.Append(Frame({7}));
  CHECK(buffer.Next() == Frame({7}));
  const std::vector<uint8_t> huge = {0xff, 0xff, 0xff, 0xff};
  buffer.Append(huge);
  CHECK_FALSE(buffer.Next().has_value());
  CHECK(buffer.broken());
  buffer.Append(Frame({7}));
  CHECK_FALSE(buffer.Next().has_value());
}

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

TEST_CASE_METHOD(ChannelFixture, "the worker's death fails what is pending") {
  worker->mute = true;
  std::optional<Status> result;
  const auto ask = [](std::shared_ptr<WorkerChannel> asked,
                      std::optional<Status>* out) -> Task<void> {
    const auto response = co_await asked->Request(Method::WORKER_DUMP, "");
    *out = response.status();
  };
  Spawn(context.get_executor(), ask(channel, &result));
  REQUIRE(test::RunUntil(context, [&] { return !worker->received.empty(); }));
  worker->Die();
  REQUIRE(test::RunUntil(context, [&] { return result.has_value(); }));
  CHECK(result->code() == absl::StatusCode::kUnavailable);
  CHECK(events.closed.has_value());
  CHECK(Ask(Method::WORKER_DUMP)->code() == absl::StatusCode::kUnavailable);
}

TEST_CASE_METHOD(ChannelFixture, "a worker that does not answer is reported") {
  worker->mute = true;
  const Status status = *Ask(Method::WORKER_DUMP, std::chrono::milliseconds(1));
  CHECK(status.code() == absl::StatusCode::kDeadlineExceeded);
  CHECK(events.unresponsive);
}

TEST_CASE("the respawn delay grows while a worker dies young") {
  using std::chrono::milliseconds;
  RespawnBackoff backoff;
  CHECK(backoff.Next(milliseconds(10)) == RespawnBackoff::kFirst);
  CHECK(backoff.Next(milliseconds(10)) == 2 * RespawnBackoff::kFirst);
  for (int i = 0; i < 20; ++i) backoff.Next(milliseconds(10));
  CHECK(backoff.Next(milliseconds(10)) == RespawnBackoff::kMax);
  CHECK(backoff.Next(RespawnBackoff::kHealthyLife) == RespawnBackoff::kFirst);
}

TEST_CASE("the pool respawns a dead worker and says so") {
  asio::io_context context(1);
  test::FakeLauncher launcher(context.get_executor());
  WorkerPool pool(context.get_executor(), &launcher, {1, {ListenAddress{}}});
  int died = 0;
  pool.set_on_died([&](const std::shared_ptr<MediaWorker>& worker) {
    CHECK_FALSE(worker->alive());
    ++died;
  });
  pool.Start();
  REQUIRE(test::RunUntil(context, [&] { return pool.ready_count() == 1; }));
  CHECK(launcher.workers.back()->Count(Method::WORKER_CREATE_WEBRTCSERVER) == 1);
  launcher.workers.back()->Die();
  REQUIRE(test::RunUntil(context, [&] { return died == 1 && pool.ready_count() == 1; }));
  CHECK(launcher.workers.size() == 2);

  bool stopped = false;
  const auto stop = [](WorkerPool* stopping, bool* done) -> Task<void> {
    co_await stopping->Stop();
    *done = true;
  };
  Spawn(context.get_executor(), stop(&pool, &stopped));
  CHECK(test::RunUntil(context, [&] { return stopped; }));
  CHECK(died == 1);
}

TEST_CASE("the pool tries again when a worker cannot be started") {
  asio::io_context context(1);
  test::FakeLauncher launcher(context.get_executor());
  launcher.failures_left = 1;
  WorkerPool pool(context.get_executor(), &launcher, {1, {}});
  pool.Start();
  REQUIRE(test::RunUntil(context, [&] { return pool.ready_count() == 1; }));
  CHECK(launcher.workers.size() == 1);
}

}  // namespace
}  // namespace sluice::controller
