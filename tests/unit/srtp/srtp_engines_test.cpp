// Every engine writes the bytes that libsrtp writes.
#include <cstring>

#include "tests/unit/srtp/srtp_test_support.h"

using namespace sluice;
using namespace sluice::worker;
using namespace sluice::worker::srtp_test;

namespace {

/// A random packet: sometimes CSRCs, sometimes a header extension, 0..1460 bytes of payload.
struct PlainPacket {
  Bytes header;
  Bytes payload;
};

PlainPacket MakePacket(Random& random, uint32_t ssrc, uint16_t seq) {
  PlainPacket packet{RtpHeader(ssrc, seq), {}};
  const size_t csrcs = random.Below(4) == 0 ? random.Below(16) : 0;
  packet.header[0] = static_cast<uint8_t>(packet.header[0] | csrcs);
  for (const uint8_t byte : random.Fill(4 * csrcs)) packet.header.push_back(byte);
  if (random.Below(2) == 0) {
    packet.header[0] |= 0x10;
    const size_t words = random.Below(12);
    for (const uint8_t byte : {uint8_t{0xbe}, uint8_t{0xde}, uint8_t{0}}) {
      packet.header.push_back(byte);
    }
    packet.header.push_back(static_cast<uint8_t>(words));
    for (const uint8_t byte : random.Fill(4 * words)) packet.header.push_back(byte);
  }
  constexpr size_t kEdges[] = {0, 1, 15, 16, 17, 63, 64, 65, 1459, 1460};
  packet.payload = random.Fill(random.Below(3) == 0 ? kEdges[random.Below(std::size(kEdges))]
                                                    : random.Below(1461));
  return packet;
}

/// Protects `packets` with `kind` in turns of random length, in and out of place, through two
/// senders in turn (so that jobs of several sessions are in flight), and returns what goes out.
std::vector<Bytes> ProtectAll(SrtpEngine::Kind kind, SrtpProfile profile,
                              const std::vector<PlainPacket>& packets) {
  const auto engine = MakeEngine(kind);
  const std::array senders = {MakeSender(MakeKey(profile, 1), *engine),
                              MakeSender(MakeKey(profile, 2), *engine)};
  Random random(99);
  std::vector<Bytes> out(packets.size());
  size_t turn = 1 + random.Below(300);
  for (size_t i = 0; i < packets.size(); ++i) {
    const PlainPacket& plain = packets[i];
    const size_t header = plain.header.size();
    Bytes& packet = out[i];
    packet = plain.header;
    packet.resize(header + plain.payload.size() + kMaxSrtpTag + 1, 0xee);
    std::span<const uint8_t> payload(plain.payload);
    if (random.Below(2) == 0) {
      if (!payload.empty()) std::memcpy(packet.data() + header, payload.data(), payload.size());
      payload = {packet.data() + header, payload.size()};
    }
    SrtpSender& sender = *senders[i % 2];
    const size_t size = sender.ProtectRtp(packet.data(), header, payload);
    REQUIRE(size == header + plain.payload.size() + sender.tag_length());
    if (--turn != 0 && i + 1 != packets.size()) continue;
    engine->Flush();
    turn = 1 + random.Below(random.Below(2) == 0 ? 12 : 600);
  }
  for (size_t i = 0; i < out.size(); ++i) {
    REQUIRE(out[i].back() == 0xee);  // nothing beyond the promised room
    out[i].resize(packets[i].header.size() + packets[i].payload.size() + SrtpTagLength(profile));
  }
  return out;
}

}  // namespace

