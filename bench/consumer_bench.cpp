// What a consumer costs per packet beside encryption and sockets: one producer's turn of packets
// through OnPackets of many consumers into an egress that drops them. Prints the minimum over
// repetitions (the machine's noise only adds), the cost of a retransmission, what a viewer costs
// that waits for a key frame, and the memory held.
//
//   consumer_bench [--check] [repetitions]
//
// --check: exits with 1 when counting the forwarding delay costs 5 ns a packet or more. That
// waiting viewers cost less than served ones is checked always.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "bench/reflector.h"
#include "tests/sim/virtual_environment.h"
#include "worker/core/packet_buffer.h"
#include "worker/core/rtp/sender_clock.h"
#include "worker/media/consumer.h"
#include "worker/media/engine_events.h"
#include "worker/media/forwarding_delay.h"
#include "worker/media/producer.h"
#include "worker/media/send_stream.h"
#include "worker/wire/rtp_packet.h"

namespace sluice::worker {
namespace {

constexpr size_t kConsumers = 200;
constexpr size_t kWaiting = 1000;   // viewers that joined at once
constexpr size_t kReflected = 400;  // receivers of the reflector
constexpr int kReflectorTurns = 100;
constexpr size_t kBurst = 9;         // packets in a turn: one video frame
constexpr size_t kPayload = 1160;    // bytes
constexpr uint32_t kSourceSsrc = 1;  // of the producer
constexpr uint8_t kSourcePayloadType = 96;
constexpr uint8_t kRouterPayloadType = 101;
constexpr uint8_t kRtxPayloadType = 102;
constexpr uint8_t kSourceLevelId = 1;
constexpr double kMaxCounting = 5;  // ns, of the forwarding delay of a packet
constexpr Duration kFrame = Duration::Millis(33);

/// Memory that all transports of a worker write their packets to.
struct Arena {
  std::vector<uint8_t> bytes = std::vector<uint8_t>(256 * 1024);
  size_t at = 0;
};

/// Takes packets and drops them; slots follow each other as in the egress arena.
class NullEgress final : public RtpEgress {
 public:
  explicit NullEgress(Arena& arena) : arena_(arena) {}
  bool connected() const override { return true; }
  uint8_t* BeginRtp(size_t capacity) override {
    if (arena_.at + capacity > arena_.bytes.size()) arena_.at = 0;
    return arena_.bytes.data() + arena_.at;
  }
  uint32_t EndRtp(const OutgoingRtp& packet) override {
    last_sequence = static_cast<uint16_t>(packet.slot[2] << 8 | packet.slot[3]);
    arena_.at += (packet.header_size + packet.payload.size() + 63) / 64 * 64;
    ++packets;
    if (packet.stamps.abs_send_time_at != 0) WriteAbsSendTime(packet.slot, packet.stamps, 1);
    if (packet.stamps.transport_sequence_at == 0) return kNoNumber;
    WriteTransportSequence(packet.slot, packet.stamps, next_);
    return next_++;
  }

  uint64_t packets = 0;
  uint16_t last_sequence = 0;

 private:
  Arena& arena_;
  uint16_t next_ = 0;
};

struct Scenario {
  const char* name;
  bool video;
  bool extensions;       ///< MID and abs-send-time; transport-cc too for video
  bool patched;          ///< VP8 picture ids have moved: the payload is copied
  uint8_t level_id = 0;  ///< of the audio level that is passed on; 0: there is none
};
constexpr Scenario kScenarios[] = {
    {"audio, no extensions", false, false, false},
    {"audio, mid + abs-send-time", false, true, false},
    {"video, mid + abs-send-time + transport-cc", true, true, false},
    {"the same after a pause (payload copied)", true, true, true},
    {"audio, its level passed on as the router's id", false, true, false, 6},
    {"audio, its level passed on as another id", false, true, false, 3},
};

class Room final : public ProducerHost {
 public:
  explicit Room(const Scenario& scenario, size_t viewers = kConsumers) : scenario_(scenario) {
    CreateProducer();
    for (size_t i = 0; i < viewers; ++i) {
      egresses_.push_back(std::make_unique<NullEgress>(arena_));
      CreateConsumer(static_cast<uint32_t>(1000 + 2 * i), *egresses_.back());
    }
    Turn();
    if (scenario.patched) {
      for (auto& consumer : consumers) consumer->Pause();
      picture_id_ = static_cast<uint16_t>(picture_id_ + 100);
      for (auto& consumer : consumers) consumer->Resume();
    }
    key_frame_ = true;
    Turn();
    key_frame_ = false;
  }
  ~Room() override { consumers.clear(); }

