#include "worker/core/rtp/rtp_header_writer.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "worker/wire/rtp_packet.h"

namespace sluice::worker {
namespace {

constexpr size_t Index(RtpExtensionUri uri) { return static_cast<size_t>(uri); }

/// The ids of the library: uri + 1.
ExtensionIds UsualIds() {
  ExtensionIds ids{};
  for (const RtpExtensionUri uri :
       {RtpExtensionUri::kMid, RtpExtensionUri::kAbsSendTime, RtpExtensionUri::kTransportWideCc,
        RtpExtensionUri::kVideoOrientation, RtpExtensionUri::kTimeOffset,
        RtpExtensionUri::kPlayoutDelay}) {
    ids[Index(uri)] = static_cast<uint8_t>(Index(uri) + 1);
  }
  return ids;
}

void AddElement(RoutedExtensions* extensions, RtpExtensionUri uri, std::vector<uint8_t> value) {
  const size_t id = RouterExtensionId(uri);
  extensions->elements[extensions->size++] = static_cast<uint8_t>(id << 4 | (value.size() - 1));
  for (const uint8_t byte : value) extensions->elements[extensions->size++] = byte;
  extensions->present |= 1u << Index(uri);
}

/// Elements that stay in their packet, which is `bytes`.
void AddInPacket(RoutedExtensions* extensions, const std::vector<uint8_t>& bytes,
                 RtpExtensionUri uri, size_t offset, size_t length) {
  extensions->packet = bytes.data();
  extensions->in_packet[extensions->in_packet_count++] = {uri, static_cast<uint8_t>(length),
                                                          static_cast<uint16_t>(offset)};
  extensions->present |= RoutedExtensions::kHasInPacket;
}

RtpHeaderWriter::Fields SomeFields() {
  RtpHeaderWriter::Fields fields;
  fields.payload_type = PayloadType(101);
  fields.marker = true;
  fields.sequence = SeqNumber(0xABCD);
  fields.timestamp = RtpTimestamp(0x01020304);
  fields.abs_send_time = 0x123456;
  return fields;
}

/// What was written, with three bytes of payload behind it, read back by the parser.
struct Written {
  std::vector<uint8_t> bytes;
  size_t header_size = 0;
  RtpPacket packet;

