#pragma once

#include <string>
#include <vector>

#include "common/rtp_parameters.h"
#include "proto/rtp_parameters_generated.h"

/// RTP dictionaries → FlatBuffers of the router protocol.
namespace sluice::controller {

flatbuffers::Offset<FBS::RtpParameters::RtpParameters> Encode(
    flatbuffers::FlatBufferBuilder& builder, const RtpParameters& parameters);
/// The same with another mid and other encodings than are in `parameters`.
flatbuffers::Offset<FBS::RtpParameters::RtpParameters> Encode(
    flatbuffers::FlatBufferBuilder& builder, const RtpParameters& parameters,
    const std::string& mid, const std::vector<RtpEncodingParameters>& encodings);
flatbuffers::Offset<FBS::RtpParameters::RtpMapping> Encode(flatbuffers::FlatBufferBuilder& builder,
                                                           const RtpMapping& mapping);
std::vector<flatbuffers::Offset<FBS::RtpParameters::RtpEncodingParameters>> Encode(
    flatbuffers::FlatBufferBuilder& builder, const std::vector<RtpEncodingParameters>& encodings);

}  // namespace sluice::controller
