#pragma once

#include <cstdint>

#include "worker/wire/dependency_descriptor.h"
#include "worker/wire/payload_descriptor.h"

namespace sluice::worker {

/// What is known of the frame that a packet belongs to, whatever its codec: from the dependency
/// descriptor where the sender writes one, else from the payload. A "frame" is the picture of one
/// spatial layer; without layers it is the picture.
struct FrameInfo {
  bool start = false;  ///< first packet of the frame, where that can be told
  bool end = false;    ///< last packet of the frame
  /// Begins (H264 and H265: carries) a frame that a decoder can start from.
  bool key = false;
  /// A receiver of lower layers may begin to take this frame's layer with it.
  bool switch_point = false;
  /// Refers to a frame of a lower spatial layer of the same picture. Said by descriptors only.
  bool inter_layer = false;
  uint8_t spatial_layer = 0;
  uint8_t temporal_layer = 0;
  /// The layers are known. False: they are those of the packet before it, which has not come yet;
  /// or the stream has descriptors, and that of this packet could not be read.
  bool readable = true;
  /// nullptr where the sender writes none, or it could not be read. Lives as long as the packet;
  /// its structure is shared by all packets until the next one.
  const DependencyDescriptor* descriptor = nullptr;

  /// `descriptor` may be null.
  static FrameInfo Of(const PayloadInfo& payload, bool marker,
                      const DependencyDescriptor* descriptor);
};

}  // namespace sluice::worker
