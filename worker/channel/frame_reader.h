#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace sluice::worker {

/// Cuts a byte stream into the frames of the router protocol: uint32 little-endian length, then
/// that many bytes (docs/protocols/worker-pipe.md §2). Frames may be split over reads or share one.
class FrameReader {
 public:
  static constexpr size_t kPrefix = 4;
  static constexpr size_t kMaxPayload = 8'388'604;  // bytes; the library's own limit
  static constexpr size_t kKeptCapacity = 1 << 20;  // bytes kept between frames; honest ones fit

  /// Gets a whole frame, prefix included, in memory that is 8-byte aligned at the prefix: what a
  /// FlatBuffers verifier of a size-prefixed buffer wants. Valid during the call.
  using OnFrame = std::function<void(std::span<const uint8_t> frame)>;

  explicit FrameReader(OnFrame on_frame) : on_frame_(std::move(on_frame)) {}

  /// False when a frame announced more than kMaxPayload bytes: the stream is beyond repair, nothing
  /// is read any more. Empty frames are skipped. `bytes` may be empty, to go on after Stop().
  bool OnBytes(std::span<const uint8_t> bytes);
  /// From inside `on_frame`: what follows this frame waits for the next OnBytes().
  void Stop() { stopped_ = true; }

  size_t buffered() const { return frame_.size() + left_.size(); }

 private:
  /// Collects and handles frames until one says Stop(); returns the bytes after that.
  std::span<const uint8_t> Parse(std::span<const uint8_t> bytes);

  OnFrame on_frame_;
  std::vector<uint8_t> frame_;  // the frame being collected, prefix first
  std::vector<uint8_t> left_;   // what Stop() left
  bool stopped_ = false;
  bool broken_ = false;
};

}  // namespace sluice::worker
