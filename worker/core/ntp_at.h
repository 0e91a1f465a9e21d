#pragma once

#include "common/units.h"
#include "worker/core/environment.h"

namespace sluice::worker {

/// Our time of day at `at`. For packets that is when the kernel received them: in a turn that comes
/// late Environment::NtpNow() is later than that, and would make load look like distance.
inline NtpTime NtpAt(const Environment& environment, Timestamp at) {
  return NtpTime::FromMicros(environment.NtpNow().ToMicros() + (at - environment.Now()).us());
}

}  // namespace sluice::worker
