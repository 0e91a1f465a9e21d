#include "worker/media/rtp_path.h"

#include <cstring>
#include <utility>

namespace sluice::worker {

RtpPath::RtpPath(TransportCore& core, bool encrypted) : core_(core), encrypted_(encrypted) {}

RtpPath::~RtpPath() {
  // Encryptions under way write into the arena of a socket that may close next.
  core_.context().srtp.Flush();
}

// ---- Connectivity -----------------------------------------------------------------------------

void RtpPath::SetPaths(const NetworkPath& rtp, const NetworkPath& rtcp) {
  rtp_path_ = rtp;
  rtcp_path_ = rtcp;
}

Status RtpPath::InstallSrtp(const SrtpMasterKey& local, const SrtpMasterKey& remote) {
  Result<std::unique_ptr<SrtpSender>> sender = SrtpSender::Create(local, core_.context().srtp);
  if (!sender.ok()) return sender.status();
  Result<std::unique_ptr<SrtpReceiver>> receiver = SrtpReceiver::Create(remote);
  if (!receiver.ok()) return receiver.status();
  core_.context().srtp.Flush();  // what the old sender began
  srtp_sender_ = *std::move(sender);
  srtp_receiver_ = *std::move(receiver);
  return absl::OkStatus();
}

void RtpPath::ForgetReceived(Ssrc ssrc) {
  if (srtp_receiver_ != nullptr) srtp_receiver_->RemoveSsrc(ssrc);
}

void RtpPath::ForgetSent(Ssrc ssrc) {
  if (srtp_sender_ == nullptr) return;
  core_.context().srtp.Flush();  // it may hold packets of the SSRC that goes
  srtp_sender_->RemoveSsrc(ssrc);
}

// ---- Receiving --------------------------------------------------------------------------------

void RtpPath::CountUnprotectError(SrtpUnprotectError error) {
  switch (error) {
    case SrtpUnprotectError::kTooShort:
      ++core_.counters().srtp_too_short;
      break;
    case SrtpUnprotectError::kAuthFailed:
      ++core_.counters().srtp_auth_failed;
      break;
    case SrtpUnprotectError::kReplayed:
      ++core_.counters().srtp_replayed;
      break;
    default:
      ++core_.counters().srtp_other;
      break;
  }
}

std::optional<RtpPacket> RtpPath::OpenRtp(const PacketRef& buffer, size_t size) {
  if (encrypted_) {
    if (srtp_receiver_ == nullptr) {
      ++core_.counters().not_ready;
      return std::nullopt;
    }
    SrtpUnprotectError error = SrtpUnprotectError::kOther;
    size = srtp_receiver_->UnprotectRtp(buffer.data(), size, &error);
    if (size == 0) {
      CountUnprotectError(error);
      return std::nullopt;
    }
  }
  std::optional<RtpPacket> packet = RtpPacket::Parse({buffer.data(), size});
  if (!packet) ++core_.counters().malformed_rtp;
  return packet;
}

std::span<const uint8_t> RtpPath::OpenRtcp(const PacketRef& buffer, size_t size) {
  if (encrypted_) {
    if (srtp_receiver_ == nullptr) {
      ++core_.counters().not_ready;
      return {};
    }
    SrtpUnprotectError error = SrtpUnprotectError::kOther;
    size = srtp_receiver_->UnprotectRtcp(buffer.data(), size, &error);
    if (size == 0) CountUnprotectError(error);
  }
  return {buffer.data(), size};
}

// ---- Sending ------------------------------------------------------------------------------------

uint8_t* RtpPath::BeginRtp(size_t capacity) {
  if (!connected_ || !rtp_path_) {
    ++core_.counters().send_refused;
    return nullptr;
  }
  uint8_t* slot = rtp_path_.writer->Reserve(capacity + kMaxSrtpTag);
  if (slot == nullptr) ++core_.counters().send_refused;
  return slot;
}

void RtpPath::EndRtp(uint8_t* slot, size_t header_size, std::span<const uint8_t> payload,
                     RtpClass rtp_class, bool same_bytes_again) {
  const size_t plain_size = header_size + payload.size();
  uint8_t* body = slot + header_size;
  if (payload.data() != body && !payload.empty() &&
      (!encrypted_ || rtp_class == RtpClass::kRetransmission)) {
    // A stored packet may leave the store before the encryption ends with the turn.
    std::memcpy(body, payload.data(), payload.size());
    payload = {body, payload.size()};
  }
  size_t size = plain_size;
  if (encrypted_) {
    size = srtp_sender_->ProtectRtp(slot, header_size, payload, same_bytes_again);
    if (size == 0) {
      ++core_.counters().send_refused;
      return;
    }
  }
  rtp_path_.writer->Commit(size, rtp_path_.tuple.remote);
  const Timestamp now = core_.context().environment.Now();
  TransportTraffic& traffic = core_.traffic();
  traffic.sent.Add(size, now);
  (rtp_class == RtpClass::kRetransmission ? traffic.rtx_sent : traffic.rtp_sent)
      .Add(plain_size, now);
}

void RtpPath::SendRtcp(std::span<const uint8_t> compound) {
  if (!connected_ || !rtcp_path_ || compound.empty()) return;
  uint8_t* slot = rtcp_path_.writer->Reserve(compound.size() + kMaxSrtcpTrailer);
  if (slot == nullptr) {
    ++core_.counters().send_refused;
    return;
  }
  std::memcpy(slot, compound.data(), compound.size());
  size_t size = compound.size();
  if (encrypted_) {
    size = srtp_sender_->ProtectRtcp(slot, size);
    if (size == 0) {
      ++core_.counters().send_refused;
      return;
    }
  }
  rtcp_path_.writer->Commit(size, rtcp_path_.tuple.remote);
  core_.CountSent(size);
}

}  // namespace sluice::worker
