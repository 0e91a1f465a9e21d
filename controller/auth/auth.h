#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/status.h"
#include "controller/auth/jwt.h"
#include "controller/auth/secret.h"

/// Who may do what: the one place that decides it. A door (REST, protoo, the page) brings what it
/// was given, a token or none, and gets grants or a refusal; it never judges by itself. Pure: no
/// clock, no sockets.
namespace sluice::controller {

enum class Permission : uint8_t {
  kPublish = 1,    ///< send media
  kSubscribe = 2,  ///< receive media
  kData = 4,       ///< send and receive data messages
  kAdmin = 8,      ///< everything in the room, also to what others made
};

/// A set of permissions.
class Permissions {
 public:
  constexpr Permissions() = default;
  constexpr Permissions(Permission one)  // NOLINT(google-explicit-constructor): a set of one
      : bits_(static_cast<uint8_t>(one)) {}

  static constexpr Permissions All() { return Permissions(uint8_t{15}); }

  constexpr bool empty() const { return bits_ == 0; }
  constexpr bool Has(Permission one) const { return (bits_ & static_cast<uint8_t>(one)) != 0; }
  constexpr bool HasAny(Permissions some) const { return (bits_ & some.bits_) != 0; }
  constexpr Permissions operator|(Permissions other) const {
    return Permissions(static_cast<uint8_t>(bits_ | other.bits_));
  }
  constexpr bool operator==(const Permissions& other) const = default;

  /// "publish, subscribe".
  std::string Describe() const;

 private:
  constexpr explicit Permissions(uint8_t bits) : bits_(bits) {}

  uint8_t bits_ = 0;
};

/// What is asked for.
struct Access {
  std::string_view room;
  std::string_view peer;  ///< id of the peer or broadcaster that acts; "" = none is concerned
  Permissions any_of;     ///< one of these is enough
};

/// What somebody may do, where and as whom.
struct Grants {
  std::string room = "*";  ///< room id or pattern, in which "*" stands for any text
  std::string peer;        ///< "" = any
  Permissions permissions = Permissions::All();
  /// What the room is for, if its bearer comes first into it: "live", "call", "meet"; "" = the
  /// bearer says.
  std::string mode;

  /// OK, or PermissionDenied with what the grants are for. Who has kAdmin may act as any peer.
  Status Check(const Access& access) const;
  bool admin() const { return permissions.Has(Permission::kAdmin); }
};

/// What a token says, for making one.
struct TokenClaims {
  Grants grants;
  int64_t not_before = 0;  ///< seconds since 1970; 0 = at once
  int64_t expires = 0;     ///< seconds since 1970
};

/// Judges tokens by the server's secret.
class Authority {
 public:
  /// Clocks of servers that make tokens may differ from ours by this much.
  static constexpr int64_t kClockSkew = 5;  // seconds

  /// Without a secret, everybody has all grants but kAdmin.
  explicit Authority(Secret secret) : secret_(std::move(secret)) {}

  bool enabled() const { return !secret_.empty(); }

  /// The grants of who brings `token` ("" = none) at `now` (seconds since 1970). Unauthenticated
  /// with a reason when it is missing, malformed, forged, expired or not yet valid.
  Result<Grants> Authenticate(std::string_view token, int64_t now) const;

  /// A token for `claims`. TypeError names the claim that is wrong.
  Result<std::string> Issue(const TokenClaims& claims, JwtAlgorithm algorithm) const;

 private:
  Secret secret_;
};

/// Whether `text` is `pattern`, in which each "*" stands for any text.
bool MatchesPattern(std::string_view pattern, std::string_view text);

/// Who made something, or asks: a client address, and the secret that its maker was given ("" = the
/// client brings none).
struct Owner {
  std::string address;
  std::string secret;
};

/// Whether two secrets are the same, in a time that does not tell where they differ; an empty one
/// is like none.
bool SameSecret(std::string_view one, std::string_view other);

/// Whether `who` made what belongs to `owner`: brings its secret or, bringing none, comes from the
/// same address.
bool IsOwner(const Owner& owner, const Owner& who);

/// The HTTP status of a refusal: 401 when nobody knows who asks, else 403.
int AuthHttpStatus(const Status& status);

/// The token of an Authorization field ("Bearer …"); "" when there is none.
std::string_view BearerToken(std::string_view authorization);

}  // namespace sluice::controller
