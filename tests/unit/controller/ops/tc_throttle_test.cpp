#include "controller/ops/tc_throttle.h"

#include <algorithm>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <catch2/catch.hpp>
#include <exception>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace sluice::controller::test {
namespace {

/// A machine with one interface, "eth0" or "lo": keeps what the commands change there, and refuses
/// those that contain a word of `broken`.
class FakeSystem {
 public:
  ProgramRunner Runner() {
    return [this](std::vector<std::string> command) { return Run(std::move(command)); };
  }
  std::vector<std::string> Take() { return std::exchange(commands, {}); }

  std::set<std::string> broken;
  std::vector<std::string> commands;  ///< those that add something
  int cleared = 0;                    ///< commands that take something away

  // What there is.
  std::string root = "noqueue 0:";  ///< kind and handle
  std::string inbound;              ///< likewise; "" = none
  std::string filters;
  bool device = false;

 private:
  static bool Has(const std::vector<std::string>& command, const char* word) {
    return std::find(command.begin(), command.end(), word) != command.end();
  }

  Task<Result<std::string>> Run(std::vector<std::string> command) {
    std::string line;
    bool fails = false;
    for (const std::string& word : command) {
      line += (line.empty() ? "" : " ") + word;
      fails |= broken.contains(word);
    }
    const bool shows = Has(command, "show");
    const bool takes_away = Has(command, "del");
    if (takes_away) ++cleared;
    if (!takes_away && !shows) commands.push_back(line);
    if (fails) co_return Error(command.front() + ": unknown");
    if (shows) co_return Show(command);
    if (Has(command, "qdisc")) ChangeQueue(command, takes_away);
    if (Has(command, "filter")) filters = line;
    if (Has(command, "link")) device = !takes_away;
    co_return std::string();
  }
  Result<std::string> Show(const std::vector<std::string>& command) const {
    if (Has(command, "filter")) return filters;
    if (Has(command, "link")) {
      if (!device) return Error("Device does not exist.");
      return std::string("7: sluice-ifb: <BROADCAST,NOARP,UP,LOWER_UP> mtu 1500\n");
    }
    std::string text = "qdisc " + root + " root refcnt 2 limit 1000\n";
    if (!inbound.empty()) text += "qdisc " + inbound + " parent ffff:fff1 ----------------\n";
    return text;
  }
  void ChangeQueue(const std::vector<std::string>& command, bool takes_away) {
    if (Has(command, "ingress")) {
      inbound = takes_away ? "" : "ingress ffff:";
      if (takes_away) filters.clear();
    } else if (!Has(command, "sluice-ifb")) {
      const auto handle = std::find(command.begin(), command.end(), "handle");
      root = takes_away ? "noqueue 0:" : handle[2] + " " + handle[1];
    }
  }
};

Status Finish(Task<Status> task) {
  asio::io_context context;
  auto result = asio::co_spawn(context, std::move(task), asio::use_future);
  context.run();
  return result.get();
}

TEST_CASE("a throttled network: a queue on each way, half of the round trip on each") {
  FakeSystem system;
  TcThrottle throttle("eth0", system.Runner());
  REQUIRE(Finish(throttle.Apply({.uplink = 1200, .downlink = 2400, .rtt = 101, .packet_loss = 3}))
              .ok());
  CHECK(system.Take() ==
        std::vector<std::string>{
            "tc qdisc replace dev eth0 root handle 51ce: netem limit 35 delay 50ms loss 3% rate "
            "1200kbit",
            "ip link add sluice-ifb type ifb", "ip link set sluice-ifb up",
            "tc qdisc add dev eth0 handle ffff: ingress",
            "tc filter add dev eth0 parent ffff: matchall action mirred egress redirect dev "
            "sluice-ifb",
            "tc qdisc replace dev sluice-ifb root handle 51ce: netem limit 70 delay 51ms loss 3% "
            "rate 2400kbit"});
}

TEST_CASE("a throttled network: what is not asked for is left alone") {
  FakeSystem system;
  TcThrottle throttle("eth0", system.Runner());
  REQUIRE(Finish(throttle.Apply({})).ok());
  CHECK(system.Take().empty());
  REQUIRE(Finish(throttle.Apply({.uplink = 1'000'000, .rtt = 0})).ok());
  CHECK(system.Take().empty());
  REQUIRE(Finish(throttle.Apply({.uplink = 999'999})).ok());
  CHECK(system.Take() ==
        std::vector<std::string>{"tc qdisc replace dev eth0 root handle 51ce: netem limit 24999 "
                                 "delay 0ms loss 0% rate 999999kbit"});
}

TEST_CASE("a throttled network: without netem a rate is kept, delay and loss are refused") {
  FakeSystem system;
  system.broken = {"netem"};
  TcThrottle throttle("lo", system.Runner());
  REQUIRE(Finish(throttle.Apply({.uplink = 100})).ok());
  CHECK(system.Take().back() ==
        "tc qdisc replace dev lo root handle 51ce: tbf rate 100kbit burst 16384 latency 300ms");
  REQUIRE(Finish(throttle.Apply({.uplink = 80'000})).ok());
  CHECK(system.Take().back() ==
        "tc qdisc replace dev lo root handle 51ce: tbf rate 80000kbit burst 100000 latency 300ms");
  for (const NetworkConditions& wish :
       {NetworkConditions{.rtt = 2}, NetworkConditions{.packet_loss = 1}}) {
    const Status refused = Finish(throttle.Apply(wish));
    CHECK(absl::IsUnimplemented(refused));
    CHECK(std::string(refused.message()).find("rtt, packetLoss") != std::string::npos);
  }
}

TEST_CASE("a throttled network: what cannot be done wholly is not done by half") {
  for (const std::string missing : {"ifb", "ingress", "mirred", "tc"}) {
    FakeSystem system;
    system.broken = {missing};
    TcThrottle throttle("eth0", system.Runner());
    const Status refused = Finish(throttle.Apply({.uplink = 500, .downlink = 500}));
    INFO(missing);
    CHECK(absl::IsUnimplemented(refused));
    system.broken.clear();
    CHECK(system.root == "noqueue 0:");
    CHECK(system.inbound.empty());
    CHECK_FALSE(system.device);
    system.cleared = 0;
    CHECK(Finish(throttle.Reset()).ok());
    CHECK(system.cleared == 0);
  }
}

TEST_CASE("a throttled network: reset takes away what was applied, once") {
  FakeSystem system;
  TcThrottle throttle("eth0", system.Runner());
  CHECK(Finish(throttle.Reset()).ok());
  CHECK(system.cleared == 0);
  REQUIRE(Finish(throttle.Apply({.uplink = 500, .downlink = 500})).ok());
  CHECK(system.root == "netem 51ce:");
  CHECK(system.inbound == "ingress ffff:");
  CHECK(system.device);
  system.cleared = 0;
  CHECK(Finish(throttle.Reset()).ok());
  CHECK(system.cleared == 3);
  CHECK(system.root == "noqueue 0:");
  CHECK(system.inbound.empty());
  CHECK_FALSE(system.device);
  CHECK(Finish(throttle.Reset()).ok());
  CHECK(system.cleared == 3);
}

TEST_CASE("a throttled network: a process finds what one before it has left behind") {
  FakeSystem system;
  {
    TcThrottle killed("eth0", system.Runner());
    REQUIRE(Finish(killed.Apply({.uplink = 500, .downlink = 500})).ok());
  }
  SECTION("wholly") {}
  SECTION("on the way out only") {
    system.inbound.clear();
    system.filters.clear();
    system.device = false;
  }
  SECTION("half-way in") { system.filters.clear(); }
  TcThrottle next("eth0", system.Runner());
  CHECK(Finish(next.Reset()).ok());
  CHECK(system.root == "noqueue 0:");
  CHECK(system.inbound.empty());
  CHECK_FALSE(system.device);
}

TEST_CASE("a throttled network: what somebody else has configured is not touched") {
  FakeSystem system;
  TcThrottle throttle("eth0", system.Runner());
  SECTION("a queue of what is sent") {
    for (const std::string theirs : {"htb 1:", "fq_codel 8001:"}) {
      system.root = theirs;
      const Status refused = Finish(throttle.Apply({.uplink = 500, .downlink = 500}));
      CHECK(absl::IsUnimplemented(refused));
      CHECK_THAT(std::string(refused.message()), Catch::Contains(theirs));
      CHECK(Finish(throttle.Reset()).ok());
      CHECK(system.root == theirs);
    }
    CHECK(system.Take().empty());
    CHECK(Finish(throttle.Apply({.downlink = 500})).ok());  // it is in nobody's way
  }
  SECTION("one of what is received") {
    for (const std::string theirs : {"ingress ffff:", "clsact ffff:"}) {
      system.inbound = theirs;
      system.filters = "filter parent ffff: protocol all pref 49152 matchall chain 0\n";
      const Status refused = Finish(throttle.Apply({.rtt = 10}));
      CHECK(absl::IsUnimplemented(refused));
      CHECK_THAT(std::string(refused.message()), Catch::Contains(theirs));
      CHECK(Finish(throttle.Reset()).ok());
      CHECK(system.inbound == theirs);
    }
    CHECK(system.Take().empty());
    CHECK(Finish(throttle.Apply({.uplink = 500})).ok());
  }
  SECTION("the kernel's own is nobody's") {
    for (const std::string kernels : {"mq 0:", "fq_codel 0:", "pfifo_fast 0:"}) {
      system.root = kernels;
      CHECK(Finish(throttle.Apply({.uplink = 500})).ok());
      CHECK(system.root == "netem 51ce:");
    }
  }
}

TEST_CASE("a throttled network: reset says when it has failed, and that there is nothing to do") {
  FakeSystem system;
  TcThrottle throttle("eth0", system.Runner());
  REQUIRE(Finish(throttle.Apply({.uplink = 500})).ok());
  system.broken = {"del"};
  CHECK_FALSE(Finish(throttle.Reset()).ok());
  system.broken = {"tc"};
  CHECK_FALSE(Finish(throttle.Reset()).ok());
  TcThrottle without("eth0",
                     [](const std::vector<std::string>& /*command*/) -> Task<Result<std::string>> {
                       co_return UnsupportedError("there is no program tc");
                     });
  CHECK(Finish(without.Reset()).ok());
  CHECK(absl::IsUnimplemented(Finish(without.Apply({.uplink = 500}))));
}

TEST_CASE("a throttled network: a change whose client has gone does not stand in the way") {
  asio::io_context context;
  asio::steady_timer never(context, asio::steady_timer::time_point::max());
  FakeSystem system;
  bool hangs = true;
  TcThrottle throttle("eth0", [&](std::vector<std::string> command) -> Task<Result<std::string>> {
    if (hangs) co_await never.async_wait(asio::use_awaitable);
    co_return co_await system.Runner()(std::move(command));
  });
  asio::cancellation_signal gone;
  bool ended = false;
  asio::co_spawn(
      context, throttle.Apply({.uplink = 500}),
      asio::bind_cancellation_slot(gone.slot(), [&](const std::exception_ptr& /*error*/,
                                                    const Status& /*status*/) { ended = true; }));
  context.poll();
  hangs = false;
  CHECK_FALSE(Finish(throttle.Apply({.uplink = 500})).ok());  // it is being changed
  gone.emit(asio::cancellation_type::terminal);
  context.restart();
  context.poll();
  REQUIRE(ended);
  CHECK(Finish(throttle.Apply({.uplink = 500})).ok());
}

TEST_CASE("a throttled network: the interface of the default route") {
  const std::string columns = "Iface\tDestination\tGateway\tFlags\n";
  CHECK(DefaultInterface(
            columns + "eth1\t0000A8C0\t00000000\t0001\neth0\t00000000\t0100A8C0\t3\n") == "eth0");
  CHECK(DefaultInterface(columns + "eth1\t0000A8C0\t00000000\t0001\n") == "lo");
  CHECK(DefaultInterface("") == "lo");
}

}  // namespace
}  // namespace sluice::controller::test
