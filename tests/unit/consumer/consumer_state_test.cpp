#include <functional>

#include "tests/unit/consumer/consumer_fixture.h"
#include "worker/media/consumer_settings.h"
#include "worker/media/send_stream.h"

namespace sluice::worker {
namespace {

using Strings = std::vector<std::string>;

TEST_CASE_METHOD(ConsumerTest, "consumer: is active while connected and nobody has paused it") {
  Prepare("audio/opus", false);
  egress_.is_connected = false;
  Create();
  CHECK_FALSE(consumer_->active());
  Forward(Opus(0, 0));
  CHECK(egress_.packets.empty());
  consumer_->OnTransportConnected();
  CHECK(consumer_->active());
  consumer_->Pause();
  CHECK_FALSE(consumer_->active());
  producer_->Pause();
  consumer_->Resume();
  CHECK_FALSE(consumer_->active());
  producer_->Resume();
  CHECK(consumer_->active());
  Forward(Opus(1, 960));
  CHECK(egress_.packets.size() == 1);
  consumer_->OnTransportDisconnected();
  CHECK_FALSE(consumer_->active());
  CHECK(events_.names == Strings{"pause c", "resume c"});
}

TEST_CASE_METHOD(ConsumerTest, "consumer: tells at once that its producer is paused") {
  Prepare("video/VP8", true);
  produce_.paused = true;
  Create();
  CHECK(events_.names == Strings{"pause c"});
  CHECK(consumer_->Report().producer_paused);
  CHECK_FALSE(consumer_->Report().paused);
  CHECK_FALSE(consumer_->active());
  producer_->Resume();
  CHECK(consumer_->active());
}

TEST_CASE_METHOD(ConsumerTest, "consumer: tells each pause and resume of its producer once") {
  Prepare("video/VP8", true);
  Create();
  consumer_->OnProducerResumed();  // it is not paused
  CHECK(events_.names.empty());
  consumer_->OnProducerPaused();
  consumer_->OnProducerPaused();
  CHECK(events_.names == Strings{"pause c"});
  consumer_->OnProducerResumed();
  consumer_->OnProducerResumed();
  CHECK(events_.names == Strings{"pause c", "resume c"});
  consumer_->OnProducerClosed();
  producer_.reset();  // tells it again
  consumer_->OnProducerPaused();
  consumer_->OnProducerResumed();
  CHECK(events_.names == Strings{"pause c", "resume c", "close c"});
}

TEST_CASE_METHOD(ConsumerTest, "consumer: outlives its producer") {
  Prepare("video/VP8", true);
  Create();
  Forward(Vp8(0, 0, true));
  const uint16_t own = SequenceOf(egress_.Take()[0]);
  consumer_->OnProducerClosed();
  producer_.reset();
  CHECK(consumer_->producer_closed());
  CHECK_FALSE(consumer_->active());
  CHECK(events_.names == Strings{"close c"});
  Nack(own);
  consumer_->OnPli(0, environment_.Now());
  consumer_->RequestKeyFrame();
  consumer_->Resume();
  consumer_->OnTransportConnected();
  consumer_->OnProducerScore();
  consumer_->MakeSenderReport(0, environment_.Now());
  CHECK(consumer_->GetStats(environment_.Now()).size() == 1);
  CHECK(consumer_->Dump().producer_id == "p");
  CHECK(egress_.packets.empty());
}

TEST_CASE_METHOD(ConsumerTest, "consumer: key-frame requests reach the source, storms do not") {
  Prepare("video/VP8", true);
  Create();
  Forward(Vp8(0, 0, true));
  environment_.AdvanceBy(Duration::Seconds(3));
  const size_t before = plis_;
  for (int i = 0; i < 100; ++i) {
    consumer_->OnPli(0, environment_.Now());
    consumer_->OnFir(0, environment_.Now());
  }
  CHECK(plis_ == before + 1);
  environment_.AdvanceBy(Duration::Seconds(3));
  Forward(Vp8(1, 3000, true));
  consumer_->RequestKeyFrame();
  CHECK(plis_ > before + 1);
  const RtpStreamStats stats = consumer_->GetStats(environment_.Now())[0];
  CHECK(stats.pli_count == 100);
  CHECK(stats.fir_count == 100);
}

TEST_CASE_METHOD(ConsumerTest, "consumer: a report that waited in a busy turn shows no distance") {
  Prepare("audio/opus", false);
  Create();
  environment_.AdvanceBy(Duration::Seconds(2));
  rtcp::ReportBlock block;
  block.ssrc = Ssrc(kSsrc);
  block.last_sr = environment_.NtpNow().Compact();
  environment_.AdvanceBy(Duration::Millis(30));
  const Timestamp received = environment_.Now();
  environment_.AdvanceBy(Duration::Millis(200));  // the turn is late
  consumer_->OnReportBlock(0, block, received);
  CHECK(consumer_->round_trip_time() <= Duration::Millis(31));
  CHECK(consumer_->round_trip_time() >= Duration::Millis(29));
}

TEST_CASE_METHOD(ConsumerTest, "consumer: scores follow the receiver's reports and the producer") {
  Prepare("audio/opus", false);
  Create();
  CHECK(consumer_->Report().score == ConsumerScore{10, 0, {0}});
  Forward(Opus(0, 0));
  REQUIRE(events_.scores.size() == 1);  // the producer's stream appeared
  CHECK(events_.scores[0] == ConsumerScore{10, 10, {10}});
  for (uint16_t i = 1; i < 10; ++i) Forward(Opus(i, i * 960u));
  rtcp::ReportBlock block;
  block.ssrc = Ssrc(kSsrc);
  block.cumulative_lost = 5;
  block.fraction_lost = 128;
  block.last_sr = environment_.NtpNow().Compact() - 65'536;
  block.delay_since_last_sr = 65'536 / 2;
  consumer_->OnReportBlock(0, block, environment_.Now());
  REQUIRE(events_.scores.size() == 2);
  CHECK(events_.scores[1] == ConsumerScore{1, 10, {10}});
  CHECK(consumer_->fraction_lost() == Approx(0.5));
  CHECK(consumer_->round_trip_time().us() == Approx(500'000).margin(100));
  consumer_->OnReportBlock(0, block, environment_.Now() + Duration::Millis(10));
  CHECK(events_.scores.size() == 2);
}

TEST_CASE_METHOD(ConsumerTest,
                 "consumer: sender reports come when due, and follow the capture clock") {
  Prepare("video/VP8", true);
  Create();
  CHECK_FALSE(consumer_->MakeSenderReport(0, environment_.Now()));
  Forward(Vp8(0, 900'000, true, 0, 0, 500));
  environment_.AdvanceBy(Duration::Millis(100));

  const auto by_arrival = consumer_->MakeSenderReport(0, environment_.Now());
  REQUIRE(by_arrival);
  CHECK(by_arrival->cname == "someone");
  CHECK(by_arrival->info.ssrc == Ssrc(kSsrc));
  CHECK(by_arrival->info.ntp == environment_.NtpNow());
  CHECK(by_arrival->info.packet_count == 1);
  CHECK(by_arrival->info.octet_count == 500);
  CHECK(by_arrival->info.rtp_timestamp.value() == 900'000 + 9000);
  CHECK_FALSE(consumer_->MakeSenderReport(0, environment_.Now() + Duration::Millis(800)));

  // The sender says, an hour off our clock, that this sample is 250 ms old by now.
  rtcp::SenderInfo info;
  info.ssrc = Ssrc(kProducerSsrc);
  info.ntp = NtpTime::FromMicros(environment_.NtpNow().ToMicros() - 3'600'000'000);
  info.rtp_timestamp = RtpTimestamp(900'000 + 22'500);
  producer_->OnSenderReport(info, environment_.Now());
  environment_.AdvanceBy(Duration::Millis(900));
  const auto by_capture = consumer_->MakeSenderReport(0, environment_.Now());
  REQUIRE(by_capture);
  CHECK(by_capture->info.rtp_timestamp.value() == Approx(900'000 + 22'500 + 81'000).margin(3));

  environment_.AdvanceBy(Duration::Millis(1200));  // silent for 2.2 s
  CHECK_FALSE(consumer_->MakeSenderReport(0, environment_.Now()));
}

TEST_CASE_METHOD(ConsumerTest, "consumer: traces what it sends and what it is asked for") {
  Prepare("video/VP8", true);
  AddExtension(RtpExtensionUri::kMid);
  AddExtension(RtpExtensionUri::kTransportWideCc);
  Create();
  consumer_->EnableTraces(TraceBit(ConsumerTraceType::kKeyFrame) |
                          TraceBit(ConsumerTraceType::kRtp) | TraceBit(ConsumerTraceType::kNack) |
                          TraceBit(ConsumerTraceType::kPli) | TraceBit(ConsumerTraceType::kFir));
  Forward(Vp8(0, 0, true));
  Forward(Vp8(1, 3000, false));
  Nack(SequenceOf(egress_.packets[1]));
  consumer_->OnPli(0, environment_.Now());
  consumer_->OnFir(0, environment_.Now());
  REQUIRE(events_.traces.size() == 6);
  CHECK(events_.traces[0].type == TraceReport::Type::kKeyFrame);
  CHECK_FALSE(events_.traces[0].incoming);
  REQUIRE(events_.traces[0].rtp_packet);
  CHECK(events_.traces[0].rtp_packet->ssrc == kSsrc);
  CHECK(events_.traces[0].rtp_packet->size == egress_.packets[0].bytes.size());
  CHECK(events_.traces[0].rtp_packet->mid == "7");
  CHECK(events_.traces[1].type == TraceReport::Type::kRtp);
  CHECK(events_.traces[1].rtp_packet->sequence_number == SequenceOf(egress_.packets[1]));
  CHECK(events_.traces[1].rtp_packet->wide_sequence_number == uint16_t{2});
  CHECK(events_.traces[2].type == TraceReport::Type::kNack);
  CHECK(events_.traces[2].incoming);
  CHECK(events_.traces[3].is_rtx);
  CHECK(events_.traces[3].rtp_packet->ssrc == kRtxSsrc);
  CHECK(events_.traces[4].type == TraceReport::Type::kPli);
  CHECK(events_.traces[4].ssrc == kSsrc);
  CHECK(events_.traces[5].type == TraceReport::Type::kFir);
  events_.traces.clear();
  consumer_->EnableTraces(0);
  Forward(Vp8(2, 6000, true));
  CHECK(events_.traces.empty());
}

TEST_CASE_METHOD(ConsumerTest, "consumer: dump, stats and memory") {
  Prepare("video/VP8", true);
  AddExtension(RtpExtensionUri::kMid);
  Create();
  Forward(Vp8(0, 0, true));
  const ConsumerDump dump = consumer_->Dump();
  CHECK(dump.id == "c");
  CHECK(dump.type == RtpType::kSimple);
  CHECK(dump.supported_codec_payload_types == std::vector<uint8_t>{kPayloadType});
  CHECK(dump.priority == 1);
  CHECK(dump.current_spatial_layer == -1);
  REQUIRE(dump.rtp_streams.size() == 1);
  CHECK(dump.rtp_streams[0].params.ssrc == kSsrc);
  REQUIRE(dump.rtp_streams[0].rtx);
  CHECK(dump.rtp_streams[0].rtx->ssrc == kRtxSsrc);
  CHECK(dump.rtp_streams[0].rtx->mime_type == "video/rtx");

  const auto stats = consumer_->GetStats(environment_.Now());
  REQUIRE(stats.size() == 2);
  CHECK(stats[0].direction == RtpStreamStats::Direction::kSend);
  CHECK(stats[0].ssrc == kSsrc);
  CHECK(stats[0].rtx_ssrc == kRtxSsrc);
  CHECK(stats[0].packet_count == 1);
  CHECK(stats[0].byte_count == egress_.packets[0].bytes.size());
  CHECK(stats[0].bitrate > 0);
  CHECK(stats[1].direction == RtpStreamStats::Direction::kReceive);
  CHECK(stats[1].ssrc == kProducerSsrc);

  CHECK(consumer_->stream(0).rtx_ssrc == Ssrc(kRtxSsrc));
  CHECK_FALSE(consumer_->SetPreferredLayers({1, 1}));
  CHECK_FALSE(consumer_->SetPriority(0).ok());
  CHECK(consumer_->SetPriority(255).ok());
  CHECK(consumer_->Dump().priority == 255);
  Nack(SequenceOf(egress_.packets[0]));  // allocates the marks
  CHECK(consumer_->MemoryUsage() <= 8 * 1024);
}

TEST_CASE_METHOD(ConsumerTest, "consumer: what it holds for itself counts as its memory") {
  const auto usage = [&] {
    Create();
    const size_t bytes = consumer_->MemoryUsage();
    CHECK(bytes < size_t{32} * 1024);
    consumer_.reset();
    producer_.reset();
    return bytes;
  };
  Prepare("video/VP8", true);
  const size_t least = usage();
  consume_.consumer_id.assign(100, 'c');
  CHECK(usage() >= least + 100);
  consume_.consumer_id = "c";
  consume_.producer_id.assign(200, 'p');
  CHECK(usage() >= least + 200);
  consume_.producer_id = "p";
  consume_.rtp_parameters.encodings[0].rid.assign(300, 'r');
  CHECK(usage() >= least + 300);
  consume_.rtp_parameters.encodings[0].rid.clear();

  // A stream for each encoding.
  consume_.type = RtpType::kPipe;
  const size_t one = usage();
  for (uint32_t i = 1; i < 8; ++i) {
    consume_.rtp_parameters.encodings.push_back(consume_.rtp_parameters.encodings[0]);
    consume_.rtp_parameters.encodings[i].ssrc = kSsrc + 100 + i;
    consume_.rtp_parameters.encodings[i].rtx_ssrc = kRtxSsrc + 200 + i;
    consume_.consumable_rtp_encodings.push_back(consume_.consumable_rtp_encodings[0]);
    consume_.consumable_rtp_encodings[i].ssrc = kMappedSsrc + i;
  }
  constexpr size_t kSettings = sizeof(RtpEncodingParameters) + sizeof(OutputStreamSettings);
  CHECK(usage() >= one + 7 * kSettings + 8 * sizeof(SendStream));  // the first stands in itself
}

TEST_CASE_METHOD(ConsumerTest, "consumer: what it remembers of its packets counts as its memory") {
  Prepare("video/VP8", true);
  Create();
  const size_t at_first = consumer_->MemoryUsage();
  Forward(Vp8(0, 0, true));
  const size_t started = consumer_->MemoryUsage();
  CHECK(started > at_first);
  Nack(SequenceOf(egress_.packets.at(0)));  // allocates the marks
  CHECK(consumer_->MemoryUsage() > started);
}

TEST_CASE_METHOD(ConsumerTest, "consumer: refuses parameters by name") {
  struct Case {
    const char* text;
    const char* error;
    std::function<void(ConsumeOptions&)> change;
  };
  const Case cases[] = {
      {"rtpParameters.encodings[0].ssrc", "TypeError",
       [](auto& o) { o.rtp_parameters.encodings[0].ssrc.reset(); }},
      {"rtpParameters.encodings", "TypeError", [](auto& o) { o.rtp_parameters.encodings.clear(); }},
      {"rtpParameters.encodings has 2", "TypeError",
       [](auto& o) { o.rtp_parameters.encodings.push_back(o.rtp_parameters.encodings[0]); }},
      {"consumableRtpEncodings is empty", "TypeError",
       [](auto& o) { o.consumable_rtp_encodings.clear(); }},
      {"consumableRtpEncodings[0].ssrc", "TypeError",
       [](auto& o) { o.consumable_rtp_encodings[0].ssrc = 0; }},
      {"rtpParameters.mid", "TypeError", [](auto& o) { o.rtp_parameters.mid.assign(33, 'm'); }},
      {"rtpParameters.codecs", "TypeError", [](auto& o) { o.rtp_parameters.codecs.clear(); }},
      {"kind is audio", "TypeError", [](auto& o) { o.kind = MediaKind::kAudio; }},
      {"1 spatial layers: there are 2", "TypeError",
       [](auto& o) { o.consumable_rtp_encodings.push_back(o.consumable_rtp_encodings[0]); }},
      {"has one layer", "TypeError",
       [](auto& o) { o.consumable_rtp_encodings[0].scalability_mode = "L3T3"; }},
      {"a pipe consumer sends one for each", "TypeError",
       [](auto& o) {
         o.type = RtpType::kPipe;
         o.consumable_rtp_encodings.push_back(o.consumable_rtp_encodings[0]);
       }},
  };
  Prepare("video/VP8", true);
  Create();
  for (const Case& each : cases) {
    CAPTURE(each.text);
    ConsumeOptions options = consume_;
    each.change(options);
    const auto result = Consumer::Create(options, *producer_, egress_, environment_, events_);
    REQUIRE_FALSE(result.ok());
    CHECK(std::string(ErrorClassName(result.status())) == each.error);
    CHECK(result.status().message().find(each.text) != std::string::npos);
  }
  CHECK(producer_->consumers().size() == 1);
  consumer_.reset();
  CHECK(producer_->consumers().empty());
}

TEST_CASE_METHOD(ConsumerTest,
                 "consumer: a quarter of the frames is a step of the lowest picture alone") {
  Prepare("video/VP8", false);
  consume_.type = RtpType::kSimulcast;
  for (auto* encodings : {&produce_.rtp_parameters.encodings, &consume_.consumable_rtp_encodings}) {
    encodings->push_back(encodings->front());
    encodings->back().ssrc = *encodings->back().ssrc + 1;
    for (RtpEncodingParameters& encoding : *encodings) encoding.scalability_mode = "L1T3";
  }
  consume_.rtp_parameters.encodings[0].scalability_mode = "L2T3";
  produce_.rtp_mapping.encodings = {{"", kProducerSsrc, kMappedSsrc},
                                    {"", kProducerSsrc + 1, kMappedSsrc + 1}};
  Create();
  constexpr uint8_t kTemporal[] = {0, 2, 1, 2};
  for (uint16_t i = 0; i < 60; ++i) {
    for (uint32_t encoding = 0; encoding < 2; ++encoding) {
      Source source = Vp8(i, i * 3000U, i == 0);
      source.payload[5] = static_cast<uint8_t>(kTemporal[i % 4] << 6);
      source.ssrc = kProducerSsrc + encoding;
      Forward(source);
    }
    environment_.AdvanceBy(Duration::Millis(33));
  }
  std::vector<LadderStep> steps;
  const auto described = [&] {
    Strings text;
    for (const LadderStep& step : steps) {
      text.push_back(std::to_string(step.encoding) + "/" + std::to_string(step.temporal));
    }
    return text;
  };
  consumer_->AddSteps(&steps, environment_.Now());
  CHECK(described() == Strings{"0/0", "0/1", "0/2", "1/1", "1/2"});
  // Who wants half of the frames at most has no use for more; a quarter is a step to half.
  steps.clear();
  consumer_->SetPreferredLayers({1, 1});
  consumer_->AddSteps(&steps, environment_.Now());
  CHECK(described() == Strings{"0/0", "0/1", "1/0", "1/1"});
}

TEST_CASE_METHOD(ConsumerTest, "consumer: the steps of one encoding with layers in time") {
  Prepare("video/VP8", false);
  consume_.type = RtpType::kSvc;
  for (auto* parameters : {&produce_.rtp_parameters, &consume_.rtp_parameters}) {
    parameters->encodings[0].scalability_mode = "L1T3";
  }
  consume_.consumable_rtp_encodings[0].scalability_mode = "L1T3";
  Create();
  constexpr uint8_t kTemporal[] = {0, 2, 1, 2};
  for (uint16_t i = 0; i < 60; ++i) {
    Source source = Vp8(i, i * 3000U, i == 0);
    source.payload[5] = static_cast<uint8_t>(kTemporal[i % 4] << 6);
    Forward(source);
    environment_.AdvanceBy(Duration::Millis(33));
  }
  std::vector<LadderStep> steps;
  consumer_->AddSteps(&steps, environment_.Now());
  REQUIRE(steps.size() == 3);
  for (uint8_t i = 0; i < 3; ++i) CHECK(steps[i].temporal == i);
  CHECK(steps[0].bps < steps[1].bps);
  CHECK(steps[1].bps < steps[2].bps);
  consumer_->SetPreferredLayers({0, 1});
  steps.clear();
  consumer_->AddSteps(&steps, environment_.Now());
  CHECK(steps.size() == 2);
}

}  // namespace
}  // namespace sluice::worker
