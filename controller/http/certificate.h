#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/status.h"

namespace sluice::controller {

/// What the first certificate of a PEM file says of itself.
struct CertificateFacts {
  std::vector<std::string> names;  ///< DNS names and addresses that it is for
  int64_t not_before = 0;          ///< seconds since 1970
  int64_t not_after = 0;
};

/// Error names the file and what is wrong.
Result<CertificateFacts> ReadCertificate(const std::string& file);

/// Whether the certificate is for the host, a name or an address: "*.example.com" stands for one
/// label (RFC 6125 §6.4.3).
bool IsForHost(const CertificateFacts& facts, const std::string& host);

}  // namespace sluice::controller
