#pragma once

#include <openssl/ssl.h>

#include "common/status.h"
#include "worker/core/srtp/srtp_types.h"

namespace sluice::worker {

/// The SRTP keys of both directions as a finished handshake yields them.
struct DtlsSrtpKeys {
  SrtpMasterKey client;  ///< what the DTLS client sends with
  SrtpMasterKey server;
};

/// Exports the keys of the negotiated profile (RFC 5764 §4.2). Error when there is none or it is
/// not one of ours.
Result<DtlsSrtpKeys> ExportSrtpKeys(SSL& ssl);

}  // namespace sluice::worker
