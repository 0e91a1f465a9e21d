#include "worker/core/rtp/key_frame_requester.h"

#include <catch2/catch.hpp>
#include <cstdint>
#include <vector>

#include "tests/sim/virtual_environment.h"

namespace sluice::worker {
namespace {

class Fixture : public KeyFrameRequestSink {
 public:
  explicit Fixture(Duration delay = Duration::Zero()) : requester(environment, delay, *this) {}
  void SendKeyFrameRequest() override {
    sent.push_back((environment.Now() - VirtualEnvironment::kStart).ms());
  }
  void RequestAt(int64_t ms, bool forced = false) {
    To(ms);
    if (forced) {
      requester.ForceRequest(environment.Now());
    } else {
      requester.Request(environment.Now());
    }
  }
  void KeyFrameAt(int64_t ms) {
    To(ms);
    requester.OnKeyFrame();
  }
  void To(int64_t ms) { environment.AdvanceTo(VirtualEnvironment::kStart + Duration::Millis(ms)); }

  VirtualEnvironment environment;
  KeyFrameRequester requester;
  std::vector<int64_t> sent;
};

using Times = std::vector<int64_t>;

TEST_CASE("a storm of requests is one, and one that is answered is not repeated") {
  Fixture f;
  for (int64_t ms = 0; ms < 200; ms += 5) f.RequestAt(ms);
  f.KeyFrameAt(200);
  f.To(10'000);
  CHECK(f.sent == Times{0});
  CHECK(f.environment.pending() == 0);
}

TEST_CASE("a request without answer is repeated each second, and not for ever") {
  Fixture f;
  f.RequestAt(0);
  f.To(10'000);
  CHECK(f.sent == Times{0, 1000, 2000});
}

TEST_CASE("a request while one is pending renews the repetitions") {
  Fixture f;
  f.RequestAt(0);
  f.RequestAt(1500);
  f.To(10'000);
  CHECK(f.sent == Times{0, 1000, 2000, 3000});
}

TEST_CASE("a request after the answer goes out at once") {
  Fixture f;
  f.RequestAt(0);
  f.KeyFrameAt(100);
  f.RequestAt(150);
  f.KeyFrameAt(200);
  f.To(5000);
  CHECK(f.sent == Times{0, 150});
}

TEST_CASE("requests within the delay are merged into one at its end") {
  Fixture f(Duration::Millis(400));
  f.RequestAt(0);
  f.KeyFrameAt(50);
  f.RequestAt(100);
  f.RequestAt(300);
  f.To(399);
  CHECK(f.sent == Times{0});
  f.To(400);
  CHECK(f.sent == Times{0, 400});
  f.KeyFrameAt(450);
  f.To(5000);
  CHECK(f.sent == Times{0, 400});
  CHECK(f.environment.pending() == 0);
}

TEST_CASE("a key frame within the delay serves those who wait for its end") {
  Fixture f(Duration::Millis(400));
  f.RequestAt(0);
  f.RequestAt(100);
  f.KeyFrameAt(200);
  f.To(5000);
  CHECK(f.sent == Times{0});
}

TEST_CASE("a forced request always goes out and starts the throttle anew") {
  Fixture f(Duration::Millis(400));
  f.RequestAt(0);
  f.RequestAt(300, /*forced=*/true);
  f.RequestAt(500);  // within 400 ms of the forced one
  f.To(699);
  CHECK(f.sent == Times{0, 300});
  f.KeyFrameAt(699);
  f.To(5000);
  CHECK(f.sent == Times{0, 300});
}

}  // namespace
}  // namespace sluice::worker
