#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace sluice {

/// Cuts the byte stream of a pipe between controller and worker into frames: uint32 little-endian
/// length, then that many bytes (docs/protocols/worker-pipe.md). Frames may be split over reads or
/// share one. A frame that claims more than the maximum breaks the stream for good.
class FrameBuffer {
 public:
  static constexpr size_t kPrefix = 4;
  static constexpr size_t kMaxFrame = 8'388'608;  ///< bytes with the prefix
  static constexpr size_t kKept = 1 << 20;        ///< bytes kept between frames; most fit

  void Append(std::span<const uint8_t> bytes);

  /// The next whole frame with its length prefix, in memory that is 8-byte aligned at the prefix,
  /// as a FlatBuffers verifier of a size-prefixed buffer wants it; valid until the next call.
  /// nullopt when more bytes are needed or the stream is broken. Empty frames are skipped.
  std::optional<std::span<const uint8_t>> Next();

  /// True after a length above the maximum: nothing more can be read.
  bool broken() const { return broken_; }
  /// Bytes that are not handed out yet.
  size_t buffered() const { return bytes_.size() - start_; }

 private:
  std::vector<uint8_t> bytes_;
  size_t start_ = 0;            ///< first byte not yet handed out
  std::vector<uint8_t> frame_;  ///< that was handed out last
  bool broken_ = false;
};

}  // namespace sluice
