#include "worker/media/extension_router.h"

#include <catch2/catch.hpp>
#include <vector>

#include "tests/unit/media/media_samples.h"

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

}  // namespace
}  // namespace sluice::worker
