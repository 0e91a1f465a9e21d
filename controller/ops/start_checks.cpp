#include "controller/ops/start_checks.h"

#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include "common/fd.h"
#include "common/socket_address.h"
#include "controller/base/logging.h"
#include "controller/ops/run_program.h"

namespace sluice::controller {

namespace {

namespace fs = std::filesystem;

Status CheckWebRoot(const Config& config) {
  if (HasWebApp(config)) return absl::OkStatus();
  const std::string& folder = config.http.web_root;
  return OptionsError({"webRoot"}, "option webRoot \"" + folder +
                                       "\": must be the folder of the built web app, with a "
                                       "readable index.html");
}

Task<void> Keep(Task<Result<std::string>> task, std::optional<Result<std::string>>* result) {
  *result = co_await std::move(task);
}

}  // namespace

Result<std::string> AskWorkerVersion(const std::string& binary) {
  const std::string option = "option workerBin \"" + binary + "\": ";
  std::error_code error;
  if (!fs::is_regular_file(binary, error) || access(binary.c_str(), X_OK) != 0) {
    return OptionsError({"workerBin"}, option + "must be an executable file");
  }
  asio::io_context context(1);
  std::optional<Result<std::string>> said;
  // With a slash, so that it is not looked for along PATH.
  const std::string program = binary.find('/') == std::string::npos ? "./" + binary : binary;
  Spawn(context.get_executor(), Keep(RunProgram({program, "--version"}), &said));
  context.run();
  const std::string right = option + "must be sluice-worker";
  if (!said->ok()) {
    return OptionsError(
        {"workerBin"}, right + ": asked for its --version, " + std::string(Reason(said->status())));
  }
  const std::string& version = **said;
  std::string line = version.substr(0, version.find('\n'));
  if (line.starts_with("sluice-worker")) return line;
  return OptionsError({"workerBin"}, right + ": its --version is \"" + line + "\"");
}

Status CheckRtcIp(const std::string& ip) {
  const auto address = IpAddress::Parse(ip);
  if (!address) return absl::OkStatus();
  const Fd socket(::socket(address->is_v6() ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_storage storage{};
  const socklen_t size = SocketAddress{*address, 0}.ToSockaddr(&storage);
  if (socket.get() >= 0 && bind(socket.get(), reinterpret_cast<sockaddr*>(&storage), size) == 0) {
    return absl::OkStatus();
  }
  return OptionsError({"rtcIp"},
                      "option rtcIp \"" + ip + "\": must be an address of this machine (" +
                          std::strerror(errno) + "); what others reach it by is announcedAddress");
}

Status CheckThrottledInterface(const SecurityConfig& security) {
  const std::string& name = security.network_throttle_interface;
  if (security.network_throttle_secret.empty() || name.empty()) return absl::OkStatus();
  if (if_nametoindex(name.c_str()) != 0) return absl::OkStatus();
  return OptionsError({"networkThrottleInterface"},
                      "option networkThrottleInterface \"" + name +
                          "\": must be a network interface of this machine; ip link lists them");
}

bool HasWebApp(const Config& config) {
  std::error_code error;
  const fs::path page = fs::path(config.http.web_root) / "index.html";
  return fs::is_regular_file(page, error) && access(page.c_str(), R_OK) == 0;
}

Status CheckSurroundings(const Config& config, const std::map<std::string, std::string>& places) {
  if (places.contains("webRoot")) SLUICE_RETURN_IF_ERROR(CheckWebRoot(config));
  SLUICE_RETURN_IF_ERROR(AskWorkerVersion(config.workers.binary).status());
  SLUICE_RETURN_IF_ERROR(CheckRtcIp(config.media.rtc_ip));
  return CheckThrottledInterface(config.security);
}

}  // namespace sluice::controller
