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
                                                 Environment& environment, DtlsEvents& events) {
  // DtlsContext's factories make nothing else.
  auto openssl = std::static_pointer_cast<OpenSslDtlsContext>(std::move(context));
  return std::make_unique<OpenSslDtlsSession>(std::move(openssl), environment, events);
}

OpenSslDtlsSession::OpenSslDtlsSession(std::shared_ptr<OpenSslDtlsContext> context,
                                       Environment& environment, DtlsEvents& events)
    : context_(std::move(context)), environment_(environment), events_(events) {}

OpenSslDtlsSession::~OpenSslDtlsSession() = default;

// ---- Start and end ----------------------------------------------------------------------------

void OpenSslDtlsSession::Start(DtlsRole role) {
  if (state_ != DtlsState::kNew && state_ != DtlsState::kConnecting) return;
  if (role == DtlsRole::kAuto) role = DtlsRole::kServer;  // router-protocol §5.4
  if (role == role_) return;
  DropSsl();
  role_ = role;
  state_ = DtlsState::kConnecting;
  if (!MakeSsl()) {
    Fail("OpenSSL gives no session: " + TakeOpenSslError());
    return;
  }
  events_.OnDtlsState(DtlsState::kConnecting);
  if (ssl_ && role_ == DtlsRole::kClient) Drive();
}

bool OpenSslDtlsSession::MakeSsl() {
  handshake_handled_ = false;
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
  {
    const RecordBuffers buffers(ssl_.get());
    SSL_shutdown(ssl_.get());
  }
  FlushOutgoing();
}

void OpenSslDtlsSession::Fail(std::string_view why, bool tell_peer) {
  SLUICE_WARN(kDtls, "DTLS failed: {}", why);
  if (tell_peer) SendCloseNotify();
  state_ = DtlsState::kFailed;
  DropSsl();
  events_.OnDtlsState(DtlsState::kFailed);
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
  events_.OnDtlsState(DtlsState::kClosed);
}

void OpenSslDtlsSession::DropSsl() {
  timer_.reset();
  flight_armed_ = flight_fresh_ = false;
  flight_expiry_ = nullptr;
  incoming_ = {};
  ssl_.reset();
}

bool OpenSslDtlsSession::handshake_finished() const {
  return ssl_ && SSL_is_init_finished(ssl_.get());
}

// ---- Handshake --------------------------------------------------------------------------------

