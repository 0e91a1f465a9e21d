// What hostile or broken peers do to an SCTP association.
#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <functional>

#include "tests/sim/heap_in_use.h"
#include "tests/sim/sctp_endpoint.h"
#include "tests/unit/sctp/sctp_packets.h"

namespace sluice::worker {
namespace {

using sctp::ChunkType;

LinkConditions Delay(int ms) {
  LinkConditions link;
  link.delay = Duration::Millis(ms);
  return link;
}

/// Calls `change` with every chunk of a packet, header included, and mends the checksum.
void ForChunks(std::vector<uint8_t>* packet,
               const std::function<void(std::span<uint8_t> chunk)>& change) {
  size_t at = sctp::kCommonHeader;
  while (at + sctp::kChunkHeader <= packet->size()) {
    const size_t length = static_cast<size_t>((*packet)[at + 2]) << 8 | (*packet)[at + 3];
    if (length < sctp::kChunkHeader || at + length > packet->size()) break;
    change(std::span(*packet).subspan(at, length));
    at += (length + 3) / 4 * 4;
  }
  sctp::WriteChecksum(*packet);
}

bool IsType(std::span<const uint8_t> chunk, ChunkType type) {
  return chunk[0] == static_cast<uint8_t>(type);
}

uint32_t Word(std::span<const uint8_t> bytes, size_t at) {
  return static_cast<uint32_t>(bytes[at]) << 24 | static_cast<uint32_t>(bytes[at + 1]) << 16 |
         static_cast<uint32_t>(bytes[at + 2]) << 8 | bytes[at + 3];
}

/// A pair whose `a` is watched: the tag and TSNs with which one can write packets in its place.
struct Watched : SctpPair {
  explicit Watched(const SctpOptions& options = {}, int delay_ms = 10)
      : SctpPair(1, Delay(delay_ms), options) {
    a.filter = [this](std::vector<uint8_t>& packet) {
      tag_of_b = Word(packet, 4) != 0 ? Word(packet, 4) : tag_of_b;
      ForChunks(&packet, [this](std::span<uint8_t> chunk) {
        if (IsType(chunk, ChunkType::kData)) next_tsn = Word(chunk, 4) + 1;
        if (IsType(chunk, ChunkType::kInit) || IsType(chunk, ChunkType::kInitAck)) {
          next_tsn = Word(chunk, 16);
        }
        if (IsType(chunk, ChunkType::kInit)) init = packet_of(chunk);
      });
      return !muted;
    };
    b.filter = [this](std::vector<uint8_t>& packet) {
      ForChunks(&packet, [this](std::span<uint8_t> chunk) {
        if (IsType(chunk, ChunkType::kData)) last_tsn_of_b = Word(chunk, 4);
      });
      return true;
    };
  }
  static std::vector<uint8_t> packet_of(std::span<const uint8_t> chunk) {
    return {chunk.begin(), chunk.end()};
  }
  /// A packet to b with one chunk.
  void Forge(ChunkType type, const std::vector<uint8_t>& body, uint8_t flags = 0) {
    b.Receive(SctpPacketBuilder(tag_of_b).Chunk(type, body, flags).Build());
  }
  static std::vector<uint8_t> DataBody(uint32_t tsn, uint16_t stream, uint16_t ssn, size_t size) {
    std::vector<uint8_t> body;
    PutU32(&body, tsn);
    PutU16(&body, stream);
    PutU16(&body, ssn);
    PutU32(&body, 53);
    body.resize(body.size() + size, 'x');
    return body;
  }
  bool StillWorks() {
    const size_t before = b.received().size();
    a.Send(9, "still works");
    return Until([&] { return b.received().size() > before; }, Duration::Seconds(30)) &&
           b.text(b.received().size() - 1) == "still works";
  }

  /// b has ended the association, and a knows.
  bool HasEnded() {
    return Until([&] { return !a.connected() && !b.connected(); }, Duration::Seconds(30)) &&
           a.states().back() == SctpState::kClosed && b.states().back() == SctpState::kClosed;
  }

