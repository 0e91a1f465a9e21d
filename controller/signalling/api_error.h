#pragma once

#include <boost/json/object.hpp>

#include "common/status.h"
#include "controller/http/http_types.h"

/// A Status as the HTTP APIs answer it (docs/api.md §1).
namespace sluice::controller {

/// Whether the same request may succeed soon: no worker runs, or it has too much to do.
bool IsTemporary(const Status& status);
/// What an answer 503 tells the client to wait.
inline constexpr const char* kRetryAfterSeconds = "2";

/// 400 for a TypeError, 401, 403, 404, 409 for what the state does not allow, 422 for what is well
/// formed but cannot be done, 503 for what is temporary or over a limit, 500 for what the media
/// worker did not do.
int HttpStatusOf(const Status& status);

/// The error with "field", "value", "rule" and "limit" where there is one; headers as the status
/// wants them (RFC 9110 §11.6.1, §10.2.3).
HttpResponse ApiError(const Status& status);
/// The same with a status of HTTP's own, and further members.
HttpResponse ApiError(int http_status, const Status& status, boost::json::object more = {});

}  // namespace sluice::controller
