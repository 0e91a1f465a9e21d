#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controller/worker/task.h"

/// HTTP and WebSocket as the rest of the controller sees them: no Beast here.
namespace sluice::controller {

struct HttpRequest {
  std::string method;                        ///< upper case
  std::string target;                        ///< as sent: path and query
  std::string path;                          ///< still percent-encoded
  std::map<std::string, std::string> query;  ///< decoded; the first of a name counts
  std::string content_type;                  ///< lower case, without parameters
  std::string accept;
  std::string websocket_protocols;  ///< Sec-WebSocket-Protocol as sent
  std::string if_none_match;
  std::string body;
  std::string remote;  ///< address and port, for the log
};

struct HttpResponse {
  int status = 200;
  std::string reason;  ///< "" = the standard phrase
  std::string content_type;
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
  bool close = false;  ///< end the connection after it
};

/// Our end of an open WebSocket; text messages only.
class WebSocketLink {
 public:
  virtual ~WebSocketLink() = default;
  /// Queues a message, of which many clients may share the text. A client that does not read is
  /// cut off when its queue is full.
  virtual void Send(std::shared_ptr<const std::string> text) = 0;
  void Send(std::string text) { Send(std::make_shared<const std::string>(std::move(text))); }
  /// Sends what is queued, then closes. Later calls do nothing.
  virtual void Close(uint16_t code, std::string_view reason) = 0;
};

/// What happens on a WebSocket. OnClosed is called exactly once after OnOpen and is the last call.
class WebSocketEvents {
 public:
  virtual ~WebSocketEvents() = default;
  virtual void OnOpen(std::shared_ptr<WebSocketLink> link) = 0;
  virtual void OnText(std::string_view text) = 0;
  virtual void OnClosed() = 0;
};

/// Accepted when `session` is set, answered with `rejection` otherwise.
struct UpgradeDecision {
  std::shared_ptr<WebSocketEvents> session;
  std::string subprotocol;
  HttpResponse rejection;
};

/// Who answers requests: the same object behind every listener.
class HttpService {
 public:
  virtual ~HttpService() = default;
  virtual Task<HttpResponse> Respond(HttpRequest request) = 0;
  virtual Task<UpgradeDecision> Upgrade(HttpRequest request) = 0;
};

/// "%41b" → "Ab"; invalid escapes stay as they are.
std::string PercentDecode(std::string_view text, bool plus_is_space = false);
/// Splits a target into path and decoded query.
void ParseTarget(std::string_view target, HttpRequest* request);
/// <, >, &, " and ' made safe for HTML text.
std::string HtmlEscape(std::string_view text);
/// A plain text answer.
HttpResponse TextResponse(int status, std::string text);
/// Status line and header fields of a response whose body has `body_size` bytes.
std::string ResponseHead(const HttpResponse& response, unsigned version, size_t body_size,
                         bool keep_alive);
/// The answer to a path that names nothing (room-api §3.1): 404 with an HTML page.
HttpResponse CannotRespond(const HttpRequest& request);

}  // namespace sluice::controller
