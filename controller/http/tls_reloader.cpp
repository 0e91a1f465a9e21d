#include "controller/http/tls_reloader.h"

#include <sys/stat.h>

#include <utility>

namespace sluice::controller {

TlsReloader::TlsReloader(TlsFiles files, Use use)
    : files_(std::move(files)), use_(std::move(use)), seen_(Signature()) {}

std::string TlsReloader::Signature() const {
  std::string signature;
  for (const std::string& path : {files_.certificate, files_.key}) {
    struct stat found = {};
    if (stat(path.c_str(), &found) != 0) {
      signature += "none;";
      continue;
    }
    for (const auto number :
         {static_cast<int64_t>(found.st_ino), static_cast<int64_t>(found.st_size),
          static_cast<int64_t>(found.st_mtim.tv_sec),
          static_cast<int64_t>(found.st_mtim.tv_nsec)}) {
      signature += std::to_string(number) + ";";
    }
  }
  return signature;
}

Result<TlsReloader::Outcome> TlsReloader::Check(bool always) {
  std::string signature = Signature();
  if (!always && signature == seen_) return Outcome::kUnchanged;
  seen_ = std::move(signature);
  const auto loaded = LoadTls(files_);
  if (!loaded.ok()) return loaded.status();
  use_(*loaded);
  return Outcome::kLoaded;
}

}  // namespace sluice::controller
