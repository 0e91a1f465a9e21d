#include "controller/signalling/whip_http.h"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "controller/base/limits.h"
#include "controller/base/logging.h"
#include "controller/signalling/api_error.h"
#include "controller/signalling/whep_player.h"

namespace sluice::controller {

namespace json = boost::json;

namespace {

constexpr std::string_view kProblemType = "application/problem+json";

struct StatusTitle {
  int status;
  std::string_view title;
};
constexpr StatusTitle kTitles[] = {
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {409, "Conflict"},
    {412, "Precondition Failed"},
    {415, "Unsupported Media Type"},
    {422, "Unprocessable Content"},
    {428, "Precondition Required"},
    {429, "Too Many Requests"},
    {500, "Internal Server Error"},
    {503, "Service Unavailable"},
};

}  // namespace

HttpResponse Problem(int status, std::string_view detail) {
  HttpResponse response;
  response.status = status;
  response.content_type = std::string(kProblemType);
  json::object problem{{"type", "about:blank"}, {"status", status}};
  for (const StatusTitle& known : kTitles) {
    if (known.status != status) continue;
    problem["title"] = std::string(known.title);
    response.reason = std::string(known.title);
  }
  problem["detail"] = std::string(detail);
  response.body = json::serialize(problem);
  return response;
}

HttpResponse ProblemOf(const Status& status) {
  const bool not_live = IsNothingLive(status);
  const int code = not_live ? 409 : HttpStatusOf(status);
  HttpResponse response = Problem(code, Reason(status));
  if (not_live || code == 503) response.headers.emplace_back("Retry-After", kRetryAfterSeconds);
  if (code == 401) response.headers.emplace_back("WWW-Authenticate", "Bearer");
  response.limit = LimitOf(status);
  return response;
}

HttpResponse EmptyResponse(int status) {
  HttpResponse response;
  response.status = status;
  return response;
}

HttpResponse WrongType(const HttpRequest& request, std::string_view field, std::string_view right) {
  HttpResponse response =
      Problem(415, "Content-Type \"" + request.content_type + "\" must be " + std::string(right));
  if (!field.empty()) response.headers.emplace_back(field, right);
  return response;
}

void AddCors(const HttpRequest& request, HttpResponse* response) {
  if (!request.origin_allowed) return;
  auto& headers = response->headers;
  headers.emplace_back("Access-Control-Allow-Origin", "*");
  headers.emplace_back("Access-Control-Expose-Headers",
                       "Location, ETag, Link, Accept-Post, Accept-Patch, Retry-After, "
                       "WWW-Authenticate");
  if (request.method != "OPTIONS") return;
  headers.emplace_back("Access-Control-Allow-Methods", "POST, GET, PATCH, DELETE, OPTIONS, HEAD");
  headers.emplace_back("Access-Control-Allow-Headers",
                       "Content-Type, Authorization, If-Match, Link");
  headers.emplace_back("Access-Control-Max-Age", "86400");
}

IfMatch ReadIfMatch(std::string_view field, std::string_view etag) {
  const auto trim = [](std::string_view text) {
    while (text.starts_with(' ')) text.remove_prefix(1);
    while (text.ends_with(' ')) text.remove_suffix(1);
    return text;
  };
  field = trim(field);
  if (field.empty()) return IfMatch::kAbsent;
  if (field == "*" || field == "\"*\"") return IfMatch::kAny;
  while (!field.empty()) {
    const size_t end = std::min(field.find(','), field.size());
    if (trim(field.substr(0, end)) == etag) return IfMatch::kSame;
    field.remove_prefix(std::min(end + 1, field.size()));
  }
  return IfMatch::kOther;
}

}  // namespace sluice::controller
