#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common/fd.h"
#include "tests/integration/child_process.h"

namespace sluice {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

inline sockaddr_in Loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

/// Whether a socket of `type` (SOCK_STREAM, SOCK_DGRAM) can have the port now; 0: any, and which.
inline bool CanBind(int type, uint16_t port, uint16_t* bound = nullptr) {
  const Fd socket(::socket(AF_INET, type | SOCK_CLOEXEC, 0));
  sockaddr_in address = Loopback(port);
  socklen_t size = sizeof(address);
  if (bind(socket.get(), reinterpret_cast<sockaddr*>(&address), size) != 0) return false;
  REQUIRE(getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
  if (bound != nullptr) *bound = ntohs(address.sin_port);
  return true;
}

/// A TCP port that nobody listens on.
inline uint16_t FreePort() {
  uint16_t port = 0;
  REQUIRE(CanBind(SOCK_STREAM, 0, &port));
  return port;
}

/// Waits for a condition, for as long as a broken program is given.
inline bool Eventually(const std::function<bool()>& done) {
  const auto give_up = Clock::now() + milliseconds(kTimeoutMs);
  while (!done()) {
    if (Clock::now() > give_up) return false;
    std::this_thread::sleep_for(milliseconds(10));
  }
  return true;
}

/// The second and third field behind the name in /proc/PID/stat: state and parent; "" and 0 when
/// there is no such process.
inline std::pair<std::string, pid_t> StateAndParent(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  std::getline(file, text);
  const size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) return {"", 0};
  std::istringstream rest(text.substr(name_end + 1));
  std::string state;
  pid_t parent = 0;
  rest >> state >> parent;
  return {state, parent};
}

/// True when the process runs no more; who has to reap it may not have done so.
inline bool HasEnded(pid_t pid) {
  const std::string state = StateAndParent(pid).first;
  return state.empty() || state == "Z" || state == "X";
}

inline std::vector<pid_t> ChildrenOf(pid_t parent) {
  std::vector<pid_t> children;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string name = entry.path().filename().string();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    const auto pid = static_cast<pid_t>(std::stol(name));
    if (StateAndParent(pid).second == parent && !HasEnded(pid)) children.push_back(pid);
  }
  return children;
}

/// The controller with one worker on ports of its own.
class Controller {
 public:
  /// `output` becomes its stdout; `in_child` sets up its environment.
  explicit Controller(
      int output, const std::vector<std::string>& options = {},
      const std::function<void()>& in_child = [] {})
      : port_(FreePort()), process_(Command(port_, options), [output, &in_child] {
          dup2(output, 1);
          in_child();
        }) {}

  /// The answer to a request, once the controller listens; "" when it does not in time.
  std::string Ask(const std::string& method, const std::string& path,
                  const std::string& fields = "", const std::string& body = "") const {
    const auto give_up = Clock::now() + milliseconds(kTimeoutMs);
    while (Clock::now() < give_up) {
      const Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
      const sockaddr_in address = Loopback(port_);
      if (connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) !=
          0) {
        std::this_thread::sleep_for(milliseconds(20));
        continue;
      }
      std::string request = method + " " + path +
                            " HTTP/1.1\r\nHost: localhost:" + std::to_string(port_) + "\r\n" +
                            fields;
      if (fields.find("Connection:") == std::string::npos) request += "Connection: close\r\n";
      if (!body.empty()) {
        request +=
            "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) +
            "\r\n";
      }
      request += "\r\n" + body;
      REQUIRE(send(socket.get(), request.data(), request.size(), MSG_NOSIGNAL) ==
              static_cast<ssize_t>(request.size()));
      return ReadBytes(socket.get(), 1'000'000);
    }
    return "";
  }
  std::string Get(const std::string& path) const { return Ask("GET", path); }
  /// Waits until it can make rooms; its worker.
  pid_t AwaitWorker() {
    REQUIRE(Eventually([this] { return Get("/readyz").starts_with("HTTP/1.1 200"); }));
    const std::vector<pid_t> workers = ChildrenOf(process_.pid());
    REQUIRE(workers.size() == 1);
    return workers.front();
  }

  ChildProcess& process() { return process_; }
  uint16_t port() const { return port_; }

 private:
  static std::vector<std::string> Command(uint16_t port, const std::vector<std::string>& options) {
    std::vector<std::string> command = {
        SLUICE_BIN,          "--listenPort=0",
        "--gstListenPort=0", "--plainListenPort=" + std::to_string(port),
        "--numWorkers=1",    "--rtcIp=127.0.0.1",
        "--rtcPort=0"};
    command.insert(command.end(), options.begin(), options.end());
    return command;
  }

  uint16_t port_;
  ChildProcess process_;
};

}  // namespace sluice
