#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "worker/core/dtls/datagram_bio.h"
#include "worker/core/dtls/dtls_session.h"
#include "worker/core/dtls/openssl_dtls_context.h"
#include "worker/core/dtls/openssl_ptr.h"

namespace sluice::worker {

/// DtlsSession over OpenSSL 3.
///
/// **Order.** OpenSSL's output is queued while it runs and sent when it has returned, events come
/// last: an event handler meets a session at rest, and may close it.
///
/// **Time.** OpenSSL keeps a flight's expiry by the time of day and looks at it in every read, too.
/// Here its expiry lies an hour away; the injected timer moves it into the past and then has
/// DTLSv1_handle_timeout() retransmit. The place of the expiry is what
/// BIO_CTRL_DGRAM_SET_NEXT_TIMEOUT points to up to OpenSSL 3.1; later ones point to a copy, and
/// there OpenSSL gets the same durations as the injected timer and the two clocks have to agree.
///
/// **Memory.** Record buffers (about 18 KB) exist only inside calls once the handshake is over; the
/// SSL goes when the session has failed or closed.
class OpenSslDtlsSession final : public DtlsSession, private DatagramBioPeer {
 public:
  static constexpr Duration kFirstTimeout = Duration::Millis(100);
  static constexpr Duration kLongestTimeout = Duration::Seconds(4);
  static constexpr int kMaxTimeouts = 12;  // 100 ms … 4 s: gives up after 30.3 s
  /// A peer's key must resist as much as RSA with 1024 bits, the least that WebRTC has used.
  static constexpr int kMinSecurityBits = 80;

  OpenSslDtlsSession(std::shared_ptr<OpenSslDtlsContext> context, Environment& environment,
                     DtlsEvents& events);
  ~OpenSslDtlsSession() override;

  void Start(DtlsRole role) override;
  bool started() const override { return role_ != DtlsRole::kAuto; }
  void SetRemoteFingerprint(const DtlsFingerprint& fingerprint) override;
  void OnDatagram(std::span<const uint8_t> datagram) override;
  bool SendApplicationData(std::span<const uint8_t> data) override;
  void Close() override;
  DtlsState state() const override { return state_; }
  DtlsRole role() const override { return role_; }
  const DtlsStats& stats() const override { return stats_; }

  /// From inside the handshake: is the peer's certificate one to go on with?
  bool AcceptsCertificate(const X509& leaf) const;

 private:
  // DatagramBioPeer
  std::span<const uint8_t> TakeIncoming() override;
  void OnOutgoing(std::span<const uint8_t> records) override;
  void OnFlightTimer(timeval* expiry) override;

  bool MakeSsl();
  bool handshake_finished() const;
  void Drive();
  bool DriveHandshake();
  bool OnHandshakeFinished();
  bool VerifyAndConnect();
  void ReadApplicationData();
  void OnPeerEnded(std::string_view why);
  void Fail(std::string_view why, bool tell_peer = false);
  void SendCloseNotify();
  void DropSsl();

  void QueueDatagram(std::span<const uint8_t> datagram);
  void FlushOutgoing();

  static unsigned int FlightTimeout(SSL* ssl, unsigned int previous_us);
  void UpdateTimer();
  void OnTimer();

  std::shared_ptr<OpenSslDtlsContext> context_;
  Environment& environment_;
  DtlsEvents& events_;
  SslPtr ssl_;
  DtlsRole role_ = DtlsRole::kAuto;
  DtlsState state_ = DtlsState::kNew;
  bool handshake_handled_ = false;  // finished, and looked at once
  std::optional<DtlsFingerprint> remote_fingerprint_;

  std::span<const uint8_t> incoming_;  // what is left of the datagram being read
  std::vector<uint8_t> outgoing_;      // datagrams, one after the other
  std::vector<size_t> outgoing_sizes_;

  std::unique_ptr<Timer> timer_;      // while a flight waits for its answer
  timeval* flight_expiry_ = nullptr;  // inside ssl_
  bool flight_armed_ = false;
  bool flight_fresh_ = false;
  Duration flight_timeout_ = kFirstTimeout;
  int flight_timeouts_ = 0;

  DtlsStats stats_;
};

}  // namespace sluice::worker
