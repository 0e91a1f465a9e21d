#include "common/frame_buffer.h"

namespace sluice {

void FrameBuffer::Append(std::span<const uint8_t> bytes) {
  if (broken_) return;
  bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
}

std::optional<std::span<const uint8_t>> FrameBuffer::Next() {
  while (!broken_ && buffered() >= kPrefix) {
    const uint8_t* at = bytes_.data() + start_;
    const uint32_t length = static_cast<uint32_t>(at[0]) | static_cast<uint32_t>(at[1]) << 8 |
                            static_cast<uint32_t>(at[2]) << 16 | static_cast<uint32_t>(at[3]) << 24;
    if (length > kMaxFrame - kPrefix) {
      broken_ = true;
      bytes_ = {};
      start_ = 0;
      return std::nullopt;
    }
    const size_t whole = kPrefix + length;
    if (buffered() < whole) break;
    start_ += whole;
    if (length == 0) continue;
    if (frame_.capacity() > kKept) frame_ = {};
    frame_.assign(at, at + whole);
    return frame_;
  }
  // Move what is left to the front only when everything before it is done: one move per read.
  if (start_ > 0) {
    bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(start_));
    start_ = 0;
    if (bytes_.empty() && bytes_.capacity() > kKept) bytes_ = {};
  }
  return std::nullopt;
}

}  // namespace sluice
