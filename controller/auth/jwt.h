#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/status.h"
#include "controller/auth/secret.h"

/// JSON Web Tokens with a shared secret (RFC 7519, RFC 7515), by libjwt. Only the signature is
/// judged here; what a token says is auth.h's.
namespace sluice::controller {

enum class JwtAlgorithm : uint8_t { kHs256, kHs384, kHs512 };

inline constexpr size_t kMaxToken = 4'096;  // bytes; ours have 200 to 400
/// RFC 7518 §3.2: a key has at least as many bytes as the hash.
inline constexpr size_t kMinAuthSecret = 32;

/// The payload (a JSON object) of a token whose signature is that of `secret` by one of the three
/// algorithms. Unauthenticated otherwise; the reason says nothing of the token's text.
Result<std::string> VerifyJwt(const Secret& secret, std::string_view token);

/// A token with `payload`, a JSON object. Error when libjwt refuses.
Result<std::string> SignJwt(const Secret& secret, JwtAlgorithm algorithm,
                            const std::string& payload);

}  // namespace sluice::controller
