#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

#include "worker/core/srtp/index_guard.h"
#include "worker/core/srtp/packet_ciphers.h"
#include "worker/core/srtp/replay_guard.h"
#include "worker/core/srtp/srtp_session.h"

namespace sluice::worker {

/// SrtpSender over a packet cipher (packet_ciphers.h): one virtual call per packet, the rest
/// inline. Holds the cipher by value, so that queued jobs may point at its keys.
template <typename Cipher>
class SrtpSenderOf final : public SrtpSender {
 public:
  template <typename... Args>
  explicit SrtpSenderOf(Args&&... args) : cipher_(std::forward<Args>(args)...) {}

  Cipher& cipher() { return cipher_; }

  size_t ProtectRtp(uint8_t* packet, size_t header_size, std::span<const uint8_t> payload,
                    bool retransmission) override {
    const size_t size = header_size + payload.size() + cipher_.rtp_tag();
    if (header_size < kRtpFixedHeader || size > kMaxSrtpPacket) return Refuse();
    const Ssrc ssrc = RtpSsrc(packet);
    const auto index = guard_.Claim(ssrc, RtpSequence(packet), retransmission);
    if (!index) return Refuse();
    if (!cipher_.SealRtp(packet, header_size, payload, ssrc, *index)) return Refuse();
    return size;
  }

  size_t ProtectRtcp(uint8_t* packet, size_t size) override {
    if (size < kSrtcpClearHeader || size > kMaxSrtpPacket - kMaxSrtcpTrailer) return Refuse();
    if (rtcp_index_ == kMaxSrtcpIndex) return Refuse();
    const size_t sealed = cipher_.SealRtcp(packet, size, ++rtcp_index_);
    return sealed != 0 ? sealed : Refuse();
  }

  size_t tag_length() const override { return cipher_.rtp_tag(); }
  void RemoveSsrc(Ssrc ssrc) override { guard_.Retire(ssrc); }

 private:
  size_t Refuse() {
    ++refused_;
    return 0;
  }

  Cipher cipher_;
  IndexGuard guard_{kMaxSsrcs};
  /// One counter for all SSRCs: the index is on the wire, so a receiver needs no more than that it
  /// grows, and no removal of an SSRC can bring a nonce back.
  uint32_t rtcp_index_ = 0;
};

/// SrtpReceiver over a packet cipher.
template <typename Cipher>
class SrtpReceiverOf final : public SrtpReceiver {
 public:
  template <typename... Args>
  explicit SrtpReceiverOf(Args&&... args) : cipher_(std::forward<Args>(args)...) {}

  Cipher& cipher() { return cipher_; }

  size_t UnprotectRtp(uint8_t* packet, size_t size, SrtpUnprotectError* error) override {
    const size_t tag = cipher_.rtp_tag();
    if (size < kRtpFixedHeader + tag) return Fail(SrtpUnprotectError::kTooShort, error);
    if (size > kMaxSrtpPacket) return Fail(SrtpUnprotectError::kOther, error);
    const auto header_size = RtpHeaderSize({packet, size - tag});
    if (!header_size) return Fail(SrtpUnprotectError::kTooShort, error);
    const Ssrc ssrc = RtpSsrc(packet);
    SrtpUnprotectError reason{};
    const auto index = rtp_.CheckSequence(ssrc, RtpSequence(packet), &reason);
    if (!index) return Fail(reason, error);
    if (!cipher_.OpenRtp(packet, *header_size, size, ssrc, *index)) {
      return Fail(SrtpUnprotectError::kAuthFailed, error);
    }
    rtp_.Accept(ssrc, *index);
    return size - tag;
  }

  size_t UnprotectRtcp(uint8_t* packet, size_t size, SrtpUnprotectError* error) override {
    const size_t trailer = kSrtcpIndexSize + cipher_.rtcp_tag();
    if (size < kSrtcpClearHeader + trailer) return Fail(SrtpUnprotectError::kTooShort, error);
    if (size > kMaxSrtpPacket) return Fail(SrtpUnprotectError::kOther, error);
    const uint32_t word = LoadBig32(packet + cipher_.RtcpIndexOffset(size));
    // WebRTC always encrypts RTCP; authenticated-only packets would need SDP's UNENCRYPTED_SRTCP.
    if ((word & kSrtcpEncryptedFlag) == 0) return Fail(SrtpUnprotectError::kOther, error);
    const Ssrc ssrc = RtcpSsrc(packet);
    SrtpUnprotectError reason{};
    const auto index = rtcp_.CheckIndex(ssrc, word & ~kSrtcpEncryptedFlag, &reason);
    if (!index) return Fail(reason, error);
    if (!cipher_.OpenRtcp(packet, size)) return Fail(SrtpUnprotectError::kAuthFailed, error);
    rtcp_.Accept(ssrc, *index);
    return size - trailer;
  }

  void RemoveSsrc(Ssrc ssrc) override {
    rtp_.Remove(ssrc);
    rtcp_.Remove(ssrc);
  }

 private:
  size_t Fail(SrtpUnprotectError reason, SrtpUnprotectError* error) {
    CountError(reason);
    if (error != nullptr) *error = reason;
    return 0;
  }

  Cipher cipher_;
  ReplayGuard rtp_{kMaxSsrcs};
  ReplayGuard rtcp_{kMaxSsrcs};
};

}  // namespace sluice::worker
