#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "common/units.h"
#include "worker/core/environment.h"
#include "worker/core/packet_writer.h"
#include "worker/core/srtp/srtp_session.h"
#include "worker/media/pacer.h"
#include "worker/media/pacing_clock.h"
#include "worker/media/rtp_egress.h"
#include "worker/media/send_limit.h"
#include "worker/media/transport_traffic.h"

namespace sluice::worker {

/// Makes packets that carry nothing new, for probes and padding.
class PaddingSource {
 public:
  virtual ~PaddingSource() = default;
  /// Sends one such packet by the sender that asks. False: there is none to be had.
  virtual bool SendPadding(Timestamp now) = 0;
  /// Packets that waited for too long were dropped, of these SSRCs.
  virtual void OnPacketsDropped(std::span<const Ssrc> ssrcs) = 0;
};

/// The one point at which the RTP of a transport leaves it. Media, retransmissions and padding of
/// all its consumers come by here in the order in which they go out; here, and nowhere else, a
/// packet gets its transport-wide number and its time of sending, is encrypted, counted and
/// remembered.
///
/// Without Pace() nothing is held back: what is handed in leaves with this turn. With it, what
/// exceeds the pacing rate waits in a Pacer in front of this point, and probes and padding leave
/// from here.
///
/// Owned by the transport, which says where packets go and with which keys.
class alignas(64) PacedSender final : public RtpEgress, private PacingClock::Client {
 public:
  /// `encrypted`: nothing is sent before SetSrtp(). Counts into `traffic` and keeps to `limit`;
  /// both outlive it.
  PacedSender(Environment& environment, bool encrypted, TransportTraffic& traffic,
              SendLimit& limit);
  ~PacedSender() override;

  // From the transport.

  /// An empty path drops.
  void SetPath(const NetworkPath& path) { path_ = path; }
  /// Not owned; null while there are no keys.
  void SetSrtp(SrtpSender* sender) { srtp_ = sender; }
  void SetConnected(bool connected) { connected_ = connected; }

  // From whoever estimates the path.

  /// From now on packets with a transport-wide number are remembered, and a rate may be set. All
  /// outlive it, or the call of Unpace().
  void Pace(PacketBufferPool& buffers, PacingClock& clock, PaddingSource& padding);
  void Unpace();
  /// Null before Pace().
  Pacer* pacer() { return pacer_.get(); }
  const Pacer* pacer() const { return pacer_.get(); }
  void StartProbe(const ProbePlan& plan);
  /// Padding is to be sent, or the rate has changed.
  void Wake();
  /// No consumer sends this SSRC any more.
  void Purge(Ssrc ssrc) {
    if (pacer_ != nullptr && pacer_->queued_bytes() > 0) pacer_->Purge(ssrc);
  }

  /// What the path takes, as its receiver's reports say.
  void SetPathRate(DataRate rate) { path_rate_ = rate; }

  // RtpEgress
  bool connected() const override { return connected_; }
  std::optional<DataRate> PathRate() const override { return path_rate_; }
  void SetPassing(bool passes) override {
    if (pacer_ != nullptr) pacer_->SetPasses(passes);
  }
  void PrefetchPath() const override;
  void PrefetchKeys(Ssrc ssrc) const override {
    if (srtp_ != nullptr) srtp_->PrefetchFor(ssrc);
  }
  uint8_t* BeginRtp(size_t capacity) override;
  uint32_t EndRtp(const OutgoingRtp& packet) override;

 private:
  uint32_t Stamp(uint8_t* header, const RtpHeaderStamps& stamps, Timestamp now);
  uint8_t* Reserve(size_t capacity);
  uint32_t Leave(const OutgoingRtp& packet, Timestamp now);
  uint32_t EndBorrowed(const OutgoingRtp& packet);
  /// A packet that has waited.
  size_t Release(const Pacer::Held& held, Timestamp now);
  bool OnTick(Timestamp now) override;
  void RunProbe(Timestamp now);
  void DropWaiting();

  Environment& environment_;
  const bool encrypted_;
  TransportTraffic& traffic_;
  SendLimit& limit_;
  bool connected_ = false;
  uint16_t next_number_ = 1;
  uint32_t abs_send_time_ = 0;  ///< of stamped_at_
  Timestamp stamped_at_;
  SrtpSender* srtp_ = nullptr;
  std::unique_ptr<Pacer> pacer_;
  NetworkPath path_;
  PacingClock* clock_ = nullptr;
  PaddingSource* padding_ = nullptr;
  std::optional<DataRate> path_rate_;
};

}  // namespace sluice::worker
