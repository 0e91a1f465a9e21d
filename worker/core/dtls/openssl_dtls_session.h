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
#include "worker/core/dtls/plaintext_gate.h"
#include "worker/core/output_queue.h"

namespace sluice::worker {

/// DtlsSession over OpenSSL 3.
///
/// **Time.** OpenSSL keeps a flight's expiry by the time of day and looks at it in every read, too.
/// Here its expiry lies an hour away; OnTimeout() moves it into the past and then has
/// DTLSv1_handle_timeout() retransmit. The place of the expiry is what
/// BIO_CTRL_DGRAM_SET_NEXT_TIMEOUT points to up to OpenSSL 3.1; later ones point to a copy, and
/// there OpenSSL gets the same durations as NextTimeout() and the two clocks have to agree.
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

  /// After a ClientHello that we could not answer, others are not looked at for this long: each
  /// costs 0.1 ms of CPU, and anybody can make them.
  static constexpr Duration kHelloPause = Duration::Millis(20);

  OpenSslDtlsSession(std::shared_ptr<OpenSslDtlsContext> context, Environment& environment);
  ~OpenSslDtlsSession() override;

  std::optional<DtlsOutput> TakeOutput() override { return outputs_.Take(); }
  std::optional<Timestamp> NextTimeout() const override;
  void OnTimeout(Timestamp now) override;

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

  void OnPlaintextRecord(const DtlsRecord& record, std::span<const uint8_t> payload);
  /// More for OpenSSL to read.
  bool has_incoming() { return !incoming_.empty() || (gate_ && gate_->has_record()); }
  /// A server that cannot answer a ClientHello waits for a better one.
  bool AwaitAnotherHello(const std::string& why);
  /// The session fails for this reason unless the handshake goes on soon.
  void Doubt(std::string reason);

  void Emit(DtlsOutput output);
  void QueueDatagram(std::span<const uint8_t> datagram);

  static unsigned int FlightTimeout(SSL* ssl, unsigned int previous_us);
  void UpdateFlightTimer();
  void OnFlightTimeout(Timestamp now);

  std::shared_ptr<OpenSslDtlsContext> context_;
  Environment& environment_;
  OutputQueue<DtlsOutput> outputs_{kMaxOutputs};
  SslPtr ssl_;
  DtlsRole role_ = DtlsRole::kAuto;
  DtlsState state_ = DtlsState::kNew;
  bool handshake_handled_ = false;  // finished, and looked at once
  std::optional<DtlsFingerprint> remote_fingerprint_;

  std::span<const uint8_t> incoming_;  // what is left of the datagram being read
  uint64_t reads_ = 0;                 // records that OpenSSL got
  std::optional<PlaintextGate> gate_;  // until the handshake has finished
  Timestamp hello_pause_end_;

  std::string doubt_;  // why the peer seems to have given up; empty: it does not
  Timestamp doubt_end_;

  std::optional<Timestamp> flight_timeout_at_;  // while a flight waits for its answer
  timeval* flight_expiry_ = nullptr;            // inside ssl_
  bool flight_armed_ = false;
  bool flight_fresh_ = false;
  Duration flight_timeout_ = kFirstTimeout;
  int flight_timeouts_ = 0;

  DtlsStats stats_;
};

}  // namespace sluice::worker
