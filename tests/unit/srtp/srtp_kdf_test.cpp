#include "worker/core/srtp/srtp_kdf.h"

#include <algorithm>

#include "tests/unit/srtp/srtp_test_support.h"
#include "worker/core/srtp/srtp_packet.h"

using namespace sluice;
using namespace sluice::worker;
using namespace sluice::worker::srtp_test;

TEST_CASE("AES-CM key stream of RFC 3711 B.2") {
  const Bytes key = FromHex("2B7E151628AED2A6ABF7158809CF4F3C");
  const Bytes salt = FromHex("F0F1F2F3F4F5F6F7F8F9FAFBFCFD");
  const SrtpIv iv = CounterIv(salt.data(), Ssrc(0), 0);
  CHECK(Bytes(iv.bytes.begin(), iv.bytes.end()) == FromHex("F0F1F2F3F4F5F6F7F8F9FAFBFCFD0000"));
  Bytes stream(0xff02 * 16);
  REQUIRE(AesCounterKeystream(key, iv.bytes, stream));
  const auto block = [&](size_t n) {
    const auto at = stream.begin() + static_cast<std::ptrdiff_t>(n * 16);
    return Bytes(at, at + 16);
  };
  CHECK(block(0) == FromHex("E03EAD0935C95E80E166B16DD92B4EB4"));
  CHECK(block(1) == FromHex("D23513162B02D0F72A43A2FE4A5F97AB"));
  CHECK(block(2) == FromHex("41E95B3BB0A2E8DD477901E4FCA894C0"));
  CHECK(block(0xfeff) == FromHex("EC8CDF7398607CB0F2D21675EA9EA1E4"));
  CHECK(block(0xff00) == FromHex("362B7C3C6773516318A077D7FC5073AE"));
  CHECK(block(0xff01) == FromHex("6A2CC3787889374FBEB4C81B17BA6C44"));
}

TEST_CASE("Session keys of RFC 3711 B.3") {
  SrtpMasterKey key{SrtpProfile::kAesCm128HmacSha1_80,
                    FromHex("E1F97A0D3E018BE0D64FA32C06DE41390EC675AD498AFEEBB6960B3AABE6")};
  const auto keys = DeriveSessionKeys(key, SrtpDomain::kRtp);
  REQUIRE(keys.ok());
  CHECK(Bytes(keys->cipher().begin(), keys->cipher().end()) ==
        FromHex("C61E7A93744F39EE10734AFE3FF7A087"));
  CHECK(Bytes(keys->salt.begin(), keys->salt.end()) == FromHex("30CBBC08863D8C85D49DB34A9AE1"));
  CHECK(Bytes(keys->auth_key.begin(), keys->auth_key.end()) ==
        FromHex("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4"));
}

TEST_CASE("RTP and RTCP keys differ") {
  for (const SrtpProfile profile : kProfiles) {
    const auto rtp = DeriveSessionKeys(MakeKey(profile), SrtpDomain::kRtp);
    const auto rtcp = DeriveSessionKeys(MakeKey(profile), SrtpDomain::kRtcp);
    REQUIRE((rtp.ok() && rtcp.ok()));
    CHECK(rtp->cipher_key != rtcp->cipher_key);
    CHECK(rtp->auth_key != rtcp->auth_key);
    CHECK(rtp->salt != rtcp->salt);
    CHECK(rtp->cipher().size() == SrtpKeyLength(profile));
  }
}

TEST_CASE("A master key of the wrong length is refused by name and number") {
  for (const SrtpProfile profile : kProfiles) {
    SrtpMasterKey key = MakeKey(profile);
    CHECK(CheckMasterKey(key).ok());
    key.key_and_salt.pop_back();
    for (const Status& status :
         {CheckMasterKey(key), DeriveSessionKeys(key, SrtpDomain::kRtp).status(),
          SrtpReceiver::Create(key).status(),
          SrtpSender::Create(key, *MakeEngine(SrtpEngine::Kind::kAuto)).status()}) {
      CHECK(std::string(ErrorClassName(status)) == "TypeError");
      const std::string message(status.message());
      CHECK(message.find(std::to_string(key.key_and_salt.size())) != std::string::npos);
      CHECK(message.find(std::to_string(key.key_and_salt.size() + 1)) != std::string::npos);
    }
  }
  CHECK_FALSE(CheckMasterKey({SrtpProfile::kAeadAes256Gcm, {}}).ok());
  CHECK_FALSE(CheckMasterKey({static_cast<SrtpProfile>(9), Bytes(30)}).ok());
}
