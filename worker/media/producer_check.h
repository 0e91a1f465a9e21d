#pragma once

#include "common/status.h"
#include "worker/media/options.h"

namespace sluice::worker {

/// Checks what a producer is asked to be (docs/protocols/router-protocol.md §9, §10); `parameters`,
/// a copy of those in `options`, is brought to canonical form. TypeErrors name the field.
Status CheckProduceOptions(const ProduceOptions& options, RtpParameters* parameters);

/// What a producer with these parameters is: several encodings are simulcast, one with several
/// layers is SVC. Audio is simple.
RtpType ProducerTypeOf(const RtpParameters& parameters, MediaKind kind);

}  // namespace sluice::worker
