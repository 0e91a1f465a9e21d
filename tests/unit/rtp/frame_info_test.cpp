#include "worker/core/rtp/frame_info.h"

#include <array>
#include <catch2/catch.hpp>
#include <memory>

namespace sluice::worker {
namespace {

TEST_CASE("frame info: without a descriptor the payload says what it can") {
  // VP9 (RFC 9628 §4.2): picture id, layers, start; then the same with the end bit and without
  // start.
  const std::array<uint8_t, 6> start = {0xA8, 0x81, 0x01, 0x54, 0x00, 0x00};
  const std::array<uint8_t, 6> end = {0xE4, 0x81, 0x01, 0x54, 0x00, 0x00};
  const auto first = ParsePayload(CodecKind::kVp9, start);
  const auto last = ParsePayload(CodecKind::kVp9, end);
  REQUIRE(first);
  REQUIRE(last);
  const FrameInfo begins = FrameInfo::Of(*first, false, nullptr);
  CHECK(begins.start);
  CHECK_FALSE(begins.end);
  CHECK(begins.switch_point);
  CHECK(begins.temporal_layer == 2);
  CHECK(begins.spatial_layer == 2);
  CHECK(begins.descriptor == nullptr);
  // The end of a spatial layer's frame comes before the marker, which ends the picture.
  const FrameInfo ends = FrameInfo::Of(*last, false, nullptr);
  CHECK_FALSE(ends.start);
  CHECK(ends.end);

  PayloadInfo opaque;
  CHECK(FrameInfo::Of(opaque, true, nullptr).end);
  CHECK_FALSE(FrameInfo::Of(opaque, false, nullptr).end);
  opaque.key_frame = true;
  CHECK(FrameInfo::Of(opaque, false, nullptr).key);
}

TEST_CASE("frame info: a descriptor goes before the payload, but for what a key frame is") {
  auto structure = std::make_shared<DependencyStructure>();
  structure->target_count = 2;
  DependencyDescriptor descriptor;
  descriptor.structure = structure;
  descriptor.end_of_frame = true;
  descriptor.frame.spatial_layer = 1;
  descriptor.frame.temporal_layer = 2;
  descriptor.frame.indications[2] = DecodeTargetIndication::kSwitch;  // there is no third target
  PayloadInfo payload;
  payload.start_of_frame = true;
  payload.layer_sync = true;
  payload.key_frame = true;
  const FrameInfo frame = FrameInfo::Of(payload, false, &descriptor);
  CHECK_FALSE(frame.start);
  CHECK(frame.end);
  CHECK(frame.key);
  CHECK_FALSE(frame.switch_point);
  CHECK(frame.spatial_layer == 1);
  CHECK(frame.temporal_layer == 2);
  CHECK(frame.descriptor == &descriptor);
  descriptor.frame.indications[1] = DecodeTargetIndication::kSwitch;
  CHECK(FrameInfo::Of(payload, false, &descriptor).switch_point);
}

}  // namespace
}  // namespace sluice::worker
