#pragma once

#include <sys/socket.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <vector>

#include "common/fd.h"

namespace sluice::worker::bench {

/// When the packet with each of the last 65536 sequence numbers was sent, CLOCK_REALTIME ns.
using SendTimes = std::array<uint64_t, 65'536>;

/// Reads the sockets of all viewers and throws away what comes. UDP_GRO is on, so a GSO message is
/// received as it was sent. Some viewers are sampled: the kernel's receive time of their packets,
/// less the time at which the source sent them, is the forwarding delay.
///
/// The numbers of a viewer's packets differ from the source's by a constant that is random per
/// viewer, and all but the header is encrypted: StartCalibration(), one packet, and it is known.
class UdpSinks {
 public:
  explicit UdpSinks(size_t max_sampled) : max_sampled_(max_sampled) {}
  /// The descriptors stay the caller's, and open.
  void Open(const std::vector<int>& fds);

  /// Reads what is there, at most one batch of sockets; false when there was nothing.
  bool Poll();
  /// Reads everything that is there.
  void Drain() {
    while (Poll()) {
    }
  }
  void StartCalibration(uint16_t source_sequence);
  bool calibrated() const { return calibrating_ == 0; }
  /// Samples delays from now on, against `times`; null: not.
  void Sample(const SendTimes* times) { times_ = times; }

  uint64_t packets() const { return packets_.load(std::memory_order_relaxed); }
  std::vector<uint64_t>& delays() { return delays_; }

 private:
  static constexpr size_t kBatch = 16;            // messages of one recvmmsg
  static constexpr size_t kSampleBytes = 65'536;  // a GSO message

  struct Sink {
    int fd = -1;
    bool sampled = false;
    std::optional<uint16_t> offset;  // viewer's sequence number − source's
  };
  struct alignas(cmsghdr) Control {
    uint8_t bytes[CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(timespec))];
  };
  struct Arrival {
    size_t segment_size = 0;
    uint64_t at_ns = 0;  // CLOCK_REALTIME; 0 = unknown
  };

  void Read(Sink& sink);
  static Arrival ReadControl(msghdr& header, size_t size);
  void Inspect(Sink& sink, const uint8_t* bytes, size_t size, const Arrival& arrival);

  const size_t max_sampled_;
  Fd epoll_;
  std::vector<Sink> sinks_;
  size_t calibrating_ = 0;  // sampled sinks without an offset
  uint16_t calibration_sequence_ = 0;
  const SendTimes* times_ = nullptr;
  std::atomic<uint64_t> packets_{0};
  std::vector<uint64_t> delays_;
  std::vector<uint8_t> bytes_ = std::vector<uint8_t>(kBatch * kSampleBytes);
  std::array<mmsghdr, kBatch> headers_{};
  std::array<iovec, kBatch> pieces_{};
  std::array<Control, kBatch> controls_{};
};

}  // namespace sluice::worker::bench
