#include "controller/http/certificate.h"

#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <strings.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <memory>
#include <string_view>

#include "common/socket_address.h"

namespace sluice::controller {

namespace {

struct FreeBio {
  void operator()(BIO* bio) const { BIO_free_all(bio); }
};
struct FreeX509 {
  void operator()(X509* certificate) const { X509_free(certificate); }
};
struct FreeNames {
  void operator()(GENERAL_NAMES* names) const { GENERAL_NAMES_free(names); }
};

int64_t SecondsOf(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return 0;
  return timegm(&parts);
}

std::string AddressOf(const ASN1_OCTET_STRING* text) {
  const unsigned char* data = ASN1_STRING_get0_data(text);
  if (ASN1_STRING_length(text) == 4) {
    std::array<uint8_t, 4> bytes{};
    std::copy_n(data, bytes.size(), bytes.begin());
    return IpAddress::V4(bytes).ToString();
  }
  if (ASN1_STRING_length(text) != 16) return "";
  std::array<uint8_t, 16> bytes{};
  std::copy_n(data, bytes.size(), bytes.begin());
  return IpAddress::V6(bytes).ToString();
}

std::string NameOf(const GENERAL_NAME& name) {
  if (name.type == GEN_IPADD) return AddressOf(name.d.iPAddress);
  if (name.type != GEN_DNS) return "";
  const auto* data = reinterpret_cast<const char*>(ASN1_STRING_get0_data(name.d.dNSName));
  return {data, static_cast<size_t>(ASN1_STRING_length(name.d.dNSName))};
}

bool SameName(std::string_view one, std::string_view other) {
  return one.size() == other.size() && strncasecmp(one.data(), other.data(), one.size()) == 0;
}

}  // namespace

Result<CertificateFacts> ReadCertificate(const std::string& file) {
  const std::unique_ptr<BIO, FreeBio> bio(BIO_new_file(file.c_str(), "r"));
  const std::unique_ptr<X509, FreeX509> certificate(
      bio ? PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr) : nullptr);
  if (!certificate) return Error("\"" + file + "\" is not a readable PEM certificate");
  CertificateFacts facts;
  facts.not_before = SecondsOf(X509_get0_notBefore(certificate.get()));
  facts.not_after = SecondsOf(X509_get0_notAfter(certificate.get()));
  const std::unique_ptr<GENERAL_NAMES, FreeNames> names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate.get(), NID_subject_alt_name, nullptr, nullptr)));
  const int count = names ? sk_GENERAL_NAME_num(names.get()) : 0;
  for (int i = 0; i < count; ++i) {
    std::string name = NameOf(*sk_GENERAL_NAME_value(names.get(), i));
    if (!name.empty()) facts.names.push_back(std::move(name));
  }
  return facts;
}

bool IsForHost(const CertificateFacts& facts, const std::string& host) {
  const auto address = IpAddress::Parse(host);
  return std::any_of(facts.names.begin(), facts.names.end(), [&](const std::string& name) {
    if (address) return IpAddress::Parse(name) == address;
    if (!name.starts_with("*.")) return SameName(name, host);
    const size_t dot = host.find('.');
    return dot != std::string::npos && dot > 0 &&
           SameName(std::string_view(name).substr(1), std::string_view(host).substr(dot));
  });
}

}  // namespace sluice::controller
