#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controller/base/task.h"

/// HTTP and WebSocket as the rest of the controller sees them: no Beast here.
namespace sluice::controller {

/// Which of our ports a client has come to.
enum class Door : uint8_t {
  kSite,       ///< everything but the others
  kGstreamer,  ///< GStreamer's WebRTC signalling
};

struct HttpRequest {
  std::string method;                        ///< upper case
  std::string target;                        ///< as sent: path and query
  std::string path;                          ///< still percent-encoded
  std::map<std::string, std::string> query;  ///< decoded; the first of a name counts
  std::string content_type;                  ///< lower case, without parameters
  std::string accept;
  std::string accept_encoding;
  std::string websocket_protocols;  ///< Sec-WebSocket-Protocol as sent
  std::string if_none_match;
  std::string if_match;
  std::string authorization;       ///< as sent; never to be logged
  std::string broadcaster_secret;  ///< X-Broadcaster-Secret; never to be logged
  std::string body;
  std::string host;    ///< host[:port] that the client asked for; "" in HTTP/1.0
  std::string origin;  ///< the page that a browser asks for, "" when it is none
  /// Pages of that origin may use what they have been answered (CORS).
  bool origin_allowed = true;
  Door door = Door::kSite;
  bool secure = false;   ///< over TLS
  std::string local_ip;  ///< address of ours that the client connected to
  /// Who sent it, for all that depends on that: the address that connected or, when that is a
  /// trusted proxy's, the one that it names (client_address.h).
  std::string client_ip;
  std::string source;         ///< whom it counts for: IPv4 address or /64 of an IPv6 one
  std::string forwarded_for;  ///< X-Forwarded-For as sent: not to be believed
  /// A header field says that a proxy has passed it on. Proxies need not add any.
  bool proxied = false;
  bool trusted_proxy = false;  ///< a trusted proxy's connection: client_ip is whom that names
};

/// A body of which the end is not known: it is written as it comes, and the connection ends with
/// it.
class HttpStream {
 public:
  virtual ~HttpStream() = default;
  /// The next piece, when there is one; "" = that was all.
  virtual Task<std::string> Next() = 0;
};

struct HttpResponse {
  int status = 200;
  std::string reason;  ///< "" = the standard phrase
  std::string content_type;
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
  bool close = false;                  ///< end the connection after it
  std::string limit;                   ///< that the request went over, to be counted; "" = none
  bool authenticated = false;          ///< the request brought a valid token: it is no stranger's
  std::shared_ptr<HttpStream> stream;  ///< instead of `body`; null = none
};

/// Our end of an open WebSocket; text messages only.
class WebSocketLink {
 public:
  virtual ~WebSocketLink() = default;
  /// Queues a message, of which many clients may share the text. A client that does not read is
  /// cut off when its queue is full.
  virtual void Send(std::shared_ptr<const std::string> text) = 0;
  void Send(std::string text) { Send(std::make_shared<const std::string>(std::move(text))); }
  /// The client has proven itself, by joining a room: from now on its connection is never closed to
  /// make room for others.
  virtual void Keep() {}
  /// Reads no further message until Resume(), nor the client's end. What it goes on to send waits
  /// in the kernel, then at the client.
  virtual void Pause() {}
  virtual void Resume() {}
  /// So much waits to be sent that what can wait should: OnDrained() follows.
  virtual bool congested() const { return false; }
  /// Sends what is queued, then closes. Later calls do nothing. `reason` is cut to what a close
  /// frame can carry, and escaped where it is no UTF-8.
  virtual void Close(uint16_t code, std::string_view reason) = 0;
};

/// What happens on a WebSocket. OnClosed is called exactly once after OnOpen and is the last call.
class WebSocketEvents {
 public:
  virtual ~WebSocketEvents() = default;
  virtual void OnOpen(std::shared_ptr<WebSocketLink> link) = 0;
  virtual void OnText(std::string_view text) = 0;
  /// Something came that means nothing: a binary message, a ping or pong of the client's.
  virtual void OnIgnored() {}
  /// The client has closed the connection itself, with that code (RFC 6455 §7.4; 1005 = none), and
  /// not lost it. OnClosed() follows.
  virtual void OnLeft(uint16_t /*code*/) {}
  /// The link was congested, and is no more.
  virtual void OnDrained() {}
  virtual void OnClosed() = 0;
};

/// Accepted when `session` is set, answered with `rejection` otherwise.
struct UpgradeDecision {
  std::shared_ptr<WebSocketEvents> session;
  std::string subprotocol;
  bool authenticated = false;  ///< the client has shown a token: it is no stranger
  HttpResponse rejection;
};

/// Who answers requests: the same object behind every listener.
class HttpService {
 public:
  virtual ~HttpService() = default;
  virtual Task<HttpResponse> Respond(HttpRequest request) = 0;
  virtual Task<UpgradeDecision> Upgrade(HttpRequest request) = 0;
};

/// "%41b" → "Ab"; a text with an invalid escape stays as it is.
std::string PercentDecode(std::string_view text, bool plus_is_space = false);
/// The segments of a path, decoded; empty ones are left out.
std::vector<std::string> SplitPath(std::string_view path);
/// Splits a target into path and decoded query.
void ParseTarget(std::string_view target, HttpRequest* request);
/// A plain text answer. What could pass for markup or steer a terminal is escaped, so that `text`
/// may hold what a client sent.
HttpResponse TextResponse(int status, std::string_view text);
/// Says to browsers what a response may do: nothing of it is guessed to be of another type, and a
/// page may load what comes from this server, use camera, microphone and screen, and not be framed.
void AddSecurityHeaders(HttpResponse* response);
/// Status line and header fields of a response whose body has `body_size` bytes; with a stream, of
/// one that ends with the connection. In values, everything but printable ASCII becomes "?" (RFC
/// 9110 §5.5).
std::string ResponseHead(const HttpResponse& response, unsigned version, size_t body_size,
                         bool keep_alive);
/// The answer to a path that names nothing: 404.
HttpResponse CannotRespond(const HttpRequest& request);

}  // namespace sluice::controller
