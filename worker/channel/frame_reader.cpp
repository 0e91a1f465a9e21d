#include "worker/channel/frame_reader.h"

#include <algorithm>

namespace sluice::worker {

namespace {

size_t PayloadLength(const std::vector<uint8_t>& prefix) {
  return static_cast<size_t>(prefix[0]) | static_cast<size_t>(prefix[1]) << 8 |
         static_cast<size_t>(prefix[2]) << 16 | static_cast<size_t>(prefix[3]) << 24;
}

}  // namespace

bool FrameReader::OnBytes(std::span<const uint8_t> bytes) {
  if (!left_.empty()) {
    left_.insert(left_.end(), bytes.begin(), bytes.end());
    bytes = left_;
  }
  const auto rest = Parse(bytes);
  left_ = std::vector<uint8_t>(rest.begin(), rest.end());
  return !broken_;
}

std::span<const uint8_t> FrameReader::Parse(std::span<const uint8_t> bytes) {
  stopped_ = false;
  while (!broken_ && !stopped_ && !bytes.empty()) {
    size_t wanted = kPrefix;
    if (frame_.size() >= kPrefix) wanted += PayloadLength(frame_);
    const size_t take = std::min(wanted - frame_.size(), bytes.size());
    frame_.insert(frame_.end(), bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(take));
    bytes = bytes.subspan(take);

    if (frame_.size() < kPrefix) break;
    const size_t payload = PayloadLength(frame_);
    if (payload > kMaxPayload) {
      broken_ = true;
      frame_ = {};
      bytes = {};
    } else if (payload == 0) {
      frame_.clear();
    } else if (frame_.size() == kPrefix + payload) {
      on_frame_(frame_);
      frame_.clear();
      if (frame_.capacity() > kKeptCapacity) frame_ = {};
    }
  }
  return bytes;
}

}  // namespace sluice::worker
