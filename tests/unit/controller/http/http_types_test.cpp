#include "controller/http/http_types.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <string>

namespace sluice::controller {
namespace {

TEST_CASE("http types: targets are split and decoded") {
  HttpRequest request;
  ParseTarget("/a%20b?x=1%262&y&x=3&z=a+b", &request);
  CHECK(request.path == "/a%20b");
  CHECK(request.query.at("x") == "1&2");
  CHECK(request.query.at("y").empty());
  CHECK(request.query.at("z") == "a b");
  CHECK(PercentDecode("%4") == "%4");
  CHECK(PercentDecode("%zz%41") == "%zz%41");
  CHECK(PercentDecode("%41+%c3%a9") == "A+\u00e9");
}

TEST_CASE("http types: a response says what it is and how long") {
  HttpResponse response;
  response.status = 200;
  response.content_type = "application/json; charset=utf-8";
  response.headers = {{"ETag", "\"1\""}, {"X-Two", "lines\r\nof ~text\x7f"}};
  CHECK(ResponseHead(response, 11, 42, true) ==
        "HTTP/1.1 200 OK\r\nServer: Sluice\r\nContent-Type: application/json; charset=utf-8\r\n"
        "ETag: \"1\"\r\nX-Two: lines??of ~text?\r\nContent-Length: 42\r\n\r\n");
  response = {};
  response.status = 204;
  CHECK(ResponseHead(response, 11, 0, false) ==
        "HTTP/1.1 204 No Content\r\nServer: Sluice\r\nConnection: close\r\n"
        "Content-Length: 0\r\n\r\n");
}

TEST_CASE("http types: clients of HTTP/1.0 are told that the connection stays") {
  HttpResponse response;
  response.status = 404;
  CHECK(ResponseHead(response, 10, 1, true) ==
        "HTTP/1.0 404 Not Found\r\nServer: Sluice\r\nConnection: keep-alive\r\n"
        "Content-Length: 1\r\n\r\n");
  CHECK(ResponseHead(response, 10, 1, false) ==
        "HTTP/1.0 404 Not Found\r\nServer: Sluice\r\nConnection: close\r\n"
        "Content-Length: 1\r\n\r\n");
}

// RFC 9110 §15.4.5: a length would be that of what has not changed.
TEST_CASE("http types: what has not changed has no length, and a reason is one line") {
  HttpResponse response;
  response.status = 304;
  response.reason = "as\nbefore";
  CHECK(ResponseHead(response, 11, 0, true) == "HTTP/1.1 304 as?before\r\nServer: Sluice\r\n\r\n");
}

TEST_CASE("http types: an error is text, in which nothing is a tag") {
  const HttpResponse response = TextResponse(400, "no <b>room</b> & so");
  CHECK(response.status == 400);
  CHECK(response.content_type == "text/plain; charset=utf-8");
  CHECK(response.body == "no \\x3cb\\x3eroom\\x3c/b\\x3e & so");
  HttpRequest request;
  request.method = "PUT";
  ParseTarget("/nowhere?x=1", &request);
  CHECK(CannotRespond(request).status == 404);
  CHECK(CannotRespond(request).body ==
        R"({"error":{"code":"not_found","status":404,"type":"NotFoundError",)"
        R"("message":"Cannot PUT /nowhere"}})");
}

TEST_CASE("http types: pages say what they may load, all else that it loads nothing") {
  const auto value = [](const HttpResponse& response, const std::string& name) -> std::string {
    const auto found = std::find_if(response.headers.begin(), response.headers.end(),
                                    [&](const auto& field) { return field.first == name; });
    return found == response.headers.end() ? "" : std::string(found->second);
  };
  HttpResponse page;
  page.content_type = "text/html; charset=utf-8";
  AddSecurityHeaders(&page);
  CHECK_THAT(value(page, "Content-Security-Policy"), Catch::Contains("script-src 'self'"));
  CHECK(value(page, "X-Frame-Options") == "DENY");
  CHECK_THAT(value(page, "Permissions-Policy"), Catch::Contains("camera=(self)"));
  HttpResponse other = TextResponse(200, "");
  AddSecurityHeaders(&other);
  CHECK(value(other, "Content-Security-Policy") == "default-src 'none'; frame-ancestors 'none'");
  CHECK(value(other, "Permissions-Policy").empty());
  for (const HttpResponse& each : {page, other}) {
    CHECK(value(each, "X-Content-Type-Options") == "nosniff");
    CHECK(value(each, "Referrer-Policy") == "no-referrer");
  }
}

}  // namespace
}  // namespace sluice::controller
