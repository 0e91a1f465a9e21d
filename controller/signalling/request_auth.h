#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "controller/auth/auth.h"
#include "controller/http/http_types.h"
#include "controller/room/room_policy.h"

namespace sluice::controller {

/// How a door asks who may do what: takes the token out of a request and lets the Authority judge.
/// The token is that of the Authorization field or, for browsers, which cannot set it on a
/// WebSocket, of the query (?token=).
class RequestAuth {
 public:
  using Clock = std::function<int64_t()>;  ///< seconds since 1970

  /// Without an authority, everybody may take part.
  RequestAuth() : RequestAuth(Authority(Secret()), [] { return int64_t{0}; }) {}
  RequestAuth(Authority authority, Clock now)
      : authority_(std::move(authority)), now_(std::move(now)) {}

  /// Whether grants come from tokens: without an authority everybody has them.
  bool enabled() const { return authority_.enabled(); }
  /// The grants of who sent the request, or why there are none (Unauthenticated).
  Result<Grants> GrantsOf(const HttpRequest& request) const;
  /// Whether the request brings a valid token, whatever it is for.
  bool Proves(const HttpRequest& request) const {
    return authority_.enabled() && GrantsOf(request).ok();
  }
  /// A token with which who has `grants` gets into another room as `peer`, for a minute, with the
  /// same permissions but admin; "" when none is needed: without an authority, or when their own
  /// token is good for that room.
  std::string PassFor(const Grants& grants, const std::string& peer,
                      const std::string& room_id) const;

 private:
  Authority authority_;
  Clock now_;
};

/// What a room is for, if it is who sent the request that comes first: as their token says, or else
/// as they do. TypeError when that is nothing that we know.
Result<KindWish> WantedKind(const Grants& grants, const std::string& said);

/// The answer to a request that may not be made: 401 or 403 with the reason.
HttpResponse AuthRefusal(const Status& status);

}  // namespace sluice::controller
