#include "bench/memory_breakdown.h"

#include <malloc.h>

#include <cstdio>
#include <memory>

#include "bench/layer_room.h"
#include "bench/must.h"
#include "bench/sctp_pair.h"
#include "worker/core/rtp/packet_ring.h"
#include "worker/media/producer.h"

namespace sluice::worker::bench {
namespace {

constexpr uint64_t kFrameInterval = 1'000'000'000 / 30;  // ns
constexpr Duration kPlayTime = Duration::Seconds(3);     // fills the ring
constexpr double kKib = 1024;

size_t HeapInUse() {
  const struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

/// What of a viewer's DTLS step is SRTP: a sender and a receiver, on their own.
double SrtpSessionBytes() {
  constexpr SrtpProfile kProfile = SrtpProfile::kAeadAes128Gcm;
  const SrtpMasterKey key{
      kProfile, std::vector<uint8_t>(SrtpKeyLength(kProfile) + SrtpSaltLength(kProfile), 7)};
  const auto engine = Must(SrtpEngine::Create());
  std::vector<std::unique_ptr<SrtpSender>> senders(MemoryBreakdown::kViewers);
  std::vector<std::unique_ptr<SrtpReceiver>> receivers(MemoryBreakdown::kViewers);
  const size_t before = HeapInUse();
  for (size_t i = 0; i < MemoryBreakdown::kViewers; ++i) {
    senders[i] = Must(SrtpSender::Create(key, *engine));
    receivers[i] = Must(SrtpReceiver::Create(key));
  }
  return static_cast<double>(HeapInUse() - before) / MemoryBreakdown::kViewers;
}

/// What data channels add to a viewer: its end of a connected SCTP association, over which one
/// message has gone.
double DataChannelBytes() {
  constexpr size_t kPairs = MemoryBreakdown::kViewers / 2;  // a viewer is an end
  VirtualEnvironment environment;
  const std::unique_ptr<SctpStack> stack = Must(SctpStack::Create(environment));
  const auto message = std::make_shared<const std::vector<uint8_t>>(size_t{100}, uint8_t{7});
  std::vector<std::unique_ptr<SctpPair>> pairs;
  const size_t before = HeapInUse();
  for (size_t i = 0; i < kPairs; ++i) {
    pairs.push_back(std::make_unique<SctpPair>(environment, *stack));
    pairs.back()->Start();
    environment.AdvanceBy(Duration::Millis(7));
  }
  environment.AdvanceBy(Duration::Seconds(1));
  for (const auto& pair : pairs) {
    if (!pair->connected() || !pair->Send(message)) Die("an association is not connected");
  }
  environment.AdvanceBy(Duration::Seconds(1));
  malloc_trim(0);
  return static_cast<double>(HeapInUse() - before) / (2 * kPairs);
}

/// What a video consumer takes that has forwarded for ten seconds, and is the only one of its
/// producer: those in the same state would share what remembers frames.
double ConsumerBytes(const LayerStructure& structure, bool simple) {
  constexpr size_t kRooms = 20;
  constexpr int kTurns = 300;
  double bytes = 0;
  for (size_t i = 0; i < kRooms; ++i) {
    LayerRoom room(structure, simple, /*consumers=*/1);
    for (int turn = 0; turn < kTurns; ++turn) room.Turn(turn % 100 == 0);
    const size_t before = HeapInUse();
    room.Empty();
    bytes += static_cast<double>(before - HeapInUse());
  }
  return bytes / kRooms;
}

void MeasureConsumers(MemoryBreakdown* memory) {
  LayerStructure simulcast;
  simulcast.encodings = simulcast.temporal = simulcast.packets = 3;
  LayerStructure svc;
  svc.codec = CodecKind::kVp9;
  svc.spatial = svc.temporal = svc.packets = 3;
  svc.mode = LayerStructure::Spatial::kKey;
  memory->simulcast_consumer_bytes = ConsumerBytes(simulcast, /*simple=*/false);
  memory->svc_consumer_bytes = ConsumerBytes(svc, /*simple=*/false);
  memory->simple_consumer_bytes = ConsumerBytes(svc, /*simple=*/true);
}

}  // namespace

MemoryBreakdown MemoryBreakdown::Measure(const Placement& placement) {
  MemoryBreakdown memory;
  const double srtp = SrtpSessionBytes();
  memory.data_channel_bytes = DataChannelBytes();
  MeasureConsumers(&memory);
  ForwardingPath path(kBatchedPath, SrtpProfile::kAeadAes128Gcm, kViewers);
  size_t before = HeapInUse();
  const auto step = [&](const char* name) {
    const size_t now = HeapInUse();
    const double bytes = (static_cast<double>(now) - static_cast<double>(before)) / kViewers;
    memory.steps.push_back({name, bytes});
    memory.total_per_viewer += bytes;
    before = now;
  };
  path.CreateTransports();
  step("WebRTC transport, ICE, RTCP");
  path.ConnectViewers();
  step("DTLS, connected");
  memory.steps.back().bytes_per_viewer -= srtp;
  memory.steps.push_back({"SRTP sender and receiver", srtp});
  path.ConsumeAudio();
  step("audio consumer");
  path.ConsumeVideo();
  step("video consumer");

  LoadThread load(path, placement);
  const size_t pool_before = path.buffers().allocated_bytes();
  before = HeapInUse();
  load.StartPaced(kFrameInterval);
  path.RunUntil([&load] { return load.ready(); });
  path.Run(kPlayTime);
  load.Stop();
  const PacketRing& store = *path.video().ring(0);
  memory.store_packets = store.size();
  memory.store_ring_bytes = store.RingBytes();
  memory.store_held_bytes = store.HeldBytes();
  memory.pool_bytes = path.buffers().allocated_bytes();
  before += memory.pool_bytes - pool_before + memory.store_ring_bytes;
  step("first use (SSRC state, queues)");
  return memory;
}

void MemoryBreakdown::Print() const {
  std::printf("\nMemory per viewer, bytes of heap (mean of %zu viewers on one port)\n", kViewers);
  for (const Step& each : steps) {
    std::printf("  %-32s %8.0f\n", each.name.c_str(), each.bytes_per_viewer);
  }
  std::printf("  %-32s %8.0f = %.1f KiB, target %zu KiB: %s\n", "total", total_per_viewer,
              total_per_viewer / kKib, kTarget / 1024,
              total_per_viewer < kTarget ? "met" : "MISSED");
  std::printf("  %-32s %8.0f = %.1f KiB, not counted above\n", "what a data channel adds",
              data_channel_bytes, data_channel_bytes / kKib);
  std::printf("  %-32s %8.0f simulcast, %.0f K-SVC; one without layers %.0f\n",
              "layered consumer, filter its own", simulcast_consumer_bytes, svc_consumer_bytes,
              simple_consumer_bytes);
  std::printf(
      "Shared by all viewers: ring of %zu packets (2 s), %.1f KiB ring + "
      "%.1f KiB packets; buffer pool %.1f KiB in all\n",
      store_packets, static_cast<double>(store_ring_bytes) / kKib,
      static_cast<double>(store_held_bytes) / kKib, static_cast<double>(pool_bytes) / kKib);
}

}  // namespace sluice::worker::bench
