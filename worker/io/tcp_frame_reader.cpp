#include "worker/io/tcp_frame_reader.h"

#include <algorithm>

namespace sluice::worker {

namespace {
size_t FrameSize(const uint8_t* header) {
  return TcpFrameReader::kHeaderSize + (size_t{header[0]} << 8 | header[1]);
}
}  // namespace

void TcpFrameReader::Push(std::span<const uint8_t> bytes) { fresh_ = bytes; }

std::optional<std::span<const uint8_t>> TcpFrameReader::Next() {
  if (held_is_done_) {
    held_ = {};
    held_is_done_ = false;
  }
  if (broken_) return std::nullopt;
  while (held_.empty() && fresh_.size() >= kHeaderSize) {
    const size_t size = FrameSize(fresh_.data());
    if (size > kMaxFrame) {
      broken_ = true;
      return std::nullopt;
    }
    if (fresh_.size() < size) break;
    const auto frame = fresh_.subspan(kHeaderSize, size - kHeaderSize);
    fresh_ = fresh_.subspan(size);
    if (!frame.empty()) return frame;
  }
  return NextHeld();
}

std::optional<std::span<const uint8_t>> TcpFrameReader::NextHeld() {
  MoveToHeld(kHeaderSize);
  if (held_.size() < kHeaderSize) return std::nullopt;
  const size_t size = FrameSize(held_.data());
  if (size > kMaxFrame) {
    broken_ = true;
    return std::nullopt;
  }
  MoveToHeld(size);
  if (held_.size() < size) return std::nullopt;
  held_is_done_ = true;
  if (size == kHeaderSize) return Next();
  return std::span<const uint8_t>(held_).subspan(kHeaderSize);
}

void TcpFrameReader::MoveToHeld(size_t wanted) {
  if (held_.size() >= wanted) return;
  const size_t part = std::min(wanted - held_.size(), fresh_.size());
  held_.insert(held_.end(), fresh_.begin(), fresh_.begin() + static_cast<ptrdiff_t>(part));
  fresh_ = fresh_.subspan(part);
}

}  // namespace sluice::worker
