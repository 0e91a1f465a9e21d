#include "worker/wire/payload_descriptor.h"

#include "absl/strings/match.h"
#include "worker/wire/descriptors.h"

namespace sluice::worker {

CodecKind CodecKindFromMimeType(std::string_view mime_type) {
  struct Entry {
    std::string_view mime_type;
    CodecKind codec;
  };
  // Multi-channel Opus starts with the same table-of-contents byte.
  static constexpr Entry kEntries[] = {
      {"audio/opus", CodecKind::kOpus}, {"audio/multiopus", CodecKind::kOpus},
      {"video/vp8", CodecKind::kVp8},   {"video/vp9", CodecKind::kVp9},
      {"video/h264", CodecKind::kH264}, {"video/h265", CodecKind::kH265},
      {"video/av1", CodecKind::kAv1},
  };
  for (const Entry& entry : kEntries) {
    if (absl::EqualsIgnoreCase(absl::string_view(mime_type.data(), mime_type.size()),
                               absl::string_view(entry.mime_type.data(), entry.mime_type.size()))) {
      return entry.codec;
    }
  }
  return CodecKind::kOther;
}

bool HasKeyFrames(CodecKind codec) {
  switch (codec) {
    case CodecKind::kVp8:
    case CodecKind::kVp9:
    case CodecKind::kH264:
    case CodecKind::kH265:
    case CodecKind::kAv1:
      return true;
    case CodecKind::kOther:
    case CodecKind::kOpus:
      return false;
  }
  return false;
}

std::optional<PayloadInfo> ParsePayload(CodecKind codec, std::span<const uint8_t> payload) {
  switch (codec) {
    case CodecKind::kVp8:
      return ParseVp8(payload);
    case CodecKind::kVp9:
      return ParseVp9(payload);
    case CodecKind::kH264:
      return ParseH264(payload);
    case CodecKind::kH265:
      return ParseH265(payload);
    case CodecKind::kAv1:
      return ParseAv1(payload);
    case CodecKind::kOther:
    case CodecKind::kOpus:
      return PayloadInfo{};
  }
  return PayloadInfo{};
}

bool IsOpusDtx(std::span<const uint8_t> payload) {
  if (payload.empty()) return false;
  // RFC 6716 §3.2: a frame of no bytes is one that was not sent. The TOC byte alone is one such
  // frame (code 0) or two (code 1); code 2 also needs the length byte of its first frame.
  switch (payload[0] & 0x03) {
    case 0:
    case 1:
      return payload.size() == 1;
    case 2:
      return payload.size() <= 2;
    default:
      return false;
  }
}

}  // namespace sluice::worker
