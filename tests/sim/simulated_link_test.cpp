// The test network itself, then ICE and DTLS over it.
#include "tests/sim/simulated_link.h"

#include <catch2/catch.hpp>
#include <functional>
#include <string>

#include "tests/sim/dtls_driver.h"
#include "worker/core/dtls/dtls_session.h"
#include "worker/core/ice/ice_lite_agent.h"
#include "worker/wire/stun.h"

namespace sluice::worker {
namespace {

struct Host : DatagramHandler {
  Host(SimulatedLinks& network, const std::string& ip,
       TransportProtocol protocol = TransportProtocol::kUdp) {
    ListenInfo info;
    info.protocol = protocol;
    info.ip = ip;
    auto opened = network.Open(info, *this);
    REQUIRE(opened.ok());
    socket = *std::move(opened);
  }
  Host() = default;
  void OnDatagram(PacketRef buffer, size_t size, const NetworkPath& from,
                  Timestamp received_at) override {
    received.emplace_back(buffer.data(), buffer.data() + size);
    times.push_back((received_at - VirtualEnvironment::kStart).ms());
    last_path = from;
    if (on_datagram) on_datagram(received.back(), from, received_at);
  }
  void OnPathClosed(const NetworkPath&) override { ++closed; }
  static void Send(PacketWriter* writer, const SocketAddress& to, const std::string& text) {
    uint8_t* slot = writer->Reserve(text.size());
    writer->Commit(text.size(), to, PacketKind::kRtcp);
    std::copy(text.begin(), text.end(), slot);  // after Commit: allowed until the turn ends
  }

