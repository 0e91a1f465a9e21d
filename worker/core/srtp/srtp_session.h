#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "common/rtp_types.h"
#include "common/status.h"
#include "worker/core/srtp/srtp_types.h"

namespace sluice::worker {

class SrtpSender;

/// Encrypts the RTP of a whole worker (core/srtp/): picks the fastest engine that the CPU has
/// (ipsec-mb, else OpenSSL EVP) and batches jobs over a loop turn. One per worker; outlives every
/// SrtpSender made from it.
class SrtpEngine {
 public:
  enum class Kind : uint8_t { kAuto, kIpsecMb, kOpenSsl, kLibsrtp };

  /// kAuto probes; another kind fails with UnsupportedError where it cannot run.
  static Result<std::unique_ptr<SrtpEngine>> Create(Kind kind = Kind::kAuto);
  virtual ~SrtpEngine() = default;

  virtual Kind kind() const = 0;
  /// Finishes every started encryption: their output is valid afterwards. Called before the
  /// writers flush; cheap when nothing is pending.
  virtual void Flush() = 0;

  /// A sender of this engine; behind SrtpSender::Create, which is what callers use.
  virtual Result<std::unique_ptr<SrtpSender>> CreateSender(const SrtpMasterKey& key) = 0;
};

/// Protects outgoing SRTP and SRTCP of one transport (RFC 3711, RFC 7714).
///
/// RTP goes through the engine, out of place from the shared plaintext. SRTCP is finished at once.
/// Keeps the rollover counter per SSRC (at most kMaxSsrcs). Never encrypts two different plaintexts
/// under one nonce: see ProtectRtp.
class SrtpSender {
 public:
  static constexpr size_t kMaxSsrcs = 4096;

  static Result<std::unique_ptr<SrtpSender>> Create(const SrtpMasterKey& key, SrtpEngine& engine);
  virtual ~SrtpSender() = default;

  /// `packet` starts with the finished RTP header (`header_size` bytes, extensions included) and
  /// has room for `payload` and kMaxSrtpTag bytes after it. Writes the ciphertext of `payload`
  /// (which may already stand at packet + header_size) and the tag there, now or at the engine's
  /// Flush(); until then `payload` and `packet` must stay as they are. Returns the size of the
  /// whole SRTP packet.
  ///
  /// Returns 0, counted by refused(), when the SSRC table is full, when the sequence number lies
  /// before the first packet of the SSRC on the other side of 0 (start below 2^15), or when a
  /// second plaintext under one index cannot be ruled out: the index was used, or is older than
  /// the newest 1024. `retransmission` promises the same bytes as the first time and lifts the
  /// latter two. All profiles alike: a reused AES-CM key stream leaks as well.
  virtual size_t ProtectRtp(uint8_t* packet, size_t header_size, std::span<const uint8_t> payload,
                            bool retransmission = false) = 0;

  /// In place: `packet` holds `size` bytes of RTCP and room for kMaxSrtcpTrailer more. Returns the
  /// new size, 0 on failure.
  virtual size_t ProtectRtcp(uint8_t* packet, size_t size) = 0;

  virtual size_t tag_length() const = 0;
  /// Forgets an SSRC that is no longer sent. Its nonces stay used: a later reuse continues.
  virtual void RemoveSsrc(Ssrc ssrc) = 0;

  /// Packets for which 0 was returned.
  uint64_t refused() const { return refused_; }

 protected:
  uint64_t refused_ = 0;
};

enum class SrtpUnprotectError : uint8_t { kTooShort, kAuthFailed, kReplayed, kOther };

/// Unprotects incoming SRTP and SRTCP of one transport; replay window 1024, SRTP and SRTCP alike.
/// No state is kept for an SSRC before a packet of it has authenticated; at most kMaxSsrcs are
/// kept.
class SrtpReceiver {
 public:
  static constexpr size_t kReplayWindow = 1024;  // packets
  static constexpr size_t kMaxSsrcs = 1024;      // as many as a transport routes (RtpListener)

  /// kAuto is the fastest that the CPU has; kLibsrtp is the reference. UnsupportedError for another
  /// kind that cannot run here.
  ///
  /// Measured per 1200-byte packet (bench/srtp_bench.cpp; AMD Zen 4, Debian 12), unprotect:
  /// GCM 1100 ns by libsrtp2, 460 by OpenSSL, 140 by ipsec-mb; AES-CM 4800, 950, 800. A libsrtp2
  /// session takes 18 to 30 KB, one of ours 0.7 to 2.6 KB; so libsrtp2 is the reference only.
  static Result<std::unique_ptr<SrtpReceiver>> Create(
      const SrtpMasterKey& key, SrtpEngine::Kind kind = SrtpEngine::Kind::kAuto);
  virtual ~SrtpReceiver() = default;

  /// In place. Returns the size of the plain packet, or 0 and `error` (counted by kind), after
  /// which the bytes are unspecified. Lengths are checked before any cryptography.
  virtual size_t UnprotectRtp(uint8_t* packet, size_t size, SrtpUnprotectError* error) = 0;
  virtual size_t UnprotectRtcp(uint8_t* packet, size_t size, SrtpUnprotectError* error) = 0;
  /// Drops the stream state of an SSRC.
  virtual void RemoveSsrc(Ssrc ssrc) = 0;

  /// Packets that failed with `error` so far.
  uint64_t errors(SrtpUnprotectError error) const { return errors_[static_cast<size_t>(error)]; }

 protected:
  void CountError(SrtpUnprotectError error) { ++errors_[static_cast<size_t>(error)]; }

 private:
  std::array<uint64_t, 4> errors_{};  // by SrtpUnprotectError
};

}  // namespace sluice::worker
