// The whole worker with viewers behind links: estimate, pacing, layers.
#include <iterator>

#include "tests/sim/bandwidth_fixture.h"

namespace sluice::worker {
namespace {

TEST_CASE("bandwidth: the layer follows a link of 4, 1 and 4 Mbit/s", "[bwe]") {
  BandwidthCall call;
  call.SetCapacity({{0, 4000}, {20, 1000}, {40, 4000}});
  const Timestamp start = call.environment.Now();
  const auto viewer = call.View("a", 2000);
  CHECK(call.TimeToLayer("ca", 2, Duration::Seconds(10)) < Duration::Seconds(4));
  call.environment.AdvanceTo(start + Duration::Seconds(20));
  CHECK(call.Layer("ca") == 2);
  CHECK(call.link->stats().lost_in_queue == 0);

  CHECK(call.TimeToLayer("ca", 1, Duration::Seconds(10)) < Duration::Millis(1500));
  call.environment.AdvanceTo(start + Duration::Seconds(22));
  // The queue is gone within two seconds, and does not come back.
  for (int i = 0; i < 170; ++i) {
    call.environment.AdvanceBy(Duration::Millis(100));
    CHECK(call.link->QueueDelay(call.environment.Now()) < Duration::Millis(150));
  }
  CHECK(call.Layer("ca") == 1);

  call.environment.AdvanceTo(start + Duration::Seconds(40));
  CHECK(call.TimeToLayer("ca", 2, Duration::Seconds(20)) < Duration::Seconds(8));
  viewer->ResetGap();
  call.environment.AdvanceBy(Duration::Seconds(10));
  CHECK(call.Layer("ca") == 2);
  CHECK(viewer->longest_gap() < Duration::Millis(200));
}

TEST_CASE("bandwidth: layers of every codec follow the link", "[bwe]") {
  const size_t index = GENERATE(range(size_t{0}, std::size(samples::kVideoCodecs)));
  INFO(samples::kVideoCodecs[index].mime_type);
  BandwidthCall call(1, &samples::kVideoCodecs[index]);
  call.SetCapacity({{0, 4000}, {8, 1000}, {18, 4000}});
  const Timestamp start = call.environment.Now();
  const auto viewer = call.View("a", 2000);
  CHECK(call.TimeToLayer("ca", 2, Duration::Seconds(7)) < Duration::Seconds(4));
  call.environment.AdvanceTo(start + Duration::Seconds(8));
  CHECK(call.TimeToLayer("ca", 1, Duration::Seconds(8)) < Duration::Millis(1500));
  call.environment.AdvanceTo(start + Duration::Seconds(18));
  CHECK(call.Layer("ca") == 1);
  CHECK(call.TimeToLayer("ca", 2, Duration::Seconds(20)) < Duration::Seconds(8));
  viewer->ResetGap();
  call.environment.AdvanceBy(Duration::Seconds(2));
  CHECK(viewer->longest_gap() < Duration::Millis(200));
}

TEST_CASE("bandwidth: a link that has room for the middle layer keeps it, and switches seldom",
          "[bwe]") {
  BandwidthCall call;
  call.SetCapacity({{0, 1000}});
  const auto viewer = call.View("a", 2000);
  call.environment.AdvanceBy(Duration::Seconds(10));
  call.events.Take();
  viewer->TakeRate(2000);
  const uint64_t lost = call.link->stats().lost_in_queue;
  int in_middle = 0;
  for (int i = 0; i < 600; ++i) {
    call.environment.AdvanceBy(Duration::Millis(100));
    in_middle += call.Layer("ca") == 1;
  }
  CHECK(in_middle >= 590);
  CHECK(call.events.Count("layers ca") <= 4);
  CHECK(viewer->TakeRate(2000) == Approx(500'000).epsilon(0.1));
  CHECK(call.link->stats().lost_in_queue - lost <= 20);
}

TEST_CASE("bandwidth: without feedback everything goes out, after a second", "[bwe]") {
  BandwidthCall call;
  const auto viewer = call.View("a", 2000);
  viewer->SetSilent(true);
  CHECK(call.TimeToLayer("ca", 2, Duration::Seconds(5)) < Duration::Seconds(2));
  call.environment.AdvanceBy(Duration::Seconds(1));
  viewer->TakeRate(2000);
  const uint64_t probed = viewer->packets(1234) + viewer->packets(2001);
  call.environment.AdvanceBy(Duration::Seconds(10));
  CHECK(call.Layer("ca") == 2);
  CHECK(viewer->TakeRate(2000) == Approx(1'500'000).epsilon(0.1));
  CHECK(viewer->packets(1234) + viewer->packets(2001) == probed);
}

TEST_CASE("bandwidth: four viewers behind links of their own get what these carry", "[bwe]") {
  BandwidthCall call;
  call.SetCapacity({{0, 10'000}});  // one link: the limits are per transport
  std::vector<std::unique_ptr<FeedbackViewer>> viewers;
  const std::array<uint64_t, 3> limits{200'000, 900'000, 0};
  for (uint32_t i = 0; i < limits.size(); ++i) {
    const std::string id = "v" + std::to_string(i);
    viewers.push_back(call.View(id, 2000 + 10 * i));
    REQUIRE(call.engine->SetMaxOutgoingBitrate(id, limits[i]).ok());
  }
  call.environment.AdvanceBy(Duration::Seconds(10));
  CHECK(call.Layer("cv0") == 0);
  CHECK(call.Layer("cv1") == 1);
  CHECK(call.Layer("cv2") == 2);
  CHECK(call.Available("v0") <= 200'000);
  CHECK(call.Available("v1") <= 900'000);
}

TEST_CASE("bandwidth: one viewer's bad link moves nobody else", "[bwe]") {
  BandwidthCall call;
  const auto good = call.View("a", 2000);
  REQUIRE(call.TimeToLayer("ca", 2, Duration::Seconds(10)) < Duration::Seconds(5));
  const auto bad = call.View("b", 3000);
  REQUIRE(call.engine->SetMaxOutgoingBitrate("b", 100'000).ok());
  call.environment.AdvanceBy(Duration::Seconds(5));
  good->ResetGap();
  for (int i = 0; i < 100; ++i) {
    call.environment.AdvanceBy(Duration::Millis(100));
    CHECK(call.Layer("ca") == 2);
  }
  CHECK(good->longest_gap() < Duration::Millis(100));
}

TEST_CASE("bandwidth: where not even the lowest layer fits the picture rests, and comes back",
          "[bwe]") {
  BandwidthCall call;
  const auto viewer = call.View("a", 2000);
  call.environment.AdvanceBy(Duration::Seconds(5));
  call.events.Take();
  REQUIRE(call.engine->SetMaxOutgoingBitrate("a", 50'000).ok());
  call.environment.AdvanceBy(Duration::Seconds(2));
  CHECK(call.Layer("ca") == -1);
  CHECK(call.events.Count("layers ca") >= 1);
  viewer->TakeRate(2000);
  call.environment.AdvanceBy(Duration::Seconds(3));
  CHECK(viewer->TakeRate(2000) == 0);
  REQUIRE(call.engine->SetMaxOutgoingBitrate("a", 0).ok());
  CHECK(call.TimeToLayer("ca", 2, Duration::Seconds(20)) < Duration::Seconds(10));
}

TEST_CASE("bandwidth: feedback that is made up keeps the estimate within its bounds", "[bwe]") {
  BandwidthCall call;
  call.SetCapacity({{0, 2000}});
  const auto viewer = call.View("a", 2000);
  REQUIRE(call.engine->SetMaxOutgoingBitrate("a", 3'000'000).ok());
  call.environment.AdvanceBy(Duration::Seconds(3));
  uint32_t state = 1;
  const auto random = [&state](uint32_t bound) {
    state = state * 1'664'525 + 1'013'904'223;
    return (state >> 8) % bound;
  };
  for (int i = 0; i < 2000; ++i) {
    rtcp::TransportFeedback feedback;
    feedback.base_sequence = static_cast<uint16_t>(random(65'536));
    feedback.reference_time = static_cast<int32_t>(random(1 << 24)) - (1 << 23);
    const uint32_t count = 1 + random(400);
    for (uint32_t n = 0; n < count; ++n) {
      feedback.packets.push_back({static_cast<uint16_t>(feedback.base_sequence + n), random(3) != 0,
                                  static_cast<int64_t>(random(100)) * 250});
    }
    std::array<uint8_t, rtcp::Builder::kMaxCompound> bytes;
    rtcp::Builder builder(bytes);
    if (builder.AddTransportFeedback(feedback)) viewer->peer().SendRtcp(builder.packet());
    builder.Reset();
    builder.AddRemb(Ssrc(1), DataRate::BitsPerSecond(random(2) == 0 ? 0 : INT64_MAX), {});
    if (random(50) == 0) viewer->peer().SendRtcp(builder.packet());
    call.environment.AdvanceBy(Duration::Millis(5));
    REQUIRE(call.Available("a") >= 30'000);
    REQUIRE(call.Available("a") <= 3'000'000);
  }
  call.environment.AdvanceBy(Duration::Seconds(30));
  CHECK(viewer->packets(2000) > 0);
}

TEST_CASE("bandwidth: stats and traces tell of the estimate", "[bwe]") {
  BandwidthCall call;
  call.SetCapacity({{0, 4000}});
  CHECK(!call.engine->GetWebRtcTransportStats("pub")->base.available_outgoing_bitrate);
  const auto viewer = call.View("a", 2000);
  REQUIRE(call.engine
              ->EnableTransportTraces("a", TraceBit(TransportTraceType::kBwe) |
                                               TraceBit(TransportTraceType::kProbation))
              .ok());
  CHECK(call.Available("a") == 600'000);
  call.environment.AdvanceBy(Duration::Seconds(10));
  CHECK(call.Available("a") > 1'500'000);
  const auto stats = call.engine->GetWebRtcTransportStats("a");
  CHECK(stats->base.rtp_packet_loss_sent.value_or(1) < 0.01);
  CHECK(stats->base.probation_bytes_sent > 0);
  size_t traces = 0;
  for (const std::string& line : call.events.lines) traces += line.rfind("bwe a ", 0) == 0;
  CHECK(traces >= 2);
  CHECK(traces <= 20);
}

TEST_CASE("bandwidth: who resumes has a share before the first key frame comes", "[bwe]") {
  BandwidthCall call;
  call.SetCapacity({{0, 600}});
  auto peer = call.Join("a");
  REQUIRE(call.AwaitConnected(*peer, "a", Duration::Seconds(30)));
  const FeedbackViewer viewer(call.environment, std::move(peer));
  ConsumeOptions options = BandwidthCall::ConsumerOptions("ca", 2000);
  options.paused = true;
  REQUIRE(call.engine->Consume("a", options).ok());
  uint64_t lost_by_probes = 0;
  for (int round = 0; round < 3; ++round) {
    call.environment.AdvanceBy(Duration::Millis(1010));
    REQUIRE(call.engine->ResumeConsumer("ca").ok());
    for (int i = 0; i < 200; ++i) {
      call.environment.AdvanceBy(Duration::Millis(5));
      REQUIRE(call.Layer("ca") < 2);
    }
    REQUIRE(call.Layer("ca") >= 0);
    // The first probes of a path that nobody knows yet are more than its queue holds.
    if (round == 0) lost_by_probes = call.link->stats().lost_in_queue;
    REQUIRE(call.engine->PauseConsumer("ca").ok());
  }
  CHECK(call.link->stats().lost_in_queue == lost_by_probes);
}

TEST_CASE("bandwidth: counters tell of paths, and stay when these are gone", "[bwe]") {
  BandwidthCall call;
  call.SetCapacity({{0, 1000}});
  const auto viewer = call.View("a", 2000);
  CHECK(call.engine->ReadCounters().alive.paths.unanswered == 1);
  call.environment.AdvanceBy(Duration::Seconds(10));
  const EngineSnapshot before = call.engine->ReadCounters();
  CHECK(before.counters.bandwidth.feedbacks > 50);
  CHECK(before.counters.bandwidth.packets_received > 200);
  CHECK(before.counters.bandwidth.probes > 1);
  CHECK(before.counters.bandwidth.padding_bytes > 1000);
  CHECK(before.alive.paths.unanswered == 0);
  CHECK(before.alive.paths.limited == 1);
  CHECK(before.alive.paths.available == call.Available("a"));
  CHECK(before.alive.paths.wanted > 1'500'000);
  REQUIRE(call.engine->CloseTransport("r", "a").ok());
  call.environment.AdvanceBy(Duration::Seconds(1));
  const EngineSnapshot after = call.engine->ReadCounters();
  CHECK(after.counters.bandwidth.feedbacks >= before.counters.bandwidth.feedbacks);
  CHECK(after.counters.bandwidth.padding_bytes >= before.counters.bandwidth.padding_bytes);
  CHECK(after.alive.paths.limited == 0);
}

TEST_CASE("bandwidth: closing consumers and transports with packets that wait", "[bwe]") {
  for (int round = 0; round < 3; ++round) {
    BandwidthCall call;
    call.SetCapacity({{0, 300}}, Duration::Millis(1000));
    const auto viewer = call.View("a", 2000);
    REQUIRE(call.engine->Consume("a", BandwidthCall::ConsumerOptions("other", 2010)).ok());
    call.environment.AdvanceBy(Duration::Seconds(3) + Duration::Millis(round));
    CHECK(call.engine->CloseConsumer("a", "ca").ok());
    call.environment.AdvanceBy(Duration::Seconds(1));
    if (round == 1) CHECK(call.engine->CloseProducer("pub", "v").ok());
    if (round == 2) CHECK(call.engine->CloseTransport("r", "a").ok());
    call.environment.AdvanceBy(Duration::Seconds(1));
  }
}

TEST_CASE("bandwidth: anything is closed from inside a trace of the estimate or of a probe",
          "[bwe]") {
  const std::string what = GENERATE("nothing", "consumer", "producer", "transport", "router");
  const std::string trace = GENERATE("bwe a ", "probation a");
  CAPTURE(what, trace);
  BandwidthCall call;
  call.SetCapacity({{0, 4000}});
  const auto viewer = call.View("a", 2000);
  REQUIRE(call.engine
              ->EnableTransportTraces("a", TraceBit(TransportTraceType::kBwe) |
                                               TraceBit(TransportTraceType::kProbation))
              .ok());
  size_t told = 0;
  call.events.on_line = [&](const std::string& line) {
    if (!line.starts_with(trace) || ++told != 1) return;
    if (what == "consumer") CHECK(call.engine->CloseConsumer("a", "ca").ok());
    if (what == "producer") CHECK(call.engine->CloseProducer("pub", "v").ok());
    if (what == "transport") CHECK(call.engine->CloseTransport("r", "a").ok());
    if (what == "router") CHECK(call.engine->CloseRouter("r").ok());
  };
  call.environment.AdvanceBy(Duration::Seconds(10));
  CHECK(told >= 1);
  call.events.on_line = nullptr;
}

}  // namespace
}  // namespace sluice::worker
