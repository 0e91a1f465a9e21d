#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "common/status.h"
#include "common/units.h"
#include "worker/core/packet_buffer.h"
#include "worker/core/packet_writer.h"
#include "worker/core/srtp/srtp_session.h"
#include "worker/media/paced_sender.h"
#include "worker/media/rtp_link.h"
#include "worker/media/send_limit.h"
#include "worker/media/transport_core.h"
#include "worker/wire/rtp_packet.h"

namespace sluice::worker {

/// RTP and RTCP over a network path: where they leave, the keys that protect them both ways, and
/// whether they may flow.
///
/// Owned by a class of transport, whose connectivity pushes the paths (SetPaths), the keys
/// (InstallSrtp) and the state (SetConnected) into it, and hands it what came in. What consumers
/// send leaves by its PacedSender.
class RtpPath final : public RtpLink {
 public:
  /// `encrypted`: nothing flows without keys.
  RtpPath(TransportCore& core, bool encrypted);
  ~RtpPath() override;
  RtpPath(const RtpPath&) = delete;
  RtpPath& operator=(const RtpPath&) = delete;

  /// Where RTP and RTCP leave; the same path twice with rtcp-mux. An empty path drops.
  void SetPaths(const NetworkPath& rtp, const NetworkPath& rtcp);
  Status InstallSrtp(const SrtpMasterKey& local, const SrtpMasterKey& remote);
  bool has_srtp() const { return srtp_receiver_ != nullptr; }
  /// All zero before there are keys.
  SrtpCounters srtp_counters() const;
  /// The RtpCore that sends here has to hear of it, too.
  void SetConnected(bool connected) { sender_.SetConnected(connected); }

  /// Decrypts (in place) and parses one RTP datagram; nullopt, and counted, when it is not one.
  std::optional<RtpPacket> OpenRtp(const PacketRef& buffer, size_t size, Timestamp received_at);
  /// Decrypts one RTCP datagram in place; an empty span, and counted, on failure.
  std::span<const uint8_t> OpenRtcp(const PacketRef& buffer, size_t size);

  // RtpLink
  /// What RTP and RTCP keep to while the peer's address has not shown that it receives.
  SendLimit& limit() { return limit_; }
  /// What RTCP keeps to besides, where its address is another than that of RTP (no rtcp-mux).
  SendLimit& rtcp_limit() { return rtcp_limit_; }
  /// RTCP follows consumers, which the RtpCore stops, when nobody listens at the other end.
  void SetRtcpAllowed(bool allowed) { rtcp_allowed_ = allowed; }

  RtpEgress& egress() override { return sender_; }
  PacedSender* paced_sender() override { return &sender_; }
  void SendRtcp(std::span<const uint8_t> compound) override;
  void RetireSent(Ssrc ssrc) override;
  size_t RoomToSend() const override;
  std::optional<SeqNumber> NextSequence(Ssrc ssrc) const override;

 private:
  void CountUnprotectError(SrtpUnprotectError error);

  TransportCore& core_;
  const bool encrypted_;
  bool rtcp_allowed_ = true;
  NetworkPath rtcp_path_;
  SendLimit limit_;
  SendLimit rtcp_limit_;
  std::unique_ptr<SrtpSender> srtp_sender_;
  std::unique_ptr<SrtpReceiver> srtp_receiver_;
  PacedSender sender_;
};

}  // namespace sluice::worker
