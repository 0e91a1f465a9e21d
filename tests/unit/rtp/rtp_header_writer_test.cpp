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
  const size_t id = Index(uri) + 1;
  extensions->elements[extensions->size++] = static_cast<uint8_t>(id << 4 | (value.size() - 1));
  for (const uint8_t byte : value) extensions->elements[extensions->size++] = byte;
  extensions->present = static_cast<uint16_t>(extensions->present | 1u << Index(uri));
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
