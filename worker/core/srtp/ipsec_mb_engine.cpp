#include "worker/core/srtp/srtp_backends.h"

#ifdef SLUICE_HAVE_IPSEC_MB

#include <array>
#include <cstring>
#include <memory>
#include <span>

#include "worker/core/srtp/ipsec_mb_ciphers.h"
#include "worker/core/srtp/packet_ciphers.h"
#include "worker/core/srtp/session_builders.h"

namespace sluice::worker {
namespace {

using IpsecMbGcm = GcmPacketCipher<IpsecMbAead>;
using IpsecMbCm = CmPacketCipher<IpsecMbCtr>;

/// The AES-CM packets of a turn, authenticated side by side in the lanes of the CPU.
///
/// HMAC-SHA1 is a chain, so one packet cannot use wide registers but sixteen packets can: 2900 ns
/// for one packet alone, 490 each for 9, 270 each for many (1200 bytes, AVX-512); the one-packet
/// path of CmPacketCipher takes 730. So the first kMinBatch - 1 packets of a turn are only noted
/// down; if more come, all go through the lanes, else Flush() finishes them one by one.
class CmBatch {
 public:
  static constexpr size_t kMinBatch = 6;  // packets; from here on the lanes win
  /// Slots for packets in flight: the job ring of the library completes its oldest job when it is
  /// full, so no more than this many are ever unfinished.
  static constexpr size_t kSlots = IMB_MAX_JOBS;
  static_assert(kMinBatch < kSlots);

  explicit CmBatch(ImbHandle mgr) : mgr_(std::move(mgr)) {}
  CmBatch(const CmBatch&) = delete;
  CmBatch& operator=(const CmBatch&) = delete;

  bool idle() const { return held_ == 0 && !streaming_; }

  void Add(IpsecMbCm& cipher, uint8_t* packet, size_t header_size, std::span<const uint8_t> payload,
           Ssrc ssrc, uint64_t index) {
    Slot& slot = slots_[next_];
    next_ = (next_ + 1) % kSlots;
    slot.cipher = &cipher;
    slot.packet = packet;
    slot.payload = payload;
    slot.header_size = static_cast<uint32_t>(header_size);
    slot.ssrc = ssrc;
    slot.index = index;
    if (streaming_) return Submit(slot);
    if (++held_ < kMinBatch) return;
    streaming_ = true;
    for (; held_ > 0; --held_) Submit(slots_[(next_ + kSlots - held_) % kSlots]);
  }

  void Flush() {
    if (!streaming_) {
      for (; held_ > 0; --held_) FinishAlone(slots_[(next_ + kSlots - held_) % kSlots]);
      return;
    }
    while (IMB_JOB* job = IMB_FLUSH_JOB(mgr_.get())) Finish(*job);
    streaming_ = false;
  }

 private:
  /// What a job points at until it is finished.
  struct Slot {
    SrtpIv iv;
    IpsecMbCm* cipher = nullptr;
    uint8_t* packet = nullptr;
    std::span<const uint8_t> payload;
    uint64_t index = 0;
    Ssrc ssrc;
    uint32_t header_size = 0;
    uint8_t tag[12];  // the library writes 12 bytes or 20; at most 10 are sent

    size_t size() const { return header_size + payload.size(); }
  };

  void Submit(Slot& slot) {
    CmKeys<IpsecMbCtr>& keys = slot.cipher->rtp_keys();
    slot.iv = CounterIv(keys.salt, slot.ssrc, slot.index);
    const size_t size = slot.size();
    uint8_t* out = slot.packet + slot.header_size;
    const uint8_t* source = slot.payload.empty() ? out : slot.payload.data();
    // Authenticated but not sent: the rollover counter stands where the tag will be.
    StoreBig32(slot.packet + size, static_cast<uint32_t>(slot.index >> 16));

    IMB_JOB* job = IMB_GET_NEXT_JOB(mgr_.get());
    job->enc_keys = keys.ctr.schedule();
    job->dec_keys = keys.ctr.schedule();
    job->key_len_in_bytes = IMB_KEY_128_BYTES;
    job->src = source;
    job->dst = out;
    job->cipher_start_src_offset_in_bytes = 0;
    job->msg_len_to_cipher_in_bytes = slot.payload.size();
    // The library hashes from src + offset; the packet lies elsewhere, and the sum wraps to it.
    job->hash_start_src_offset_in_bytes =
        reinterpret_cast<uintptr_t>(slot.packet) - reinterpret_cast<uintptr_t>(source);
    job->msg_len_to_hash_in_bytes = size + sizeof(uint32_t);
    job->iv = slot.iv.bytes.data();
    job->iv_len_in_bytes = slot.iv.bytes.size();
    job->auth_tag_output = slot.tag;
    job->auth_tag_output_len_in_bytes = sizeof(slot.tag);
    job->u.HMAC._hashed_auth_key_xor_ipad = keys.hmac.inner_state();
    job->u.HMAC._hashed_auth_key_xor_opad = keys.hmac.outer_state();
    job->cipher_mode = slot.payload.empty() ? IMB_CIPHER_NULL : IMB_CIPHER_CNTR;
    job->cipher_direction = IMB_DIR_ENCRYPT;
    job->hash_alg = IMB_AUTH_HMAC_SHA_1;
    job->chain_order = IMB_ORDER_CIPHER_HASH;
    job->user_data = &slot;

    IMB_JOB* done = IMB_SUBMIT_JOB_NOCHECK(mgr_.get());
    while (done != nullptr) {
      Finish(*done);
      done = IMB_GET_COMPLETED_JOB(mgr_.get());
    }
  }

