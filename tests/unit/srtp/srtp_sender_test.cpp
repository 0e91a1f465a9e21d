#include "tests/unit/srtp/srtp_test_support.h"
#include "worker/core/srtp/index_guard.h"
#include "worker/core/srtp/srtp_packet.h"

using namespace sluice;
using namespace sluice::worker;
using namespace sluice::worker::srtp_test;

namespace {

/// Runs `body(engine, sender, key)` for every engine and profile.
template <typename Body>
void ForEachSender(Body body) {
  for (const SrtpEngine::Kind kind : Kinds()) {
    for (const SrtpProfile profile : kProfiles) {
      INFO("kind " << static_cast<int>(kind) << " profile " << static_cast<int>(profile));
      const SrtpMasterKey key = MakeKey(profile);
      const auto engine = MakeEngine(kind);
      const auto sender = MakeSender(key, *engine);
      body(*engine, *sender, key);
    }
  }
}

}  // namespace

TEST_CASE("An index is encrypted once, unless the same bytes are promised") {
  ForEachSender([](SrtpEngine& engine, SrtpSender& sender, const SrtpMasterKey&) {
    const Bytes first = Protect(sender, engine, 5, 2000, Bytes(100, 1));
    REQUIRE(!first.empty());
    CHECK(Protect(sender, engine, 5, 2000, Bytes(100, 2)).empty());
    CHECK(Protect(sender, engine, 5, 2000, Bytes(100, 1)).empty());
    CHECK(sender.refused() == 2);
    CHECK(Protect(sender, engine, 5, 2000, Bytes(100, 1), true) == first);
    CHECK(!Protect(sender, engine, 6, 2000, Bytes(100, 2)).empty());  // another SSRC, other nonce
  });
}

TEST_CASE("Late packets that were never sent pass inside the window and fail before it") {
  ForEachSender([](SrtpEngine& engine, SrtpSender& sender, const SrtpMasterKey&) {
    REQUIRE(!Protect(sender, engine, 5, 5000, Bytes(10, 1)).empty());
    CHECK(!Protect(sender, engine, 5, 4990, Bytes(10, 2)).empty());
    CHECK(Protect(sender, engine, 5, 4990, Bytes(10, 3)).empty());
    CHECK(!Protect(sender, engine, 5, 5000 - 1023, Bytes(10, 4)).empty());
    CHECK(Protect(sender, engine, 5, 5000 - 1024, Bytes(10, 5)).empty());
    CHECK(!Protect(sender, engine, 5, 5000 - 1024, Bytes(10, 5), true).empty());
    CHECK(!Protect(sender, engine, 5, 9000, Bytes(10, 6)).empty());
    CHECK(!Protect(sender, engine, 5, 8999, Bytes(10, 7)).empty());
    CHECK(Protect(sender, engine, 5, 5000, Bytes(10, 8)).empty());
  });
}

TEST_CASE("A retransmission marks an index that was never sent") {
  ForEachSender([](SrtpEngine& engine, SrtpSender& sender, const SrtpMasterKey&) {
    REQUIRE(!Protect(sender, engine, 5, 100, Bytes(10, 1)).empty());
    CHECK(!Protect(sender, engine, 5, 102, Bytes(10, 2), true).empty());
    CHECK(Protect(sender, engine, 5, 102, Bytes(10, 3)).empty());
  });
}

