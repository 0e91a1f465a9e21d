#include "worker/core/srtp/ipsec_mb_ciphers.h"

#ifdef SLUICE_HAVE_IPSEC_MB

namespace sluice::worker {

ImbHandle OpenIpsecMb() {
  constexpr uint64_t kNeeded = IMB_FEATURE_AESNI | IMB_FEATURE_PCLMULQDQ | IMB_FEATURE_SSE4_2;
  ImbHandle mgr(alloc_mb_mgr(0));
  if (mgr == nullptr || (mgr->features & kNeeded) != kNeeded) return nullptr;
  init_mb_mgr_auto(mgr.get(), nullptr);
  if (imb_get_errno(mgr.get()) != 0) return nullptr;
  const bool self_test_failed = (mgr->features & IMB_FEATURE_SELF_TEST) != 0 &&
                                (mgr->features & IMB_FEATURE_SELF_TEST_PASS) == 0;
  return self_test_failed ? nullptr : std::move(mgr);
}

IMB_MGR* DirectIpsecMb() {
  static const ImbHandle shared = OpenIpsecMb();
  return shared.get();
}

bool IpsecMbAead::Init(std::span<const uint8_t> key, CipherDirection direction) {
  const IMB_MGR* mgr = DirectIpsecMb();
  if (mgr == nullptr) return false;
  const bool seal = direction == CipherDirection::kSeal;
  if (key.size() == IMB_KEY_256_BYTES) {
    mgr->gcm256_pre(key.data(), &key_);
    run_ = seal ? mgr->gcm256_enc : mgr->gcm256_dec;
  } else {
    mgr->gcm128_pre(key.data(), &key_);
    run_ = seal ? mgr->gcm128_enc : mgr->gcm128_dec;
  }
  return true;
}

bool IpsecMbCtr::Init(std::span<const uint8_t> key) {
  const IMB_MGR* mgr = DirectIpsecMb();
  if (mgr == nullptr) return false;
  alignas(16) uint8_t unused_decryption[sizeof(schedule_)];
  mgr->keyexp_128(key.data(), schedule_, unused_decryption);
  OPENSSL_cleanse(unused_decryption, sizeof(unused_decryption));
  return true;
}

bool IpsecMbCtr::Crypt(const SrtpIv& iv, std::span<const uint8_t> in, uint8_t* out) {
  if (in.empty()) return true;
  IMB_MGR* mgr = DirectIpsecMb();
  IMB_JOB job;  // the burst call reads only what is set here
  job.enc_keys = schedule_;
  job.dec_keys = schedule_;
  job.key_len_in_bytes = IMB_KEY_128_BYTES;
  job.src = in.data();
  job.dst = out;
  job.cipher_start_src_offset_in_bytes = 0;
  job.msg_len_to_cipher_in_bytes = in.size();
  job.iv = iv.bytes.data();
  job.iv_len_in_bytes = iv.bytes.size();
  job.cipher_mode = IMB_CIPHER_CNTR;
  job.cipher_direction = IMB_DIR_ENCRYPT;
  return IMB_SUBMIT_CIPHER_BURST_NOCHECK(mgr, &job, 1, IMB_CIPHER_CNTR, IMB_DIR_ENCRYPT,
                                         IMB_KEY_128_BYTES) == 1;
}

}  // namespace sluice::worker

#endif  // SLUICE_HAVE_IPSEC_MB
