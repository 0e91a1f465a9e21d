#include "controller/ops/config_defaults.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <thread>

#include "common/socket_address.h"

namespace sluice::controller {

namespace {

namespace fs = std::filesystem;

/// The first web app that exists: of the source tree that this program was built in, installed,
/// or below the current directory.
std::string FindWebRoot(const fs::path& folder) {
  std::error_code error;
  for (const fs::path& candidate :
       {folder / "../../../web/dist", folder / "../share/sluice/web", fs::path("web/dist")}) {
    if (fs::exists(candidate / "index.html", error)) return candidate.lexically_normal().string();
  }
  return (folder / "../../../web/dist").lexically_normal().string();
}

std::string DefaultStateDir(const HostFacts& host) {
  const std::string state = host.environment("XDG_STATE_HOME").value_or("");
  if (!state.empty()) return state + "/sluice";
  const std::string home = host.environment("HOME").value_or("");
  if (!home.empty()) return home + "/.local/state/sluice";
  return "sluice-state";
}

/// The address that clients are told: as configured, else the one listened on ("": nothing has to
/// be announced), else the first IPv4 address of this machine.
std::string AnnouncedAddress(const HostFacts& host, const MediaConfig& media) {
  if (!media.announced_address.empty()) return media.announced_address;
  const auto ip = IpAddress::Parse(media.rtc_ip);
  if (ip && !ip->is_unspecified()) return "";
  for (const std::string& address : host.addresses()) {
    const auto parsed = IpAddress::Parse(address);
    if (parsed && parsed->is_v4()) return address;
  }
  return "127.0.0.1";
}

}  // namespace

HostFacts ThisHost() {
  HostFacts host;
  host.environment = [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    if (!value) return std::nullopt;
    return std::string(value);
  };
  host.processors = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  std::error_code error;
  const fs::path self = fs::read_symlink("/proc/self/exe", error);
  host.program_folder = (error ? fs::current_path() : self.parent_path()).string();
  host.addresses = [] { return std::vector<std::string>(); };
  return host;
}

void EraseFromEnvironment(const std::string& name) {
  if (char* value = std::getenv(name.c_str())) OPENSSL_cleanse(value, std::strlen(value));
  unsetenv(name.c_str());
}

void ResolveDefaults(const HostFacts& host, Config* config) {
  const fs::path folder = host.program_folder;
  if (config->workers.count == 0) config->workers.count = host.processors;
  if (config->workers.binary.empty()) config->workers.binary = (folder / "sluice-worker").string();
  if (config->http.web_root.empty()) config->http.web_root = FindWebRoot(folder);
  if (config->state_dir.empty()) config->state_dir = DefaultStateDir(host);
  if (config->gst.listen_ip.empty()) config->gst.listen_ip = config->http.listen_ip;
  config->media.announced_address = AnnouncedAddress(host, config->media);
}

}  // namespace sluice::controller
