#include "worker/core/rtp/key_frame_requester.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdint>
#include <random>
#include <vector>

#include "tests/sim/virtual_environment.h"

namespace sluice::worker {
namespace {

constexpr int64_t kFrameMs = 33;

class Fixture : public KeyFrameRequestSink {
 public:
  explicit Fixture(Duration delay = Duration::Zero()) : requester(environment, delay, *this) {}
  void SendKeyFrameRequest() override {
    sent.push_back((environment.Now() - VirtualEnvironment::kStart).ms());
  }
  void RequestAt(int64_t ms, bool urgently = false) {
    To(ms);
    if (urgently) {
      requester.RequestUrgently(environment.Now());
    } else {
      requester.Request(environment.Now());
    }
  }
  /// A key frame of two packets; the last one comes at `end_ms`.
  void KeyFrameAt(int64_t ms, int64_t end_ms = -1) {
    To(ms);
    timestamp = RtpTimestamp(timestamp.value() + 3000);
    requester.OnKeyFrame(timestamp, environment.Now());
    To(std::max(ms, end_ms));
    requester.OnPacket(timestamp, /*ends_frame=*/true, environment.Now());
  }
  void To(int64_t ms) { environment.AdvanceTo(VirtualEnvironment::kStart + Duration::Millis(ms)); }