  std::vector<uint8_t> Extension(uint8_t id) const {
    const auto value = packet.Extension(id);
    return {value.begin(), value.end()};
  }
  bool Has(uint8_t id) const { return packet.Extension(id).data() != nullptr; }
};

Written Write(const RtpHeaderWriter& writer, const RoutedExtensions& extensions,
              const RtpHeaderWriter::Fields& fields = SomeFields()) {
  Written written;
  const size_t max = writer.MaxSize(extensions);
  written.bytes.assign(max + 64, 0xEE);
  const RtpHeaderWriter::Header header = writer.Write(written.bytes.data(), fields, extensions);
  written.header_size = header.size;
  if (header.stamps.transport_sequence_at != 0) {
    WriteTransportSequence(written.bytes.data(), header.stamps, 0x789A);
  }
  if (header.stamps.abs_send_time_at != 0) {
    WriteAbsSendTime(written.bytes.data(), header.stamps, 0x123456);
  }
  REQUIRE(written.header_size <= max);
  for (size_t i = max; i < written.bytes.size(); ++i) REQUIRE(written.bytes[i] == 0xEE);
  written.bytes.resize(written.header_size);
  written.bytes.insert(written.bytes.end(), {1, 2, 3});
  const auto packet = RtpPacket::Parse(written.bytes);
  REQUIRE(packet);
  REQUIRE(packet->header_size() == written.header_size);
  written.packet = *packet;
  return written;
}

TEST_CASE("rtp header: fixed fields alone when nothing is negotiated") {
  const RtpHeaderWriter writer(Ssrc(0xDEADBEEF), "0", {});
  RoutedExtensions extensions;
  AddElement(&extensions, RtpExtensionUri::kVideoOrientation, {1});
  const Written written = Write(writer, extensions);
  CHECK(written.header_size == 12);
  CHECK(written.packet.ssrc() == Ssrc(0xDEADBEEF));
  CHECK(written.packet.payload_type() == PayloadType(101));
  CHECK(written.packet.marker());
  CHECK(written.packet.sequence_number() == SeqNumber(0xABCD));
  CHECK(written.packet.timestamp() == RtpTimestamp(0x01020304));
  CHECK(written.packet.extension_count() == 0);
}

TEST_CASE("rtp header: own and forwarded extensions in the one-byte form") {
  const RtpHeaderWriter writer(Ssrc(1), "m7", UsualIds());
  RoutedExtensions extensions;
  AddElement(&extensions, RtpExtensionUri::kPlayoutDelay, {1, 2, 3});
  AddElement(&extensions, RtpExtensionUri::kVideoOrientation, {2});
  const Written written = Write(writer, extensions);
  CHECK(written.bytes[12] == 0xBE);
  CHECK(written.Extension(1) == std::vector<uint8_t>{'m', '7'});
  CHECK(written.Extension(11) == std::vector<uint8_t>{1, 2, 3});
  CHECK(written.Extension(8) == std::vector<uint8_t>{2});
  CHECK(written.Extension(4) == std::vector<uint8_t>{0x12, 0x34, 0x56});
  CHECK(written.Extension(5) == std::vector<uint8_t>{0x78, 0x9A});
}

TEST_CASE("rtp header: what was not negotiated is left out") {
  ExtensionIds ids = UsualIds();
  ids[Index(RtpExtensionUri::kPlayoutDelay)] = 0;
  ids[Index(RtpExtensionUri::kTransportWideCc)] = 0;
  const RtpHeaderWriter writer(Ssrc(1), "", ids);
  RoutedExtensions extensions;
  AddElement(&extensions, RtpExtensionUri::kPlayoutDelay, {1, 2, 3});
  AddElement(&extensions, RtpExtensionUri::kTimeOffset, {4, 5, 6});
  const Written written = Write(writer, extensions);
  CHECK_FALSE(written.Has(1));
  CHECK_FALSE(written.Has(5));
  CHECK_FALSE(written.Has(11));
  CHECK(written.Extension(9) == std::vector<uint8_t>{4, 5, 6});
  CHECK(written.Extension(4).size() == 3);

  // Nothing left at all: no extension block.
  ExtensionIds only_delay{};
  only_delay[Index(RtpExtensionUri::kPlayoutDelay)] = 11;
  CHECK(Write(RtpHeaderWriter(Ssrc(1), "a", only_delay), {}).header_size == 12);
}

TEST_CASE("rtp header: ids are the consumer's own") {
  ExtensionIds ids{};
  ids[Index(RtpExtensionUri::kMid)] = 9;
  ids[Index(RtpExtensionUri::kTimeOffset)] = 3;
  ids[Index(RtpExtensionUri::kAbsSendTime)] = 14;
  RoutedExtensions extensions;
  AddElement(&extensions, RtpExtensionUri::kTimeOffset, {4, 5, 6});
  const Written written = Write(RtpHeaderWriter(Ssrc(1), "x", ids), extensions);
  CHECK(written.Extension(9) == std::vector<uint8_t>{'x'});
  CHECK(written.Extension(3) == std::vector<uint8_t>{4, 5, 6});
  CHECK(written.Extension(14) == std::vector<uint8_t>{0x12, 0x34, 0x56});
}

TEST_CASE("rtp header: two-byte form for high ids, long MIDs and long descriptors") {
  ExtensionIds ids = UsualIds();
  RoutedExtensions extensions;
  AddElement(&extensions, RtpExtensionUri::kTimeOffset, {4, 5, 6});
  std::string mid = "3";
  const std::vector<uint8_t> descriptor(40, 0x5A);
  SECTION("id above 14") { ids[Index(RtpExtensionUri::kAbsSendTime)] = 200; }
  SECTION("MID of 32 bytes") { mid.assign(32, 'q'); }
  SECTION("dependency descriptor of 40 bytes") {
    ids[Index(RtpExtensionUri::kDependencyDescriptor)] = 7;
    extensions.dependency_descriptor = descriptor;
  }
  const Written written = Write(RtpHeaderWriter(Ssrc(1), mid, ids), extensions);
  CHECK(written.bytes[12] == 0x10);
  CHECK(written.bytes[13] == 0x00);
  CHECK(written.Extension(1) == std::vector<uint8_t>(mid.begin(), mid.end()));
  CHECK(written.Extension(9) == std::vector<uint8_t>{4, 5, 6});
  CHECK(written.Extension(ids[Index(RtpExtensionUri::kAbsSendTime)]).size() == 3);
  CHECK(written.Extension(5) == std::vector<uint8_t>{0x78, 0x9A});
  if (ids[Index(RtpExtensionUri::kDependencyDescriptor)] != 0) {
    CHECK(written.Extension(7) == descriptor);
  }
}

TEST_CASE("rtp header: a short dependency descriptor stays in the one-byte form") {
  ExtensionIds ids = UsualIds();
  ids[Index(RtpExtensionUri::kDependencyDescriptor)] = 7;
  const std::vector<uint8_t> descriptor{1, 2, 3};
  RoutedExtensions extensions;
  extensions.dependency_descriptor = descriptor;
  const Written written = Write(RtpHeaderWriter(Ssrc(1), "a", ids), extensions);
  CHECK(written.bytes[12] == 0xBE);
  CHECK(written.Extension(7) == descriptor);
}

// A receiver that has not negotiated what needs the two-byte form may be unable to read it, and
// would miss the MID.
TEST_CASE("rtp header: a descriptor that does not go out changes nothing of the rest") {
  ExtensionIds ids = UsualIds();
  size_t size = 40;
  SECTION("not negotiated") {}
  SECTION("longer than any form of header takes") {
    ids[Index(RtpExtensionUri::kDependencyDescriptor)] = 7;
    size = 300;
  }
  const RtpHeaderWriter writer(Ssrc(1), "audio-0", ids);
  RoutedExtensions extensions;
  AddElement(&extensions, RtpExtensionUri::kVideoOrientation, {3});
  const Written without = Write(writer, extensions);
  const std::vector<uint8_t> descriptor(size, 0x5A);
  extensions.dependency_descriptor = descriptor;
  const Written with = Write(writer, extensions);
  CHECK(with.bytes == without.bytes);
  CHECK(with.bytes[12] == 0xBE);
  CHECK(ParseSdesItem(with.packet.Extension(1)) == std::string_view("audio-0"));
  CHECK(writer.MaxSize(extensions) == writer.MaxSize(RoutedExtensions()));
}

TEST_CASE("rtp header: elements of the packet go out with the receiver's ids") {
  std::vector<uint8_t> packet(61);
  for (size_t i = 0; i < packet.size(); ++i) packet[i] = static_cast<uint8_t>(i);
  const std::vector<uint8_t> timing(packet.begin() + 20, packet.begin() + 33);
  const std::vector<uint8_t> color(packet.begin() + 33, packet.end());
  RoutedExtensions extensions;
  AddElement(&extensions, RtpExtensionUri::kTimeOffset, {4, 5, 6});
  AddInPacket(&extensions, packet, RtpExtensionUri::kVideoTiming, 20, timing.size());
  AddInPacket(&extensions, packet, RtpExtensionUri::kColorSpace, 33, color.size());
  ExtensionIds ids = UsualIds();

  SECTION("not negotiated: nothing of them, and the form stays") {
    const Written written = Write(RtpHeaderWriter(Ssrc(1), "a", ids, true), extensions);
    CHECK(written.bytes[12] == 0xBE);
    CHECK(written.packet.extension_count() == 4);
    CHECK(written.Extension(9) == std::vector<uint8_t>{4, 5, 6});
  }
  SECTION("the short one is in the one-byte form") {
    ids[Index(RtpExtensionUri::kVideoTiming)] = 2;
    const Written written = Write(RtpHeaderWriter(Ssrc(1), "a", ids, true), extensions);
    CHECK(written.bytes[12] == 0xBE);
    CHECK(written.Extension(2) == timing);
    CHECK(written.Extension(1) == std::vector<uint8_t>{'a'});
    CHECK(written.Extension(9) == std::vector<uint8_t>{4, 5, 6});
    CHECK(written.Extension(5) == std::vector<uint8_t>{0x78, 0x9A});
  }
  SECTION("the long one makes the form, where the receiver takes it") {
    ids[Index(RtpExtensionUri::kVideoTiming)] = 2;
    ids[Index(RtpExtensionUri::kColorSpace)] = 14;  // the router's
    const Written written = Write(RtpHeaderWriter(Ssrc(1), "a", ids, true), extensions);
    CHECK(written.bytes[12] == 0x10);
    CHECK(written.Extension(2) == timing);
    CHECK(written.Extension(14) == color);
    CHECK(written.Extension(1) == std::vector<uint8_t>{'a'});
    CHECK(written.Extension(9) == std::vector<uint8_t>{4, 5, 6});
    CHECK(written.Extension(4) == std::vector<uint8_t>{0x12, 0x34, 0x56});
    CHECK(written.Extension(5) == std::vector<uint8_t>{0x78, 0x9A});
    // Other packets of the stream have the other form.
    RoutedExtensions none;
    CHECK(Write(RtpHeaderWriter(Ssrc(1), "a", ids, true), none).bytes[12] == 0xBE);
  }
  SECTION("and is left out, where it does not") {
    ids[Index(RtpExtensionUri::kVideoTiming)] = 2;
    ids[Index(RtpExtensionUri::kColorSpace)] = 14;
    const Written written = Write(RtpHeaderWriter(Ssrc(1), "a", ids), extensions);
    CHECK(written.bytes[12] == 0xBE);
    CHECK(written.Extension(2) == timing);
    CHECK_FALSE(written.Has(14));
    CHECK(written.Extension(1) == std::vector<uint8_t>{'a'});
    CHECK(written.Extension(9) == std::vector<uint8_t>{4, 5, 6});
  }
  SECTION("who negotiated what needs that form takes it") {
    ids[Index(RtpExtensionUri::kColorSpace)] = 14;
    SECTION("descriptor") { ids[Index(RtpExtensionUri::kDependencyDescriptor)] = 7; }
    SECTION("id") { ids[Index(RtpExtensionUri::kPlayoutDelay)] = 15; }
    const Written written = Write(RtpHeaderWriter(Ssrc(1), "a", ids), extensions);
    CHECK(written.bytes[12] == 0x10);
    CHECK(written.Extension(14) == color);
  }
  SECTION("beside a long descriptor") {
    ids[Index(RtpExtensionUri::kDependencyDescriptor)] = 7;
    ids[Index(RtpExtensionUri::kVideoTiming)] = 2;
    const std::vector<uint8_t> descriptor(40, 0x5A);
    extensions.dependency_descriptor = descriptor;
    const Written written = Write(RtpHeaderWriter(Ssrc(1), "a", ids), extensions);
    CHECK(written.bytes[12] == 0x10);
    CHECK(written.Extension(7) == descriptor);
    CHECK(written.Extension(2) == timing);
  }
}

TEST_CASE("rtp header: the largest of all fits into what is said of its size") {
  std::vector<uint8_t> packet(300, 0x77);
  RoutedExtensions extensions;
  for (size_t left = RoutedExtensions::kMaxBytes; left >= 2;
       left = RoutedExtensions::kMaxBytes - extensions.size) {
    const size_t length = std::min<size_t>(16, left - 1);
    AddElement(&extensions, RtpExtensionUri::kTimeOffset, std::vector<uint8_t>(length, 1));
  }
  SECTION("few long ones") {}
  SECTION("many short ones") {
    extensions = {};
    for (size_t i = 0; i < RoutedExtensions::kMaxBytes / 2; ++i) {
      AddElement(&extensions, RtpExtensionUri::kTimeOffset, {1});
    }
  }
  AddInPacket(&extensions, packet, RtpExtensionUri::kVideoTiming, 0, 13);
  AddInPacket(&extensions, packet, RtpExtensionUri::kColorSpace, 13, 28);
  const std::vector<uint8_t> descriptor(255, 0x5A);
  extensions.dependency_descriptor = descriptor;
  ExtensionIds ids;
  for (size_t uri = 0; uri < ids.size(); ++uri) ids[uri] = static_cast<uint8_t>(uri + 1);
  Write(RtpHeaderWriter(Ssrc(1), std::string(32, 'm'), ids, true), extensions);  // checks it
}

TEST_CASE("rtp header: the same arguments give the same bytes") {
  const RtpHeaderWriter writer(Ssrc(1), "m7", UsualIds());
  RoutedExtensions extensions;
  AddElement(&extensions, RtpExtensionUri::kTimeOffset, {4, 5, 6});
  RoutedExtensions copy;  // stale bytes behind the elements must not show
  copy.elements.fill(0xFF);
  std::copy_n(extensions.elements.begin(), extensions.size, copy.elements.begin());
  copy.size = extensions.size;
  copy.present = extensions.present;
  CHECK(Write(writer, extensions).bytes == Write(writer, copy).bytes);
}

}  // namespace
}  // namespace sluice::worker
