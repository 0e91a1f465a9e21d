#include "worker/core/bwe/remb_limiter.h"

#include <catch2/catch.hpp>
#include <utility>
#include <vector>

#include "worker/wire/rtcp.h"
#include "worker/wire/rtp_packet.h"

namespace sluice::worker {
namespace {

class Fixture : public rtcp::Visitor {
 public:
  void OnRemb(DataRate rate, std::span<const Ssrc> ssrcs) override {
    sent.emplace_back(now_ms, rate.bps());
    REQUIRE(ssrcs.size() == 1);
    named = ssrcs[0];
  }
  /// Frames of a sender with abs-send-time, whose delay grows by `growth_ms` with each.
  void Frames(int64_t from_ms, int64_t to_ms, size_t bytes, int64_t growth_ms = 0) {
    for (now_ms = from_ms; now_ms < to_ms; now_ms += 20) {
      const uint32_t send_time = AbsSendTimeFromMicros(now_ms * 1000);
      delay_ms += growth_ms;
      const Timestamp now = Timestamp::Millis(now_ms + delay_ms);
      if (limiter.OnPacket(send_time, bytes, Ssrc(7), now)) Send(now);
    }
  }
  void Limit(int64_t ms, int64_t bps) {
    now_ms = ms;
    const Timestamp now = Timestamp::Millis(ms);
    if (limiter.SetMaxIncomingBitrate(DataRate::BitsPerSecond(bps), now)) Send(now);
  }
  /// A packet each 100 ms.
  void Packets(int64_t from_ms, int64_t to_ms) {
    for (now_ms = from_ms; now_ms < to_ms; now_ms += 100) {
      const Timestamp now = Timestamp::Millis(now_ms);
      if (limiter.OnPacket(std::nullopt, 1000, Ssrc(1), now)) Send(now);
    }
  }
  void Send(Timestamp now) {
    const RembLimiter::Remb remb = limiter.TakeRemb(now);
    REQUIRE(rtcp::Parse(remb.rtcp(), *this));
    if (remb.collapsed) collapses.push_back(now_ms);
  }

  int64_t now_ms = 0;
  int64_t delay_ms = 0;
  Ssrc named;
  std::vector<int64_t> collapses;
  RembLimiter limiter;
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
  CHECK(f.named == Ssrc(0));
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

TEST_CASE("without an estimator abs-send-time changes nothing") {
  Fixture f;
  f.Frames(1000, 20'000, 5000);
  CHECK(f.sent.empty());
  CHECK(f.limiter.available() == DataRate::Zero());
}

TEST_CASE("an estimate is sent each second, and names the streams") {
  Fixture f;
  f.limiter.StartEstimator();
  f.Frames(1000, 1900, 2500);
  CHECK(f.sent.empty());  // nothing is known yet
  f.Frames(1900, 9000, 2500);
  REQUIRE(f.sent.size() >= 7);
  CHECK(f.sent.size() <= 8);
  CHECK(f.named == Ssrc(7));
  for (size_t i = 1; i < f.sent.size(); ++i) {
    CHECK(f.sent[i].first - f.sent[i - 1].first >= 1000);
    CHECK(f.sent[i].second >= f.sent[i - 1].second);
  }
}

TEST_CASE("a fall of the estimate does not wait") {
  Fixture f;
  f.limiter.StartEstimator();
  f.Frames(1000, 6000, 2500);
  const auto before = f.sent.back();
  f.Frames(6000, 6900, 2500, 4);
  REQUIRE(f.sent.back().second < before.second * 97 / 100);
  CHECK(f.sent[f.sent.size() - 1].first - f.sent[f.sent.size() - 2].first < 1000);
}

TEST_CASE("the lesser of estimate and limit is sent; lifting the limit is no longer 0") {
  Fixture f;
  f.limiter.StartEstimator();
  f.Limit(500, 400'000);
  f.Frames(1000, 1020, 2500);
  CHECK(f.sent == Sent{{1000, 400'000}});  // the limit needs no estimate
  f.Frames(1020, 5000, 2500);
  for (const auto& [ms, bps] : f.sent) CHECK(bps == 400'000);
  CHECK(f.limiter.available().bps() == 400'000);
  f.sent.clear();
  f.Limit(5000, 0);
  CHECK(f.sent.empty());
  f.Frames(5000, 5020, 2500);
  REQUIRE(f.sent.size() == 1);
  CHECK(f.sent[0].second > 400'000);
}

TEST_CASE("the effective bitrate follows every 2 s, and tells of a collapse") {
  Fixture f;
  f.Limit(1000, 500'000);
  f.Packets(1000, 4500);
  CHECK(f.limiter.effective().bps() == 500'000);
  f.Limit(4500, 400'000);
  f.Packets(4500, 9500);
  CHECK(f.limiter.effective().bps() == 400'000);
  CHECK(f.collapses.empty());
  f.Limit(9500, 240'000);
  f.Packets(9500, 13'000);
  CHECK(f.limiter.effective().bps() == 240'000);
  REQUIRE(f.collapses.size() == 1);
  CHECK(f.collapses[0] <= 11'500);
}

}  // namespace
}  // namespace sluice::worker
