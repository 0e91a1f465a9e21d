#include "tests/unit/srtp/srtp_test_support.h"

using namespace sluice;
using namespace sluice::worker;
using namespace sluice::worker::srtp_test;

namespace {

using ErrorKind = SrtpUnprotectError;

struct Pair {
  std::unique_ptr<SrtpEngine> engine;
  std::unique_ptr<SrtpSender> sender;
  std::unique_ptr<SrtpReceiver> receiver;

  Bytes Seal(uint32_t ssrc, uint16_t seq, uint8_t fill = 1) {
    return Protect(*sender, *engine, ssrc, seq, Bytes(40, fill));
  }
  bool Accepts(const Bytes& packet, ErrorKind* error = nullptr) {
    return !Unprotect(*receiver, packet, error).empty();
  }
};

template <typename Body>
void ForEachReceiver(Body body) {
  for (const SrtpEngine::Kind kind : Kinds()) {
    for (const SrtpProfile profile : kProfiles) {
      INFO("kind " << static_cast<int>(kind) << " profile " << static_cast<int>(profile));
      const SrtpMasterKey key = MakeKey(profile);
      Pair pair;
      pair.engine = MakeEngine(SrtpEngine::Kind::kOpenSsl);
      pair.sender = MakeSender(key, *pair.engine);
      pair.receiver = MakeReceiver(key, kind);
      body(pair, profile);
    }
  }
}

}  // namespace

TEST_CASE("Replay window edges") {
  ForEachReceiver([](Pair& pair, SrtpProfile) {
    std::vector<Bytes> sealed;
    for (uint16_t i = 0; i < 1200; ++i)
      sealed.push_back(pair.Seal(7, static_cast<uint16_t>(500 + i)));
    CHECK(pair.Accepts(sealed[1100]));
    ErrorKind error{};
    CHECK_FALSE(pair.Accepts(sealed[1100], &error));
    CHECK(error == ErrorKind::kReplayed);
    CHECK(pair.Accepts(sealed[1100 - 1023]));
    CHECK_FALSE(pair.Accepts(sealed[1100 - 1023], &error));
    CHECK(error == ErrorKind::kReplayed);
    CHECK_FALSE(pair.Accepts(sealed[1100 - 1024], &error));
    CHECK(error == ErrorKind::kReplayed);
    CHECK(pair.Accepts(sealed[1101]));
    CHECK(pair.Accepts(sealed[1099]));
    CHECK_FALSE(pair.Accepts(sealed[1100 - 1023], &error));
    CHECK(pair.receiver->errors(ErrorKind::kReplayed) == 4);
  });
}

TEST_CASE("Every length below the minimum is too short and every cut fails") {
  ForEachReceiver([](Pair& pair, SrtpProfile profile) {
    const size_t tag = SrtpTagLength(profile);
    const Bytes sealed = pair.Seal(7, 1);
    for (size_t size = 0; size < sealed.size(); ++size) {
      ErrorKind error{};
      Bytes cut(sealed.begin(), sealed.begin() + static_cast<std::ptrdiff_t>(size));
      REQUIRE(pair.receiver->UnprotectRtp(cut.data(), cut.size(), {}, &error) == 0);
      CHECK(error == (size < 12 + tag ? ErrorKind::kTooShort : ErrorKind::kAuthFailed));
    }
    // CSRC count and extension length that reach beyond the packet.
    for (const uint8_t first : {uint8_t{0x8f}, uint8_t{0x9f}}) {
      Bytes packet = pair.Seal(8, first);
      packet.resize(12 + 40);
      packet[0] = first;
      ErrorKind error{};
      CHECK_FALSE(pair.Accepts(packet, &error));
      CHECK(error == ErrorKind::kTooShort);
    }
    Bytes extension = pair.Seal(8, 1);
    extension[0] = 0x90;
    extension[14] = 0xff;
    ErrorKind error{};
    CHECK_FALSE(pair.Accepts(extension, &error));
    CHECK(error == ErrorKind::kTooShort);

    const Bytes rtcp = ProtectRtcp(*pair.sender, RtcpPacket(7, 3));
    const size_t trailer = rtcp.size() - RtcpPacket(7, 3).size();
    for (size_t size = 0; size < rtcp.size(); ++size) {
      Bytes cut(rtcp.begin(), rtcp.begin() + static_cast<std::ptrdiff_t>(size));
      REQUIRE(pair.receiver->UnprotectRtcp(cut.data(), cut.size(), &error) == 0);
      CHECK((error == ErrorKind::kTooShort) == (size < 8 + trailer));
    }
    CHECK(UnprotectRtcp(*pair.receiver, rtcp) == RtcpPacket(7, 3));
    CHECK(pair.Accepts(sealed));
  });
}

