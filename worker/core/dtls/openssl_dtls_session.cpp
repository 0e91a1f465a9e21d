#include "worker/core/dtls/openssl_dtls_session.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <algorithm>
#include <array>
#include <utility>

#include "common/log.h"
#include "worker/core/dtls/dtls_fingerprint.h"
#include "worker/core/dtls/dtls_record.h"
#include "worker/core/dtls/dtls_srtp_keys.h"

namespace sluice::worker {
namespace {

/// Largest plaintext of a record (RFC 5246 §6.2.1).
constexpr size_t kMaxRecordPlaintext = 1 << 14;

/// Farther away than a handshake can last, and short of 32 bits of microseconds.
constexpr unsigned int kFarAwayUs = 3'600'000'000;

/// From this version on the flight timer cannot be reached (see the class comment).
constexpr unsigned long kFlightTimerHidden = 0x30200000L;
bool FlightTimerReachable() { return OpenSSL_version_num() < kFlightTimerHidden; }

/// Record buffers for the time of one call, once the handshake no longer needs them in between.
class RecordBuffers {
 public:
  explicit RecordBuffers(SSL* ssl) : ssl_(ssl) { SSL_alloc_buffers(ssl_); }
  ~RecordBuffers() {
    if (SSL_is_init_finished(ssl_)) SSL_free_buffers(ssl_);
  }
  RecordBuffers(const RecordBuffers&) = delete;
  RecordBuffers& operator=(const RecordBuffers&) = delete;

