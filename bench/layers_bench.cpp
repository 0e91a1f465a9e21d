// What layers cost: consumers of simulcast and of SVC against consumers of one encoding without
// layers that forward packets of the same kind, per forwarded packet, in one run and turn by turn;
// and whether switching layers leaves memory behind. Egress drops the packets: encryption and
// sockets, which cost all alike and several times as much, are not in the numbers.
//
//   layers_bench [--check] [--blocks N] [--switches N]
#include <malloc.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "bench/must.h"
#include "tests/sim/layer_source.h"
#include "tests/sim/virtual_environment.h"
#include "worker/core/packet_buffer.h"
#include "worker/core/rtp/sender_clock.h"
#include "worker/media/consumer.h"
#include "worker/media/engine_events.h"
#include "worker/media/producer.h"
#include "worker/wire/rtp_packet.h"

namespace sluice::worker::bench {
namespace {

constexpr const char* kHelp =
    R"(layers_bench: consumers of layers against consumers without, and memory over layer switches.

  --check         exit with 1 unless every ratio is at most 1.15 and switches leave memory flat
  --blocks N      blocks of 50 turns that each ratio is the best of (60)
  --switches N    layer switches, simulcast and SVC each (100000)
  --only TEXT     only shapes with this in their name, for a profiler
)";

constexpr size_t kConsumers = 200;
constexpr int kTurnsPerBlock = 50;
constexpr int kBurst = 9;  // packets of a picture
constexpr double kMaxRatio = 1.15;
constexpr size_t kMaxGrowth = 4096;  // bytes of heap over all switches: the allocator's own
constexpr uint8_t kPayloadType = 96;
constexpr uint8_t kDescriptorId = 9;
constexpr size_t kPayload = 1100;  // bytes; those of a frame's packets but the last are as long
constexpr Duration kFrame = Duration::Millis(33);
using Spatial = LayerStructure::Spatial;

/// Takes packets and drops them.
class NullEgress final : public RtpEgress {
 public:
  explicit NullEgress(std::vector<uint8_t>& arena) : arena_(arena) {}
  bool connected() const override { return true; }
  uint8_t* BeginRtp(size_t capacity) override {
    if (at_ + capacity > arena_.size()) at_ = 0;
    return arena_.data() + at_;
  }
  uint32_t EndRtp(const OutgoingRtp& packet) override {
    at_ += (packet.header_size + packet.payload.size() + 63) / 64 * 64;
    ++packets;
    return kNoNumber;
  }
  uint64_t packets = 0;

