#include "common/netstring.h"

#include <fmt/format.h>

#include <iterator>

namespace sluice {

namespace {

bool IsDigit(uint8_t byte) { return byte >= '0' && byte <= '9'; }

}  // namespace

void AppendNetstring(std::string_view payload, std::string* out) {
  fmt::format_to(std::back_inserter(*out), "{}:", payload.size());
  out->append(payload);
  out->push_back(',');
}

void NetstringReader::OnBytes(std::span<const uint8_t> bytes) {
  buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
  const size_t done = Parse();
  buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<ptrdiff_t>(done));
}

std::optional<std::string_view> NetstringReader::unfinished() const {
  if (lost_ || buffer_.empty()) return std::nullopt;
  const Frame frame = FrameAt(0);
  if (frame.state != Frame::State::kIncomplete) return std::nullopt;
  if (frame.payload_at == 0) return std::string_view();
  const std::string_view all(reinterpret_cast<const char*>(buffer_.data()), buffer_.size());
  return all.substr(frame.payload_at, frame.payload_size);
}

void NetstringReader::GiveUpFrame() {
  if (!unfinished()) return;
  Frame frame;
  frame.problem = "what has come of a frame does not fit its length";
  Lose(frame, 0);
  buffer_.erase(buffer_.begin());
  OnBytes({});
}

NetstringReader::Frame NetstringReader::FrameAt(size_t at) const {
  Frame frame;
  const auto bad = [&](const char* problem) {
    frame.state = Frame::State::kBad;
    frame.problem = problem;
    return frame;
  };
  size_t digits = 0;
  while (at + digits < buffer_.size() && IsDigit(buffer_[at + digits])) {
    if (digits == kMaxDigits) return bad("a length has more than 9 digits");
    frame.payload_size = frame.payload_size * 10 + (buffer_[at + digits] - '0');
    ++digits;
  }
  if (digits > 1 && buffer_[at] == '0') return bad("a length begins with 0");
  if (frame.payload_size > kMaxPayload) return bad("a length is over the limit of 65536 bytes");
  if (at + digits == buffer_.size()) return frame;
  if (digits == 0) return bad("there is no length where a frame should begin");
  if (buffer_[at + digits] != ':') return bad("there is no ':' after a length");
  frame.payload_at = at + digits + 1;
  const size_t end = frame.payload_at + frame.payload_size;
  if (end >= buffer_.size()) return frame;
  if (buffer_[end] != ',') return bad("there is no ',' after a payload");
  frame.state = Frame::State::kWhole;
  return frame;
}

std::optional<NetstringReader::Frame> NetstringReader::ObjectFrameAt(size_t at) const {
  if (!IsDigit(buffer_[at])) return std::nullopt;
  const Frame frame = FrameAt(at);
  if (frame.state == Frame::State::kBad) return std::nullopt;
  // A request is an object: that tells a frame from numbers that happen to be in the garbage.
  const bool knows_payload = frame.payload_at != 0 && frame.payload_at < buffer_.size();
  if (knows_payload && buffer_[frame.payload_at] != '{') return std::nullopt;
  return frame;
}

std::optional<size_t> NetstringReader::FindFrame(size_t from, size_t* keep_from) const {
  *keep_from = buffer_.size();
  for (size_t at = from; at < buffer_.size(); ++at) {
    const std::optional<Frame> frame = ObjectFrameAt(at);
    if (!frame) continue;
    if (frame->state == Frame::State::kWhole) return at;
    if (*keep_from == buffer_.size()) *keep_from = at;
  }
  return std::nullopt;
}

/// A frame that is whole is taken. One that goes on behind what has come is only waited for where
/// no frame follows the doubted one: a valid length, and text that looks like a frame, are
/// likelier.
size_t NetstringReader::AfterDoubt(size_t payload_at, size_t end) const {
  const bool lost = FrameAt(end).state == Frame::State::kBad;
  size_t next = end;
  for (size_t at = payload_at; at < end; ++at) {
    const std::optional<Frame> frame = ObjectFrameAt(at);
    if (!frame) continue;
    if (frame->state == Frame::State::kWhole) return at;
    if (lost && next == end) next = at;
  }
  return next;
}

void NetstringReader::Lose(const Frame& frame, size_t at) {
  lost_ = true;
  ++errors_;
  on_error_(fmt::format("{}; {} bytes are searched for the next frame", frame.problem,
                        buffer_.size() - at));
}

size_t NetstringReader::Parse() {
  size_t at = 0;
  stopped_ = false;
  for (;;) {
    if (lost_) {
      size_t keep_from = 0;
      const std::optional<size_t> found = FindFrame(at, &keep_from);
      if (!found) return keep_from;
      at = *found;
      lost_ = false;
    }
    const Frame frame = FrameAt(at);
    if (frame.state == Frame::State::kIncomplete) return at;
    if (frame.state == Frame::State::kBad) {
      Lose(frame, at);
      ++at;
      continue;
    }
    at = frame.payload_at + frame.payload_size + 1;
    doubted_ = false;
    on_payload_(
        {reinterpret_cast<const char*>(buffer_.data()) + frame.payload_at, frame.payload_size});
    if (doubted_) at = AfterDoubt(frame.payload_at, at);
    if (stopped_) return at;
  }
}

}  // namespace sluice
