#include "bench/viewer_client.h"

#include <sys/socket.h>

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "bench/must.h"
#include "worker/core/dtls/openssl_dtls_context.h"
#include "worker/media/datagram_kind.h"
#include "worker/wire/stun.h"

namespace sluice::worker::bench {

namespace {
constexpr uint32_t kHostPriority = 0x6E0001FF;
constexpr uint64_t kTieBreaker = 1;
}  // namespace

std::shared_ptr<DtlsContext> ViewerClient::MakeContext(SrtpProfile profile) {
  auto context = Must(DtlsContext::Generate());
  const char* name =
      profile == SrtpProfile::kAeadAes128Gcm ? "SRTP_AEAD_AES_128_GCM" : "SRTP_AES128_CM_SHA1_80";
  // DtlsContext's factories make nothing else.
  auto openssl = std::static_pointer_cast<OpenSslDtlsContext>(context);
  if (SSL_CTX_set_tlsext_use_srtp(openssl->ssl_ctx(), name) != 0) {
    Die("OpenSSL does not know the SRTP profile " + std::string(name));
  }
  return context;
}

ViewerClient::ViewerClient(Loop& loop, std::shared_ptr<DtlsContext> dtls)
    : loop_(loop),
      dtls_(DtlsSession::Create(std::move(dtls), loop)),
      timer_(loop.CreateTimer([this](Timestamp now) {
        dtls_->OnTimeout(now);
        DrainDtls();
      })) {}

Status ViewerClient::Connect(const WebRtcTransportDump& transport) {
  const IceCandidateReport& candidate = transport.ice_candidates.front();
  sockaddr_storage storage{};
  const SocketAddress server{*IpAddress::Parse(candidate.address), candidate.port};
  const socklen_t length = server.ToSockaddr(&storage);
  socket_ = Fd(socket(storage.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket_.valid() ||
      connect(socket_.get(), reinterpret_cast<sockaddr*>(&storage), length) != 0) {
    return Error("a viewer has no socket: raise `ulimit -n`");
  }
  for (const DtlsFingerprint& fingerprint : transport.dtls_fingerprints) {
    if (fingerprint.algorithm == FingerprintAlgorithm::kSha256) {
      dtls_->SetRemoteFingerprint(fingerprint);
    }
  }
  SendCheck(transport.ice_parameters);
  const Timestamp give_up = ReadMonotonicClock() + kTimeout;
  while (!connected_) {
    loop_.RunReady();
    ReadSocket();
    if (ReadMonotonicClock() > give_up) return Error("a viewer's handshake did not end in time");
  }
  return absl::OkStatus();
}

void ViewerClient::SendCheck(const IceCredentials& remote) {
  std::array<uint8_t, 12> transaction{};
  loop_.RandomBytes(transaction);
  std::array<uint8_t, 256> bytes{};
  StunWriter writer(bytes, StunClass::kRequest, kStunMethodBinding, transaction);
  writer.AddUsername(remote.username_fragment + ":viewer");
  writer.AddPriority(kHostPriority);
  writer.AddIceControlling(kTieBreaker);
  writer.AddUseCandidate();
  const size_t size = writer.FinishWithIntegrity(StunIntegrityKey(remote.password));
  Send({bytes.data(), size});
}

void ViewerClient::ReadSocket() {
  std::array<uint8_t, 2048> bytes;
  for (;;) {
    const ssize_t got = recv(socket_.get(), bytes.data(), bytes.size(), 0);
    if (got <= 0) return;
    const std::span<const uint8_t> datagram(bytes.data(), static_cast<size_t>(got));
    switch (ClassifyDatagram(datagram)) {
      case DatagramKind::kStun:
        if (!dtls_->started()) dtls_->Start(DtlsRole::kClient);
        break;
      case DatagramKind::kDtls:
        dtls_->OnDatagram(datagram);
        break;
      default:
        break;
    }
    DrainDtls();
  }
}

void ViewerClient::DrainDtls() {
  while (const std::optional<DtlsOutput> output = dtls_->TakeOutput()) {
    if (const auto* datagram = std::get_if<DtlsDatagram>(&*output)) Send(datagram->bytes);
    if (std::holds_alternative<DtlsConnected>(*output)) connected_ = true;
  }
  const std::optional<Timestamp> next = dtls_->NextTimeout();
  next ? timer_->Start(*next - loop_.Now()) : timer_->Stop();
}

void ViewerClient::Send(std::span<const uint8_t> datagram) {
  // What is lost here is sent again by the handshake's timer.
  static_cast<void>(send(socket_.get(), datagram.data(), datagram.size(), MSG_NOSIGNAL));
}

}  // namespace sluice::worker::bench
