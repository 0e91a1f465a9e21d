// SHA_CTX is plain data that can be made from a chaining value, so that a key schedule is ten
// words; its functions are deprecated since OpenSSL 3.0 in favour of EVP, which cannot do that.
#define OPENSSL_SUPPRESS_DEPRECATED

#include "worker/wire/hmac_sha1.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <algorithm>

namespace sluice::worker {
namespace {

constexpr uint8_t kInnerPad = 0x36;  // RFC 2104 §2
constexpr uint8_t kOuterPad = 0x5c;

std::array<uint32_t, 5> HashKeyBlock(std::span<const uint8_t> key, uint8_t pad) {
  std::array<uint8_t, SHA_CBLOCK> block{};
  if (key.size() > block.size()) {
    SHA1(key.data(), key.size(), block.data());
  } else {
    std::copy(key.begin(), key.end(), block.begin());
  }
  for (uint8_t& byte : block) byte = static_cast<uint8_t>(byte ^ pad);
  SHA_CTX context;
  SHA1_Init(&context);
  SHA1_Update(&context, block.data(), block.size());
  OPENSSL_cleanse(block.data(), block.size());
  return {context.h0, context.h1, context.h2, context.h3, context.h4};
}

SHA_CTX Resume(const std::array<uint32_t, 5>& state) {
  SHA_CTX context{};
  context.h0 = state[0];
  context.h1 = state[1];
  context.h2 = state[2];
  context.h3 = state[3];
  context.h4 = state[4];
  context.Nl = SHA_CBLOCK * 8;  // bits hashed so far: the key block
  return context;
}

}  // namespace

HmacSha1::HmacSha1(std::span<const uint8_t> key)
    : inner_(HashKeyBlock(key, kInnerPad)), outer_(HashKeyBlock(key, kOuterPad)) {}

HmacSha1::~HmacSha1() {
  OPENSSL_cleanse(inner_.data(), sizeof(inner_));
  OPENSSL_cleanse(outer_.data(), sizeof(outer_));
}

std::array<uint8_t, HmacSha1::kDigest> HmacSha1::Compute(
    std::initializer_list<std::span<const uint8_t>> parts) const {
  std::array<uint8_t, kDigest> digest;
  SHA_CTX context = Resume(inner_);
  for (const auto part : parts) SHA1_Update(&context, part.data(), part.size());
  SHA1_Final(digest.data(), &context);
  context = Resume(outer_);
  SHA1_Update(&context, digest.data(), digest.size());
  SHA1_Final(digest.data(), &context);
  return digest;
}

}  // namespace sluice::worker