TEST_CASE("Any flipped bit fails and leaves no state") {
  ForEachReceiver([](Pair& pair, SrtpProfile) {
    const Bytes sealed = pair.Seal(7, 100);
    for (size_t bit = 0; bit < sealed.size() * 8; ++bit) {
      if (bit < 8) continue;  // version, extension bit and CSRC count change the layout
      Bytes bad = sealed;
      bad[bit / 8] = static_cast<uint8_t>(bad[bit / 8] ^ (1 << (bit % 8)));
      REQUIRE_FALSE(pair.Accepts(bad));
    }
    CHECK(pair.receiver->errors(ErrorKind::kAuthFailed) == sealed.size() * 8 - 8);
    CHECK(pair.Accepts(sealed));

    const Bytes rtcp = ProtectRtcp(*pair.sender, RtcpPacket(7, 4));
    for (size_t bit = 0; bit < rtcp.size() * 8; ++bit) {
      Bytes bad = rtcp;
      bad[bit / 8] = static_cast<uint8_t>(bad[bit / 8] ^ (1 << (bit % 8)));
      REQUIRE(UnprotectRtcp(*pair.receiver, bad).empty());
    }
    CHECK(UnprotectRtcp(*pair.receiver, rtcp) == RtcpPacket(7, 4));
  });
}

TEST_CASE("A flood of forged SSRCs takes no room and poisons no index") {
  ForEachReceiver([](Pair& pair, SrtpProfile) {
    CHECK(pair.Accepts(pair.Seal(7, 100)));
    for (uint32_t ssrc = 0; ssrc < 2000; ++ssrc) {
      Bytes forged = RtpHeader(ssrc, 60'000);
      forged.resize(200, 0x11);
      REQUIRE_FALSE(pair.Accepts(forged));
      Bytes rtcp = RtcpPacket(ssrc, 20);
      for (size_t i = rtcp.size() - 20; i < rtcp.size(); ++i) rtcp[i] = 0xff;
      REQUIRE(UnprotectRtcp(*pair.receiver, rtcp).empty());
    }
    CHECK(pair.receiver->errors(ErrorKind::kAuthFailed) == 4000);
    CHECK(pair.Accepts(pair.Seal(7, 101)));
    CHECK(pair.Accepts(pair.Seal(1999, 3)));
    CHECK(!UnprotectRtcp(*pair.receiver, ProtectRtcp(*pair.sender, RtcpPacket(1998, 2))).empty());
  });
}

TEST_CASE("The first packet of an SSRC may have any sequence number of rollover 0") {
  ForEachReceiver([](Pair& pair, SrtpProfile) {
    CHECK(pair.Accepts(pair.Seal(1, 0)));
    CHECK(pair.Accepts(pair.Seal(2, 65'535)));
    CHECK(pair.Accepts(pair.Seal(2, 0)));
    CHECK(pair.Accepts(pair.Seal(2, 1)));
  });
}

TEST_CASE("SRTCP without encryption is refused") {
  ForEachReceiver([](Pair& pair, SrtpProfile profile) {
    Bytes sealed = ProtectRtcp(*pair.sender, RtcpPacket(7, 4));
    const size_t word = sealed.size() - (profile <= SrtpProfile::kAeadAes128Gcm ? 4 : 14);
    REQUIRE((sealed[word] & 0x80) != 0);
    sealed[word] = static_cast<uint8_t>(sealed[word] & 0x7f);
    CHECK(UnprotectRtcp(*pair.receiver, sealed).empty());
  });
}

TEST_CASE("Packets of another key fail") {
  ForEachReceiver([](Pair& pair, SrtpProfile profile) {
    const auto other = MakeReceiver(MakeKey(profile, 4711), SrtpEngine::Kind::kAuto);
    CHECK(Unprotect(*other, pair.Seal(1, 1)).empty());
    CHECK(UnprotectRtcp(*other, ProtectRtcp(*pair.sender, RtcpPacket(1, 1))).empty());
  });
}
