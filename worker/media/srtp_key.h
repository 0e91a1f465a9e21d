#pragma once

#include "common/status.h"
#include "worker/core/environment.h"
#include "worker/core/srtp/srtp_types.h"
#include "worker/media/options.h"

namespace sluice::worker {

/// A random master key and salt of the profile's length (docs/protocols/ice-dtls-srtp.md §5).
SrtpMasterKey GenerateSrtpKey(SrtpProfile profile, Environment& environment);

/// As it travels in commands.
SrtpParameters ToSrtpParameters(const SrtpMasterKey& key);
/// TypeError when the text is not base64 of exactly the profile's key and salt.
Result<SrtpMasterKey> ParseSrtpParameters(const SrtpParameters& parameters);

}  // namespace sluice::worker
