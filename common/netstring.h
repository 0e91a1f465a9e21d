#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sluice {

/// Appends `<decimal byte length>:<payload>,`, the framing of the JSON protocol
/// (docs/json-protocol.md §2). The payload has at most NetstringReader::kMaxPayload bytes.
void AppendNetstring(std::string_view payload, std::string* out);

/// Cuts the byte stream of the JSON protocol into payloads (docs/json-protocol.md §2, §8).
///
/// What is no netstring is reported once and skipped up to the next place where a whole frame that
/// holds a JSON object begins. So frames are found behind garbage, and inside of what a wrong
/// length claimed as its payload. Where such a length happens to end at a comma, it looks like a
/// whole frame: then the receiver has to say DoubtLength(). A frame that has begun waits for its
/// rest, however long that takes. Holds at most one frame of kMaxFrame bytes beyond what one call
/// brings, and what Stop() left.
class NetstringReader {
 public:
  static constexpr size_t kMaxPayload = 65'536;  // bytes; both directions
  static constexpr size_t kMaxFrame = kMaxPayload + 7;
  static constexpr size_t kMaxDigits = 9;  // of a length

  /// `payload` is valid during the call.
  using OnPayload = std::function<void(std::string_view payload)>;
  /// Says what was wrong with the stream.
  using OnError = std::function<void(const std::string& what)>;

  NetstringReader(OnPayload on_payload, OnError on_error)
      : on_payload_(std::move(on_payload)), on_error_(std::move(on_error)) {}

  /// `bytes` may be empty, to go on after Stop().
  void OnBytes(std::span<const uint8_t> bytes);
  /// From inside `on_payload`: what follows this payload waits for the next OnBytes().
  void Stop() { stopped_ = true; }
  /// From inside `on_payload`: this is no message, so that its length may be wrong. Frames that
  /// begin inside it are handled next.
  void DoubtLength() { doubted_ = true; }

  /// Something waits: the beginning of a frame, or what Stop() left.
  bool incomplete() const { return !buffer_.empty(); }
  /// What has come of the payload of the frame that waits for its rest; none when no frame does.
  std::optional<std::string_view> unfinished() const;
  /// Says that this frame cannot be one: looks for frames in what has come of it.
  void GiveUpFrame();

  size_t buffered() const { return buffer_.size(); }
  /// Times that the stream was out of step.
  uint64_t errors() const { return errors_; }

 private:
  struct Frame {
    enum class State : uint8_t { kWhole, kIncomplete, kBad };
    State state = State::kIncomplete;
    size_t payload_at = 0;  ///< from the start of the buffer
    size_t payload_size = 0;
    const char* problem = "";  ///< when bad
  };
  Frame FrameAt(size_t at) const;
  /// The frame, whole or not yet, that may begin in a stream out of step.
  std::optional<Frame> ObjectFrameAt(size_t at) const;
  /// Where to go on behind a payload whose length is doubted.
  size_t AfterDoubt(size_t payload_at, size_t end) const;
  /// Where in a stream out of step a frame is whole; else, in `*keep_from`, where one may begin.
  std::optional<size_t> FindFrame(size_t from, size_t* keep_from) const;
  /// Handles all whole frames; returns how many bytes are done with.
  size_t Parse();
  void Lose(const Frame& frame, size_t at);

  OnPayload on_payload_;
  OnError on_error_;
  std::vector<uint8_t> buffer_;
  bool lost_ = false;  // out of step: looking for a frame
  bool stopped_ = false;
  bool doubted_ = false;
  uint64_t errors_ = 0;
};

}  // namespace sluice
