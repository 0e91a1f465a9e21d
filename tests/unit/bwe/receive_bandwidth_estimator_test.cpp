#include "worker/core/bwe/receive_bandwidth_estimator.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <vector>

#include "worker/wire/rtp_packet.h"

namespace sluice::worker {
namespace {

using Estimator = ReceiveBandwidthEstimator;

/// A sender at 30 fps whose packets pass a link with a queue in front.
struct Link {
  /// Sends `bps` for `duration`; the sender keeps to the estimate if it obeys.
  void Run(Duration duration, int64_t bps) {
    for (const Timestamp end = now + duration; now < end; now = now + Duration::Micros(33'333)) {
      int64_t rate = bps;
      if (obeys && estimator.estimate() > DataRate::Zero()) {
        rate = std::min(rate, estimator.estimate().bps());
      }
      SendFrame(rate / 30 / 8);
      worst_queue = std::max(worst_queue, free_at - now);
    }
  }
  void SendFrame(int64_t bytes) {
    for (; bytes > 0; bytes -= kPacket) {
      const int64_t size = std::min(bytes, kPacket);
      if (++packets % loss_every == 0) continue;
      if (free_at - now > queue) continue;
      free_at = std::max(free_at, now) + Duration::Micros(size * 8 * 1'000'000 / capacity);
      Timestamp arrival = free_at + Duration::Millis(20);
      if (packets % reorder_every == 0) arrival = arrival + Duration::Millis(3);
      estimator.OnPacket(AbsSendTimeFromMicros((now - Timestamp()).us() + sender_ahead_us),
                         static_cast<size_t>(size), Ssrc(1), arrival);
    }
  }
  int64_t estimate() const { return estimator.estimate().bps(); }

  static constexpr int64_t kPacket = 1200;
  Estimator estimator;
  Timestamp now = Timestamp::Millis(500'000);
  Timestamp free_at;
  int64_t capacity = 100'000'000;  // bps
  Duration queue = Duration::Millis(300);
  Duration worst_queue;
  int64_t sender_ahead_us = 0;
  bool obeys = true;
  uint64_t packets = 0;
  uint64_t loss_every = UINT64_MAX;
  uint64_t reorder_every = UINT64_MAX;
};

TEST_CASE("nothing is known before a second of packets; then what arrives, or the start value") {
  Link link;
  link.obeys = false;
  link.Run(Duration::Millis(900), 2'000'000);
  CHECK(link.estimate() == 0);
  link.Run(Duration::Millis(300), 2'000'000);
  CHECK(link.estimate() == Approx(2'000'000).epsilon(0.1));
  Link small;
  small.Run(Duration::Millis(1200), 100'000);
  CHECK(small.estimate() == Estimator::kStart.bps());
}

TEST_CASE("below the capacity the estimate grows by about 8 % a second") {
  Link link;
  link.Run(Duration::Millis(1200), 300'000);
  const int64_t before = link.estimate();
  link.Run(Duration::Seconds(10), 10'000'000);
  CHECK(static_cast<double>(link.estimate()) / static_cast<double>(before) ==
        Approx(std::pow(1.08, 10)).epsilon(0.05));
}

TEST_CASE("a sender with little to send does not talk the estimate up, nor down") {
  Link link;
  link.obeys = false;
  link.Run(Duration::Seconds(120), 1'000'000);
  CHECK(link.estimate() <= 1'560'000);
  CHECK(link.estimate() >= 1'300'000);
  const int64_t before = link.estimate();
  link.Run(Duration::Seconds(30), 100'000);
  CHECK(link.estimate() == before);
}

TEST_CASE("a queue that builds up takes the estimate below the capacity within a second") {
  Link link;
  link.obeys = false;
  link.Run(Duration::Seconds(5), 1'200'000);
  CHECK(link.estimate() > 1'200'000);
  link.capacity = 1'000'000;
  link.Run(Duration::Seconds(1), 1'200'000);
  CHECK(link.estimate() < 1'000'000);
  CHECK(link.estimate() > 700'000);
}

TEST_CASE("near the last congestion the estimate rises slowly") {
  Link link;
  link.capacity = 1'000'000;
  link.Run(Duration::Seconds(60), 10'000'000);
  link.worst_queue = Duration::Zero();
  int64_t lowest = INT64_MAX;
  int64_t highest = 0;
  for (int i = 0; i < 600; ++i) {
    link.Run(Duration::Millis(100), 10'000'000);
    lowest = std::min(lowest, link.estimate());
    highest = std::max(highest, link.estimate());
  }
  CHECK(lowest >= 600'000);
  CHECK(highest <= 1'150'000);
  CHECK(link.worst_queue.ms() < 250);
}

TEST_CASE("loss and reordering alone are no congestion") {
  Link link;
  link.loss_every = 10;
  link.reorder_every = 7;
  link.Run(Duration::Seconds(15), 10'000'000);
  CHECK(link.estimate() > 700'000);
}

TEST_CASE("the wrap of abs-send-time at 64 s goes unnoticed") {
  Link link;
  link.obeys = false;
  link.Run(Duration::Seconds(200), 1'000'000);
  CHECK(link.estimate() > 1'400'000);  // at its bound; a decrease would have been seen
}

TEST_CASE("a step of the sender's clock starts the measurement anew") {
  for (const int64_t step : {20'000'000, -20'000'000, -3'000'000, -700'000}) {
    Link link;
    link.obeys = false;
    link.Run(Duration::Seconds(30), 1'000'000);
    const int64_t before = link.estimate();
    link.sender_ahead_us += step;
    link.Run(Duration::Seconds(5), 1'000'000);
    CHECK(link.estimate() >= before);
    link.capacity = 700'000;
    link.Run(Duration::Seconds(2), 1'000'000);
    CHECK(link.estimate() < 800'000);
  }
}

TEST_CASE("an idle gap leaves the estimate, and no wrong rate behind") {
  for (const int64_t gap_ms : {700, 3000, 40'000, 100'000}) {
    Link link;
    link.Run(Duration::Seconds(10), 10'000'000);
    const int64_t before = link.estimate();
    link.now = link.now + Duration::Millis(gap_ms);
    link.Run(Duration::Millis(300), 10'000'000);
    CHECK(link.estimate() == before);
    link.Run(Duration::Seconds(5), 10'000'000);
    CHECK(link.estimate() > before);
  }
}

TEST_CASE("a link that carries next to nothing takes the estimate near its floor") {
  Link link;
  link.obeys = false;
  link.capacity = 8000;
  link.queue = Duration::Seconds(30);
  link.Run(Duration::Seconds(20), 100'000);
  CHECK(link.estimate() >= Estimator::kMin.bps());
  CHECK(link.estimate() <= 2 * Estimator::kMin.bps());
}

TEST_CASE("streams are named while they are heard") {
  Estimator estimator;
  std::array<Ssrc, Estimator::kMaxStreams> out;
  const auto send = [&](uint32_t ssrc, int64_t ms) {
    estimator.OnPacket(AbsSendTimeFromMicros(ms * 1000), 100, Ssrc(ssrc), Timestamp::Millis(ms));
  };
  send(1, 1000);
  send(2, 2000);
  CHECK(estimator.Streams(out, Timestamp::Millis(2500)).size() == 2);
  const auto left = estimator.Streams(out, Timestamp::Millis(3500));
  REQUIRE(left.size() == 1);
  CHECK(left[0] == Ssrc(2));
  for (uint32_t i = 0; i < 100; ++i) send(10 + i, 4000 + i);
  CHECK(estimator.Streams(out, Timestamp::Millis(4100)).size() == Estimator::kMaxStreams);
}

}  // namespace
}  // namespace sluice::worker
