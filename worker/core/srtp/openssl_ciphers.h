#pragma once

#include <openssl/evp.h>

#include <cstdint>
#include <memory>
#include <span>

#include "worker/core/srtp/packet_ciphers.h"

namespace sluice::worker {

// Sizes are below kMaxSrtpPacket, so they fit the int of OpenSSL.

struct EvpContextDeleter {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using CipherContext = std::unique_ptr<EVP_CIPHER_CTX, EvpContextDeleter>;

/// AES-GCM by EVP with a context that keeps its key schedule: a packet sets the nonce only.
class OpenSslAead {
 public:
  bool Init(std::span<const uint8_t> key, CipherDirection direction) {
    context_.reset(EVP_CIPHER_CTX_new());
    const EVP_CIPHER* cipher = key.size() == 32 ? EVP_aes_256_gcm() : EVP_aes_128_gcm();
    return context_ != nullptr &&
           EVP_CipherInit_ex(context_.get(), cipher, nullptr, key.data(), nullptr,
                             direction == CipherDirection::kSeal ? 1 : 0) == 1;
  }

  void PrefetchKey() const {}  // its contexts do not show where they are

  bool Seal(const SrtpIv& iv, std::span<const uint8_t> aad, std::span<const uint8_t> in,
            uint8_t* out, uint8_t* tag) {
    uint8_t unused[16];  // GCM has no final block
    int size = 0;
    return Process(iv, aad, in, out) && EVP_EncryptFinal_ex(context_.get(), unused, &size) == 1 &&
           EVP_CIPHER_CTX_ctrl(context_.get(), EVP_CTRL_AEAD_GET_TAG, 16, tag) == 1;
  }

  bool Open(const SrtpIv& iv, std::span<const uint8_t> aad, std::span<const uint8_t> in,
            uint8_t* out, const uint8_t* tag) {
    uint8_t unused[16];
    int size = 0;
    return Process(iv, aad, in, out) &&
           EVP_CIPHER_CTX_ctrl(context_.get(), EVP_CTRL_AEAD_SET_TAG, 16,
                               const_cast<uint8_t*>(tag)) == 1 &&
           EVP_DecryptFinal_ex(context_.get(), unused, &size) == 1;
  }

 private:
  bool Process(const SrtpIv& iv, std::span<const uint8_t> aad, std::span<const uint8_t> in,
               uint8_t* out) {
    EVP_CIPHER_CTX* context = context_.get();
    int size = 0;
    return EVP_CipherInit_ex(context, nullptr, nullptr, nullptr, iv.bytes.data(), -1) == 1 &&
           EVP_CipherUpdate(context, nullptr, &size, aad.data(), static_cast<int>(aad.size())) ==
               1 &&
           (in.empty() ||
            EVP_CipherUpdate(context, out, &size, in.data(), static_cast<int>(in.size())) == 1);
  }

  CipherContext context_;
};

/// AES-128 counter mode by EVP.
class OpenSslCtr {
 public:
  bool Init(std::span<const uint8_t> key) {
    context_.reset(EVP_CIPHER_CTX_new());
    return context_ != nullptr &&
           EVP_EncryptInit_ex(context_.get(), EVP_aes_128_ctr(), nullptr, key.data(), nullptr) == 1;
  }
  bool Crypt(const SrtpIv& iv, std::span<const uint8_t> in, uint8_t* out) {
    if (in.empty()) return true;
    int size = 0;
    return EVP_EncryptInit_ex(context_.get(), nullptr, nullptr, nullptr, iv.bytes.data()) == 1 &&
           EVP_EncryptUpdate(context_.get(), out, &size, in.data(), static_cast<int>(in.size())) ==
               1;
  }

 private:
  CipherContext context_;
};

}  // namespace sluice::worker
