#include <memory>

#include "worker/core/srtp/openssl_ciphers.h"
#include "worker/core/srtp/packet_ciphers.h"
#include "worker/core/srtp/session_builders.h"
#include "worker/core/srtp/srtp_backends.h"

namespace sluice::worker {
namespace {

using OpenSslGcm = GcmPacketCipher<OpenSslAead>;
using OpenSslCm = CmPacketCipher<OpenSslCtr>;

class OpenSslEngine final : public SrtpEngine {
 public:
  Kind kind() const override { return Kind::kOpenSsl; }
  void Flush() override {}  // every packet is finished at once

  Result<std::unique_ptr<SrtpSender>> CreateSender(const SrtpMasterKey& key) override {
    const auto keys = DerivedKeys::From(key);
    if (!keys.ok()) return keys.status();
    if (IsGcm(key.profile)) {
      return BuildGcm<SrtpSender, SrtpSenderOf<OpenSslGcm>>(*keys, CipherDirection::kSeal);
    }
    return BuildCm<SrtpSender, SrtpSenderOf<OpenSslCm>>(*keys);
  }
};

}  // namespace

Result<std::unique_ptr<SrtpEngine>> CreateOpenSslEngine() {
  return std::unique_ptr<SrtpEngine>(std::make_unique<OpenSslEngine>());
}

Result<std::unique_ptr<SrtpReceiver>> CreateOpenSslReceiver(const SrtpMasterKey& key) {
  const auto keys = DerivedKeys::From(key);
  if (!keys.ok()) return keys.status();
  if (IsGcm(key.profile)) {
    return BuildGcm<SrtpReceiver, SrtpReceiverOf<OpenSslGcm>>(*keys, CipherDirection::kOpen);
  }
  return BuildCm<SrtpReceiver, SrtpReceiverOf<OpenSslCm>>(*keys);
}

}  // namespace sluice::worker