TEST_CASE("Engines are byte-identical to libsrtp and receivers undo them") {
  for (const SrtpProfile profile : kProfiles) {
    Random random(static_cast<uint64_t>(profile) + 5);
    std::vector<PlainPacket> packets;
    std::array<uint64_t, 6> next{};
    for (size_t i = 0; i < 6; ++i) next[i] = random.Below(30'000);
    for (size_t i = 0; i < 5000; ++i) {
      const size_t stream = i % next.size();
      next[stream] += 1 + (random.Below(10) == 0 ? random.Below(600) : 0);  // wraps a few times
      packets.push_back(MakePacket(random, static_cast<uint32_t>(0x1000 + stream),
                                   static_cast<uint16_t>(next[stream])));
    }
    const auto reference = ProtectAll(SrtpEngine::Kind::kLibsrtp, profile, packets);
    for (const SrtpEngine::Kind kind : Kinds()) {
      INFO("profile " << static_cast<int>(profile) << " kind " << static_cast<int>(kind));
      const auto out = ProtectAll(kind, profile, packets);
      for (size_t i = 0; i < out.size(); ++i) {
        INFO("packet " << i << " payload " << packets[i].payload.size());
        if (out[i] != reference[i]) REQUIRE(out[i] == reference[i]);
      }
      const std::array receivers = {MakeReceiver(MakeKey(profile, 1), kind),
                                    MakeReceiver(MakeKey(profile, 2), kind)};
      for (size_t i = 0; i < out.size(); ++i) {
        Bytes expected = packets[i].header;
        expected.insert(expected.end(), packets[i].payload.begin(), packets[i].payload.end());
        if (Unprotect(*receivers[i % 2], out[i]) != expected) FAIL("packet " << i);
        REQUIRE(Unprotect(*receivers[i % 2], out[i]).empty());  // replay
      }
      CHECK(receivers[0]->errors(SrtpUnprotectError::kReplayed) == 2500);
    }
  }
}

TEST_CASE("SRTCP is byte-identical to libsrtp and receivers undo it") {
  for (const SrtpProfile profile : kProfiles) {
    const SrtpMasterKey key = MakeKey(profile);
    const auto reference_engine = MakeEngine(SrtpEngine::Kind::kLibsrtp);
    for (const SrtpEngine::Kind kind : Kinds()) {
      INFO("profile " << static_cast<int>(profile) << " kind " << static_cast<int>(kind));
      const auto reference = MakeSender(key, *reference_engine);
      const auto engine = MakeEngine(kind);
      const auto sender = MakeSender(key, *engine);
      const auto receiver = MakeReceiver(key, kind);
      const auto reference_receiver = MakeReceiver(key, SrtpEngine::Kind::kLibsrtp);
      for (size_t words = 0; words < 200; ++words) {
        const Bytes plain = RtcpPacket(0xabcd, words);
        const Bytes sealed = ProtectRtcp(*sender, plain);
        REQUIRE(sealed == ProtectRtcp(*reference, plain));
        REQUIRE(UnprotectRtcp(*receiver, sealed) == plain);
        SrtpUnprotectError error{};
        REQUIRE(UnprotectRtcp(*receiver, sealed, &error).empty());
        CHECK(error == SrtpUnprotectError::kReplayed);
      }
      // Another SSRC shares the index counter; what counts is that the peer reads it.
      for (const uint32_t ssrc : {1u, 2u, 0xffffffffu, 1u}) {
        const Bytes plain = RtcpPacket(ssrc, 6);
        const Bytes sealed = ProtectRtcp(*sender, plain);
        CHECK(UnprotectRtcp(*receiver, sealed) == plain);
        CHECK(UnprotectRtcp(*reference_receiver, sealed) == plain);
      }
    }
  }
}

TEST_CASE("A sender destroyed before the flush leaves finished packets") {
  for (const SrtpEngine::Kind kind : Kinds()) {
    for (const size_t count : {size_t{1}, size_t{40}}) {
      const SrtpMasterKey key = MakeKey(SrtpProfile::kAesCm128HmacSha1_80);
      const auto engine = MakeEngine(kind);
      auto sender = MakeSender(key, *engine);
      const Bytes payload(1000, 0x77);
      std::vector<Bytes> packets(count);
      for (size_t i = 0; i < count; ++i) {
        packets[i] = RtpHeader(1, static_cast<uint16_t>(i));
        packets[i].resize(1022);
        packets[i].reserve(1030);
        REQUIRE(sender->ProtectRtp(packets[i].data(), 12, payload) == 1022);
      }
      sender.reset();
      engine->Flush();
      const auto receiver = MakeReceiver(key, SrtpEngine::Kind::kLibsrtp);
      for (const Bytes& packet : packets) CHECK(Unprotect(*receiver, packet).size() == 1012);
    }
  }
}

TEST_CASE("kAuto resolves to a fast engine") {
  const auto engine = MakeEngine(SrtpEngine::Kind::kAuto);
  CHECK(engine->kind() != SrtpEngine::Kind::kLibsrtp);
  CHECK(engine->kind() != SrtpEngine::Kind::kAuto);
  engine->Flush();  // nothing pending
}
