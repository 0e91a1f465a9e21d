// What a producer knows, and says, of layers: those that its sender announces
// (video-layers-allocation), and those that its consumers want.
#include <iterator>

#include "tests/unit/media/codec_samples.h"
#include "tests/unit/producer/producer_fixture.h"
#include "worker/media/receive_stream.h"

namespace sluice::worker {
namespace {

constexpr uint8_t kLayersId = 9;

/// Keeps what is said of wanted layers.
class WantedEvents final : public EngineEvents {
 public:
  void OnProducerWantedLayers(const std::string&,
                              const std::vector<WantedLayers>& wanted) override {
    all.push_back(wanted);
  }
  std::vector<std::vector<WantedLayers>> all;
};

/// Three encodings, told apart by SSRC.
ProduceOptions Simulcast(const samples::VideoCodec& codec = samples::kVideoCodecs[0]) {
  ProduceOptions options = samples::Video("p", 1000);
  samples::SetCodec(codec, &options.rtp_parameters);
  options.rtp_mapping.encodings.clear();
  options.rtp_parameters.encodings.clear();
  for (uint32_t ssrc = 1000; ssrc < 1003; ++ssrc) {
    RtpEncodingParameters encoding;
    encoding.ssrc = ssrc;
    options.rtp_parameters.encodings.push_back(encoding);
    options.rtp_mapping.encodings.push_back({"", ssrc, ssrc + 1000});
  }
  RtpHeaderExtensionParameters extension;
  extension.uri = RtpExtensionUri::kVideoLayersAllocation;
  extension.id = kLayersId;
  options.rtp_parameters.header_extensions.push_back(extension);
  return options;
}

std::vector<uint8_t> KeyFrame(uint32_t ssrc, uint16_t sequence) {
  return samples::Rtp(samples::kVp8, ssrc, sequence, 3000, samples::Vp8Payload(true, sequence));
}

uint32_t AnnouncedBitrate(Producer& producer, const ProducerBed& bed) {
  const auto stats = producer.GetStats(bed.environment.Now());
  REQUIRE(stats[0].announced_layers.size() == 1);
  return stats[0].announced_layers[0].second.bitrates_kbps[0];
}

TEST_CASE("bitrates and sizes that a sender announces stand in stats") {
  ProducerBed bed;
  const auto producer = bed.Produce(Simulcast());
  bed.Receive(*producer, KeyFrame(1000, 1));
  bed.Receive(*producer, KeyFrame(1001, 1));
  CHECK(producer->GetStats(bed.environment.Now())[0].announced_layers.empty());

  // Stream 1 of three says: a layer each of 0 and 1, none of 2; 160×90 at 15, 320×180 at 30.
  bed.Receive(*producer, samples::WithExtension(KeyFrame(1001, 2), kLayersId,
                                                {0x60, 0x11, 0x00, 0x00, 100, 120, 0, 159, 0, 89,
                                                 15, 1, 63, 0, 179, 30}));
  auto stats = producer->GetStats(bed.environment.Now());
  REQUIRE(stats.size() == 2);
  INFO("unreadable: " << producer->counters().unreadable_layers);
  REQUIRE(stats[0].announced_layers.size() == 1);
  CHECK(stats[0].announced_layers[0].first == 0);
  CHECK(stats[0].announced_layers[0].second.bitrates_kbps[0] == 100);
  REQUIRE(stats[1].announced_layers.size() == 1);
  CHECK(stats[1].announced_layers[0].second.temporal_layers == 1);
  CHECK(stats[1].announced_layers[0].second.bitrates_kbps[0] == 120);
  CHECK(stats[1].announced_layers[0].second.width == 320);
  CHECK(stats[1].announced_layers[0].second.height == 180);
  CHECK(stats[1].announced_layers[0].second.frame_rate == 30);

  // All is off.
  bed.Receive(*producer, samples::WithExtension(KeyFrame(1001, 3), kLayersId, {0x00}));
  CHECK(producer->GetStats(bed.environment.Now())[0].announced_layers.empty());
}

TEST_CASE("an announcement that cannot be read, or is another stream's, changes nothing") {
  ProducerBed bed;
  const auto producer = bed.Produce(Simulcast());
  bed.Receive(*producer, samples::WithExtension(KeyFrame(1000, 1), kLayersId, {0x01, 0x00, 100}));
  REQUIRE(AnnouncedBitrate(*producer, bed) == 100);
  const std::vector<std::vector<uint8_t>> bad{
      {0x01},                                         // cut
      {0x01, 0x00},                                   // no bitrate
      {0x01, 0x00, 0x80, 0x80, 0x80, 0x80, 0x80, 1},  // a bitrate without end
      {0x41, 0x00, 1},                                // says that it is stream 1
  };
  uint16_t sequence = 2;
  for (const auto& value : bad) {
    bed.Receive(*producer, samples::WithExtension(KeyFrame(1000, sequence++), kLayersId, value));
  }
  CHECK(producer->counters().unreadable_layers == bad.size());
  CHECK(AnnouncedBitrate(*producer, bed) == 100);
}

using Costs = std::vector<int64_t>;

/// What each step costs, kbit/s.
Costs CostsOf(const Producer& producer, Timestamp now) {
  Costs kbps;
  for (const LadderStep& step : producer.ladder(now)) kbps.push_back(step.bps / 1000);
  return kbps;
}

/// Three encodings of a codec of which the sender says that they take 150, 500 and 1500 kbit/s,
/// whatever they take.
struct AnnouncingBed : ProducerBed {
  explicit AnnouncingBed(const samples::VideoCodec& with = samples::kVideoCodecs[0])
      : codec(with) {}
  /// `count` packets of `size` bytes of each encoding, 30 a second.
  void Send(int count, size_t size) {
    for (int i = 0; i < count; ++i, ++sequence) {
      for (uint8_t encoding = 0; encoding < 3; ++encoding) {
        auto packet = samples::Rtp(samples::kVp8, 1000U + encoding, sequence, sequence * 3000U,
                                   samples::PayloadOf(codec, /*key=*/sequence == 0, size), true);
        if (announces && sequence == 0) {
          packet = samples::WithExtension(packet, kLayersId,
                                          {static_cast<uint8_t>(encoding << 6 | 0x21), 0x00, 0x96,
                                           0x01, 0xF4, 0x03, 0xDC, 0x0B});
        }
        Receive(*producer, packet);
      }
      EndTurn();
      AdvanceBy(33);
    }
  }
  Costs costs() const { return CostsOf(*producer, environment.Now()); }

