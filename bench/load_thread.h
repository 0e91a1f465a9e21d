#pragma once

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "bench/forwarding_path.h"
#include "bench/udp_sinks.h"
#include "common/fd.h"

namespace sluice::worker::bench {

/// What the two threads of a benchmark run on.
struct Placement {
  int worker_cpu = -1;  ///< -1: not pinned
  int load_cpu = -1;
};
/// Pins the calling thread. False when the system does not allow it.
bool PinThisThread(int cpu);
/// Nice -20 for this thread and those that it starts. False when this user may not.
bool RaisePriority();

/// Real-time priority for the calling thread, which must sleep now and then: a thread that never
/// does keeps the kernel's own threads from delivering packets.
class RealtimeScope {
 public:
  explicit RealtimeScope(bool enabled);
  ~RealtimeScope();
  RealtimeScope(const RealtimeScope&) = delete;
  RealtimeScope& operator=(const RealtimeScope&) = delete;

 private:
  const bool enabled_;
};

/// The other end of a ForwardingPath, on the other core: a source that sends the frames of one
/// video as bursts of equal packets, and the viewers' sinks.
class LoadThread {
 public:
  static constexpr size_t kBurst = 9;             // packets: a frame of 2.6 Mbit/s at 30 fps
  static constexpr size_t kPacketSize = 1200;     // bytes of RTP, header included
  static constexpr size_t kMaxSampledSinks = 25;  // whose packets are timed, spread over all

  LoadThread(ForwardingPath& path, const Placement& placement);

  /// Bursts back to back: the next one is sent as soon as the worker has read the last, so that it
  /// always finds exactly one waiting.
  void StartBackToBack() { Start(0); }
  /// One burst every `interval_ns`; delays are sampled.
  void StartPaced(uint64_t interval_ns) { Start(interval_ns); }
  /// The load has begun: what was sent before has arrived. Any thread may ask; the worker must run
  /// for it to become true.
  bool ready() const { return ready_; }
  void Stop();

  /// Packets that came out at the viewers.
  uint64_t delivered() const { return sinks_.packets(); }
  /// From the source's send call to the arrival at the viewer, ns. Grows with every paced run.
  std::vector<uint64_t>& delays() { return sinks_.delays(); }

 private:
  void Start(uint64_t interval_ns);
  void Main(uint64_t interval_ns);
  void Calibrate();
  void SendBurst(size_t packets);
  void WritePacket(uint8_t* packet, bool first, bool last);

  ForwardingPath& path_;
  const Placement placement_;
  Fd socket_;
  UdpSinks sinks_;
  SendTimes send_times_;
  std::vector<uint8_t> burst_;
  uint16_t sequence_ = 0;
  uint32_t frame_ = 0;
  uint64_t sent_ = 0;
  const uint64_t read_before_;  // what the worker had read before there was a load
  std::atomic<bool> ready_{false};
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace sluice::worker::bench
