#pragma once

#include <string>
#include <vector>

#include "controller/ortc/capabilities.h"
#include "controller/sdp/description.h"
#include "controller/worker/worker_types.h"

namespace sluice::controller::sdp {

/// Names of the session descriptions in fuzzers/corpus/sdp.
std::vector<std::string> CorpusNames();
std::string CorpusText(const std::string& name);
/// One of them, read.
Description FromCorpus(const std::string& name);
/// `text` with `from` (which must be there) replaced everywhere.
std::string Replaced(std::string text, const std::string& from, const std::string& to);

/// What a room with Opus, VP8, VP9, H264 (constrained baseline and main, mode 1) and AV1 offers.
const RtpCapabilities& TestRoom();
/// A transport of ours with candidates of all kinds.
WebRtcTransportInfo TestTransport();

}  // namespace sluice::controller::sdp
