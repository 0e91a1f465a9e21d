#include "tests/sim/webrtc_peer.h"

#include <array>
#include <cstring>
#include <utility>

#include "worker/media/datagram_kind.h"
#include "worker/wire/stun.h"

namespace sluice::worker {

WebRtcPeer::WebRtcPeer(Setup setup, const SocketAddress& address)
    : setup_(std::move(setup)),
      address_(address),
      check_timer_(setup_.environment.CreateTimer([this](Timestamp) { SendCheck(); })),
      dtls_(std::make_unique<DtlsDriver>(setup_.dtls, setup_.environment,
                                         static_cast<DtlsEvents&>(*this))) {}

void WebRtcPeer::Open() {
  if (protocol_ == TransportProtocol::kTcp) {
    connection_ = setup_.links.ConnectTcp(address_, server_, *this);
    return;
  }
  socket_.reset();
  ListenInfo info;
  info.ip = address_.ip.ToString();
  info.port = address_.port;
  socket_ = *setup_.links.Open(info, *this);
}

PacketWriter* WebRtcPeer::writer() {
  if (socket_ != nullptr) return socket_->writer();
  return connection_ != nullptr && !connection_lost_ ? connection_->writer() : nullptr;
}

void WebRtcPeer::Send(std::span<const uint8_t> datagram) {
  PacketWriter* out = writer();
  if (out == nullptr) return;
  std::memcpy(out->Reserve(datagram.size()), datagram.data(), datagram.size());
  out->Commit(datagram.size(), server_, PacketKind::kDtls);
}

void WebRtcPeer::Connect(const IceCandidateReport& candidate, const IceCredentials& remote,
                         const DtlsFingerprint& remote_fingerprint, DtlsRole role) {
  server_ = {*IpAddress::Parse(candidate.address), candidate.port};
  protocol_ = candidate.protocol;
  remote_ = remote;
  role_ = role;
  dtls_->SetRemoteFingerprint(remote_fingerprint);
  Open();
  SendCheck();
}

void WebRtcPeer::RestartIce(const IceCredentials& remote) {
  remote_ = remote;
  SendCheck();
}

void WebRtcPeer::MoveTo(const SocketAddress& address) {
  address_ = address;
  Open();
  SendCheck();
}

void WebRtcPeer::SendCheck() {
  std::array<uint8_t, 12> transaction{};
  setup_.environment.RandomBytes(transaction);
  std::array<uint8_t, 256> bytes{};
  StunWriter writer(bytes, StunClass::kRequest, kStunMethodBinding, transaction);
  writer.AddUsername(remote_.username_fragment + ":peer");
  writer.AddPriority(0x6E0001FF);
  writer.AddIceControlling(42);
  if (nominating_) writer.AddUseCandidate();
  const size_t size = writer.FinishWithIntegrity(StunIntegrityKey(remote_.password));
  Send({bytes.data(), size});
  check_timer_->Start(ice_answered() ? kConsentInterval : kCheckInterval);
}

void WebRtcPeer::OnDatagram(PacketRef buffer, size_t size, const NetworkPath&, Timestamp) {
  const std::span<uint8_t> datagram(buffer.data(), size);
  switch (ClassifyDatagram(datagram)) {
    case DatagramKind::kStun:
      OnStun(datagram);
      break;
    case DatagramKind::kDtls:
      if (!ice_answered()) ++dtls_before_ice_;
      // The engine may hear of our check before we hear of its answer.
      if (!dtls_->started()) dtls_->Start(role_);
      dtls_->OnDatagram(datagram);
      break;
    case DatagramKind::kRtp:
      OnMedia(datagram, /*is_rtcp=*/false);
      break;
    case DatagramKind::kRtcp:
      OnMedia(datagram, /*is_rtcp=*/true);
      break;
    default:
      break;
  }
}

void WebRtcPeer::OnStun(std::span<const uint8_t> datagram) {
  const auto message = StunMessage::Parse(datagram);
  if (!message) return;
  if (message->message_class() == StunClass::kRequest) return AnswerRequest(*message);
  if (message->message_class() == StunClass::kError) ++refused_;
  if (message->message_class() != StunClass::kSuccess) return;
  if (!message->CheckIntegrity(remote_.password)) return;
  ++answered_;
  if (!dtls_->started()) dtls_->Start(role_);
}

/// As RFC 8489 §9.1.3 has it for a request without credentials.
void WebRtcPeer::AnswerRequest(const StunMessage& request) {
  if (!answers_probes_ || request.username()) return;
  constexpr uint16_t kBadRequest = 400;
  std::array<uint8_t, 128> bytes{};
  StunWriter writer(bytes, StunClass::kError, kStunMethodBinding, request.transaction_id());
  writer.AddErrorCode(kBadRequest, "Bad Request");
  const size_t size = writer.FinishWithFingerprint();
  Send({bytes.data(), size});
}

void WebRtcPeer::OnMedia(std::span<uint8_t> datagram, bool is_rtcp) {
  if (srtp_receiver_ == nullptr) return;
  SrtpUnprotectError error{};
  const size_t size = is_rtcp
                          ? srtp_receiver_->UnprotectRtcp(datagram.data(), datagram.size(), &error)
                          : srtp_receiver_->UnprotectRtp(datagram.data(), datagram.size(),
                                                         setup_.environment.Now(), &error);
  if (size == 0) return;
  if (is_rtcp) {
    if (on_rtcp) on_rtcp(datagram.first(size));
    return;
  }
  auto packet = RtpPacket::Parse(datagram.first(size));
  if (packet && on_rtp) on_rtp(*packet);
}

void WebRtcPeer::SendDtls(std::span<const uint8_t> datagram) {
  sent_dtls_.emplace_back(datagram.begin(), datagram.end());
  Send(datagram);
}

void WebRtcPeer::OnDtlsConnected(const SrtpMasterKey& local, const SrtpMasterKey& remote,
                                 const std::string&) {
  srtp_sender_ = *SrtpSender::Create(local, setup_.srtp);
  srtp_receiver_ = *SrtpReceiver::Create(remote);
}

bool WebRtcPeer::SendRtp(std::span<const uint8_t> packet) {
  if (!dtls_connected()) return false;
  std::vector<uint8_t> bytes(packet.begin(), packet.end());
  const auto view = RtpPacket::Parse(bytes);
  const size_t header = view->header_size();
  bytes.resize(bytes.size() + kMaxSrtpTag);
  const size_t size = srtp_sender_->ProtectRtp(bytes.data(), header,
                                               {bytes.data() + header, packet.size() - header});
  setup_.srtp.Flush();
  bytes.resize(size);
  Send(bytes);
  last_rtp_ = std::move(bytes);
  return true;
}

bool WebRtcPeer::SendRtcp(std::span<const uint8_t> compound) {
  if (!dtls_connected()) return false;
  std::vector<uint8_t> bytes(compound.begin(), compound.end());
  bytes.resize(bytes.size() + kMaxSrtcpTrailer);
  const size_t size = srtp_sender_->ProtectRtcp(bytes.data(), compound.size());
  Send({bytes.data(), size});
  return true;
}

}  // namespace sluice::worker
