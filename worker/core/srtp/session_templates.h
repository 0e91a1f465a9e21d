#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "worker/core/srtp/index_guard.h"
#include "worker/core/srtp/packet_ciphers.h"
#include "worker/core/srtp/replay_guard.h"
#include "worker/core/srtp/rollover_search.h"
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
    if (header_size < kRtpFixedHeader || size > kMaxSrtpPacket) {
      return Refuse(SrtpRefusal::kOther);
    }
    const Ssrc ssrc = RtpSsrc(packet);
    SrtpRefusal refusal{};
    const auto index = guard_.Claim(ssrc, RtpSequence(packet), retransmission, &refusal);
    if (!index) return Refuse(refusal);
    if (!cipher_.SealRtp(packet, header_size, payload, ssrc, *index)) {
      return Refuse(SrtpRefusal::kOther);
    }
    return size;
  }

  size_t ProtectRtcp(uint8_t* packet, size_t size) override {
    if (size < kSrtcpClearHeader || size > kMaxSrtpPacket - kMaxSrtcpTrailer ||
        rtcp_index_ == kMaxSrtcpIndex) {
      return Refuse(SrtpRefusal::kOther);
    }
    const size_t sealed = cipher_.SealRtcp(packet, size, ++rtcp_index_);
    return sealed != 0 ? sealed : Refuse(SrtpRefusal::kOther);
  }

  void PrefetchFor(Ssrc ssrc) const override {
    guard_.PrefetchFor(ssrc);
    cipher_.PrefetchRtp();
  }
  size_t tag_length() const override { return cipher_.rtp_tag(); }
  void RetireSsrc(Ssrc ssrc) override { guard_.Retire(ssrc); }
  std::optional<SeqNumber> NextSequence(Ssrc ssrc) const override {
    return guard_.NextSequence(ssrc);
  }
  size_t ssrc_room() const override { return guard_.room(); }

 private:
  IndexGuard guard_{kMaxSsrcs, kMaxRetiredSsrcs};  // the part of it that is used lies in front
  Cipher cipher_;
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

  size_t UnprotectRtp(uint8_t* packet, size_t size, Timestamp now,
                      SrtpUnprotectError* error) override {
    const size_t tag = cipher_.rtp_tag();
    if (size < kRtpFixedHeader + tag) return Fail(SrtpUnprotectError::kTooShort, error);
    if (size > kMaxSrtpPacket) return Fail(SrtpUnprotectError::kOther, error);
    const auto header_size = RtpHeaderSize({packet, size - tag});
    if (!header_size) return Fail(SrtpUnprotectError::kTooShort, error);
    const Ssrc ssrc = RtpSsrc(packet);
    const ReplayGuard::Verdict verdict = rtp_.CheckSequence(ssrc, RtpSequence(packet));
    if (verdict.kind == Kind::kSeen) return Fail(SrtpUnprotectError::kReplayed, error);
    std::optional<uint64_t> index;
    if (verdict.kind == Kind::kNew && verdict.index <= kMaxSrtpIndex &&
        cipher_.OpenRtp(packet, *header_size, size, ssrc, verdict.index)) {
      index = verdict.index;
    } else {
      index = SearchRollover({packet, size}, *header_size, verdict, now);
    }
    if (!index) {
      const bool tried = verdict.kind == Kind::kNew;
      return Fail(tried ? SrtpUnprotectError::kAuthFailed : SrtpUnprotectError::kReplayed, error);
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
    const ReplayGuard::Verdict verdict = rtcp_.CheckIndex(ssrc, word & ~kSrtcpEncryptedFlag);
    if (verdict.kind != Kind::kNew) return Fail(SrtpUnprotectError::kReplayed, error);
    if (!cipher_.OpenRtcp(packet, size)) return Fail(SrtpUnprotectError::kAuthFailed, error);
    rtcp_.Accept(ssrc, verdict.index);
    return size - trailer;
  }

 private:
  using Kind = ReplayGuard::Verdict::Kind;

  /// Opens a packet that failed as `failed` says under one of the indices of RolloverSearch.
  std::optional<uint64_t> SearchRollover(std::span<uint8_t> packet, size_t header_size,
                                         const ReplayGuard::Verdict& failed, Timestamp now) {
    if (!search_.Allow(now)) return std::nullopt;
    CountSearch();
    const Ssrc ssrc = RtpSsrc(packet.data());
    const SeqNumber seq = RtpSequence(packet.data());
    if (failed.kind == Kind::kNew) {
      cipher_.UndoOpenRtp(packet.data(), header_size, packet.size(), ssrc, failed.index);
    }
    const std::optional<uint64_t> highest = rtp_.Highest(ssrc);
    uint64_t index = highest ? RolloverSearch::FirstAbove(*highest, seq) : seq.value();
    for (int i = 0; i < RolloverSearch::kRollovers && index <= kMaxSrtpIndex; ++i) {
      if (index != failed.index) {
        if (cipher_.OpenRtp(packet.data(), header_size, packet.size(), ssrc, index)) {
          CountFound();
          return index;
        }
        cipher_.UndoOpenRtp(packet.data(), header_size, packet.size(), ssrc, index);
      }
      index += RolloverSearch::kRollover;
    }
    return std::nullopt;
  }

  size_t Fail(SrtpUnprotectError reason, SrtpUnprotectError* error) {
    CountError(reason);
    if (error != nullptr) *error = reason;
    return 0;
  }

  Cipher cipher_;
  ReplayGuard rtp_{kMaxSsrcs, kMaxRetiredSsrcs};
  ReplayGuard rtcp_{kMaxSsrcs, kMaxRetiredSsrcs};
  RolloverSearch search_;
};

}  // namespace sluice::worker
