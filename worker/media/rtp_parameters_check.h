#pragma once

#include <cstdint>

#include "common/rtp_parameters.h"
#include "common/status.h"
#include "worker/media/reports.h"

namespace sluice::worker {

/// Checks the RTP parameters of a producer or consumer and brings them to one form
/// (docs/protocols/router-protocol.md §9): canonical MIME case, `ssrc` and `rtx_ssrc` 0 = absent,
/// `codec_payload_type` filled in, an unreadable scalability mode = none, 0 channels = 1.
/// TypeErrors name the field and its value. On error `parameters` is half done: throw it away.
Status CheckRtpParameters(RtpParameters* parameters);

/// True for a codec that carries media itself: not rtx, FEC, red, CN or telephone-event.
/// For parameters that CheckRtpParameters has passed.
bool IsMediaCodec(const RtpCodecParameters& codec);
bool IsRtxCodec(const RtpCodecParameters& codec);
bool IsAudioRedCodec(const RtpCodecParameters& codec);  ///< redundant audio, RFC 2198
/// FlexFEC as browsers send it (draft-ietf-payload-flexible-fec-scheme-03).
bool IsFlexfecCodec(const RtpCodecParameters& codec);
/// By the first part of its MIME type.
bool IsOfKind(const RtpCodecParameters& codec, MediaKind kind);

// The following are for parameters that CheckRtpParameters has passed.

/// The media codec of an encoding. Never null.
const RtpCodecParameters* CodecOf(const RtpParameters& parameters,
                                  const RtpEncodingParameters& encoding);
/// The rtx codec whose `apt` is `payload_type`; null when there is none.
const RtpCodecParameters* RtxCodecOf(const RtpParameters& parameters, uint8_t payload_type);
/// True when the codec lists feedback `type` with exactly this `parameter` ("" = none).
bool HasFeedback(const RtpCodecParameters& codec, const char* type, const char* parameter = "");
/// What dumps show of the stream of `parameters.encodings[index]`, and what it is driven by.
/// `ssrc` is 0 where the encoding has none.
RtpStreamParams StreamParamsOf(const RtpParameters& parameters, size_t index);
/// Makes `params`, those of the stream of `encoding`, those of a stream of this codec: payload
/// types, clock rate, feedback, DTX, FEC. An RTX SSRC that it has stays. Of `parameters` only the
/// codecs count.
void SetCodec(const RtpParameters& parameters, const RtpEncodingParameters& encoding,
              const RtpCodecParameters& codec, RtpStreamParams* params);

}  // namespace sluice::worker
