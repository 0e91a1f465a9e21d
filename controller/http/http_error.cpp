#include "controller/http/http_error.h"

#include <algorithm>
#include <array>
#include <boost/json/serialize.hpp>

#include "common/printable.h"

namespace sluice::controller {

namespace json = boost::json;

namespace {

constexpr size_t kMaxText = 1024;  // bytes; our longest error with the longest id is below

struct NamedStatus {
  int status;
  std::string_view code;
};
constexpr std::array<NamedStatus, 14> kCodes = {{
    {400, "bad_request"},
    {401, "unauthorized"},
    {403, "forbidden"},
    {404, "not_found"},
    {405, "method_not_allowed"},
    {409, "conflict"},
    {413, "too_large"},
    {415, "unsupported_media_type"},
    {422, "unsupported"},
    {426, "upgrade_required"},
    {429, "too_many_requests"},
    {431, "header_too_large"},
    {501, "not_implemented"},
    {503, "unavailable"},
}};

}  // namespace

std::string_view ErrorCode(int status) {
  const auto* const known = std::find_if(kCodes.begin(), kCodes.end(),
                                         [&](const auto& each) { return each.status == status; });
  if (known != kCodes.end()) return known->code;
  constexpr int kFirstOfServer = 500;
  return status < kFirstOfServer ? "bad_request" : "internal";
}

HttpResponse HttpError(int status, std::string_view type, std::string_view message,
                       const json::object& more) {
  const std::string_view code = ErrorCode(status);
  json::object error{{"code", json::string_view(code.data(), code.size())},
                     {"status", status},
                     {"type", json::string_view(type.data(), type.size())},
                     {"message", Printable(message, kMaxText)}};
  for (const auto& member : more) error[member.key()] = member.value();
  HttpResponse response;
  response.status = status;
  response.content_type = "application/json; charset=utf-8";
  json::object body;
  body["error"] = std::move(error);
  // What could pass for markup is escaped: a text may quote what a client sent.
  for (const char c : json::serialize(body)) {
    if (c == '<') {
      response.body += "\\u003c";
    } else if (c == '>') {
      response.body += "\\u003e";
    } else {
      response.body += c;
    }
  }
  return response;
}

HttpResponse HttpErrorText(int status, std::string_view text) {
  const size_t colon = text.find(": ");
  const std::string_view type = text.substr(0, colon);
  if (colon == std::string_view::npos || type.find(' ') != std::string_view::npos) {
    return HttpError(status, "Error", text);
  }
  return HttpError(status, type, text.substr(colon + 2));
}

}  // namespace sluice::controller
