#pragma once

#include <memory>

#include "common/status.h"
#include "worker/core/srtp/srtp_session.h"

namespace sluice::worker {

// The implementations behind SrtpEngine::Create and SrtpReceiver::Create, one source file each.
// The keys given here have passed CheckMasterKey.

Result<std::unique_ptr<SrtpEngine>> CreateOpenSslEngine();
Result<std::unique_ptr<SrtpReceiver>> CreateOpenSslReceiver(const SrtpMasterKey& key);

/// True where this build has ipsec-mb and the CPU what it needs (AES-NI, PCLMULQDQ, SSE4.2).
bool IpsecMbUsable();
Result<std::unique_ptr<SrtpEngine>> CreateIpsecMbEngine();
Result<std::unique_ptr<SrtpReceiver>> CreateIpsecMbReceiver(const SrtpMasterKey& key);

Result<std::unique_ptr<SrtpEngine>> CreateLibsrtpEngine();
Result<std::unique_ptr<SrtpReceiver>> CreateLibsrtpReceiver(const SrtpMasterKey& key);

}  // namespace sluice::worker
