#include <map>

#include "tests/unit/io/io_test.h"
#include "worker/io/socket_factory_uv.h"
#include "worker/io/tcp_frame_reader.h"
#include "worker/io/tcp_listener.h"

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

Bytes Frame(const Bytes& packet) {
  Bytes frame = {static_cast<uint8_t>(packet.size() >> 8), static_cast<uint8_t>(packet.size())};
  frame.insert(frame.end(), packet.begin(), packet.end());
  return frame;
}

Bytes operator+(Bytes a, const Bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

std::vector<Bytes> ReadInPieces(const Bytes& stream, size_t piece) {
  TcpFrameReader reader;
  std::vector<Bytes> packets;
  for (size_t at = 0; at < stream.size(); at += piece) {
    // A buffer of its own: what stays behind must have been copied.
    const Bytes part(stream.begin() + static_cast<ptrdiff_t>(at),
                     stream.begin() + static_cast<ptrdiff_t>(std::min(at + piece, stream.size())));
    reader.Push(part);
    while (const auto packet = reader.Next()) packets.emplace_back(packet->begin(), packet->end());
  }
  CHECK_FALSE(reader.has_partial());
  CHECK_FALSE(reader.broken());
  return packets;
}

TEST_CASE("frames come out the same however the stream is cut") {
  const std::vector<Bytes> packets = {Pattern(1, 1), Pattern(20, 2), Pattern(300, 3), Pattern(1, 4),
                                      Pattern(65'534, 5)};
  Bytes stream;
  for (const Bytes& packet : packets) stream = stream + Frame({}) + Frame(packet) + Frame({});
  for (const size_t piece : {1u, 2u, 3u, 7u, 64u, 1000u, 65'536u, 1'000'000u}) {
    CHECK(ReadInPieces(stream, piece) == packets);
  }
}

TEST_CASE("a frame that cannot fit breaks the stream") {
  TcpFrameReader reader;
  const Bytes stream = Frame(Pattern(3, 1)) + Bytes{0xff, 0xff, 0x00};
  reader.Push(stream);
  REQUIRE(reader.Next());
  CHECK_FALSE(reader.Next());
  CHECK(reader.broken());
  // The same when the length comes in two halves.
  TcpFrameReader split;
  const Bytes half = {0xff};
  split.Push(half);
  CHECK_FALSE(split.Next());
  CHECK(split.has_partial());
  split.Push(half);
  CHECK_FALSE(split.Next());
  CHECK(split.broken());
}

constexpr TcpLimits kLimits;

struct World {
  explicit World(const TcpLimits& limits = {})
      : loop(MakeLoop()),
        sockets(*loop, buffers, std::move(*SendStrategy::Create(SendStrategy::Kind::kAuto)), {}, {},
                limits) {
    loop->SetTurnEnd([this](Timestamp) { sockets.egress().Flush(); });
    listener = Listen();
  }
  std::unique_ptr<TcpListener> Listen() {
    ListenInfo info;
    info.protocol = TransportProtocol::kTcp;
    info.ip = "127.0.0.1";
    auto socket = sockets.Open(info, handler);
    REQUIRE(socket.ok());
    return std::unique_ptr<TcpListener>(static_cast<TcpListener*>(socket->release()));
  }
  /// A peer whose first packet has arrived, and was a valid connectivity check.
  std::unique_ptr<Peer> Connect(const Bytes& first = Pattern(4, 1), const char* ip = "127.0.0.1") {
    auto peer = ConnectStranger(first, ip);
    handler.received.back().path.writer->OnPeerAuthenticated();
    return peer;
  }
  /// A peer whose first packet has arrived.
  std::unique_ptr<Peer> ConnectStranger(const Bytes& first = Pattern(4, 1),
                                        const char* ip = "127.0.0.1") {
    auto peer = std::make_unique<Peer>(SOCK_STREAM, ip);
    REQUIRE(peer->Connect(listener->local_address()));
    REQUIRE(peer->Write(Frame(first)));
    const size_t before = handler.received.size();
    REQUIRE(RunUntil(*loop, [&] { return handler.received.size() > before; }));
    return peer;
  }
  const TcpStats& stats() const { return sockets.tcp_stats(); }

  std::unique_ptr<Loop> loop;
  PacketBufferPool buffers;
  UvSocketFactory sockets;
  Collector handler;
  std::unique_ptr<TcpListener> listener;
};

TEST_CASE("a connection carries packets both ways and is told when it ends") {
  World world;
  CHECK(world.listener->writer() == nullptr);
  auto peer = world.Connect(Pattern(500, 3));
  const auto& received = world.handler.received[0];
  CHECK(received.bytes == Pattern(500, 3));
  CHECK(received.path.tuple ==
        FiveTuple{TransportProtocol::kTcp, world.listener->local_address(), peer->address()});
  Send(*received.path.writer, Pattern(70, 8), peer->address());
  Send(*received.path.writer, Pattern(1300, 9), peer->address());
  world.sockets.egress().Flush();
  Bytes got;
  for (const Bytes& part : peer->ReceiveAll()) got = got + part;
  CHECK(got == Frame(Pattern(70, 8)) + Frame(Pattern(1300, 9)));
  peer->Close();
  REQUIRE(RunUntil(*world.loop, [&] { return !world.handler.closed.empty(); }));
  CHECK(world.handler.closed.size() == 1);
  CHECK(world.handler.closed[0] == received.path.tuple);
  CHECK(world.listener->connection_count() == 0);
}

TEST_CASE("a frame that cannot fit closes its connection only") {
  World world;
  auto good = world.Connect();
  auto bad = world.Connect();
  REQUIRE(bad->Write(Bytes{0xff, 0xff, 1, 2, 3}));
  REQUIRE(RunUntil(*world.loop, [&] { return world.handler.closed.size() == 1; }));
  CHECK(world.handler.closed[0].remote == bad->address());
  CHECK(world.stats().closed_framing == 1);
  REQUIRE(good->Write(Frame(Pattern(9, 9))));
  CHECK(RunUntil(*world.loop, [&] { return world.handler.received.size() == 3; }));
}

TEST_CASE("a handler may destroy the listener from both calls") {
  World world;
  auto peer = world.Connect();
  SECTION("in OnDatagram") {
    world.handler.on_datagram = [&] { world.listener.reset(); };
    REQUIRE(peer->Write(Frame(Pattern(9, 9)) + Frame(Pattern(9, 9))));
    REQUIRE(RunUntil(*world.loop, [&] { return world.listener == nullptr; }));
    CHECK(world.handler.received.size() == 2);
  }
  SECTION("in OnPathClosed") {
    world.handler.on_closed = [&] { world.listener.reset(); };
    peer->Close();
    REQUIRE(RunUntil(*world.loop, [&] { return world.listener == nullptr; }));
  }
  SECTION("in OnPathClosed of the sweep") {
    world.handler.on_closed = [&] { world.listener.reset(); };
    auto other = world.Connect();
    world.listener->CloseIdle(world.loop->Now() + kLimits.idle_timeout);
    CHECK(world.listener == nullptr);
    CHECK(world.handler.closed.size() == 1);
  }
  world.loop->RunReady();
}

TEST_CASE("silent, slow and idle connections are closed, live ones stay") {
  World world;
  auto live = world.Connect();
  auto slow = world.Connect();
  REQUIRE(slow->Write(Bytes{0, 50, 1, 2}));
  auto talker = world.ConnectStranger();  // sends packets, and no valid check among them
  Peer silent(SOCK_STREAM);
  REQUIRE(silent.Connect(world.listener->local_address()));
  REQUIRE(RunUntil(*world.loop, [&] { return world.listener->connection_count() == 4; }));
  // One more packet on another connection: by then the slow one's bytes have been read.
  REQUIRE(live->Write(Frame(Pattern(1, 1))));
  REQUIRE(RunUntil(*world.loop, [&] { return world.handler.received.size() == 4; }));
  const Timestamp now = world.loop->Now();
  world.listener->CloseIdle(now + kLimits.check_timeout - Duration::Seconds(1));
  CHECK(world.listener->connection_count() == 4);
  world.listener->CloseIdle(now + kLimits.check_timeout);
  CHECK(world.listener->connection_count() == 2);
  CHECK(world.stats().closed_unauthenticated == 2);
  REQUIRE(world.handler.closed.size() == 1);  // nobody had heard of the silent one
  CHECK(world.handler.closed[0].remote == talker->address());
  world.listener->CloseIdle(now + TcpListener::kPartialPacketTimeout);
  CHECK(world.listener->connection_count() == 1);
  REQUIRE(world.handler.closed.size() == 2);
  CHECK(world.handler.closed[1].remote == slow->address());
  world.listener->CloseIdle(now + kLimits.idle_timeout);
  CHECK(world.listener->connection_count() == 0);
  CHECK(world.stats().closed_idle == 2);
}

TEST_CASE("only valid checks keep a connection, whatever else comes") {
  World world;
  auto chatty = world.Connect();
  auto checking = world.Connect();
  PacketWriter& checked = *world.handler.received.back().path.writer;
  const Timestamp connected = world.loop->Now();
  // A packet of one byte, later than the last check of either.
  bool later = false;
  const auto timer = world.loop->CreateTimer([&](Timestamp) { later = true; });
  timer->Start(Duration::Millis(5));
  REQUIRE(RunUntil(*world.loop, [&] { return later; }));
  REQUIRE(chatty->Write(Frame(Pattern(1, 1))));
  REQUIRE(RunUntil(*world.loop, [&] { return world.handler.received.size() == 3; }));
  checked.OnPeerAuthenticated();
  world.listener->CloseIdle(connected + kLimits.idle_timeout);
  REQUIRE(world.handler.closed.size() == 1);
  CHECK(world.handler.closed[0].remote == chatty->address());
  CHECK(world.stats().closed_idle == 1);
}

TEST_CASE("a connection that its transport lets go is closed when all is sent") {
  World world;
  auto peer = world.Connect();
  PacketWriter& writer = *world.handler.received.back().path.writer;
  Send(writer, Pattern(70, 8), peer->address());
  writer.Close();
  CHECK(writer.Reserve(10) == nullptr);
  REQUIRE(RunUntil(*world.loop, [&] { return !world.handler.closed.empty(); }));
  CHECK(world.listener->connection_count() == 0);
  CHECK(world.stats().closed_unused == 1);
  Bytes got;
  for (const Bytes& part : peer->ReceiveAll()) got = got + part;
  CHECK(got == Frame(Pattern(70, 8)));
}

TEST_CASE("one that sends on is closed all the same") {
  World world;
  auto peer = world.Connect();
  PacketWriter& writer = *world.handler.received.back().path.writer;
  REQUIRE(peer->Write(Frame(Pattern(1000, 1))));
  writer.Close();
  REQUIRE(RunUntil(*world.loop, [&] {
    (void)peer->Write(Frame(Pattern(1000, 2)));
    return !world.handler.closed.empty();
  }));
}

TEST_CASE("one network has no more than its share of all listeners") {
  TcpLimits limits;
  limits.per_network = 10;
  World world(limits);
  auto second = world.Listen();
  std::vector<std::unique_ptr<Peer>> mine;
  for (int i = 0; i < 10; ++i) {
    mine.push_back(world.Connect());
    if (i == 4) std::swap(world.listener, second);
  }
  CHECK(world.listener->connection_count() + second->connection_count() == 10);
  Peer one_more(SOCK_STREAM);
  REQUIRE(one_more.Connect(world.listener->local_address()));
  REQUIRE(RunUntil(*world.loop, [&] { return world.stats().refused_full == 1; }));
  const auto other = world.Connect(Pattern(4, 1), "127.0.0.2");
  CHECK(world.listener->connection_count() + second->connection_count() == 11);
  CHECK(world.handler.closed.empty());
}

TEST_CASE("where the worker is full the network with the most gives way") {
  TcpLimits limits;
  limits.connections = 12;
  World world(limits);
  auto second = world.Listen();
  const auto honest = world.Connect();
  std::vector<std::unique_ptr<Peer>> many;
  for (int i = 0; i < 11; ++i) {
    many.push_back(world.Connect(Pattern(4, 1), "127.0.0.2"));
    // On another port than who comes next.
    if (i == 5) std::swap(world.listener, second);
  }
  const auto newcomer = world.Connect(Pattern(4, 1), "127.0.0.3");
  REQUIRE(RunUntil(*world.loop, [&] { return world.handler.closed.size() == 1; }));
  CHECK(world.handler.closed[0].remote == many[0]->address());
  CHECK(world.stats().evicted_full == 1);
  CHECK(world.listener->connection_count() + second->connection_count() == 12);
  Peer again(SOCK_STREAM, "127.0.0.2");
  REQUIRE(again.Connect(world.listener->local_address()));
  REQUIRE(RunUntil(*world.loop, [&] { return world.stats().refused_full == 1; }));
  CHECK(world.handler.closed.size() == 1);
}

TEST_CASE("of too many strangers those of the largest network go, not an honest one's") {
  TcpLimits limits;
  limits.strangers = 20;
  World world(limits);
  const auto honest = world.ConnectStranger();  // the oldest of all
  std::vector<std::unique_ptr<Peer>> attackers;
  for (int i = 0; i < 60; ++i) {
    const std::string ip = "127.0.0." + std::to_string(2 + i % 4);
    attackers.push_back(world.ConnectStranger(Pattern(4, 1), ip.c_str()));
  }
  CHECK(world.stats().evicted_unauthenticated == 41);
  CHECK(world.listener->connection_count() == 20);
  for (const FiveTuple& closed : world.handler.closed) {
    CHECK(closed.remote != honest->address());
  }
}

TEST_CASE("strangers of one address push out each other, and nobody else") {
  World world;
  auto live = world.Connect();
  Peer other(SOCK_STREAM, "127.0.0.2");
  REQUIRE(other.Connect(world.listener->local_address()));
  REQUIRE(other.Write(Frame(Pattern(4, 1))));
  REQUIRE(RunUntil(*world.loop, [&] { return world.handler.received.size() == 2; }));
  std::vector<std::unique_ptr<Peer>> strangers;
  for (size_t i = 0; i < kLimits.strangers_per_network + 3; ++i) {
    strangers.push_back(world.ConnectStranger());
  }
  CHECK(world.listener->connection_count() == 2 + kLimits.strangers_per_network);
  CHECK(world.stats().evicted_unauthenticated == 3);
  // The oldest three, though they have sent a packet.
  REQUIRE(world.handler.closed.size() == 3);
  for (size_t i = 0; i < 3; ++i) CHECK(world.handler.closed[i].remote == strangers[i]->address());
  // Who is authenticated makes room for others of the address.
  world.handler.received.back().path.writer->OnPeerAuthenticated();
  auto next = world.ConnectStranger();
  CHECK(world.stats().evicted_unauthenticated == 3);
}

TEST_CASE("strangers of many addresses push out the oldest of those with the most") {
  World world;
  auto live = world.Connect();
  std::vector<std::unique_ptr<Peer>> strangers;
  for (size_t i = 0; i < kLimits.strangers + 3; ++i) {
    const std::string ip = "127.0.1." + std::to_string(1 + i / (kLimits.strangers_per_network / 2));
    strangers.push_back(std::make_unique<Peer>(SOCK_STREAM, ip.c_str()));
    REQUIRE(strangers.back()->Connect(world.listener->local_address()));
    REQUIRE(RunUntil(*world.loop, [&] { return world.stats().accepted == i + 2; }));
  }
  CHECK(world.listener->connection_count() == kLimits.strangers + 1);
  CHECK(world.stats().evicted_unauthenticated == 3);
  CHECK(world.handler.closed.empty());  // they had sent nothing
}

TEST_CASE("the addresses of one IPv6 /64 count as one") {
  World world;
  ListenInfo info;
  info.protocol = TransportProtocol::kTcp;
  info.ip = "::1";
  auto listener = world.sockets.Open(info, world.handler);
  REQUIRE(listener.ok());
  std::vector<std::unique_ptr<Peer>> strangers;
  for (size_t i = 0; i < kLimits.strangers_per_network + 1; ++i) {
    strangers.push_back(std::make_unique<Peer>(SOCK_STREAM, "::1"));
    REQUIRE(strangers.back()->Connect((*listener)->local_address()));
    REQUIRE(RunUntil(*world.loop, [&] { return world.stats().accepted == i + 1; }));
  }
  CHECK(world.stats().evicted_unauthenticated == 1);
}

/// An RTP packet of `size` bytes that begins a frame of `ssrc`.
Bytes Rtp(uint32_t ssrc, uint32_t timestamp, size_t size) {
  Bytes bytes(size);
  for (size_t i = 0; i < 4; ++i) {
    bytes[4 + i] = static_cast<uint8_t>(timestamp >> (24 - 8 * i));
    bytes[8 + i] = static_cast<uint8_t>(ssrc >> (24 - 8 * i));
  }
  return bytes;
}

TEST_CASE("a peer that does not read costs bounded memory and loses whole frames of video") {
  World world;
  auto peer = world.Connect();
  PacketWriter& writer = *world.handler.received[0].path.writer;
  auto& connection = static_cast<TcpConnection&>(writer);
  constexpr size_t kFrames = 2000;
  constexpr size_t kFramePackets = 10;
  for (uint32_t i = 0; i < kFrames; ++i) {
    for (size_t p = 0; p < kFramePackets; ++p) {
      Send(writer, Rtp(77, i, 1200), {}, PacketKind::kVideo);
    }
    if (i % 10 == 0) Send(writer, Rtp(78, i, 160), {}, PacketKind::kAudio);
    world.sockets.egress().Flush();
  }
  CHECK(connection.waiting_bytes() <= TcpSendQueue::kMaxBytes + 1300);
  const DropStats& dropped = world.stats().dropped;
  CHECK(dropped.video_frames > 0);
  CHECK(dropped.of(PacketKind::kVideo) <= kFramePackets * dropped.video_frames);
  CHECK(dropped.of(PacketKind::kAudio) == 0);
  REQUIRE(RunUntil(*world.loop, [&] { return !world.handler.dropped_video.empty(); }));
  CHECK(world.handler.dropped_video == std::vector<Ssrc>{Ssrc(77)});
  // Now it reads: every packet that comes is whole, and every frame but the one in progress.
  TcpFrameReader reader;
  std::map<uint32_t, size_t> frames;  // packets by timestamp
  bool intact = true;
  REQUIRE(PollUntil(*world.loop, [&] {
    for (const Bytes& part : peer->ReceiveAll()) {
      reader.Push(part);
      while (const auto got = reader.Next()) {
        intact = intact && (got->size() == 1200 || got->size() == 160);
        if (got->size() == 1200) {
          ++frames[static_cast<uint32_t>((*got)[4] << 24 | (*got)[5] << 16 | (*got)[6] << 8 |
                                         (*got)[7])];
        }
      }
    }
    return connection.waiting_bytes() == 0;
  }));
  CHECK(intact);
  const auto whole = std::count_if(frames.begin(), frames.end(),
                                   [](const auto& f) { return f.second == kFramePackets; });
  CHECK(static_cast<size_t>(whole) + 2 >= frames.size());
  CHECK(peer->Write(Frame(Pattern(3, 3))));
}

TEST_CASE("a peer that resets is noticed") {
  World world;
  auto peer = world.Connect();
  const linger abort{1, 0};
  setsockopt(peer->fd(), SOL_SOCKET, SO_LINGER, &abort, sizeof(abort));
  peer->Close();
  Send(*world.handler.received[0].path.writer, Pattern(10, 1), {});
  world.sockets.egress().Flush();
  CHECK(RunUntil(*world.loop, [&] { return world.handler.closed.size() == 1; }));
}

}  // namespace
}  // namespace sluice::worker
