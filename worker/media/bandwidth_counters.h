#pragma once

#include <cstdint>

namespace sluice::worker {

/// What the estimation of paths to viewers, and the pacing of what goes there, have counted.
struct BandwidthCounters {
  uint64_t feedbacks = 0;         ///< transport-cc feedback that came
  uint64_t rembs = 0;             ///< REMBs that came
  uint64_t packets_received = 0;  ///< that feedback says have arrived
  uint64_t packets_lost = 0;      ///< that it says have not; some arrive later, and count as both
  uint64_t packets_unknown = 0;   ///< that it names and that were not sent, or too long ago
  uint64_t clock_steps = 0;       ///< times that the clock of a receiver was set
  uint64_t probes = 0;            ///< bursts sent to learn whether more fits
  uint64_t padding_bytes = 0;     ///< sent for nothing else, probes included
  uint64_t packets_held = 0;      ///< that waited for their turn
  uint64_t packets_dropped = 0;   ///< that waited in vain
};

/// Paths whose bandwidth is estimated, at one moment.
struct PathStates {
  uint64_t unanswered = 0;    ///< their receivers have not said anything
  uint64_t limited = 0;       ///< viewers get less than they want
  uint64_t unlimited = 0;     ///< they get all
  uint64_t available = 0;     ///< bps that they take by estimate, all together
  uint64_t wanted = 0;        ///< bps that their viewers want, all together
  uint64_t resting = 0;       ///< consumers of video that are sent nothing, as nothing fits
  uint64_t queued_bytes = 0;  ///< that wait for their turn
};

}  // namespace sluice::worker
