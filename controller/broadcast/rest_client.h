#pragma once

#include <boost/asio/ssl/context.hpp>
#include <boost/json/value.hpp>
#include <memory>
#include <string>

#include "common/status.h"
#include "controller/base/task.h"
#include "controller/broadcast/server_url.h"

namespace sluice::controller::broadcast {

struct RestReply {
  int status = 0;
  boost::json::value body;  ///< null when it is no JSON
  /// What the server says of an error, or its status.
  std::string message;
};

/// Asks the server's REST API, one connection for each request.
class RestClient {
 public:
  struct Settings {
    ServerUrl url;
    std::string token;
    std::string ca_file;
  };
  /// TypeError when the file of certificates cannot be read.
  static Result<std::unique_ptr<RestClient>> Make(Settings settings);

  /// Sent with each request from now on.
  void set_broadcaster_secret(std::string secret) { secret_ = std::move(secret); }

  /// The server's answer, whatever its status. Error when there is none within five seconds.
  Task<Result<RestReply>> Ask(std::string method, std::string path, std::string body) const;

 private:
  explicit RestClient(Settings settings);

  Settings settings_;
  std::string secret_;
  std::shared_ptr<asio::ssl::context> tls_;
};

}  // namespace sluice::controller::broadcast