  void SendRtcpToProducer(std::span<const uint8_t>) override {}
  void ScheduleDelivery(Producer&) override {}
  void OnSsrcLearned(Producer&, Ssrc) override {}
  std::shared_ptr<SenderClock> ClockOf(const std::string&) override { return clock_; }

  /// Receives a frame (not measured) and forwards it; nanoseconds of the forwarding.
  double Turn() {
    environment.AdvanceBy(kFrame);
    for (size_t i = 0; i < kBurst; ++i) Receive(i);
    const auto start = std::chrono::steady_clock::now();
    producer->DeliverTurn(environment.Now());
    const std::chrono::duration<double, std::nano> spent = std::chrono::steady_clock::now() - start;
    return spent.count();
  }
  /// Everyone waits for a key frame that does not come.
  void Restart() {
    for (auto& consumer : consumers) consumer->Pause();
    for (auto& consumer : consumers) consumer->Resume();
  }
  uint64_t sent() const {
    uint64_t all = 0;
    for (const auto& egress : egresses_) all += egress->packets;
    return all;
  }
  uint16_t last_sequence(size_t consumer) const { return egresses_[consumer]->last_sequence; }

  VirtualEnvironment environment;
  std::unique_ptr<Producer> producer;
  std::vector<std::unique_ptr<Consumer>> consumers;

 private:
  RtpCodecParameters Codec(uint8_t payload_type) const {
    RtpCodecParameters codec;
    codec.mime_type = scenario_.video ? "video/VP8" : "audio/opus";
    codec.clock_rate = scenario_.video ? 90'000 : 48'000;
    codec.channels = scenario_.video ? 1 : 2;
    codec.payload_type = payload_type;
    codec.rtcp_feedback = {{"nack", ""}, {"nack", "pli"}, {"ccm", "fir"}, {"transport-cc", ""}};
    return codec;
  }
  MediaKind Kind() const { return scenario_.video ? MediaKind::kVideo : MediaKind::kAudio; }

  template <typename T>
  static T Must(Result<T> result) {
    if (result.ok()) return *std::move(result);
    std::fprintf(stderr, "%s\n", std::string(result.status().message()).c_str());
    std::exit(1);
  }

  void CreateProducer() {
    ProduceOptions options;
    options.producer_id = "producer";
    options.kind = Kind();
    options.rtp_parameters.codecs = {Codec(kSourcePayloadType)};
    options.rtp_parameters.rtcp.cname = "bench";
    options.rtp_parameters.encodings.resize(1);
    options.rtp_parameters.encodings[0].ssrc = kSourceSsrc;
    if (scenario_.level_id != 0) {
      options.rtp_parameters.header_extensions = {
          {RtpExtensionUri::kAudioLevel, kSourceLevelId, false, {}}};
    }
    options.rtp_mapping.codecs = {{kSourcePayloadType, kRouterPayloadType}};
    options.rtp_mapping.encodings = {{"", kSourceSsrc, kSourceSsrc}};
    producer = Must(Producer::Create(options, *this, environment, events_));
  }

  void CreateConsumer(uint32_t ssrc, RtpEgress& egress) {
    ConsumeOptions options;
    options.consumer_id = "7d444840-9dc0-11d1-b245-5ffdce74fad2";  // as long as a real one
    options.producer_id = "producer";
    options.kind = Kind();
    options.rtp_parameters.codecs = {Codec(kRouterPayloadType)};
    options.rtp_parameters.rtcp.cname = "bench";
    options.rtp_parameters.encodings.resize(1);
    options.rtp_parameters.encodings[0].ssrc = ssrc;
    if (scenario_.video) {
      RtpCodecParameters rtx;
      rtx.mime_type = "video/rtx";
      rtx.clock_rate = 90'000;
      rtx.payload_type = kRtxPayloadType;
      rtx.parameters["apt"] = int32_t{kRouterPayloadType};
      options.rtp_parameters.codecs.push_back(rtx);
      options.rtp_parameters.encodings[0].rtx_ssrc = ssrc + 1;
    }
    if (scenario_.extensions) {
      options.rtp_parameters.mid = "0";
      Add(RtpExtensionUri::kMid, &options);
      Add(RtpExtensionUri::kAbsSendTime, &options);
      if (scenario_.video) Add(RtpExtensionUri::kTransportWideCc, &options);
    }
    if (scenario_.level_id != 0) {
      options.rtp_parameters.header_extensions.push_back(
          {RtpExtensionUri::kAudioLevel, scenario_.level_id, false, {}});
    }
    options.consumable_rtp_encodings.resize(1);
    options.consumable_rtp_encodings[0].ssrc = kSourceSsrc;
    consumers.push_back(Must(Consumer::Create(options, *producer, egress, environment, events_)));
  }
  static void Add(RtpExtensionUri uri, ConsumeOptions* options) {
    RtpHeaderExtensionParameters extension;
    extension.uri = uri;
    extension.id = static_cast<uint8_t>(static_cast<uint8_t>(uri) + 1);
    options->rtp_parameters.header_extensions.push_back(extension);
  }

