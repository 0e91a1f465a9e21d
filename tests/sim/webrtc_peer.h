#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "tests/sim/dtls_driver.h"
#include "tests/sim/simulated_link.h"
#include "tests/sim/virtual_environment.h"
#include "worker/core/ice/ice_lite_agent.h"
#include "worker/core/srtp/srtp_session.h"
#include "worker/media/reports.h"
#include "worker/media/socket_factory.h"
#include "worker/wire/rtcp.h"
#include "worker/wire/rtp_packet.h"
#include "worker/wire/stun.h"

namespace sluice::worker {

/// A browser as far as a transport can tell: ICE controlling, DTLS, SRTP over one simulated UDP
/// socket or TCP connection. Media comes and goes through the two callbacks and Send…; what the
/// media means is up to VideoSender and VideoReceiver.
class WebRtcPeer final : private DtlsEvents, private DatagramHandler {
 public:
  struct Setup {
    VirtualEnvironment& environment;
    SimulatedLinks& links;
    SrtpEngine& srtp;
    std::shared_ptr<DtlsContext> dtls;
  };
  static constexpr Duration kCheckInterval = Duration::Millis(50);      // until one is answered
  static constexpr Duration kConsentInterval = Duration::Millis(2500);  // afterwards

  /// Takes part from `address`.
  WebRtcPeer(Setup setup, const SocketAddress& address);

  /// Begins checks (every one nominates, unless that is off) to `candidate`; DTLS follows in
  /// `role`.
  void Connect(const IceCandidateReport& candidate, const IceCredentials& remote,
               const DtlsFingerprint& remote_fingerprint, DtlsRole role = DtlsRole::kClient);
  /// New remote credentials after an ICE restart.
  void RestartIce(const IceCredentials& remote);
  void SetNominating(bool nominating) { nominating_ = nominating; }
  /// Whether it answers Binding requests without credentials (at first: it does).
  void SetAnswersProbes(bool answers) { answers_probes_ = answers; }
  void StopChecks() { check_timer_->Stop(); }
  void ResumeChecks() { SendCheck(); }
  /// Another address of ours (a NAT's rebinding, another interface); checks go on from there.
  void MoveTo(const SocketAddress& address);
  /// Sends close_notify.
  void CloseDtls() { dtls_->Close(); }
  /// Closes the TCP connection.
  void HangUp() { connection_.reset(); }

  bool dtls_connected() const { return srtp_sender_ != nullptr; }
  bool ice_answered() const { return answered_ > 0; }
  uint64_t answered() const { return answered_; }
  uint64_t refused() const { return refused_; }
  /// DTLS datagrams that came before any of our checks was answered.
  uint64_t dtls_before_ice() const { return dtls_before_ice_; }
  DtlsState dtls_state() const { return dtls_->state(); }

  /// Encrypts and sends; false before the handshake is over.
  bool SendRtp(std::span<const uint8_t> packet);
  bool SendRtcp(std::span<const uint8_t> compound);
  /// The last RTP packet as it was sent.
  const std::vector<uint8_t>& last_rtp() const { return last_rtp_; }
  /// What it has sent of DTLS.
  const std::vector<std::vector<uint8_t>>& sent_dtls() const { return sent_dtls_; }
  /// The same packet to the byte once more.
  void Replay(std::span<const uint8_t> datagram) { Send(datagram); }

  std::function<void(RtpPacket& packet)> on_rtp;
  std::function<void(std::span<const uint8_t> compound)> on_rtcp;
  /// Application data of DTLS.
  std::function<void(std::span<const uint8_t> data)> on_data;
  bool SendData(std::span<const uint8_t> data) { return dtls_->SendApplicationData(data); }

 private:
  void Open();
  PacketWriter* writer();
  void Send(std::span<const uint8_t> datagram);
  void SendCheck();
  void OnStun(std::span<const uint8_t> datagram);
  void AnswerRequest(const StunMessage& request);
  void OnMedia(std::span<uint8_t> datagram, bool is_rtcp);

  // DatagramHandler
  void OnDatagram(PacketRef buffer, size_t size, const NetworkPath& from, Timestamp) override;
  void OnPathClosed(const NetworkPath&) override { connection_lost_ = true; }

  // DtlsEvents
  void SendDtls(std::span<const uint8_t> datagram) override;
  void OnDtlsState(DtlsState) override {}
  void OnDtlsConnected(const SrtpMasterKey& local, const SrtpMasterKey& remote,
                       const std::string&) override;
  void OnDtlsApplicationData(std::span<const uint8_t> data) override {
    if (on_data) on_data(data);
  }

  Setup setup_;
  SocketAddress address_;
  SocketAddress server_;
  TransportProtocol protocol_ = TransportProtocol::kUdp;
  std::unique_ptr<ServerSocket> socket_;                       // UDP
  std::unique_ptr<SimulatedLinks::TcpConnection> connection_;  // TCP
  bool connection_lost_ = false;
  bool nominating_ = true;
  bool answers_probes_ = true;
  IceCredentials remote_;
  DtlsRole role_ = DtlsRole::kClient;
  std::unique_ptr<Timer> check_timer_;
  std::unique_ptr<DtlsDriver> dtls_;
  std::unique_ptr<SrtpSender> srtp_sender_;
  std::vector<uint8_t> last_rtp_;
  std::vector<std::vector<uint8_t>> sent_dtls_;
  std::unique_ptr<SrtpReceiver> srtp_receiver_;
  uint64_t answered_ = 0;
  uint64_t refused_ = 0;
  uint64_t dtls_before_ice_ = 0;
};

}  // namespace sluice::worker
