// What hostile or broken peers do to an SCTP association.
#include <catch2/catch.hpp>
#include <functional>

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

  uint32_t tag_of_b = 0;
  uint32_t next_tsn = 0;
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
  Watched pair;
  REQUIRE(pair.Connect());
  pair.environment.AdvanceBy(Duration::Seconds(1));
  std::vector<uint8_t> body;
  PutU32(&body, 0x70000000);
  PutU32(&body, 100'000);
  PutU32(&body, 0);
  pair.Forge(ChunkType::kSack, body);
  // Whatever the stack makes of it, it ends in order.
  pair.environment.AdvanceBy(Duration::Seconds(60));
  CHECK((pair.b.connected() || pair.b.states().back() == SctpState::kClosed));
}

TEST_CASE("sctp attack: FORWARD-TSN backwards, at once and far ahead", "[sctp][attack]") {  // 69
  for (const uint32_t step : {0xFFFFFF00U, 0xFFFFFFFFU, 0U, 1000U, 100'000U, 0x7FFFFFFFU}) {
    Watched pair;
    REQUIRE(pair.Connect());
    pair.a.Send(1, "x");
    pair.environment.AdvanceBy(Duration::Seconds(1));
    std::vector<uint8_t> body;
    PutU32(&body, pair.next_tsn + step);
    pair.Forge(ChunkType::kForwardTsn, body);
    pair.environment.AdvanceBy(Duration::Seconds(10));
    CHECK((pair.b.connected() || pair.b.states().back() == SctpState::kClosed));
    if (step >= 0xFFFFFF00U) CHECK(pair.StillWorks());
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

TEST_CASE("sctp attack: messages that never end cost no more than the window", "[sctp][attack]") {
  SctpOptions options;  // 71
  options.receive_window = 500'000;
  options.max_receive_message_size = 100'000;
  Watched pair(options);
  // No chunk of a's ends a message.
  const auto watch = pair.a.filter;
  bool endless = false;
  pair.a.filter = [&](std::vector<uint8_t>& packet) {
    if (endless) {
      ForChunks(&packet, [](std::span<uint8_t> chunk) {
        if (IsType(chunk, ChunkType::kData)) chunk[1] &= static_cast<uint8_t>(~1U);
      });
    }
    return watch(packet);
  };
  REQUIRE(pair.Connect());
  CHECK(pair.StillWorks());
  endless = true;
  size_t offered = 0;
  for (int round = 0; round < 200; ++round) {
    while (pair.a.Send(static_cast<uint16_t>(round % 100), Pattern(50'000, 1)) ==
           SctpSendResult::kQueued) {
      offered += 50'000;
    }
    pair.environment.AdvanceBy(Duration::Millis(100));
  }
  // Nothing came out, and what went in is bounded: the rest waits at the sender.
  CHECK(pair.b.received().size() == 1);
  CHECK(offered < 2'000'000 + 262'144 + 2 * options.receive_window + 100'000);
}

TEST_CASE("sctp attack: duplicates, impossible streams, a flood of tiny chunks", "[sctp][attack]") {
  Watched pair;  // 71
  REQUIRE(pair.Connect());
  pair.a.Send(1, "x");
  pair.environment.AdvanceBy(Duration::Seconds(1));
  const uint32_t tsn = pair.next_tsn;
  for (int i = 0; i < 1000; ++i) {
    pair.Forge(ChunkType::kData, Watched::DataBody(tsn - 1, 1, 0, 10), 3);  // again and again
    pair.Forge(ChunkType::kData, Watched::DataBody(tsn + 5, 65'535, 0, 10), 3);
  }
  // 100,000 chunks of one byte, each a message that waits for an earlier one.
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
