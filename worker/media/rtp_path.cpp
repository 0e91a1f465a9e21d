#include "worker/media/rtp_path.h"

#include <cstring>
#include <utility>

namespace sluice::worker {

RtpPath::RtpPath(TransportCore& core, bool encrypted)
    : core_(core),
      encrypted_(encrypted),
      sender_(core.context().environment, encrypted, core.traffic()) {}

RtpPath::~RtpPath() {
  // Encryptions under way write into the arena of a socket that may close next.
  core_.context().srtp.Flush();
}

// ---- Connectivity -----------------------------------------------------------------------------

void RtpPath::SetPaths(const NetworkPath& rtp, const NetworkPath& rtcp) {
  sender_.SetPath(rtp);
  rtcp_path_ = rtcp;
}

Status RtpPath::InstallSrtp(const SrtpMasterKey& local, const SrtpMasterKey& remote) {
  Result<std::unique_ptr<SrtpSender>> sender = SrtpSender::Create(local, core_.context().srtp);
  if (!sender.ok()) return sender.status();
  Result<std::unique_ptr<SrtpReceiver>> receiver = SrtpReceiver::Create(remote);
  if (!receiver.ok()) return receiver.status();
  core_.context().srtp.Flush();  // what the old sender began
  srtp_sender_ = *std::move(sender);
  sender_.SetSrtp(srtp_sender_.get());
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

void RtpPath::SendRtcp(std::span<const uint8_t> compound) {
  if (!sender_.connected() || !rtcp_path_ || compound.empty()) return;
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
  rtcp_path_.writer->Commit(size, rtcp_path_.tuple.remote, PacketKind::kRtcp);
  ++core_.traffic().rtcp_packets_sent;
  core_.CountSent(size);
}

}  // namespace sluice::worker
