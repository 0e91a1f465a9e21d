#include "worker/core/srtp/srtp_session.h"

#include "worker/core/srtp/srtp_backends.h"
#include "worker/core/srtp/srtp_kdf.h"

namespace sluice::worker {
namespace {

SrtpEngine::Kind Resolve(SrtpEngine::Kind kind) {
  if (kind != SrtpEngine::Kind::kAuto) return kind;
  return IpsecMbUsable() ? SrtpEngine::Kind::kIpsecMb : SrtpEngine::Kind::kOpenSsl;
}

}  // namespace

Result<std::unique_ptr<SrtpEngine>> SrtpEngine::Create(Kind kind) {
  switch (Resolve(kind)) {
    case Kind::kIpsecMb:
      return CreateIpsecMbEngine();
    case Kind::kLibsrtp:
      return CreateLibsrtpEngine();
    default:
      return CreateOpenSslEngine();
  }
}

Result<std::unique_ptr<SrtpSender>> SrtpSender::Create(const SrtpMasterKey& key,
                                                       SrtpEngine& engine) {
  SLUICE_RETURN_IF_ERROR(CheckMasterKey(key));
  return engine.CreateSender(key);
}

Result<std::unique_ptr<SrtpReceiver>> SrtpReceiver::Create(const SrtpMasterKey& key,
                                                           SrtpEngine::Kind kind) {
  SLUICE_RETURN_IF_ERROR(CheckMasterKey(key));
  switch (Resolve(kind)) {
    case SrtpEngine::Kind::kIpsecMb:
      return CreateIpsecMbReceiver(key);
    case SrtpEngine::Kind::kLibsrtp:
      return CreateLibsrtpReceiver(key);
    default:
      return CreateOpenSslReceiver(key);
  }
}

}  // namespace sluice::worker
