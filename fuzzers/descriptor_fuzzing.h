#pragma once

#include <cstdlib>
#include <vector>

#include "worker/wire/payload_descriptor.h"

namespace sluice::worker {

/// Parses `data` as a payload of `codec`, rewrites what VP8 and VP9 have of picture ids, and joins
/// packets of AV1.
inline int FuzzDescriptor(CodecKind codec, const uint8_t* data, size_t size) {
  std::vector<uint8_t> payload(data, data + size);
  const auto info = ParsePayload(codec, payload);
  if (!info) return 0;
  if (payload.empty()) abort();  // there was nothing to read
  if (info->picture_id_offset >= size || info->tl0_picture_index_offset >= size) abort();
  if (info->reference_count > PayloadInfo::kMaxReferences) abort();
  if (info->has_structure) {
    Vp9Structure structure;
    if (!ParseVp9Structure(payload, &structure)) abort();  // it has been read before
    for (const Vp9Structure::Picture& each : structure.pictures) {
      if (each.reference_count > PayloadInfo::kMaxReferences) abort();
    }
  }
  if (codec == CodecKind::kAv1) {
    for (const Av1Joint joint :
         {Av1Joint{true, false}, Av1Joint{false, true}, Av1Joint{true, true}}) {
      std::vector<uint8_t> joined(size + kMaxAv1JoinGrowth);
      joined.resize(JoinAv1(payload, joint, joined.data()));
      if (!ParsePayload(codec, joined)) abort();
    }
  }
  if (codec != CodecKind::kVp8 && codec != CodecKind::kVp9) return 0;
  RewriteContinuity(payload, *info, {0x1234, 0x56});
  const auto again = ParsePayload(codec, payload);
  if (!again || again->key_frame != info->key_frame ||
      again->picture_id.has_value() != info->picture_id.has_value()) {
    abort();
  }
  if (again->picture_id && *again->picture_id != (info->picture_id_long ? 0x1234 : 0x34)) abort();
  if (again->tl0_picture_index && *again->tl0_picture_index != 0x56) abort();
  return 0;
}

}  // namespace sluice::worker
