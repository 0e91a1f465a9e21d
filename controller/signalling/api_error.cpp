#include "controller/signalling/api_error.h"

#include <boost/json/object.hpp>
#include <string>
#include <string_view>

#include "controller/base/limits.h"
#include "controller/base/logging.h"
#include "controller/http/http_error.h"
#include "controller/room/room_rules.h"
#include "controller/signalling/fields.h"

namespace sluice::controller {

namespace json = boost::json;

namespace {

std::string_view TypeOf(const Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnauthenticated:
      return "Unauthorized";
    case absl::StatusCode::kPermissionDenied:
      return "Forbidden";
    case absl::StatusCode::kAlreadyExists:
      return "Conflict";
    default:
      return ErrorClassName(status);
  }
}

}  // namespace

bool IsTemporary(const Status& status) {
  return status.code() == absl::StatusCode::kUnavailable ||
         status.code() == absl::StatusCode::kResourceExhausted;
}

int HttpStatusOf(const Status& status) {
  if (IsTemporary(status)) return 503;
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange:
      return 400;
    case absl::StatusCode::kUnauthenticated:
      return 401;
    case absl::StatusCode::kPermissionDenied:
      return 403;
    case absl::StatusCode::kNotFound:
      return 404;
    case absl::StatusCode::kUnimplemented:
      return 422;
    case absl::StatusCode::kAlreadyExists:
      return 409;
    case absl::StatusCode::kFailedPrecondition:
      return LimitOf(status).empty() ? 409 : 503;
    default:
      return 500;
  }
}

HttpResponse ApiError(const Status& status) { return ApiError(HttpStatusOf(status), status); }

HttpResponse ApiError(int http_status, const Status& status, json::object more) {
  constexpr std::string_view kBody = "body.";
  std::string field = FieldOf(status);
  if (field.starts_with(kBody)) field.erase(0, kBody.size());
  if (!field.empty()) more["field"] = field;
  if (const std::string value = ValueOf(status); !value.empty()) {
    const Result<json::value> whole = ParseJson(value);
    more["value"] = whole.ok() ? *whole : json::value(value);  // text, where it was cut
  }
  if (const std::string rule = RuleOf(status); !rule.empty()) more["rule"] = rule;
  if (const std::string limit = LimitOf(status); !limit.empty()) more["limit"] = limit;
  HttpResponse response = HttpError(http_status, TypeOf(status), Reason(status), more);
  response.headers.emplace_back("Cache-Control", "no-store");
  response.limit = LimitOf(status);
  if (absl::IsUnauthenticated(status)) response.headers.emplace_back("WWW-Authenticate", "Bearer");
  if (http_status == 503) response.headers.emplace_back("Retry-After", kRetryAfterSeconds);
  return response;
}

}  // namespace sluice::controller
