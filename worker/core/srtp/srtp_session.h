#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "common/rtp_types.h"
#include "common/status.h"
#include "common/units.h"
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

/// Why a packet was not protected.
enum class SrtpRefusal : uint8_t {
  kTooManySsrcs,  ///< a new SSRC, and the table is full
  kIndexUsed,     ///< its packet index may have been used with another plaintext, or is none
  kOther,         ///< an impossible size, spent keys, or the cipher failed
};

/// Protects outgoing SRTP and SRTCP of one transport (RFC 3711, RFC 7714).
///
/// RTP goes through the engine, out of place from the shared plaintext. SRTCP is finished at once.
/// Never encrypts two different plaintexts under one nonce: see ProtectRtp. Therefore what an SSRC
/// has sent is remembered as long as the keys live.
class SrtpSender {
 public:
  /// SSRCs that are sent at the same time: two for each of the consumers that a transport can have.
  static constexpr size_t kMaxSsrcs = 4096;
  /// SSRCs that are no longer sent, about 20 bytes each: of 10^5 consumers with RTX that came and
  /// went on one transport, and more. Afterwards they count as live ones.
  static constexpr size_t kMaxRetiredSsrcs = size_t{1} << 18;

  static Result<std::unique_ptr<SrtpSender>> Create(const SrtpMasterKey& key, SrtpEngine& engine);
  virtual ~SrtpSender() = default;

  /// `packet` starts with the finished RTP header (`header_size` bytes, extensions included) and
  /// has room for `payload` and kMaxSrtpTag bytes after it. Writes the ciphertext of `payload`
  /// (which may already stand at packet + header_size) and the tag there, now or at the engine's
  /// Flush(); until then `payload` and `packet` must stay as they are. Returns the size of the
  /// whole SRTP packet.
  ///
  /// Returns 0, counted by refused(), when there is no room for a new SSRC, when the sequence
  /// number lies before the first packet of the SSRC on the other side of 0 (start below 2^15), or
  /// when a second plaintext under one index cannot be ruled out: the index was used, or is older
  /// than the newest 1024. `retransmission` promises the same bytes as the first time and lifts the
  /// latter two. All profiles alike: a reused AES-CM key stream leaks as well.
  virtual size_t ProtectRtp(uint8_t* packet, size_t header_size, std::span<const uint8_t> payload,
                            bool retransmission = false) = 0;

  /// In place: `packet` holds `size` bytes of RTCP and room for kMaxSrtcpTrailer more. Returns the
  /// new size, 0 on failure.
  virtual size_t ProtectRtcp(uint8_t* packet, size_t size) = 0;

  /// Fetches what the next ProtectRtp() of `ssrc` reads, so that it need not wait for memory.
  virtual void PrefetchFor(Ssrc /*ssrc*/) const {}

  virtual size_t tag_length() const = 0;
  /// An SSRC is no longer sent and leaves its place to others. Its nonces stay used: a later reuse
  /// continues after the highest one.
  virtual void RetireSsrc(Ssrc ssrc) = 0;
  /// For an SSRC that was sent before and retired: the sequence number after its highest one. A
  /// stream that takes the SSRC up again begins there, since earlier numbers would be refused.
  virtual std::optional<SeqNumber> NextSequence(Ssrc ssrc) const = 0;
  /// How many SSRCs more can be sent at the same time.
  virtual size_t ssrc_room() const = 0;

  /// Packets for which 0 was returned, by reason and in all. The first of each reason is logged.
  uint64_t refused(SrtpRefusal reason) const { return refused_[static_cast<size_t>(reason)]; }
  uint64_t refused() const { return refused_[0] + refused_[1] + refused_[2]; }

 protected:
  /// Counts a packet that is not protected, and logs the first one; 0.
  size_t Refuse(SrtpRefusal reason);

 private:
  std::array<uint64_t, 3> refused_{};  // by SrtpRefusal
};

enum class SrtpUnprotectError : uint8_t { kTooShort, kAuthFailed, kReplayed, kOther };

/// What the SRTP of a transport has counted; errors in what it receives are counted by their kind.
struct SrtpCounters {
  uint64_t refused_no_room = 0;     ///< packets not sent: no room for another SSRC
  uint64_t refused_index_used = 0;  ///< packets not sent: their index may have been used before
  uint64_t refused_other = 0;       ///< packets not sent: impossible size, spent keys
  uint64_t rollover_searches = 0;   ///< received packets tried at other rollover counters
  uint64_t rollovers_found = 0;     ///< those of them that one was found for
};

/// Unprotects incoming SRTP and SRTCP of one transport; replay window 1024, SRTP and SRTCP alike.
///
/// No state is kept for an SSRC before a packet of it has authenticated. From then on its index is
/// remembered, whatever becomes of the stream: the sender's rollover counter goes on while nobody
/// here wants the packets. Of more than kMaxSsrcs the one that was silent for longest keeps its
/// highest index only; the newest kMaxRetiredSsrcs of those are kept.
///
/// An RTP packet that fails at the estimated rollover counter is tried at others: see
/// RolloverSearch. (kLibsrtp does neither: it takes kMaxSsrcs SSRCs and refuses further ones.)
class SrtpReceiver {
 public:
  static constexpr size_t kReplayWindow = 1024;  // packets
  static constexpr size_t kMaxSsrcs = 1024;      // as many as a transport routes (RtpListener)
  /// A camera that is switched on with a new SSRC every ten seconds for a day; 30 bytes each.
  static constexpr size_t kMaxRetiredSsrcs = 8192;

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
  /// which the bytes are unspecified. Lengths are checked before any cryptography. `now` limits the
  /// rate at which other rollover counters are tried.
  virtual size_t UnprotectRtp(uint8_t* packet, size_t size, Timestamp now,
                              SrtpUnprotectError* error) = 0;
  virtual size_t UnprotectRtcp(uint8_t* packet, size_t size, SrtpUnprotectError* error) = 0;

  /// Packets that failed with `error` so far.
  uint64_t errors(SrtpUnprotectError error) const { return errors_[static_cast<size_t>(error)]; }
  /// Packets that were tried at other rollover counters than the estimated one, and those of them
  /// that one was found for.
  uint64_t rollover_searches() const { return rollover_searches_; }
  uint64_t rollovers_found() const { return rollovers_found_; }

 protected:
  void CountSearch() { ++rollover_searches_; }
  void CountFound() { ++rollovers_found_; }
  void CountError(SrtpUnprotectError error) { ++errors_[static_cast<size_t>(error)]; }

 private:
  std::array<uint64_t, 4> errors_{};  // by SrtpUnprotectError
  uint64_t rollover_searches_ = 0;
  uint64_t rollovers_found_ = 0;
};

}  // namespace sluice::worker
