#include "worker/wire/stun.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "tests/unit/wire/hex.h"
#include "worker/wire/crc32.h"
#include "worker/wire/stun_attributes.h"

namespace sluice::worker {
namespace {

using testing::Hex;
using Bytes = std::vector<uint8_t>;
using TransactionId = std::array<uint8_t, 12>;

constexpr std::string_view kPassword = "VOkJxbRl1RmTxUk/WvJxBt";  // RFC 5769 §2
constexpr TransactionId kId = {0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34,
                               0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae};

// RFC 5769 §2.1
const Bytes kRequest = Hex(R"(
  00 01 00 58  21 12 a4 42  b7 e7 a7 01  bc 34 d6 86  fa 87 df ae
  80 22 00 10  53 54 55 4e  20 74 65 73  74 20 63 6c  69 65 6e 74
  00 24 00 04  6e 00 01 ff
  80 29 00 08  93 2f f9 b1  51 26 3b 36
  00 06 00 09  65 76 74 6a  3a 68 36 76  59 20 20 20
  00 08 00 14  9a ea a7 0c  bf d8 cb 56  78 1e f2 b5  b2 d3 f2 49  c1 b5 71 a2
  80 28 00 04  e5 7a 3b cf)");
// RFC 5769 §2.2
const Bytes kIpv4Response = Hex(R"(
  01 01 00 3c  21 12 a4 42  b7 e7 a7 01  bc 34 d6 86  fa 87 df ae
  80 22 00 0b  74 65 73 74  20 76 65 63  74 6f 72 20
  00 20 00 08  00 01 a1 47  e1 12 a6 43
  00 08 00 14  2b 91 f5 99  fd 9e 90 c3  8c 74 89 f9  2a f9 ba 53  f0 6b e7 d7
  80 28 00 04  c0 7d 4c 96)");
// RFC 5769 §2.3
const Bytes kIpv6Response = Hex(R"(
  01 01 00 48  21 12 a4 42  b7 e7 a7 01  bc 34 d6 86  fa 87 df ae
  80 22 00 0b  74 65 73 74  20 76 65 63  74 6f 72 20
  00 20 00 14  00 02 a1 47  01 13 a9 fa  a5 d3 f1 79  bc 25 f4 b5  be d2 b9 d9
  00 08 00 14  a3 82 95 4e  4b e6 7b f1  17 84 c9 7c  82 92 c2 75  bf e3 ed 41
  80 28 00 04  c8 fb 0b 4c)");

/// A message of these attributes (bytes as given), with a right length and nothing else.
Bytes Message(const Bytes& attributes, uint16_t type = 0x0001) {
  Bytes bytes = {static_cast<uint8_t>(type >> 8),
                 static_cast<uint8_t>(type),
                 static_cast<uint8_t>(attributes.size() >> 8),
                 static_cast<uint8_t>(attributes.size()),
                 0x21,
                 0x12,
                 0xa4,
                 0x42};
  bytes.insert(bytes.end(), kId.begin(), kId.end());
  bytes.insert(bytes.end(), attributes.begin(), attributes.end());
  return bytes;
}

Bytes Message(std::string_view hex_attributes) { return Message(Hex(hex_attributes)); }

Bytes UsernameAttribute(size_t size) {
  Bytes attribute = {0x00, 0x06, static_cast<uint8_t>(size >> 8), static_cast<uint8_t>(size)};
  attribute.resize(4 + stun::Padded(size), 'u');
  return attribute;
}

}  // namespace

TEST_CASE("CRC-32 check value, whole and in slices", "[stun]") {
  const std::string digits = "123456789";
  const auto* bytes = reinterpret_cast<const uint8_t*>(digits.data());
  CHECK(Crc32({bytes, 9}) == 0xCBF43926);
  CHECK(Crc32({bytes, size_t{0}}) == 0);
  CHECK(Crc32({bytes, 1}) == 0x83DCEFB7);
}

TEST_CASE("RFC 5769 2.1: sample request", "[stun]") {
  REQUIRE(StunMessage::LooksLikeStun(kRequest));
  const auto message = StunMessage::Parse(kRequest);
  REQUIRE(message);
  CHECK(message->message_class() == StunClass::kRequest);
  CHECK(message->method() == kStunMethodBinding);
  CHECK(message->transaction_id() == kId);
  CHECK(message->username() == "evtj:h6vY");
  CHECK(message->priority() == 0x6e0001ff);
  CHECK(message->ice_controlled() == 0x932ff9b151263b36);
  CHECK_FALSE(message->ice_controlling());
  CHECK_FALSE(message->use_candidate());
  CHECK_FALSE(message->nomination());
  CHECK(message->unknown_attributes().empty());
  CHECK(message->has_fingerprint());
  CHECK(message->has_message_integrity());
  CHECK(message->CheckIntegrity(kPassword));
  CHECK(message->CheckIntegrity(StunIntegrityKey(kPassword)));
  CHECK_FALSE(message->CheckIntegrity("VOkJxbRl1RmTxUk/WvJxBT"));
  CHECK_FALSE(message->CheckIntegrity(""));
}

TEST_CASE("RFC 5769 2.2 and 2.3: sample responses", "[stun]") {
  const auto ipv4 = StunMessage::Parse(kIpv4Response);
  REQUIRE(ipv4);
  CHECK(ipv4->message_class() == StunClass::kSuccess);
  CHECK(ipv4->CheckIntegrity(kPassword));
  REQUIRE(ipv4->xor_mapped_address());
  CHECK(ipv4->xor_mapped_address()->ToString() == "192.0.2.1:32853");

  const auto ipv6 = StunMessage::Parse(kIpv6Response);
  REQUIRE(ipv6);
  CHECK(ipv6->CheckIntegrity(kPassword));
  REQUIRE(ipv6->xor_mapped_address());
  CHECK(ipv6->xor_mapped_address()->ip ==
        *IpAddress::Parse("2001:db8:1234:5678:11:2233:4455:6677"));
  CHECK(ipv6->xor_mapped_address()->port == 32853);
}

TEST_CASE("one flipped bit anywhere is noticed", "[stun]") {
  for (size_t i = 0; i < kRequest.size(); ++i) {
    Bytes bytes = kRequest;
    bytes[i] ^= 0x10;
    const auto message = StunMessage::Parse(bytes);
    CHECK_FALSE((message && message->has_fingerprint() && message->CheckIntegrity(kPassword)));
  }
}

TEST_CASE("every truncation is refused", "[stun]") {
  for (size_t size = 0; size < kRequest.size(); ++size) {
    CHECK_FALSE(StunMessage::Parse(std::span(kRequest).first(size)));
  }
  Bytes longer = kRequest;
  longer.resize(longer.size() + 4);
  CHECK_FALSE(StunMessage::Parse(longer));
}

TEST_CASE("demultiplexing by first byte, size and cookie", "[stun]") {
  Bytes bytes = Message("");
  CHECK(StunMessage::LooksLikeStun(bytes));
  CHECK(StunMessage::Parse(bytes));
  CHECK_FALSE(StunMessage::LooksLikeStun(std::span(bytes).first(19)));
  for (int first = 0; first < 256; ++first) {
    bytes[0] = static_cast<uint8_t>(first);
    CHECK(StunMessage::LooksLikeStun(bytes) == (first <= 3));
  }
  bytes[0] = 0;
  bytes[7] ^= 1;
  CHECK_FALSE(StunMessage::LooksLikeStun(bytes));
}

TEST_CASE("class and method bits are interleaved", "[stun]") {
  const auto indication = StunMessage::Parse(Message({}, 0x0011));
  REQUIRE(indication);
  CHECK(indication->message_class() == StunClass::kIndication);
  const auto error = StunMessage::Parse(Message({}, 0x0111));
  REQUIRE(error);
  CHECK(error->message_class() == StunClass::kError);
  CHECK(error->method() == kStunMethodBinding);
  const auto other = StunMessage::Parse(Message({}, 0x02ef));
  REQUIRE(other);
  CHECK(other->message_class() == StunClass::kRequest);
  CHECK(other->method() == 0x0ff);
}

TEST_CASE("attribute lengths", "[stun]") {
  CHECK_FALSE(StunMessage::Parse(Message("8022 0008 61626364")));  // past the end
  CHECK_FALSE(StunMessage::Parse(Message("8022 ffff 61626364")));  // far past the end
  CHECK_FALSE(StunMessage::Parse(Message("8022 0003 616263")));    // not padded
  CHECK(StunMessage::Parse(Message("8022 0003 61626300")));        // padded
  CHECK(StunMessage::Parse(Message("8022 0003 616263ee")));        // padding of any value
  CHECK_FALSE(StunMessage::Parse(Message("0024 0003 01020300")));  // PRIORITY of 3
  CHECK_FALSE(StunMessage::Parse(Message("0025 0004 00000000")));  // USE-CANDIDATE of 4
  CHECK_FALSE(StunMessage::Parse(Message("8029 0004 00000000")));  // ICE-CONTROLLED of 4
  CHECK_FALSE(StunMessage::Parse(Message("802a 0000")));           // ICE-CONTROLLING of 0
  CHECK_FALSE(StunMessage::Parse(Message("c001 0002 00010000")));  // NOMINATION of 2
  CHECK_FALSE(StunMessage::Parse(Message("0008 0004 01020304")));  // integrity of 4
  CHECK_FALSE(StunMessage::Parse(Message("0009 0003 00000400")));  // ERROR-CODE of 3
  CHECK_FALSE(StunMessage::Parse(Message("0009 0004 00000263")));  // ERROR-CODE 299
  CHECK(StunMessage::Parse(Message("0009 0004 00000300"))->error_code() == 300);
  CHECK(StunMessage::Parse(Message("0009 0004 00000663"))->error_code() == 699);
  CHECK_FALSE(StunMessage::Parse(Message("0009 0004 00000664")));           // ERROR-CODE 700
  CHECK_FALSE(StunMessage::Parse(Message("0009 0004 00000700")));           // the same
  CHECK_FALSE(StunMessage::Parse(Message("0020 0004 00010000")));           // no address
  CHECK_FALSE(StunMessage::Parse(Message("0020 0008 00020000 01020304")));  // IPv6 of 4 bytes
  CHECK_FALSE(StunMessage::Parse(Message("0020 0008 00030000 01020304")));  // unknown family
  CHECK_FALSE(
      StunMessage::Parse(Message("0020 0018 00020000 01020304 01020304 01020304 01020304"
                                 "01020304")));  // 20 address bytes
}

TEST_CASE("USERNAME of 0, 513 and 514 bytes", "[stun]") {
  const Bytes empty = Message(UsernameAttribute(0));
  const auto none = StunMessage::Parse(empty);
  REQUIRE(none);
  CHECK(none->username() == "");
  const Bytes longest = Message(UsernameAttribute(513));
  const auto full = StunMessage::Parse(longest);
  REQUIRE(full);
  CHECK(full->username()->size() == 513);
  CHECK_FALSE(StunMessage::Parse(Message(UsernameAttribute(514))));
}

TEST_CASE("of duplicates the first counts", "[stun]") {
  const Bytes bytes = Message(
      "0024 0004 00000001 0024 0004 00000002 0006 0001 61000000"
      "0006 0001 62000000 0030 0004 00000007 c001 0004 00000008");
  const auto message = StunMessage::Parse(bytes);
  REQUIRE(message);
  CHECK(message->priority() == 1);
  CHECK(message->username() == "a");
  CHECK(message->nomination() == 7);
}

TEST_CASE("unknown comprehension-required attributes are listed once, at most eight", "[stun]") {
  const Bytes few = Message("0007 0000 7fff 0000 0007 0000 8001 0000");
  const auto message = StunMessage::Parse(few);
  REQUIRE(message);
  REQUIRE(message->unknown_attributes().size() == 2);
  CHECK(message->unknown_attributes()[0] == 0x0007);
  CHECK(message->unknown_attributes()[1] == 0x7fff);

  Bytes many;
  for (uint8_t i = 0; i < 40; ++i) many.insert(many.end(), {0x70, i, 0, 0});
  const Bytes bytes = Message(many);
  const auto bounded = StunMessage::Parse(bytes);
  REQUIRE(bounded);
  CHECK(bounded->unknown_attributes().size() == StunMessage::kMaxUnknown);
}

TEST_CASE("attributes after MESSAGE-INTEGRITY are ignored", "[stun]") {
  std::array<uint8_t, 256> buffer;
  StunWriter writer(buffer, StunClass::kRequest, kStunMethodBinding, kId);
  REQUIRE(writer.AddUsername("a:b"));
  REQUIRE(writer.AddRaw(stun::kMessageIntegrity, Bytes(20)));
  REQUIRE(writer.AddUseCandidate());
  REQUIRE(writer.AddPriority(5));
  REQUIRE(writer.AddRaw(0x7000, {}));
  const size_t size = writer.FinishWithFingerprint();
  const auto message = StunMessage::Parse(std::span(buffer).first(size));
  REQUIRE(message);
  CHECK(message->username() == "a:b");
  CHECK_FALSE(message->use_candidate());
  CHECK_FALSE(message->priority());
  CHECK(message->unknown_attributes().empty());
  CHECK(message->has_fingerprint());
  CHECK_FALSE(message->CheckIntegrity(kPassword));
}

TEST_CASE("integrity covers what precedes it, not what follows", "[stun]") {
  // The signed part of the RFC's request, then an attribute that an attacker appended.
  const Bytes appended = [] {
    Bytes bytes(kRequest.begin(), kRequest.end() - 8);
    const Bytes use_candidate = {0x00, 0x25, 0x00, 0x00};
    bytes.insert(bytes.end(), use_candidate.begin(), use_candidate.end());
    bytes[3] = static_cast<uint8_t>(bytes.size() - 20);
    return bytes;
  }();
  const auto message = StunMessage::Parse(appended);
  REQUIRE(message);
  CHECK(message->CheckIntegrity(kPassword));
  CHECK_FALSE(message->use_candidate());
  CHECK_FALSE(message->has_fingerprint());
}

TEST_CASE("FINGERPRINT must be right and last", "[stun]") {
  Bytes wrong = kRequest;
  wrong.back() ^= 1;
  CHECK_FALSE(StunMessage::Parse(wrong));

  std::array<uint8_t, 128> buffer;
  StunWriter writer(buffer, StunClass::kRequest, kStunMethodBinding, kId);
  REQUIRE(writer.FinishWithFingerprint() == 28);
  REQUIRE(StunMessage::Parse(std::span(buffer).first(28)));
  const size_t twice = writer.FinishWithFingerprint();
  CHECK_FALSE(StunMessage::Parse(std::span(buffer).first(twice)));
}

TEST_CASE("the writer reproduces the RFC's IPv4 and IPv6 responses", "[stun]") {
  const StunIntegrityKey key(kPassword);
  const std::string software = "test vector";
  for (const Bytes& expected : {kIpv4Response, kIpv6Response}) {
    const auto parsed = StunMessage::Parse(expected);
    REQUIRE(parsed);
    std::array<uint8_t, 128> buffer;
    StunWriter writer(buffer, StunClass::kSuccess, kStunMethodBinding, kId);
    // The RFC pads SOFTWARE with a space, we with zero: give it its padding, then fix the length.
    const std::string padded = software + " ";
    REQUIRE(writer.AddRaw(0x8022, {reinterpret_cast<const uint8_t*>(padded.data()), 12}));
    buffer[23] = 11;
    REQUIRE(writer.AddXorMappedAddress(*parsed->xor_mapped_address()));
    const size_t size = writer.FinishWithIntegrity(key);
    CHECK(Bytes(buffer.begin(), buffer.begin() + static_cast<ptrdiff_t>(size)) == expected);
  }
}

TEST_CASE("everything the writer writes is read back", "[stun]") {
  std::array<uint8_t, 512> buffer;
  StunWriter writer(buffer, StunClass::kRequest, kStunMethodBinding, kId);
  REQUIRE(writer.AddUsername("ufrag:other"));
  REQUIRE(writer.AddPriority(0x7effffff));
  REQUIRE(writer.AddUseCandidate());
  REQUIRE(writer.AddIceControlling(0x0102030405060708));
  REQUIRE(writer.AddIceControlled(0x1112131415161718));
  REQUIRE(writer.AddNomination(0xfffffffe));
  const size_t size = writer.FinishWithIntegrity(StunIntegrityKey("secret"));
  REQUIRE(size != 0);
  const auto message = StunMessage::Parse(std::span(buffer).first(size));
  REQUIRE(message);
  CHECK(message->username() == "ufrag:other");
  CHECK(message->priority() == 0x7effffff);
  CHECK(message->use_candidate());
  CHECK(message->ice_controlling() == 0x0102030405060708);
  CHECK(message->ice_controlled() == 0x1112131415161718);
  CHECK(message->nomination() == 0xfffffffe);
  CHECK(message->CheckIntegrity("secret"));
}

TEST_CASE("error responses", "[stun]") {
  std::array<uint8_t, 128> buffer;
  StunWriter writer(buffer, StunClass::kError, kStunMethodBinding, kId);
  REQUIRE_FALSE(writer.AddErrorCode(299, "no"));
  REQUIRE_FALSE(writer.AddErrorCode(700, "no"));
  REQUIRE(writer.AddErrorCode(420, "Unknown Attribute"));
  REQUIRE_FALSE(writer.AddUnknownAttributes(std::vector<uint16_t>(9)));
  const std::array<uint16_t, 3> unknown = {0x7000, 0x7001, 0x7002};
  REQUIRE(writer.AddUnknownAttributes(unknown));
  const size_t size = writer.FinishWithFingerprint();
  const auto message = StunMessage::Parse(std::span(buffer).first(size));
  REQUIRE(message);
  CHECK(message->message_class() == StunClass::kError);
  CHECK(message->error_code() == 420);
  CHECK_FALSE(message->has_message_integrity());
  CHECK(message->has_fingerprint());
}

TEST_CASE("a writer out of room says so and never writes past the end", "[stun]") {
  const StunIntegrityKey key(kPassword);
  for (size_t room = 0; room < 64; ++room) {
    Bytes buffer(room + 8, 0xaa);
    const std::span<uint8_t> out(buffer.data(), room);
    StunWriter writer(out, StunClass::kSuccess, kStunMethodBinding, kId);
    const SocketAddress address{*IpAddress::Parse("192.0.2.1"), 1};
    const bool added = writer.AddXorMappedAddress(address);
    CHECK(added == (room >= 32));
    CHECK((writer.FinishWithIntegrity(key) == 0) == (room < 64));
    for (size_t i = room; i < buffer.size(); ++i) CHECK(buffer[i] == 0xaa);
  }
  Bytes exact(64);
  StunWriter writer(exact, StunClass::kSuccess, kStunMethodBinding, kId);
  REQUIRE(writer.AddXorMappedAddress({*IpAddress::Parse("192.0.2.1"), 1}));
  CHECK(writer.FinishWithIntegrity(key) == 64);
  StunWriter unspecified(exact, StunClass::kSuccess, kStunMethodBinding, kId);
  CHECK_FALSE(unspecified.AddXorMappedAddress({}));
}

}  // namespace sluice::worker