  VirtualEnvironment environment;
  KeyFrameRequester requester;
  RtpTimestamp timestamp{4'294'960'000};  // wraps in the third key frame
  std::vector<int64_t> sent;
};

using Times = std::vector<int64_t>;

TEST_CASE("a storm of requests is one, and one that is answered is not repeated") {
  Fixture f;
  for (int64_t ms = 0; ms < 200; ms += 5) f.RequestAt(ms);
  f.KeyFrameAt(200);
  f.To(10'000);
  CHECK(f.sent == Times{0});
  CHECK(f.requester.merged() == 39);
  CHECK(f.environment.pending() == 0);
}

TEST_CASE("a request without answer is repeated each second, and not for ever") {
  Fixture f;
  f.RequestAt(0);
  f.To(10'000);
  CHECK(f.sent == Times{0, 1000, 2000});
  CHECK(f.environment.pending() == 0);
}

TEST_CASE("a request while one is pending renews the repetitions") {
  Fixture f;
  f.RequestAt(0);
  f.RequestAt(1500);
  f.To(10'000);
  CHECK(f.sent == Times{0, 1000, 2000, 3000});
}

TEST_CASE("requests go out at once when the last one is a second old, else at the end of it") {
  Fixture f;
  f.RequestAt(0);
  f.KeyFrameAt(100);
  f.RequestAt(150);
  f.RequestAt(990);
  f.To(999);
  CHECK(f.sent == Times{0});
  f.To(1000);
  CHECK(f.sent == Times{0, 1000});
  f.KeyFrameAt(1100);
  f.RequestAt(2000);
  CHECK(f.sent == Times{0, 1000, 2000});
  f.KeyFrameAt(2050);
  f.To(10'000);
  CHECK(f.sent == Times{0, 1000, 2000});
}

TEST_CASE("a key frame that the sender makes on its own serves those who wait") {
  Fixture f;
  f.RequestAt(0);
  f.KeyFrameAt(100);
  f.RequestAt(200);
  f.KeyFrameAt(500);
  f.To(5000);
  CHECK(f.sent == Times{0});
  f.RequestAt(5001);
  CHECK(f.sent == Times{0, 5001});
}

TEST_CASE("while a key frame is coming in, nobody asks for another for two seconds") {
  Fixture f;
  f.RequestAt(0);
  f.To(300);
  f.requester.OnKeyFrame(f.timestamp, f.environment.Now());
  f.RequestAt(400);
  SECTION("it goes on and on") {
    f.requester.OnPacket(f.timestamp, false, f.environment.Now());
    f.To(1999);
    CHECK(f.sent == Times{0});
    f.To(2000);
    CHECK(f.sent == Times{0, 2000});
  }
  SECTION("it ends in good time") {
    f.To(600);
    f.requester.OnPacket(f.timestamp, true, f.environment.Now());
    f.To(999);
    CHECK(f.sent == Times{0});
    f.To(1000);
    CHECK(f.sent == Times{0, 1000});
  }
  SECTION("its last packet is lost, the next frame tells") {
    f.To(600);
    const uint32_t key = f.timestamp.value();
    f.requester.OnPacket(RtpTimestamp(key - 3000), true, f.environment.Now());  // was overtaken
    f.requester.OnPacket(RtpTimestamp(key + 3000), false, f.environment.Now());
    f.To(1000);
    CHECK(f.sent == Times{0, 1000});
  }
}

TEST_CASE("a sender that answers slowly is asked every two seconds, until it is quick again") {
  Fixture f;
  f.RequestAt(0);
  f.To(1000);
  REQUIRE(f.sent == Times{0, 1000});
  f.KeyFrameAt(1500, 1700);  // 700 ms after the repetition
  f.sent.clear();
  f.RequestAt(1800);
  f.To(2999);
  CHECK(f.sent.empty());
  f.To(3000);
  CHECK(f.sent == Times{3000});
  f.RequestAt(3100);  // no answer: the repetition waits for two seconds, too
  f.To(4999);
  CHECK(f.sent == Times{3000});
  f.KeyFrameAt(5100, 5200);  // the repetition of 5000 was answered quickly
  f.RequestAt(5300);
  f.To(6000);
  CHECK(f.sent == Times{3000, 5000, 6000});
}

TEST_CASE("the application's delay stretches the interval, but never shortens it") {
  SECTION("longer") {
    Fixture f(Duration::Millis(4000));
    f.RequestAt(0);
    f.KeyFrameAt(50);
    f.RequestAt(100);
    f.RequestAt(300);
    f.To(3999);
    CHECK(f.sent == Times{0});
    f.To(4000);
    CHECK(f.sent == Times{0, 4000});
    f.KeyFrameAt(4050);
    f.To(20'000);
    CHECK(f.sent == Times{0, 4000});
    CHECK(f.environment.pending() == 0);
  }
  SECTION("shorter") {
    Fixture f(Duration::Millis(400));
    f.RequestAt(0);
    f.KeyFrameAt(50);
    f.RequestAt(450);
    f.To(999);
    CHECK(f.sent == Times{0});
    f.To(1000);
    CHECK(f.sent == Times{0, 1000});
  }
  SECTION("without answer it has no say") {
    Fixture f(Duration::Millis(4000));
    f.RequestAt(0);
    f.To(3000);
    CHECK(f.sent == Times{0, 1000, 2000});
  }
}

TEST_CASE("an urgent request waits for the interval alone") {
  Fixture f(Duration::Millis(4000));
  f.RequestAt(0);
  f.KeyFrameAt(50);
  f.RequestAt(100);
  f.RequestAt(300, /*urgently=*/true);
  f.RequestAt(400);
  f.To(999);
  CHECK(f.sent == Times{0});
  f.To(1000);
  CHECK(f.sent == Times{0, 1000});
  f.RequestAt(1100, /*urgently=*/true);  // unanswered: it is repeated anyway
  f.To(2000);
  CHECK(f.sent == Times{0, 1000, 2000});
}

TEST_CASE("whatever asks and answers, two requests are a second apart and each is served") {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    INFO("seed " << seed);
    Fixture f(Duration::Millis(static_cast<int64_t>(seed % 3) * 700));
    std::mt19937_64 random(seed);
    int64_t asked_at = -1;
    int64_t longest_wait = 0;
    int64_t key_frame_at = -1;
    size_t answered = 0;
    for (int64_t ms = 0; ms < 60'000; ms += kFrameMs) {
      f.To(ms);
      if (f.sent.size() > answered && key_frame_at < 0) key_frame_at = ms + 100;
      if (key_frame_at >= 0 && ms >= key_frame_at) {
        answered = f.sent.size();
        key_frame_at = -1;
        f.KeyFrameAt(ms);
        if (asked_at >= 0) longest_wait = std::max(longest_wait, ms - asked_at);
        asked_at = -1;
      }
      if (random() % 10 == 0) {
        f.RequestAt(ms, random() % 4 == 0);
        if (asked_at < 0) asked_at = ms;
      }
    }
    for (size_t i = 1; i < f.sent.size(); ++i) CHECK(f.sent[i] - f.sent[i - 1] >= 1000);
    CHECK(f.sent.size() >= 30);
    CHECK(longest_wait <= 1000 + static_cast<int64_t>(seed % 3) * 700 + 100 + 3 * kFrameMs);
  }
}

}  // namespace
}  // namespace sluice::worker
