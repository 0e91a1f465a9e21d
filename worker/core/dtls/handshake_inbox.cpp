#include "worker/core/dtls/handshake_inbox.h"

#include <algorithm>

namespace sluice::worker {
namespace {

/// Handshake types (RFC 5246 §7.4, RFC 6347 §4.3.2).
enum Type : uint8_t {
  kClientHello = 1,
  kServerHello = 2,
  kHelloVerifyRequest = 3,
  kCertificate = 11,
  kServerKeyExchange = 12,
  kCertificateRequest = 13,
  kServerHelloDone = 14,
  kCertificateVerify = 15,
  kClientKeyExchange = 16,
};

size_t Read24(const uint8_t* p) {
  return static_cast<size_t>(p[0]) << 16 | static_cast<size_t>(p[1]) << 8 | p[2];
}
void Write24(uint8_t* p, size_t value) {
  p[0] = static_cast<uint8_t>(value >> 16);
  p[1] = static_cast<uint8_t>(value >> 8);
  p[2] = static_cast<uint8_t>(value);
}

}  // namespace

struct HandshakeInbox::Fragment {
  uint8_t type = 0;
  uint16_t sequence = 0;
  size_t length = 0;  // of the whole message's body
  size_t offset = 0;
  std::span<const uint8_t> bytes;
};

/// The fragment at the start of `payload`; nullopt when its header contradicts itself.
std::optional<HandshakeInbox::Fragment> HandshakeInbox::Parse(std::span<const uint8_t> payload) {
  if (payload.size() < kHeader) return std::nullopt;
  Fragment fragment;
  fragment.type = payload[0];
  fragment.length = Read24(&payload[1]);
  fragment.sequence = static_cast<uint16_t>(payload[4] << 8 | payload[5]);
  fragment.offset = Read24(&payload[6]);
  const size_t size = Read24(&payload[9]);
  if (size > payload.size() - kHeader || fragment.length > kMaxMessage) return std::nullopt;
  if (fragment.offset + size > fragment.length) return std::nullopt;
  if (size == 0 && fragment.length > 0) return std::nullopt;
  fragment.bytes = payload.subspan(kHeader, size);
  return fragment;
}

bool HandshakeInbox::Add(std::span<const uint8_t> payload) {
  while (!payload.empty()) {
    const std::optional<Fragment> fragment = Parse(payload);
    if (!fragment || !AddFragment(*fragment)) return false;
    payload = payload.subspan(kHeader + fragment->bytes.size());
  }
  return true;
}

bool HandshakeInbox::AddFragment(const Fragment& fragment) {
  if (!IsOfPeer(fragment.type)) return false;
  if (fragment.sequence < next_) return true;  // sent again: we have it
  if (fragment.sequence >= next_ + kWindow || complete()) return false;
  if (fragment.sequence == next_ && !MayComeNext(fragment.type)) return false;
  Assembly& assembly = FindOrMake(fragment);
  if (assembly.missing == 0) return true;
  std::copy(fragment.bytes.begin(), fragment.bytes.end(),
            assembly.message.begin() + static_cast<ptrdiff_t>(kHeader + fragment.offset));
  for (size_t i = fragment.offset; i < fragment.offset + fragment.bytes.size(); ++i) {
    if (!assembly.have[i]) --assembly.missing;
    assembly.have[i] = true;
  }
  return true;
}

HandshakeInbox::Assembly& HandshakeInbox::FindOrMake(const Fragment& fragment) {
  const auto it =
      std::find_if(assemblies_.begin(), assemblies_.end(), [&](const Assembly& assembly) {
        return assembly.sequence == fragment.sequence && assembly.type == fragment.type &&
               assembly.length() == fragment.length;
      });
  if (it != assemblies_.end()) return *it;
  if (assemblies_.size() >= kMaxAssemblies) EvictOne();
  Assembly assembly;
  assembly.sequence = fragment.sequence;
  assembly.type = fragment.type;
  assembly.message.resize(kHeader + fragment.length);
  assembly.message[0] = fragment.type;
  assembly.message[4] = static_cast<uint8_t>(fragment.sequence >> 8);
  assembly.message[5] = static_cast<uint8_t>(fragment.sequence);
  Write24(&assembly.message[1], fragment.length);
  Write24(&assembly.message[9], fragment.length);
  assembly.have.resize(fragment.length);
  assembly.missing = fragment.length;
  return assemblies_.emplace_back(std::move(assembly));
}

/// What is least likely to be the peer's: with the fewest bytes, else the farthest ahead.
void HandshakeInbox::EvictOne() {
  const auto worth = [](const Assembly& assembly) {
    const bool whole = assembly.missing == 0;
    const size_t received = assembly.length() - assembly.missing;
    return std::pair(whole, whole ? size_t{UINT16_MAX} - assembly.sequence : received);
  };
  assemblies_.erase(
      std::min_element(assemblies_.begin(), assemblies_.end(),
                       [&](const Assembly& a, const Assembly& b) { return worth(a) < worth(b); }));
}

std::optional<std::vector<uint8_t>> HandshakeInbox::Take() {
  const auto it =
      std::find_if(assemblies_.begin(), assemblies_.end(), [&](const Assembly& assembly) {
        return assembly.sequence == next_ && assembly.missing == 0 && MayComeNext(assembly.type);
      });
  if (it == assemblies_.end()) return std::nullopt;
  std::vector<uint8_t> message = std::move(it->message);
  previous_ = message[0];
  ++next_;
  ++taken_;
  std::erase_if(assemblies_, [&](const Assembly& assembly) { return assembly.sequence < next_; });
  return message;
}

bool HandshakeInbox::complete() const {
  return previous_ == (local_ == DtlsRole::kClient ? kServerHelloDone : kCertificateVerify);
}

bool HandshakeInbox::IsOfPeer(uint8_t type) const {
  switch (type) {
    case kServerHello:
    case kHelloVerifyRequest:
    case kServerKeyExchange:
    case kCertificateRequest:
    case kServerHelloDone:
      return local_ == DtlsRole::kClient;
    case kClientHello:
    case kClientKeyExchange:
    case kCertificateVerify:
      return local_ == DtlsRole::kServer;
    default:
      return type == kCertificate;
  }
}

/// The order of a full handshake in which both sides show a certificate and no session is resumed.
bool HandshakeInbox::MayComeNext(uint8_t type) const {
  if (taken_ == 0) {
    if (local_ == DtlsRole::kServer) return type == kClientHello;
    return type == kServerHello || type == kHelloVerifyRequest;
  }
  switch (previous_) {
    case kHelloVerifyRequest:
      return type == kServerHello;
    case kClientHello:
    case kServerHello:
      return type == kCertificate;
    case kCertificate:
      return type == (local_ == DtlsRole::kServer ? kClientKeyExchange : kServerKeyExchange);
    case kClientKeyExchange:
      return type == kCertificateVerify;
    case kServerKeyExchange:
      return type == kCertificateRequest || type == kServerHelloDone;
    case kCertificateRequest:
      return type == kServerHelloDone;
    default:
      return false;
  }
}

}  // namespace sluice::worker
