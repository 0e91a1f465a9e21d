#include "controller/auth/jwt.h"

#include <jwt.h>

#include <cstdlib>
#include <memory>

namespace sluice::controller {

namespace {

struct FreeJwt {
  void operator()(jwt_t* jwt) const { jwt_free(jwt); }
};
using Jwt = std::unique_ptr<jwt_t, FreeJwt>;

struct FreeText {
  void operator()(char* text) const { std::free(text); }  // NOLINT: allocated by C
};
using JwtText = std::unique_ptr<char, FreeText>;

const unsigned char* KeyBytes(const Secret& secret) {
  return reinterpret_cast<const unsigned char*>(secret.Reveal().data());
}
int KeySize(const Secret& secret) { return static_cast<int>(secret.Reveal().size()); }

bool IsHmac(jwt_alg_t algorithm) {
  return algorithm == JWT_ALG_HS256 || algorithm == JWT_ALG_HS384 || algorithm == JWT_ALG_HS512;
}

jwt_alg_t LibraryAlgorithm(JwtAlgorithm algorithm) {
  switch (algorithm) {
    case JwtAlgorithm::kHs256:
      return JWT_ALG_HS256;
    case JwtAlgorithm::kHs384:
      return JWT_ALG_HS384;
    case JwtAlgorithm::kHs512:
      break;
  }
  return JWT_ALG_HS512;
}

}  // namespace

Result<std::string> VerifyJwt(const Secret& secret, std::string_view token) {
  // The library takes a C string, and no key for "do not check".
  if (token.size() > kMaxToken || token.find('\0') != std::string_view::npos || secret.empty()) {
    return absl::UnauthenticatedError("the token is no JSON Web Token");
  }
  jwt_t* decoded = nullptr;
  const int error =
      jwt_decode(&decoded, std::string(token).c_str(), KeyBytes(secret), KeySize(secret));
  const Jwt jwt(decoded);
  if (error != 0 || !jwt || !IsHmac(jwt_get_alg(jwt.get()))) {
    return absl::UnauthenticatedError(
        "the token is malformed or not signed with this server's secret (HS256, HS384 or HS512)");
  }
  const JwtText payload(jwt_get_grants_json(jwt.get(), nullptr));
  if (!payload) return absl::UnauthenticatedError("the token has no claims");
  return std::string(payload.get());
}

Result<std::string> SignJwt(const Secret& secret, JwtAlgorithm algorithm,
                            const std::string& payload) {
  jwt_t* made = nullptr;
  if (jwt_new(&made) != 0) return Error("cannot make a token");
  const Jwt jwt(made);
  if (jwt_set_alg(jwt.get(), LibraryAlgorithm(algorithm), KeyBytes(secret), KeySize(secret)) != 0 ||
      jwt_add_grants_json(jwt.get(), payload.c_str()) != 0) {
    return Error("cannot make a token of these claims");
  }
  const JwtText token(jwt_encode_str(jwt.get()));
  if (!token) return Error("cannot sign the token");
  return std::string(token.get());
}

}  // namespace sluice::controller
