#include "worker/core/bwe/remb_limiter.h"

#include <catch2/catch.hpp>
#include <utility>
#include <vector>

#include "worker/wire/rtcp.h"

namespace sluice {
namespace {

class Fixture : public FeedbackSink, public rtcp::Visitor {
 public:
  void SendFeedback(std::span<const uint8_t> rtcp) override { REQUIRE(rtcp::Parse(rtcp, *this)); }
  void OnRemb(DataRate rate, std::span<const Ssrc> ssrcs) override {
    sent.emplace_back(now_ms, rate.bps());
    REQUIRE(ssrcs.size() == 1);
    CHECK(ssrcs[0] == Ssrc(0));
  }
  void Limit(int64_t ms, int64_t bps) {
    now_ms = ms;
    limiter.SetMaxIncomingBitrate(DataRate::BitsPerSecond(bps), Timestamp::Millis(ms));
  }
  /// A packet each 100 ms.
  void Packets(int64_t from_ms, int64_t to_ms) {
    for (now_ms = from_ms; now_ms < to_ms; now_ms += 100) {
      limiter.OnPacket(Timestamp::Millis(now_ms));
    }
  }

  int64_t now_ms = 0;
  RembLimiter limiter{*this};
  std::vector<std::pair<int64_t, int64_t>> sent;
};

using Sent = std::vector<std::pair<int64_t, int64_t>>;

TEST_CASE("without a limit nothing is sent") {
  Fixture f;
  f.Packets(1000, 20'000);
  f.Limit(20'000, 0);
  f.Packets(20'000, 30'000);
  CHECK(f.sent.empty());
}

TEST_CASE("a limit goes out with the next packet and then each 1500 ms while packets come") {
  Fixture f;
  f.Limit(1000, 500'000);
  CHECK(f.sent.empty());
  f.Packets(1050, 4500);
  CHECK(f.sent == Sent{{1050, 500'000}, {2550, 500'000}, {4050, 500'000}});
  f.sent.clear();
  f.Limit(4600, 800'000);  // a new one does not wait
  f.Packets(4700, 4900);
  CHECK(f.sent == Sent{{4700, 800'000}});
}

TEST_CASE("lifting the limit says so four times, the first at once") {
  Fixture f;
  f.Limit(1000, 500'000);
  f.Packets(1000, 1100);
  f.sent.clear();
  f.Limit(1200, 0);
  CHECK(f.sent == Sent{{1200, 0}});
  f.Packets(1300, 30'000);
  CHECK(f.sent == Sent{{1200, 0}, {2700, 0}, {4200, 0}, {5700, 0}});
}

}  // namespace
}  // namespace sluice
