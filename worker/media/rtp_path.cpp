#include "worker/media/rtp_path.h"

#include <cstring>
#include <utility>

namespace sluice::worker {

RtpPath::RtpPath(TransportCore& core, bool encrypted)
    : core_(core),
      encrypted_(encrypted),
      sender_(core.context().environment, encrypted, core.traffic(), limit_) {}

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

void RtpPath::RetireSent(Ssrc ssrc) {
  if (srtp_sender_ == nullptr) return;
  core_.context().srtp.Flush();  // it may hold packets of the SSRC that goes
  srtp_sender_->RetireSsrc(ssrc);
}

size_t RtpPath::RoomToSend() const {
  return srtp_sender_ == nullptr ? SrtpSender::kMaxSsrcs : srtp_sender_->ssrc_room();
}

std::optional<SeqNumber> RtpPath::NextSequence(Ssrc ssrc) const {
  return srtp_sender_ == nullptr ? std::nullopt : srtp_sender_->NextSequence(ssrc);
}

SrtpCounters RtpPath::srtp_counters() const {
  SrtpCounters counters;
  if (srtp_sender_ == nullptr || srtp_receiver_ == nullptr) return counters;
  counters.refused_no_room = srtp_sender_->refused(SrtpRefusal::kTooManySsrcs);
  counters.refused_index_used = srtp_sender_->refused(SrtpRefusal::kIndexUsed);
  counters.refused_other = srtp_sender_->refused(SrtpRefusal::kOther);
  counters.rollover_searches = srtp_receiver_->rollover_searches();
  counters.rollovers_found = srtp_receiver_->rollovers_found();
  return counters;
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

std::optional<RtpPacket> RtpPath::OpenRtp(const PacketRef& buffer, size_t size,
                                          Timestamp received_at) {
  if (encrypted_) {
    if (srtp_receiver_ == nullptr) {
      ++core_.counters().not_ready;
      return std::nullopt;
    }
    SrtpUnprotectError error = SrtpUnprotectError::kOther;
    size = srtp_receiver_->UnprotectRtp(buffer.data(), size, received_at, &error);
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
  if (!sender_.connected() || !rtcp_path_ || !rtcp_allowed_ || compound.empty()) return;
  const size_t largest = compound.size() + (encrypted_ ? kMaxSrtcpTrailer : 0);
  const Timestamp now = core_.context().environment.Now();
  if (!limit_.Allows(largest, now) || !rtcp_limit_.Allows(largest, now)) {
    ++core_.counters().send_withheld;
    return;
  }
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
  limit_.OnSent(size);
  rtcp_limit_.OnSent(size);
  ++core_.traffic().rtcp_packets_sent;
  core_.CountSent(size);
}

}  // namespace sluice::worker
