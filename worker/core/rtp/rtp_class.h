#pragma once

#include <cstdint>

namespace sluice::worker {

/// What a packet is to the transport that sends it. Probation packets are those that probe for
/// bandwidth.
enum class RtpClass : uint8_t { kMedia, kRetransmission, kPadding, kProbation };

}  // namespace sluice::worker
