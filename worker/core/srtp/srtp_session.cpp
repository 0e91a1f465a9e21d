#include "worker/core/srtp/srtp_session.h"

#include "common/log.h"
#include "worker/core/srtp/srtp_backends.h"
#include "worker/core/srtp/srtp_kdf.h"

namespace sluice::worker {
namespace {

SrtpEngine::Kind Resolve(SrtpEngine::Kind kind) {
  if (kind != SrtpEngine::Kind::kAuto) return kind;
  return IpsecMbUsable() ? SrtpEngine::Kind::kIpsecMb : SrtpEngine::Kind::kOpenSsl;
}

const char* ToText(SrtpRefusal reason) {
  switch (reason) {
    case SrtpRefusal::kTooManySsrcs:
      return "there is no room for another SSRC";
    case SrtpRefusal::kIndexUsed:
      return "its index may have been used with other bytes before";
    default:
      return "its size is impossible, or the keys are spent";
  }
}

}  // namespace

size_t SrtpSender::Refuse(SrtpRefusal reason) {
  if (refused_[static_cast<size_t>(reason)]++ == 0) {
    SLUICE_WARN(kSrtp, "SRTP does not send a packet: {} (said once for these keys, counted after)",
                ToText(reason));
  }
  return 0;
}

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