  void Receive(size_t index) {
    const uint16_t sequence = sequence_++;
    const auto timestamp =
        static_cast<uint32_t>(environment.Now().us() * (scenario_.video ? 90 : 48) / 1000);
    const bool last = index + 1 == kBurst;
    if (index == 0) ++picture_id_;
    const bool level = scenario_.level_id != 0;
    const uint8_t header[] = {static_cast<uint8_t>(level ? 0x90 : 0x80),
                              static_cast<uint8_t>((last ? 0x80 : 0) | kSourcePayloadType),
                              static_cast<uint8_t>(sequence >> 8),
                              static_cast<uint8_t>(sequence),
                              static_cast<uint8_t>(timestamp >> 24),
                              static_cast<uint8_t>(timestamp >> 16),
                              static_cast<uint8_t>(timestamp >> 8),
                              static_cast<uint8_t>(timestamp),
                              0,
                              0,
                              0,
                              kSourceSsrc};
    const uint8_t block[] = {0xBE, 0xDE, 0, 1, kSourceLevelId << 4, 0x85, 0, 0};
    const uint8_t start[] = {// VP8 descriptor with a 15-bit picture id, then its payload header
                             static_cast<uint8_t>(index == 0 ? 0x90 : 0x80), 0x80,
                             static_cast<uint8_t>(0x80 | (picture_id_ >> 8 & 0x7f)),
                             static_cast<uint8_t>(picture_id_),
                             static_cast<uint8_t>(key_frame_ ? 0x10 : 0x11)};
    const size_t size = RtpPacket::kFixedHeader + (level ? sizeof(block) : 0) + kPayload;
    PacketRef buffer = pool_.Allocate(size);
    uint8_t* at = std::copy(std::begin(header), std::end(header), buffer.data());
    if (level) at = std::copy(std::begin(block), std::end(block), at);
    std::copy(std::begin(start), std::end(start), at);
    auto packet = RtpPacket::Parse({buffer.data(), size});
    producer->OnRtp(buffer, *packet, environment.Now());
  }

