#include "worker/media/extension_router.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <random>
#include <vector>

#include "tests/unit/media/media_samples.h"
#include "worker/core/rtp/rtp_header_writer.h"

namespace sluice::worker {
namespace {

using Bytes = std::vector<uint8_t>;

/// A packet whose header extensions are `elements` (one-byte form, already packed).
Bytes PacketWith(Bytes elements) {
  Bytes packet = samples::Rtp(96, 1, 1, 1, {1, 2, 3});
  while (elements.size() % 4 != 0) elements.push_back(0);
  Bytes block = {0xBE, 0xDE, 0, static_cast<uint8_t>(elements.size() / 4)};
  block.insert(block.end(), elements.begin(), elements.end());
  packet[0] |= 0x10;
  packet.insert(packet.begin() + 12, block.begin(), block.end());
  return packet;
}

RtpParameters With(const std::vector<std::pair<RtpExtensionUri, uint8_t>>& extensions) {
  RtpParameters parameters;
  for (const auto& [uri, id] : extensions) {
    parameters.header_extensions.push_back({uri, id, false, {}});
  }
  return parameters;
}

Bytes RouteBytes(ExtensionRouter& router, Bytes packet, std::optional<Duration> offset,
                 RoutedExtensions* out) {
  const auto parsed = RtpPacket::Parse(packet);
  REQUIRE(parsed);
  router.Route(*parsed, offset, out);
  return {out->elements.begin(), out->elements.begin() + out->size};
}

TEST_CASE("extensions get the router's ids and the canonical order; hop-by-hop ones stay behind") {
  const auto parameters = With({{RtpExtensionUri::kMid, 1},
                                {RtpExtensionUri::kTransportWideCc, 2},
                                {RtpExtensionUri::kVideoOrientation, 3},
                                {RtpExtensionUri::kTimeOffset, 4},
                                {RtpExtensionUri::kPlayoutDelay, 5},
                                {RtpExtensionUri::kPacketId, 6},
                                {RtpExtensionUri::kAudioLevel, 7}});
  ExtensionRouter router(parameters, MediaKind::kVideo, false);
  RoutedExtensions out;
  const Bytes elements =
      RouteBytes(router, PacketWith({0x10, '0', 0x21, 9, 9,    0x30, 1, 0x42, 1,  2,    3,
                                     0x52, 4,   5,    6, 0x63, 7,    8, 9,    10, 0x70, 99}),
                 std::nullopt, &out);
  CHECK(elements == Bytes{0xB2, 4, 5, 6, 0x80, 1, 0x92, 1, 2, 3, 0xC3, 7, 8, 9, 10});
  CHECK(out.present == ((1u << 10) | (1u << 7) | (1u << 8) | (1u << 11)));
  CHECK(out.dependency_descriptor.empty());
}

TEST_CASE("audio carries its level, and values of a wrong length are left out") {
  const auto parameters =
      With({{RtpExtensionUri::kAudioLevel, 3}, {RtpExtensionUri::kPlayoutDelay, 5}});
  ExtensionRouter router(parameters, MediaKind::kAudio, false);
  RoutedExtensions out;
  CHECK(RouteBytes(router, PacketWith({0x30, 0x85, 0x51, 1, 2}), std::nullopt, &out) ==
        Bytes{0x60, 0x85});
  CHECK(RouteBytes(router, PacketWith({0x31, 0x85, 1}), std::nullopt, &out).empty());
  CHECK(out.present == 0);
}

TEST_CASE("of two extensions of one kind the first id counts") {
  ExtensionRouter router(
      With({{RtpExtensionUri::kAudioLevel, 3}, {RtpExtensionUri::kAudioLevel, 4}}),
      MediaKind::kAudio, false);
  RoutedExtensions out;
  CHECK(RouteBytes(router, PacketWith({0x30, 1, 0x40, 2}), std::nullopt, &out) == Bytes{0x60, 1});
}

TEST_CASE("abs-capture-time gets our clock's offset added") {
  ExtensionRouter router(With({{RtpExtensionUri::kAbsCaptureTime, 3}}), MediaKind::kAudio, false);
  RoutedExtensions out;
  const Bytes capture = {1, 2, 3, 4, 5, 6, 7, 8};
  Bytes short_form = {0x37};
  short_form.insert(short_form.end(), capture.begin(), capture.end());
  Bytes long_form = {0x3F};
  long_form.insert(long_form.end(), capture.begin(), capture.end());
  const Bytes half_second = {0, 0, 0, 0, 0x80, 0, 0, 0};
  long_form.insert(long_form.end(), half_second.begin(), half_second.end());

  Bytes expected = {0xA7};
  expected.insert(expected.end(), capture.begin(), capture.end());
  CHECK(RouteBytes(router, PacketWith(short_form), std::nullopt, &out) == expected);
  CHECK(RouteBytes(router, PacketWith(long_form), std::nullopt, &out) == expected);

  expected[0] = 0xAF;
  expected.insert(expected.end(), half_second.begin(), half_second.end());
  CHECK(RouteBytes(router, PacketWith(short_form), Duration::Millis(500), &out) == expected);
  expected.resize(9);
  expected.insert(expected.end(), {0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0});  // 0.5 − 1.5 s
  CHECK(RouteBytes(router, PacketWith(long_form), Duration::Millis(-1500), &out) == expected);
}

TEST_CASE("packet ids are added where asked for and where there is none") {
  ExtensionRouter router(With({{RtpExtensionUri::kPacketId, 3}}), MediaKind::kVideo, true);
  RoutedExtensions out;
  const Bytes plain = samples::Rtp(96, 1, 1, 1, {1});
  CHECK(RouteBytes(router, plain, std::nullopt, &out) == Bytes{0xC3, 0, 0, 0, 0});
  CHECK(RouteBytes(router, plain, std::nullopt, &out) == Bytes{0xC3, 0, 0, 0, 1});
  CHECK(RouteBytes(router, PacketWith({0x33, 9, 8, 7, 6}), std::nullopt, &out) ==
        Bytes{0xC3, 9, 8, 7, 6});
}

TEST_CASE("everything at once fits") {
  const auto parameters = With({{RtpExtensionUri::kAbsCaptureTime, 1},
                                {RtpExtensionUri::kPlayoutDelay, 2},
                                {RtpExtensionUri::kVideoOrientation, 3},
                                {RtpExtensionUri::kTimeOffset, 4},
                                {RtpExtensionUri::kDependencyDescriptor, 5}});
  ExtensionRouter router(parameters, MediaKind::kVideo, true);
  Bytes elements = {0x17, 1, 2, 3, 4, 5, 6, 7, 8, 0x22, 1, 2, 3, 0x30, 1, 0x42, 1, 2, 3};
  elements.insert(elements.end(), {0x52, 0xAA, 0xBB, 0xCC});
  RoutedExtensions out;
  const Bytes packet = PacketWith(elements);
  Bytes copy = packet;
  const auto parsed = RtpPacket::Parse(copy);
  REQUIRE(parsed);
  router.Route(*parsed, Duration::Millis(1), &out);
  CHECK(out.size == 17 + 4 + 2 + 4 + 5);
  CHECK(Bytes(out.dependency_descriptor.begin(), out.dependency_descriptor.end()) ==
        Bytes{0xAA, 0xBB, 0xCC});
  CHECK(copy == packet);
}

/// The same of any elements, in the form that they need.
Bytes PacketOf(const std::vector<std::pair<uint8_t, Bytes>>& elements) {
  Bytes packet = samples::Rtp(96, 1, 1, 1, {1, 2, 3});
  RtpExtensionWriter writer;
  for (const auto& [id, value] : elements) REQUIRE(writer.Add(id, value));
  Bytes block(writer.Size());
  writer.Write(block);
  if (!block.empty()) packet[0] |= 0x10;
  packet.insert(packet.begin() + 12, block.begin(), block.end());
  return packet;
}

/// Values that stay in the packet, by their URI.
std::map<RtpExtensionUri, Bytes> InPacket(const RoutedExtensions& routed) {
  std::map<RtpExtensionUri, Bytes> values;
  for (size_t i = 0; i < routed.in_packet_count; ++i) {
    const auto value = routed.ValueOf(routed.in_packet[i]);
    values[routed.in_packet[i].uri] = Bytes(value.begin(), value.end());
  }
  return values;
}

constexpr RtpExtensionUri kOfPictures[] = {RtpExtensionUri::kVideoContentType,
                                           RtpExtensionUri::kVideoTiming,
                                           RtpExtensionUri::kColorSpace};

TEST_CASE("what is said of a picture goes on as it came") {
  const auto parameters = With({{RtpExtensionUri::kVideoContentType, 6},
                                {RtpExtensionUri::kVideoTiming, 7},
                                {RtpExtensionUri::kColorSpace, 8}});
  const Bytes timing = {2, 0, 1, 0, 9, 0, 10, 0, 12, 0, 0, 0, 0};
  const Bytes color = {1, 13, 1, 0x10};
  Bytes hdr(28, 0x33);
  std::copy(color.begin(), color.end(), hdr.begin());
  RoutedExtensions out;

  ExtensionRouter router(parameters, MediaKind::kVideo, false);
  Bytes packet = PacketOf({{6, {1}}, {7, timing}, {8, color}});
  CHECK(RouteBytes(router, packet, std::nullopt, &out) == Bytes{0xD0, 1, 0xE3, 1, 13, 1, 0x10});
  CHECK(out.present == ((1u << 13) | (1u << 15) | RoutedExtensions::kHasInPacket));
  CHECK(out.in_packet_count == 1);
  // The largest color space has no room in the one-byte form.
  packet = PacketOf({{6, {1}}, {7, timing}, {8, hdr}});
  const auto parsed = RtpPacket::Parse(packet);
  REQUIRE(parsed);
  router.Route(*parsed, std::nullopt, &out);
  CHECK(Bytes(out.elements.begin(), out.elements.begin() + out.size) == Bytes{0xD0, 1});
  CHECK(InPacket(out) == std::map<RtpExtensionUri, Bytes>{{RtpExtensionUri::kVideoTiming, timing},
                                                          {RtpExtensionUri::kColorSpace, hdr}});
  // Nothing of it is left for the next packet.
  CHECK(RouteBytes(router, PacketOf({{1, {9}}}), std::nullopt, &out).empty());
  CHECK(out.present == 0);
  CHECK(out.in_packet_count == 0);
}

TEST_CASE("what is said of a picture with another size is left out, and for audio all of it") {
  const auto parameters = With({{RtpExtensionUri::kVideoContentType, 6},
                                {RtpExtensionUri::kVideoTiming, 7},
                                {RtpExtensionUri::kColorSpace, 8}});
  RoutedExtensions out;
  ExtensionRouter video(parameters, MediaKind::kVideo, false);
  for (const auto& [id, size] : {std::pair{6, 0},
                                 {6, 2},
                                 {7, 12},
                                 {7, 14},
                                 {8, 3},
                                 {8, 5},
                                 {8, 24},
                                 {8, 27},
                                 {8, 29},
                                 {8, 200}}) {
    CAPTURE(id, size);
    const Bytes value(static_cast<size_t>(size), 1);
    CHECK(RouteBytes(video, PacketOf({{static_cast<uint8_t>(id), value}, {1, {}}}), std::nullopt,
                     &out)
              .empty());
    CHECK(out.present == 0);
  }
  ExtensionRouter audio(parameters, MediaKind::kAudio, false);
  CHECK(RouteBytes(audio, PacketOf({{6, {1}}, {7, Bytes(13, 1)}, {8, Bytes(4, 1)}}), std::nullopt,
                   &out)
            .empty());
  CHECK(out.present == 0);
}

TEST_CASE("everything at once fits, whatever is said of pictures") {
  std::vector<std::pair<RtpExtensionUri, uint8_t>> all;
  for (uint8_t uri = 0; uri < kRtpExtensionUriCount; ++uri) {
    all.emplace_back(static_cast<RtpExtensionUri>(uri), static_cast<uint8_t>(uri + 1));
  }
  std::vector<std::pair<uint8_t, Bytes>> elements;
  for (const auto& [uri, size] :
       {std::pair{9, 16}, {10, 3}, {6, 3}, {7, 1}, {8, 3}, {13, 1}, {14, 13}, {15, 28}}) {
    elements.emplace_back(static_cast<uint8_t>(uri + 1), Bytes(static_cast<size_t>(size), 7));
  }
  ExtensionRouter router(With(all), MediaKind::kVideo, true);
  Bytes packet = PacketOf(elements);
  const auto parsed = RtpPacket::Parse(packet);
  REQUIRE(parsed);
  RoutedExtensions out;
  router.Route(*parsed, Duration::Millis(1), &out);
  CHECK(out.size == 17 + 4 + 2 + 4 + 5 + 2);
  CHECK(out.in_packet_count == 2);
  CHECK_FALSE(out.dependency_descriptor.empty());
}

/// Any packet through the router to any receiver: each extension that both have arrives with its
/// value, or not at all; MID arrives; nothing else does; and the form is one that the receiver
/// takes.
TEST_CASE("whatever a sender has goes on to whoever takes it, and nothing more") {
  std::mt19937 random(7);
  const auto below = [&random](uint32_t n) { return random() % n; };
  const size_t sizes[kRtpExtensionUriCount] = {1, 1, 1, 3, 2, 1, 3, 1, 3, 8, 3, 4, 20, 1, 13, 28};
  for (int round = 0; round < 20'000; ++round) {
    CAPTURE(round);
    ExtensionIds theirs{};  // the sender's
    ExtensionIds ours{};
    std::vector<std::pair<RtpExtensionUri, uint8_t>> negotiated;
    std::vector<std::pair<uint8_t, Bytes>> elements;
    std::map<RtpExtensionUri, Bytes> values;
    size_t total = 0;  // that the writer of the packet has room for
    const bool high = below(8) == 0;
    const uint8_t shift = static_cast<uint8_t>(below(kRtpExtensionUriCount));
    for (uint8_t i = 0; i < kRtpExtensionUriCount; ++i) {
      const auto uri = static_cast<RtpExtensionUri>(i);
      const auto turned = static_cast<uint8_t>((i + shift) % kRtpExtensionUriCount + 1);
      if (below(2) != 0) {
        theirs[i] = turned;
        negotiated.emplace_back(uri, turned);
        size_t size = sizes[i];
        if (uri == RtpExtensionUri::kColorSpace && below(2) != 0) size = 4;
        if (uri == RtpExtensionUri::kDependencyDescriptor) size = 1 + below(40);
        if (below(8) == 0) size = below(40);
        Bytes value(size);
        for (uint8_t& byte : value) byte = static_cast<uint8_t>(below(256));
        if (below(2) != 0 && total + value.size() <= 200) {
          total += value.size();
          elements.emplace_back(turned, value);
          values[uri] = value;
        }
      }
      if (below(2) != 0 || uri == RtpExtensionUri::kMid) {
        const uint8_t router_id = kRouterExtensionIds[i];
        if (below(3) != 0 && router_id <= 14) {
          ours[i] = router_id;
        } else if (high) {
          ours[i] = static_cast<uint8_t>(100 + i);
        }
      }
    }
    if (ours[0] == 0) ours[0] = 1;
    ExtensionRouter router(With(negotiated), MediaKind::kVideo, false);
    Bytes packet = PacketOf(elements);
    const auto parsed = RtpPacket::Parse(packet);
    REQUIRE(parsed);
    RoutedExtensions routed;
    router.Route(*parsed, std::nullopt, &routed);

    const bool mixed = below(2) != 0;
    const RtpHeaderWriter writer(Ssrc(1), "mid", ours, mixed);
    const size_t max = writer.MaxSize(routed);
    Bytes out(max + 64, 0xEE);
    const RtpHeaderWriter::Header header = writer.Write(out.data(), {}, routed);
    REQUIRE(header.size <= max);
    for (size_t i = max; i < out.size(); ++i) REQUIRE(out[i] == 0xEE);
    out.resize(header.size);
    const auto sent = RtpPacket::Parse(out);
    REQUIRE(sent);
    REQUIRE(sent->header_size() == header.size);
    REQUIRE(ParseSdesItem(sent->Extension(ours[0])) == std::string_view("mid"));
    const bool needs_long =
        std::any_of(ours.begin(), ours.end(), [](uint8_t id) { return id > 14; });
    const bool takes_long = mixed || needs_long ||
                            ours[static_cast<size_t>(RtpExtensionUri::kDependencyDescriptor)] != 0;
    if (!takes_long) REQUIRE(out[12] == 0xBE);
    size_t expected = 0;
    for (uint8_t i = 0; i < kRtpExtensionUriCount; ++i) {
      const auto uri = static_cast<RtpExtensionUri>(i);
      if (ours[i] == 0) continue;
      const auto value = sent->Extension(ours[i]);
      if (value.data() != nullptr) ++expected;
      const bool of_pictures =
          std::find(std::begin(kOfPictures), std::end(kOfPictures), uri) != std::end(kOfPictures);
      if (!of_pictures) continue;
      CAPTURE(int{i});
      const auto came = values.find(uri);
      const bool right_size = came != values.end() &&
                              (came->second.size() == sizes[i] ||
                               (uri == RtpExtensionUri::kColorSpace && came->second.size() == 4));
      const bool fits = right_size && (came->second.size() <= 16 || takes_long);
      REQUIRE((value.data() != nullptr) == fits);
      if (fits) REQUIRE(Bytes(value.begin(), value.end()) == came->second);
    }
    REQUIRE(sent->extension_count() == expected);
  }
}

}  // namespace
}  // namespace sluice::worker
