#include "controller/auth/auth.h"

#include <openssl/crypto.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <optional>
#include <utility>

namespace sluice::controller {

namespace json = boost::json;

namespace {

struct NamedPermission {
  Permission permission;
  const char* name;
};
constexpr NamedPermission kPermissions[] = {
    {Permission::kPublish, "publish"},
    {Permission::kSubscribe, "subscribe"},
    {Permission::kData, "data"},
    {Permission::kAdmin, "admin"},
};

Status Refuse(const std::string& reason) { return absl::UnauthenticatedError(reason); }

/// A NumericDate (RFC 7519 §2) from 1970 to the year 9999, so that differences cannot overflow;
/// nothing when it is missing or something else.
std::optional<int64_t> Date(const json::object& claims, const char* name) {
  const json::value* value = claims.if_contains(name);
  if (!value) return std::nullopt;
  constexpr int64_t kLast = 253'402'300'799;  // the end of the year 9999
  if (value->is_int64()) {
    const int64_t seconds = value->get_int64();
    if (seconds >= 0 && seconds <= kLast) return seconds;
  }
  if (value->is_double()) {
    const double seconds = value->get_double();
    if (seconds >= 0 && seconds <= static_cast<double>(kLast)) return static_cast<int64_t>(seconds);
  }
  return std::nullopt;
}

/// A text claim; nothing when it is there and no text.
std::optional<std::string> Text(const json::object& claims, const char* name) {
  const json::value* value = claims.if_contains(name);
  if (!value) return std::string();
  if (!value->is_string()) return std::nullopt;
  return std::string(value->get_string());
}

/// Names that we do not know grant nothing.
std::optional<Permissions> ReadPermissions(const json::object& claims) {
  const json::value* value = claims.if_contains("permissions");
  if (!value || !value->is_array()) return std::nullopt;
  Permissions permissions;
  for (const json::value& entry : value->get_array()) {
    if (!entry.is_string()) return std::nullopt;
    for (const NamedPermission& known : kPermissions) {
      if (entry.get_string() == known.name) permissions = permissions | known.permission;
    }
  }
  return permissions;
}

Status CheckDates(const json::object& claims, int64_t now) {
  const std::optional<int64_t> expires = Date(claims, "exp");
  if (!expires) return Refuse("the token has no expiry (exp)");
  if (now - *expires >= Authority::kClockSkew) {
    return Refuse("the token has expired");
  }
  if (!claims.contains("nbf")) return absl::OkStatus();
  const std::optional<int64_t> not_before = Date(claims, "nbf");
  if (!not_before) return Refuse("the token's nbf is no time");
  if (*not_before - now > Authority::kClockSkew) {
    return Refuse("the token is not valid yet");
  }
  return absl::OkStatus();
}

Result<Grants> ReadGrants(const json::object& claims) {
  const std::optional<std::string> room = Text(claims, "room");
  if (!room || room->empty()) return Refuse("the token names no room");
  std::optional<std::string> peer = Text(claims, "peer");
  if (!peer) return Refuse("the token's peer is no text");
  const std::optional<Permissions> permissions = ReadPermissions(claims);
  if (!permissions) return Refuse("the token's permissions are no list of names");
  std::optional<std::string> mode = Text(claims, "mode");
  if (!mode) return Refuse("the token's mode is no text");
  return Grants{*room, *std::move(peer), *permissions, *std::move(mode)};
}

}  // namespace

std::string Permissions::Describe() const {
  std::string text;
  for (const NamedPermission& known : kPermissions) {
    if (Has(known.permission)) text += (text.empty() ? "" : ", ") + std::string(known.name);
  }
  return text.empty() ? "nothing" : text;
}

Status Grants::Check(const Access& access) const {
  if (!MatchesPattern(room, access.room)) {
    return absl::PermissionDeniedError("the token is for another room");
  }
  if (admin()) return absl::OkStatus();
  if (!peer.empty() && !access.peer.empty() && peer != access.peer) {
    return absl::PermissionDeniedError("the token is for another peer");
  }
  if (!permissions.HasAny(access.any_of)) {
    return absl::PermissionDeniedError("this needs the permission " + access.any_of.Describe() +
                                       "; the token grants " + permissions.Describe());
  }
  return absl::OkStatus();
}

Result<Grants> Authority::Authenticate(std::string_view token, int64_t now) const {
  if (!enabled()) {
    return Grants{"*", "",
                  Permissions(Permission::kPublish) | Permission::kSubscribe | Permission::kData,
                  ""};
  }
  if (token.empty()) return Refuse("a token is needed (Authorization: Bearer, or ?token=)");
  const Result<std::string> payload = VerifyJwt(secret_, token);
  if (!payload.ok()) return payload.status();
  boost::system::error_code error;
  const json::value claims = json::parse(*payload, error);
  if (error || !claims.is_object()) return Refuse("the token's claims are no JSON object");
  SLUICE_RETURN_IF_ERROR(CheckDates(claims.get_object(), now));
  return ReadGrants(claims.get_object());
}

Result<std::string> Authority::Issue(const TokenClaims& claims, JwtAlgorithm algorithm) const {
  if (!enabled()) return TypeError("authSecret is not set: there is nothing to sign with");
  if (claims.grants.room.empty()) return TypeError("room must be a room id or a pattern");
  if (claims.grants.permissions.empty()) {
    return TypeError("at least one permission is needed: publish, subscribe, data or admin");
  }
  json::array permissions;
  for (const NamedPermission& known : kPermissions) {
    if (claims.grants.permissions.Has(known.permission)) permissions.emplace_back(known.name);
  }
  json::object payload = {{"room", claims.grants.room},
                          {"permissions", std::move(permissions)},
                          {"exp", claims.expires}};
  if (!claims.grants.peer.empty()) payload["peer"] = claims.grants.peer;
  if (!claims.grants.mode.empty()) payload["mode"] = claims.grants.mode;
  if (claims.not_before != 0) payload["nbf"] = claims.not_before;
  return SignJwt(secret_, algorithm, json::serialize(payload));
}

bool MatchesPattern(std::string_view pattern, std::string_view text) {
  // Behind the last "*": where to go back to when what follows does not fit.
  size_t star = std::string_view::npos;
  size_t resume = 0;
  size_t p = 0;
  size_t t = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = ++p;
      resume = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

bool IsOwner(const Owner& owner, const Owner& who) {
  if (who.secret.empty()) return owner.address == who.address;
  return SameSecret(owner.secret, who.secret);
}

bool SameSecret(std::string_view one, std::string_view other) {
  if (one.empty() || one.size() != other.size()) return false;
  return CRYPTO_memcmp(one.data(), other.data(), one.size()) == 0;
}

int AuthHttpStatus(const Status& status) {
  return status.code() == absl::StatusCode::kUnauthenticated ? 401 : 403;
}

std::string_view BearerToken(std::string_view authorization) {
  constexpr std::string_view kScheme = "bearer ";  // case does not matter (RFC 9110 §11.1)
  if (authorization.size() < kScheme.size()) return "";
  for (size_t i = 0; i < kScheme.size(); ++i) {
    const char c = authorization[i];
    const char lower = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    if (lower != kScheme[i]) return "";
  }
  std::string_view token = authorization.substr(kScheme.size());
  while (token.starts_with(' ')) token.remove_prefix(1);
  while (token.ends_with(' ')) token.remove_suffix(1);
  return token;
}

}  // namespace sluice::controller