  const Scenario scenario_;
  EngineEvents events_;
  PacketBufferPool pool_;
  std::shared_ptr<SenderClock> clock_ = std::make_shared<SenderClock>();
  Arena arena_;
  std::vector<std::unique_ptr<NullEgress>> egresses_;
  uint16_t sequence_ = 0;
  uint16_t picture_id_ = 0;
  bool key_frame_ = true;
};

void MeasureForwarding(const Scenario& scenario, int repetitions) {
  Room room(scenario);
  double best = std::numeric_limits<double>::max();
  const uint64_t before = room.sent();
  for (int i = 0; i < repetitions; ++i) best = std::min(best, room.Turn());
  const auto expected = static_cast<uint64_t>(repetitions) * kConsumers * kBurst;
  if (room.sent() - before != expected) {
    std::fprintf(stderr, "%s: packets were not forwarded\n", scenario.name);
    std::exit(1);
  }
  std::printf("  %-44s %6.1f ns/packet  %5zu bytes/consumer\n", scenario.name,
              best / (kConsumers * kBurst), room.consumers[0]->MemoryUsage());
}

void MeasureRepair(int repetitions) {
  Room room(kScenarios[2]);
  double best = std::numeric_limits<double>::max();
  for (int i = 0; i < repetitions; ++i) {
    room.Turn();
    room.Turn();  // earns more credit than is spent
    std::vector<rtcp::NackItem> items(kConsumers);
    for (size_t c = 0; c < kConsumers; ++c) {
      items[c] = {SeqNumber(room.last_sequence(c)) + (1 - static_cast<int>(kBurst)), 0xFF};
    }
    const uint64_t before = room.sent();
    const auto start = std::chrono::steady_clock::now();
    for (size_t c = 0; c < kConsumers; ++c) {
      room.consumers[c]->OnNack(0, {&items[c], 1}, room.environment.Now());
    }
    const std::chrono::duration<double, std::nano> spent = std::chrono::steady_clock::now() - start;
    best = std::min(best, spent.count());
    if (room.sent() - before != kConsumers * kBurst) {
      std::fprintf(stderr, "repair: packets were not sent again\n");
      std::exit(1);
    }
  }
  std::printf("  %-44s %6.1f ns/packet  %5zu bytes/consumer\n", "retransmission as RTX (NACK of 9)",
              best / (kConsumers * kBurst), room.consumers[0]->MemoryUsage());
}

/// Viewers that wait for a key frame beside the same viewers being served.
void MeasureWaiting(int repetitions) {
  Room room(kScenarios[2], kWaiting);
  constexpr size_t kPackets = kWaiting * kBurst;
  double forwarding = std::numeric_limits<double>::max();
  double waiting = std::numeric_limits<double>::max();
  for (int i = 0; i < repetitions; ++i) forwarding = std::min(forwarding, room.Turn());
  room.Restart();
  const uint64_t before = room.sent();
  for (int i = 0; i < repetitions; ++i) waiting = std::min(waiting, room.Turn());
  if (room.sent() != before) {
    std::fprintf(stderr, "waiting: packets were forwarded\n");
    std::exit(1);
  }
  const double reflector = bench::MeasureReflector(kReflected, kPayload, kReflectorTurns);
  std::printf(
      "  waiting viewers: %zu of them %.1f ns/packet, served %.1f: ratio %.2f; %.5f of what a "
      "plain "
      "sendto reflector needs\n",
      kWaiting, waiting / kPackets, forwarding / kPackets, waiting / forwarding,
      waiting / kPackets / reflector);
  if (waiting < forwarding) return;
  std::fprintf(stderr, "waiting: costs more than being served\n");
  std::exit(1);
}

/// What counting the forwarding delay costs for each packet received, whatever the number of
/// viewers: nanoseconds.
double MeasureDelayHistogram(int repetitions) {
  constexpr int kTurns = 100;  // measured together: one is shorter than the clock's step
  ForwardingDelay delay;
  double best = std::numeric_limits<double>::max();
  for (int i = 0; i < repetitions; ++i) {
    Timestamp now = Timestamp::Micros(1'000'000) + Duration::Micros(i);
    const auto start = std::chrono::steady_clock::now();
    for (int turn = 0; turn < kTurns; ++turn) {
      for (size_t packet = 0; packet < kBurst; ++packet) delay.OnForwarded(now);
      now = now + Duration::Micros(37 * (turn + 1));
      delay.OnFlushed(now);
    }
    const std::chrono::duration<double, std::nano> spent = std::chrono::steady_clock::now() - start;
    best = std::min(best, spent.count());
  }
  const DelayHistogram& histogram = delay.histogram();
  const auto counted =
      std::accumulate(histogram.counts.begin(), histogram.counts.end(), uint64_t{0});
  if (counted != static_cast<uint64_t>(repetitions) * kTurns * kBurst) {
    std::fprintf(stderr, "delay histogram: packets were not counted\n");
    std::exit(1);
  }
  const double each = best / (kTurns * kBurst);
  std::printf("  %-44s %6.1f ns/packet received\n", "histogram of forwarding delays", each);
  return each;
}

struct Options {
  bool check = false;
  int repetitions = 2000;
};

Options Parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--check") {
      options.check = true;
    } else if (const int number = std::atoi(argv[i]); number > 0) {
      options.repetitions = number;
    } else {
      std::fputs("Usage: consumer_bench [--check] [repetitions]\n",
                 argument == "--help" ? stdout : stderr);
      std::exit(argument == "--help" ? 0 : 2);
    }
  }
  return options;
}

}  // namespace
}  // namespace sluice::worker

int main(int argc, char** argv) {
  const auto [check, repetitions] = sluice::worker::Parse(argc, argv);
  std::printf("consumer: %zu consumers, turns of %zu packets of %zu bytes, minimum of %d turns\n",
              sluice::worker::kConsumers, sluice::worker::kBurst, sluice::worker::kPayload,
              repetitions);
  for (const auto& scenario : sluice::worker::kScenarios)
    sluice::worker::MeasureForwarding(scenario, repetitions);
  sluice::worker::MeasureRepair(repetitions);
  sluice::worker::MeasureWaiting(repetitions / 4 + 1);
  const double counting = sluice::worker::MeasureDelayHistogram(repetitions);
  std::printf("  sizes: SendStream %zu (SequenceRewriter %zu, SendStatistics %zu)\n",
              sizeof(sluice::worker::SendStream), sizeof(sluice::worker::SequenceRewriter),
              sizeof(sluice::worker::SendStatistics));
  if (!check || counting < sluice::worker::kMaxCounting) return 0;
  std::fprintf(stderr, "histogram of forwarding delays: over its limit of %.0f ns\n",
               sluice::worker::kMaxCounting);
  return 1;
}
