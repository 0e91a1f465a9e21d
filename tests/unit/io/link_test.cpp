// One socket and its many viewers over a link of 1 Gbit/s: lo with a token bucket, in a network
// namespace of the test's own.
#include <fcntl.h>
#include <sched.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string_view>

#include "tests/unit/io/io_test.h"
#include "worker/io/socket_factory_uv.h"
#include "worker/io/tcp_frame_reader.h"

namespace sluice::worker {
namespace {

using test::Bytes;
using test::Collector;
using test::MakeLoop;
using test::Peer;
using test::PollUntil;
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
  /// no right to it, or not in this system. That is a failure where scripts/test.sh has found that
  /// there is the right.
  bool Limit(const std::string& arguments) const {
    if (!entered_) return Skip("no right to make a network namespace");
    const std::string command =
        "ip link set lo mtu 1500 up && tc qdisc add dev lo root tbf " + arguments + " 2>&1";
    if (std::system(command.c_str()) == 0) return true;
    return Skip("this system has no ip, no tc or no token bucket filter");
  }

 private:
  static bool Skip(const char* why) {
    const char* const required = std::getenv("SLUICE_REQUIRE_NAMESPACES");
    if (required != nullptr && std::string_view(required) == "1") {
      FAIL("SLUICE_REQUIRE_NAMESPACES is 1, and " << why);
    }
    std::printf("skipped: %s\n", why);
    return false;
  }

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
  Timestamp last = start;
  PollUntil(*loop, [&] {
    if (const size_t received = viewers.Receive()) {
      delivery.received += received;
      last = ReadMonotonicClock();
    }
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

/// What came of a stream of audio and video over one TCP connection.
struct TcpDelivery {
  size_t audio_sent = 0;
  size_t audio_received = 0;
  size_t frames_sent = 0;
  size_t frames_whole = 0;
  size_t frames_in_part = 0;
  Duration oldest_audio = Duration::Zero();
  Duration oldest_video = Duration::Zero();
  Duration longest_stall = Duration::Zero();  ///< between two turns: this process did not run
  DropStats dropped;
  size_t key_frame_requests = 0;
};

constexpr size_t kFramePackets = 8;

/// A packet that tells when it was sent, as an RTP packet with its frame in the timestamp.
void CommitStamped(PacketWriter& writer, size_t size, uint32_t frame, PacketKind kind) {
  uint8_t* packet = writer.Reserve(size);
  REQUIRE(packet != nullptr);
  std::fill(packet, packet + size, uint8_t{0});
  packet[0] = kind == PacketKind::kAudio ? 1 : 2;
  for (size_t i = 0; i < 4; ++i) packet[4 + i] = static_cast<uint8_t>(frame >> (24 - 8 * i));
  const int64_t now = ReadMonotonicClock().us();
  std::memcpy(packet + 12, &now, sizeof(now));
  writer.Commit(size, {}, kind);
}

/// `seconds` of 25 frames a second of 8 packets (1.6 Mbit/s) and of audio (64 kbit/s), to a peer
/// that reads all there is, or `read_rate` bytes a second of it.
TcpDelivery StreamOverTcp(int seconds, size_t read_rate = 0) {
  auto loop = MakeLoop();
  PacketBufferPool buffers;
  UvSocketFactory sockets(*loop, buffers,
                          std::move(*SendStrategy::Create(SendStrategy::Kind::kAuto)), {});
  loop->SetTurnEnd([&](Timestamp) { sockets.egress().Flush(); });
  Collector handler;
  ListenInfo info;
  info.protocol = TransportProtocol::kTcp;
  info.ip = "127.0.0.1";
  auto listener = std::move(*sockets.Open(info, handler));
  Peer peer(SOCK_STREAM);
  if (read_rate != 0) {
    const int size = 4096;  // what its own kernel holds is not ours to bound
    setsockopt(peer.fd(), SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
  }
  REQUIRE(peer.Connect(listener->local_address()));
  REQUIRE(peer.Write(Bytes{0, 2, 1, 1}));
  REQUIRE(RunUntil(*loop, [&] { return !handler.received.empty(); }));
  PacketWriter& writer = *handler.received[0].path.writer;
  writer.OnPeerAuthenticated();

  TcpDelivery d;
  std::map<uint32_t, size_t> frames;
  TcpFrameReader reader;
  Bytes scratch(65'536);
  const auto note = [&](std::span<const uint8_t> packet, Timestamp now) {
    int64_t sent = 0;
    std::memcpy(&sent, packet.data() + 12, sizeof(sent));
    const Duration age = now - Timestamp::Micros(sent);
    if (packet[0] == 1) {
      ++d.audio_received;
      d.oldest_audio = std::max(d.oldest_audio, age);
    } else {
      d.oldest_video = std::max(d.oldest_video, age);
      ++frames[static_cast<uint32_t>(packet[6] << 8 | packet[7])];
    }
  };
  const Timestamp start = ReadMonotonicClock();
  size_t read_total = 0;
  Timestamp last = start;
  PollUntil(*loop, [&] {
    const Timestamp now = ReadMonotonicClock();
    d.longest_stall = std::max(d.longest_stall, now - last);
    last = now;
    const int64_t elapsed = (now - start).ms();
    for (; static_cast<int64_t>(d.audio_sent) * 20 < std::min<int64_t>(elapsed, seconds * 1000);
         ++d.audio_sent) {
      CommitStamped(writer, 160, static_cast<uint32_t>(d.audio_sent), PacketKind::kAudio);
    }
    for (; static_cast<int64_t>(d.frames_sent) * 40 < std::min<int64_t>(elapsed, seconds * 1000);
         ++d.frames_sent) {
      for (size_t i = 0; i < kFramePackets; ++i) {
        CommitStamped(writer, 1000, static_cast<uint32_t>(d.frames_sent), PacketKind::kVideo);
      }
    }
    sockets.egress().Flush();
    size_t may_read = scratch.size();
    if (read_rate != 0) {
      may_read = static_cast<size_t>(elapsed) * read_rate / 1000 - read_total;
    }
    ssize_t got = 0;
    while (may_read > 0 && (got = recv(peer.fd(), scratch.data(),
                                       std::min(may_read, scratch.size()), MSG_DONTWAIT)) > 0) {
      read_total += static_cast<size_t>(got);
      if (read_rate != 0) may_read -= static_cast<size_t>(got);
      reader.Push(std::span(scratch).first(static_cast<size_t>(got)));
      while (const auto packet = reader.Next()) note(*packet, now);
    }
    return elapsed > seconds * 1000 + 1500;  // what is under way at the end arrives
  });
  for (const auto& [frame, packets] : frames) {
    ++(packets == kFramePackets ? d.frames_whole : d.frames_in_part);
  }
  d.dropped = sockets.tcp_stats().dropped;
  d.key_frame_requests = handler.dropped_video.size();
  return d;
}

void CheckTcp(const char* link, const TcpDelivery& d) {
  std::printf(
      "TCP, %s: audio %zu of %zu, at most %d ms old; video %zu of %zu frames whole, %zu in "
      "part, at most %d ms old; %zu key-frame requests\n",
      link, d.audio_received, d.audio_sent, static_cast<int>(d.oldest_audio.ms()), d.frames_whole,
      d.frames_sent, d.frames_in_part, static_cast<int>(d.oldest_video.ms()), d.key_frame_requests);
  // On a busy machine a packet is also as old as we did not get to read it.
  CHECK(d.oldest_audio < Duration::Seconds(1) + d.longest_stall);
  CHECK(d.oldest_video < Duration::Seconds(1) + d.longest_stall);
  // All of it, but where the first frame alone holds up a link for as long as audio may wait.
  CHECK(d.audio_received * 20 >= d.audio_sent * 19);
}

TEST_CASE("media over TCP is never a second old, whatever the link", "[link]") {
  // The queue of the link would hold 16 s of it.
  for (const auto& [name, filter] :
       {std::pair{"400 kbit/s", "rate 400kbit burst 4kb limit 800kb"},
        std::pair{"200 kbit/s", "rate 200kbit burst 4kb limit 400kb"}}) {
    OwnNetwork network;
    if (!network.Limit(filter)) return;
    const TcpDelivery d = StreamOverTcp(5);
    CheckTcp(name, d);
    if (filter[5] == '4') CHECK(d.frames_whole > 5);  // at 200 kbit/s a frame takes 350 ms
    CHECK(d.key_frame_requests > 0);
    CHECK(d.key_frame_requests <= 7);  // one a second
  }
}

TEST_CASE("and of a peer that reads slowly", "[link]") {
  const TcpDelivery d = StreamOverTcp(5, 50'000);
  CheckTcp("a reader of 50 KB/s", d);
  CHECK(d.frames_whole > 5);
}

TEST_CASE("nothing is dropped on a link that is fast enough", "[link]") {
  const TcpDelivery d = StreamOverTcp(1);
  CheckTcp("loopback", d);
  CHECK(d.frames_whole == d.frames_sent);
  CHECK(d.dropped.total() == 0);
}

}  // namespace
}  // namespace sluice::worker
