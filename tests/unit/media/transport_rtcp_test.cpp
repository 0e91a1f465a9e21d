// Reports of a transport in both directions (RtcpReporter): SR, RR, SDES, XR.
#include "tests/unit/media/rtcp_fixture.h"

namespace sluice::worker {
namespace {

TEST_CASE_METHOD(RtcpFixture, "receivers get SR and SDES, senders RR and our reference time",
                 "[transport_rtcp]") {
  environment.AdvanceBy(Duration::Millis(100));
  SendMedia(10);
  Collect(viewer);
  environment.AdvanceBy(Duration::Millis(510));
  auto sent = network.TakeSent();
  Collected to_viewer, to_publisher;
  for (const auto& datagram : sent) {
    CHECK(datagram.bytes.size() <= rtcp::Builder::kMaxCompound);
    CHECK(rtcp::Parse(datagram.bytes, datagram.tuple.remote == viewer ? to_viewer : to_publisher));
  }
  REQUIRE(to_viewer.senders.size() == 1);
  CHECK(to_viewer.senders[0].ssrc == Ssrc(3000));
  CHECK(to_viewer.senders[0].packet_count == 10);
  CHECK(to_viewer.cnames == std::vector<std::string>{"cname-v"});
  CHECK(to_viewer.references.empty());
  REQUIRE_FALSE(to_publisher.blocks.empty());
  CHECK(to_publisher.blocks[0].ssrc == Ssrc(kSsrc));
  CHECK(to_publisher.references.size() == 1);
  CHECK(to_publisher.reference_from == to_publisher.reporter);

  // Each further second or so, with at most 1.5 s between two.
  environment.AdvanceBy(Duration::Millis(1600));
  Collected next;
  for (const auto& datagram : network.TakeSent()) {
    if (datagram.tuple.remote == publisher) rtcp::Parse(datagram.bytes, next);
  }
  CHECK(next.references.size() == 1);
}

TEST_CASE_METHOD(RtcpFixture, "a sender report and its name go in one compound, however full",
                 "[transport_rtcp]") {
  constexpr int kStreams = 30;  // more than one compound of them
  SendMedia(1);
  for (size_t length = 1; length <= 48; ++length) {
    for (int i = 0; i < kStreams; ++i) {
      const std::string id = "n" + std::to_string(i);
      ConsumeOptions options =
          samples::ConsumerOf(video, id, 10'000 + 2 * static_cast<uint32_t>(i));
      options.rtp_parameters.rtcp.cname = std::string(length, 'x');
      REQUIRE(engine->Consume("out", options).ok());
    }
    Deliver(samples::Rtp(samples::kVp8, kSsrc, sequence++, 9000, samples::Vp8Payload(true, 1)), in,
            publisher);
    environment.EndTurn();
    network.TakeSent();
    environment.AdvanceBy(Duration::Millis(1600));
    size_t reports = 0;
    for (const SentDatagram& sent : network.TakeSent()) {
      if (sent.tuple.remote != viewer || !rtcp::LooksLikeRtcp(sent.bytes)) continue;
      CHECK(sent.bytes.size() <= rtcp::Builder::kMaxCompound);
      Collected compound;
      CHECK(rtcp::Parse(sent.bytes, compound));
      CHECK(compound.senders.size() == compound.cnames.size());
      reports += compound.senders.size();
    }
    CHECK(reports >= kStreams);
    for (int i = 0; i < kStreams; ++i) {
      REQUIRE(engine->CloseConsumer("out", "n" + std::to_string(i)).ok());
    }
  }
}

TEST_CASE_METHOD(RtcpFixture, "nothing is reported while nothing flows", "[transport_rtcp]") {
  environment.AdvanceBy(Duration::Seconds(5));
  CHECK(network.TakeSent().empty());
}

TEST_CASE_METHOD(RtcpFixture, "a peer's reference time is answered once, by DLRR",
                 "[transport_rtcp]") {
  environment.AdvanceBy(Duration::Millis(100));
  SendMedia(1);
  const NtpTime theirs{1234, 0x80000000};
  SendRtcp(out, viewer, [&](rtcp::Builder& builder) {
    builder.AddReceiverReport(kPeer, {});
    builder.AddReceiverReferenceTime(kPeer, theirs);
  });
  environment.AdvanceBy(Duration::Millis(400));
  const Collected collected = Collect(viewer);
  REQUIRE(collected.dlrr.size() == 1);
  CHECK(collected.dlrr[0].ssrc == kPeer);
  CHECK(collected.dlrr[0].last_rr == theirs.Compact());
  // Held from 100 ms to 500 ms: 0.4 s in 1/65536 s.
  CHECK(collected.dlrr[0].delay_since_last_rr == 26'214);
  SendMedia(1);
  environment.AdvanceBy(Duration::Millis(1600));
  CHECK(Collect(viewer).dlrr.empty());
}

TEST_CASE_METHOD(RtcpFixture, "of each peer the latest reference time is answered",
                 "[transport_rtcp]") {
  environment.AdvanceBy(Duration::Millis(100));
  SendMedia(1);
  const auto tell = [&](uint32_t ssrc, uint32_t seconds) {
    SendRtcp(out, viewer, [&](rtcp::Builder& builder) {
      builder.AddReceiverReport(Ssrc(ssrc), {});
      builder.AddReceiverReferenceTime(Ssrc(ssrc), NtpTime{seconds, 0});
    });
  };
  tell(77, 1);
  tell(78, 2);
  tell(77, 3);
  environment.AdvanceBy(Duration::Millis(1600));
  const Collected two = Collect(viewer);
  REQUIRE(two.dlrr.size() == 2);
  CHECK(two.dlrr[0].ssrc == Ssrc(77));
  CHECK(two.dlrr[0].last_rr == NtpTime{3, 0}.Compact());
  CHECK(two.dlrr[1].ssrc == Ssrc(78));
  CHECK(two.dlrr[1].last_rr == NtpTime{2, 0}.Compact());
  // Of more than that many the first are.
  SendMedia(1);
  for (uint32_t i = 0; i < RtcpReceiver::kMaxReferences + 2; ++i) tell(100 + i, 9);
  environment.AdvanceBy(Duration::Millis(1600));
  const Collected bounded = Collect(viewer);
  REQUIRE(bounded.dlrr.size() == RtcpReceiver::kMaxReferences);
  CHECK(bounded.dlrr.back().ssrc == Ssrc(99 + RtcpReceiver::kMaxReferences));
}

TEST_CASE_METHOD(RtcpFixture, "a sender with in-band FEC hears of its worst receiver",
                 "[transport_rtcp]") {
  const bool fec = GENERATE(true, false);
  ProduceOptions audio = samples::Audio("a", 5555);
  if (fec) audio.rtp_parameters.codecs[0].parameters = {{"useinbandfec", int32_t{1}}};
  REQUIRE(engine->Produce("in", audio).ok());
  REQUIRE(engine->Consume("out", samples::ConsumerOf(audio, "d", 4000)).ok());
  REQUIRE(engine->Consume("out", samples::ConsumerOf(audio, "e", 4100)).ok());
  SendMedia(1);
  for (uint16_t i = 1; i <= 10; ++i) {
    Deliver(samples::Rtp(samples::kOpus, 5555, i, i * 960u, {1, 2, 3}), in, publisher);
    environment.EndTurn();
  }
  SendRtcp(out, viewer, [&](rtcp::Builder& builder) {
    rtcp::ReportBlock slight, bad;
    slight.ssrc = Ssrc(4000);
    slight.fraction_lost = 10;
    bad.ssrc = Ssrc(4100);
    bad.fraction_lost = 77;
    const rtcp::ReportBlock blocks[] = {bad, slight};
    builder.AddReceiverReport(kPeer, blocks);
  });
  network.TakeSent();
  environment.AdvanceBy(Duration::Millis(1600));
  const Collected ours = Collect(publisher);
  REQUIRE(ours.blocks.size() >= 2);
  for (const rtcp::ReportBlock& block : ours.blocks) {
    CHECK(block.fraction_lost == (fec && block.ssrc == Ssrc(5555) ? 77 : 0));
  }
}

TEST_CASE_METHOD(RtcpFixture, "DLRR gives the round trip of what we receive", "[transport_rtcp]") {
  environment.AdvanceBy(Duration::Millis(100));
  SendMedia(1);
  Collect(publisher);
  environment.AdvanceBy(Duration::Millis(500));  // connected with its first packet
  const Collected ours = Collect(publisher);
  REQUIRE(ours.references.size() == 1);
  environment.AdvanceBy(Duration::Millis(80));
  SendRtcp(in, publisher, [&](rtcp::Builder& builder) {
    builder.AddReceiverReport(kPeer, {});
    const rtcp::DlrrItem item{ours.reference_from, ours.references[0].Compact(), 65'536 / 50};
    builder.AddDlrr(kPeer, {&item, 1});
  });
  const auto stats = engine->GetProducerStats("v");
  REQUIRE(stats->size() == 1);
  CHECK((*stats)[0].round_trip_time_ms == Approx(60).margin(1));  // 80 ms less 20 ms held
}

TEST_CASE_METHOD(RtcpFixture, "a sender without reduced-size RTCP gets compounds, whatever is sent",
                 "[transport_rtcp]") {
  const bool reduced = GENERATE(true, false);
  auto other = samples::Video("w", 5555);
  other.rtp_parameters.rtcp.reduced_size = reduced;
  other.rtp_parameters.codecs[0].rtcp_feedback.push_back({"goog-remb", ""});
  other.rtp_parameters.header_extensions = {
      {RtpExtensionUri::kTransportWideCc, samples::kTransportCcId, false, {}}};
  REQUIRE(engine->Produce("in", other).ok());
  environment.EndTurn();
  REQUIRE(engine->SetMaxIncomingBitrate("in", 300'000).ok());
  const auto receive = [&](uint16_t i) {
    Deliver(samples::WithExtension(
                samples::Rtp(samples::kVp8, 5555, i, i * 3000u, samples::Vp8Payload(false, i)),
                samples::kTransportCcId, {0, static_cast<uint8_t>(i)}),
            in, publisher);
    environment.AdvanceBy(Duration::Millis(33));
  };
  for (uint16_t i = 1; i <= 30; ++i) {
    if (i != 9) receive(i);
  }
  std::vector<int> kinds;
  for (const auto& types : PacketTypes(network.TakeSent(), publisher)) {
    if (reduced) {
      if (types.size() == 1) kinds.push_back(types[0]);
      continue;
    }
    // RR, SDES, then what it is about; reports of their own have both as well.
    REQUIRE(types.size() >= 2);
    CHECK(types[0] == 201);
    CHECK(std::count(types.begin(), types.end(), 202) == 1);
    if (types.back() == 205 || types.back() == 206) kinds.push_back(types.back());
  }
  CHECK(std::count(kinds.begin(), kinds.end(), 205) >= 2);  // NACK, transport feedback
  CHECK(std::count(kinds.begin(), kinds.end(), 206) >= 2);  // PLI, REMB
}

TEST_CASE_METHOD(RtcpFixture,
                 "every compound of many streams is whole, when the sender wants it so",
                 "[transport_rtcp]") {
  constexpr uint32_t kStreams = 95;  // four receiver reports, in three compounds
  for (uint32_t i = 0; i < kStreams; ++i) {
    auto options = samples::Video("w" + std::to_string(i), 5000 + i);
    options.rtp_parameters.rtcp.reduced_size = false;
    REQUIRE(engine->Produce("in", options).ok());
    Deliver(samples::Rtp(samples::kVp8, 5000 + i, 1, 9000, samples::Vp8Payload(true, 1)), in,
            publisher);
  }
  SendMedia(1);
  network.TakeSent();
  environment.AdvanceBy(Duration::Millis(2600));
  const auto sent = network.TakeSent();
  size_t compounds = 0;
  size_t reports = 0;
  for (const auto& types : PacketTypes(sent, publisher)) {
    if (std::count(types.begin(), types.end(), 206) > 0) continue;  // a request for a key frame
    ++compounds;
    reports += static_cast<size_t>(std::count(types.begin(), types.end(), 201));
    CHECK(types[0] == 201);
    CHECK(std::count(types.begin(), types.end(), 202) == 1);
  }
  CHECK(compounds >= 4);
  CHECK(reports >= 8);
  for (const SentDatagram& datagram : sent) {
    CHECK(datagram.bytes.size() <= rtcp::Builder::kMaxCompound);
  }
}

TEST_CASE_METHOD(RtcpFixture, "a report that waited in a busy turn shows no distance",
                 "[transport_rtcp]") {
  environment.AdvanceBy(Duration::Seconds(1));
  SendMedia(1);
  std::vector<uint8_t> bytes(rtcp::Builder::kMaxCompound);
  rtcp::Builder builder(bytes);
  rtcp::ReportBlock block;
  block.ssrc = Ssrc(3000);
  block.last_sr = environment.NtpNow().Compact();
  builder.AddReceiverReport(kPeer, {&block, 1});
  bytes.resize(builder.size());
  environment.AdvanceBy(Duration::Millis(230));
  network.Deliver(pool, bytes, out, viewer, environment.Now() - Duration::Millis(200));
  const float distance = engine->GetConsumerStats("c")->front().round_trip_time_ms;
  CHECK(distance > 29);
  CHECK(distance < 31);
}

TEST_CASE_METHOD(RtcpFixture, "a sender report that overtakes the first packet sets the clock",
                 "[transport_rtcp]") {
  auto other = samples::Video("w", 5555);
  other.rtp_parameters.mid = "w";
  const bool announced = GENERATE(true, false);
  if (!announced) {
    other.rtp_parameters.encodings[0].ssrc.reset();
    other.rtp_mapping.encodings[0].ssrc.reset();
  }
  other.rtp_parameters.header_extensions = {{RtpExtensionUri::kMid, samples::kMidId, false, {}}};
  REQUIRE(engine->Produce("in", other).ok());
  REQUIRE(engine->Consume("out", samples::ConsumerOf(other, "d", 4000)).ok());
  SendMedia(1);  // the transport knows its peer
  // Media that was captured 400 ms before it is sent.
  constexpr uint32_t kAge = 400 * 90;
  for (const uint32_t ssrc : {4444u, 5555u}) {  // and one that nobody knows
    SendRtcp(in, publisher, [&](rtcp::Builder& builder) {
      rtcp::SenderInfo info;
      info.ssrc = Ssrc(ssrc);
      info.ntp = environment.NtpNow();
      info.rtp_timestamp = RtpTimestamp(90'000 + kAge);
      builder.AddSenderReport(info, {});
    });
  }
  environment.AdvanceBy(Duration::Millis(30));
  const NtpTime received = environment.NtpNow();
  Deliver(samples::WithExtension(
              samples::Rtp(samples::kVp8, 5555, 1, 90'000, samples::Vp8Payload(true, 1)),
              samples::kMidId, {'w'}),
          in, publisher);
  environment.EndTurn();
  network.TakeSent();
  environment.AdvanceBy(Duration::Millis(1600));
  const auto senders = Collect(viewer).senders;
  const auto found = std::find_if(senders.begin(), senders.end(),
                                  [](const auto& sender) { return sender.ssrc == Ssrc(4000); });
  REQUIRE(found != senders.end());
  const rtcp::SenderInfo& report = *found;
  const int64_t since_us = report.ntp.ToMicros() - received.ToMicros();
  const auto by_arrival = 90'000 + static_cast<uint32_t>(since_us * 90 / 1000);
  CHECK(static_cast<double>(report.rtp_timestamp.value() - by_arrival) ==
        Approx(kAge + 30 * 90).margin(90));
}

}  // namespace
}  // namespace sluice::worker
