#include "controller/ops/service_notifier.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>

#include "common/fd.h"

namespace sluice::controller {
namespace {

/// A service manager's socket.
struct ServiceSocket {
  explicit ServiceSocket(const std::string& name)
      : socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, name.data(), name.size());
    if (name.front() == '@') address.sun_path[0] = '\0';
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    REQUIRE(bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), size) == 0);
  }
  std::string Take() const {
    std::array<char, 256> text{};
    const ssize_t size = recv(socket.get(), text.data(), text.size(), 0);
    return size < 0 ? "" : std::string(text.data(), static_cast<size_t>(size));
  }
  Fd socket;
};

TEST_CASE("service manager: hears how the program is, wherever its socket is") {
  const std::string pid = std::to_string(getpid());
  const bool abstract = GENERATE(true, false);
  const std::string name = (abstract ? "@sluice-notify-" : "/tmp/sluice-notify-") + pid;
  const ServiceSocket manager(name);
  const ServiceNotifier notifier(name);
  CHECK(notifier.Tell("READY=1\nSTATUS=Serving"));
  CHECK(manager.Take() == "READY=1\nSTATUS=Serving");
  CHECK(notifier.Tell("WATCHDOG=1"));
  CHECK(manager.Take() == "WATCHDOG=1");
  if (!abstract) unlink(name.c_str());
}

TEST_CASE("service manager: without one, with one that is gone or does not read, nothing happens") {
  CHECK_FALSE(ServiceNotifier(std::nullopt).Tell("READY=1"));
  CHECK_FALSE(ServiceNotifier("").Tell("READY=1"));
  CHECK_FALSE(ServiceNotifier("/nonexistent/notify").Tell("READY=1"));
  CHECK_FALSE(ServiceNotifier(std::string(200, 'x')).Tell("READY=1"));
  const std::string name = "@sluice-deaf-" + std::to_string(getpid());
  const ServiceSocket manager(name);
  const ServiceNotifier notifier(name);
  bool taken = true;
  for (int i = 0; i < 100'000 && taken; ++i) taken = notifier.Tell("WATCHDOG=1");
  CHECK_FALSE(taken);
}

TEST_CASE("service manager: its variable is read once and kept from others") {
  setenv("NOTIFY_SOCKET", "/nonexistent/notify", 1);
  const ServiceNotifier notifier = ServiceNotifier::FromEnvironment(ThisHost());
  CHECK_FALSE(notifier.Tell("READY=1"));
  CHECK(std::getenv("NOTIFY_SOCKET") == nullptr);
}

}  // namespace
}  // namespace sluice::controller
