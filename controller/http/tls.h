#pragma once

#include <boost/asio/ssl/context.hpp>
#include <memory>
#include <string>
#include <vector>

#include "common/socket_address.h"
#include "common/status.h"

namespace sluice::controller {

namespace asio = boost::asio;

struct TlsFiles {
  std::string certificate;  ///< PEM, chain allowed
  std::string key;          ///< PEM
};

/// A server context (TLS 1.2 and up) from PEM files. Error names the file and what is wrong.
Result<std::shared_ptr<asio::ssl::context>> LoadTls(const TlsFiles& files);

/// The self-signed certificate kept in `directory`; made at the first call: P-256, for "localhost"
/// and `addresses` (IP literals; others are taken as DNS names), the key readable by its owner
/// only.
Result<TlsFiles> EnsureSelfSigned(const std::string& directory,
                                  const std::vector<std::string>& addresses);

/// fe80::/10 (RFC 4291 §2.5.6): of use only with a zone, which neither certificates nor ICE
/// candidates can carry.
bool IsIpv6LinkLocal(const IpAddress& ip);

/// Addresses of this machine's interfaces that are up, loopback last, without IPv6 link-local ones.
std::vector<std::string> LocalAddresses();

}  // namespace sluice::controller
