#include "worker/process/engine_options.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace sluice::worker {

Status CheckReadableFile(std::string_view option, const std::string& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) {
    return TypeError(fmt::format("{}: cannot find \"{}\": {}", option, path, std::strerror(errno)));
  }
  if (!S_ISREG(info.st_mode)) {
    return TypeError(fmt::format("{}: \"{}\" is not a regular file", option, path));
  }
  if (access(path.c_str(), R_OK) != 0) {
    return TypeError(fmt::format("{}: cannot read \"{}\": {}", option, path, std::strerror(errno)));
  }
  return absl::OkStatus();
}

Status ParseWriterKind(std::string_view value, SendStrategy::Kind* chosen) {
  using Kind = SendStrategy::Kind;
  for (const Kind kind : {Kind::kAuto, Kind::kGso, Kind::kSendmmsg, Kind::kSendto}) {
    if (value != ToString(kind)) continue;
    *chosen = kind;
    return absl::OkStatus();
  }
  return TypeError(
      fmt::format("--writer: \"{}\" is not one of auto, gso, sendmmsg, sendto", value));
}

Status ParseSrtpEngineKind(std::string_view value, SrtpEngine::Kind* chosen) {
  using Kind = SrtpEngine::Kind;
  constexpr std::array<std::pair<std::string_view, Kind>, 4> kKinds = {{
      {"auto", Kind::kAuto},
      {"ipsecmb", Kind::kIpsecMb},
      {"openssl", Kind::kOpenSsl},
      {"libsrtp", Kind::kLibsrtp},
  }};
  for (const auto& [name, kind] : kKinds) {
    if (value != name) continue;
    *chosen = kind;
    return absl::OkStatus();
  }
  return TypeError(
      fmt::format("--srtpEngine: \"{}\" is not one of auto, ipsecmb, openssl, libsrtp", value));
}

}  // namespace sluice::worker
