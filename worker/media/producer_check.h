#pragma once

#include "common/status.h"
#include "worker/media/options.h"

namespace sluice::worker {

/// Checks what a producer is asked to be (router-protocol §5.9, §5.10); `parameters`, a copy of
/// those in `options`, is brought to canonical form. TypeErrors name the field.
/// UnsupportedError: several encodings (simulcast) or spatial layers (SVC).
Status CheckProduceOptions(const ProduceOptions& options, RtpParameters* parameters);

}  // namespace sluice::worker
