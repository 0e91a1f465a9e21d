#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "common/units.h"
#include "worker/core/bwe/sent_packet_history.h"
#include "worker/core/environment.h"
#include "worker/core/packet_writer.h"
#include "worker/core/srtp/srtp_session.h"
#include "worker/media/rtp_egress.h"
#include "worker/media/send_limit.h"
#include "worker/media/transport_traffic.h"

namespace sluice::worker {

/// The one point at which the RTP of a transport leaves it. Media, retransmissions and padding of
/// all its consumers come by here in the order in which they go out; here, and nowhere else, a
/// packet gets its transport-wide number and its time of sending, is encrypted, counted and
/// remembered.
///
/// It does not hold anything back yet: what is handed in leaves with this turn. What is to wait
/// will wait in front of this point as a reference (consumer, stream, number of the packet in the
/// producer's ring), and be written when its time has come.
///
/// Owned by the transport, which says where packets go and with which keys.
class alignas(64) PacedSender final : public RtpEgress {
 public:
  /// `encrypted`: nothing is sent before SetSrtp(). Counts into `traffic` and keeps to `limit`;
  /// both outlive it.
  PacedSender(Environment& environment, bool encrypted, TransportTraffic& traffic,
              SendLimit& limit);

  // From the transport.

  /// An empty path drops.
  void SetPath(const NetworkPath& path) { path_ = path; }
  /// Not owned; null while there are no keys.
  void SetSrtp(SrtpSender* sender) { srtp_ = sender; }
  void SetConnected(bool connected) { connected_ = connected; }
  /// From now on packets with a transport-wide number are remembered, for whoever reads feedback.
  void KeepHistory();
  /// Null before KeepHistory().
  const SentPacketHistory* history() const { return history_.get(); }

  // RtpEgress
  bool connected() const override { return connected_; }
  void PrefetchPath() const override;
  void PrefetchKeys(Ssrc ssrc) const override {
    if (srtp_ != nullptr) srtp_->PrefetchFor(ssrc);
  }
  uint8_t* BeginRtp(size_t capacity) override;
  uint32_t EndRtp(const OutgoingRtp& packet) override;

 private:
  uint32_t Stamp(uint8_t* header, const RtpHeaderStamps& stamps, Timestamp now);

  Environment& environment_;
  const bool encrypted_;
  TransportTraffic& traffic_;
  SendLimit& limit_;
  bool connected_ = false;
  uint16_t next_number_ = 1;
  uint32_t abs_send_time_ = 0;  ///< of stamped_at_
  Timestamp stamped_at_;
  SrtpSender* srtp_ = nullptr;
  NetworkPath path_;
  std::unique_ptr<SentPacketHistory> history_;
};

}  // namespace sluice::worker
