#pragma once

#include <openssl/x509.h>

#include <string_view>

#include "common/status.h"
#include "worker/core/dtls/dtls_session.h"

namespace sluice::worker {

/// Certificate fingerprints as SDP carries them (RFC 8122 §5): upper-case hex pairs with colons.

/// "sha-256" and so on, as SDP and ORTC write it.
std::string_view ToString(FingerprintAlgorithm algorithm);

/// TypeError when `fingerprint.value` is not the hex pairs with colons that its algorithm makes (in
/// any case); the text names what is wrong.
Status CheckFingerprint(const DtlsFingerprint& fingerprint);

/// The certificate's fingerprint; Error when OpenSSL cannot digest it.
Result<DtlsFingerprint> MakeFingerprint(const X509& certificate, FingerprintAlgorithm algorithm);

/// True when `fingerprint` is the certificate's, without regard to case. A malformed one never is.
bool MatchesFingerprint(const X509& certificate, const DtlsFingerprint& fingerprint);

}  // namespace sluice::worker
