// The only file that knows libsrtp2.
#include <srtp2/srtp.h>

#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "worker/core/srtp/index_guard.h"
#include "worker/core/srtp/srtp_backends.h"
#include "worker/core/srtp/srtp_packet.h"
#include "worker/core/srtp/ssrc_table.h"

namespace sluice::worker {
namespace {

// The sender's list of libsrtp must not refuse what IndexGuard lets through: retransmissions of
// old packets. Largest power of two that it takes.
constexpr unsigned long kSenderWindow = 0x4000;  // packets

struct SessionDeleter {
  void operator()(srtp_t session) const { srtp_dealloc(session); }
};
using Session = std::unique_ptr<srtp_ctx_t, SessionDeleter>;

void SetProfile(SrtpProfile profile, srtp_policy_t& policy) {
  switch (profile) {
    case SrtpProfile::kAeadAes256Gcm:
      srtp_crypto_policy_set_aes_gcm_256_16_auth(&policy.rtp);
      srtp_crypto_policy_set_aes_gcm_256_16_auth(&policy.rtcp);
      return;
    case SrtpProfile::kAeadAes128Gcm:
      srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy.rtp);
      srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy.rtcp);
      return;
    case SrtpProfile::kAesCm128HmacSha1_80:
      srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(&policy.rtp);
      break;
    case SrtpProfile::kAesCm128HmacSha1_32:
      srtp_crypto_policy_set_aes_cm_128_hmac_sha1_32(&policy.rtp);
      break;
  }
  srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(&policy.rtcp);
}

Result<Session> OpenSession(const SrtpMasterKey& key, srtp_ssrc_type_t direction) {
  static const srtp_err_status_t started = srtp_init();
  if (started != srtp_err_status_ok) {
    return UnsupportedError("libsrtp2 did not start, status " + std::to_string(started));
  }
  std::vector<uint8_t> bytes = key.key_and_salt;  // libsrtp takes a mutable pointer and copies
  srtp_policy_t policy{};
  SetProfile(key.profile, policy);
  policy.ssrc.type = direction;
  policy.key = bytes.data();
  const bool sends = direction == ssrc_any_outbound;
  policy.window_size = sends ? kSenderWindow : SrtpReceiver::kReplayWindow;
  policy.allow_repeat_tx = sends ? 1 : 0;  // IndexGuard decides
  srtp_t session = nullptr;
  const srtp_err_status_t status = srtp_create(&session, &policy);
  if (status != srtp_err_status_ok) {
    return Error("libsrtp2 refused the session, status " + std::to_string(status));
  }
  return Session(session);
}

class LibsrtpSender final : public SrtpSender {
 public:
  LibsrtpSender(Session session, size_t tag) : session_(std::move(session)), tag_(tag) {}

  size_t ProtectRtp(uint8_t* packet, size_t header_size, std::span<const uint8_t> payload,
                    bool retransmission) override {
    const size_t size = header_size + payload.size();
    if (header_size < kRtpFixedHeader || size > kMaxSrtpPacket - tag_) {
      return Refuse(SrtpRefusal::kOther);
    }
    SrtpRefusal refusal{};
    if (!guard_.Claim(RtpSsrc(packet), RtpSequence(packet), retransmission, &refusal)) {
      return Refuse(refusal);
    }
    if (!payload.empty()) std::memmove(packet + header_size, payload.data(), payload.size());
    auto length = static_cast<int>(size);
    if (srtp_protect(session_.get(), packet, &length) != srtp_err_status_ok) {
      return Refuse(SrtpRefusal::kOther);
    }
    return static_cast<size_t>(length);
  }

  size_t ProtectRtcp(uint8_t* packet, size_t size) override {
    if (size < kSrtcpClearHeader || size > kMaxSrtpPacket - kMaxSrtcpTrailer) {
      return Refuse(SrtpRefusal::kOther);
    }
    auto length = static_cast<int>(size);
    if (srtp_protect_rtcp(session_.get(), packet, &length) != srtp_err_status_ok) {
      return Refuse(SrtpRefusal::kOther);
    }
    return static_cast<size_t>(length);
  }

  size_t tag_length() const override { return tag_; }
  // libsrtp keeps its stream: removing it would restart the rollover counter and the SRTCP index.
  void RetireSsrc(Ssrc ssrc) override { guard_.Retire(ssrc); }
  std::optional<SeqNumber> NextSequence(Ssrc ssrc) const override {
    return guard_.NextSequence(ssrc);
  }
  size_t ssrc_room() const override { return guard_.room(); }

