// RTCP of a transport in both directions (RtcpReceiver, RtcpReporter).
#include <algorithm>
#include <catch2/catch.hpp>
#include <vector>

#include "tests/unit/media/engine_fixture.h"
#include "worker/media/plain_transport.h"
#include "worker/media/rtp_core.h"

#include "worker/media/rtcp_receiver.h"
#include "worker/media/transport_core.h"
#include "worker/wire/rtcp.h"

namespace sluice::worker {
namespace {

constexpr uint32_t kSsrc = 1111;
constexpr uint32_t kRtx = 1112;
constexpr Ssrc kPeer{77};  // RTCP SSRC of the remote ends

/// Everything of the compounds it is shown.
struct Collected final : rtcp::Visitor {
  void OnSenderReport(const rtcp::SenderInfo& info) override { senders.push_back(info); }
  void OnReportBlock(Ssrc from, const rtcp::ReportBlock& block) override {
    reporter = from;
    blocks.push_back(block);
  }
  void OnSdesCname(Ssrc, std::string_view text) override { cnames.emplace_back(text); }
  void OnReceiverReferenceTime(Ssrc from, NtpTime ntp) override {
    reference_from = from;
    references.push_back(ntp);
  }
  void OnDlrr(Ssrc, const rtcp::DlrrItem& item) override { dlrr.push_back(item); }
  void OnRemb(DataRate rate, std::span<const Ssrc>) override { rembs.push_back(rate); }

  std::vector<rtcp::SenderInfo> senders;
  std::vector<rtcp::ReportBlock> blocks;
  std::vector<std::string> cnames;
  std::vector<NtpTime> references;
  std::vector<rtcp::DlrrItem> dlrr;
  std::vector<DataRate> rembs;
  Ssrc reporter, reference_from;
};

struct RtcpFixture : EngineFixture {
  RtcpFixture() {
    REQUIRE(engine->CreateRouter("r").ok());
    in = LocalOf(AddComedia("r", "in").tuple);
    out = LocalOf(AddSender("r", "out", viewer).tuple);
    REQUIRE(engine->Produce("in", video).ok());
    REQUIRE(engine->Consume("out", samples::ConsumerOf(video, "c", 3000)).ok());
  }
  void SendMedia(int count) {
    for (int i = 0; i < count; ++i) {
      const auto payload = samples::Vp8Payload(/*key_frame=*/sequence == 100, 1);
      Deliver(samples::Rtp(samples::kVp8, kSsrc, sequence, 9000, payload), in, publisher);
      ++sequence;
    }
    environment.EndTurn();
  }
  template <typename Build>
  void SendRtcp(const SocketAddress& to, const SocketAddress& from, Build build) {
    std::vector<uint8_t> bytes(rtcp::Builder::kMaxCompound);
    rtcp::Builder builder(bytes);
    build(builder);
    bytes.resize(builder.size());
    Deliver(bytes, to, from);
  }
  /// What was sent to `remote` since the last call, as RTCP; the media packets are counted.
  Collected Collect(const SocketAddress& remote) {
    Collected collected;
    media = rtx = 0;
    for (SentDatagram& sent : network.TakeSent()) {
      if (sent.tuple.remote != remote) continue;
      if (rtcp::LooksLikeRtcp(sent.bytes)) {
        CHECK(rtcp::Parse(sent.bytes, collected));
        continue;
      }
      const auto packet = RtpPacket::Parse(sent.bytes);
      REQUIRE(packet);
      ++(packet->ssrc() == Ssrc(3000) ? media : rtx);
      if (packet->ssrc() == Ssrc(3000)) last_sent = packet->sequence_number();
    }
    return collected;
  }

  const ProduceOptions video = samples::Video("v", kSsrc, kRtx);
  const SocketAddress publisher = Address("192.0.2.1", 5000);
  const SocketAddress viewer = Address("192.0.2.8", 6000);
  SocketAddress in, out;
  uint16_t sequence = 100;
  int media = 0, rtx = 0;
  SeqNumber last_sent;
};

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

/// What parts of each compound came, in order, by packet type.
std::vector<std::vector<int>> PacketTypes(const std::vector<SentDatagram>& sent,
                                          const SocketAddress& remote) {
  std::vector<std::vector<int>> all;
  for (const SentDatagram& datagram : sent) {
    if (datagram.tuple.remote != remote || !rtcp::LooksLikeRtcp(datagram.bytes)) continue;
    std::vector<int>& types = all.emplace_back();
    for (size_t at = 0; at + 4 <= datagram.bytes.size();) {
      types.push_back(datagram.bytes[at + 1]);
      at += 4 *
            (size_t{1} + static_cast<size_t>(datagram.bytes[at + 2] << 8) + datagram.bytes[at + 3]);
    }
  }
  return all;
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