  static void Finish(const IMB_JOB& job) {
    const Slot& slot = *static_cast<const Slot*>(job.user_data);
    uint8_t* end = slot.packet + slot.size();
    const size_t tag = slot.cipher->rtp_tag();
    if (job.status == IMB_STATUS_COMPLETED) {
      std::memcpy(end, slot.tag, tag);
      return;
    }
    // Not seen to happen; what was not encrypted must not leave.
    std::memset(slot.packet + slot.header_size, 0, slot.payload.size() + tag);
  }

  static void FinishAlone(Slot& slot) {
    slot.cipher->SealRtp(slot.packet, slot.header_size, slot.payload, slot.ssrc, slot.index);
  }

  ImbHandle mgr_;
  size_t next_ = 0;         // slot of the next packet
  size_t held_ = 0;         // packets noted down, not submitted
  bool streaming_ = false;  // packets go straight to the library until the next Flush()
  std::array<Slot, kSlots> slots_;
};

/// CmPacketCipher whose outgoing RTP waits for the batch.
class BatchedCm {
 public:
  BatchedCm(CmBatch& batch, const SrtpSessionKeys& rtp, const SrtpSessionKeys& rtcp)
      : batch_(batch), cipher_(rtp, rtcp) {}
  ~BatchedCm() {
    if (!batch_.idle()) batch_.Flush();  // its jobs point at the keys
  }
  BatchedCm(const BatchedCm&) = delete;
  BatchedCm& operator=(const BatchedCm&) = delete;

  bool usable() const { return cipher_.usable(); }
  size_t rtp_tag() const { return cipher_.rtp_tag(); }
  size_t rtcp_tag() const { return cipher_.rtcp_tag(); }
  void PrefetchRtp() const { cipher_.PrefetchRtp(); }

  bool SealRtp(uint8_t* packet, size_t header_size, std::span<const uint8_t> payload, Ssrc ssrc,
               uint64_t index) {
    batch_.Add(cipher_, packet, header_size, payload, ssrc, index);
    return true;
  }
  size_t SealRtcp(uint8_t* packet, size_t size, uint32_t index) {
    return cipher_.SealRtcp(packet, size, index);
  }

 private:
  CmBatch& batch_;
  IpsecMbCm cipher_;
};

class IpsecMbEngine final : public SrtpEngine {
 public:
  explicit IpsecMbEngine(ImbHandle mgr) : batch_(std::move(mgr)) {}

  Kind kind() const override { return Kind::kIpsecMb; }
  void Flush() override {
    if (!batch_.idle()) batch_.Flush();
  }

  Result<std::unique_ptr<SrtpSender>> CreateSender(const SrtpMasterKey& key) override {
    const auto keys = DerivedKeys::From(key);
    if (!keys.ok()) return keys.status();
    if (IsGcm(key.profile)) {
      return BuildGcm<SrtpSender, SrtpSenderOf<IpsecMbGcm>>(*keys, CipherDirection::kSeal);
    }
    return BuildCm<SrtpSender, SrtpSenderOf<BatchedCm>>(*keys, batch_);
  }

 private:
  CmBatch batch_;
};

}  // namespace

bool IpsecMbUsable() { return DirectIpsecMb() != nullptr; }

Result<std::unique_ptr<SrtpEngine>> CreateIpsecMbEngine() {
  ImbHandle mgr = OpenIpsecMb();
  if (mgr == nullptr) {
    return UnsupportedError("srtp engine ipsec-mb needs a CPU with AES-NI, PCLMULQDQ and SSE4.2");
  }
  return std::unique_ptr<SrtpEngine>(std::make_unique<IpsecMbEngine>(std::move(mgr)));
}

Result<std::unique_ptr<SrtpReceiver>> CreateIpsecMbReceiver(const SrtpMasterKey& key) {
  if (!IpsecMbUsable()) {
    return UnsupportedError("srtp receiver ipsec-mb needs a CPU with AES-NI, PCLMULQDQ and SSE4.2");
  }
  const auto keys = DerivedKeys::From(key);
  if (!keys.ok()) return keys.status();
  if (IsGcm(key.profile)) {
    return BuildGcm<SrtpReceiver, SrtpReceiverOf<IpsecMbGcm>>(*keys, CipherDirection::kOpen);
  }
  return BuildCm<SrtpReceiver, SrtpReceiverOf<IpsecMbCm>>(*keys);
}

}  // namespace sluice::worker

#else  // this build has no ipsec-mb

namespace sluice::worker {

bool IpsecMbUsable() { return false; }

Result<std::unique_ptr<SrtpEngine>> CreateIpsecMbEngine() {
  return UnsupportedError("srtp engine ipsec-mb is not in this build");
}

Result<std::unique_ptr<SrtpReceiver>> CreateIpsecMbReceiver(const SrtpMasterKey&) {
  return UnsupportedError("srtp receiver ipsec-mb is not in this build");
}

}  // namespace sluice::worker

#endif  // SLUICE_HAVE_IPSEC_MB
