#pragma once

#include <functional>
#include <memory>
#include <string>

#include "common/status.h"
#include "controller/http/tls.h"

namespace sluice::controller {

/// Notices that the files of a TLS certificate have changed and loads them again. Files that cannot
/// be used, such as a new certificate whose key has not been written yet, leave what is in use as
/// it is; they are tried again when they change again. Whoever owns it calls Check() regularly and
/// when it is told to (SIGHUP).
class TlsReloader {
 public:
  using Use = std::function<void(const std::shared_ptr<asio::ssl::context>&)>;

  enum class Outcome { kUnchanged, kLoaded };

  /// `use` gets what was loaded, for connections that come from then on. `files` as they are now
  /// are in use already.
  TlsReloader(TlsFiles files, Use use);

  /// Loads the files if they have changed since the last time, or in any case when `always`. Error:
  /// why they cannot be used.
  Result<Outcome> Check(bool always);

  const TlsFiles& files() const { return files_; }

 private:
  /// What tells a file from the one that was there before: inode, size and time of change.
  std::string Signature() const;

  TlsFiles files_;
  Use use_;
  std::string seen_;
};

}  // namespace sluice::controller
