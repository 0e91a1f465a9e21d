// What the sockets cost per packet over loopback: each writer strategy into sinks that read nothing
// until the clock has stopped, the receive path in batches, and the timers. Prints the minimum over
// repetitions (the machine's noise only adds).
//
//   io_bench [repetitions]
#include <netinet/udp.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "worker/io/loop.h"
#include "worker/io/socket_factory_uv.h"

namespace sluice::worker {
namespace {

constexpr size_t kViewers = 200;  // destinations
constexpr size_t kBurst = 9;      // packets to each in a turn: one video frame
constexpr size_t kPacket = 1200;  // bytes
constexpr size_t kTurn = kViewers * kBurst;

double NowNs() {
  return std::chrono::duration<double, std::nano>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

class Sink final : public DatagramHandler {
 public:
  void OnDatagram(PacketRef, size_t, const NetworkPath&, Timestamp) override { ++count; }
  void OnPathClosed(const NetworkPath&) override {}
  size_t count = 0;
};

/// A viewer: a plain socket, with room for a burst.
struct Viewer {
  Fd fd;
  SocketAddress address;
};

Viewer MakeViewer(bool gro) {
  sockaddr_storage storage;
  socklen_t length = SocketAddress{*IpAddress::Parse("127.0.0.1"), 0}.ToSockaddr(&storage);
  auto* address = reinterpret_cast<sockaddr*>(&storage);
  Viewer viewer{Fd(socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0)), {}};
  if (bind(viewer.fd.get(), address, length) != 0) std::abort();
  length = sizeof(storage);
  getsockname(viewer.fd.get(), address, &length);
  viewer.address = SocketAddress::FromSockaddr(address);
  const int on = gro ? 1 : 0;
  setsockopt(viewer.fd.get(), SOL_UDP, UDP_GRO, &on, sizeof(on));
  return viewer;
}

struct World {
  explicit World(SendStrategy::Kind kind)
      : loop(std::move(*Loop::Create())),
        sockets(*loop, buffers, std::move(*SendStrategy::Create(kind)), {}) {
    ListenInfo info;
    info.ip = "127.0.0.1";
    info.recv_buffer_size = 4 << 20;
    socket = std::move(*sockets.Open(info, sink));
  }
  std::unique_ptr<Loop> loop;
  PacketBufferPool buffers;
  UvSocketFactory sockets;
  Sink sink;
  std::unique_ptr<ServerSocket> socket;
};

/// ns per packet: written into the arena (a memset stands for the encryption) and sent.
double MeasureSend(SendStrategy::Kind kind, bool gro, int repetitions) {
  World world(kind);
  std::vector<Viewer> viewers;
  for (size_t i = 0; i < kViewers; ++i) viewers.push_back(MakeViewer(gro));
  std::vector<uint8_t> scratch(70'000);
  double best = std::numeric_limits<double>::max();
  for (int r = 0; r < repetitions; ++r) {
    const double start = NowNs();
    for (const Viewer& viewer : viewers) {
      for (size_t i = 0; i < kBurst; ++i) {
        uint8_t* packet = world.socket->writer()->Reserve(kPacket);
        std::fill(packet, packet + kPacket, uint8_t{1});
        world.socket->writer()->Commit(kPacket, viewer.address, PacketKind::kVideo);
      }
    }
    world.sockets.egress().Flush();
    best = std::min(best, (NowNs() - start) / kTurn);
    for (const Viewer& viewer : viewers) {
      while (recv(viewer.fd.get(), scratch.data(), scratch.size(), MSG_DONTWAIT) > 0) {
      }
    }
  }
  if (world.sockets.egress().stats().errors() != 0) std::printf("errors!\n");
  return best;
}

/// ns per packet: from the socket's queue into the handler, `burst` at a time.
double MeasureReceive(size_t burst, int repetitions) {
  World world(SendStrategy::Kind::kSendto);
  const Viewer sender = MakeViewer(false);
  sockaddr_storage storage;
  const socklen_t length = world.socket->local_address().ToSockaddr(&storage);
  const std::vector<uint8_t> packet(kPacket);
  world.loop->RunReady();
  double best = std::numeric_limits<double>::max();
  for (int r = 0; r < repetitions; ++r) {
    for (size_t i = 0; i < burst; ++i) {
      sendto(sender.fd.get(), packet.data(), packet.size(), 0,
             reinterpret_cast<sockaddr*>(&storage), length);
    }
    world.sink.count = 0;
    const double start = NowNs();
    while (world.sink.count < burst) world.loop->RunReady();
    best = std::min(best, (NowNs() - start) / static_cast<double>(burst));
  }
  return best;
}

/// ns of one Start() of an armed timer among `count`: later (the common case) and sooner or later.
double MeasureTimers(size_t count, bool later_only, int repetitions) {
  auto loop = std::move(*Loop::Create());
  std::vector<std::unique_ptr<Timer>> timers;
  for (size_t i = 0; i < count; ++i) {
    timers.push_back(loop->CreateTimer([](Timestamp) {}));
    timers.back()->Start(Duration::Seconds(100));
  }
  double best = std::numeric_limits<double>::max();
  for (int r = 0; r < repetitions; ++r) {
    const double start = NowNs();
    for (size_t i = 0; i < count; ++i) {
      const size_t seconds =
          later_only ? 100 + static_cast<size_t>(r) : 10 + (i + static_cast<size_t>(r)) * 7919 % 90;
      timers[i]->Start(Duration::Seconds(static_cast<int64_t>(seconds)));
    }
    best = std::min(best, (NowNs() - start) / static_cast<double>(count));
  }
  return best;
}

void Run(int repetitions) {
  std::printf("send, ns per %zu-byte packet, bursts of %zu to %zu destinations\n", kPacket, kBurst,
              kViewers);
  for (const auto kind :
       {SendStrategy::Kind::kSendto, SendStrategy::Kind::kSendmmsg, SendStrategy::Kind::kGso}) {
    if (!SendStrategy::Create(kind).ok()) continue;
    std::printf("  %-9s %6.0f   with UDP_GRO sinks %6.0f\n", std::string(ToString(kind)).c_str(),
                MeasureSend(kind, false, repetitions), MeasureSend(kind, true, repetitions));
  }
  std::printf("receive, ns per packet, loop turn included\n");
  for (const size_t burst : {1u, 9u, 64u, 500u}) {
    std::printf("  %3zu waiting %6.0f\n", burst, MeasureReceive(burst, repetitions * 10));
  }
  std::printf("timer restart, ns, among 50000\n");
  std::printf("  later %6.0f   anywhere %6.0f\n", MeasureTimers(50'000, true, repetitions),
              MeasureTimers(50'000, false, repetitions));
}

}  // namespace
}  // namespace sluice::worker

int main(int argc, char** argv) {
  sluice::worker::Run(argc > 1 ? std::max(1, std::atoi(argv[1])) : 200);
  return 0;
}
