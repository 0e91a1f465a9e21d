#include "worker/wire/rtp_packet.h"

#include <array>
#include <catch2/catch.hpp>
#include <span>
#include <string>
#include <vector>

#include "tests/unit/wire/hex.h"

namespace sluice::worker {
namespace {

using testing::Hex;
using Bytes = std::vector<uint8_t>;

/// Fixed header with these flag bits in the first byte, then `rest`.
Bytes Packet(uint8_t first, std::string_view rest = "") {
  Bytes bytes = Hex("00 e0 1234 01020304 0a0b0c0d");
  bytes[0] = first;
  const Bytes tail = Hex(rest);
  bytes.insert(bytes.end(), tail.begin(), tail.end());
  return bytes;
}

std::string Value(const RtpPacket& packet, uint8_t id) {
  const auto value = packet.Extension(id);
  return {value.begin(), value.end()};
}

}  // namespace

TEST_CASE("fixed header fields and payload", "[rtp]") {
  Bytes bytes = Packet(0x80, "aabbcc");
  const auto packet = RtpPacket::Parse(bytes);
  REQUIRE(packet);
  CHECK(packet->marker());
  CHECK(packet->payload_type() == PayloadType(0x60));
  CHECK(packet->sequence_number() == SeqNumber(0x1234));
  CHECK(packet->timestamp() == RtpTimestamp(0x01020304));
  CHECK(packet->ssrc() == Ssrc(0x0a0b0c0d));
  CHECK(packet->header_size() == 12);
  CHECK(packet->payload().size() == 3);
  CHECK(packet->extension_count() == 0);
  CHECK(packet->Extension(1).data() == nullptr);
}

TEST_CASE("setters change their field only", "[rtp]") {
  Bytes bytes = Packet(0x80, "aa");
  auto packet = RtpPacket::Parse(bytes);
  REQUIRE(packet);
  packet->set_marker(false);
  packet->set_payload_type(PayloadType(127));
  packet->set_sequence_number(SeqNumber(0xfffe));
  packet->set_timestamp(RtpTimestamp(0xdeadbeef));
  packet->set_ssrc(Ssrc(0x11223344));
  CHECK(bytes == Hex("80 7f fffe deadbeef 11223344 aa"));
  packet->set_marker(true);
  packet->set_payload_type(PayloadType(0));
  CHECK(bytes[1] == 0x80);
}

TEST_CASE("every length below the fixed header, and other versions, are refused", "[rtp]") {
  for (size_t size = 0; size < 12; ++size) {
    Bytes bytes(size, 0x80);
    CHECK_FALSE(RtpPacket::Parse(bytes));
  }
  for (const int first : {0x00, 0x40, 0xc0}) {
    Bytes bytes = Packet(static_cast<uint8_t>(first), "00");
    CHECK_FALSE(RtpPacket::Parse(bytes));
  }
  Bytes too_long(65'537, 0x80);
  CHECK_FALSE(RtpPacket::Parse(too_long));
}

TEST_CASE("empty payload is well-formed", "[rtp]") {
  Bytes bytes = Packet(0x80);
  const auto packet = RtpPacket::Parse(bytes);
  REQUIRE(packet);
  CHECK(packet->payload().empty());
}

TEST_CASE("CSRC list", "[rtp]") {
  Bytes two = Packet(0x82, "00000001 00000002 ff");
  const auto packet = RtpPacket::Parse(two);
  REQUIRE(packet);
  CHECK(packet->header_size() == 20);
  CHECK(packet->payload().size() == 1);
  Bytes fifteen = Packet(0x8f, "00000001 00000002 ff");
  CHECK_FALSE(RtpPacket::Parse(fifteen));
}

TEST_CASE("padding", "[rtp]") {
  Bytes padded = Packet(0xa0, "aabb 000003");
  const auto packet = RtpPacket::Parse(padded);
  REQUIRE(packet);
  CHECK(packet->padding_size() == 3);
  CHECK(packet->payload().size() == 2);

  Bytes only = Packet(0xa0, "00000004");
  const auto probe = RtpPacket::Parse(only);
  REQUIRE(probe);
  CHECK(probe->payload().empty());
  CHECK(probe->padding_size() == 4);

  Bytes zero = Packet(0xa0, "aabb00");
  CHECK_FALSE(RtpPacket::Parse(zero));
  Bytes beyond = Packet(0xa0, "aabb04");
  CHECK_FALSE(RtpPacket::Parse(beyond));
  Bytes none = Packet(0xa0);
  CHECK_FALSE(RtpPacket::Parse(none));
  // The last byte belongs to the header extension, not to any payload.
  Bytes in_header = Packet(0xb0, "bede0001 10aa0001");
  CHECK_FALSE(RtpPacket::Parse(in_header));
}

TEST_CASE("one-byte header extensions", "[rtp]") {
  Bytes bytes = Packet(0x90, "bede0003 10 61 00 22 626364 00 e0 65 0000 ff");
  const auto packet = RtpPacket::Parse(bytes);
  REQUIRE(packet);
  CHECK(packet->extension_count() == 3);
  CHECK(Value(*packet, 1) == "a");
  CHECK(Value(*packet, 2) == "bcd");
  CHECK(Value(*packet, 14) == "e");
  CHECK(packet->Extension(3).data() == nullptr);
  CHECK(packet->payload().size() == 1);
  packet->Extension(1)[0] = 'z';  // a view: values can be rewritten in place
  CHECK(bytes[17] == 'z');
}

TEST_CASE("one-byte form: id 15 ends, id 0 with a length ends, the first duplicate counts",
          "[rtp]") {
  Bytes fifteen = Packet(0x90, "bede0002 1061 f0 62 2063 0000");
  const auto stopped = RtpPacket::Parse(fifteen);
  REQUIRE(stopped);
  CHECK(Value(*stopped, 1) == "a");
  CHECK(stopped->extension_count() == 1);

  Bytes zero = Packet(0x90, "bede0002 1061 03 62 2063 0000");
  REQUIRE(RtpPacket::Parse(zero));
  CHECK(RtpPacket::Parse(zero)->extension_count() == 1);

  Bytes duplicate = Packet(0x90, "bede0001 1061 1062");
  const auto packet = RtpPacket::Parse(duplicate);
  REQUIRE(packet);
  CHECK(Value(*packet, 1) == "a");
}

TEST_CASE("extension lengths past the end are refused", "[rtp]") {
  for (const auto* rest : {"bede", "bede00", "bede0001", "bede0001 102030", "bedeffff 00000000",
                           "bede0001 1f000000",     // a one-byte element past its block
                           "bede0001 00000013",     // its header is the last byte
                           "10000001 01040000",     // a two-byte element past its block
                           "10000001 00000001"}) {  // its length byte is missing
    Bytes bytes = Packet(0x90, rest);
    INFO(rest);
    CHECK_FALSE(RtpPacket::Parse(bytes));
  }
}

TEST_CASE("two-byte header extensions", "[rtp]") {
  Bytes bytes = Packet(0x90, "10070003 0102 6162 00 ff00 0f01 63 00 00 dd");
  const auto packet = RtpPacket::Parse(bytes);
  REQUIRE(packet);
  CHECK(Value(*packet, 1) == "ab");
  CHECK(packet->Extension(255).data() != nullptr);
  CHECK(packet->Extension(255).empty());
  CHECK(Value(*packet, 15) == "c");
  CHECK(packet->payload().size() == 1);
}

TEST_CASE("an extension block of another profile is carried, not read", "[rtp]") {
  Bytes bytes = Packet(0x90, "abcd0001 ffffffff dd");
  const auto packet = RtpPacket::Parse(bytes);
  REQUIRE(packet);
  CHECK(packet->extension_count() == 0);
  CHECK(packet->header_size() == 20);
}

TEST_CASE("more elements than the index holds are ignored", "[rtp]") {
  std::string rest = "1000000f";
  for (int i = 0; i < 20; ++i) rest += " 0101 61";
  Bytes bytes = Packet(0x90, rest);
  const auto packet = RtpPacket::Parse(bytes);
  REQUIRE(packet);
  CHECK(packet->extension_count() == RtpPacket::kMaxExtensions);
}

TEST_CASE("unaligned packets parse alike", "[rtp]") {
  const Bytes bytes = Packet(0x90, "bede0001 10610000 aa");
  for (size_t shift = 0; shift < 8; ++shift) {
    Bytes shifted(shift);
    shifted.insert(shifted.end(), bytes.begin(), bytes.end());
    const auto packet = RtpPacket::Parse(std::span<uint8_t>(shifted).subspan(shift));
    REQUIRE(packet);
    CHECK(packet->ssrc() == Ssrc(0x0a0b0c0d));
    CHECK(Value(*packet, 1) == "a");
  }
}

TEST_CASE("extension writer: one-byte form", "[rtp]") {
  RtpExtensionWriter writer;
  CHECK(writer.Size() == 0);
  std::array<uint8_t, 64> out;
  CHECK(writer.Write(out) == 0);
  REQUIRE(writer.Add(1, Hex("61")));
  REQUIRE(writer.Add(14, Hex("626364")));
  CHECK(writer.Size() == 12);
  REQUIRE(writer.Write(out) == 12);
  CHECK(Bytes(out.begin(), out.begin() + 12) == Hex("bede0002 1061 e2626364 0000"));
  CHECK(writer.Write(std::span(out).first(11)) == 0);
}

TEST_CASE("extension writer: two-byte form when an element needs it", "[rtp]") {
  std::array<uint8_t, 64> out;
  for (const auto& [id, value] :
       {std::pair<uint8_t, Bytes>{15, Hex("61")}, std::pair<uint8_t, Bytes>{2, {}},
        std::pair<uint8_t, Bytes>{2, Bytes(17, 'x')}}) {
    RtpExtensionWriter writer;
    REQUIRE(writer.Add(1, Hex("70")));
    REQUIRE(writer.Add(id, value));
    const size_t size = writer.Write(out);
    REQUIRE(size == writer.Size());
    Bytes bytes = Packet(0x90);
    bytes.insert(bytes.end(), out.begin(), out.begin() + static_cast<ptrdiff_t>(size));
    const auto packet = RtpPacket::Parse(bytes);
    REQUIRE(packet);
    CHECK(out[0] == 0x10);
    CHECK(Value(*packet, 1) == "p");
    CHECK(Value(*packet, id) == std::string(value.begin(), value.end()));
    CHECK(packet->payload().empty());
  }
}

TEST_CASE("extension writer refuses what does not fit and keeps what it has", "[rtp]") {
  RtpExtensionWriter writer;
  CHECK_FALSE(writer.Add(0, Hex("61")));
  CHECK_FALSE(writer.Add(1, Bytes(256)));
  CHECK_FALSE(writer.Add(1, Bytes(255)));  // with its headers more than a block
  REQUIRE(writer.Add(1, Bytes(100)));
  REQUIRE(writer.Add(2, Bytes(100)));
  CHECK_FALSE(writer.Add(3, Bytes(60)));
  const size_t size = writer.Size();
  REQUIRE(writer.Add(3, Bytes(46)));
  CHECK(writer.Size() <= RtpExtensionWriter::kMaxBlock);
  CHECK(writer.Size() > size);

  RtpExtensionWriter many;
  for (uint8_t id = 1; id <= 14; ++id) REQUIRE(many.Add(id, Hex("61")));
  REQUIRE(many.Add(15, Hex("61")));
  REQUIRE(many.Add(16, Hex("61")));
  CHECK_FALSE(many.Add(17, Hex("61")));
  // A refused element does not change the form.
  RtpExtensionWriter form;
  REQUIRE(form.Add(1, Hex("61")));
  CHECK_FALSE(form.Add(2, Bytes(255)));
  CHECK(form.Size() == 8);
}

TEST_CASE("MID and RID of 0, 1, 16 and 17 bytes, and of other characters", "[rtp]") {
  CHECK_FALSE(ParseSdesItem({}));
  CHECK(ParseSdesItem(Hex("30")) == "0");
  CHECK(ParseSdesItem(Bytes(16, 'm')) == std::string(16, 'm'));
  CHECK_FALSE(ParseSdesItem(Bytes(17, 'm')));
  CHECK_FALSE(ParseSdesItem(Hex("6100")));
  CHECK_FALSE(ParseSdesItem(Hex("61c3a9")));
  CHECK_FALSE(ParseSdesItem(Hex("2061")));
}

TEST_CASE("abs-send-time wraps every 64 s", "[rtp]") {
  const std::array<uint8_t, 4> abs_send_time = {0x12, 0x34, 0x56, 0x78};
  CHECK(ParseAbsSendTime(std::span(abs_send_time).first(3)) == 0x123456U);
  CHECK_FALSE(ParseAbsSendTime(abs_send_time));
  CHECK_FALSE(ParseAbsSendTime(std::span(abs_send_time).first(2)));
  CHECK(AbsSendTimeFromMicros(0) == 0);
  CHECK(AbsSendTimeFromMicros(1'000'000) == 1 << 18);
  CHECK(AbsSendTimeFromMicros(500'000) == 1 << 17);
  CHECK(AbsSendTimeFromMicros(63'999'999) == 0xffffff);
  CHECK(AbsSendTimeFromMicros(64'000'000) == 0);
  CHECK(AbsSendTimeFromMicros(int64_t{1} << 62) < 1 << 24);
  CHECK(AbsSendTimeFromMicros(-1'000'000) == 63 << 18);
}

TEST_CASE("extension values", "[rtp]") {
  CHECK(ParseAudioLevel(Hex("9e"))->level == 30);
  CHECK(ParseAudioLevel(Hex("9e"))->voice);
  CHECK_FALSE(ParseAudioLevel(Hex("1e"))->voice);
  CHECK_FALSE(ParseAudioLevel({}));
  CHECK_FALSE(ParseAudioLevel(Hex("1e00")));

  const auto orientation = ParseVideoOrientation(Hex("0f"));
  REQUIRE(orientation);
  CHECK(orientation->camera);
  CHECK(orientation->flip);
  CHECK(orientation->rotation == 270);
  CHECK(ParseVideoOrientation(Hex("01"))->rotation == 90);
  CHECK_FALSE(ParseVideoOrientation(Hex("0101")));

  CHECK(ParseTransportSequence(Hex("fffe")) == 0xfffe);
  CHECK_FALSE(ParseTransportSequence(Hex("ff")));
  CHECK_FALSE(ParseTransportSequence(Hex("ffffff")));

  const auto capture = ParseAbsCaptureTime(Hex("0102030405060708"));
  REQUIRE(capture);
  CHECK(capture->capture_ntp == 0x0102030405060708);
  CHECK_FALSE(capture->clock_offset);
  const auto with_offset = ParseAbsCaptureTime(Hex("0102030405060708 ffffffffffffffff"));
  REQUIRE(with_offset);
  CHECK(with_offset->clock_offset == -1);
  CHECK_FALSE(ParseAbsCaptureTime(Bytes(7)));
  CHECK_FALSE(ParseAbsCaptureTime(Bytes(12)));
}

}  // namespace sluice::worker
