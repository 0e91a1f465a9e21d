#pragma once

#include <memory>
#include <utility>

#include "common/status.h"
#include "worker/core/srtp/session_templates.h"
#include "worker/core/srtp/srtp_kdf.h"

namespace sluice::worker {

/// Session keys of one direction, both domains.
struct DerivedKeys {
  SrtpSessionKeys rtp;
  SrtpSessionKeys rtcp;

  static Result<DerivedKeys> From(const SrtpMasterKey& key) {
    auto rtp = DeriveSessionKeys(key, SrtpDomain::kRtp);
    if (!rtp.ok()) return rtp.status();
    auto rtcp = DeriveSessionKeys(key, SrtpDomain::kRtcp);
    if (!rtcp.ok()) return rtcp.status();
    return DerivedKeys{*rtp, *rtcp};
  }
};

/// A GCM session: `Session` is SrtpSenderOf or SrtpReceiverOf<GcmPacketCipher<Aead>>, made an
/// `Interface`.
template <typename Interface, typename Session>
Result<std::unique_ptr<Interface>> BuildGcm(const DerivedKeys& keys, CipherDirection direction) {
  auto session = std::make_unique<Session>();
  if (!session->cipher().Init(keys.rtp, keys.rtcp, direction)) {
    return Error("srtp: the AES-GCM cipher could not be keyed");
  }
  return std::unique_ptr<Interface>(std::move(session));
}

/// An AES-CM session; `args` come before the keys.
template <typename Interface, typename Session, typename... Args>
Result<std::unique_ptr<Interface>> BuildCm(const DerivedKeys& keys, Args&&... args) {
  auto session = std::make_unique<Session>(std::forward<Args>(args)..., keys.rtp, keys.rtcp);
  if (!session->cipher().usable()) return Error("srtp: the AES-CM cipher could not be keyed");
  return std::unique_ptr<Interface>(std::move(session));
}

}  // namespace sluice::worker
