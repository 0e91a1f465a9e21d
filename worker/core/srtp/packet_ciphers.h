#pragma once

#include <openssl/crypto.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "common/rtp_types.h"
#include "worker/core/prefetch.h"
#include "worker/core/srtp/srtp_kdf.h"
#include "worker/core/srtp/srtp_packet.h"
#include "worker/wire/hmac_sha1.h"

namespace sluice::worker {

/// What a cipher context is keyed for; OpenSSL's contexts do one of the two.
enum class CipherDirection : uint8_t { kSeal, kOpen };

/// The packet formats of RFC 7714 over an AEAD primitive, one direction, SRTP and SRTCP.
///
/// `Aead` has Init(key, direction), Seal(iv, aad, in, out, tag) and Open(iv, aad, in, out, tag),
/// each of which returns false on failure; `in` and `out` are equal or do not overlap.
/// PrefetchKey() fetches what a call reads of the key. Replay and nonce checks are the caller's
/// (SrtpSenderOf, SrtpReceiverOf).
template <typename Aead>
class GcmPacketCipher {
 public:
  static constexpr size_t kTag = 16;

  bool Init(const SrtpSessionKeys& rtp, const SrtpSessionKeys& rtcp, CipherDirection direction) {
    std::copy_n(rtp.salt.begin(), sizeof(rtp_salt_), rtp_salt_);
    std::copy_n(rtcp.salt.begin(), sizeof(rtcp_salt_), rtcp_salt_);
    return rtp_.Init(rtp.cipher(), direction) && rtcp_.Init(rtcp.cipher(), direction);
  }
  ~GcmPacketCipher() {
    OPENSSL_cleanse(rtp_salt_, sizeof(rtp_salt_));
    OPENSSL_cleanse(rtcp_salt_, sizeof(rtcp_salt_));
  }

  size_t rtp_tag() const { return kTag; }
  size_t rtcp_tag() const { return kTag; }

  /// Fetches what SealRtp() reads of the keys.
  void PrefetchRtp() const {
    rtp_.PrefetchKey();
    Prefetch(rtp_salt_, sizeof(rtp_salt_));
  }

  /// Writes ciphertext and tag behind the header.
  bool SealRtp(uint8_t* packet, size_t header_size, std::span<const uint8_t> payload, Ssrc ssrc,
               uint64_t index) {
    const SrtpIv iv = GcmRtpIv(rtp_salt_, ssrc, index);
    uint8_t* out = packet + header_size;
    return rtp_.Seal(iv, {packet, header_size}, payload, out, out + payload.size());
  }

  /// Decrypts in place; `size` includes the tag. A failure leaves the body changed.
  bool OpenRtp(uint8_t* packet, size_t header_size, size_t size, Ssrc ssrc, uint64_t index) {
    const SrtpIv iv = GcmRtpIv(rtp_salt_, ssrc, index);
    uint8_t* body = packet + header_size;
    return rtp_.Open(iv, {packet, header_size}, {body, size - header_size - kTag}, body,
                     packet + size - kTag);
  }

  /// Brings back the body that OpenRtp has failed on: GCM encrypts by XOR with a key stream, so
  /// that a second decryption undoes the first one.
  void UndoOpenRtp(uint8_t* packet, size_t header_size, size_t size, Ssrc ssrc, uint64_t index) {
    (void)OpenRtp(packet, header_size, size, ssrc, index);
  }

  /// In place; returns the new size, 0 on failure. The tag precedes E‖index (RFC 7714 §9.2).
  size_t SealRtcp(uint8_t* packet, size_t size, uint32_t index) {
    const SrtpIv iv = GcmRtcpIv(rtcp_salt_, RtcpSsrc(packet), index);
    uint8_t* trailer = packet + size + kTag;
    StoreBig32(trailer, index | kSrtcpEncryptedFlag);
    uint8_t aad[kSrtcpClearHeader + kSrtcpIndexSize];
    FillRtcpAad(aad, packet, trailer);
    uint8_t* body = packet + kSrtcpClearHeader;
    if (!rtcp_.Seal(iv, aad, {body, size - kSrtcpClearHeader}, body, packet + size)) return 0;
    return size + kTag + kSrtcpIndexSize;
  }

  /// In place. `size` covers header, tag and index; the E flag is set.
  bool OpenRtcp(uint8_t* packet, size_t size) {
    const uint8_t* trailer = packet + size - kSrtcpIndexSize;
    const SrtpIv iv =
        GcmRtcpIv(rtcp_salt_, RtcpSsrc(packet), LoadBig32(trailer) & ~kSrtcpEncryptedFlag);
    uint8_t aad[kSrtcpClearHeader + kSrtcpIndexSize];
    FillRtcpAad(aad, packet, trailer);
    uint8_t* body = packet + kSrtcpClearHeader;
    const uint8_t* tag = trailer - kTag;
    return rtcp_.Open(iv, aad, {body, static_cast<size_t>(tag - body)}, body, tag);
  }

  /// Where the E‖index word of an SRTCP packet of `size` bytes stands.
  size_t RtcpIndexOffset(size_t size) const { return size - kSrtcpIndexSize; }

 private:
  static void FillRtcpAad(uint8_t* aad, const uint8_t* packet, const uint8_t* trailer) {
    std::memcpy(aad, packet, kSrtcpClearHeader);
    std::memcpy(aad + kSrtcpClearHeader, trailer, kSrtcpIndexSize);
  }

