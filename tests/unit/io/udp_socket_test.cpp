#include "tests/unit/io/io_test.h"
#include "worker/io/socket_factory_uv.h"
#include "worker/io/udp_writer.h"

namespace sluice::worker {
namespace {

using test::Bytes;
using test::Collector;
using test::MakeLoop;
using test::Pattern;
using test::Peer;
using test::PollUntil;
using test::RunUntil;
using test::Send;

/// Calls of the kernel, unless the socket is to look full.
struct BlockableCalls : SendCalls {
  ssize_t SendTo(int fd, const void* d, size_t n, const sockaddr* to, socklen_t l) override {
    return Full() ? -1 : SendCalls::SendTo(fd, d, n, to, l);
  }
  bool Full() {
    if (allowed == 0) {
      errno = EAGAIN;
      return true;
    }
    --allowed;
    return false;
  }
  size_t allowed = static_cast<size_t>(-1);  // packets that go out before the socket is full
};

struct World {
  explicit World(SendStrategy::Kind kind = SendStrategy::Kind::kAuto)
      : loop(MakeLoop()),
        sockets(*loop, buffers, std::move(*SendStrategy::Create(kind, calls)), {}) {
    loop->SetTurnEnd([this](Timestamp) { sockets.egress().Flush(); });
  }
  std::unique_ptr<ServerSocket> Open(const char* ip = "127.0.0.1", bool ipv6_only = false) {
    ListenInfo info;
    info.ip = ip;
    info.ipv6_only = ipv6_only;
    auto socket = sockets.Open(info, handler);
    REQUIRE(socket.ok());
    return std::move(*socket);
  }
  const SendStats& sent() { return sockets.egress().stats(); }

