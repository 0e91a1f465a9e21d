#include "controller/signalling/request_auth.h"

#include <string>
#include <string_view>

#include "controller/signalling/api_error.h"

namespace sluice::controller {

Result<Grants> RequestAuth::GrantsOf(const HttpRequest& request) const {
  std::string_view token = BearerToken(request.authorization);
  const auto query = request.query.find("token");
  if (token.empty() && query != request.query.end()) token = query->second;
  return authority_.Authenticate(token, now_());
}

std::string RequestAuth::PassFor(const Grants& grants, const std::string& peer,
                                 const std::string& room_id) const {
  constexpr int64_t kValidFor = 60;  // seconds; the client uses it at once
  if (!enabled() || MatchesPattern(grants.room, room_id)) return "";
  TokenClaims claims;
  // An admin of one room is a participant in the other, which may be somebody else's.
  const Permissions taking_part =
      Permissions(Permission::kPublish) | Permission::kSubscribe | Permission::kData;
  claims.grants = {room_id, peer, grants.admin() ? taking_part : grants.permissions, ""};
  claims.expires = now_() + kValidFor;
  const Result<std::string> token = authority_.Issue(claims, JwtAlgorithm::kHs256);
  return token.ok() ? *token : "";
}

Result<KindWish> WantedKind(const Grants& grants, const std::string& said) {
  const bool by_token = !grants.mode.empty();
  const Result<RoomKind> kind = ParseRoomKind(by_token ? grants.mode : said);
  if (!kind.ok()) return kind.status();
  return KindWish{*kind, by_token ? RuledBy::kToken : RuledBy::kJoiner};
}

HttpResponse AuthRefusal(const Status& status) { return ApiError(AuthHttpStatus(status), status); }

}  // namespace sluice::controller