  Aead rtp_;
  Aead rtcp_;
  uint8_t rtp_salt_[12];
  uint8_t rtcp_salt_[12];
};

/// Keys of one domain of the AES-CM profiles: counter-mode cipher, HMAC and salt.
/// `Ctr` has Init(key) and Crypt(iv, in, out), which return false on failure.
template <typename Ctr>
struct CmKeys {
  explicit CmKeys(const SrtpSessionKeys& keys) : hmac(keys.auth_key) {
    std::copy_n(keys.salt.begin(), sizeof(salt), salt);
    usable = ctr.Init(keys.cipher());
  }
  ~CmKeys() { OPENSSL_cleanse(salt, sizeof(salt)); }
  CmKeys(const CmKeys&) = delete;
  CmKeys& operator=(const CmKeys&) = delete;

  Ctr ctr;
  HmacSha1 hmac;
  uint8_t salt[14];
  bool usable = false;
};

/// The packet formats of RFC 3711 with AES-CM and HMAC-SHA1, both directions, SRTP and SRTCP.
/// Every packet is finished at once; replay and keystream checks are the caller's.
template <typename Ctr>
class CmPacketCipher {
 public:
  CmPacketCipher(const SrtpSessionKeys& rtp, const SrtpSessionKeys& rtcp)
      : rtp_(rtp), rtcp_(rtcp), rtp_tag_(SrtpTagLength(rtp.profile)) {}

  bool usable() const { return rtp_.usable && rtcp_.usable; }
  size_t rtp_tag() const { return rtp_tag_; }
  size_t rtcp_tag() const { return kSrtcpTagCm; }
  CmKeys<Ctr>& rtp_keys() { return rtp_; }
  void PrefetchRtp() const { Prefetch(&rtp_, sizeof(rtp_)); }

  bool SealRtp(uint8_t* packet, size_t header_size, std::span<const uint8_t> payload, Ssrc ssrc,
               uint64_t index) {
    const SrtpIv iv = CounterIv(rtp_.salt, ssrc, index);
    if (!rtp_.ctr.Crypt(iv, payload, packet + header_size)) return false;
    const size_t size = header_size + payload.size();
    const auto tag = RtpTag({packet, size}, index);
    std::memcpy(packet + size, tag.data(), rtp_tag_);
    return true;
  }

  bool OpenRtp(uint8_t* packet, size_t header_size, size_t size, Ssrc ssrc, uint64_t index) {
    const size_t authenticated = size - rtp_tag_;
    const auto tag = RtpTag({packet, authenticated}, index);
    if (CRYPTO_memcmp(tag.data(), packet + authenticated, rtp_tag_) != 0) return false;
    uint8_t* body = packet + header_size;
    return rtp_.ctr.Crypt(CounterIv(rtp_.salt, ssrc, index), {body, authenticated - header_size},
                          body);
  }
  /// Nothing to do: what does not authenticate is not decrypted.
  void UndoOpenRtp(uint8_t*, size_t, size_t, Ssrc, uint64_t) {}

  size_t SealRtcp(uint8_t* packet, size_t size, uint32_t index) {
    if (!CryptRtcp(packet, size, index)) return 0;
    StoreBig32(packet + size, index | kSrtcpEncryptedFlag);
    const size_t authenticated = size + kSrtcpIndexSize;
    const auto tag = RtcpTag({packet, authenticated});
    std::memcpy(packet + authenticated, tag.data(), kSrtcpTagCm);
    return authenticated + kSrtcpTagCm;
  }

  bool OpenRtcp(uint8_t* packet, size_t size) {
    const size_t authenticated = size - kSrtcpTagCm;
    const auto tag = RtcpTag({packet, authenticated});
    if (CRYPTO_memcmp(tag.data(), packet + authenticated, kSrtcpTagCm) != 0) return false;
    const size_t plain = authenticated - kSrtcpIndexSize;
    return CryptRtcp(packet, plain, LoadBig32(packet + plain) & ~kSrtcpEncryptedFlag);
  }

  size_t RtcpIndexOffset(size_t size) const { return size - kSrtcpTagCm - kSrtcpIndexSize; }

 private:
  std::array<uint8_t, HmacSha1::kDigest> RtpTag(std::span<const uint8_t> packet,
                                                uint64_t index) const {
    uint8_t roc[4];  // RFC 3711 §4.2: the rollover counter is authenticated, not sent
    StoreBig32(roc, static_cast<uint32_t>(index >> 16));
    return rtp_.hmac.Compute({packet, roc});
  }
  std::array<uint8_t, HmacSha1::kDigest> RtcpTag(std::span<const uint8_t> packet) const {
    return rtcp_.hmac.Compute({packet});
  }
  bool CryptRtcp(uint8_t* packet, size_t size, uint32_t index) {
    uint8_t* body = packet + kSrtcpClearHeader;
    return rtcp_.ctr.Crypt(CounterIv(rtcp_.salt, RtcpSsrc(packet), index),
                           {body, size - kSrtcpClearHeader}, body);
  }

  CmKeys<Ctr> rtp_;
  CmKeys<Ctr> rtcp_;
  size_t rtp_tag_;
};

}  // namespace sluice::worker
