#include "worker/media/pipe_transport.h"

#include <catch2/catch.hpp>
#include <map>
#include <set>
#include <utility>

#include "tests/unit/media/pipe_fixture.h"

namespace sluice::worker {
namespace {

using Bytes = std::vector<uint8_t>;

std::string ClassOf(const Status& status) { return status.ok() ? "ok" : ErrorClassName(status); }

TEST_CASE_METHOD(PipeFixture, "a pipe transport listens on UDP, and its dump says what it is") {
  PipeTransportOptions tcp = Options();
  tcp.listen_info.protocol = TransportProtocol::kTcp;
  CHECK(ClassOf(engine->CreatePipeTransport("r1", "x", tcp).status()) == "TypeError");
  PipeTransportOptions nowhere = Options();
  nowhere.listen_info.ip = "nowhere";
  CHECK(ClassOf(engine->CreatePipeTransport("r1", "x", nowhere).status()) == "TypeError");
  PipeTransportOptions direct = Options();
  direct.base.direct = true;
  CHECK(ClassOf(engine->CreatePipeTransport("r1", "x", direct).status()) == "TypeError");

  const PipeTransportDump plain = Add("r1", "a", Options());
  CHECK_FALSE(plain.rtx);
  CHECK_FALSE(plain.srtp_parameters);
  CHECK(plain.tuple.local_port != 0);
  CHECK(plain.tuple.remote_ip.empty());
  const PipeTransportDump secure = Add("r1", "b", Options(true, true));
  CHECK(secure.rtx);
  REQUIRE(secure.srtp_parameters);
  CHECK(secure.srtp_parameters->crypto_suite == SrtpProfile::kAeadAes256Gcm);
  CHECK(secure.srtp_parameters->key_base64.size() == 60);  // 44 bytes
  CHECK(engine->CloseTransport("r1", "a").ok());
  CHECK(network.open_sockets() == 1);
}

TEST_CASE_METHOD(PipeFixture, "connect of a pipe names what is wrong, and changes nothing then") {
  const PipeTransportDump plain = Add("r1", "a", Options());
  const PipeTransportDump secure = Add("r2", "b", Options(true));
  const PipeTransportDump other = Add("r2", "c", Options(true));
  const auto refused = [&](const std::string& id, const PipeConnectOptions& options,
                           const char* names) {
    INFO(names);
    const auto connected = engine->ConnectPipeTransport(id, options);
    CHECK(ClassOf(connected.status()) == "TypeError");
    CHECK_THAT(std::string(connected.status().message()), Catch::Contains(names));
  };
  PipeConnectOptions good = To(other);
  PipeConnectOptions bad = good;
  bad.ip = "";
  refused("b", bad, "ip");
  bad.ip = "localhost";
  refused("b", bad, "ip");
  bad.ip = "2001:db8::7";
  refused("b", bad, "2001:db8::7");
  bad = good;
  bad.port.reset();
  refused("b", bad, "port");
  bad.port = 0;
  refused("b", bad, "port");
  bad = good;
  bad.srtp_parameters.reset();
  refused("b", bad, "srtpParameters");
  bad = good;
  bad.srtp_parameters->crypto_suite = SrtpProfile::kAeadAes128Gcm;
  refused("b", bad, "cryptoSuite");
  bad = good;
  bad.srtp_parameters->key_base64 = "AAAA";
  refused("b", bad, "keyBase64");
  refused("a", good, "srtpParameters");
  CHECK(engine->DumpPipeTransport("b")->tuple.remote_ip.empty());
  CHECK(engine->DumpPipeTransport("b")->srtp_parameters->key_base64 ==
        secure.srtp_parameters->key_base64);
  const auto connected = engine->ConnectPipeTransport("b", good);
  REQUIRE(connected.ok());
  CHECK(connected->tuple.remote_port == other.tuple.local_port);
  CHECK(ClassOf(engine->ConnectPipeTransport("b", good).status()) == "Error");
  CHECK(engine->GetPipeTransportStats("b")->tuple.remote_ip == "127.0.0.1");
}

TEST_CASE_METHOD(PipeFixture, "video crosses a pipe, plain or encrypted, and a viewer sees it") {
  const bool encrypted = GENERATE(false, true);
  Join(encrypted);
  PipeVideo(/*rtx=*/false);
  SendVideo(5, /*key_frame=*/true);
  const auto viewed = Viewed();
  REQUIRE(viewed.size() == 5);
  for (size_t i = 1; i < viewed.size(); ++i) CHECK(viewed[i] == viewed[i - 1] + 1);
  CHECK(engine->ReadCounters().counters.transports.srtp_auth_failed == 0);
  bool readable = false;
  for (const SentDatagram& sent : crossed) {
    const Bytes payload = samples::Vp8Payload(false, 1);
    const auto found = std::search(sent.bytes.begin(), sent.bytes.end(), payload.begin() + 10,
                                   payload.begin() + 60);
    readable = readable || found != sent.bytes.end();
  }
  CHECK(readable == !encrypted);
  // Timestamps are the sender's own.
  if (encrypted) return;
  for (SentDatagram& sent : crossed) {
    if (rtcp::LooksLikeRtcp(sent.bytes)) continue;
    CHECK(RtpPacket::Parse(sent.bytes)->timestamp().value() % 3000 == 0);
  }
}

TEST_CASE_METHOD(PipeFixture, "what is lost in a pipe is asked for and sent again by RTX") {
  Join(/*encrypted=*/true, /*rtx=*/true);
  PipeVideo(/*rtx=*/true);
  SendVideo(3, true);
  int rtp = 0;
  lose = [&](const SentDatagram& sent) {
    if (sent.tuple.remote != to || sent.bytes.size() < 200) return false;
    return ++rtp == 2;
  };
  SendVideo(5);
  environment.AdvanceBy(Duration::Millis(200));
  Pump();
  auto viewed = Viewed();
  std::sort(viewed.begin(), viewed.end());
  CHECK(viewed.size() == 8);
  CHECK(engine->GetProducerStats("pp")->front().packets_repaired == 1);
  CHECK(engine->GetConsumerStats("pc")->front().packets_retransmitted == 1);
}

TEST_CASE_METHOD(PipeFixture,
                 "a viewer's request for a key frame crosses the pipe to the publisher") {
  Join();
  PipeVideo(false);
  SendVideo(3, true);
  environment.AdvanceBy(Duration::Seconds(3));
  Pump();
  outside.clear();
  Bytes bytes(rtcp::Builder::kMaxCompound);
  rtcp::Builder builder(bytes);
  builder.AddPli(Ssrc(9), Ssrc(5000));
  bytes.resize(builder.size());
  Deliver(bytes, LocalOf(engine->DumpPlainTransport("out")->tuple), viewer);
  Pump();
  struct Plis final : rtcp::Visitor {
    std::vector<uint32_t> media;
    void OnPli(Ssrc ssrc) override { media.push_back(ssrc.value()); }
  } plis;
  for (const SentDatagram& sent : outside) {
    if (sent.tuple.remote == publisher) (void)rtcp::Parse(sent.bytes, plis);
  }
  CHECK(plis.media == std::vector<uint32_t>{1111});
}

TEST_CASE_METHOD(PipeFixture, "a report that waited in a busy turn shows no distance in a pipe") {
  Join();
  PipeVideo(false);
  environment.AdvanceBy(Duration::Seconds(1));
  SendVideo(1, true);
  Bytes bytes(rtcp::Builder::kMaxCompound);
  rtcp::Builder builder(bytes);
  rtcp::ReportBlock block;
  block.ssrc = Ssrc(3000);
  block.last_sr = environment.NtpNow().Compact();
  builder.AddReceiverReport(Ssrc(77), {&block, 1});
  bytes.resize(builder.size());
  environment.AdvanceBy(Duration::Millis(230));
  network.Deliver(pool, bytes, from, to, environment.Now() - Duration::Millis(200));
  const float distance = engine->GetConsumerStats("pc")->front().round_trip_time_ms;
  CHECK(distance > 29);
  CHECK(distance < 31);
}

TEST_CASE_METHOD(PipeFixture, "only the peer is listened to, and nobody before connect") {
  const auto one = Add("r1", "p1", Options());
  const auto two = Add("r2", "p2", Options());
  REQUIRE(engine->Produce("p2", samples::Video("v", 1111)).ok());
  const Bytes packet = samples::Rtp(samples::kVp8, 1111, 1, 0, samples::Vp8Payload(true, 1));
  const auto refusals = [&] { return engine->ReadCounters().counters.transports; };
  Deliver(packet, LocalOf(two.tuple), LocalOf(one.tuple));
  CHECK(refusals().not_ready == 1);
  REQUIRE(engine->ConnectPipeTransport("p2", To(one)).ok());
  environment.EndTurn();
  Deliver(packet, LocalOf(two.tuple), Address("192.0.2.66", 1));
  Deliver(packet, LocalOf(two.tuple),
          Address("127.0.0.1", static_cast<uint16_t>(one.tuple.local_port + 1)));
  CHECK(refusals().wrong_source == 2);
  CHECK(engine->GetProducerStats("v")->empty());
  for (const int first : {0, 1, 19, 22, 64, 127, 192, 255}) {
    Bytes other = packet;
    other[0] = static_cast<uint8_t>(first);
    Deliver(other, LocalOf(two.tuple), LocalOf(one.tuple));
  }
  Deliver({}, LocalOf(two.tuple), LocalOf(one.tuple));
  CHECK(refusals().unclassified == 9);
  Deliver(packet, LocalOf(two.tuple), LocalOf(one.tuple));
  CHECK(engine->GetProducerStats("v")->size() == 1);
}

TEST_CASE_METHOD(PipeFixture, "encrypted pipes count what is forged and replayed") {
  Join(/*encrypted=*/true);
  PipeVideo(false);
  SendVideo(1, true);
  REQUIRE_FALSE(crossed.empty());
  const Bytes captured = crossed.front().bytes;
  const auto refusals = [&] { return engine->ReadCounters().counters.transports; };
  const auto before = refusals();
  Deliver(captured, to, from);
  CHECK(refusals().srtp_replayed == before.srtp_replayed + 1);
  Bytes forged = captured;
  forged[3] = static_cast<uint8_t>(forged[3] ^ 0x40);
  Deliver(forged, to, from);
  CHECK(refusals().srtp_auth_failed == before.srtp_auth_failed + 1);
  for (size_t size = 12; size < 28; ++size) {
    Deliver(Bytes(captured.begin(), captured.begin() + static_cast<int>(size)), to, from);
  }
  CHECK(refusals().srtp_too_short + refusals().srtp_auth_failed >=
        before.srtp_too_short + before.srtp_auth_failed + 17);
}

// Keys that are installed again would begin their counts again: the same key stream twice, and what
// was received once would be taken once more.
TEST_CASE_METHOD(PipeFixture, "keys that are given again begin nothing anew") {
  const auto one = Add("r1", "p1", Options(/*encrypted=*/true));
  const auto two = Add("r2", "p2", Options(/*encrypted=*/true));
  REQUIRE(engine->ConnectPipeTransport("p1", To(two)).ok());
  REQUIRE(engine->ConnectPipeTransport("p2", To(one)).ok());
  environment.EndTurn();
  from = LocalOf(one.tuple);
  to = LocalOf(two.tuple);
  PipeVideo(false);
  SendVideo(3, true);
  std::vector<Bytes> sent;
  const auto keep = [&] {
    for (const SentDatagram& each : std::exchange(crossed, {})) {
      if (!rtcp::LooksLikeRtcp(each.bytes)) sent.push_back(each.bytes);
    }
  };
  keep();
  CHECK(ClassOf(engine->ConnectPipeTransport("p1", To(two)).status()) == "Error");
  CHECK(ClassOf(engine->ConnectPipeTransport("p2", To(one)).status()) == "Error");
  const auto replayed = [&] { return engine->ReadCounters().counters.transports.srtp_replayed; };
  const uint64_t before = replayed();
  for (const Bytes& each : sent) Deliver(each, to, from);
  CHECK(replayed() == before + sent.size());
  SendVideo(3);
  keep();
  REQUIRE(sent.size() == 6);
  std::set<std::pair<int, int>> numbers;
  for (const Bytes& each : sent) numbers.emplace(each[2], each[3]);
  CHECK(numbers.size() == sent.size());
  CHECK(Viewed().size() == 6);
}

TEST_CASE_METHOD(PipeFixture, "a flood of unknown SSRCs through a pipe leaves nothing behind") {
  const bool encrypted = GENERATE(false, true);
  Join(encrypted);
  PipeVideo(false);
  const size_t known = engine->DumpPipeTransport("p2")->base.listener_ssrcs.size();
  const auto before = engine->ReadCounters().counters.transports;
  for (uint32_t i = 0; i < 10'000; ++i) {
    Deliver(samples::Rtp(samples::kRoutedVp8, 1'000'000 + i, 1, 0, Bytes(40)), to, from);
  }
  const auto after = engine->ReadCounters().counters.transports;
  CHECK((encrypted ? after.srtp_auth_failed - before.srtp_auth_failed
                   : after.no_producer - before.no_producer) == 10'000);
  CHECK(engine->DumpPipeTransport("p2")->base.listener_ssrcs.size() == known);
  SendVideo(2, true);
  CHECK(Viewed().size() == 2);
}

TEST_CASE_METHOD(PipeFixture,
                 "consumers of type pipe: one ssrc for each encoding, constant score") {
  Join();
  in = LocalOf(AddComedia("r1", "in").tuple);
  const ProduceOptions video = samples::Video("v", 1111, 1112);
  REQUIRE(engine->Produce("in", video).ok());
  ConsumeOptions pipe = samples::PipeConsumerOf(video, "pc", 3000, true);
  ConsumeOptions bad = pipe;
  bad.consumable_rtp_encodings.push_back(bad.consumable_rtp_encodings[0]);
  CHECK(ClassOf(engine->Consume("p1", bad).status()) == "TypeError");
  bad = pipe;
  bad.rtp_parameters.encodings[0].ssrc.reset();
  CHECK(ClassOf(engine->Consume("p1", bad).status()) == "TypeError");
  bad = pipe;
  bad.rtp_parameters.encodings.push_back(bad.rtp_parameters.encodings[0]);
  bad.consumable_rtp_encodings.push_back(bad.consumable_rtp_encodings[0]);
  CHECK(ClassOf(engine->Consume("p1", bad).status()) == "TypeError");  // an ssrc twice
  events.record_scores = true;
  const auto consumed = engine->Consume("p1", pipe);
  REQUIRE(consumed.ok());
  bad = samples::PipeConsumerOf(video, "other", 4000, true);
  bad.rtp_parameters.encodings[0].rtx_ssrc = pipe.rtp_parameters.encodings[0].rtx_ssrc;
  CHECK_THAT(std::string(engine->Consume("p1", bad).status().message()),
             Catch::Contains("already sent on this transport"));
  CHECK(consumed->score == ConsumerScore{10, 10, {0}});
  SendVideo(2, true);
  CHECK(events.Count("consumer-score pc") == 0);
  CHECK(events.Count("producer-score v") == 1);
  const ConsumerDump dump = *engine->DumpConsumer("pc");
  CHECK(dump.type == RtpType::kPipe);
  REQUIRE(dump.rtp_streams.size() == 1);
  CHECK(dump.rtp_streams[0].params.rtx_ssrc == 3100u);
  CHECK(dump.current_spatial_layer == -1);
  const auto stats = engine->GetConsumerStats("pc");
  REQUIRE(stats->size() == 1);
  CHECK(stats->front().packet_count == 2);
}

TEST_CASE_METHOD(PipeFixture, "every encoding crosses a pipe, under an ssrc of its own") {
  Join();
  in = LocalOf(AddComedia("r1", "in").tuple);
  ProduceOptions video = samples::Video("v", 1111);
  for (const uint32_t ssrc : {1112U, 1113U}) {
    RtpEncodingParameters encoding;
    encoding.ssrc = ssrc;
    video.rtp_parameters.encodings.push_back(encoding);
    video.rtp_mapping.encodings.push_back({"", ssrc, ssrc + 5'000'000});
  }
  REQUIRE(engine->Produce("in", video).ok());
  const ConsumeOptions pipe = samples::PipeConsumerOf(video, "pc", 3000);
  REQUIRE(engine->Consume("p1", pipe).ok());
  const auto far = engine->Produce("p2", samples::PipeProducerOf(pipe, "pp"));
  REQUIRE(far.ok());
  CHECK(far->type == RtpType::kSimulcast);
  Pump();
  crossed.clear();
  // The third encoding has its key frame in the third turn.
  for (uint16_t turn = 0; turn < 5; ++turn) {
    for (uint16_t encoding = 0; encoding < 3; ++encoding) {
      const bool key_frame = turn == (encoding == 2 ? 2 : 0);
      Deliver(samples::Rtp(samples::kVp8, 1111U + encoding,
                           static_cast<uint16_t>(10'000 * encoding + turn), turn * 3000U,
                           samples::Vp8Payload(key_frame, turn), true),
              in, publisher);
    }
    Pump();
  }
  std::map<uint32_t, std::vector<uint16_t>> numbers;
  for (SentDatagram& sent : crossed) {
    if (rtcp::LooksLikeRtcp(sent.bytes)) continue;
    const auto packet = RtpPacket::Parse(sent.bytes);
    numbers[packet->ssrc().value()].push_back(packet->sequence_number().value());
    CHECK(packet->timestamp().value() % 3000 == 0);
  }
  REQUIRE(numbers.size() == 3);
  CHECK(numbers[3000].size() == 5);
  CHECK(numbers[3001].size() == 5);
  CHECK(numbers[3002].size() == 3);
  for (const auto& [ssrc, all] : numbers) {
    for (size_t i = 1; i < all.size(); ++i) CHECK(all[i] == static_cast<uint16_t>(all[i - 1] + 1));
  }
  CHECK(engine->GetProducerStats("pp")->size() == 3);
  CHECK(engine->GetConsumerStats("pc")->size() == 3);
  CHECK(engine->DumpConsumer("pc")->rtp_streams.size() == 3);
}

TEST_CASE_METHOD(PipeFixture, "a pipe carries a worker's worth of producers") {
  Join();
  for (uint32_t i = 0; i < EngineLimits().consumers; ++i) {
    const auto produced = engine->Produce(
        "p2", samples::Video("v" + std::to_string(i), 10'000 + 2 * i, 10'001 + 2 * i));
    REQUIRE(produced.ok());
  }
  CHECK(ClassOf(engine->Produce("p2", samples::Audio("a", 1)).status()) == "Error");
}

}  // namespace
}  // namespace sluice::worker
