#include "controller/http/http_types.h"

#include <boost/beast/http/status.hpp>

namespace sluice::controller {

namespace {
int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}
}  // namespace

std::string PercentDecode(std::string_view text, bool plus_is_space) {
  std::string decoded;
  decoded.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && HexValue(text[i + 1]) >= 0 &&
        HexValue(text[i + 2]) >= 0) {
      decoded += static_cast<char>(HexValue(text[i + 1]) * 16 + HexValue(text[i + 2]));
      i += 2;
    } else if (text[i] == '+' && plus_is_space) {
      decoded += ' ';
    } else {
      decoded += text[i];
    }
  }
  return decoded;
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

std::string HtmlEscape(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '&':
        escaped += "&amp;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      case '\'':
        escaped += "&#39;";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

HttpResponse TextResponse(int status, std::string text) {
  HttpResponse response;
  response.status = status;
  response.content_type = "text/html; charset=utf-8";
  response.body = std::move(text);
  return response;
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
    head += response.reason;
  }
  head += "\r\nServer: Sluice\r\n";
  if (!response.content_type.empty()) head += "Content-Type: " + response.content_type + "\r\n";
  for (const auto& [name, value] : response.headers) head.append(name + ": " + value + "\r\n");
  if (!keep_alive) {
    head += "Connection: close\r\n";
  } else if (version == kVersion10) {
    head += "Connection: keep-alive\r\n";
  }
  constexpr int kNotModified = 304;
  if (response.status != kNotModified) {
    head += "Content-Length: " + std::to_string(body_size) + "\r\n";
  }
  return head + "\r\n";
}

HttpResponse CannotRespond(const HttpRequest& request) {
  HttpResponse response;
  response.status = 404;
  response.content_type = "text/html; charset=utf-8";
  response.body =
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<title>Error</title>\n</head>\n<body>\n<pre>Cannot " +
      HtmlEscape(request.method) + " " + HtmlEscape(request.path) + "</pre>\n</body>\n</html>\n";
  response.headers = {{"Content-Security-Policy", "default-src 'none'"},
                      {"X-Content-Type-Options", "nosniff"}};
  return response;
}

}  // namespace sluice::controller
