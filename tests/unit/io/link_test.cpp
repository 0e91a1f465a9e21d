// One socket and its many viewers over a link of 1 Gbit/s: lo with a token bucket, in a network
// namespace of the test's own.
#include <fcntl.h>
#include <sched.h>

#include <array>
#include <cstdio>
#include <cstdlib>

#include "tests/unit/io/io_test.h"
#include "worker/io/socket_factory_uv.h"

namespace sluice::worker {
namespace {

using test::Bytes;
using test::Collector;
using test::MakeLoop;
using test::Peer;
using test::RunUntil;

/// The calling thread is in an empty network namespace while this lives.
class OwnNetwork {
 public:
  OwnNetwork() : outside_(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)) {
    entered_ = outside_.valid() && unshare(CLONE_NEWNET) == 0;
  }
  ~OwnNetwork() {
    if (entered_) setns(outside_.get(), CLONE_NEWNET);
  }
  OwnNetwork(const OwnNetwork&) = delete;
  OwnNetwork& operator=(const OwnNetwork&) = delete;

  /// lo, up, with the token bucket filter that tc(8) makes of `arguments`. False, and printed why:
  /// no right to it, or not in this system.
  bool Limit(const std::string& arguments) const {
    if (!entered_) {
      std::printf("skipped: no right to make a network namespace\n");
      return false;
    }
    const std::string command =
        "ip link set lo mtu 1500 up && tc qdisc add dev lo root tbf " + arguments + " 2>&1";
    if (std::system(command.c_str()) == 0) return true;
    std::printf("skipped: this system has no ip, no tc or no token bucket filter\n");
    return false;
  }

 private:
  Fd outside_;
  bool entered_ = false;
};

struct Viewers {
  explicit Viewers(size_t count) {
    for (size_t i = 0; i < count; ++i) {
      peers.push_back(std::make_unique<Peer>());
      const int size = 4 << 20;
      setsockopt(peers.back()->fd(), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
    }
  }
  size_t Receive() {
    size_t received = 0;
    for (const auto& peer : peers) {
      while (recv(peer->fd(), scratch.data(), scratch.size(), MSG_DONTWAIT) > 0) ++received;
    }
    return received;
  }
  std::vector<std::unique_ptr<Peer>> peers;
  std::array<uint8_t, 2048> scratch{};
};

struct Delivery {
  size_t sent = 0;
  size_t received = 0;
  int64_t ms = 0;
  SendStats stats;
};

/// One turn with a key frame of `packets` and one packet of audio for each of `count` viewers.
/// `send_buffer`: bytes; 0 is ours by default.
Delivery SendKeyFrame(size_t count, size_t packets, uint32_t send_buffer) {
  auto loop = MakeLoop();
  PacketBufferPool buffers;
  UvSocketFactory sockets(*loop, buffers,
                          std::move(*SendStrategy::Create(SendStrategy::Kind::kAuto)), {});
  loop->SetTurnEnd([&](Timestamp) { sockets.egress().Flush(); });
  Collector handler;
  ListenInfo info;
  info.ip = "127.0.0.1";
  info.send_buffer_size = send_buffer;
  auto socket = std::move(*sockets.Open(info, handler));
  Viewers viewers(count);
  const auto commit = [&](const SocketAddress& to, size_t size, PacketKind kind) {
    uint8_t* packet = socket->writer()->Reserve(size);
    std::fill(packet, packet + size, uint8_t{1});
    socket->writer()->Commit(size, to, kind);
  };
  const Timestamp start = ReadMonotonicClock();
  for (const auto& peer : viewers.peers) {
    for (size_t i = 0; i < packets; ++i) commit(peer->address(), 1200, PacketKind::kVideo);
    commit(peer->address(), 160, PacketKind::kAudio);
  }
  Delivery delivery;
  delivery.sent = count * (packets + 1);
  const auto ticker = loop->CreateTimer([](Timestamp) {});
  Timestamp last = start;
  RunUntil(*loop, [&] {
    if (const size_t received = viewers.Receive()) {
      delivery.received += received;
      last = ReadMonotonicClock();
    }
    ticker->Start(Duration::Millis(1));
    // Over: all is there, or nothing has come for a second.
    return delivery.received == delivery.sent || loop->Now() - last > Duration::Seconds(1);
  });
  delivery.ms = (last - start).ms();
  delivery.stats = sockets.egress().stats();
  return delivery;
}

void CheckDelivery(const char* link, const std::string& filter, uint32_t send_buffer = 0) {
  for (const auto& [count, packets] : {std::pair{40, 50}, std::pair{100, 50}, std::pair{40, 150}}) {
    OwnNetwork network;
    if (!network.Limit(filter)) return;
    const Delivery d =
        SendKeyFrame(static_cast<size_t>(count), static_cast<size_t>(packets), send_buffer);
    std::printf(
        "%s: %d viewers x %d packets: %.1f %% delivered in %d ms; socket full %d times, "
        "device %d times\n",
        link, count, packets, 100.0 * static_cast<double>(d.received) / static_cast<double>(d.sent),
        static_cast<int>(d.ms), static_cast<int>(d.stats.would_block),
        static_cast<int>(d.stats.device_full));
    CHECK(d.received == d.sent);
    CHECK(d.stats.dropped.total() == 0);
  }
}

TEST_CASE("a key frame for all viewers of one port arrives whole over 1 Gbit/s", "[link]") {
  CheckDelivery("1 Gbit/s", "rate 1gbit burst 128kb limit 32mb");
}

TEST_CASE("and from a socket of 100 KB, which is full at once", "[link]") {
  CheckDelivery("1 Gbit/s, small socket", "rate 1gbit burst 128kb limit 32mb", 100'000);
}

TEST_CASE("and where the device's queue is smaller than the socket's", "[link]") {
  CheckDelivery("1 Gbit/s, short queue", "rate 1gbit burst 128kb limit 512kb");
}

}  // namespace
}  // namespace sluice::worker
