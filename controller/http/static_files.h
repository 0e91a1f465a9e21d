#pragma once

#include <optional>
#include <string>

#include "controller/http/http_types.h"

namespace sluice::controller {

/// Serves the web app's files from one folder. Never leaves that folder: names with "..", hidden
/// files and links that point outside are not found.
class StaticFiles {
 public:
  /// Files of the web app are far smaller; a bigger one is not served.
  static constexpr size_t kMaxFile = 32 << 20;

  explicit StaticFiles(std::string root) : root_(std::move(root)) {}

  /// The file that the path names; the index page for "/" and, for browsers (Accept: text/html),
  /// for every other path without an extension; nullopt when there is none.
  std::optional<HttpResponse> Get(const HttpRequest& request) const;

 private:
  std::optional<HttpResponse> Load(const std::string& relative, const HttpRequest& request) const;

  std::string root_;
};

}  // namespace sluice::controller
