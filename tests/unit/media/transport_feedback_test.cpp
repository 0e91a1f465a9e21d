// Feedback of a transport in both directions (RtcpReceiver): NACK, REMB, transport-cc, what is made
// up.
#include "tests/unit/media/rtcp_fixture.h"

namespace sluice::worker {
namespace {

TEST_CASE_METHOD(RtcpFixture, "a NACK packet reaches its consumer as one", "[transport_rtcp]") {
  SendMedia(30);
  Collect(viewer);
  REQUIRE(media == 30);
  SendRtcp(out, viewer, [&](rtcp::Builder& builder) {
    builder.AddReceiverReport(kPeer, {});
    const rtcp::NackItem items[] = {{last_sent + -20, 0}, {last_sent + -3, 0x0003}};
    builder.AddNack(kPeer, Ssrc(3000), items);
    builder.AddNack(kPeer, Ssrc(9999), items);  // nobody's
  });
  environment.EndTurn();
  Collect(viewer);
  CHECK(rtx == 4);
  CHECK(media == 0);
  const auto stats = engine->GetConsumerStats("c");
  REQUIRE_FALSE(stats->empty());
  CHECK((*stats)[0].nack_count == 1);
  CHECK((*stats)[0].nack_packet_count == 4);
  CHECK(engine->GetPlainTransportStats("out")->base.rtx_bytes_sent > 0);
}

TEST_CASE_METHOD(RtcpFixture, "malformed RTCP is counted; what came before it counts",
                 "[transport_rtcp]") {
  SendMedia(1);
  std::vector<uint8_t> bytes(100);
  rtcp::Builder builder(bytes);
  builder.AddPli(kPeer, Ssrc(3000));
  bytes.resize(builder.size());
  bytes.insert(bytes.end(), {0x80, 201, 0xFF, 0xFF});  // length past the end
  Deliver(bytes, out, viewer);
  CHECK((*engine->Find<PlainTransport>("out"))->core().counters().malformed_rtcp == 1);
  CHECK((*engine->GetConsumerStats("c"))[0].pli_count == 1);
}

TEST_CASE_METHOD(RtcpFixture, "maxIncomingBitrate goes to the sender as REMB, after the response",
                 "[transport_rtcp]") {
  auto remb = samples::Video("w", 5555);
  remb.rtp_parameters.codecs[0].rtcp_feedback.push_back({"goog-remb", ""});
  remb.rtp_parameters.header_extensions = {{RtpExtensionUri::kAbsSendTime, 3, false, {}}};
  REQUIRE(engine->Produce("in", remb).ok());
  environment.EndTurn();
  SendMedia(1);
  network.TakeSent();
  REQUIRE(engine->SetMaxIncomingBitrate("in", 300'000).ok());
  CHECK(Collect(publisher).rembs.empty());
  environment.AdvanceBy(Duration::Millis(1600));
  SendMedia(1);
  const auto rembs = Collect(publisher).rembs;
  REQUIRE_FALSE(rembs.empty());
  CHECK(rembs.back().bps() <= 300'000);
  CHECK(rembs.back().bps() > 299'000);
  CHECK(engine->GetPlainTransportStats("in")->base.available_incoming_bitrate == 0U);
}

TEST_CASE_METHOD(RtcpFixture, "each part of a compound reaches the consumer that it names",
                 "[transport_rtcp]") {
  REQUIRE(engine->Consume("out", samples::ConsumerOf(video, "d", 4000)).ok());
  SendMedia(10);
  network.TakeSent();
  const auto stats = [&](const char* id) { return engine->GetConsumerStats(id)->at(0); };
  SendRtcp(out, viewer, [&](rtcp::Builder& builder) {
    rtcp::ReportBlock block;
    block.ssrc = Ssrc(4000);
    block.fraction_lost = 77;
    rtcp::ReportBlock of_rtx = block;
    of_rtx.ssrc = Ssrc(3001);
    const rtcp::ReportBlock blocks[] = {block, of_rtx};
    builder.AddReceiverReport(kPeer, blocks);
    const rtcp::NackItem one[] = {{last_sent, 0}};
    const rtcp::NackItem two[] = {{last_sent, 0x0001}};
    builder.AddNack(kPeer, Ssrc(3000), one);
    builder.AddNack(kPeer, Ssrc(4000), two);
    builder.AddNack(kPeer, Ssrc(3000), one);
    builder.AddPli(kPeer, Ssrc(4000));
    builder.AddPli(kPeer, Ssrc(4001));  // its RTX: nobody's
    builder.AddFir(kPeer, Ssrc(3000), 1);
  });
  CHECK(stats("c").nack_count == 2);
  CHECK(stats("c").nack_packet_count == 2);
  CHECK(stats("d").nack_count == 1);
  CHECK(stats("d").nack_packet_count == 2);
  CHECK(stats("c").pli_count == 0);
  CHECK(stats("d").pli_count == 1);
  CHECK(stats("c").fir_count == 1);
  CHECK(stats("d").fir_count == 0);
  CHECK(stats("c").fraction_lost == 0);
  CHECK(stats("d").fraction_lost == 77);
  REQUIRE(engine->CloseConsumer("out", "c").ok());
  SendRtcp(out, viewer, [&](rtcp::Builder& builder) { builder.AddPli(kPeer, Ssrc(3000)); });
  CHECK(stats("d").pli_count == 1);
}

TEST_CASE_METHOD(RtcpFixture, "transport feedback needs the extension and the feedback, both",
                 "[transport_rtcp]") {
  auto other = samples::Video("w", 5555);
  const bool extension = GENERATE(false, true);
  const bool feedback = GENERATE(false, true);
  if (extension) {
    other.rtp_parameters.header_extensions = {
        {RtpExtensionUri::kTransportWideCc, samples::kTransportCcId, false, {}}};
  }
  if (!feedback) other.rtp_parameters.codecs[0].rtcp_feedback = {{"nack", "pli"}};
  REQUIRE(engine->Produce("in", other).ok());
  environment.EndTurn();
  for (uint16_t i = 1; i <= 20; ++i) {
    Deliver(samples::WithExtension(
                samples::Rtp(samples::kVp8, 5555, i, 9000, samples::Vp8Payload(i == 1, 1)),
                samples::kTransportCcId, {0, static_cast<uint8_t>(i)}),
            in, publisher);
    environment.AdvanceBy(Duration::Millis(20));
  }
  size_t feedbacks = 0;
  for (const auto& types : PacketTypes(network.TakeSent(), publisher)) {
    feedbacks += types.size() == 1 && types[0] == 205 ? 1 : 0;
  }
  CHECK((feedbacks > 0) == (extension && feedback));
}

TEST_CASE_METHOD(RtcpFixture, "congestion feedback that is made up changes nothing",
                 "[transport_rtcp]") {
  SendMedia(20);
  Collect(viewer);
  const auto stats = [&] {
    return (*engine->Find<Consumer>("c"))->GetStats(environment.Now()).at(0);
  };
  const auto malformed = [&] { return engine->ReadCounters().counters.transports.malformed_rtcp; };
  const auto before = stats();
  // Of numbers that were never sent, twice, out of order, and over the wraps of number and time.
  for (const int first : {0, 5000, 65'530, 5000, 1}) {
    const auto base = static_cast<uint16_t>(first);
    SendRtcp(out, viewer, [&](rtcp::Builder& builder) {
      rtcp::TransportFeedback feedback;
      feedback.sender = kPeer;
      feedback.media = Ssrc(3000);
      feedback.base_sequence = base;
      feedback.reference_time = base == 1 ? 0x7f'ffff : -1;
      for (int i = 0; i < 20; ++i) {
        feedback.packets.push_back({static_cast<uint16_t>(base + i), i % 3 != 0, i * 250});
      }
      REQUIRE(builder.AddTransportFeedback(feedback));
    });
  }
  CHECK(malformed() == 0);
  // 0xFFFF packets in a run of 8,191; deltas cut off; no chunk at all.
  const std::vector<std::vector<uint8_t>> broken = {
      {0, 1, 0xFF, 0xFF, 0, 0, 0, 0, 0x1F, 0xFF, 0, 0},
      {0, 1, 0, 4, 0, 0, 0, 0, 0x20, 4, 1, 1},
      {0, 1, 0, 4, 0, 0, 0, 0},
  };
  for (const auto& fci : broken) {
    std::vector<uint8_t> packet = {
        0x8F, 205, 0, static_cast<uint8_t>(2 + fci.size() / 4), 0, 0, 0, 77, 0, 0, 0x0B, 0xB8};
    packet.insert(packet.end(), fci.begin(), fci.end());
    Deliver(packet, out, viewer);
  }
  CHECK(malformed() == broken.size());
  environment.AdvanceBy(Duration::Seconds(1));
  const Collected answers = Collect(viewer);
  CHECK(media == 0);
  CHECK(rtx == 0);
  const auto after = stats();
  CHECK(after.packet_count == before.packet_count);
  CHECK(after.packets_lost == before.packets_lost);
  CHECK(after.score == before.score);
  SendMedia(5);
  Collect(viewer);
  CHECK(media == 5);
}

TEST_CASE_METHOD(RtcpFixture, "what a viewer makes up concerns itself alone", "[transport_rtcp]") {
  const SocketAddress other = Address("192.0.2.9", 6000);
  AddSender("r", "out2", other);
  REQUIRE(engine->Consume("out2", samples::ConsumerOf(video, "d", 4000)).ok());
  SendMedia(20);
  environment.AdvanceBy(Duration::Seconds(1));
  Collect(viewer);
  // All is lost, of its own stream, of another's, of one that nobody has; with times from the
  // future (a round trip below zero), again and again.
  for (int i = 0; i < 50; ++i) {
    SendRtcp(out, viewer, [&](rtcp::Builder& builder) {
      std::vector<rtcp::ReportBlock> blocks(3);
      const uint32_t ssrcs[] = {3000, 4000, 99'999};
      for (size_t k = 0; k < blocks.size(); ++k) {
        blocks[k].ssrc = Ssrc(ssrcs[k]);
        blocks[k].fraction_lost = 255;
        blocks[k].cumulative_lost = 1000 + i;
        blocks[k].extended_highest_seq = 5000;
        blocks[k].last_sr = environment.NtpNow().Compact() + 65'536 * 100;
        blocks[k].delay_since_last_sr = 0xffff'ffff;
      }
      REQUIRE(builder.AddReceiverReport(kPeer, blocks));
    });
    environment.AdvanceBy(Duration::Millis(300));
  }
  const auto stats = [&](const char* id) {
    return (*engine->Find<Consumer>(id))->GetStats(environment.Now()).at(0);
  };
  CHECK(stats("c").fraction_lost == 255);
  CHECK(stats("c").round_trip_time_ms == 0);
  CHECK(stats("d").fraction_lost == 0);
  CHECK(stats("d").packets_lost == 0);
  CHECK(stats("d").score == 10);
  CHECK((*engine->Find<Producer>("v"))->GetStats(environment.Now()).at(0).score == 10);
  // And what another is sent goes on.
  SendMedia(5);
  size_t to_other = 0;
  for (const SentDatagram& sent : network.TakeSent()) to_other += sent.tuple.remote == other;
  CHECK(to_other >= 5);
}

TEST_CASE_METHOD(RtcpFixture, "before there are keys neither media nor reports count",
                 "[transport_rtcp]") {
  PlainTransportOptions options;
  options.listen_info = Listen();
  options.comedia = true;
  options.enable_srtp = true;
  options.srtp_crypto_suite = SrtpProfile::kAesCm128HmacSha1_80;
  const auto dump = engine->CreatePlainTransport("r", "secure", options);
  REQUIRE(dump.ok());
  REQUIRE(engine->Produce("secure", samples::Video("w", 2111, 2112)).ok());
  const SocketAddress local = LocalOf(dump->tuple);
  const auto counters = [&] { return engine->ReadCounters().counters.transports; };
  const auto before = counters();
  SendRtcp(local, publisher, [&](rtcp::Builder& builder) {
    rtcp::SenderInfo info;
    info.ssrc = Ssrc(2111);
    info.ntp = environment.NtpNow();
    REQUIRE(builder.AddSenderReport(info, {}));
    REQUIRE(builder.AddPli(kPeer, Ssrc(3000)));
  });
  Deliver(samples::Rtp(samples::kVp8, 2111, 1, 0, samples::Vp8Payload(true, 1)), local, publisher);
  environment.AdvanceBy(Duration::Seconds(3));
  CHECK(counters().not_ready == before.not_ready + 2);
  CHECK((*engine->Find<Producer>("w"))->GetStats(environment.Now()).empty());
  CHECK((*engine->Find<Consumer>("c"))->totals().plis_received == 0);
  size_t answered = 0;
  for (const SentDatagram& sent : network.TakeSent()) answered += sent.tuple.local == local;
  CHECK(answered == 0);
}

TEST_CASE_METHOD(RtcpFixture, "a transport traces what was asked for, and no more",
                 "[transport_rtcp]") {
  RtpCore& rtp = (*engine->Find<PlainTransport>("out"))->rtp();
  BweTrace estimate;
  estimate.available = 300'000;
  using Lines = std::vector<std::string>;
  const auto traced = [&] {
    events.Take();
    rtp.OnProbation(environment.Now());
    rtp.OnBandwidthEstimate(estimate, environment.Now());
    engine->DeliverEvents();
    return events.Take();
  };
  CHECK(traced().empty());
  rtp.EnableTraces(TraceBit(TransportTraceType::kProbation));
  CHECK(traced() == Lines{"probation out"});
  rtp.EnableTraces(TraceBit(TransportTraceType::kBwe));
  CHECK(traced() == Lines{"bwe out 300000"});
  rtp.EnableTraces(TraceBit(TransportTraceType::kProbation) | TraceBit(TransportTraceType::kBwe));
  CHECK(traced() == Lines{"probation out", "bwe out 300000"});
}

}  // namespace
}  // namespace sluice::worker
