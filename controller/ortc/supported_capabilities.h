#pragma once

#include "controller/ortc/capabilities.h"

namespace sluice::controller {

/// Everything that a worker can route: codecs with their default parameters and feedback, and
/// header extensions with the ids that the router uses (docs/protocols/router-protocol.md §11).
const RtpCapabilities& SupportedRtpCapabilities();

}  // namespace sluice::controller
