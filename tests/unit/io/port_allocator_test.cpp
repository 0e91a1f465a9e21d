#include "worker/io/port_allocator.h"

#include <sys/socket.h>

#include <fstream>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/log.h"
#include "tests/unit/io/io_test.h"

namespace sluice::worker {
namespace {

using test::MakeLoop;
using test::Peer;

ListenInfo Info(const char* ip, uint16_t min = 0, uint16_t max = 0) {
  ListenInfo info;
  info.ip = ip;
  info.port_min = min;
  info.port_max = max;
  return info;
}

std::string Message(const Status& status) { return std::string(status.message()); }

/// A run of `count` ports that are free now, for udp and tcp.
uint16_t FreeRun(PortAllocator& ports, uint16_t count) {
  for (uint16_t start = 21'000; start < 30'000; start = static_cast<uint16_t>(start + count)) {
    std::vector<BoundSocket> held;
    for (uint16_t i = 0; i < count; ++i) {
      for (const auto protocol : {TransportProtocol::kUdp, TransportProtocol::kTcp}) {
        ListenInfo info = Info("127.0.0.1");
        info.protocol = protocol;
        info.port = static_cast<uint16_t>(start + i);
        auto bound = ports.Open(info);
        if (bound.ok()) held.push_back(std::move(*bound));
      }
    }
    if (held.size() == size_t{2} * count) return start;
  }
  FAIL("no free ports on this host");
  return 0;
}

TEST_CASE("a range is used up, and a port that is given back is used again") {
  auto loop = MakeLoop();
  PortAllocator ports(*loop, {});
  const uint16_t min = FreeRun(ports, 5);
  const auto max = static_cast<uint16_t>(min + 4);
  ListenInfo info = Info("127.0.0.1", min, max);
  info.protocol = GENERATE(TransportProtocol::kUdp, TransportProtocol::kTcp);
  std::vector<BoundSocket> held;
  std::set<uint16_t> seen;
  for (int i = 0; i < 5; ++i) {
    auto bound = ports.Open(info);
    REQUIRE(bound.ok());
    seen.insert(bound->address.port);
    held.push_back(std::move(*bound));
  }
  CHECK(seen.size() == 5);
  CHECK(*seen.begin() == min);
  CHECK(*seen.rbegin() == max);
  const auto full = ports.Open(info);
  REQUIRE_FALSE(full.ok());
  CHECK(std::string(ErrorClassName(full.status())) == "Error");
  CHECK_THAT(Message(full.status()), Catch::Contains("127.0.0.1") &&
                                         Catch::Contains(std::to_string(min)) &&
                                         Catch::Contains(std::to_string(max)));
  const uint16_t freed = held[2].address.port;
  held.erase(held.begin() + 2);
  auto again = ports.Open(info);
  REQUIRE(again.ok());
  CHECK(again->address.port == freed);
}

TEST_CASE("shared ports are still reserved one by one in a range") {
  auto loop = MakeLoop();
  PortAllocator ports(*loop, {});
  const uint16_t min = FreeRun(ports, 2);
  ListenInfo info = Info("127.0.0.1", min, static_cast<uint16_t>(min + 1));
  info.udp_reuse_port = true;
  auto a = ports.Open(info);
  auto b = ports.Open(info);
  REQUIRE((a.ok() && b.ok()));
  CHECK(a->address.port != b->address.port);
  CHECK_FALSE(ports.Open(info).ok());
  // A fixed port is in no table, and may be shared.
  info.port_min = info.port_max = 0;
  info.port = a->address.port;
  CHECK(ports.Open(info).ok());
}

TEST_CASE("ports that others hold are skipped") {
  auto loop = MakeLoop();
  PortAllocator ports(*loop, {});
  const uint16_t min = FreeRun(ports, 3);
  std::vector<BoundSocket> held;
  for (const uint16_t busy : {min, static_cast<uint16_t>(min + 2)}) {
    ListenInfo fixed = Info("127.0.0.1");
    fixed.port = busy;
    held.push_back(std::move(*ports.Open(fixed)));
  }
  auto bound = ports.Open(Info("127.0.0.1", min, static_cast<uint16_t>(min + 2)));
  REQUIRE(bound.ok());
  CHECK(bound->address.port == min + 1);
}

TEST_CASE("the worker's range is the last choice") {
  auto loop = MakeLoop();
  PortAllocator any(*loop, {});
  const uint16_t min = FreeRun(any, 2);
  PortAllocator ports(*loop, {min, min});
  CHECK(ports.Open(Info("127.0.0.1"))->address.port == min);
  ListenInfo fixed = Info("127.0.0.1");
  fixed.port = static_cast<uint16_t>(min + 1);
  CHECK(ports.Open(fixed)->address.port == min + 1);
  // Half a portRange is none.
  CHECK(ports.Open(Info("127.0.0.1", 0, 40'000))->address.port == min);
  CHECK(any.Open(Info("127.0.0.1"))->address.port != 0);
}

TEST_CASE("a busy fixed port is an Error that names it") {
  auto loop = MakeLoop();
  PortAllocator ports(*loop, {});
  const bool tcp = GENERATE(false, true);
  ListenInfo info = Info("127.0.0.1");
  info.protocol = tcp ? TransportProtocol::kTcp : TransportProtocol::kUdp;
  auto first = ports.Open(info);
  REQUIRE(first.ok());
  info.port = first->address.port;
  const auto second = ports.Open(info);
  REQUIRE_FALSE(second.ok());
  CHECK(std::string(ErrorClassName(second.status())) == "Error");
  CHECK_THAT(Message(second.status()),
             Catch::Contains(first->address.ToString()) && Catch::Contains(tcp ? "tcp" : "udp"));
}

TEST_CASE("wrong listen parameters are TypeErrors that name the field") {
  auto loop = MakeLoop();
  PortAllocator ports(*loop, {});
  const auto check = [&](const ListenInfo& info, const char* field, const char* value) {
    const auto result = ports.Open(info);
    REQUIRE_FALSE(result.ok());
    CHECK(std::string(ErrorClassName(result.status())) == "TypeError");
    CHECK_THAT(Message(result.status()), Catch::Contains(field) && Catch::Contains(value));
  };
  for (const char* ip : {"", "localhost", "1.2.3", "1.2.3.4.5", "::g", "127.0.0.1 "}) {
    check(Info(ip), "ip", ip);
  }
  check(Info("127.0.0.1", 5000, 4999), "portRange", "4999");
  ListenInfo buffers = Info("127.0.0.1");
  buffers.send_buffer_size = 0x80000000u;
  check(buffers, "sendBufferSize", "-2147483648");
  buffers.send_buffer_size = 0;
  buffers.recv_buffer_size = 0xffffffffu;
  check(buffers, "recvBufferSize", "-1");
}

TEST_CASE("an address of another host is an Error at once") {
  auto loop = MakeLoop();
  PortAllocator ports(*loop, {20'000, 60'000});
  const auto result = ports.Open(Info("192.0.2.1"));  // TEST-NET-1
  REQUIRE_FALSE(result.ok());
  CHECK(std::string(ErrorClassName(result.status())) == "Error");
  CHECK_THAT(Message(result.status()), Catch::Contains("192.0.2.1"));
}

TEST_CASE("buffer sizes and ipv6Only reach the socket") {
  auto loop = MakeLoop();
  PortAllocator ports(*loop, {});
  ListenInfo info = Info("::1");
  info.send_buffer_size = 30'000;
  info.recv_buffer_size = 40'000;
  info.ipv6_only = true;
  auto bound = ports.Open(info);
  REQUIRE(bound.ok());
  CHECK(bound->address.ip.is_v6());
  const auto get = [&](int level, int option) {
    int value = 0;
    socklen_t length = sizeof(value);
    getsockopt(bound->fd.get(), level, option, &value, &length);
    return value;
  };
  CHECK(get(SOL_SOCKET, SO_SNDBUF) == 60'000);  // Linux doubles it for its own use
  CHECK(get(SOL_SOCKET, SO_RCVBUF) == 80'000);
  CHECK(get(IPPROTO_IPV6, IPV6_V6ONLY) == 1);
}

/// Lines of the log while it lives.
struct LogLines final : LogSink {
  LogLines() {
    Log::SetSink(this);
    Log::SetLevel(LogLevel::kWarn);
  }
  ~LogLines() override {
    Log::SetSink(nullptr);
    Log::SetLevel(LogLevel::kError);
  }
  void WriteLog(LogLevel, std::string_view line) override { lines.emplace_back(line); }
  std::vector<std::string> lines;
};

/// What the kernel was asked for: it tells the double.
int BufferOf(const BoundSocket& socket, int option) {
  int value = 0;
  socklen_t length = sizeof(value);
  REQUIRE(getsockopt(socket.fd.get(), SOL_SOCKET, option, &value, &length) == 0);
  return value / 2;
}

/// Whether this process may have a buffer of so many bytes.
bool MayHave(int force_option, const char* limit_file, int bytes) {
  const Fd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (setsockopt(fd.get(), SOL_SOCKET, force_option, &bytes, sizeof(bytes)) == 0) return true;
  std::ifstream file(limit_file);
  int limit = 0;
  file >> limit;
  return limit >= bytes;
}

TEST_CASE("UDP sockets get buffers of 4 MiB, or one line of the log says how they would") {
  constexpr int kWanted = 4 << 20;
  const bool sends = MayHave(SO_SNDBUFFORCE, "/proc/sys/net/core/wmem_max", kWanted);
  const bool receives = MayHave(SO_RCVBUFFORCE, "/proc/sys/net/core/rmem_max", kWanted);
  const LogLines log;
  auto loop = MakeLoop();
  PortAllocator ports(*loop, {});
  for (int i = 0; i < 3; ++i) {
    const auto bound = ports.Open(Info("127.0.0.1"));
    REQUIRE(bound.ok());
    CHECK((BufferOf(*bound, SO_SNDBUF) == kWanted) == sends);
    CHECK((BufferOf(*bound, SO_RCVBUF) == kWanted) == receives);
  }
  CHECK(log.lines.size() == (sends && receives ? 0 : 1));
}

TEST_CASE("where the kernel gives less than was asked for, the log says so once") {
  constexpr uint32_t kTooMuch = 0x7fffffff;  // the kernel halves it even for root
  const LogLines log;
  auto loop = MakeLoop();
  PortAllocator ports(*loop, {}, {kTooMuch, kTooMuch});
  for (int i = 0; i < 3; ++i) REQUIRE(ports.Open(Info("127.0.0.1")).ok());
  ListenInfo tcp = Info("127.0.0.1");
  tcp.protocol = TransportProtocol::kTcp;
  REQUIRE(ports.Open(tcp).ok());
  REQUIRE(log.lines.size() == 1);
  CHECK_THAT(log.lines[0], Catch::Contains("net.core.wmem_max=2147483647"));
  CHECK_THAT(log.lines[0], Catch::Contains("net.core.rmem_max=2147483647"));
}

}  // namespace
}  // namespace sluice::worker
