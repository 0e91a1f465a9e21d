#pragma once

#include <catch2/catch.hpp>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "common/fd.h"
#include "common/socket_address.h"
#include "worker/io/loop.h"
#include "worker/media/socket_factory.h"

namespace sluice::worker::test {

using Bytes = std::vector<uint8_t>;

/// `size` bytes that differ with `seed`.
inline Bytes Pattern(size_t size, uint8_t seed) {
  Bytes bytes(size);
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<uint8_t>(seed + i * 7);
  return bytes;
}

inline std::unique_ptr<Loop> MakeLoop() {
  auto loop = Loop::Create();
  REQUIRE(loop.ok());
  return std::move(*loop);
}

/// Turns the loop until `done()`. The limit is for a broken program: a passing test does not wait.
template <typename Done>
bool RunUntil(Loop& loop, Done done) {
  bool expired = false;
  auto limit = loop.CreateTimer([&](Timestamp) { expired = true; });
  limit->Start(Duration::Seconds(60));
  while (!done() && !expired) loop.RunOnce();
  return done();
}

/// The same for a `done()` that depends on what happens outside of the loop, such as at a peer's
/// socket: it is asked each millisecond, too, however long the loop has nothing to do.
template <typename Done>
bool PollUntil(Loop& loop, Done done) {
  // Starts itself again: RunOnce() may let it expire before it waits for other things.
  std::unique_ptr<Timer> tick;
  tick = loop.CreateTimer([&tick](Timestamp) { tick->Start(Duration::Millis(1)); });
  tick->Start(Duration::Millis(1));
  return RunUntil(loop, done);
}

/// A plain socket on 127.0.0.1, or ::1, that plays the peer.
class Peer {
 public:
  explicit Peer(int type = SOCK_DGRAM, const char* ip = "127.0.0.1") {
    sockaddr_storage storage;
    socklen_t length = SocketAddress{*IpAddress::Parse(ip), 0}.ToSockaddr(&storage);
    auto* address = reinterpret_cast<sockaddr*>(&storage);
    fd_ = Fd(socket(storage.ss_family, type | SOCK_CLOEXEC, 0));
    REQUIRE(bind(fd_.get(), address, length) == 0);
    length = sizeof(storage);
    REQUIRE(getsockname(fd_.get(), address, &length) == 0);
    address_ = SocketAddress::FromSockaddr(address);
  }

  int fd() const { return fd_.get(); }
  const SocketAddress& address() const { return address_; }
  void Close() { fd_ = Fd(); }

  bool SendTo(const SocketAddress& to, const Bytes& bytes) {
    sockaddr_storage storage;
    const socklen_t length = to.ToSockaddr(&storage);
    return sendto(fd(), bytes.data(), bytes.size(), 0, reinterpret_cast<sockaddr*>(&storage),
                  length) == static_cast<ssize_t>(bytes.size());
  }
  bool Connect(const SocketAddress& to) {
    sockaddr_storage storage;
    const socklen_t length = to.ToSockaddr(&storage);
    return connect(fd(), reinterpret_cast<sockaddr*>(&storage), length) == 0;
  }
  bool Write(std::span<const uint8_t> bytes) {
    return send(fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(bytes.size());
  }
  /// Everything that is there now, one element a datagram (UDP) or read (TCP).
  std::vector<Bytes> ReceiveAll() {
    std::vector<Bytes> all;
    Bytes buffer(70'000);
    for (;;) {
      const ssize_t got = recv(fd(), buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (got < 0) return all;
      if (got == 0 && all.size() > 100'000) return all;
      all.emplace_back(buffer.begin(), buffer.begin() + got);
      if (got == 0) return all;
    }
  }

 private:
  Fd fd_;
  SocketAddress address_;
};

/// Keeps what it gets.
class Collector : public DatagramHandler {
 public:
  struct Received {
    Bytes bytes;
    NetworkPath path;
    Timestamp at;
  };
  void OnDatagram(PacketRef buffer, size_t size, const NetworkPath& from, Timestamp at) override {
    received.push_back({Bytes(buffer.data(), buffer.data() + size), from, at});
    if (on_datagram) on_datagram();
  }
  void OnPathClosed(const NetworkPath& path) override {
    closed.push_back(path.tuple);
    if (on_closed) on_closed();
  }

  std::vector<Received> received;
  void OnUnreachable(const FiveTuple& tuple, Timestamp) override { unreachable.push_back(tuple); }

  std::vector<FiveTuple> closed;
  void OnVideoDropped(const NetworkPath&, std::span<const Ssrc> ssrcs) override {
    dropped_video.insert(dropped_video.end(), ssrcs.begin(), ssrcs.end());
  }

  std::vector<FiveTuple> unreachable;
  std::vector<Ssrc> dropped_video;
  std::function<void()> on_datagram;
  std::function<void()> on_closed;
};

inline void Send(PacketWriter& writer, const Bytes& bytes, const SocketAddress& to,
                 PacketKind kind = PacketKind::kVideo) {
  uint8_t* out = writer.Reserve(bytes.size());
  REQUIRE(out != nullptr);
  std::copy(bytes.begin(), bytes.end(), out);
  writer.Commit(bytes.size(), to, kind);
}

}  // namespace sluice::worker::test