  std::unique_ptr<ServerSocket> socket;
  std::vector<std::string> received;
  std::vector<int64_t> times;
  NetworkPath last_path;
  int closed = 0;
  std::function<void(const std::string&, const NetworkPath&, Timestamp)> on_datagram;
};

struct World {
  explicit World(uint64_t seed = 5) : environment(seed) {}
  VirtualEnvironment environment;
  PacketBufferPool buffers;
  SimulatedLinks network{environment, buffers};
};

LinkConditions Delayed(int64_t ms) {
  LinkConditions link;
  link.delay = Duration::Millis(ms);
  return link;
}

}  // namespace

TEST_CASE("a datagram arrives after the delay") {
  World w;
  Host a(w.network, "10.0.0.1");
  Host b(w.network, "10.0.0.2");
  w.network.SetConditions(Delayed(30));
  Host::Send(a.socket->writer(), b.socket->local_address(), "now");
  w.environment.AdvanceBy(Duration::Millis(5));
  Host::Send(a.socket->writer(), b.socket->local_address(), "later");
  w.environment.AdvanceBy(Duration::Seconds(1));
  CHECK(b.received == std::vector<std::string>{"now", "later"});
  CHECK(b.times == std::vector<int64_t>{30, 35});
  CHECK(b.last_path.tuple.remote == a.socket->local_address());
  Host::Send(b.last_path.writer, b.last_path.tuple.remote, "back");
  w.environment.AdvanceBy(Duration::Seconds(1));
  CHECK(a.received == std::vector<std::string>{"back"});
}

TEST_CASE("loss, duplication and reordering are as asked and repeat with the seed") {
  const auto run = [] {
    World w;
    Host a(w.network, "10.0.0.1");
    Host b(w.network, "10.0.0.2");
    LinkConditions link;
    link.loss = 0.3;
    link.duplicate = 0.1;
    link.jitter = Duration::Millis(50);
    w.network.SetConditions(a.socket->local_address().ip, b.socket->local_address().ip, link);
    for (int i = 0; i < 2000; ++i)
      Host::Send(a.socket->writer(), b.socket->local_address(), std::to_string(10'000 + i));
    w.environment.AdvanceBy(Duration::Seconds(1));
    CHECK(w.network.stats().lost > 500);
    CHECK(w.network.stats().lost < 700);
    CHECK(w.network.stats().duplicated > 100);
    CHECK_FALSE(std::is_sorted(b.received.begin(), b.received.end()));
    return b.received;
  };
  CHECK(run() == run());
}

TEST_CASE("without reordering jitter only queues") {
  World w;
  Host a(w.network, "10.0.0.1");
  Host b(w.network, "10.0.0.2");
  LinkConditions link;
  link.jitter = Duration::Millis(50);
  link.reorder = false;
  w.network.SetConditions(link);
  for (int i = 0; i < 200; ++i)
    Host::Send(a.socket->writer(), b.socket->local_address(), std::to_string(1000 + i));
  w.environment.AdvanceBy(Duration::Seconds(1));
  CHECK(b.received.size() == 200);
  CHECK(std::is_sorted(b.received.begin(), b.received.end()));
}

TEST_CASE("a closed socket receives nothing, may close itself in the call, and frees its port") {
  World w;
  Host a(w.network, "10.0.0.1");
  Host b(w.network, "10.0.0.2");
  const SocketAddress address = b.socket->local_address();
  b.on_datagram = [&](const std::string&, const NetworkPath&, Timestamp) { b.socket.reset(); };
  Host::Send(a.socket->writer(), address, "one");
  Host::Send(a.socket->writer(), address, "two");
  w.environment.AdvanceBy(Duration::Seconds(1));
  CHECK(b.received.size() == 1);
  CHECK(w.network.stats().undeliverable == 1);
  ListenInfo again;
  again.ip = "10.0.0.2";
  again.port = address.port;
  CHECK(w.network.Open(again, b).ok());
  again.port = a.socket->local_address().port;
  again.ip = "10.0.0.1";
  CHECK_FALSE(w.network.Open(again, b).ok());
}

TEST_CASE("TCP is in order, survives loss, and tells of a close") {
  World w;
  Host server(w.network, "10.0.0.1", TransportProtocol::kTcp);
  Host client;
  LinkConditions link = Delayed(10);
  link.loss = 0.5;
  link.jitter = Duration::Millis(50);
  w.network.SetConditions(link);
  const SocketAddress from{*IpAddress::Parse("10.0.0.9"), 5000};
  CHECK(w.network.ConnectTcp(from, from, client) == nullptr);
  auto connection = w.network.ConnectTcp(from, server.socket->local_address(), client);
  REQUIRE(connection != nullptr);
  for (int i = 0; i < 100; ++i)
    Host::Send(connection->writer(), server.socket->local_address(), std::to_string(1000 + i));
  w.environment.AdvanceBy(Duration::Seconds(1));
  CHECK(server.received.size() == 100);
  CHECK(std::is_sorted(server.received.begin(), server.received.end()));
  CHECK(server.last_path.tuple.protocol == TransportProtocol::kTcp);
  Host::Send(server.last_path.writer, from, "hello");
  w.environment.AdvanceBy(Duration::Seconds(1));
  CHECK(client.received == std::vector<std::string>{"hello"});
  SECTION("by the client") {
    connection.reset();
    w.environment.AdvanceBy(Duration::Seconds(1));
    CHECK(server.closed == 1);
  }
  SECTION("by the server") {
    server.socket.reset();
    w.environment.AdvanceBy(Duration::Seconds(1));
    CHECK(client.closed == 1);
  }
}

namespace {

/// ICE and DTLS as a transport joins them, on one socket. The lite side answers checks; the other
/// side sends them, as a browser does.
struct Peer : DtlsEvents {
  Peer(World& world, const std::string& ip, const std::shared_ptr<DtlsContext>& context)
      : host(world.network, ip),
        environment(world.environment),
        agent(IceCredentials::Generate(environment), Duration::Seconds(30), environment),
        dtls(std::make_unique<DtlsDriver>(context, environment, *this)) {
    host.on_datagram = [this](const std::string& text, const NetworkPath& from, Timestamp now) {
      const std::span<const uint8_t> bytes(reinterpret_cast<const uint8_t*>(text.data()),
                                           text.size());
      if (StunMessage::LooksLikeStun(bytes)) {
        OnStun(bytes, from, now);
      } else if (lite ? agent.OnNonStun(from.tuple, now) : true) {
        dtls->OnDatagram(bytes);
      }
    };
  }
  void OnStun(std::span<const uint8_t> bytes, const NetworkPath& from, Timestamp now) {
    if (lite) {
      agent.OnStun(bytes, from, now);
      DrainIce();
    } else {
      path = from;
      if (!dtls->started()) dtls->Start(DtlsRole::kServer);
    }
  }
  void SendCheck(const SocketAddress& to, const IceCredentials& remote) {
    uint8_t* slot = host.socket->writer()->Reserve(512);
    StunWriter stun({slot, 512}, StunClass::kRequest, kStunMethodBinding, {1, 2, 3});
    stun.AddUsername(remote.username_fragment + ":browser");
    stun.AddPriority(1);
    stun.AddIceControlling(5);
    stun.AddUseCandidate();
    host.socket->writer()->Commit(stun.FinishWithIntegrity(StunIntegrityKey(remote.password)), to,
                                  PacketKind::kStun);
  }
  void DrainIce() {
    while (const std::optional<IceOutput> output = agent.TakeOutput()) {
      if (const auto* selected = std::get_if<IcePathSelected>(&*output)) path = selected->path;
      const auto* change = std::get_if<IceStateChange>(&*output);
      const bool completed = change != nullptr && change->state == IceState::kCompleted;
      if (completed && !dtls->started()) dtls->Start(DtlsRole::kClient);
    }
  }
  void SendDtls(std::span<const uint8_t> datagram) override {
    uint8_t* slot = path.writer->Reserve(datagram.size());
    std::copy(datagram.begin(), datagram.end(), slot);
    path.writer->Commit(datagram.size(), path.tuple.remote, PacketKind::kDtls);
  }
  void OnDtlsState(DtlsState) override {}
  void OnDtlsConnected(const SrtpMasterKey& local, const SrtpMasterKey& remote,
                       const std::string&) override {
    local_key = local.key_and_salt;
    remote_key = remote.key_and_salt;
  }
  void OnDtlsApplicationData(std::span<const uint8_t>) override {}

  Host host;
  VirtualEnvironment& environment;
  NetworkPath path;
  IceLiteAgent agent;
  std::unique_ptr<DtlsDriver> dtls;
  bool lite = true;
  std::vector<uint8_t> local_key;
  std::vector<uint8_t> remote_key;
};

}  // namespace

TEST_CASE("ICE then DTLS come up over a link with 30 % loss") {
  const auto ours = *DtlsContext::Generate();
  const auto theirs = *DtlsContext::Generate();
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    World world(seed);
    LinkConditions link = Delayed(20);
    link.loss = 0.3;
    link.duplicate = 0.05;
    link.jitter = Duration::Millis(30);
    world.network.SetConditions(link);
    Peer server(world, "10.0.0.1", ours);
    Peer browser(world, "10.0.0.2", theirs);
    browser.lite = false;
    server.dtls->SetRemoteFingerprint(theirs->fingerprints()[2]);
    browser.dtls->SetRemoteFingerprint(ours->fingerprints()[2]);
    const auto connected = [&] { return !server.local_key.empty() && !browser.local_key.empty(); };
    for (int second = 0; second < 60 && !connected(); ++second) {
      browser.SendCheck(server.host.socket->local_address(), server.agent.credentials());
      world.environment.AdvanceUntil(connected, Duration::Millis(500));
    }
    INFO("seed " << seed);
    REQUIRE(connected());
    REQUIRE(server.local_key == browser.remote_key);
    REQUIRE(server.remote_key == browser.local_key);
  }
}

}  // namespace sluice::worker