 private:
  std::vector<uint8_t>& arena_;
  size_t at_ = 0;
};

/// One producer of these layers and many consumers. `simple`: of consumers that are told of no
/// layers and take all.
class Room final : private ProducerHost {
 public:
  Room(const LayerStructure& structure, bool simple, size_t consumers) : structure_(structure) {
    for (int i = 0; i < structure.encodings; ++i) encoders_.emplace_back(structure, i, 7);
    CreateProducer();
    for (size_t i = 0; i < consumers; ++i) {
      egresses_.push_back(std::make_unique<NullEgress>(arena_));
      CreateConsumer(static_cast<uint32_t>(100'000 + 2 * i), simple, *egresses_.back());
    }
    Turn(true);
  }
  ~Room() override { consumers_.clear(); }

  /// Receives a picture of each encoding and forwards it; nanoseconds of the forwarding.
  double Turn(bool key) {
    environment_.AdvanceBy(kFrame);
    ++picture_;
    frames_.clear();
    for (LayerEncoder& encoder : encoders_) {
      const auto encoding = static_cast<uint32_t>(&encoder - encoders_.data());
      const auto packets =
          encoder.Encode(picture_, environment_.Now().us(), key, structure_.spatial, &frames_);
      for (const SourcePacket& packet : packets) Receive(packet, SsrcOf(encoding));
    }
    const auto start = std::chrono::steady_clock::now();
    producer_->DeliverTurn(environment_.Now());
    const std::chrono::duration<double, std::nano> spent = std::chrono::steady_clock::now() - start;
    return spent.count();
  }
  /// Nanoseconds per forwarded packet of a block of turns.
  double Block() {
    const uint64_t before = sent();
    double spent = 0;
    for (int i = 0; i < kTurnsPerBlock; ++i) spent += Turn(false);
    const uint64_t packets = sent() - before;
    if (packets == 0) Die("nothing was forwarded");
    return spent / static_cast<double>(packets);
  }
  void Prefer(uint8_t spatial, uint8_t temporal) {
    for (auto& consumer : consumers_) consumer->SetPreferredLayers({spatial, temporal});
  }
  uint64_t sent() const {
    uint64_t all = 0;
    for (const auto& egress : egresses_) all += egress->packets;
    return all;
  }
  size_t consumer_bytes() const { return consumers_[0]->MemoryUsage(); }
  uint64_t changes() const { return events_.changes; }
  /// Of the buffers that the producer's rings hold; as many as came in two seconds.
  size_t pool_bytes() const { return pool_.allocated_bytes(); }

 private:
  struct Events final : EngineEvents {
    void OnConsumerLayers(const std::string& /*id*/,
                          const std::optional<ConsumerLayers>& /*layers*/) override {
      ++changes;
    }
    uint64_t changes = 0;
  };

  static uint32_t SsrcOf(uint32_t encoding) { return 1000 + encoding; }
  void SendRtcpToProducer(std::span<const uint8_t> /*compound*/) override {}
  void ScheduleDelivery(Producer& /*producer*/) override {}
  void OnSsrcLearned(Producer& /*producer*/, Ssrc /*ssrc*/) override {}
  std::shared_ptr<SenderClock> ClockOf(const std::string& /*cname*/) override { return clock_; }

  RtpCodecParameters Codec() const {
    RtpCodecParameters codec;
    codec.mime_type = structure_.codec == CodecKind::kVp8   ? "video/VP8"
                      : structure_.codec == CodecKind::kVp9 ? "video/VP9"
                                                            : "video/AV1";
    codec.clock_rate = 90'000;
    codec.payload_type = kPayloadType;
    codec.rtcp_feedback = {{"nack", ""}, {"nack", "pli"}};
    return codec;
  }
  void AddDescriptor(RtpParameters* parameters) const {
    if (!structure_.descriptors) return;
    parameters->header_extensions.push_back(
        {RtpExtensionUri::kDependencyDescriptor, kDescriptorId, false, {}});
  }

  void CreateProducer() {
    ProduceOptions options;
    options.producer_id = "producer";
    options.kind = MediaKind::kVideo;
    options.rtp_parameters.codecs = {Codec()};
    options.rtp_parameters.rtcp.cname = "bench";
    options.rtp_mapping.codecs = {{kPayloadType, kPayloadType}};
    AddDescriptor(&options.rtp_parameters);
    for (uint32_t i = 0; i < encoders_.size(); ++i) {
      RtpEncodingParameters& encoding = options.rtp_parameters.encodings.emplace_back();
      encoding.ssrc = SsrcOf(i);
      encoding.scalability_mode = structure_.ScalabilityMode();
      options.rtp_mapping.encodings.push_back({"", SsrcOf(i), SsrcOf(i)});
    }
    producer_ = Must(Producer::Create(options, *this, environment_, events_));
  }

  void CreateConsumer(uint32_t ssrc, bool simple, RtpEgress& egress) {
    ConsumeOptions options;
    options.consumer_id = "7d444840-9dc0-11d1-b245-5ffdce74fad2";  // as long as a real one
    options.producer_id = "producer";
    options.kind = MediaKind::kVideo;
    options.rtp_parameters.codecs = {Codec()};
    options.rtp_parameters.rtcp.cname = "bench";
    options.rtp_parameters.mid = "0";
    options.rtp_parameters.header_extensions.push_back({RtpExtensionUri::kMid, 1, false, {}});
    AddDescriptor(&options.rtp_parameters);
    options.rtp_parameters.encodings.resize(1);
    options.rtp_parameters.encodings[0].ssrc = ssrc;
    if (!simple) {
      options.rtp_parameters.encodings[0].scalability_mode =
          structure_.encodings > 1 ? "L" + std::to_string(structure_.encodings) + "T" +
                                         std::to_string(structure_.temporal)
                                   : structure_.ScalabilityMode();
    }
    for (uint32_t i = 0; i < encoders_.size(); ++i) {
      RtpEncodingParameters& consumable = options.consumable_rtp_encodings.emplace_back();
      consumable.ssrc = SsrcOf(i);
      if (!simple) consumable.scalability_mode = structure_.ScalabilityMode();
    }
    consumers_.push_back(
        Must(Consumer::Create(options, *producer_, egress, environment_, events_)));
  }

  void Receive(const SourcePacket& packet, uint32_t ssrc) {
    std::vector<uint8_t> head = {static_cast<uint8_t>(packet.descriptor.empty() ? 0x80 : 0x90),
                                 static_cast<uint8_t>((packet.marker ? 0x80 : 0) | kPayloadType),
                                 static_cast<uint8_t>(packet.sequence >> 8),
                                 static_cast<uint8_t>(packet.sequence)};
    for (const uint32_t value : {packet.timestamp, ssrc}) {
      for (int shift = 24; shift >= 0; shift -= 8) {
        head.push_back(static_cast<uint8_t>(value >> shift));
      }
    }
    if (!packet.descriptor.empty()) {
      const size_t words = (2 + packet.descriptor.size() + 3) / 4;
      head.insert(head.end(),
                  {0x10, 0x00, static_cast<uint8_t>(words >> 8), static_cast<uint8_t>(words),
                   kDescriptorId, static_cast<uint8_t>(packet.descriptor.size())});
      head.insert(head.end(), packet.descriptor.begin(), packet.descriptor.end());
      head.resize(RtpPacket::kFixedHeader + 4 + words * 4);
    }
    const size_t filler = kPayload - std::min(kPayload, packet.payload.size());
    const size_t size = head.size() + packet.payload.size() + filler;
    PacketRef buffer = pool_.Allocate(size);
    uint8_t* at = std::copy(head.begin(), head.end(), buffer.data());
    at = std::copy(packet.payload.begin(), packet.payload.end(), at);
    std::fill_n(at, filler, uint8_t{1});
    auto parsed = RtpPacket::Parse({buffer.data(), size});
    if (!parsed) Die("a packet is no RTP");
    producer_->OnRtp(buffer, *parsed, environment_.Now());
  }

  const LayerStructure structure_;
  VirtualEnvironment environment_;
  Events events_;
  PacketBufferPool pool_;
  std::shared_ptr<SenderClock> clock_ = std::make_shared<SenderClock>();
  std::vector<uint8_t> arena_ = std::vector<uint8_t>(256 * 1024);
  std::vector<std::unique_ptr<NullEgress>> egresses_;
  std::vector<LayerEncoder> encoders_;
  std::map<uint32_t, TrueFrame> frames_;
  std::unique_ptr<Producer> producer_;
  std::vector<std::unique_ptr<Consumer>> consumers_;
  uint32_t picture_ = 0;
};

LayerStructure Structure(CodecKind codec, int encodings, int spatial, int temporal,
                         bool descriptors, Spatial mode = Spatial::kFull) {
  LayerStructure structure;
  structure.codec = codec;
  structure.encodings = encodings;
  structure.spatial = spatial;
  structure.temporal = temporal;
  structure.descriptors = descriptors;
  structure.mode = mode;
  structure.packets = kBurst / spatial;
  return structure;
}

/// Of what a producer sends to consumers of layers, as much as consumers that know of no layers are
/// to forward beside them: as many packets of the same kind. With K-SVC all but the highest spatial
/// layer is left out between key pictures; looking at that and leaving it out is part of what
/// layers cost.
LayerStructure SimpleOf(const LayerStructure& structure) {
  LayerStructure simple = structure;
  simple.encodings = 1;
  if (structure.mode == Spatial::kKey) simple.spatial = 1;
  return simple;
}

/// Block by block with consumers that forward as many packets without knowing of layers.
bool Compare(const char* name, const LayerStructure& structure, int blocks) {
  Room simple(SimpleOf(structure), true, kConsumers);
  Room layered(structure, false, kConsumers);
  double best_simple = std::numeric_limits<double>::max();
  double best_layered = std::numeric_limits<double>::max();
  const uint64_t simple_before = simple.sent();
  const uint64_t layered_before = layered.sent();
  for (int i = 0; i < blocks; ++i) {
    best_simple = std::min(best_simple, simple.Block());
    best_layered = std::min(best_layered, layered.Block());
  }
  if (simple.sent() - simple_before != layered.sent() - layered_before) {
    Die("what is compared has not forwarded as many packets");
  }
  const double ratio = best_layered / best_simple;
  std::printf(
      "  %-40s %6.1f ns/packet, simple %6.1f: ratio %.3f  %6zu bytes/consumer, simple %zu\n", name,
      best_layered, best_simple, ratio, layered.consumer_bytes(), simple.consumer_bytes());
  std::fflush(stdout);
  return ratio <= kMaxRatio;
}

size_t HeapInUse() {
  const struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

/// One viewer that changes its layers with every picture, which is a key picture.
bool Switch(const char* name, const LayerStructure& structure, int switches) {
  Room room(structure, false, 1);
  const int highest = (structure.encodings > 1 ? structure.encodings : structure.spatial) - 1;
  const auto once = [&](int i) {
    room.Prefer(static_cast<uint8_t>(i % 2 == 0 ? 0 : highest),
                static_cast<uint8_t>(i % structure.temporal));
    room.Turn(true);
  };
  const int warm_up = 2000;  // rings and pools reach their size
  for (int i = 0; i < warm_up; ++i) once(i);
  const size_t heap = HeapInUse();
  const size_t pool = room.pool_bytes();
  const size_t bytes = room.consumer_bytes();
  const uint64_t changes = room.changes();
  for (int i = 0; i < switches; ++i) once(i);
  const auto growth = static_cast<int64_t>(HeapInUse()) - static_cast<int64_t>(heap) -
                      static_cast<int64_t>(room.pool_bytes() - pool);
  std::printf(
      "  %-40s %d switches asked, %llu layers changes seen: heap %+lld bytes beside packet "
      "buffers, consumer %zu "
      "bytes before, %zu after\n",
      name, switches, static_cast<unsigned long long>(room.changes() - changes),
      static_cast<long long>(growth), bytes, room.consumer_bytes());
  std::fflush(stdout);
  const bool switched = room.changes() - changes >= static_cast<uint64_t>(switches) * 9 / 10;
  return switched && growth <= static_cast<int64_t>(kMaxGrowth) && bytes == room.consumer_bytes();
}

struct Shape {
  const char* name;
  LayerStructure structure;
};

int Run(bool check, int blocks, int switches, std::string_view only) {
  const Shape shapes[] = {
      {"VP8 simulcast x3, L1T3", Structure(CodecKind::kVp8, 3, 1, 3, false)},
      {"VP8 simulcast x3, L1T3, descriptors", Structure(CodecKind::kVp8, 3, 1, 3, true)},
      {"VP9 L3T3", Structure(CodecKind::kVp9, 1, 3, 3, false)},
      {"VP9 L3T3_KEY, descriptors", Structure(CodecKind::kVp9, 1, 3, 3, true, Spatial::kKey)},
      {"AV1 L3T3, descriptors", Structure(CodecKind::kAv1, 1, 3, 3, true)},
      {"AV1 L1T3", Structure(CodecKind::kAv1, 1, 1, 3, false)},
  };
  std::printf(
      "layers: %zu consumers, best of %d blocks of %d turns, each beside a simple consumer's\n",
      kConsumers, blocks, kTurnsPerBlock);
  bool cheap = true;
  for (const Shape& shape : shapes) {
    if (std::string_view(shape.name).find(only) == std::string_view::npos) continue;
    cheap &= Compare(shape.name, shape.structure, blocks);
  }
  std::printf("layer switches of one viewer\n");
  bool flat = true;
  for (const size_t index : {size_t{0}, size_t{4}}) {
    const Shape& shape = shapes[index];
    if (std::string_view(shape.name).find(only) == std::string_view::npos) continue;
    flat &= Switch(shape.name, shape.structure, switches);
  }
  if (!check) return 0;
  std::printf("check: cost %s, memory %s\n", cheap ? "ok" : "FAILED", flat ? "ok" : "FAILED");
  return cheap && flat ? 0 : 1;
}

}  // namespace
}  // namespace sluice::worker::bench

int main(int argc, char** argv) {
  using namespace sluice::worker::bench;
  bool check = false;
  int blocks = 60;
  int switches = 100'000;
  std::string_view only;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    const int number = i + 1 < argc ? std::atoi(argv[i + 1]) : 0;
    if (argument == "--check") {
      check = true;
    } else if (argument == "--blocks" && number > 0) {
      blocks = number;
      ++i;
    } else if (argument == "--switches" && number > 0) {
      switches = number;
      ++i;
    } else if (argument == "--only" && i + 1 < argc) {
      only = argv[++i];
    } else {
      std::fputs(kHelp, argument == "--help" ? stdout : stderr);
      return argument == "--help" ? 0 : 2;
    }
  }
  return Run(check, blocks, switches, only);
}
