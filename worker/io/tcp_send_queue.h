#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "common/units.h"
#include "worker/core/packet_writer.h"
#include "worker/io/receiver_backlog.h"

namespace sluice::worker {

/// How much of a TCP stream the kernel and the network hold, and for how long: what has been given
/// to the kernel cannot be taken back, so what is given decides how old media becomes.
///
/// The kernel may have kMaxUnsent bytes that it has not sent. The network, whose slowest link has a
/// queue that TCP would fill, may have what it delivers in kMaxInFlight, at the rate at which the
/// latest bytes were acknowledged; and nothing more is given while the oldest byte is older than
/// kMaxInFlight, since the rate may have fallen. With ReceiverBacklog::kMaxAge before it, media is
/// less than a second old when it arrives.
///
/// The rate is measured here: the kernel's own estimate (TCP_INFO) keeps the highest that it has
/// seen while the sender holds back, which the burst of an idle link makes far too high.
class TcpFlow {
 public:
  /// Bytes: seven full packets, 130 ms at 500 kbit/s. TCP_NOTSENT_LOWAT of tcp(7) is set to it.
  static constexpr int kMaxUnsent = 8 * 1024;
  /// On a path with a longer round trip it costs throughput, and nothing else.
  static constexpr Duration kMaxInFlight = Duration::Millis(200);
  /// Bytes that are always given: three full packets, with which the rate is measured at first.
  static constexpr int kMinInFlight = 4 * 1024;
  /// Writes closer to each other than this are one to the measurement: bounds its size.
  static constexpr Duration kResolution = Duration::Millis(5);

  explicit TcpFlow(int fd) : fd_(fd) {}
  /// Sets the socket's options.
  void Prepare();

  enum class Limit : uint8_t {
    kNone,
    kUnsentFull,    ///< the socket becomes writable when there is room
    kInFlightFull,  ///< nothing tells when there is: look again a little later
  };
  struct Room {
    int64_t bytes = 0;  ///< that may be given now; 0: why not
    Limit limit = Limit::kNone;
  };
  Room Check(Timestamp now);
  /// `bytes` more were given to the kernel.
  void OnWritten(size_t bytes, Timestamp now);

 private:
  struct Mark {
    uint64_t end;   // bytes given to the kernel up to then
    int64_t ahead;  // of which were not acknowledged then
    Timestamp at;
  };
  /// Takes note that all bytes before `acknowledged` have arrived.
  void OnAcknowledged(uint64_t acknowledged, Timestamp now);
  /// What the path would take in kMaxInFlight if `mark` were acknowledged now.
  static int64_t InFlightBy(const Mark& mark, Timestamp now);

  const int fd_;
  uint64_t written_ = 0;
  uint64_t acknowledged_ = 0;
  uint64_t measured_ = 0;                 // end of the latest mark that was acknowledged
  int64_t max_in_flight_ = kMinInFlight;  // by the latest bytes that were acknowledged
  std::deque<Mark> unacknowledged_;
};

/// What one TCP connection has to send, framed by RFC 4571 (a 16-bit length before each packet):
/// the packet of which a part has been sent, then all that is not video, then video by frames.
class TcpSendQueue {
 public:
  /// Bytes, beside the packet in progress. Half a second at 4 Mbit/s.
  static constexpr size_t kMaxBytes = 256 * 1024;

  explicit TcpSendQueue(DropStats& drops) : drops_(drops), held_(drops) {}

  bool empty() const { return !in_progress() && held_.empty(); }
  /// A packet has been taken out by Next() and not been sent to its end.
  bool in_progress() const { return current_sent_ < current_.size(); }
  /// Bytes held, kOverhead of each packet included.
  size_t cost() const { return (in_progress() ? current_.size() : 0) + held_.cost(); }
  ReceiverBacklog& held() { return held_; }

  /// Keeps a copy of the packet, dropping video where room is wanted, else the packet (counted).
  void Add(std::span<const uint8_t> packet, PacketKind kind, Timestamp now);
  /// Keeps what is left of a framed packet whose first bytes have been sent: it goes first,
  /// whatever becomes of the others. Only when none is in progress.
  void AddRest(std::span<const uint8_t> rest);

  /// Bytes to send next: the rest of the packet in progress, or the next one with its frame header.
  /// Empty when nothing is left that is young enough.
  std::span<const uint8_t> Next(Timestamp now);
  /// The first `bytes` of Next() have been sent.
  void OnSent(size_t bytes) { current_sent_ += bytes; }

 private:
  DropStats& drops_;
  ReceiverBacklog held_;
  std::vector<uint8_t> current_;  // the packet in progress
  size_t current_sent_ = 0;
};

}  // namespace sluice::worker
