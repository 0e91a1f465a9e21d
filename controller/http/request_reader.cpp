#include "controller/http/request_reader.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/rfc7230.hpp>
#include <boost/url/authority_view.hpp>
#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>
#include <cctype>
#include <iterator>
#include <utility>

#include "controller/http/beast_request.h"
#include "controller/http/http_error.h"

namespace sluice::controller {

namespace http = boost::beast::http;
namespace urls = boost::urls;

namespace {

std::string Text(boost::beast::string_view text) { return {text.data(), text.size()}; }

/// The media type of a Content-Type: lower case, without parameters.
std::string MediaType(std::string text) {
  text.resize(std::min(text.find(';'), text.size()));
  while (!text.empty() && text.back() == ' ') text.pop_back();
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

constexpr std::string_view kWebSocketVersion = "13";

/// What proxies add to a request that they pass on (RFC 7239; RFC 9110 §7.6.3; by custom).
constexpr const char* kProxyFields[] = {"X-Forwarded-For", "Forwarded",         "Via",
                                        "X-Real-IP",       "X-Forwarded-Proto", "X-Forwarded-Host"};

/// 16 bytes in base64: 22 digits and the padding (RFC 6455 §4.1).
bool IsWebSocketKey(std::string_view key) {
  constexpr size_t kDigits = 22;
  const std::string_view digits = key.substr(0, kDigits);
  return key.size() == kDigits + 2 && key.ends_with("==") &&
         std::all_of(digits.begin(), digits.end(),
                     [](unsigned char c) { return std::isalnum(c) != 0 || c == '+' || c == '/'; });
}

}  // namespace

struct RequestReader::Parser {
  http::request_parser<GrowingBody> beast;
};

RequestReader::RequestReader(size_t max_header, size_t max_body)
    : max_header_(max_header), max_body_(max_body) {
  Next();
}

RequestReader::~RequestReader() = default;

RequestReader::State RequestReader::Next() {
  parser_ = std::make_unique<Parser>();
  parser_->beast.header_limit(static_cast<uint32_t>(max_header_));
  parser_->beast.body_limit(max_body_);
  parser_->beast.eager(true);
  state_ = State::kHeader;
  header_checked_ = wants_continue_ = false;
  return pending_.empty() ? state_ : Parse();
}

RequestReader::State RequestReader::Put(std::string_view bytes) {
  pending_.append(bytes);
  return state_ == State::kHeader || state_ == State::kBody ? Parse() : state_;
}

RequestReader::State RequestReader::Parse() {
  auto& parser = parser_->beast;
  size_t used = 0;
  boost::beast::error_code error;
  while (used < pending_.size() && !parser.is_done()) {
    const size_t size =
        parser.put(asio::buffer(pending_.data() + used, pending_.size() - used), error);
    used += size;
    if (error || size == 0) break;
  }
  pending_.erase(0, used);
  if (error == http::error::need_more) error = {};
  if (error == http::error::body_limit) {
    return Refuse(413, "PayloadTooLargeError: request entity too large: at most " +
                           std::to_string(max_body_) + " bytes are allowed (maxBody)");
  }
  if (error == http::error::header_limit ||
      (!error && !parser.is_header_done() && pending_.size() > max_header_)) {
    return Refuse(431, "Error: the request header has more than " + std::to_string(max_header_) +
                           " bytes (maxHeader)");
  }
  if (error) return Refuse(400, "SyntaxError: not an HTTP request: " + error.message());
  if (parser.is_header_done() && !header_checked_ && CheckHeader() == State::kBad) return state_;
  if (parser.is_done()) {
    state_ = State::kComplete;
  } else if (parser.is_header_done()) {
    state_ = State::kBody;
  }
  return state_;
}

RequestReader::State RequestReader::CheckHeader() {
  header_checked_ = true;
  constexpr unsigned kVersion11 = 11;
  const auto& message = parser_->beast.get();
  const size_t hosts = message.count(http::field::host);
  if (hosts > 1 || (hosts == 0 && message.version() >= kVersion11)) {
    return Refuse(400, "Error: a request has exactly one Host, not " + std::to_string(hosts));
  }
  host_ = Text(message[http::field::host]);
  if (!host_.empty() && !urls::parse_authority(host_)) {
    return Refuse(400, "Error: Host \"" + host_ + "\" is not a host with or without a port");
  }
  if (message.count(http::field::transfer_encoding) > 0) {
    if (message.version() < kVersion11) {
      return Refuse(400, "Error: HTTP/1.0 has no Transfer-Encoding");
    }
    const auto coding = message[http::field::transfer_encoding];
    if (!boost::beast::iequals(coding, "chunked")) {
      return Refuse(501, "Error: Transfer-Encoding \"" + Text(coding) +
                             "\" is not implemented, only chunked is");
    }
  }
  if (const auto expect = message[http::field::expect]; !expect.empty()) {
    if (!boost::beast::iequals(expect, "100-continue")) {
      return Refuse(417, "Error: Expect \"" + Text(expect) + "\" is not 100-continue");
    }
    wants_continue_ = message.version() >= kVersion11;
  }
  if (!ReadTarget()) {
    return Refuse(400, "Error: the request target must be a path or a URL of http or https");
  }
  return state_;
}

bool RequestReader::ReadTarget() {
  target_ = Text(parser_->beast.get().target());
  if (target_.starts_with('/') || target_ == "*") return true;
  const auto url = urls::parse_uri(target_);
  if (!url || !url->has_authority() || url->has_userinfo()) return false;
  if (url->scheme_id() != urls::scheme::http && url->scheme_id() != urls::scheme::https) {
    return false;
  }
  const auto authority = url->authority().buffer();
  host_.assign(authority.data(), authority.size());
  const auto resource = url->encoded_resource();
  const size_t fragment = std::min(resource.find('#'), resource.size());
  std::string path(resource.data(), fragment);
  target_ = path.starts_with('/') ? std::move(path) : "/" + path;
  return true;
}

RequestReader::State RequestReader::Refuse(int status, const std::string& text) {
  refusal_ = HttpErrorText(status, text);
  refusal_.close = true;
  pending_.clear();
  return state_ = State::kBad;
}

bool RequestReader::started() const {
  return state_ != State::kHeader || parser_->beast.got_some() || !pending_.empty();
}

size_t RequestReader::held() const { return pending_.size() + parser_->beast.get().body().size(); }

unsigned RequestReader::version() const { return parser_->beast.get().version(); }

bool RequestReader::keep_alive() const { return parser_->beast.get().keep_alive(); }

bool RequestReader::is_upgrade() const {
  const auto& message = parser_->beast.get();
  return message.version() >= 11 && message.method() == http::verb::get &&
         http::token_list{message[http::field::connection]}.exists("upgrade") &&
         http::token_list{message[http::field::upgrade]}.exists("websocket");
}

std::optional<HttpResponse> RequestReader::UpgradeRefusal() const {
  const auto& message = parser_->beast.get();
  if (message.count(http::field::sec_websocket_version) != 1 ||
      message[http::field::sec_websocket_version] != kWebSocketVersion) {
    HttpResponse refusal = HttpErrorText(
        426, "Error: Sec-WebSocket-Version must be " + std::string(kWebSocketVersion));
    refusal.headers.emplace_back("Sec-WebSocket-Version", kWebSocketVersion);
    refusal.headers.emplace_back("Upgrade", "websocket");
    return refusal;
  }
  if (message.count(http::field::sec_websocket_key) != 1 ||
      !IsWebSocketKey(Text(message[http::field::sec_websocket_key]))) {
    return HttpErrorText(400, "Error: Sec-WebSocket-Key must be 16 bytes in base64");
  }
  return std::nullopt;
}

bool RequestReader::TakeContinue() {
  const bool waits = wants_continue_ && state_ == State::kBody && held() == 0;
  wants_continue_ = false;
  return waits;
}

HttpRequest RequestReader::Take() {
  auto& message = parser_->beast.get();
  HttpRequest request;
  request.method = Text(message.method_string());
  ParseTarget(target_, &request);
  request.host = host_;
  request.origin = Text(message[http::field::origin]);
  request.content_type = MediaType(Text(message[http::field::content_type]));
  request.accept = Text(message[http::field::accept]);
  request.accept_encoding = Text(message[http::field::accept_encoding]);
  request.websocket_protocols = Text(message[http::field::sec_websocket_protocol]);
  request.if_none_match = Text(message[http::field::if_none_match]);
  request.if_match = Text(message[http::field::if_match]);
  request.authorization = Text(message[http::field::authorization]);
  const auto [first, last] = message.equal_range("X-Forwarded-For");
  for (auto field = first; field != last; ++field) {  // RFC 9110 §5.3: one list
    request.forwarded_for += (request.forwarded_for.empty() ? "" : ",") + Text(field->value());
  }
  request.proxied = std::any_of(std::begin(kProxyFields), std::end(kProxyFields),
                                [&](const char* name) { return message.count(name) != 0; });
  request.broadcaster_secret = Text(message["X-Broadcaster-Secret"]);
  request.body = std::move(message.body());
  return request;
}

std::shared_ptr<BeastRequest> RequestReader::TakeForUpgrade() {
  auto request = std::make_shared<BeastRequest>();
  request->message = parser_->beast.release();
  return request;
}

}  // namespace sluice::controller
