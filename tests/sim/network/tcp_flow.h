#pragma once

#include <cstdint>
#include <map>
#include <memory>

#include "tests/sim/network/link_model.h"
#include "tests/sim/virtual_environment.h"

namespace sluice::worker {

/// A competing flow with the congestion control of TCP (RFC 5681, RFC 6582 in outline): slow start,
/// one packet more per round trip, half the window at a loss, one packet after a timeout. Its
/// acknowledgements take `return_delay` and are never lost.
class TcpFlow {
 public:
  static constexpr size_t kPacket = 1500;   // bytes
  static constexpr double kMaxWindow = 64;  // packets: 96 kB, the window that hosts often offer

  TcpFlow(VirtualEnvironment& environment, LinkModel& link, Duration return_delay);
  TcpFlow(const TcpFlow&) = delete;
  TcpFlow& operator=(const TcpFlow&) = delete;
  ~TcpFlow();

  /// Has so many bytes more to send, with the window of a new connection if it was idle.
  void Send(uint64_t bytes);
  bool idle() const { return to_send_ == 0 && in_flight_.empty(); }
  uint64_t delivered_bytes() const { return delivered_bytes_; }
  uint64_t losses() const { return losses_; }

 private:
  static constexpr double kFirstWindow = 10;  // RFC 6928
  static constexpr uint64_t kDuplicates = 3;  // acknowledgements behind it: a packet is lost
  static constexpr Duration kMinTimeout = Duration::Millis(1000);  // RFC 6298 §2.4

  void Fill();
  void OnAck(uint64_t number);
  void OnLoss(uint64_t number);
  void OnTimeout();

  VirtualEnvironment& environment_;
  LinkModel& link_;
  const Duration return_delay_;
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  std::unique_ptr<Timer> timeout_;
  std::map<uint64_t, Timestamp> in_flight_;
  uint64_t to_send_ = 0;
  uint64_t next_number_ = 0;
  uint64_t recovery_until_ = 0;  ///< losses of earlier packets belong to the last one
  double window_ = kFirstWindow;
  double threshold_ = kMaxWindow;
  uint64_t delivered_bytes_ = 0;
  uint64_t losses_ = 0;
};

}  // namespace sluice::worker
