#include "controller/room/random.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "common/random_text.h"
#include "controller/ortc/ortc.h"

namespace sluice::controller {

namespace {
/// Random bytes drawn in advance: a draw costs the same for 16 bytes as for some hundred.
class Pool {
 public:
  void Take(unsigned char* bytes, size_t size) {
    if (left_ < size) Refill();
    left_ -= size;
    std::copy_n(drawn_.data() + left_, size, bytes);
    OPENSSL_cleanse(drawn_.data() + left_, size);
  }

 private:
  void Refill() {
    // Ids and keys must not be guessable: without a random source nothing safe can be served.
    if (RAND_bytes(drawn_.data(), static_cast<int>(drawn_.size())) != 1) std::abort();
    left_ = drawn_.size();
  }

  std::array<unsigned char, 2'048> drawn_{};
  size_t left_ = 0;
};

void Fill(unsigned char* bytes, size_t size) {
  static thread_local Pool pool;
  pool.Take(bytes, size);
}
}  // namespace

std::string MakeUuid() {
  std::array<unsigned char, 16> bytes{};
  Fill(bytes.data(), bytes.size());
  bytes[6] = static_cast<unsigned char>((bytes[6] & 0x0f) | 0x40);  // version 4 (RFC 4122 §4.4)
  bytes[8] = static_cast<unsigned char>((bytes[8] & 0x3f) | 0x80);  // variant 1
  constexpr const char* kHex = "0123456789abcdef";
  std::string text;
  text.reserve(36);
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += kHex[bytes[i] >> 4];
    text += kHex[bytes[i] & 0x0f];
  }
  return text;
}

uint32_t RandomBelow(uint32_t bound) {
  if (bound == 0) return 0;
  std::array<unsigned char, 8> bytes{};
  Fill(bytes.data(), bytes.size());
  uint64_t value = 0;
  for (const unsigned char byte : bytes) value = value << 8 | byte;
  return static_cast<uint32_t>(value % bound);
}

uint32_t RandomSsrcBase() {
  return kFirstRandomSsrc + RandomBelow(kLastRandomSsrc - kFirstRandomSsrc + 1);
}

std::string RandomText(size_t length) {
  return sluice::RandomText(length,
                            [](std::span<uint8_t> bytes) { Fill(bytes.data(), bytes.size()); });
}

}  // namespace sluice::controller
