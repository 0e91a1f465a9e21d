// Many viewers that join together must not ruin the picture of those who are there.
#include <algorithm>
#include <catch2/catch.hpp>
#include <iostream>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/sim/video_call.h"
#include "worker/core/rtp/key_frame_requester.h"

namespace sluice::worker {
namespace {

TEST_CASE("100 viewers who join within 5 s cost few key frames and see a picture in time",
          "[sim]") {
  constexpr int kViewers = 100;
  constexpr Duration kJoinEvery = Duration::Millis(50);
  constexpr Duration kRoundTrip = Duration::Millis(100);
  const size_t codec = GENERATE(range(size_t{0}, std::size(samples::kVideoCodecs)));
  INFO(samples::kVideoCodecs[codec].mime_type);
  VideoCall call(1, &samples::kVideoCodecs[codec]);
  call.SetDelay(kRoundTrip / 2);
  call.environment.AdvanceBy(Duration::Seconds(2));

  struct Joined {
    VideoCall::Viewer viewer;
    Timestamp at;
  };
  std::vector<Joined> joined;
  std::vector<std::unique_ptr<WebRtcPeer>> waiting;
  // Handshakes first: what is measured is how long a viewer waits for its picture.
  for (int i = 0; i < kViewers; ++i) waiting.push_back(call.Join("v" + std::to_string(i)));
  REQUIRE(call.AwaitConnected(*waiting.back(), "v99", Duration::Seconds(30)));
  call.environment.AdvanceBy(Duration::Seconds(2));

  const uint64_t key_frames = call.sender->key_frames();
  const uint64_t requests = call.sender->key_frame_requests();
  for (int i = 0; i < kViewers; ++i) {
    const std::string id = "v" + std::to_string(i);
    const auto ssrc = static_cast<uint32_t>(10'000 + 2 * i);
    Joined one;
    one.viewer.peer = std::move(waiting[static_cast<size_t>(i)]);
    one.at = call.environment.Now();
    one.viewer.receiver = call.Consume(id, *one.viewer.peer, ssrc);
    joined.push_back(std::move(one));
    call.environment.AdvanceBy(kJoinEvery);
  }
  call.environment.AdvanceBy(Duration::Seconds(3));

  Duration longest;
  for (const Joined& one : joined) {
    CHECK(one.viewer.receiver->began_with_key_frame());
    CHECK(one.viewer.receiver->missing() == 0);
    longest = std::max(longest, one.viewer.receiver->first_at() - one.at);
  }
  const uint64_t made = call.sender->key_frames() - key_frames;
  std::cout << samples::kVideoCodecs[codec].mime_type
            << ": key frames for 100 viewers within 5 s: " << made
            << ", requests: " << call.sender->key_frame_requests() - requests
            << ", longest wait for a picture: " << longest.ms() << " ms at a round trip of "
            << kRoundTrip.ms() << " ms\n";
  CHECK(made <= 7);
  CHECK(call.engine->ReadCounters().counters.producers.key_frame_requests_merged >=
        uint64_t{kViewers} / 2);
  // The interval, two ways of half a round trip on each hop, and the sender's next frame.
  CHECK(longest <= KeyFrameRequester::kMinInterval + kRoundTrip * 2 + VideoSender::kFrame);
}

}  // namespace
}  // namespace sluice::worker
