#pragma once

#include <vector>

#include "common/rtp_parameters.h"
#include "proto/rtp_parameters_generated.h"

/// RTP dictionaries → FlatBuffers of the router protocol.
namespace sluice::controller {

flatbuffers::Offset<FBS::RtpParameters::RtpParameters> Encode(
    flatbuffers::FlatBufferBuilder& builder, const RtpParameters& parameters);
flatbuffers::Offset<FBS::RtpParameters::RtpMapping> Encode(flatbuffers::FlatBufferBuilder& builder,
                                                           const RtpMapping& mapping);
std::vector<flatbuffers::Offset<FBS::RtpParameters::RtpEncodingParameters>> Encode(
    flatbuffers::FlatBufferBuilder& builder, const std::vector<RtpEncodingParameters>& encodings);

}  // namespace sluice::controller
