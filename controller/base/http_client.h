#pragma once

#include <boost/asio/ssl/context.hpp>
#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/status.h"
#include "controller/base/server_url.h"
#include "controller/base/task.h"

namespace sluice::controller {

/// A request to another HTTP server.
struct HttpCall {
  ServerUrl url;  ///< the server; its path and query are not added
  std::string method;
  std::string target;  ///< path and query
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
};

struct HttpReply {
  int status = 0;
  std::string reason;
  std::string body;
};

/// Longest body of a reply, in bytes: one that goes on is no answer.
constexpr size_t kMaxReplyBody = 1024 * 1024;

/// The server's answer, whatever its status, over a connection of its own; redirections are not
/// followed. Error when there is none within `patience`. `tls` says for https which certificates
/// count.
Task<Result<HttpReply>> CallHttp(std::shared_ptr<asio::ssl::context> tls, HttpCall call,
                                 std::chrono::seconds patience);

}  // namespace sluice::controller
