#include "controller/http/http_types.h"

#include <algorithm>
#include <boost/beast/http/status.hpp>
#include <boost/url/pct_string_view.hpp>

#include "common/printable.h"
#include "controller/http/http_error.h"

namespace sluice::controller {

namespace urls = boost::urls;

namespace {

/// What the page needs and nothing else. The icon is a data: URL; 'self' covers ws: and wss:.
constexpr std::string_view kPagePolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "media-src 'self' blob:; font-src 'self'; connect-src 'self'; manifest-src 'self'; "
    "worker-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
constexpr std::string_view kOtherPolicy = "default-src 'none'; frame-ancestors 'none'";
constexpr std::string_view kPermissionsPolicy =
    "camera=(self), microphone=(self), display-capture=(self), fullscreen=(self), "
    "autoplay=(self), speaker-selection=(self), screen-wake-lock=(self), geolocation=(), "
    "payment=(), usb=(), serial=(), hid=(), midi=()";

/// A header field's value or a reason phrase: one line of printable ASCII (RFC 9112 §4).
std::string HeaderText(std::string_view text) {
  std::string safe(text);
  std::replace_if(
      safe.begin(), safe.end(), [](char c) { return c < 0x20 || c > 0x7e; }, '?');
  return safe;
}

}  // namespace

std::string PercentDecode(std::string_view text, bool plus_is_space) {
  const auto encoded = urls::make_pct_string_view({text.data(), text.size()});
  if (!encoded) return std::string(text);
  return encoded->decode(urls::encoding_opts(plus_is_space));
}

std::vector<std::string> SplitPath(std::string_view path) {
  std::vector<std::string> segments;
  size_t start = 0;
  while (start < path.size()) {
    if (path[start] == '/') {
      ++start;
      continue;
    }
    const size_t end = std::min(path.find('/', start), path.size());
    segments.push_back(PercentDecode(path.substr(start, end - start)));
    start = end;
  }
  return segments;
}

void ParseTarget(std::string_view target, HttpRequest* request) {
  request->target = std::string(target);
  const size_t question = target.find('?');
  request->path = std::string(target.substr(0, question));
  if (question == std::string_view::npos) return;
  std::string_view rest = target.substr(question + 1);
  rest = rest.substr(0, rest.find('#'));
  while (!rest.empty()) {
    const size_t end = rest.find('&');
    const std::string_view pair = rest.substr(0, end);
    const size_t equals = pair.find('=');
    const std::string name = PercentDecode(pair.substr(0, equals), true);
    const std::string value = equals == std::string_view::npos
                                  ? std::string()
                                  : PercentDecode(pair.substr(equals + 1), true);
    if (!name.empty()) request->query.emplace(name, value);
    if (end == std::string_view::npos) break;
    rest.remove_prefix(end + 1);
  }
}

HttpResponse TextResponse(int status, std::string_view text) {
  constexpr size_t kMaxText = 1024;  // bytes; our longest error with the longest id is below
  HttpResponse response;
  response.status = status;
  response.content_type = "text/plain; charset=utf-8";
  for (const char c : Printable(text, kMaxText)) {
    if (c == '<') {
      response.body += "\\x3c";
    } else if (c == '>') {
      response.body += "\\x3e";
    } else {
      response.body += c;
    }
  }
  return response;
}

void AddSecurityHeaders(HttpResponse* response) {
  const bool page = response->content_type.starts_with("text/html");
  auto& headers = response->headers;
  headers.emplace_back("X-Content-Type-Options", "nosniff");
  headers.emplace_back("Referrer-Policy", "no-referrer");
  // Who answers may have said more: a page that others may show in theirs.
  const bool has_own_policy = std::any_of(headers.begin(), headers.end(), [](const auto& header) {
    return header.first == "Content-Security-Policy";
  });
  if (!has_own_policy) {
    headers.emplace_back("Content-Security-Policy", page ? kPagePolicy : kOtherPolicy);
  }
  if (!page) return;
  headers.emplace_back("Permissions-Policy", kPermissionsPolicy);
  headers.emplace_back("Cross-Origin-Opener-Policy", "same-origin");
  if (has_own_policy) return;
  headers.emplace_back("X-Frame-Options", "DENY");  // browsers that do not know frame-ancestors
}

std::string ResponseHead(const HttpResponse& response, unsigned version, size_t body_size,
                         bool keep_alive) {
  constexpr unsigned kVersion10 = 10;
  std::string head = version == kVersion10 ? "HTTP/1.0 " : "HTTP/1.1 ";
  head += std::to_string(response.status) + " ";
  if (response.reason.empty()) {
    const auto phrase = boost::beast::http::obsolete_reason(
        static_cast<boost::beast::http::status>(response.status));
    head.append(phrase.data(), phrase.size());
  } else {
    head += HeaderText(response.reason);
  }
  head += "\r\nServer: Sluice\r\n";
  if (!response.content_type.empty()) head += "Content-Type: " + response.content_type + "\r\n";
  for (const auto& [name, value] : response.headers)
    head.append(name + ": " + HeaderText(value) + "\r\n");
  if (!keep_alive) {
    head += "Connection: close\r\n";
  } else if (version == kVersion10) {
    head += "Connection: keep-alive\r\n";
  }
  constexpr int kNotModified = 304;
  if (response.status != kNotModified && !response.stream) {
    head += "Content-Length: " + std::to_string(body_size) + "\r\n";
  }
  return head + "\r\n";
}

HttpResponse CannotRespond(const HttpRequest& request) {
  return HttpError(404, "NotFoundError", "Cannot " + request.method + " " + request.path);
}

}  // namespace sluice::controller
