#include "controller/signalling/request_auth.h"

#include <string>
#include <string_view>

#include "controller/base/logging.h"

namespace sluice::controller {

Result<Grants> RequestAuth::GrantsOf(const HttpRequest& request) const {
  std::string_view token = BearerToken(request.authorization);
  const auto query = request.query.find("token");
  if (token.empty() && query != request.query.end()) token = query->second;
  return authority_.Authenticate(token, now_());
}

Result<RoomKind> WantedKind(const Grants& grants, const std::string& said) {
  return ParseRoomKind(grants.mode.empty() ? said : grants.mode);
}

HttpResponse AuthRefusal(const Status& status) {
  const int code = AuthHttpStatus(status);
  const char* const name = code == 401 ? "Unauthorized: " : "Forbidden: ";
  HttpResponse response = TextResponse(code, name + std::string(Reason(status)));
  if (code == 401) response.headers.emplace_back("WWW-Authenticate", "Bearer");
  return response;
}

}  // namespace sluice::controller
