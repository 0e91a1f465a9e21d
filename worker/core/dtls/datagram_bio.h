#pragma once

#include <sys/select.h>  // timeval

#include <cstdint>
#include <span>

#include "worker/core/dtls/openssl_ptr.h"

namespace sluice::worker {

/// What a datagram BIO is connected to: one DTLS session.
class DatagramBioPeer {
 public:
  virtual ~DatagramBioPeer() = default;
  /// The datagram that waits to be read, taken by this call; empty when there is none.
  virtual std::span<const uint8_t> TakeIncoming() = 0;
  /// Whole DTLS records to be sent together.
  virtual void OnOutgoing(std::span<const uint8_t> records) = 0;
  /// OpenSSL has armed (non-zero) or stopped (zero) its flight timer. See OpenSslDtlsSession.
  virtual void OnFlightTimer(timeval* expiry) = 0;
};

/// A BIO that keeps datagram boundaries, which OpenSSL's memory BIO does not: a read gives one
/// datagram or "try again", a write is one datagram.
BioMethodPtr MakeDatagramBioMethod();
/// `method` and `peer` outlive the BIO.
BIO* NewDatagramBio(const BIO_METHOD& method, DatagramBioPeer& peer);

}  // namespace sluice::worker
