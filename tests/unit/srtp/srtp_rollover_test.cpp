// What an SRTP receiver remembers of an SSRC, and how it finds a rollover counter that it missed.
#include "tests/unit/srtp/srtp_test_support.h"
#include "worker/core/srtp/replay_guard.h"
#include "worker/core/srtp/rollover_search.h"

using namespace sluice;
using namespace sluice::worker;
using namespace sluice::worker::srtp_test;

namespace {

using ErrorKind = SrtpUnprotectError;

/// A sender whose packets are numbered from 0 on without end, and a receiver of some of them.
struct Stream {
  std::unique_ptr<SrtpEngine> engine = MakeEngine(SrtpEngine::Kind::kOpenSsl);
  std::unique_ptr<SrtpSender> sender;
  std::unique_ptr<SrtpReceiver> receiver;
  Timestamp now = Timestamp::Millis(5'000);

  Stream(const SrtpMasterKey& key, SrtpEngine::Kind kind)
      : sender(MakeSender(key, *engine)), receiver(MakeReceiver(key, kind)) {}

  /// The packet with number `index` (ROC‖SEQ). The sender must have come to within 2^15 of it.
  Bytes Seal(uint32_t ssrc, uint64_t index) {
    return Protect(*sender, *engine, ssrc, static_cast<uint16_t>(index), Bytes(40, 1));
  }
  /// Lets the sender alone come to `index`.
  void Skip(uint32_t ssrc, uint64_t from, uint64_t index) {
    for (uint64_t i = from; i <= index; i += 0x4000) REQUIRE(!Seal(ssrc, i).empty());
    if ((index - from) % 0x4000 != 0) REQUIRE(!Seal(ssrc, index).empty());
  }
  bool Accepts(const Bytes& packet, ErrorKind* error = nullptr) {
    const Bytes plain = Unprotect(*receiver, packet, error, now);
    if (plain.empty()) return false;
    CHECK(plain.size() == 12 + 40);
    CHECK(std::all_of(plain.begin() + 12, plain.end(), [](uint8_t byte) { return byte == 1; }));
    return true;
  }
  void NextWindow() { now = now + RolloverSearch::kWindow; }
};

/// libsrtp is the reference for the bytes alone: it does not search.
template <typename Body>
void ForEachStream(Body body) {
  for (const SrtpEngine::Kind kind : Kinds()) {
    if (kind == SrtpEngine::Kind::kLibsrtp) continue;
    for (const SrtpProfile profile : kProfiles) {
      INFO("kind " << static_cast<int>(kind) << " profile " << static_cast<int>(profile));
      Stream stream(MakeKey(profile), kind);
      body(stream);
    }
  }
}

}  // namespace

TEST_CASE("The first packets before a wrap are lost: the stream is found after it") {
  ForEachStream([](Stream& stream) {
    for (uint64_t i = 65'530; i < 65'540; ++i) {
      const Bytes packet = stream.Seal(7, i);
      if (i < 65'538) continue;  // lost
      CHECK(stream.Accepts(packet));
    }
    CHECK(stream.receiver->rollovers_found() == 1);
    CHECK(stream.receiver->errors(ErrorKind::kAuthFailed) == 0);
  });
}

TEST_CASE("A packet from before the wrap that comes after it is taken, and once") {
  ForEachStream([](Stream& stream) {
    const Bytes late = stream.Seal(7, 65'534);
    CHECK(stream.Accepts(stream.Seal(7, 65'537)));
    CHECK(stream.Accepts(late));
    CHECK_FALSE(stream.Accepts(late));
  });
}

TEST_CASE("An SSRC that was never heard is found up to rollover 3, and no further") {
  ForEachStream([](Stream& stream) {
    for (const uint64_t rollover : {1u, 2u, 3u, 4u}) {
      const auto ssrc = static_cast<uint32_t>(100 + rollover);
      const uint64_t index = rollover * 0x10000 + 5;
      stream.Skip(ssrc, 5, index);
      ErrorKind error{};
      CHECK(stream.Accepts(stream.Seal(ssrc, index + 1), &error) == (rollover < 4));
      if (rollover == 4) CHECK(error == ErrorKind::kAuthFailed);
    }
  });
}

TEST_CASE("A known SSRC that was not heard for a rollover or two is found again") {
  ForEachStream([](Stream& stream) {
    uint64_t index = 0;
    for (; index < 70'000; index += 10'000) REQUIRE(stream.Accepts(stream.Seal(7, index)));
    index -= 10'000;
    // By the numbers alone: 40,000 ahead looks old, 70,000 ahead like 4464, 150,000 like 18,928.
    for (const uint64_t ahead : {40'000u, 70'000u, 150'000u}) {
      stream.Skip(7, index + 0x4000, index + ahead);
      index += ahead + 1;
      const Bytes packet = stream.Seal(7, index);
      CHECK(stream.Accepts(packet));
      CHECK_FALSE(stream.Accepts(packet));
    }
    CHECK(stream.receiver->rollovers_found() == 3);
  });
}

TEST_CASE("What was received before is replayed at no rollover") {
  ForEachStream([](Stream& stream) {
    std::vector<Bytes> sent;
    for (uint64_t i = 0; i < 3000; ++i) {
      sent.push_back(stream.Seal(7, 65'000 + i));
      REQUIRE(stream.Accepts(sent.back()));
    }
    for (size_t i = 0; i < sent.size(); i += 50) {
      stream.NextWindow();
      ErrorKind error{};
      REQUIRE_FALSE(stream.Accepts(sent[i], &error));
      CHECK(error == ErrorKind::kReplayed);
    }
    CHECK(stream.receiver->rollovers_found() == 0);
  });
}

TEST_CASE("Forged packets cost a bounded number of searches, and a true one is found after them") {
  ForEachStream([](Stream& stream) {
    stream.Skip(7, 5, 0x10005);
    for (uint32_t i = 0; i < 10'000; ++i) {
      Bytes forged = RtpHeader(1'000 + i, 5);
      forged.resize(100, 0x11);
      REQUIRE_FALSE(stream.Accepts(forged));
    }
    CHECK(stream.receiver->rollover_searches() == RolloverSearch::kPacketsPerWindow);
    CHECK_FALSE(stream.Accepts(stream.Seal(7, 0x10006)));  // the window's tries are spent
    stream.NextWindow();
    CHECK(stream.Accepts(stream.Seal(7, 0x10007)));
    CHECK(stream.Accepts(stream.Seal(7, 0x10008)));  // known from here on
    CHECK(stream.receiver->rollover_searches() == RolloverSearch::kPacketsPerWindow + 1);
  });
}

TEST_CASE(
    "More SSRCs than are kept live: the oldest keeps its index, and no packet of it replays") {
  const SrtpMasterKey key = MakeKey(SrtpProfile::kAeadAes128Gcm);
  Stream stream(key, SrtpEngine::Kind::kAuto);
  // SSRC 0 is at rollover 5, which no search finds.
  for (uint64_t i = 0; i < 0x50000; i += 0x4000) REQUIRE(stream.Accepts(stream.Seal(0, i)));
  const Bytes replay = stream.Seal(0, 0x50000);
  REQUIRE(stream.Accepts(replay));
  const Bytes feedback = ProtectRtcp(*stream.sender, RtcpPacket(0, 3));
  REQUIRE(!UnprotectRtcp(*stream.receiver, feedback).empty());
  constexpr auto kOthers = static_cast<uint32_t>(3 * SrtpReceiver::kMaxSsrcs);
  for (uint32_t ssrc = 1; ssrc <= kOthers; ++ssrc) {
    REQUIRE(stream.Accepts(stream.Seal(ssrc, 1)));
    REQUIRE(
        !UnprotectRtcp(*stream.receiver, ProtectRtcp(*stream.sender, RtcpPacket(ssrc, 3))).empty());
  }
  ErrorKind error{};
  CHECK_FALSE(stream.Accepts(replay, &error));
  CHECK(error == ErrorKind::kReplayed);
  CHECK(UnprotectRtcp(*stream.receiver, feedback, &error).empty());
  CHECK(error == ErrorKind::kReplayed);
  CHECK(stream.Accepts(stream.Seal(0, 0x50001)));
  CHECK_FALSE(stream.Accepts(replay));
  CHECK(stream.receiver->rollovers_found() == 0);
}

TEST_CASE("ReplayGuard keeps the newest of the retired SSRCs") {
  ReplayGuard guard(/*max_live=*/2, /*max_retired=*/3);
  using Kind = ReplayGuard::Verdict::Kind;
  for (uint32_t ssrc = 0; ssrc < 7; ++ssrc) guard.Accept(Ssrc(ssrc), 100 + ssrc);
  CHECK(guard.live() == 2);
  CHECK(guard.retired() == 3);
  for (uint32_t ssrc = 0; ssrc < 7; ++ssrc) {
    INFO("ssrc " << ssrc);
    CHECK((guard.CheckIndex(Ssrc(ssrc), 100 + ssrc).kind == Kind::kNew) == (ssrc < 2));
    CHECK(guard.CheckIndex(Ssrc(ssrc), 101 + ssrc).kind == Kind::kNew);
    CHECK(guard.Highest(Ssrc(ssrc)).has_value() == (ssrc >= 2));
  }
  // Of two live ones the one that was used last stays.
  guard.Accept(Ssrc(5), 200);
  guard.Accept(Ssrc(8), 1);
  CHECK(guard.CheckIndex(Ssrc(5), 150).kind == Kind::kNew);     // in its window
  CHECK(guard.CheckIndex(Ssrc(6), 105).kind == Kind::kTooOld);  // retired
}

TEST_CASE("RetiredIndices packs 48 bits") {
  RetiredIndices indices(2);
  constexpr uint64_t kHighest = 0xfedc'ba98'7654;
  CHECK(indices.Insert(Ssrc(1), kHighest));
  CHECK(indices.Insert(Ssrc(2), 3));
  CHECK_FALSE(indices.Insert(Ssrc(3), 3));
  CHECK(indices.Insert(Ssrc(2), 4));
  CHECK(indices.Find(Ssrc(1)) == kHighest);
  CHECK(indices.Find(Ssrc(2)) == 4u);
  CHECK(indices.Find(Ssrc(3)) == std::nullopt);
  indices.Erase(Ssrc(2));
  CHECK(indices.Insert(Ssrc(3), 5));
}