 private:
  Session session_;
  size_t tag_;
  IndexGuard guard_{kMaxSsrcs, kMaxRetiredSsrcs};
};

SrtpUnprotectError Reason(srtp_err_status_t status) {
  switch (status) {
    case srtp_err_status_auth_fail:
      return SrtpUnprotectError::kAuthFailed;
    case srtp_err_status_replay_fail:
    case srtp_err_status_replay_old:
      return SrtpUnprotectError::kReplayed;
    default:
      return SrtpUnprotectError::kOther;
  }
}

class LibsrtpReceiver final : public SrtpReceiver {
 public:
  LibsrtpReceiver(Session session, SrtpProfile profile)
      : session_(std::move(session)),
        rtp_tag_(SrtpTagLength(profile)),
        rtcp_trailer_(kSrtcpIndexSize + (IsGcm(profile) ? kSrtcpTagGcm : kSrtcpTagCm)) {}

  size_t UnprotectRtp(uint8_t* packet, size_t size, Timestamp /*now*/,
                      SrtpUnprotectError* error) override {
    if (size < kRtpFixedHeader + rtp_tag_) return Fail(SrtpUnprotectError::kTooShort, error);
    if (size > kMaxSrtpPacket) return Fail(SrtpUnprotectError::kOther, error);
    if (!RtpHeaderSize({packet, size - rtp_tag_})) {
      return Fail(SrtpUnprotectError::kTooShort, error);
    }
    return Unprotect(&srtp_unprotect, RtpSsrc(packet), packet, size, error);
  }

  size_t UnprotectRtcp(uint8_t* packet, size_t size, SrtpUnprotectError* error) override {
    if (size < kSrtcpClearHeader + rtcp_trailer_) {
      return Fail(SrtpUnprotectError::kTooShort, error);
    }
    if (size > kMaxSrtpPacket) return Fail(SrtpUnprotectError::kOther, error);
    return Unprotect(&srtp_unprotect_rtcp, RtcpSsrc(packet), packet, size, error);
  }

 private:
  using Function = srtp_err_status_t (*)(srtp_t, void*, int*);
  struct Known {};

  /// libsrtp 2.5 makes a stream of its template only after a packet has authenticated (measured:
  /// its heap stays the same over a million forged SSRCs), but without bound; so the bound is
  /// kept here.
  size_t Unprotect(Function function, Ssrc ssrc, uint8_t* packet, size_t size,
                   SrtpUnprotectError* error) {
    const bool known = known_.Find(ssrc) != nullptr;
    if (!known && known_.full()) return Fail(SrtpUnprotectError::kOther, error);
    auto length = static_cast<int>(size);
    const srtp_err_status_t status = function(session_.get(), packet, &length);
    if (status != srtp_err_status_ok) return Fail(Reason(status), error);
    if (!known) known_.Insert(ssrc, {});
    return static_cast<size_t>(length);
  }

  size_t Fail(SrtpUnprotectError reason, SrtpUnprotectError* error) {
    CountError(reason);
    if (error != nullptr) *error = reason;
    return 0;
  }

  Session session_;
  size_t rtp_tag_;
  size_t rtcp_trailer_;
  SsrcTable<Known> known_{kMaxSsrcs};
};

class LibsrtpEngine final : public SrtpEngine {
 public:
  Kind kind() const override { return Kind::kLibsrtp; }
  void Flush() override {}  // every packet is finished at once

  Result<std::unique_ptr<SrtpSender>> CreateSender(const SrtpMasterKey& key) override {
    auto session = OpenSession(key, ssrc_any_outbound);
    if (!session.ok()) return session.status();
    return std::unique_ptr<SrtpSender>(
        std::make_unique<LibsrtpSender>(*std::move(session), SrtpTagLength(key.profile)));
  }
};

}  // namespace

Result<std::unique_ptr<SrtpEngine>> CreateLibsrtpEngine() {
  return std::unique_ptr<SrtpEngine>(std::make_unique<LibsrtpEngine>());
}

Result<std::unique_ptr<SrtpReceiver>> CreateLibsrtpReceiver(const SrtpMasterKey& key) {
  auto session = OpenSession(key, ssrc_any_inbound);
  if (!session.ok()) return session.status();
  return std::unique_ptr<SrtpReceiver>(
      std::make_unique<LibsrtpReceiver>(*std::move(session), key.profile));
}

}  // namespace sluice::worker