TEST_CASE("The rollover counter follows loss around 65535 at every receiver") {
  for (const SrtpEngine::Kind kind : Kinds()) {
    for (const SrtpProfile profile : kProfiles) {
      INFO("kind " << static_cast<int>(kind) << " profile " << static_cast<int>(profile));
      const SrtpMasterKey key = MakeKey(profile);
      const auto engine = MakeEngine(kind);
      const auto sender = MakeSender(key, *engine);
      std::vector<std::unique_ptr<SrtpReceiver>> receivers;
      for (const SrtpEngine::Kind receiver : Kinds()) {
        receivers.push_back(MakeReceiver(key, receiver));
      }
      // Sent: jumps over the wrap, late packets of the old rollover, three wraps. Every second
      // packet is lost on the way.
      const uint32_t sequence[] = {65'500,  65'530,  65'541,  65'533,  65'542,  65'535,
                                   65'536,  65'534,  98'000,  110'000, 130'000, 131'071,
                                   131'070, 131'080, 131'072, 131'069, 160'000, 175'000,
                                   190'000, 196'607, 196'609, 196'606, 196'608};
      for (size_t i = 0; i < std::size(sequence); ++i) {
        const Bytes payload(50, static_cast<uint8_t>(i));
        const Bytes sealed =
            Protect(*sender, *engine, 9, static_cast<uint16_t>(sequence[i]), payload);
        REQUIRE(!sealed.empty());
        if (i % 2 == 1) continue;
        for (const auto& receiver : receivers) {
          const Bytes plain = Unprotect(*receiver, sealed);
          REQUIRE(plain.size() == 62);
          CHECK(plain.back() == static_cast<uint8_t>(i));
        }
      }
    }
  }
}

TEST_CASE("A packet before the first rollover has no index") {
  ForEachSender([](SrtpEngine& engine, SrtpSender& sender, const SrtpMasterKey&) {
    REQUIRE(!Protect(sender, engine, 5, 2, Bytes(10, 1)).empty());
    CHECK(Protect(sender, engine, 5, 65'534, Bytes(10, 2)).empty());
    CHECK(!Protect(sender, engine, 5, 3, Bytes(10, 3)).empty());
  });
}

TEST_CASE("A retired SSRC continues where it was and never reuses an index") {
  ForEachSender([](SrtpEngine& engine, SrtpSender& sender, const SrtpMasterKey& key) {
    const auto receiver = MakeReceiver(key, SrtpEngine::Kind::kOpenSsl);
    for (const uint16_t seq : {uint16_t{65'000}, uint16_t{65'535}, uint16_t{10}}) {
      CHECK(!Unprotect(*receiver, Protect(sender, engine, 5, seq, Bytes(10, 1))).empty());
    }
    sender.RetireSsrc(Ssrc(5));
    sender.RetireSsrc(Ssrc(5));
    sender.RetireSsrc(Ssrc(77));
    CHECK(Protect(sender, engine, 5, 10, Bytes(10, 2)).empty());
    CHECK(Protect(sender, engine, 5, 9, Bytes(10, 2)).empty());
    CHECK(Protect(sender, engine, 5, 65'000, Bytes(10, 2)).empty());
    // Rollover counter 1 still holds, so the receiver follows.
    CHECK(!Unprotect(*receiver, Protect(sender, engine, 5, 12, Bytes(10, 2))).empty());
    CHECK(!Unprotect(*receiver, Protect(sender, engine, 5, 11, Bytes(10, 3))).empty());
    CHECK(Protect(sender, engine, 5, 8, Bytes(10, 2)).empty());
  });
}

TEST_CASE("A retired SSRC tells where its next stream has to begin") {
  ForEachSender([](SrtpEngine& engine, SrtpSender& sender, const SrtpMasterKey&) {
    CHECK(sender.NextSequence(Ssrc(5)) == std::nullopt);
    REQUIRE(!Protect(sender, engine, 5, 65'535, Bytes(10, 1)).empty());
    CHECK(sender.NextSequence(Ssrc(5)) == std::nullopt);  // it is live
    sender.RetireSsrc(Ssrc(5));
    CHECK(sender.NextSequence(Ssrc(5)) == SeqNumber(0));
    CHECK(!Protect(sender, engine, 5, 0, Bytes(10, 2)).empty());
  });
}

TEST_CASE("The live SSRCs of a sender are bounded, the retired ones take no place") {
  const auto engine = MakeEngine(SrtpEngine::Kind::kAuto);
  const auto sender = MakeSender(MakeKey(SrtpProfile::kAeadAes128Gcm), *engine);
  const auto sends = [&](uint32_t ssrc, uint16_t seq) {
    return !Protect(*sender, *engine, ssrc, seq, Bytes(1, 1)).empty();
  };
  for (uint32_t ssrc = 0; ssrc < SrtpSender::kMaxSsrcs; ++ssrc) REQUIRE(sends(ssrc, 1));
  CHECK(sender->ssrc_room() == 0);
  CHECK_FALSE(sends(1'000'000, 1));
  CHECK(sender->refused(SrtpRefusal::kTooManySsrcs) == 1);
  CHECK(sends(17, 2));
  for (const uint32_t ssrc : {16u, 18u}) sender->RetireSsrc(Ssrc(ssrc));
  CHECK(sender->ssrc_room() == 2);
  CHECK(sends(1'000'000, 1));
  CHECK_FALSE(sends(16, 1));
  CHECK(sender->refused(SrtpRefusal::kIndexUsed) == 1);
  CHECK(sends(16, 2));
  CHECK_FALSE(sends(18, 2));  // no place left
}

TEST_CASE("10^5 streams with RTX that come and go on one sender: no index is used twice") {
  const auto engine = MakeEngine(SrtpEngine::Kind::kAuto);
  const auto sender = MakeSender(MakeKey(SrtpProfile::kAeadAes128Gcm), *engine);
  const auto sends = [&](uint32_t ssrc, uint16_t seq) {
    return !Protect(*sender, *engine, ssrc, seq, Bytes(1, 1)).empty();
  };
  constexpr uint32_t kSsrcs = 200'000;
  static_assert(kSsrcs < SrtpSender::kMaxRetiredSsrcs);
  for (uint32_t ssrc = 0; ssrc < kSsrcs; ++ssrc) {
    REQUIRE(sends(ssrc, 1000));
    sender->RetireSsrc(Ssrc(ssrc));
  }
  CHECK(sender->ssrc_room() == SrtpSender::kMaxSsrcs);
  for (uint32_t ssrc = 0; ssrc < kSsrcs; ssrc += 97) {
    REQUIRE_FALSE(sends(ssrc, 1000));
    REQUIRE_FALSE(sends(ssrc, 999));
    REQUIRE(sends(ssrc, 1001));
    sender->RetireSsrc(Ssrc(ssrc));
  }
}

TEST_CASE("Where no more can be remembered, a new SSRC is refused and an old one goes on") {
  IndexGuard guard(/*max_live=*/2, /*max_retired=*/3);
  SrtpRefusal refusal{};
  const auto claims = [&](uint32_t ssrc, uint16_t seq) {
    return guard.Claim(Ssrc(ssrc), SeqNumber(seq), false, &refusal).has_value();
  };
  for (uint32_t ssrc = 0; ssrc < 5; ++ssrc) {
    REQUIRE(claims(ssrc, 7));
    guard.Retire(Ssrc(ssrc));
  }
  CHECK(guard.retired() == 3);
  CHECK(guard.live() == 2);  // retired, but not forgotten
  CHECK_FALSE(claims(5, 7));
  CHECK(refusal == SrtpRefusal::kTooManySsrcs);
  CHECK(claims(4, 8));
  CHECK_FALSE(claims(4, 7));
  CHECK(refusal == SrtpRefusal::kIndexUsed);
  for (uint32_t ssrc = 0; ssrc < 5; ++ssrc) CHECK_FALSE(claims(ssrc, 7));
}

TEST_CASE("Impossible sizes are refused") {
  ForEachSender([](SrtpEngine& engine, SrtpSender& sender, const SrtpMasterKey&) {
    Bytes packet(70'000);
    packet[0] = 0x80;
    const Bytes payload(kMaxSrtpPacket - 12);
    CHECK(sender.ProtectRtp(packet.data(), 11, {payload.data(), 5}) == 0);
    CHECK(sender.ProtectRtp(packet.data(), 12, payload) == 0);
    CHECK(sender.ProtectRtcp(packet.data(), 7) == 0);
    CHECK(sender.ProtectRtcp(packet.data(), kMaxSrtpPacket) == 0);
    CHECK(sender.refused() == 4);
    const size_t largest = payload.size() - sender.tag_length();
    CHECK(sender.ProtectRtp(packet.data(), 12, {payload.data(), largest}) == kMaxSrtpPacket);
    engine.Flush();
  });
}

TEST_CASE("The largest packet is encrypted by the batch like by libsrtp") {
  const SrtpMasterKey key = MakeKey(SrtpProfile::kAesCm128HmacSha1_80);
  const auto engine = MakeEngine(SrtpEngine::Kind::kAuto);
  const auto sender = MakeSender(key, *engine);
  const auto receiver = MakeReceiver(key, SrtpEngine::Kind::kLibsrtp);
  const Bytes payload = Random(3).Fill(kMaxSrtpPacket - 12 - sender->tag_length());
  std::vector<Bytes> packets(8);
  for (size_t i = 0; i < packets.size(); ++i) {
    packets[i] = RtpHeader(1, static_cast<uint16_t>(i));
    packets[i].resize(kMaxSrtpPacket);
    REQUIRE(sender->ProtectRtp(packets[i].data(), 12, payload) == kMaxSrtpPacket);
  }
  engine->Flush();
  for (const Bytes& packet : packets) {
    const Bytes plain = Unprotect(*receiver, packet);
    REQUIRE(plain.size() == 12 + payload.size());
    CHECK(std::equal(payload.begin(), payload.end(), plain.begin() + 12));
  }
}
