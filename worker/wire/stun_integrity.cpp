// The incremental SHA-1 calls are deprecated in OpenSSL 3, but they are what lets a key schedule be
// kept as ten words: their replacement (EVP_MAC) fetches and re-keys a context for each message.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>

#include <algorithm>

#include "worker/wire/stun.h"

namespace sluice {
namespace {

constexpr uint8_t kInnerPad = 0x36;  // RFC 2104 §2
constexpr uint8_t kOuterPad = 0x5c;

using Sha1State = std::array<uint32_t, 5>;
using Block = std::array<uint8_t, SHA_CBLOCK>;

Sha1State StateAfter(const Block& key, uint8_t pad) {
  Block block;
  std::transform(key.begin(), key.end(), block.begin(),
                 [pad](uint8_t byte) { return static_cast<uint8_t>(byte ^ pad); });
  SHA_CTX context;
  SHA1_Init(&context);
  SHA1_Update(&context, block.data(), block.size());
  return {context.h0, context.h1, context.h2, context.h3, context.h4};
}

/// A context that has consumed exactly one block, with `state` after it.
SHA_CTX Resume(const Sha1State& state) {
  SHA_CTX context{};
  context.h0 = state[0];
  context.h1 = state[1];
  context.h2 = state[2];
  context.h3 = state[3];
  context.h4 = state[4];
  context.Nl = SHA_CBLOCK * 8;  // bits consumed
  return context;
}

}  // namespace

StunIntegrityKey::StunIntegrityKey(std::string_view password) {
  Block key{};
  const auto* bytes = reinterpret_cast<const uint8_t*>(password.data());
  if (password.size() > key.size()) {
    SHA1(bytes, password.size(), key.data());
  } else {
    std::copy_n(bytes, password.size(), key.begin());
  }
  inner_ = StateAfter(key, kInnerPad);
  outer_ = StateAfter(key, kOuterPad);
}

std::array<uint8_t, StunIntegrityKey::kTag> StunIntegrityKey::Sign(
    std::initializer_list<std::span<const uint8_t>> parts) const {
  SHA_CTX context = Resume(inner_);
  for (const auto part : parts) SHA1_Update(&context, part.data(), part.size());
  std::array<uint8_t, kTag> tag;
  SHA1_Final(tag.data(), &context);
  context = Resume(outer_);
  SHA1_Update(&context, tag.data(), tag.size());
  SHA1_Final(tag.data(), &context);
  return tag;
}

}  // namespace sluice
