#include "controller/http/tls.h"

#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <set>

#include "common/fd.h"

namespace sluice::controller {

namespace fs = std::filesystem;

namespace {

template <typename T, void (*kFree)(T*)>
struct Freed {
  void operator()(T* object) const { kFree(object); }
};
using KeyPtr = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY, EVP_PKEY_free>>;
using CertificatePtr = std::unique_ptr<X509, Freed<X509, X509_free>>;
using BioPtr = std::unique_ptr<BIO, Freed<BIO, BIO_free_all>>;

constexpr long kValidSeconds = 10L * 365 * 24 * 3600;  // kept by us, trusted by hand
constexpr int kSerialBits = 63;

bool AddExtension(X509* certificate, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  if (!extension) return false;
  const bool added = X509_add_ext(certificate, extension, -1) == 1;
  X509_EXTENSION_free(extension);
  return added;
}

std::string AlternativeNames(const std::vector<std::string>& addresses) {
  std::set<std::string> names = {"DNS:localhost", "IP:127.0.0.1", "IP:0:0:0:0:0:0:0:1"};
  for (const std::string& address : addresses) {
    const auto ip = IpAddress::Parse(address);
    if (ip && ip->is_unspecified()) continue;
    if (address.find_first_of(",%\n") != std::string::npos) continue;
    names.insert((ip ? "IP:" : "DNS:") + address);
  }
  std::string joined;
  for (const std::string& name : names) joined += (joined.empty() ? "" : ",") + name;
  return joined;
}

CertificatePtr MakeCertificate(EVP_PKEY* key, const std::vector<std::string>& addresses) {
  CertificatePtr certificate(X509_new());
  if (!certificate) return nullptr;
  uint64_t serial = 0;
  if (RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof(serial)) != 1) return nullptr;
  serial &= (uint64_t{1} << kSerialBits) - 1;
  X509_set_version(certificate.get(), X509_VERSION_3);
  ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate.get()), serial);
  constexpr long kBackdated = -24L * 3600;  // clients whose clock is behind
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), kBackdated);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), kValidSeconds);
  X509_set_pubkey(certificate.get(), key);
  X509_NAME* name = X509_get_subject_name(certificate.get());
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>("Sluice"), -1, -1, 0);
  X509_set_issuer_name(certificate.get(), name);
  const bool complete =
      AddExtension(certificate.get(), NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
      AddExtension(certificate.get(), NID_ext_key_usage, "serverAuth") &&
      AddExtension(certificate.get(), NID_subject_alt_name, AlternativeNames(addresses)) &&
      X509_sign(certificate.get(), key, EVP_sha256()) != 0;
  return complete ? std::move(certificate) : nullptr;
}

/// Writes through a temporary name, so that a half-written file is never read.
Status WritePem(const fs::path& path, const BioPtr& pem) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(pem.get(), &data);
  const std::string temporary = path.string() + ".new";
  const Fd file(open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  const bool written = file.valid() && write(file.get(), data, static_cast<size_t>(size)) ==
                                           static_cast<ssize_t>(size);
  if (!written || rename(temporary.c_str(), path.c_str()) != 0) {
    return Error("cannot write " + path.string() + ": " + std::strerror(errno));
  }
  return absl::OkStatus();
}

}  // namespace

Result<std::shared_ptr<asio::ssl::context>> LoadTls(const TlsFiles& files) {
  boost::system::error_code error;
  auto context = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_server);
  context->set_options(asio::ssl::context::default_workarounds | asio::ssl::context::no_tlsv1 |
                       asio::ssl::context::no_tlsv1_1);
  context->use_certificate_chain_file(files.certificate, error);
  if (error) {
    return Error("tlsCert \"" + files.certificate +
                 "\" is not a readable PEM certificate: " + error.message());
  }
  context->use_private_key_file(files.key, asio::ssl::context::pem, error);
  if (error) {
    return Error("tlsKey \"" + files.key +
                 "\" is not a readable PEM key of that certificate: " + error.message());
  }
  return context;
}

Result<TlsFiles> EnsureSelfSigned(const std::string& directory,
                                  const std::vector<std::string>& addresses) {
  const fs::path folder(directory);
  const TlsFiles files{(folder / "tls-cert.pem").string(), (folder / "tls-key.pem").string()};
  std::error_code error;
  if (fs::exists(files.certificate, error) && fs::exists(files.key, error)) return files;
  fs::create_directories(folder, error);
  if (error) return Error("stateDir \"" + directory + "\" cannot be made: " + error.message());

  const KeyPtr key(EVP_EC_gen("P-256"));
  if (!key) return Error("cannot make a TLS key");
  const CertificatePtr certificate = MakeCertificate(key.get(), addresses);
  if (!certificate) return Error("cannot make a TLS certificate");
  const BioPtr key_pem(BIO_new(BIO_s_mem()));
  const BioPtr certificate_pem(BIO_new(BIO_s_mem()));
  if (PEM_write_bio_PrivateKey(key_pem.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) !=
          1 ||
      PEM_write_bio_X509(certificate_pem.get(), certificate.get()) != 1) {
    return Error("cannot encode the TLS certificate");
  }
  SLUICE_RETURN_IF_ERROR(WritePem(files.key, key_pem));
  SLUICE_RETURN_IF_ERROR(WritePem(files.certificate, certificate_pem));
  return files;
}

bool IsIpv6LinkLocal(const IpAddress& ip) {
  return ip.is_v6() && ip.bytes()[0] == 0xfe && (ip.bytes()[1] & 0xc0) == 0x80;
}

std::vector<std::string> LocalAddresses() {
  std::vector<std::string> addresses;
  std::vector<std::string> loopback;
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return addresses;
  for (const ifaddrs* entry = list; entry; entry = entry->ifa_next) {
    if (!entry->ifa_addr || (entry->ifa_flags & IFF_UP) == 0) continue;
    const int family = entry->ifa_addr->sa_family;
    if (family != AF_INET && family != AF_INET6) continue;
    const SocketAddress address = SocketAddress::FromSockaddr(entry->ifa_addr);
    if (IsIpv6LinkLocal(address.ip)) continue;
    const bool local = (entry->ifa_flags & IFF_LOOPBACK) != 0;
    (local ? loopback : addresses).push_back(address.ip.ToString());
  }
  freeifaddrs(list);
  addresses.insert(addresses.end(), loopback.begin(), loopback.end());
  return addresses;
}

}  // namespace sluice::controller
