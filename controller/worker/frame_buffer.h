#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace sluice::controller {

/// Cuts a byte stream into frames: uint32 little-endian length, then that many bytes
/// (docs/protocols/worker-pipe.md §2). A frame that claims more than the maximum breaks the stream
/// for good.
class FrameBuffer {
 public:
  static constexpr size_t kPrefix = 4;
  static constexpr size_t kMaxFrame = 8'388'608;  ///< bytes with the prefix

  void Append(std::span<const uint8_t> bytes);

  /// The next whole frame with its length prefix, in memory of its own (aligned for FlatBuffers);
  /// nullopt when more bytes are needed or the stream is broken. Empty frames are skipped.
  std::optional<std::vector<uint8_t>> Next();

  /// True after a length above the maximum: nothing more can be read.
  bool broken() const { return broken_; }

 private:
  std::vector<uint8_t> bytes_;
  size_t start_ = 0;  ///< first byte not yet handed out
  bool broken_ = false;
};

}  // namespace sluice::controller
