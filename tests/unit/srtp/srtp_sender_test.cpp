#include "tests/unit/srtp/srtp_test_support.h"
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

TEST_CASE("A removed SSRC continues where it was and never reuses an index") {
  ForEachSender([](SrtpEngine& engine, SrtpSender& sender, const SrtpMasterKey& key) {
    const auto receiver = MakeReceiver(key, SrtpEngine::Kind::kOpenSsl);
    for (const uint16_t seq : {uint16_t{65'000}, uint16_t{65'535}, uint16_t{10}}) {
      CHECK(!Unprotect(*receiver, Protect(sender, engine, 5, seq, Bytes(10, 1))).empty());
    }
    sender.RemoveSsrc(Ssrc(5));
    sender.RemoveSsrc(Ssrc(5));
    sender.RemoveSsrc(Ssrc(77));
    CHECK(Protect(sender, engine, 5, 10, Bytes(10, 2)).empty());
    CHECK(Protect(sender, engine, 5, 9, Bytes(10, 2)).empty());
    CHECK(Protect(sender, engine, 5, 65'000, Bytes(10, 2)).empty());
    // Rollover counter 1 still holds, so the receiver follows.
    CHECK(!Unprotect(*receiver, Protect(sender, engine, 5, 12, Bytes(10, 2))).empty());
    CHECK(!Unprotect(*receiver, Protect(sender, engine, 5, 11, Bytes(10, 3))).empty());
    CHECK(Protect(sender, engine, 5, 8, Bytes(10, 2)).empty());
  });
}

TEST_CASE("The SSRC table of a sender is bounded, removed ones included") {
  const auto engine = MakeEngine(SrtpEngine::Kind::kAuto);
  const auto sender = MakeSender(MakeKey(SrtpProfile::kAeadAes128Gcm), *engine);
  for (uint32_t ssrc = 0; ssrc < SrtpSender::kMaxSsrcs; ++ssrc) {
    REQUIRE(!Protect(*sender, *engine, ssrc, 1, Bytes(1, 1)).empty());
    if (ssrc % 2 == 0) sender->RemoveSsrc(Ssrc(ssrc));
  }
  CHECK(Protect(*sender, *engine, 1'000'000, 1, Bytes(1, 1)).empty());
  CHECK(!Protect(*sender, *engine, 17, 2, Bytes(1, 1)).empty());
  CHECK(!Protect(*sender, *engine, 16, 2, Bytes(1, 1)).empty());
  CHECK(Protect(*sender, *engine, 16, 1, Bytes(1, 1)).empty());
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
