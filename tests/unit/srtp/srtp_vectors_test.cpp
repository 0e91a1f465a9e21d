// The packets of RFC 7714 §16 and §17, which give session keys instead of master keys, through
// every AEAD primitive.
#include <algorithm>

#include "tests/unit/srtp/srtp_test_support.h"
#include "worker/core/srtp/ipsec_mb_ciphers.h"
#include "worker/core/srtp/openssl_ciphers.h"
#include "worker/core/srtp/packet_ciphers.h"
#include "worker/core/srtp/srtp_backends.h"

using namespace sluice;
using namespace sluice::worker;
using namespace sluice::worker::srtp_test;

namespace {

constexpr char kSalt[] = "517569642070726f2071756f";
constexpr char kRtp[] =
    "8040f17b 8041f8d3 5501a0b2 47616c6c 69612065 7374206f 6d6e6973 20646976 69736120 696e2070"
    "61727465 73207472 6573";
constexpr char kRtcp[] =
    "81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61 deadbeef deadbeef"
    "deadbeef deadbeef deadbeef";
constexpr uint32_t kRtcpIndex = 0x5d4;

struct Vector {
  SrtpProfile profile;
  const char* srtp;
  const char* srtcp;
};
const Vector kVectors[] = {
    {SrtpProfile::kAeadAes128Gcm,
     "8040f17b 8041f8d3 5501a0b2 f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5 0d294e6f 42a5f47a"
     "51c7d19b 36de3adf 8833899d 7f27beb1 6a9152cf 765ee439 0cce",
     "81c8000d 4d617273 63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7 6c06f32d c676a5f1 730d6fda"
     "4ce09b46 86303ded 0bb9275b c84aa458 96cf4d2f c5abf872 45d9eade 800005d4"},
    {SrtpProfile::kAeadAes256Gcm,
     "8040f17b 8041f8d3 5501a0b2 32b1de78 a822fe12 ef9f78fa 332e33aa b1801238 9a58e2f3 b50b2a02"
     "76ffae0f 1ba63799 b87b7aa3 db36dfff d6b0f9bb 7878d7a7 6c13",
     "81c8000d 4d617273 d50ae4d1 f5ce5d30 4ba297e4 7d470c28 2c3ece5d bffe0a50 a2eaa5c1 110555be"
     "8415f658 c61de047 6f1b6fad 1d1eb30c 4446839f 57ff6f6c b26ac3be 800005d4"},
};

template <typename Aead>
void RunVectors() {
  for (const Vector& vector : kVectors) {
    SrtpSessionKeys keys;
    keys.profile = vector.profile;
    for (size_t i = 0; i < 32; ++i) keys.cipher_key[i] = static_cast<uint8_t>(i);
    const Bytes salt = FromHex(kSalt);
    std::copy(salt.begin(), salt.end(), keys.salt.begin());
    GcmPacketCipher<Aead> seal;
    GcmPacketCipher<Aead> open;
    REQUIRE(seal.Init(keys, keys, CipherDirection::kSeal));
    REQUIRE(open.Init(keys, keys, CipherDirection::kOpen));

    const Bytes plain = FromHex(kRtp);
    const Bytes sealed = FromHex(vector.srtp);
    Bytes packet(plain.begin(), plain.begin() + 12);
    packet.resize(sealed.size());
    const std::span<const uint8_t> payload = std::span(plain).subspan(12);
    REQUIRE(seal.SealRtp(packet.data(), 12, payload, Ssrc(0x5501a0b2), 0xf17b));
    CHECK(packet == sealed);
    REQUIRE(open.OpenRtp(packet.data(), 12, packet.size(), Ssrc(0x5501a0b2), 0xf17b));
    packet.resize(plain.size());
    CHECK(packet == plain);

    Bytes rtcp = FromHex(kRtcp);
    const size_t size = rtcp.size();
    rtcp.resize(size + 20);
    REQUIRE(seal.SealRtcp(rtcp.data(), size, kRtcpIndex) == rtcp.size());
    CHECK(rtcp == FromHex(vector.srtcp));
    REQUIRE(open.OpenRtcp(rtcp.data(), rtcp.size()));
    rtcp.resize(size);
    CHECK(rtcp == FromHex(kRtcp));
  }
}

}  // namespace

TEST_CASE("RFC 7714 vectors by OpenSSL") { RunVectors<OpenSslAead>(); }

#ifdef SLUICE_HAVE_IPSEC_MB
TEST_CASE("RFC 7714 vectors by ipsec-mb") {
  if (!IpsecMbUsable()) return;
  RunVectors<IpsecMbAead>();
}
#endif
