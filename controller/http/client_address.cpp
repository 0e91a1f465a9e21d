#include "controller/http/client_address.h"

#include <algorithm>
#include <charconv>
#include <optional>

namespace sluice::controller {

namespace net = boost::asio::ip;

namespace {

using Bytes = net::address_v6::bytes_type;
constexpr int kV6Bits = 128;
constexpr int kV4Bits = 32;
constexpr int kSiteBytes = 8;  // a /64

/// Both families as IPv6.
Bytes BytesOf(const net::address& address) {
  if (address.is_v6()) return address.to_v6().to_bytes();
  return net::make_address_v6(net::v4_mapped, address.to_v4()).to_bytes();
}

std::optional<net::address> ParseAddress(std::string_view text) {
  constexpr size_t kLongest = 64;  // the parser wants an end of text
  if (text.size() > kLongest) return std::nullopt;
  boost::system::error_code error;
  const net::address address = net::make_address(std::string(text), error);
  if (error) return std::nullopt;
  return address;
}

std::string_view Trim(std::string_view text) {
  while (text.starts_with(' ') || text.starts_with('\t')) text.remove_prefix(1);
  while (text.ends_with(' ') || text.ends_with('\t')) text.remove_suffix(1);
  return text;
}

/// An entry of X-Forwarded-For: an address, which some proxies write with a port.
std::optional<net::address> ParseHop(std::string_view text) {
  text = Trim(text);
  if (text.starts_with('[')) {
    const size_t end = text.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    return ParseAddress(text.substr(1, end - 1));
  }
  if (std::count(text.begin(), text.end(), ':') == 1) text = text.substr(0, text.find(':'));
  return ParseAddress(text);
}

}  // namespace

std::string AddressText(const net::address& address) {
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    return net::make_address_v4(net::v4_mapped, address.to_v6()).to_string();
  }
  return address.to_string();
}

std::string SourceOf(const std::string& client_ip) {
  const std::optional<net::address> address = ParseAddress(client_ip);
  if (!address || address->is_v4()) return client_ip;
  Bytes bytes = address->to_v6().to_bytes();
  std::fill(bytes.begin() + kSiteBytes, bytes.end(), static_cast<unsigned char>(0));
  return net::address_v6(bytes).to_string();
}

bool IsLoopback(const std::string& ip) {
  boost::system::error_code error;
  const boost::asio::ip::address address = boost::asio::ip::make_address(ip, error);
  if (error) return false;
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    return boost::asio::ip::make_address_v4(boost::asio::ip::v4_mapped, address.to_v6())
        .is_loopback();
  }
  return address.is_loopback();
}

Result<TrustedProxies> TrustedProxies::Parse(const std::vector<std::string>& texts) {
  TrustedProxies proxies;
  for (const std::string& text : texts) {
    const size_t slash = text.find('/');
    const std::optional<net::address> address = ParseAddress(text.substr(0, slash));
    const int most = address && address->is_v4() ? kV4Bits : kV6Bits;
    int bits = most;
    bool good = address.has_value();
    if (good && slash != std::string::npos) {
      const char* const end = text.data() + text.size();
      const auto [rest, error] = std::from_chars(text.data() + slash + 1, end, bits);
      good = error == std::errc() && rest == end && bits >= 0 && bits <= most;
    }
    if (!good) {
      return TypeError("\"" + text +
                       "\" must be an address or a network, such as 10.0.0.0/8 or 2001:db8::/32");
    }
    proxies.networks_.push_back({BytesOf(*address), kV6Bits - most + bits});
  }
  return proxies;
}

bool TrustedProxies::Trusts(const std::string& ip) const {
  if (networks_.empty()) return false;
  const std::optional<net::address> address = ParseAddress(ip);
  if (!address) return false;
  const Bytes bytes = BytesOf(*address);
  return std::any_of(networks_.begin(), networks_.end(), [&](const Network& network) {
    constexpr int kByte = 8;
    const auto whole = static_cast<size_t>(network.bits / kByte);
    if (!std::equal(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(whole),
                    network.prefix.begin())) {
      return false;
    }
    const int left = network.bits % kByte;
    if (left == 0) return true;
    const int shift = kByte - left;
    return bytes.at(whole) >> shift == network.prefix.at(whole) >> shift;
  });
}

std::string TrustedProxies::ClientOf(const std::string& peer,
                                     std::string_view forwarded_for) const {
  std::string client = peer;
  while (Trusts(client) && !forwarded_for.empty()) {
    const size_t comma = forwarded_for.rfind(',');
    const bool last = comma == std::string_view::npos;
    const std::optional<net::address> hop =
        ParseHop(last ? forwarded_for : forwarded_for.substr(comma + 1));
    if (!hop) break;
    client = AddressText(*hop);
    forwarded_for = last ? std::string_view() : forwarded_for.substr(0, comma);
  }
  return client;
}

}  // namespace sluice::controller
