#include "worker/core/sctp/sctp_validator.h"

#include <catch2/catch.hpp>

#include "tests/unit/sctp/sctp_packets.h"

namespace sluice::worker {
namespace {

using sctp::ChunkType;
using Verdict = SctpValidator::Verdict;

constexpr uint32_t kOurTag = 0x11111111;
constexpr uint32_t kPeerTag = 0x22222222;

/// A validator that has seen our INIT-ACK to the peer's INIT.
struct Fixture {
  explicit Fixture(bool authenticated = true) : validator(authenticated) {
    CHECK(validator.Check(SctpPacketBuilder(0).Chunk(ChunkType::kInit, InitBody(kPeerTag)).Build(),
                          false) == Verdict::kPass);
    const std::vector<uint8_t> cookie = {0, 7, 0, 8, 1, 2, 3, 4};
    validator.OnSent(
        SctpPacketBuilder(kPeerTag).Chunk(ChunkType::kInitAck, InitBody(kOurTag, cookie)).Build());
  }
  Verdict Check(std::vector<uint8_t> packet, bool established = true) {
    packet.shrink_to_fit();
    return validator.Check(packet, established);
  }
  Verdict One(ChunkType type, const std::vector<uint8_t>& body, uint8_t flags = 0) {
    return Check(SctpPacketBuilder(kOurTag).Chunk(type, body, flags).Build());
  }
  SctpValidator validator;
};

std::vector<uint8_t> Data(uint16_t stream = 0) {
  std::vector<uint8_t> body;
  PutU32(&body, 1000);
  PutU16(&body, stream);
  PutU16(&body, 0);
  PutU32(&body, 51);
  body.push_back('x');
  return body;
}

}  // namespace

TEST_CASE("sctp validator: what honest peers send passes") {
  Fixture f;
  CHECK(f.One(ChunkType::kData, Data(), 3) == Verdict::kPass);
  CHECK(f.One(ChunkType::kSack, {0, 0, 3, 232, 0, 1, 0, 0, 0, 0, 0, 0}) == Verdict::kPass);
  CHECK(f.One(ChunkType::kSack, {0, 0, 3, 232, 0, 1, 0, 0, 0, 2, 0, 1,
                                 0, 2, 0, 3,   0, 5, 0, 5, 0, 0, 3, 230}) == Verdict::kPass);
  CHECK(f.One(ChunkType::kHeartbeat, {0, 1, 0, 8, 1, 2, 3, 4}) == Verdict::kPass);
  CHECK(f.One(ChunkType::kHeartbeatAck, {0, 1, 0, 7, 1, 2, 3, 0}) == Verdict::kPass);
  CHECK(f.One(ChunkType::kAbort, {}) == Verdict::kPass);
  CHECK(f.One(ChunkType::kAbort, {0, 12, 0, 7, 'b', 'y', 'e', 0}) == Verdict::kPass);
  CHECK(f.One(ChunkType::kShutdown, {0, 0, 3, 232}) == Verdict::kPass);
  CHECK(f.One(ChunkType::kShutdownAck, {}) == Verdict::kPass);
  CHECK(f.One(ChunkType::kShutdownComplete, {}) == Verdict::kPass);
  CHECK(f.One(ChunkType::kError, {0, 1, 0, 8, 0, 9, 0, 0}) == Verdict::kPass);
  CHECK(f.One(ChunkType::kCookieEcho, {1, 2, 3, 4}) == Verdict::kPass);
  CHECK(f.One(ChunkType::kCookieAck, {}) == Verdict::kPass);
  CHECK(f.One(ChunkType::kForwardTsn, {0, 0, 3, 232, 0, 1, 0, 2}) == Verdict::kPass);
  CHECK(f.One(ChunkType::kReConfig, ResetBody(1, 1000, 4)) == Verdict::kPass);
  for (const uint8_t more_streams :
       {uint8_t{17}, uint8_t{18}}) {  // outgoing, incoming (RFC 6525 §4.5, §4.6)
    CHECK(f.One(ChunkType::kReConfig, {0, more_streams, 0, 12, 0, 0, 0, 1, 0, 1, 0, 0}) ==
          Verdict::kPass);
  }
  CHECK(f.One(ChunkType::kPad, {0, 0, 0, 0}) == Verdict::kPass);
  CHECK(f.One(static_cast<ChunkType>(0xBF), {1}) == Verdict::kPass);  // to be skipped
  CHECK(f.Check(SctpPacketBuilder(kOurTag)
                    .Chunk(ChunkType::kCookieEcho, {1, 2, 3, 4})
                    .Chunk(ChunkType::kData, Data(), 3)
                    .Build()) == Verdict::kPass);
}

TEST_CASE("sctp validator: lengths and values that cannot be") {
  Fixture f;
  uint64_t refused = 0;
  const auto malformed = [&](ChunkType type, const std::vector<uint8_t>& body) {
    CHECK(f.One(type, body) == Verdict::kDrop);
    CHECK(f.validator.refusals().malformed == ++refused);
  };
  std::vector<uint8_t> empty = Data();
  empty.pop_back();
  malformed(ChunkType::kData, empty);
  malformed(ChunkType::kData, {1, 2, 3});
  malformed(ChunkType::kSack, {0, 0, 3, 232, 0, 1, 0, 0, 0, 1, 0, 0});        // no block
  malformed(ChunkType::kSack, {0, 0, 3, 232, 0, 1, 0, 0, 0xFF, 0xFF, 0, 0});  // attack 68
  malformed(ChunkType::kSack, {0, 0, 3, 232, 0, 1, 0, 0, 0, 1, 0, 0, 0, 3, 0, 2});
  malformed(ChunkType::kSack, {0, 0, 3, 232, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 2});
  malformed(ChunkType::kSack,
            {0, 0, 3, 232, 0, 1, 0, 0, 0, 2, 0, 0, 0, 2, 0, 4, 0, 3, 0, 6});  // overlapping
  malformed(ChunkType::kHeartbeat, {});
  malformed(ChunkType::kHeartbeat, {0, 1, 0, 9, 1, 2, 3, 4});
  malformed(ChunkType::kHeartbeat, {0, 2, 0, 8, 1, 2, 3, 4});
  malformed(ChunkType::kHeartbeatAck, {0, 1, 0, 4});
  malformed(ChunkType::kAbort, {0, 12, 0, 9, 'c', 'u', 't', 0});  // attack 75
  malformed(ChunkType::kAbort, {0, 12, 0, 3});
  malformed(ChunkType::kError, {});
  malformed(ChunkType::kError, {0, 1, 0, 12, 0, 9, 0, 0});
  malformed(ChunkType::kShutdown, {1, 2, 3});
  malformed(ChunkType::kShutdownAck, {0});
  malformed(ChunkType::kCookieEcho, {});
  malformed(ChunkType::kCookieAck, {0});
  malformed(ChunkType::kForwardTsn, {0, 0, 3});
  malformed(ChunkType::kForwardTsn, {0, 0, 3, 232, 0, 1});
  malformed(ChunkType::kReConfig, {});
  malformed(ChunkType::kReConfig, {0, 13, 0, 8, 0, 0, 0, 1});
  malformed(ChunkType::kReConfig, {0, 15, 0, 8, 0, 0, 0, 1});  // of all numbers
  malformed(ChunkType::kReConfig, {0, 16, 0, 8, 0, 0, 0, 1});
  malformed(ChunkType::kReConfig, {0, 17, 0, 8, 0, 0, 0, 1});
  std::vector<uint8_t> three;
  for (uint32_t i = 0; i < 3; ++i) {
    const std::vector<uint8_t> one = {0, 17, 0, 12, 0, 0, 0, 1, 0, 1, 0, 0};
    three.insert(three.end(), one.begin(), one.end());
  }
  malformed(ChunkType::kReConfig, three);
  // A cookie that is not first; an INIT that is not alone; nothing at all.
  CHECK(f.Check(SctpPacketBuilder(kOurTag)
                    .Chunk(ChunkType::kData, Data(), 3)
                    .Chunk(ChunkType::kCookieEcho, {1})
                    .Build()) == Verdict::kDrop);
  CHECK(f.Check(SctpPacketBuilder(0)
                    .Chunk(ChunkType::kInit, InitBody(7))
                    .Chunk(ChunkType::kData, Data())
                    .Build()) == Verdict::kDrop);
  CHECK(f.Check(SctpPacketBuilder(kOurTag).Build()) == Verdict::kDrop);
  // A chunk that ends behind the packet; one shorter than its header.
  CHECK(f.Check(SctpPacketBuilder(kOurTag).Chunk(ChunkType::kData, Data(), 3, 200).Build()) ==
        Verdict::kDrop);
  CHECK(f.Check(SctpPacketBuilder(kOurTag).Chunk(ChunkType::kData, Data(), 3, 3).Build()) ==
        Verdict::kDrop);
  CHECK(f.validator.refusals().malformed == refused + 5);
  for (size_t size = 0; size < 12; ++size) {
    CHECK(f.Check(std::vector<uint8_t>(size, 0x13)) == Verdict::kDrop);
  }
  CHECK(f.Check(std::vector<uint8_t>(SctpValidator::kMaxPacket + 1)) == Verdict::kDrop);
}

TEST_CASE("sctp validator: checksum, ports, tag") {
  Fixture f;
  std::vector<uint8_t> packet =
      SctpPacketBuilder(kOurTag).Chunk(ChunkType::kData, Data(), 3).Build();
  packet.back() ^= 1;  // attack 66
  CHECK(f.Check(packet) == Verdict::kDrop);
  CHECK(f.validator.refusals().bad_checksum == 1);
  packet.back() ^= 1;
  packet[1] ^= 1;
  sctp::WriteChecksum(packet);
  CHECK(f.Check(packet) == Verdict::kDrop);
  CHECK(f.validator.refusals().wrong_port == 1);
  for (const uint32_t tag : {0U, 1U, kPeerTag}) {
    CHECK(f.Check(SctpPacketBuilder(tag).Chunk(ChunkType::kData, Data(), 3).Build()) ==
          Verdict::kDrop);
  }
  CHECK(f.validator.refusals().wrong_tag == 3);
  // With the T bit an ABORT shows the tag of who sends it (RFC 9260 §8.5.1).
  CHECK(f.Check(SctpPacketBuilder(kPeerTag).Chunk(ChunkType::kAbort, {}, 1).Build()) ==
        Verdict::kPass);
  CHECK(f.Check(SctpPacketBuilder(kOurTag).Chunk(ChunkType::kAbort, {}, 1).Build()) ==
        Verdict::kDrop);
  CHECK(f.Check(SctpPacketBuilder(kPeerTag).Chunk(ChunkType::kShutdownComplete, {}, 1).Build()) ==
        Verdict::kPass);
  CHECK(f.Check(SctpPacketBuilder(kPeerTag).Chunk(ChunkType::kShutdownAck, {}).Build()) ==
        Verdict::kDrop);
}

TEST_CASE("sctp validator: the newest tags that we announced are taken") {
  Fixture f;
  const auto announce = [&](uint32_t tag) {
    f.validator.OnSent(
        SctpPacketBuilder(kPeerTag).Chunk(ChunkType::kInitAck, InitBody(tag)).Build());
  };
  const auto takes = [&](uint32_t tag) {
    return f.Check(SctpPacketBuilder(tag).Chunk(ChunkType::kData, Data(), 3).Build()) ==
           Verdict::kPass;
  };
  for (uint32_t i = 1; i < SctpValidator::kMaxTags; ++i) announce(i);
  announce(1);  // again: it is the newest now
  CHECK(takes(kOurTag));
  for (uint32_t i = 1; i < SctpValidator::kMaxTags; ++i) CHECK(takes(i));
  announce(100);
  CHECK_FALSE(takes(kOurTag));
  CHECK(takes(1));
  CHECK(takes(100));
  announce(101);
  CHECK_FALSE(takes(2));
  CHECK(takes(1));
}

TEST_CASE("sctp validator: INIT has sane values and parameters") {
  SctpValidator validator(true);
  const auto check = [&](const std::vector<uint8_t>& body, ChunkType type = ChunkType::kInit,
                         uint32_t tag = 0) {
    return validator.Check(SctpPacketBuilder(tag).Chunk(type, body).Build(), false);
  };
  CHECK(check(InitBody(5)) == Verdict::kPass);
  // FORWARD-TSN supported, extensions.
  CHECK(check(InitBody(5, {0xC0, 0, 0, 4, 0x80, 8, 0, 6, 130, 192, 0, 0})) == Verdict::kPass);
  CHECK(check(InitBody(0)) == Verdict::kDrop);
  std::vector<uint8_t> no_streams = InitBody(5);
  no_streams[8] = no_streams[9] = 0;
  CHECK(check(no_streams) == Verdict::kDrop);
  std::vector<uint8_t> no_window = InitBody(5);
  no_window[4] = no_window[5] = no_window[6] = no_window[7] = 0;
  CHECK(check(no_window) == Verdict::kDrop);
  CHECK(check({1, 2, 3, 4}) == Verdict::kDrop);
  CHECK(check(InitBody(5, {0, 5, 0, 8, 10, 0, 0, 1})) == Verdict::kDrop);          // an address
  CHECK(check(InitBody(5, {0, 11, 0, 8, 'h', 'o', 's', 't'})) == Verdict::kDrop);  // a name
  CHECK(check(InitBody(5, {0x80, 8, 0, 20, 1})) == Verdict::kDrop);                // cut off
  CHECK(check(InitBody(5, {0xC0, 0, 0, 8, 1, 2, 3, 4})) == Verdict::kDrop);
  CHECK(check(InitBody(5, {0, 7, 0, 8, 1, 2, 3, 4})) == Verdict::kDrop);  // a cookie
  std::vector<uint8_t> many;
  for (size_t i = 0; i <= SctpValidator::kMaxParameters; ++i) {
    many.insert(many.end(), {0x80, 99, 0, 4});
  }
  CHECK(check(InitBody(5, many)) == Verdict::kDrop);
  // An INIT-ACK needs our tag and a cookie.
  validator.OnSent(SctpPacketBuilder(0).Chunk(ChunkType::kInit, InitBody(kOurTag)).Build());
  const std::vector<uint8_t> with_cookie = InitBody(6, {0, 7, 0, 8, 1, 2, 3, 4});
  CHECK(check(with_cookie, ChunkType::kInitAck, kOurTag) == Verdict::kPass);
  CHECK(check(with_cookie, ChunkType::kInitAck, 0) == Verdict::kDrop);
  CHECK(check(InitBody(6), ChunkType::kInitAck, kOurTag) == Verdict::kDrop);
  // An INIT with a tag in its header.
  CHECK(check(InitBody(5), ChunkType::kInit, kOurTag) == Verdict::kDrop);
}

TEST_CASE("sctp validator: INIT of an association that stands") {
  const auto init = [](uint32_t tag) {
    return SctpPacketBuilder(0).Chunk(ChunkType::kInit, InitBody(tag)).Build();
  };
  Fixture over_dtls(true);
  CHECK(over_dtls.Check(init(kPeerTag)) == Verdict::kDrop);  // late
  CHECK(over_dtls.Check(init(0x33333333)) == Verdict::kRestart);
  Fixture over_udp(false);
  CHECK(over_udp.Check(init(kPeerTag)) == Verdict::kDrop);
  CHECK(over_udp.Check(init(0x33333333)) == Verdict::kDrop);  // whose is it?
  CHECK(over_udp.validator.refusals().unexpected_init == 2);
  const std::vector<uint8_t> cookie = {0, 7, 0, 8, 1, 2, 3, 4};
  CHECK(over_dtls.One(ChunkType::kInitAck, InitBody(9, cookie)) == Verdict::kDrop);
}

TEST_CASE("sctp validator: chunks of extensions that are not offered") {
  Fixture f;
  for (const ChunkType type :
       {ChunkType::kIData, ChunkType::kIForwardTsn, ChunkType::kAuth, ChunkType::kAsconf,
        ChunkType::kAsconfAck, ChunkType::kNrSack, ChunkType::kPacketDrop, ChunkType::kEcne,
        ChunkType::kCwr, static_cast<ChunkType>(0x3F)}) {
    CHECK(f.One(type, std::vector<uint8_t>(20)) == Verdict::kDrop);
  }
  CHECK(f.validator.refusals().extensions == 10);
}

TEST_CASE("sctp validator: resets wait for the data before them, and are few") {
  Fixture f;  // its peer's first TSN is 1000
  const auto sack = [&](uint32_t tsn) {
    std::vector<uint8_t> body;
    PutU32(&body, tsn);
    body.insert(body.end(), {0, 1, 0, 0, 0, 0, 0, 0});
    f.validator.OnSent(SctpPacketBuilder(kPeerTag).Chunk(ChunkType::kSack, body).Build());
  };
  uint32_t number = 0;
  CHECK(f.One(ChunkType::kReConfig, ResetBody(++number, 999, 4)) == Verdict::kPass);
  CHECK(f.One(ChunkType::kReConfig, ResetBody(++number, 1000, 4)) == Verdict::kHoldReset);
  CHECK(f.validator.reset_after_tsn() == 1000U);
  CHECK(f.One(ChunkType::kData, Data(), 3) == Verdict::kPass);  // in order: no SACK is needed
  CHECK(f.validator.HasAll(1000));
  CHECK_FALSE(f.validator.HasAll(1001));
  for (size_t i = 0; i < 500; ++i) {  // nothing missing
    CHECK(f.One(ChunkType::kReConfig, ResetBody(++number, 1000, 4)) == Verdict::kPass);
  }
  for (uint32_t i = 0; i < SctpValidator::kMaxWaitingResets; ++i) {
    CHECK(f.One(ChunkType::kReConfig, ResetBody(++number, 2000 + i, 4)) == Verdict::kHoldReset);
  }
  CHECK(f.One(ChunkType::kReConfig, ResetBody(number, 2000, 4)) == Verdict::kHoldReset);  // again
  CHECK(f.One(ChunkType::kReConfig, ResetBody(++number, 3000, 4)) == Verdict::kDrop);
  CHECK(f.validator.refusals().too_many_resets == 1);
  sack(2000);
  CHECK(f.validator.HasAll(2000));
  sack(1500);  // an older one, sent again
  CHECK(f.validator.HasAll(2000));
  CHECK(f.One(ChunkType::kReConfig, ResetBody(number, 3000, 4)) == Verdict::kHoldReset);
  CHECK(f.One(ChunkType::kReConfig, ResetBody(++number, 3001, 4)) == Verdict::kDrop);
}

}  // namespace sluice::worker
