#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "controller/http/http_types.h"

namespace sluice::controller {

/// A request as Beast has it, for the WebSocket handshake; known to .cpp files that include Beast.
struct BeastRequest;

/// Takes the requests of one connection apart as their bytes arrive (HTTP/1.1, RFC 9112). Knows no
/// socket and no clock.
class RequestReader {
 public:
  enum class State {
    kHeader,    ///< the header is not complete
    kBody,      ///< the header is, the body is not
    kComplete,  ///< Take() it
    kBad,       ///< no request: answer Refusal() and close
  };

  RequestReader(size_t max_header, size_t max_body);
  ~RequestReader();

  /// More bytes of the connection. What comes after a complete request is kept for the next one.
  State Put(std::string_view bytes);
  /// Starts on the next request, of which bytes may be here already.
  State Next();

  State state() const { return state_; }
  /// Whether bytes of the current request have arrived.
  bool started() const;
  /// Bytes that are kept: of the body and of what has not been read yet.
  size_t held() const;
  /// What the request asks of the connection, known from kBody on.
  unsigned version() const;  ///< 10 or 11
  bool keep_alive() const;   ///< whether the client wants the connection to go on
  bool is_upgrade() const;   ///< to a WebSocket
  /// Why the handshake of an upgrade is none (RFC 6455 §4.2.1, §4.4); nullopt when it is one.
  std::optional<HttpResponse> UpgradeRefusal() const;
  /// Whether the client waits for "100 Continue" before it sends the body; true once.
  bool TakeContinue();

  /// The complete request, without what it does not say itself: addresses and whether it came over
  /// TLS.
  HttpRequest Take();
  /// The same for the WebSocket handshake; after Take().
  std::shared_ptr<BeastRequest> TakeForUpgrade();
  /// Whether bytes came after the request. A WebSocket client must wait for our answer.
  bool has_more() const { return !pending_.empty(); }
  /// What to answer in state kBad.
  HttpResponse Refusal() const { return refusal_; }

 private:
  struct Parser;

  State Refuse(int status, const std::string& text);
  State Parse();
  /// Looks at the header once it is complete (RFC 9112 §3.2, §6.1; RFC 9110 §10.1.1).
  State CheckHeader();
  /// Splits the target; false when it is of no form that we serve.
  bool ReadTarget();

  size_t max_header_;
  size_t max_body_;
  State state_ = State::kHeader;
  std::string pending_;  ///< bytes that the parser has not taken yet
  std::unique_ptr<Parser> parser_;
  bool header_checked_ = false;
  bool wants_continue_ = false;
  std::string host_;    ///< of the target if it names one, else of the Host field
  std::string target_;  ///< path and query
  HttpResponse refusal_;
};

}  // namespace sluice::controller