void OpenSslDtlsSession::OnDatagram(std::span<const uint8_t> datagram) {
  if (!ssl_) {
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
  int error = SSL_ERROR_NONE;
  size_t left = 0;
  do {  // OpenSSL may stop between two records of a datagram
    left = incoming_.size();
    ERR_clear_error();
    const int result = SSL_do_handshake(ssl_.get());
    error = SSL_get_error(ssl_.get(), result);
  } while (error == SSL_ERROR_WANT_READ && incoming_.size() < left && !incoming_.empty());
  const std::string reason =
      error == SSL_ERROR_NONE || error == SSL_ERROR_WANT_READ ? "" : TakeOpenSslError();
  FlushOutgoing();
  if (!ssl_) return false;
  if (error == SSL_ERROR_NONE) return true;
  if (error == SSL_ERROR_WANT_READ) {
    UpdateTimer();
  } else if (error == SSL_ERROR_ZERO_RETURN) {
    Fail("the peer closed during the handshake");
  } else {
    Fail(reason);
  }
  return false;
}

/// True while the session goes on.
bool OpenSslDtlsSession::OnHandshakeFinished() {
  handshake_handled_ = true;
  timer_.reset();
  flight_armed_ = flight_fresh_ = false;
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
  const std::string pem = ToPem(*certificate);
  SSL_free_buffers(ssl_.get());
  outgoing_.shrink_to_fit();
  outgoing_sizes_.shrink_to_fit();
  state_ = DtlsState::kConnected;
  const bool client = role_ == DtlsRole::kClient;
  events_.OnDtlsConnected(client ? keys->client : keys->server,
                          client ? keys->server : keys->client, pem);
  return ssl_ != nullptr;
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
    const size_t left = incoming_.size();
    ERR_clear_error();
    int size = 0;
    int error = SSL_ERROR_NONE;
    {
      const RecordBuffers buffers(ssl_.get());
      size = SSL_read(ssl_.get(), data.data(), static_cast<int>(data.size()));
      error = SSL_get_error(ssl_.get(), size);
    }
    FlushOutgoing();  // a flight that the peer has missed
    if (!ssl_) return;
    if (size > 0) {
      if (state_ == DtlsState::kConnected) {
        events_.OnDtlsApplicationData({data.data(), static_cast<size_t>(size)});
      } else {
        ++stats_.dropped_application_data;
      }
    } else if (error == SSL_ERROR_WANT_READ) {
      if (incoming_.empty() || incoming_.size() == left) return;
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
  FlushOutgoing();
  return written > 0;
}

// ---- Datagrams --------------------------------------------------------------------------------

/// The next record of the datagram that OpenSSL should see. One at a time, since it takes some
/// malformed records for the end of the association and drops what follows others.
std::span<const uint8_t> OpenSslDtlsSession::TakeIncoming() {
  while (!incoming_.empty()) {
    const std::optional<DtlsRecord> record = DtlsRecord::Parse(incoming_);
    if (!record) {
      ++stats_.malformed_records;
      incoming_ = {};
      break;
    }
    const std::span<const uint8_t> bytes = incoming_.first(record->size);
    incoming_ = incoming_.subspan(record->size);
    // Application data in the clear is forged: OpenSSL would end the handshake over it.
    if (record->type == DtlsRecord::kApplicationData && record->epoch == 0) {
      ++stats_.dropped_application_data;
      continue;
    }
    return bytes;
  }
  return {};
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
  if (datagram.empty()) return;
  outgoing_.insert(outgoing_.end(), datagram.begin(), datagram.end());
  outgoing_sizes_.push_back(datagram.size());
}

void OpenSslDtlsSession::FlushOutgoing() {
  if (outgoing_sizes_.empty()) return;
  // Taken out first: a handler that sends or closes adds to a queue of its own.
  std::vector<uint8_t> bytes;
  std::vector<size_t> sizes;
  bytes.swap(outgoing_);
  sizes.swap(outgoing_sizes_);
  std::span<const uint8_t> rest = bytes;
  for (const size_t size : sizes) {
    events_.SendDtls(rest.first(size));
    rest = rest.subspan(size);
  }
  if (state_ != DtlsState::kConnected || !outgoing_.empty()) return;
  bytes.clear();
  sizes.clear();
  outgoing_.swap(bytes);
  outgoing_sizes_.swap(sizes);
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

void OpenSslDtlsSession::UpdateTimer() {
  if (!flight_armed_) {
    timer_.reset();
    return;
  }
  if (!flight_fresh_) return;
  flight_fresh_ = false;
  flight_timeout_ = kFirstTimeout;
  flight_timeouts_ = 0;
  if (!timer_) timer_ = environment_.CreateTimer([this](Timestamp) { OnTimer(); });
  timer_->Start(flight_timeout_);
}

void OpenSslDtlsSession::OnTimer() {
  if (!ssl_) return;
  if (++flight_timeouts_ >= kMaxTimeouts) {
    Fail("the peer does not answer the handshake");
    return;
  }
  ++stats_.retransmissions;
  if (flight_expiry_ != nullptr) *flight_expiry_ = timeval{0, 1};  // 1970: over
  ERR_clear_error();
  const long result = DTLSv1_handle_timeout(ssl_.get());
  FlushOutgoing();
  if (!ssl_) return;
  if (result < 0) {
    Fail("cannot retransmit: " + TakeOpenSslError());
    return;
  }
  flight_timeout_ = std::min(flight_timeout_ * 2, kLongestTimeout);
  timer_->Start(flight_timeout_);
}

}  // namespace sluice::worker
