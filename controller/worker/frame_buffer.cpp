#include "controller/worker/frame_buffer.h"

namespace sluice::controller {

void FrameBuffer::Append(std::span<const uint8_t> bytes) {
  if (broken_) return;
  bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
}

std::optional<std::vector<uint8_t>> FrameBuffer::Next() {
  while (!broken_ && bytes_.size() - start_ >= kPrefix) {
    const uint8_t* at = bytes_.data() + start_;
    const uint32_t length = static_cast<uint32_t>(at[0]) | static_cast<uint32_t>(at[1]) << 8 |
                            static_cast<uint32_t>(at[2]) << 16 | static_cast<uint32_t>(at[3]) << 24;
    if (length > kMaxFrame - kPrefix) {
      broken_ = true;
      bytes_.clear();
      start_ = 0;
      return std::nullopt;
    }
    const size_t whole = kPrefix + length;
    if (bytes_.size() - start_ < whole) break;
    std::vector<uint8_t> frame(at, at + whole);
    start_ += whole;
    if (length > 0) return frame;
  }
  // Move what is left to the front only when everything before it is done: one move per read.
  if (start_ > 0) {
    bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(start_));
    start_ = 0;
  }
  return std::nullopt;
}

}  // namespace sluice::controller
