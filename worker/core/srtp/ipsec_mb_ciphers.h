#pragma once

#ifdef SLUICE_HAVE_IPSEC_MB

// Its old unprefixed macro names (SHA1 and others) clash with OpenSSL's.
#define NO_COMPAT_IMB_API_053
#include <intel-ipsec-mb.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "worker/core/prefetch.h"
#include "worker/core/srtp/packet_ciphers.h"

namespace sluice::worker {

struct ImbDeleter {
  void operator()(IMB_MGR* mgr) const { free_mb_mgr(mgr); }
};
using ImbHandle = std::unique_ptr<IMB_MGR, ImbDeleter>;

/// A new ipsec-mb instance for this CPU; empty when it lacks AES-NI, PCLMULQDQ or SSE4.2, or when
/// the library fails its self-test.
ImbHandle OpenIpsecMb();

/// The instance whose direct calls (no job queue, hence no state) all ciphers share; nullptr when
/// OpenIpsecMb() yields none. Probed once per process.
IMB_MGR* DirectIpsecMb();

/// AES-GCM by the direct calls of ipsec-mb: the key schedule with its powers of the hash key is
/// made once (1 KB), a packet is one call.
class IpsecMbAead {
 public:
  ~IpsecMbAead() { OPENSSL_cleanse(&key_, sizeof(key_)); }
  bool Init(std::span<const uint8_t> key, CipherDirection direction);

  /// The round keys, and as many powers of the hash key as a packet of audio takes: longer packets
  /// read on, which the CPU sees by itself.
  void PrefetchKey() const {
    Prefetch(&key_, kRoundKeys * 16);
    Prefetch(reinterpret_cast<const uint8_t*>(&key_ + 1) - kAudioPowers * 16, kAudioPowers * 16);
  }

  bool Seal(const SrtpIv& iv, std::span<const uint8_t> aad, std::span<const uint8_t> in,
            uint8_t* out, uint8_t* tag) {
    Run(iv, aad, in, out, tag);
    return true;
  }
  bool Open(const SrtpIv& iv, std::span<const uint8_t> aad, std::span<const uint8_t> in,
            uint8_t* out, const uint8_t* tag) {
    uint8_t expected[16];
    Run(iv, aad, in, out, expected);
    return CRYPTO_memcmp(expected, tag, sizeof(expected)) == 0;
  }

 private:
  void Run(const SrtpIv& iv, std::span<const uint8_t> aad, std::span<const uint8_t> in,
           uint8_t* out, uint8_t* tag) {
    gcm_context_data scratch;
    // The library refuses a null source even where there is nothing to encrypt.
    const uint8_t* source = in.empty() ? out : in.data();
    run_(&key_, &scratch, out, source, in.size(), iv.bytes.data(), aad.data(), aad.size(), tag, 16);
  }

  static constexpr size_t kRoundKeys = 11;    // AES-128
  static constexpr size_t kAudioPowers = 14;  // blocks of packet and header; the powers end the key

  // Its header aligns the type only where LINUX is defined; the library stores with aligned moves.
  alignas(64) gcm_key_data key_;
  aes_gcm_enc_dec_t run_ = nullptr;
};

/// AES-128 counter mode by the synchronous burst call of ipsec-mb.
class IpsecMbCtr {
 public:
  ~IpsecMbCtr() { OPENSSL_cleanse(schedule_, sizeof(schedule_)); }
  bool Init(std::span<const uint8_t> key);
  bool Crypt(const SrtpIv& iv, std::span<const uint8_t> in, uint8_t* out);
  const uint8_t* schedule() const { return schedule_; }

 private:
  static constexpr size_t kRoundKeys = 11;  // AES-128
  alignas(16) uint8_t schedule_[kRoundKeys * 16];
};

}  // namespace sluice::worker

#endif  // SLUICE_HAVE_IPSEC_MB