  uint32_t tag_of_b = 0;
  uint32_t next_tsn = 0;
  uint32_t last_tsn_of_b = 0;
  std::vector<uint8_t> init;
  bool muted = false;
};

}  // namespace

TEST_CASE("sctp attack: one that begins again inside its DTLS session ends the association",
          "[sctp][attack]") {  // 66
  Watched pair;
  REQUIRE(pair.Connect());
  const std::vector<uint8_t> late =
      SctpPacketBuilder(0)
          .Chunk(ChunkType::kInit, {pair.init.begin() + 4, pair.init.end()})
          .Build();
  pair.b.Receive(late);  // a copy of what began it
  CHECK(pair.b.connected());
  CHECK(pair.StillWorks());
  pair.b.Receive(SctpPacketBuilder(0).Chunk(ChunkType::kInit, InitBody(0x12345678)).Build());
  CHECK_FALSE(pair.b.connected());
  CHECK(pair.b.states().back() == SctpState::kClosed);
  CHECK(pair.b.association().stats().restarts == 1);
}

TEST_CASE("sctp attack: an INIT of anybody over UDP changes nothing", "[sctp][attack]") {  // 66
  SctpOptions options;
  options.authenticated_path = false;
  Watched pair(options);
  REQUIRE(pair.Connect());
  for (uint32_t tag = 1; tag < 1000; ++tag) {
    pair.b.Receive(SctpPacketBuilder(0).Chunk(ChunkType::kInit, InitBody(tag)).Build());
  }
  CHECK(pair.b.association().stats().refusals.unexpected_init == 999);
  CHECK(pair.StillWorks());
}

TEST_CASE("sctp attack: INITs before the association stands leave no state", "[sctp][attack]") {
  SctpOptions options;
  options.authenticated_path = false;
  Watched pair(options);
  for (uint32_t tag = 1; tag < 5000; ++tag) {
    pair.b.Receive(SctpPacketBuilder(0).Chunk(ChunkType::kInit, InitBody(tag)).Build());
  }
  REQUIRE(pair.Connect());
  CHECK(pair.StillWorks());
}

TEST_CASE("sctp attack: cookies that were altered, are stale, or come again", "[sctp][attack]") {
  SECTION("altered") {  // 67
    Watched pair;
    bool altered = false;
    const auto watch = pair.a.filter;
    pair.a.filter = [&](std::vector<uint8_t>& packet) {
      ForChunks(&packet, [&](std::span<uint8_t> chunk) {
        if (IsType(chunk, ChunkType::kCookieEcho) && !std::exchange(altered, true)) {
          chunk[chunk.size() / 2] ^= 1;
        }
      });
      return watch(packet);
    };
    REQUIRE(pair.Connect());
    CHECK(altered);
    CHECK(pair.StillWorks());
  }
  SECTION("stale") {
    // RFC 9260 §5.1.5: its life is 60 s.
    for (const int held : {55, 65}) {
      Watched pair;
      std::vector<uint8_t> cookie;
      const auto watch = pair.a.filter;
      pair.a.filter = [&](std::vector<uint8_t>& packet) {
        ForChunks(&packet, [&](std::span<uint8_t> chunk) {
          if (!IsType(chunk, ChunkType::kCookieEcho)) return;
          if (cookie.empty()) cookie = packet;
          pair.muted = true;  // b hears no more of a
        });
        return watch(packet);
      };
      pair.a.Start();
      pair.environment.AdvanceBy(Duration::Seconds(held));
      REQUIRE_FALSE(cookie.empty());
      REQUIRE(pair.b.association().state() == SctpState::kConnecting);
      pair.b.Receive(cookie);
      pair.environment.AdvanceBy(Duration::Seconds(1));
      CHECK(pair.b.connected() == (held < 60));
    }
  }
  SECTION("late and again") {
    Watched pair;
    std::vector<uint8_t> cookie;
    const auto watch = pair.a.filter;
    pair.a.filter = [&](std::vector<uint8_t>& packet) {
      ForChunks(&packet, [&](std::span<uint8_t> chunk) {
        if (IsType(chunk, ChunkType::kCookieEcho)) cookie = packet;
      });
      return watch(packet);
    };
    REQUIRE(pair.Connect());
    for (int i = 0; i < 100; ++i) pair.b.Receive(cookie);
    CHECK(pair.StillWorks());
    pair.environment.AdvanceBy(Duration::Seconds(120));
    pair.b.Receive(cookie);
    CHECK(pair.StillWorks());
    pair.b.Close();
    pair.b.Receive(cookie);
    CHECK_FALSE(pair.b.connected());
  }
}

TEST_CASE("sctp attack: acknowledgements of what was never sent", "[sctp][attack]") {  // 68
  struct Case {
    uint32_t beyond;  // the last TSN that b has sent
    std::vector<uint16_t> blocks;
    bool ends;
    uint64_t refused = 0;  // by the validator
  };
  const std::array<Case, 8> cases = {{{1, {}, true},
                                      {1000, {}, true},
                                      {0x70000000, {}, true},
                                      {1, {1, 3}, true},
                                      {0xFFFFFC00, {}, false},        // long ago
                                      {0xFFFFFC00, {1, 3}, false},    // of which the blocks, too
                                      {0, {5, 2}, false, 1},          // backwards
                                      {0, {2, 4, 3, 6}, false, 1}}};  // overlapping
  for (const Case& one : cases) {
    Watched pair;
    REQUIRE(pair.Connect());
    pair.b.Send(1, "x");
    pair.environment.AdvanceBy(Duration::Seconds(1));
    std::vector<uint8_t> body;
    PutU32(&body, pair.last_tsn_of_b + one.beyond);
    PutU32(&body, 100'000);
    PutU16(&body, static_cast<uint16_t>(one.blocks.size() / 2));
    PutU16(&body, 0);
    for (const uint16_t edge : one.blocks) PutU16(&body, edge);
    pair.Forge(ChunkType::kSack, body);
    CAPTURE(one.beyond, one.blocks);
    CHECK(pair.b.connected() != one.ends);
    CHECK(pair.b.association().stats().refusals.malformed == one.refused);
    CHECK((one.ends ? pair.HasEnded() : pair.StillWorks()));
  }
}

TEST_CASE("sctp attack: a block acknowledges what is not sent, data is on its way",
          "[sctp][attack]") {  // 68
  for (const bool sent : {false, true}) {
    Watched pair;
    REQUIRE(pair.Connect());
    pair.links.SetConditions(Delay(1000));
    for (int i = 0; i < 3; ++i) pair.b.Send(1, Pattern(1000, 1));
    std::vector<uint8_t> body;
    PutU32(&body, pair.last_tsn_of_b - 3);
    PutU32(&body, 100'000);
    PutU32(&body, 0x00010000);
    PutU16(&body, 2);
    PutU16(&body, sent ? 3 : 4);  // the third of three, or a fourth
    pair.Forge(ChunkType::kSack, body);
    CHECK(pair.b.connected() == sent);
    CHECK((sent ? pair.StillWorks() : pair.HasEnded()));
  }
}

TEST_CASE("sctp attack: FORWARD-TSN backwards, at once and far ahead", "[sctp][attack]") {  // 69
  struct Case {
    uint32_t step;  // from the next TSN of a
    bool at_once;   // b ends it; else what a sends next is acknowledged before: a ends it
    bool works;
  };
  const std::array<Case, 6> cases = {{{0xFFFFFF00U, false, true},
                                      {0xFFFFFFFFU, false, true},
                                      {0U, false, false},
                                      {1000U, false, false},
                                      {100'000U, false, false},
                                      {0x7FFFFFFFU, true, false}}};  // beyond any window
  for (const Case& one : cases) {
    Watched pair;
    REQUIRE(pair.Connect());
    pair.a.Send(1, "x");
    pair.environment.AdvanceBy(Duration::Seconds(1));
    std::vector<uint8_t> body;
    PutU32(&body, pair.next_tsn + one.step);
    pair.Forge(ChunkType::kForwardTsn, body);
    CAPTURE(one.step);
    CHECK(pair.b.connected() != one.at_once);
    if (one.works) {
      CHECK(pair.StillWorks());
    } else {
      CHECK(pair.HasEnded());
    }
    CHECK(pair.b.received().size() == (one.works ? 2 : 1));
  }
}

TEST_CASE("sctp attack: a storm of stream resets", "[sctp][attack]") {  // 70
  Watched pair;
  REQUIRE(pair.Connect());
  pair.a.Send(1, "x");
  pair.environment.AdvanceBy(Duration::Seconds(1));
  const uint32_t first = pair.next_tsn;
  // Numbers of requests begin where TSNs began (RFC 6525 §4.1); these wait for data to come.
  for (uint32_t i = 0; i < 20'000; ++i) {
    pair.Forge(ChunkType::kReConfig,
               ResetBody(first - 1 + i, first + 1000 + i, static_cast<uint16_t>(i % 1000)));
  }
  CHECK(pair.b.association().stats().refusals.too_many_resets > 19'000);
  CHECK(pair.b.connected());
  CHECK(pair.StillWorks());
}

namespace {

/// A peer that heeds no window: packets by hand, to an association that stands.
struct Flood : Watched {
  explicit Flood(const SctpOptions& options = {}) : Watched(options) {
    REQUIRE(Connect());
    REQUIRE(StillWorks());
    muted = true;  // a itself is out of the game
    b.filter = [](std::vector<uint8_t>&) { return false; };
    begin = HeapInUse();
  }
  /// DATA behind what came last.
  void Next(uint16_t stream, uint16_t ssn, size_t size, uint8_t flags) {
    Forge(ChunkType::kData, DataBody(next_tsn++, stream, ssn, size), flags);
    if (next_tsn % 256 == 0) Measure();
  }
  void Measure() {
    const size_t now = HeapInUse();
    most = std::max(most, now > begin ? now - begin : 0);
  }
  /// The association stands still, and nothing stays when it goes.
  void End() {
    Measure();
    CHECK(b.connected());
    b.Close();
    environment.AdvanceBy(Duration::Seconds(1));
    CHECK(HeapInUse() < begin + 100'000);
  }

  size_t begin = 0;
  size_t most = 0;  // bytes of the heap since then
};

constexpr uint8_t kLast = 1;  // flags of DATA
constexpr uint8_t kFirst = 2;
constexpr uint8_t kUnordered = 4;
constexpr size_t kFull = 1150;  // bytes that fill a packet

}  // namespace

TEST_CASE("sctp attack: a message that never ends is not kept", "[sctp][attack]") {  // 71
  Flood flood;
  for (int i = 0; i < 20'000; ++i) flood.Next(1, 0, kFull, i == 0 ? kFirst : 0);  // 23 MB
  CHECK(flood.b.received().size() == 1);
  // Of the message that arrives at most what one may have, 262,144 bytes, as a vector grows.
  CHECK(flood.most < 1'000'000);
  // Other streams wait for its end; then they go on, and it is no message.
  flood.Next(1, 0, 1, kLast);
  flood.Next(2, 0, 1, kFirst | kLast);
  CHECK(flood.b.received().size() == 2);
  CHECK(flood.b.received().back().stream == 2);
  CHECK(flood.b.association().stats().messages_oversized == 1);
  flood.End();
}

TEST_CASE("sctp attack: what waits for a message that never comes is bounded by the window",
          "[sctp][attack]") {  // 71
  SctpOptions options;
  options.receive_window = 1'000'000;
  SECTION("one that never ends") {
    Flood flood(options);
    for (int i = 0; i < 20'000; ++i) flood.Next(1, 1, kFull, i == 0 ? kFirst : 0);
    CHECK(flood.most > 1'000'000);  // it is measured
    CHECK(flood.most < 3'500'000);  // the stack takes 2,300 bytes for a packet of 1,200
    flood.End();
  }
  SECTION("one that never ends, of fragments that cost the most for what they carry") {
    Flood flood(options);
    for (int i = 0; i < 20'000; ++i) flood.Next(1, 1, 257, i == 0 ? kFirst : 0);
    CHECK(flood.most > 500'000);
    CHECK(flood.most < 3'500'000);
    flood.End();
  }
  SECTION("many that are whole") {
    Flood flood(options);
    for (int i = 0; i < 20'000; ++i) {
      flood.Next(1, static_cast<uint16_t>(1 + i), kFull, kFirst | kLast);
    }
    CHECK(flood.most > 1'000'000);
    CHECK(flood.most < 3'500'000);
    flood.End();
  }
}

TEST_CASE("sctp attack: a million tiny chunks cost no more than a few thousand",
          "[sctp][attack]") {  // 71
  constexpr int kChunks = 100'000;
  constexpr size_t kMost = 6'000'000;  // bytes: 8,192 chunks of what one costs the stack
  Flood flood;
  SECTION("whole messages that wait for one before") {
    for (int i = 0; i < kChunks; ++i) {
      flood.Next(1, static_cast<uint16_t>(1 + i % 30'000), 1, kFirst | kLast);
    }
    CHECK(flood.most > 1'000'000);
  }
  SECTION("one message that never ends, and waits for one before") {
    for (int i = 0; i < 10 * kChunks; ++i) flood.Next(1, 1, 1, i == 0 ? kFirst : 0);
    CHECK(flood.b.association().stats().fragments_refused > 10 * kChunks - 20'000);
  }
  SECTION("one message that never ends") {
    for (int i = 0; i < kChunks; ++i) flood.Next(1, 0, 1, i == 0 ? kFirst : 0);
  }
  SECTION("messages that never end, on every stream") {
    for (int i = 0; i < kChunks / 1000; ++i) {
      const auto stream = static_cast<uint16_t>(i);
      for (int k = 0; k < 1000; ++k) {
        flood.Next(stream, 0, 1, (i % 2 == 0 ? kUnordered : 0) | (k == 0 ? kFirst : 0));
      }
    }
  }
  CHECK(flood.most < kMost);
  flood.End();
}

TEST_CASE("sctp attack: fragments that are given up make room, others do not",
          "[sctp][attack]") {  // 71
  Flood flood;
  const auto forward = [&](uint16_t stream, uint16_t ssn) {
    std::vector<uint8_t> body;
    PutU32(&body, flood.next_tsn - 1);
    PutU16(&body, stream);
    PutU16(&body, ssn);
    flood.Forge(ChunkType::kForwardTsn, body);
  };
  const uint32_t first = flood.next_tsn;
  for (uint16_t ssn = 1; ssn < 1000; ++ssn) {
    for (int k = 0; k < 1000; ++k) flood.Next(1, ssn, 1, k == 0 ? kFirst : 0);
    if (flood.b.association().stats().fragments_refused > 0) break;
    forward(ssn % 2 == 0 ? 2 : 3, 7);  // of other streams: the stack keeps what it has
  }
  CHECK(flood.next_tsn - first < 12'000);
  CHECK(flood.most < 6'000'000);
  flood.End();
}

TEST_CASE("sctp: what an honest peer has under way behind a loss is kept", "[sctp]") {
  Flood flood;
  const uint32_t lost = flood.next_tsn++;
  // 3 MB: messages of one chunk, and each 200th of 100.
  constexpr uint16_t kMessages = 2000;
  for (uint16_t ssn = 1; ssn <= kMessages; ++ssn) {
    const int chunks = ssn % 200 == 0 ? 100 : 1;
    for (int k = 0; k < chunks; ++k) {
      flood.Next(1, ssn, 1100, (k == 0 ? kFirst : 0) | (k == chunks - 1 ? kLast : 0));
    }
  }
  CHECK(flood.b.received().size() == 1);
  flood.Forge(ChunkType::kData, Watched::DataBody(lost, 1, 0, 10), kFirst | kLast);
  REQUIRE(flood.b.received().size() == 2 + kMessages);
  CHECK(flood.b.received().back().bytes.size() == 110'000);
  CHECK(flood.b.association().stats().fragments_refused == 0);
}

TEST_CASE("sctp attack: duplicates, impossible streams, far-off numbers", "[sctp][attack]") {
  Watched pair;  // 71
  REQUIRE(pair.Connect());
  pair.a.Send(1, "x");
  pair.environment.AdvanceBy(Duration::Seconds(1));
  const uint32_t tsn = pair.next_tsn;
  for (int i = 0; i < 1000; ++i) {
    pair.Forge(ChunkType::kData, Watched::DataBody(tsn - 1, 1, 0, 10), 3);  // again and again
    pair.Forge(ChunkType::kData, Watched::DataBody(tsn + 5, 65'535, 0, 10), 3);
  }
  // Each a message that waits for an earlier one, up to TSNs that no window reaches.
  for (uint32_t i = 0; i < 100'000; ++i) {
    pair.Forge(ChunkType::kData,
               Watched::DataBody(tsn + 10 + i, 2, static_cast<uint16_t>(1 + i), 1), 3);
  }
  CHECK(pair.b.received().size() == 1);
  CHECK(pair.b.connected());
  CHECK(pair.StillWorks());
}

TEST_CASE("sctp attack: a closed window is probed, and opens again", "[sctp][attack]") {  // 72
  Watched pair;
  REQUIRE(pair.Connect());
  bool closed = true;
  pair.b.filter = [&](std::vector<uint8_t>& packet) {
    if (!closed) return true;
    ForChunks(&packet, [](std::span<uint8_t> chunk) {
      if (IsType(chunk, ChunkType::kSack)) std::fill_n(chunk.begin() + 8, 4, uint8_t{0});
    });
    return true;
  };
  for (uint32_t i = 0; i < 50; ++i) pair.a.Send(1, Pattern(10'000, i));
  pair.environment.AdvanceBy(Duration::Seconds(60));
  CHECK(pair.a.connected());
  CHECK(pair.b.received().size() < 50);
  closed = false;
  REQUIRE(pair.Until([&] { return pair.b.received().size() == 50; }, Duration::Seconds(120)));
}

TEST_CASE("sctp attack: a peer that is gone while nothing is sent", "[sctp][attack]") {  // 72
  Watched pair;
  REQUIRE(pair.Connect());
  CHECK(pair.StillWorks());
  pair.environment.AdvanceBy(Duration::Seconds(300));
  REQUIRE(pair.b.connected());
  LinkConditions dead = Delay(10);
  dead.loss = 1;
  pair.links.SetConditions(dead);
  // Eleven heartbeats in a row: each 30 s and an RTO that doubles up to 60 s.
  REQUIRE(pair.Until([&] { return !pair.a.connected() && !pair.b.connected(); },
                     Duration::Seconds(900)));
  CHECK(pair.a.states().back() == SctpState::kClosed);
  CHECK(pair.b.states().back() == SctpState::kClosed);
}

TEST_CASE("sctp attack: ABORT and ERROR with causes cut off", "[sctp][attack]") {  // 75
  Watched pair;
  REQUIRE(pair.Connect());
  const std::vector<uint8_t> user_abort = {0, 12, 0, 8, 'b', 'y', 'e', '!'};
  for (size_t size = 1; size < user_abort.size(); ++size) {
    const std::vector<uint8_t> cut(user_abort.begin(),
                                   user_abort.begin() + static_cast<std::ptrdiff_t>(size));
    pair.Forge(ChunkType::kAbort, cut);
    pair.Forge(ChunkType::kError, cut);
  }
  pair.Forge(ChunkType::kAbort, user_abort, 1);  // the tag of somebody else
  CHECK(pair.b.connected());
  CHECK(pair.StillWorks());
  pair.Forge(ChunkType::kError, {0, 1, 0, 8, 0, 9, 0, 0});
  CHECK(pair.StillWorks());
  pair.Forge(ChunkType::kAbort, user_abort);
  CHECK_FALSE(pair.b.connected());
}

TEST_CASE("sctp attack: any byte of any packet changed, checksum and all", "[sctp][attack]") {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SctpPair pair(seed, Delay(10));
    for (SctpEndpoint* end : {&pair.a, &pair.b}) {
      end->filter = [&](std::vector<uint8_t>& packet) {
        if (pair.environment.RandomBelow(4) == 0) {
          const uint32_t changes = 1 + pair.environment.RandomBelow(4);
          for (uint32_t i = 0; i < changes; ++i) {
            const uint32_t at = pair.environment.RandomBelow(static_cast<uint32_t>(packet.size()));
            packet[at] = static_cast<uint8_t>(pair.environment.RandomBelow(256));
          }
          sctp::WriteChecksum(packet);
        }
        return true;
      };
    }
    pair.a.Start();
    if (seed % 2 == 0) pair.b.Start();
    for (uint32_t i = 0; i < 50; ++i) {
      pair.a.Send(static_cast<uint16_t>(i % 4), Pattern(i * 200 + 1, i));
      pair.b.Send(static_cast<uint16_t>(i % 4), Pattern(i * 100 + 1, i));
      if (i % 10 == 9) pair.a.ResetStream(static_cast<uint16_t>(i % 4));
      pair.environment.AdvanceBy(Duration::Millis(50));
    }
    pair.environment.AdvanceBy(Duration::Seconds(30));
  }
}

}  // namespace sluice::worker