  BlockableCalls calls;
  std::unique_ptr<Loop> loop;
  PacketBufferPool buffers;
  UvSocketFactory sockets;
  Collector handler;
};

TEST_CASE("datagrams of any size arrive whole, with path and kernel time") {
  World world;
  auto socket = world.Open();
  Peer peer;
  const Timestamp before = ReadMonotonicClock();
  std::vector<Bytes> sent;
  for (const size_t size : {0u, 1u, 1200u, 2047u, 2048u, 2049u, 9000u, 65'507u, 3u}) {
    sent.push_back(Pattern(size, static_cast<uint8_t>(size)));
    REQUIRE(peer.SendTo(socket->local_address(), sent.back()));
  }
  const Timestamp after = ReadMonotonicClock();
  REQUIRE(RunUntil(*world.loop, [&] { return world.handler.received.size() == sent.size(); }));
  for (size_t i = 0; i < sent.size(); ++i) {
    const auto& received = world.handler.received[i];
    CHECK(received.bytes == sent[i]);
    CHECK(received.path.tuple ==
          FiveTuple{TransportProtocol::kUdp, socket->local_address(), peer.address()});
    CHECK(received.path.writer == socket->writer());
    CHECK(received.at >= before - Duration::Millis(1));
    CHECK(received.at <= after + Duration::Millis(1));
  }
  CHECK(world.sockets.receive_stats().big_datagrams == 3);
  CHECK(world.sockets.receive_stats().errors == 0);
}

TEST_CASE("two big datagrams of one batch do not mix") {
  World world;
  auto socket = world.Open();
  Peer peer;
  const Bytes a = Pattern(30'000, 1);
  const Bytes b = Pattern(40'000, 9);
  REQUIRE(peer.SendTo(socket->local_address(), a));
  REQUIRE(peer.SendTo(socket->local_address(), b));
  REQUIRE(RunUntil(*world.loop, [&] { return world.handler.received.size() == 2; }));
  CHECK(world.handler.received[0].bytes == a);
  CHECK(world.handler.received[1].bytes == b);
  CHECK(world.sockets.receive_stats().system_calls <= 2);
}

TEST_CASE("what a packet causes leaves in the same turn") {
  World world;
  auto socket = world.Open();
  Peer peer;
  const Bytes answer = Pattern(800, 5);
  world.handler.on_datagram = [&] {
    const NetworkPath path = world.handler.received.back().path;
    Send(*path.writer, answer, path.tuple.remote);
    CHECK(peer.ReceiveAll().empty());
  };
  world.loop->RunReady();
  REQUIRE(peer.SendTo(socket->local_address(), Pattern(10, 1)));
  world.loop->RunReady();
  CHECK(peer.ReceiveAll() == std::vector<Bytes>{answer});
}

TEST_CASE("a handler may destroy the socket within a batch") {
  World world;
  auto socket = world.Open();
  Peer peer;
  for (int i = 0; i < 5; ++i) REQUIRE(peer.SendTo(socket->local_address(), Pattern(10, 1)));
  world.handler.on_datagram = [&] {
    if (world.handler.received.size() == 2) socket.reset();
  };
  REQUIRE(RunUntil(*world.loop, [&] { return socket == nullptr; }));
  world.loop->RunReady();
  CHECK(world.handler.received.size() == 2);
  // The receive slots are intact: another socket goes on.
  auto next = world.Open();
  REQUIRE(peer.SendTo(next->local_address(), Pattern(77, 4)));
  REQUIRE(RunUntil(*world.loop, [&] { return world.handler.received.size() == 3; }));
  CHECK(world.handler.received.back().bytes == Pattern(77, 4));
}

TEST_CASE("a socket that is destroyed sends what it holds first") {
  World world;
  auto socket = world.Open();
  Peer peer;
  int finished = 0;
  world.sockets.egress().SetBeforeFlush([&] { ++finished; });
  Send(*socket->writer(), Pattern(60, 1), peer.address());
  socket.reset();
  CHECK(finished == 1);
  CHECK(peer.ReceiveAll() == std::vector<Bytes>{Pattern(60, 1)});
}

TEST_CASE("a full arena is flushed within the turn, encryption first") {
  World world;
  auto socket = world.Open();
  auto other = world.Open();
  Peer peer;
  int size = 8 << 20;
  setsockopt(peer.fd(), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
  std::vector<uint8_t*> unfinished;
  world.sockets.egress().SetBeforeFlush([&] {
    for (uint8_t* packet : unfinished) packet[0] = 42;
    unfinished.clear();
  });
  constexpr size_t kPackets = 2 * Egress::kArenaSize / 1200;
  size_t received = 0;
  bool encrypted = true;
  for (size_t i = 0; i < kPackets; ++i) {
    ServerSocket& from = i % 2 == 0 ? *socket : *other;
    uint8_t* packet = from.writer()->Reserve(1200);
    REQUIRE(packet != nullptr);
    std::fill(packet, packet + 1200, uint8_t{0});
    unfinished.push_back(packet);
    from.writer()->Commit(1200, peer.address(), PacketKind::kVideo);
    for (const Bytes& bytes : peer.ReceiveAll()) {
      ++received;
      encrypted = encrypted && bytes.size() == 1200 && bytes[0] == 42;
    }
  }
  CHECK(world.sent().early_flushes >= 1);
  world.sockets.egress().Flush();
  CHECK(world.sent().packets_sent == kPackets);
  CHECK(received > 0);
  CHECK(encrypted);
}

TEST_CASE("memory that was reserved is nobody else's before the flush") {
  // An encryption may still write into it, whatever became of the packet.
  World world;
  auto v4 = world.Open();
  auto other = world.Open();
  Peer peer6(SOCK_DGRAM, "::1");
  Peer peer;
  uint8_t* refused = v4->writer()->Reserve(1200);
  v4->writer()->Commit(1200, peer6.address(), PacketKind::kVideo);
  uint8_t* abandoned = v4->writer()->Reserve(700);
  uint8_t* next = other->writer()->Reserve(100);
  CHECK(abandoned >= refused + 1200);
  CHECK(next >= abandoned + 700);
  std::fill(next, next + 100, uint8_t{7});
  world.sockets.egress().SetBeforeFlush([&] {  // the encryptions end
    std::fill(refused, refused + 1200, uint8_t{1});
    std::fill(abandoned, abandoned + 700, uint8_t{2});
  });
  other->writer()->Commit(100, peer.address(), PacketKind::kAudio);
  world.sockets.egress().Flush();
  CHECK(peer.ReceiveAll() == std::vector<Bytes>{Bytes(100, 7)});
  CHECK(world.sent().unreachable == 1);
}

TEST_CASE("neighbours in the arena lie without a gap where less is committed than reserved") {
  World world;
  auto socket = world.Open();
  Peer peer;
  uint8_t* first = socket->writer()->Reserve(1300);
  socket->writer()->Commit(1200, peer.address(), PacketKind::kVideo);
  CHECK(socket->writer()->Reserve(1300) == first + 1200);
}

TEST_CASE("a reservation that another writer's flush overtook is dropped, not sent torn") {
  World world;
  auto socket = world.Open();
  auto other = world.Open();
  Peer peer;
  REQUIRE(socket->writer()->Reserve(100) != nullptr);
  REQUIRE(other->writer()->Reserve(100) != nullptr);
  world.sockets.egress().Flush();
  socket->writer()->Commit(100, peer.address(), PacketKind::kVideo);
  CHECK(world.sent().stale_commits == 1);
  CHECK(socket->writer()->Reserve(PacketWriter::kMaxDatagram + 1) == nullptr);
}

TEST_CASE("a full socket keeps its packets in order") {
  World world(SendStrategy::Kind::kSendto);
  auto socket = world.Open();
  Peer peer;
  std::vector<Bytes> expected;
  world.calls.allowed = 2;
  for (uint8_t i = 0; i < 6; ++i) {
    expected.push_back(Pattern(100 + i, i));
    Send(*socket->writer(), expected.back(), peer.address());
    if (i == 3) world.sockets.egress().Flush();
  }
  world.sockets.egress().Flush();
  CHECK(peer.ReceiveAll() == std::vector<Bytes>(expected.begin(), expected.begin() + 2));
  world.calls.allowed = 1;
  world.loop->RunReady();  // writable: one more
  world.calls.allowed = static_cast<size_t>(-1);
  world.loop->RunReady();
  CHECK(peer.ReceiveAll() == std::vector<Bytes>(expected.begin() + 2, expected.end()));

  CHECK(static_cast<UdpWriter*>(socket->writer())->backlog().empty());
  CHECK(world.sent().dropped.total() == 0);
  CHECK(world.sent().errors() == 0);
}

TEST_CASE("150 full packets that come while the worker is busy are all received") {
  World world;
  auto socket = world.Open();
  Peer peer;
  constexpr size_t kBurst = 150;
  for (size_t i = 0; i < kBurst; ++i) {
    REQUIRE(peer.SendTo(socket->local_address(), Pattern(1472, static_cast<uint8_t>(i))));
  }
  REQUIRE(PollUntil(*world.loop, [&] { return world.handler.received.size() == kBurst; }));
  CHECK(world.sockets.receive_stats().kernel_dropped == 0);
}

TEST_CASE("what the kernel drops for want of room is counted") {
  World world;
  ListenInfo info;
  info.ip = "127.0.0.1";
  info.recv_buffer_size = 20'000;
  auto socket = world.sockets.Open(info, world.handler);
  REQUIRE(socket.ok());
  Peer peer;
  constexpr size_t kBurst = 150;
  for (size_t i = 0; i < kBurst; ++i) {
    REQUIRE(peer.SendTo((*socket)->local_address(), Pattern(1200, 1)));
  }
  REQUIRE(RunUntil(*world.loop, [&] { return !world.handler.received.empty(); }));
  world.loop->RunReady();
  // The count comes with the next packet that has room.
  const size_t received = world.handler.received.size();
  REQUIRE(received < kBurst);
  REQUIRE(peer.SendTo((*socket)->local_address(), Pattern(1200, 2)));
  REQUIRE(RunUntil(*world.loop, [&] { return world.handler.received.size() == received + 1; }));
  CHECK(world.sockets.receive_stats().kernel_dropped == kBurst - received);
}

TEST_CASE("the handler hears which destination does not exist") {
  const char* ip = GENERATE("127.0.0.1", "::1");
  World world;
  const bool dual = GENERATE(false, true);
  auto socket = world.Open(dual ? "::" : ip);
  Peer gone(SOCK_DGRAM, ip);
  const SocketAddress closed = gone.address();
  gone.Close();
  Send(*socket->writer(), Pattern(100, 1), closed);
  world.sockets.egress().Flush();
  REQUIRE(RunUntil(*world.loop, [&] { return !world.handler.unreachable.empty(); }));
  CHECK(world.handler.unreachable[0].remote == closed);
  CHECK(world.handler.unreachable[0].local == socket->local_address());
  CHECK(world.sockets.receive_stats().unreachable == 1);
  CHECK(world.sockets.receive_stats().errors == 0);
}

TEST_CASE("a closed port does not disturb the others") {
  World world;
  auto socket = world.Open();
  Peer gone;
  Peer alive;
  const SocketAddress closed = gone.address();
  gone.Close();
  for (uint8_t i = 0; i < 20; ++i) {
    Send(*socket->writer(), Pattern(100, i), closed);
    Send(*socket->writer(), Pattern(200, i), alive.address());
    world.sockets.egress().Flush();
  }
  CHECK(alive.ReceiveAll().size() == 20);
  REQUIRE(alive.SendTo(socket->local_address(), Pattern(5, 5)));
  CHECK(RunUntil(*world.loop, [&] { return !world.handler.received.empty(); }));
}

TEST_CASE("a dual-stack socket reaches IPv4 peers, an IPv4 socket refuses IPv6 ones") {
  World world;
  auto dual = world.Open("::");
  auto v4 = world.Open();
  Peer peer;
  Peer peer6(SOCK_DGRAM, "::1");
  Send(*dual->writer(), Pattern(10, 1), peer.address());
  Send(*dual->writer(), Pattern(11, 1), peer6.address());
  Send(*v4->writer(), Pattern(12, 1), peer6.address());
  world.sockets.egress().Flush();
  CHECK(peer.ReceiveAll() == std::vector<Bytes>{Pattern(10, 1)});
  CHECK(peer6.ReceiveAll() == std::vector<Bytes>{Pattern(11, 1)});
  CHECK(world.sent().unreachable == 1);
  // And they come in as IPv4, so that one peer is one address.
  REQUIRE(peer.SendTo({*IpAddress::Parse("127.0.0.1"), dual->local_address().port}, Pattern(9, 9)));
  REQUIRE(RunUntil(*world.loop, [&] { return !world.handler.received.empty(); }));
  CHECK(world.handler.received[0].path.tuple.remote == peer.address());
}

}  // namespace
}  // namespace sluice::worker
