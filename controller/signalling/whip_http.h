#pragma once

#include <cstdint>
#include <string_view>

#include "common/status.h"
#include "controller/http/http_types.h"

/// What requests of WHIP and WHEP are answered with.
namespace sluice::controller {

/// An error as RFC 9457 has it.
HttpResponse Problem(int status, std::string_view detail);
/// The same of a status, with Retry-After or WWW-Authenticate where that helps.
HttpResponse ProblemOf(const Status& status);
HttpResponse EmptyResponse(int status);
/// 415, in which the header field `field` ("" = none) says what would be right.
HttpResponse WrongType(const HttpRequest& request, std::string_view field, std::string_view right);
/// What a page of another origin may send and read (the CORS protocol of Fetch).
void AddCors(const HttpRequest& request, HttpResponse* response);

enum class IfMatch : uint8_t { kAbsent, kAny, kSame, kOther };
/// What If-Match says (RFC 9110 §13.1.1): "*", with quotation marks as well, or a list of ETags.
IfMatch ReadIfMatch(std::string_view field, std::string_view etag);

}  // namespace sluice::controller