  const samples::VideoCodec& codec;
  bool announces = true;
  uint16_t sequence = 0;
  const std::unique_ptr<Producer> producer = Produce(Simulcast(codec));
};

TEST_CASE("announced bitrates: a stream that has just begun costs what its sender says") {
  const size_t codec = GENERATE(range(size_t{0}, std::size(samples::kVideoCodecs)));
  INFO(samples::kVideoCodecs[codec].mime_type);
  AnnouncingBed bed(samples::kVideoCodecs[codec]);
  bed.Send(1, 1100);
  CHECK(bed.costs() == Costs{150, 500, 1500});
  bed.Send(70, 100);
  CHECK(bed.costs() == Costs{150, 500, 1500});
  bed.Send(10, 100);  // the window is full
  REQUIRE(bed.costs().size() == 3);
  for (const int64_t kbps : bed.costs()) CHECK(kbps < 40);

  AnnouncingBed silent(samples::kVideoCodecs[codec]);
  silent.announces = false;
  silent.Send(1, 1100);
  for (const int64_t kbps : silent.costs()) CHECK(kbps == Approx(30).margin(5));
}

TEST_CASE("announced bitrates: a picture that stands still costs what it may cost any time") {
  AnnouncingBed bed;
  bed.Send(100, 100);
  for (int i = 0; i < 4; ++i) {  // alive, though nothing has come in the window
    bed.AdvanceBy(2900);
    bed.Send(1, 100);
  }
  bed.AdvanceBy(2900);
  CHECK(bed.costs() == Costs{150, 500, 1500});
}

TEST_CASE("announced bitrates: what is said to be off costs what is measured") {
  AnnouncingBed bed;
  bed.Send(1, 1100);
  REQUIRE(bed.costs() == Costs{150, 500, 1500});
  bed.Receive(*bed.producer, samples::WithExtension(KeyFrame(1000, 1), kLayersId, {0x00}));
  for (const int64_t kbps : bed.costs()) CHECK(kbps < 40);
}

TEST_CASE("announced bitrates: a lie costs no more than browsers send") {
  ProducerBed bed;
  const auto producer = bed.Produce(Simulcast());
  bed.Receive(*producer, samples::WithExtension(KeyFrame(1000, 1), kLayersId,
                                                {0x01, 0x00, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F}));
  CHECK(CostsOf(*producer, bed.environment.Now()) ==
        Costs{ReceiveStream::kMaxAnnounced.bps() / 1000});
}

/// One encoding of three temporal layers.
ProduceOptions Temporal() {
  ProduceOptions options = samples::Video("p", 1000);
  options.rtp_parameters.encodings[0].scalability_mode = "L1T3";
  RtpHeaderExtensionParameters extension;
  extension.uri = RtpExtensionUri::kVideoLayersAllocation;
  extension.id = kLayersId;
  options.rtp_parameters.header_extensions.push_back(extension);
  return options;
}

TEST_CASE("announced bitrates: a rate for all temporal layers is that of the highest") {
  ProducerBed bed;
  const auto producer = bed.Produce(Temporal());
  // One spatial layer and one rate, 150 kbit/s: Chromium of H264, whatever layers it sends.
  bed.Receive(*producer,
              samples::WithExtension(KeyFrame(1000, 1), kLayersId, {0x01, 0x00, 0x96, 0x01}));
  const Costs begun = CostsOf(*producer, bed.environment.Now());
  REQUIRE(begun.size() == 2);
  CHECK(begun[0] < 40);
  CHECK(begun[1] == 150);
  // A large key frame makes the lowest no dearer than all together.
  for (uint16_t i = 2; i < 40; ++i) {
    bed.Receive(*producer, samples::Rtp(samples::kVp8, 1000, i, 3000,
                                        samples::Vp8Payload(false, i, 1100), i == 39));
  }
  bed.AdvanceBy(100);
  CHECK(CostsOf(*producer, bed.environment.Now()) == Costs{150, 150});
}

TEST_CASE("announced bitrates: each layer of a stream has its own") {
  ProducerBed bed;
  const auto producer = bed.Produce(Temporal());
  // One spatial layer, three temporal ones of 100, 200 and 300 kbit/s.
  bed.Receive(*producer, samples::WithExtension(KeyFrame(1000, 1), kLayersId,
                                                {0x01, 0x80, 0x64, 0xC8, 0x01, 0xAC, 0x02}));
  CHECK(CostsOf(*producer, bed.environment.Now()) == Costs{100, 200, 300});
  for (uint16_t i = 2; i < 100; ++i) {  // the upper ones are said to be sent, and do not come
    bed.AdvanceBy(33);
    bed.Receive(*producer, samples::Rtp(samples::kVp8, 1000, i, i * 3000U,
                                        samples::Vp8Payload(false, i, 100), true));
    bed.EndTurn();
  }
  const Costs after = CostsOf(*producer, bed.environment.Now());
  REQUIRE(after.size() == 3);
  CHECK(after[0] < 40);
  CHECK(after[1] == 200);
  CHECK(after[2] == 300);
}

/// A producer of three encodings that says what is wanted, and consumers of it.
struct WantedBed {
  explicit WantedBed(ProduceOptions produce = Simulcast()) : options(std::move(produce)) {
    options.report_wanted_layers = true;
    auto created = Producer::Create(options, bed, bed.environment, events);
    REQUIRE(created.ok());
    producer = *std::move(created);
  }
  Consumer& Consume(const char* mode = "L3T3") {
    ConsumeOptions consume =
        samples::ConsumerOf(options, "c" + std::to_string(consumers.size()),
                            5000 + 2 * static_cast<uint32_t>(consumers.size()));
    consume.rtp_parameters.encodings[0].scalability_mode = mode;
    consume.consumable_rtp_encodings.clear();
    for (const RtpEncodingMapping& each : options.rtp_mapping.encodings) {
      RtpEncodingParameters encoding;
      encoding.ssrc = each.mapped_ssrc;
      encoding.scalability_mode = options.rtp_parameters.encodings[0].scalability_mode;
      consume.consumable_rtp_encodings.push_back(encoding);
    }
    auto created = Consumer::Create(consume, *producer, egress, bed.environment, *listener);
    REQUIRE(created.ok());
    consumers.push_back(*std::move(created));
    return *consumers.back();
  }
  size_t told() const { return events.all.size(); }
  const std::vector<WantedLayers>& last() const { return events.all.back(); }