 private:
  SSL* ssl_;
};

std::string ToPem(X509& certificate) {
  const BioPtr memory(BIO_new(BIO_s_mem()));
  if (!memory || PEM_write_bio_X509(memory.get(), &certificate) != 1) return {};
  const char* text = nullptr;
  const long size = BIO_get_mem_data(memory.get(), &text);
  return {text, static_cast<size_t>(std::max(size, 0L))};
}

}  // namespace

std::unique_ptr<DtlsSession> DtlsSession::Create(std::shared_ptr<DtlsContext> context,
                                                 Environment& environment) {
  // DtlsContext's factories make nothing else.
  auto openssl = std::static_pointer_cast<OpenSslDtlsContext>(std::move(context));
  return std::make_unique<OpenSslDtlsSession>(std::move(openssl), environment);
}

OpenSslDtlsSession::OpenSslDtlsSession(std::shared_ptr<OpenSslDtlsContext> context,
                                       Environment& environment)
    : context_(std::move(context)), environment_(environment) {}

OpenSslDtlsSession::~OpenSslDtlsSession() = default;

// ---- Start and end ----------------------------------------------------------------------------

void OpenSslDtlsSession::Start(DtlsRole role) {
  if (state_ != DtlsState::kNew && state_ != DtlsState::kConnecting) return;
  if (role == DtlsRole::kAuto) role = DtlsRole::kServer;
  if (role == role_) return;
  DropSsl();
  role_ = role;
  state_ = DtlsState::kConnecting;
  if (!MakeSsl()) {
    Fail("OpenSSL gives no session: " + TakeOpenSslError());
    return;
  }
  Emit(DtlsStateChange{DtlsState::kConnecting});
  if (role_ == DtlsRole::kClient) Drive();
}

bool OpenSslDtlsSession::MakeSsl() {
  handshake_handled_ = false;
  gate_.emplace(role_);
  ssl_.reset(SSL_new(context_->ssl_ctx()));
  if (!ssl_) return false;
  BIO* bio = NewDatagramBio(context_->bio_method(), *this);
  if (bio == nullptr) return false;
  SSL_set_bio(ssl_.get(), bio, bio);
  SSL_set_app_data(ssl_.get(), this);
  DTLS_set_timer_cb(ssl_.get(), FlightTimeout);
  SSL_set_mtu(ssl_.get(), static_cast<long>(kMtu));
  if (role_ == DtlsRole::kClient) {
    SSL_set_connect_state(ssl_.get());
  } else {
    SSL_set_accept_state(ssl_.get());
  }
  return true;
}

void OpenSslDtlsSession::Close() {
  if (state_ == DtlsState::kClosed) return;
  SendCloseNotify();
  state_ = DtlsState::kClosed;
  DropSsl();
}

void OpenSslDtlsSession::SendCloseNotify() {
  if (!handshake_finished()) return;
  ERR_clear_error();
  const RecordBuffers buffers(ssl_.get());
  SSL_shutdown(ssl_.get());
}

void OpenSslDtlsSession::Fail(std::string_view why, bool tell_peer) {
  SLUICE_WARN(kDtls, "DTLS failed: {}", why);
  if (tell_peer) SendCloseNotify();
  state_ = DtlsState::kFailed;
  DropSsl();
  Emit(DtlsStateChange{DtlsState::kFailed});
}

void OpenSslDtlsSession::OnPeerEnded(std::string_view why) {
  if (state_ != DtlsState::kConnected) {
    Fail(why);
    return;
  }
  SLUICE_DEBUG(kDtls, "DTLS closed: {}", why);
  SendCloseNotify();
  state_ = DtlsState::kClosed;
  DropSsl();
  Emit(DtlsStateChange{DtlsState::kClosed});
}

void OpenSslDtlsSession::DropSsl() {
  flight_timeout_at_.reset();
  flight_armed_ = flight_fresh_ = false;
  flight_expiry_ = nullptr;
  incoming_ = {};
  gate_.reset();
  doubt_.clear();
  ssl_.reset();
}

bool OpenSslDtlsSession::handshake_finished() const {
  return ssl_ && SSL_is_init_finished(ssl_.get());
}

// ---- Handshake --------------------------------------------------------------------------------

void OpenSslDtlsSession::OnDatagram(std::span<const uint8_t> datagram) {
  const bool pausing = gate_ && gate_->messages() == 0 && environment_.Now() < hello_pause_end_;
  if (!ssl_ || pausing) {
    ++stats_.ignored_datagrams;
    return;
  }
  incoming_ = datagram;
  Drive();
  incoming_ = {};
}

void OpenSslDtlsSession::Drive() {
  if (!handshake_finished() && !DriveHandshake()) return;
  if (!handshake_handled_ && !OnHandshakeFinished()) return;
  ReadApplicationData();
}

/// True when the handshake has finished.
bool OpenSslDtlsSession::DriveHandshake() {
  const uint64_t reads_before = reads_;
  int error = SSL_ERROR_NONE;
  uint64_t reads = 0;
  do {  // OpenSSL may stop between two records of a datagram
    reads = reads_;
    ERR_clear_error();
    const int result = SSL_do_handshake(ssl_.get());
    error = SSL_get_error(ssl_.get(), result);
  } while (error == SSL_ERROR_WANT_READ && reads != reads_ && has_incoming());
  if (error != SSL_ERROR_NONE && error != SSL_ERROR_WANT_READ) {
    const std::string reason = TakeOpenSslError();
    if (!AwaitAnotherHello(reason)) Fail(reason);
    return false;
  }
  if (reads_ != reads_before) doubt_.clear();  // the peer goes on
  if (std::optional<std::string> alert = gate_ ? gate_->TakeAlert() : std::nullopt) {
    Doubt(*std::move(alert));
  }
  if (error == SSL_ERROR_NONE) return true;
  UpdateFlightTimer();
  return false;
}

bool OpenSslDtlsSession::AwaitAnotherHello(const std::string& why) {
  const bool first_message = gate_ && gate_->messages() <= 1;
  if (role_ != DtlsRole::kServer || !first_message) return false;
  ++stats_.refused_hellos;
  SLUICE_DEBUG(kDtls, "DTLS cannot answer a ClientHello: {}", why);
  std::string doubt = std::move(doubt_);
  DropSsl();
  if (!MakeSsl()) return false;
  doubt_ = std::move(doubt);  // the first one counts
  Doubt("no ClientHello that we can answer: " + why);
  hello_pause_end_ = environment_.Now() + kHelloPause;
  return true;
}

void OpenSslDtlsSession::Doubt(std::string reason) {
  if (!doubt_.empty()) return;
  doubt_ = std::move(reason);
  doubt_end_ = environment_.Now() + kAlertGrace;
}

/// True while the session goes on.
bool OpenSslDtlsSession::OnHandshakeFinished() {
  handshake_handled_ = true;
  flight_timeout_at_.reset();
  flight_armed_ = flight_fresh_ = false;
  gate_.reset();
  doubt_.clear();
  if (SSL_get_selected_srtp_profile(ssl_.get()) == nullptr) {
    Fail("the peer shares no SRTP profile with us", /*tell_peer=*/true);
    return false;
  }
  // Without a fingerprint nothing is believed or reported until there is one.
  if (remote_fingerprint_) return VerifyAndConnect();
  SSL_free_buffers(ssl_.get());
  return true;
}

bool OpenSslDtlsSession::VerifyAndConnect() {
  X509* certificate = SSL_get0_peer_certificate(ssl_.get());
  if (certificate == nullptr || !MatchesFingerprint(*certificate, *remote_fingerprint_)) {
    Fail("the peer's certificate does not have the announced fingerprint", /*tell_peer=*/true);
    return false;
  }
  const Result<DtlsSrtpKeys> keys = ExportSrtpKeys(*ssl_);
  if (!keys.ok()) {
    Fail(std::string(keys.status().message()), /*tell_peer=*/true);
    return false;
  }
  SSL_free_buffers(ssl_.get());
  state_ = DtlsState::kConnected;
  const bool client = role_ == DtlsRole::kClient;
  Emit(DtlsConnected{client ? keys->client : keys->server, client ? keys->server : keys->client,
                     ToPem(*certificate)});
  return true;
}

bool OpenSslDtlsSession::AcceptsCertificate(const X509& leaf) const {
  // Only asked for the key's size; OpenSSL's API lacks the const.
  const EVP_PKEY* key = X509_get0_pubkey(&leaf);
  if (key == nullptr || EVP_PKEY_get_security_bits(key) < kMinSecurityBits) return false;
  return !remote_fingerprint_ || MatchesFingerprint(leaf, *remote_fingerprint_);
}

void OpenSslDtlsSession::SetRemoteFingerprint(const DtlsFingerprint& fingerprint) {
  if (state_ != DtlsState::kNew && state_ != DtlsState::kConnecting) return;
  remote_fingerprint_ = fingerprint;
  if (handshake_handled_ && handshake_finished()) VerifyAndConnect();
}

// ---- Application data -------------------------------------------------------------------------

void OpenSslDtlsSession::ReadApplicationData() {
  std::array<uint8_t, kMaxRecordPlaintext> data;  // not initialised: 16 KB a datagram
  while (ssl_) {
    const uint64_t reads = reads_;
    ERR_clear_error();
    int size = 0;
    int error = SSL_ERROR_NONE;
    {
      const RecordBuffers buffers(ssl_.get());
      size = SSL_read(ssl_.get(), data.data(), static_cast<int>(data.size()));
      error = SSL_get_error(ssl_.get(), size);
    }
    if (size > 0) {
      if (state_ == DtlsState::kConnected) {
        Emit(DtlsApplicationData{{data.begin(), data.begin() + size}});
      } else {
        ++stats_.dropped_application_data;
      }
    } else if (error == SSL_ERROR_WANT_READ) {
      if (incoming_.empty() || reads == reads_) return;
    } else {
      OnPeerEnded(error == SSL_ERROR_ZERO_RETURN ? "by the peer" : TakeOpenSslError());
      return;
    }
  }
}

bool OpenSslDtlsSession::SendApplicationData(std::span<const uint8_t> data) {
  if (state_ != DtlsState::kConnected || data.empty() || data.size() > kMaxApplicationData)
    return false;
  ERR_clear_error();
  int written = 0;
  {
    const RecordBuffers buffers(ssl_.get());
    written = SSL_write(ssl_.get(), data.data(), static_cast<int>(data.size()));
  }
  return written > 0;
}

// ---- Datagrams --------------------------------------------------------------------------------

/// The next record that OpenSSL should see. One at a time, since it takes some malformed records
/// for the end of the association and drops what follows others.
std::span<const uint8_t> OpenSslDtlsSession::TakeIncoming() {
  for (;;) {
    if (gate_ && gate_->has_record()) {
      ++reads_;
      return gate_->TakeRecord();
    }
    if (incoming_.empty()) return {};
    const std::optional<DtlsRecord> record = DtlsRecord::Parse(incoming_);
    if (!record) {
      ++stats_.malformed_records;
      incoming_ = {};
      return {};
    }
    const std::span<const uint8_t> bytes = incoming_.first(record->size);
    incoming_ = incoming_.subspan(record->size);
    if (record->epoch == 0) {
      OnPlaintextRecord(*record, bytes.subspan(DtlsRecord::kHeader));
      continue;
    }
    if (!gate_ || gate_->passes_encrypted()) {  // OpenSSL drops what does not authenticate
      ++reads_;
      return bytes;
    }
    if (gate_->OnEncrypted(*record, bytes) != PlaintextGate::Verdict::kTaken) {
      ++stats_.unexpected_records;
    }
  }
}

void OpenSslDtlsSession::OnPlaintextRecord(const DtlsRecord& record,
                                           std::span<const uint8_t> payload) {
  if (record.type == DtlsRecord::kApplicationData) {
    ++stats_.dropped_application_data;
    return;
  }
  // After the handshake the peer may send its last flight again, but not in the clear alone.
  if (!gate_) {
    ++stats_.unexpected_records;
    return;
  }
  switch (gate_->OnRecord(record.type, payload)) {
    case PlaintextGate::Verdict::kTaken:
      if (record.type == DtlsRecord::kAlert) ++stats_.plaintext_alerts;
      break;
    case PlaintextGate::Verdict::kMalformed:
      ++stats_.malformed_records;
      break;
    case PlaintextGate::Verdict::kUnexpected:
      ++stats_.unexpected_records;
      break;
  }
}

void OpenSslDtlsSession::Emit(DtlsOutput output) {
  if (!outputs_.Push(std::move(output))) ++stats_.dropped_outputs;
}

void OpenSslDtlsSession::OnOutgoing(std::span<const uint8_t> records) {
  // OpenSSL packs a flight up to the MTU but forgets what encryption adds to the Finished message:
  // such a packing is undone between records.
  size_t size = 0;
  while (size < records.size()) {
    const std::optional<DtlsRecord> record = DtlsRecord::Parse(records.subspan(size));
    const size_t next = record ? record->size : records.size() - size;
    if (size > 0 && size + next > kMtu) {
      QueueDatagram(records.first(size));
      records = records.subspan(size);
      size = 0;
    }
    size += next;
  }
  QueueDatagram(records);
}

void OpenSslDtlsSession::QueueDatagram(std::span<const uint8_t> datagram) {
  if (!datagram.empty()) Emit(DtlsDatagram{{datagram.begin(), datagram.end()}});
}

// ---- Retransmission ---------------------------------------------------------------------------

void OpenSslDtlsSession::OnFlightTimer(timeval* expiry) {
  flight_armed_ = expiry != nullptr && (expiry->tv_sec != 0 || expiry->tv_usec != 0);
  flight_expiry_ = FlightTimerReachable() ? expiry : nullptr;
}

/// OpenSSL asks how long to wait for the answer to a flight; `previous_us` is 0 for a new flight.
unsigned int OpenSslDtlsSession::FlightTimeout(SSL* ssl, unsigned int previous_us) {
  auto* session = static_cast<OpenSslDtlsSession*>(SSL_get_app_data(ssl));
  if (previous_us == 0) session->flight_fresh_ = true;
  if (FlightTimerReachable()) return kFarAwayUs;
  const auto doubled = std::min(Duration::Micros(previous_us) * 2, kLongestTimeout);
  return static_cast<unsigned int>((previous_us == 0 ? kFirstTimeout : doubled).us());
}

void OpenSslDtlsSession::UpdateFlightTimer() {
  if (!flight_armed_) {
    flight_timeout_at_.reset();
    return;
  }
  if (!flight_fresh_) return;
  flight_fresh_ = false;
  flight_timeout_ = kFirstTimeout;
  flight_timeouts_ = 0;
  flight_timeout_at_ = environment_.Now() + flight_timeout_;
}

std::optional<Timestamp> OpenSslDtlsSession::NextTimeout() const {
  if (doubt_.empty()) return flight_timeout_at_;
  return flight_timeout_at_ ? std::min(*flight_timeout_at_, doubt_end_) : doubt_end_;
}

void OpenSslDtlsSession::OnTimeout(Timestamp now) {
  if (!doubt_.empty() && now >= doubt_end_) {
    Fail(std::string(doubt_));
    return;
  }
  if (flight_timeout_at_ && now >= *flight_timeout_at_) OnFlightTimeout(now);
}

void OpenSslDtlsSession::OnFlightTimeout(Timestamp now) {
  if (++flight_timeouts_ >= kMaxTimeouts) {
    Fail("the peer does not answer the handshake");
    return;
  }
  ++stats_.retransmissions;
  if (flight_expiry_ != nullptr) *flight_expiry_ = timeval{0, 1};  // 1970: over
  ERR_clear_error();
  if (DTLSv1_handle_timeout(ssl_.get()) < 0) {
    Fail("cannot retransmit: " + TakeOpenSslError());
    return;
  }
  flight_timeout_ = std::min(flight_timeout_ * 2, kLongestTimeout);
  flight_timeout_at_ = now + flight_timeout_;
}

}  // namespace sluice::worker
