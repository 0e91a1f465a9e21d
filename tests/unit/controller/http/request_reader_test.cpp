#include "controller/http/request_reader.h"

#include <catch2/catch.hpp>
#include <string>

namespace sluice::controller {
namespace {

using State = RequestReader::State;

constexpr size_t kMaxHeader = 1'000;
constexpr size_t kMaxBody = 100;

struct ReaderFixture {
  RequestReader reader{kMaxHeader, kMaxBody};
};

TEST_CASE_METHOD(ReaderFixture, "request: byte by byte, and two in one piece") {
  const std::string first = "POST /a?x=1 HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi";
  CHECK_FALSE(reader.started());
  for (const char& byte : first) {
    CHECK(reader.state() != State::kComplete);
    reader.Put({&byte, 1});
    CHECK(reader.started());
  }
  REQUIRE(reader.state() == State::kComplete);
  HttpRequest request = reader.Take();
  CHECK(request.method == "POST");
  CHECK(request.path == "/a");
  CHECK(request.query.at("x") == "1");
  CHECK(request.host == "h");
  CHECK(request.body == "hi");
  CHECK(reader.Next() == State::kHeader);
  CHECK_FALSE(reader.started());

  const std::string chunked =
      "PUT /b HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n";
  reader.Put(chunked + "GET /c HTTP/1.1\r\nHost: h\r\n\r\n");
  REQUIRE(reader.state() == State::kComplete);
  CHECK(reader.Take().body == "hi");
  CHECK(reader.has_more());
  REQUIRE(reader.Next() == State::kComplete);
  CHECK(reader.Take().path == "/c");
}

TEST_CASE_METHOD(ReaderFixture, "request: by any of its fields, a proxy has passed it on") {
  for (const char* field :
       {"X-Forwarded-For: 192.0.2.1", "x-real-ip: 192.0.2.1", "Forwarded: for=192.0.2.1",
        "Via: 1.1 proxy", "X-Forwarded-Proto: https", "X-Forwarded-Host: h", "X-Forwarded-For:"}) {
    INFO(field);
    reader.Put(std::string("GET / HTTP/1.1\r\nHost: h\r\n") + field + "\r\n\r\n");
    REQUIRE(reader.state() == State::kComplete);
    CHECK(reader.Take().proxied);
    reader.Next();
  }
  reader.Put(std::string("GET / HTTP/1.1\r\nHost: h\r\nX-Other: 1\r\n\r\n"));
  REQUIRE(reader.state() == State::kComplete);
  CHECK_FALSE(reader.Take().proxied);
}

TEST_CASE("request: what is wrong by the book") {
  struct Row {
    const char* text;
    int status;
    const char* reason;
  };
  const Row rows[] = {
      {"GET / HTTP/1.1\r\n\r\n", 400, "exactly one Host, not 0"},
      {"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400, "exactly one Host, not 2"},
      {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400, "Host \\\"a b\\\" is not a host"},
      {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501, "gzip"},
      {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501,
       "only chunked"},
      {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n", 501,
       "only chunked"},
      {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0",
       400, "SyntaxError"},
      {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n0",
       400, "SyntaxError"},
      {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n0", 400,
       "SyntaxError"},
      {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n0", 400, "SyntaxError"},
      {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0", 400, "HTTP/1.0"},
      {"POST / HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\nContent-Length: 1\r\n\r\n", 417, "Expect"},
      {"GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400, "request target"},
      {"GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400, "request target"},
      {"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", 400, "request target"},
      {"junk\r\n\r\n", 400, "SyntaxError"},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    RequestReader reader(kMaxHeader, kMaxBody);
    reader.Put(row.text);
    REQUIRE(reader.state() == State::kBad);
    CHECK(reader.Refusal().status == row.status);
    CHECK(reader.Refusal().body.find(row.reason) != std::string::npos);
    CHECK(reader.Refusal().close);
    CHECK(reader.Refusal().content_type == "application/json; charset=utf-8");
  }
}

TEST_CASE_METHOD(ReaderFixture, "request: HTTP/1.0 needs no Host and does not go on") {
  reader.Put("GET / HTTP/1.0\r\n\r\n");
  REQUIRE(reader.state() == State::kComplete);
  CHECK_FALSE(reader.keep_alive());
  CHECK(reader.version() == 10);
  CHECK(reader.Take().host.empty());
}

TEST_CASE("request: absolute targets, whose host counts (RFC 9112 §3.2.2)") {
  struct Row {
    const char* target;
    const char* host;
    const char* path;
  };
  for (const Row& row : {Row{"http://example.org:3000/rooms/a?x=1", "example.org:3000", "/rooms/a"},
                         Row{"https://example.org", "example.org", "/"},
                         Row{"http://example.org?x=1", "example.org", "/"},
                         Row{"/rooms/a", "other", "/rooms/a"}, Row{"*", "other", "*"}}) {
    INFO(row.target);
    RequestReader reader(kMaxHeader, kMaxBody);
    reader.Put("OPTIONS " + std::string(row.target) + " HTTP/1.1\r\nHost: other\r\n\r\n");
    REQUIRE(reader.state() == State::kComplete);
    const HttpRequest request = reader.Take();
    CHECK(request.host == row.host);
    CHECK(request.path == row.path);
  }
}

TEST_CASE_METHOD(ReaderFixture, "request: who expects 100-continue is told once") {
  reader.Put("POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-Continue\r\nContent-Length: 2\r\n\r\n");
  CHECK(reader.state() == State::kBody);
  CHECK(reader.TakeContinue());
  CHECK_FALSE(reader.TakeContinue());
  CHECK(reader.Put("hi") == State::kComplete);
  reader.Next();
  // The body is here already: nothing to wait for.
  reader.Put("POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nh");
  CHECK(reader.state() == State::kBody);
  CHECK_FALSE(reader.TakeContinue());
}

TEST_CASE_METHOD(ReaderFixture, "request: an announced body takes no room before it comes") {
  RequestReader large(kMaxHeader, 1 << 30);
  large.Put("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000000\r\n\r\nab");
  CHECK(large.state() == State::kBody);
  CHECK(large.held() == 2);
  reader.Put("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 101\r\n\r\n");
  REQUIRE(reader.state() == State::kBad);
  CHECK(reader.Refusal().status == 413);
  CHECK(reader.Refusal().body.find("at most 100 bytes") != std::string::npos);
}

}  // namespace
}  // namespace sluice::controller