  ProducerBed bed;
  WantedEvents events;
  ProduceOptions options;
  EngineEvents* listener = &bed.events;  ///< of consumers
  std::vector<RecordingEgress::Sent> sent;
  RecordingEgress egress{sent};
  std::unique_ptr<Producer> producer;
  std::vector<std::unique_ptr<Consumer>> consumers;
};

constexpr WantedLayers kNothing{};
constexpr WantedLayers kWhole{true, WantedLayers::kAll, WantedLayers::kAll};

TEST_CASE("wanted layers: that nobody wants anything is said after a while") {
  WantedBed bed;
  bed.bed.AdvanceBy(4900);
  CHECK(bed.told() == 0);
  bed.bed.AdvanceBy(200);
  REQUIRE(bed.told() == 1);
  CHECK(bed.last() == std::vector<WantedLayers>(3, kNothing));
}

TEST_CASE("wanted layers: the most that any consumer wants, more soon and less late") {
  WantedBed bed;
  Consumer& first = bed.Consume();
  bed.bed.AdvanceBy(5100);
  REQUIRE(bed.told() == 1);  // only the highest encoding is wanted
  CHECK(bed.last() == std::vector<WantedLayers>{kNothing, kNothing, kWhole});

  // More of one, less of another: the one soon, the other when it has lasted.
  first.SetPreferredLayers({0, uint8_t{1}});
  bed.bed.AdvanceBy(600);
  constexpr WantedLayers kTwo{true, WantedLayers::kAll, 1};
  REQUIRE(bed.told() == 2);
  CHECK(bed.last() == std::vector<WantedLayers>{kTwo, kNothing, kWhole});
  bed.bed.AdvanceBy(5000);
  REQUIRE(bed.told() == 3);
  CHECK(bed.last() == std::vector<WantedLayers>{kTwo, kNothing, kNothing});

  // Changes within 500 ms are told together.
  Consumer& second = bed.Consume();
  second.SetPreferredLayers({1, std::nullopt});
  bed.bed.AdvanceBy(500);
  REQUIRE(bed.told() == 4);
  CHECK(bed.last() == std::vector<WantedLayers>{kTwo, kWhole, kNothing});
  first.SetPreferredLayers({0, uint8_t{2}});
  bed.bed.AdvanceBy(100);
  first.SetPreferredLayers({2, std::nullopt});
  bed.bed.AdvanceBy(100);
  CHECK(bed.told() == 4);
  bed.bed.AdvanceBy(200);
  REQUIRE(bed.told() == 5);
  CHECK(bed.last() == std::vector<WantedLayers>{kTwo, kWhole, kWhole});
  bed.bed.AdvanceBy(5000);
  REQUIRE(bed.told() == 6);
  CHECK(bed.last() == std::vector<WantedLayers>{kNothing, kWhole, kWhole});

  // A consumer that is paused wants nothing, but may soon again.
  const size_t before = bed.told();
  second.Pause();
  bed.bed.AdvanceBy(4000);
  second.Resume();
  bed.bed.AdvanceBy(10'000);
  CHECK(bed.told() == before);
  second.Pause();
  bed.bed.AdvanceBy(6000);
  CHECK(bed.told() == before + 1);
  CHECK(bed.last() == std::vector<WantedLayers>{kNothing, kNothing, kWhole});
  bed.consumers.clear();
  bed.bed.AdvanceBy(6000);
  CHECK(bed.last() == std::vector<WantedLayers>(3, kNothing));
}

TEST_CASE("wanted layers: an encoding that has stopped is wanted again by name") {
  WantedBed bed;
  Consumer& consumer = bed.Consume();
  consumer.SetPreferredLayers({0, std::nullopt});
  bed.bed.Receive(*bed.producer, KeyFrame(1000, 1));
  bed.bed.AdvanceBy(6000);
  CHECK(bed.last()[2] == kNothing);
  consumer.SetPreferredLayers({2, std::nullopt});  // which its sender does not send
  bed.bed.AdvanceBy(600);
  CHECK(bed.last()[2] == kWhole);
}

TEST_CASE("wanted layers: of SVC the layers, and all where there is nothing to choose") {
  ProduceOptions options = samples::Video("p", 1000);
  options.rtp_parameters.encodings[0].scalability_mode = "L1T3";
  WantedBed bed(options);
  Consumer& consumer = bed.Consume("L1T3");
  consumer.SetPreferredLayers({0, uint8_t{1}});
  bed.bed.AdvanceBy(5100);
  REQUIRE(bed.told() == 1);
  CHECK(bed.last() == std::vector<WantedLayers>{{true, WantedLayers::kAll, 1}});

  WantedBed simple(samples::Video("p", 1000));
  simple.Consume("");
  simple.bed.AdvanceBy(6000);
  CHECK(simple.told() == 0);  // all is wanted, as at first
}

/// Keeps what consumers say that they send.
class LayerEvents final : public EngineEvents {
 public:
  void OnConsumerLayers(const std::string&, const std::optional<ConsumerLayers>& layers) override {
    all.push_back(layers);
  }
  std::vector<std::optional<ConsumerLayers>> all;
};

TEST_CASE("an encoding of which nine packets in ten are lost is still sent, and said to be") {
  LayerEvents told;
  WantedBed bed;
  bed.listener = &told;
  bed.Consume();
  uint16_t sequence = 1;
  for (int i = 0; i < 400; ++i) {
    bed.bed.Receive(*bed.producer, samples::Rtp(samples::kVp8, 1000, sequence, sequence * 3000U,
                                                samples::Vp8Payload(true, sequence)));
    bed.bed.EndTurn();
    bed.bed.AdvanceBy(33);
    sequence = static_cast<uint16_t>(sequence + (i < 60 ? 1 : 10));
    if (i % 30 != 29) continue;
    rtcp::SenderInfo report;
    report.ssrc = Ssrc(1000);
    bed.producer->OnSenderReport(report, bed.bed.environment.Now());
  }
  CHECK(bed.producer->encoding_score(0) == 0);
  CHECK(bed.sent.size() == 400);
  REQUIRE(told.all.size() == 1);
  CHECK(told.all[0]);
  // It stops: now nothing is sent.
  bed.bed.AdvanceBy(5000);
  REQUIRE(told.all.size() == 2);
  CHECK_FALSE(told.all[1]);
}

TEST_CASE("wanted layers: nothing is said where nobody asked") {
  ProducerBed bed;
  WantedEvents events;
  auto producer = Producer::Create(Simulcast(), bed, bed.environment, events);
  REQUIRE(producer.ok());
  bed.AdvanceBy(10'000);
  CHECK(events.all.empty());
}

TEST_CASE(
    "an encoding that comes back starts anew: for a moment it is not, and a slow one is there") {
  ProducerBed bed;
  const auto producer = bed.Produce(Simulcast());
  uint16_t sequence = 0;
  const auto send = [&] {
    const auto time = static_cast<uint32_t>(bed.environment.Now().ms() * 90);
    ++sequence;
    bed.Receive(*producer, samples::Rtp(samples::kVp8, 1000, sequence, time,
                                        samples::Vp8Payload(true, sequence)));
  };
  const auto alive = [&] { return producer->encoding_lives()[0].alive; };
  for (int i = 0; i < 30; ++i) {
    send();
    bed.AdvanceBy(33);
  }
  bed.AdvanceBy(10'000);
  CHECK_FALSE(alive());
  send();
  CHECK(alive());
  SECTION("and stops again") {
    bed.AdvanceBy(5900);
    CHECK(alive());  // how slow it is now nobody knows
    bed.AdvanceBy(200);
    CHECK_FALSE(alive());
  }
  SECTION("as quick as before, and stops") {
    for (int i = 0; i < 5; ++i) {
      bed.AdvanceBy(33);
      send();
    }
    bed.AdvanceBy(1600);
    CHECK_FALSE(alive());
  }
  SECTION("slower than before") {
    for (int i = 0; i < 5; ++i) {
      bed.AdvanceBy(3900);
      CHECK(alive());
      send();
    }
  }
}

}  // namespace
}  // namespace sluice::worker
