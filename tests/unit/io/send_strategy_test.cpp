#include "worker/io/send_strategy.h"

#include <netinet/udp.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <deque>

#include "tests/unit/io/io_test.h"

namespace sluice::worker {
namespace {

using test::Bytes;
using test::Pattern;
using test::Peer;
using Kind = SendStrategy::Kind;

/// Records what would be sent; fails when told to.
class FakeCalls : public SendCalls {
 public:
  struct Message {
    SocketAddress to;
    Bytes bytes;
    size_t segment_size = 0;  // 0: no GSO
  };

  ssize_t SendTo(int, const void* data, size_t size, const sockaddr* to, socklen_t) override {
    if (const int error = NextError()) return Fail(error);
    const auto* bytes = static_cast<const uint8_t*>(data);
    messages.push_back({SocketAddress::FromSockaddr(to), Bytes(bytes, bytes + size), 0});
    return static_cast<ssize_t>(size);
  }

  int SendMessages(int, mmsghdr* headers, unsigned count) override {
    for (unsigned i = 0; i < count; ++i) {
      const msghdr& header = headers[i].msg_hdr;
      Message message;
      message.to = SocketAddress::FromSockaddr(static_cast<const sockaddr*>(header.msg_name));
      if (const cmsghdr* control = CMSG_FIRSTHDR(&header)) {
        uint16_t size = 0;
        std::memcpy(&size, CMSG_DATA(control), sizeof(size));
        message.segment_size = size;
      }
      const int error = message.segment_size != 0 && gso_error != 0 ? gso_error : NextError();
      if (error != 0) return i > 0 ? PutBack(error, static_cast<int>(i)) : Fail(error);
      for (size_t p = 0; p < header.msg_iovlen; ++p) {
        const auto* piece = static_cast<const uint8_t*>(header.msg_iov[p].iov_base);
        message.bytes.insert(message.bytes.end(), piece, piece + header.msg_iov[p].iov_len);
      }
      messages.push_back(std::move(message));
    }
    return static_cast<int>(count);
  }

  std::vector<Message> messages;
  std::deque<int> errors;  // one for each attempt, 0 = success; then success
  int gso_error = 0;

 private:
  int NextError() {
    if (errors.empty()) return 0;
    const int error = errors.front();
    errors.pop_front();
    return error;
  }
  int PutBack(int error, int sent) {
    if (error != gso_error) errors.push_front(error);
    return sent;
  }
  static int Fail(int error) {
    errno = error;
    return -1;
  }
};

/// A strategy whose probe ran before `calls` starts to fail.
std::unique_ptr<SendStrategy> Make(Kind kind, FakeCalls& calls) {
  struct Switch : SendCalls {
    ssize_t SendTo(int fd, const void* d, size_t n, const sockaddr* a, socklen_t l) override {
      return fake ? fake->SendTo(fd, d, n, a, l) : SendCalls::SendTo(fd, d, n, a, l);
    }
    int SendMessages(int fd, mmsghdr* m, unsigned n) override {
      return fake ? fake->SendMessages(fd, m, n) : SendCalls::SendMessages(fd, m, n);
    }
    FakeCalls* fake = nullptr;
  };
  static Switch calls_switch;
  calls_switch.fake = nullptr;
  auto strategy = SendStrategy::Create(kind, calls_switch);
  REQUIRE(strategy.ok());
  calls_switch.fake = &calls;
  return std::move(*strategy);
}

SocketAddress To(uint16_t port) { return {*IpAddress::Parse("10.0.0.1"), port}; }

struct Fixture {
  /// Packets of these sizes, next to each other in memory.
  std::vector<QueuedDatagram> Queue(const std::vector<std::pair<uint16_t, uint32_t>>& packets) {
    size_t total = 0;
    for (const auto& [port, size] : packets) total += size;
    memory = Pattern(total + 1, 1);
    std::vector<QueuedDatagram> queue;
    size_t offset = 0;
    for (const auto& [port, size] : packets) {
      queue.push_back({memory.data() + offset, static_cast<uint16_t>(size), To(port)});
      offset += size;
    }
    return queue;
  }
  /// (bytes, segment size) of each message.
  std::vector<std::pair<size_t, size_t>> Shapes() const {
    std::vector<std::pair<size_t, size_t>> shapes;
    for (const auto& m : calls.messages) shapes.emplace_back(m.bytes.size(), m.segment_size);
    return shapes;
  }
  FakeCalls calls;
  Bytes memory;
  SendStats stats;
  SendTarget target{3, false, true};
};

using Shapes = std::vector<std::pair<size_t, size_t>>;

TEST_CASE("GSO messages are cut where destination or size changes") {
  Fixture f;
  auto gso = Make(Kind::kGso, f.calls);
  const auto queue = f.Queue({{1, 1200},
                              {1, 1200},
                              {1, 700},  // the last may be shorter
                              {1, 1200},
                              {1, 1300},  // longer: a new message
                              {2, 1300},
                              {2, 1300},  // another destination
                              {1, 1300},
                              {1, 0},
                              {1, 0}});  // empty ones go alone
  REQUIRE(gso->Send(f.target, queue, f.stats) == queue.size());
  CHECK(f.Shapes() ==
        Shapes{{3100, 1200}, {1200, 0}, {1300, 0}, {2600, 1300}, {1300, 0}, {0, 0}, {0, 0}});
  CHECK(f.stats.packets_sent == queue.size());
  CHECK(f.stats.messages == 7);
  CHECK(f.stats.system_calls == 1);
}

TEST_CASE("GSO messages hold at most 64 segments and 65507 bytes") {
  Fixture f;
  auto gso = Make(Kind::kGso, f.calls);
  const std::vector<std::pair<uint16_t, uint32_t>> small(130, {1, 100});
  REQUIRE(gso->Send(f.target, f.Queue(small), f.stats) == 130);
  CHECK(f.Shapes() == Shapes{{6400, 100}, {6400, 100}, {200, 100}});
  f.calls.messages.clear();
  const std::vector<std::pair<uint16_t, uint32_t>> large(60, {1, 1200});
  REQUIRE(gso->Send(f.target, f.Queue(large), f.stats) == 60);
  CHECK(f.Shapes() == Shapes{{54 * 1200, 1200}, {6 * 1200, 1200}});
}

TEST_CASE("packets that are apart in memory still share a GSO message") {
  Fixture f;
  auto gso = Make(Kind::kGso, f.calls);
  const Bytes a = Pattern(500, 1);
  const Bytes b = Pattern(500, 2);
  const std::array<QueuedDatagram, 2> queue = {QueuedDatagram{a.data(), 500, To(1)},
                                               QueuedDatagram{b.data(), 500, To(1)}};
  REQUIRE(gso->Send(f.target, queue, f.stats) == 2);
  REQUIRE(f.calls.messages.size() == 1);
  Bytes both = a;
  both.insert(both.end(), b.begin(), b.end());
  CHECK(f.calls.messages[0].bytes == both);
}

TEST_CASE("a full device queue stops the sending as a full socket does, and is told apart") {
  const auto kind = GENERATE(Kind::kGso, Kind::kSendmmsg, Kind::kSendto);
  Fixture f;
  auto strategy = Make(kind, f.calls);
  const auto queue = f.Queue({{1, 1200}, {1, 1200}, {1, 1200}});
  // The GSO message is refused whole, then one of its packets fits and one does not.
  if (kind == Kind::kGso) f.calls.errors = {ENOBUFS};
  f.calls.errors.insert(f.calls.errors.end(), {0, ENOBUFS});
  REQUIRE(strategy->Send(f.target, queue, f.stats) == 1);
  CHECK(f.target.device_full);
  CHECK(f.stats.device_full == 1);
  CHECK(f.stats.errors() == 0);
  f.calls.errors = {EAGAIN};
  REQUIRE(strategy->Send(f.target, std::span(queue).subspan(1), f.stats) == 0);
  CHECK_FALSE(f.target.device_full);
  REQUIRE(strategy->Send(f.target, std::span(queue).subspan(1), f.stats) == 2);
  CHECK(f.stats.packets_sent == 3);
}

TEST_CASE("errors are counted and the other packets go out") {
  const auto kind = GENERATE(Kind::kGso, Kind::kSendmmsg, Kind::kSendto);
  Fixture f;
  auto strategy = Make(kind, f.calls);
  const auto queue = f.Queue({{1, 100}, {2, 101}, {3, 102}, {4, 103}, {5, 104}, {6, 105}});
  f.calls.errors = {0, ENOMEM, EPERM, EMSGSIZE, 0};
  f.calls.errors.insert(f.calls.errors.begin() + 4, 5, ECONNREFUSED);  // however often it is tried
  REQUIRE(strategy->Send(f.target, queue, f.stats) == queue.size());
  REQUIRE(f.calls.messages.size() == 2);
  CHECK(f.calls.messages[0].to.port == 1);
  CHECK(f.calls.messages[1].to.port == 6);
  CHECK(f.stats.no_memory == 1);
  CHECK(f.stats.not_permitted == 1);
  CHECK(f.stats.too_big == 1);
  CHECK(f.stats.unreachable == 1);
  CHECK(f.stats.errors() == 4);
  CHECK(f.stats.packets_sent == 2);
}

TEST_CASE("an error left over from another destination does not cost a packet") {
  const auto kind = GENERATE(Kind::kGso, Kind::kSendmmsg, Kind::kSendto);
  Fixture f;
  auto strategy = Make(kind, f.calls);
  const auto queue = f.Queue({{1, 100}, {2, 101}});
  f.calls.errors = {0, ECONNREFUSED, 0};
  REQUIRE(strategy->Send(f.target, queue, f.stats) == 2);
  CHECK(f.calls.messages.size() == 2);
  CHECK(f.stats.errors() == 0);
}

TEST_CASE("a full socket stops the run and keeps the order") {
  const auto kind = GENERATE(Kind::kGso, Kind::kSendmmsg, Kind::kSendto);
  Fixture f;
  auto strategy = Make(kind, f.calls);
  const auto queue = f.Queue({{1, 100}, {2, 101}, {3, 102}});
  f.calls.errors = {0, EINTR, 0, EAGAIN};
  REQUIRE(strategy->Send(f.target, queue, f.stats) == 2);
  CHECK(f.calls.messages.size() == 2);
  CHECK(f.stats.errors() == 0);
}

TEST_CASE("a refused GSO message goes out packet by packet") {
  Fixture f;
  auto gso = Make(Kind::kGso, f.calls);
  const auto queue = f.Queue({{1, 100}, {1, 100}, {2, 100}, {2, 100}});
  SECTION("EINVAL: this time") {
    f.calls.gso_error = EINVAL;
    REQUIRE(gso->Send(f.target, queue, f.stats) == 4);
    CHECK(f.target.gso);
    CHECK(f.stats.gso_fallbacks == 2);
  }
  SECTION("EIO: for good on this socket") {
    f.calls.gso_error = EIO;
    REQUIRE(gso->Send(f.target, queue, f.stats) == 4);
    CHECK_FALSE(f.target.gso);
    CHECK(f.stats.gso_fallbacks == 1);
  }
  CHECK(f.Shapes() == Shapes{{100, 0}, {100, 0}, {100, 0}, {100, 0}});
  CHECK(f.stats.packets_sent == 4);
  CHECK(f.stats.errors() == 0);
}

TEST_CASE("a system without GSO is noticed at start") {
  struct NoGso : SendCalls {
    int SendMessages(int fd, mmsghdr* messages, unsigned count) override {
      if (messages[0].msg_hdr.msg_controllen != 0 || none) {
        errno = none ? ENOSYS : EINVAL;
        return -1;
      }
      return SendCalls::SendMessages(fd, messages, count);
    }
    bool none = false;
  };
  NoGso calls;
  CHECK((*SendStrategy::Create(Kind::kAuto, calls))->kind() == Kind::kSendmmsg);
  const auto asked = SendStrategy::Create(Kind::kGso, calls);
  REQUIRE_FALSE(asked.ok());
  CHECK_THAT(std::string(asked.status().message()), Catch::Contains("\"gso\""));
  calls.none = true;
  CHECK((*SendStrategy::Create(Kind::kAuto, calls))->kind() == Kind::kSendto);
}

TEST_CASE("every strategy sends the same datagrams in order") {
  const auto kind = GENERATE(Kind::kGso, Kind::kSendmmsg, Kind::kSendto);
  const auto* const ip = GENERATE("127.0.0.1", "::1");
  auto strategy = SendStrategy::Create(kind);
  if (!strategy.ok()) {
    WARN("not available here: " << ToString(kind));
    return;
  }
  Peer from(SOCK_DGRAM, ip);
  std::array<Peer, 3> peers = {Peer(SOCK_DGRAM, ip), Peer(SOCK_DGRAM, ip), Peer(SOCK_DGRAM, ip)};
  std::deque<Bytes> memory;
  std::vector<QueuedDatagram> queue;
  std::array<std::vector<Bytes>, 3> expected;
  for (size_t i = 0; i < 90; ++i) {
    const size_t peer = i / 9 % 3;
    memory.push_back(Pattern(i % 9 == 8 ? 333 : 1200 - i / 27, static_cast<uint8_t>(i)));
    queue.push_back(
        {memory.back().data(), static_cast<uint16_t>(memory.back().size()), peers[peer].address()});
    expected[peer].push_back(memory.back());
  }
  SendTarget target{from.fd(), std::string(ip) == "::1", true};
  SendStats stats;
  REQUIRE((*strategy)->Send(target, queue, stats) == queue.size());
  for (size_t peer = 0; peer < 3; ++peer) CHECK(peers[peer].ReceiveAll() == expected[peer]);
  CHECK(stats.packets_sent == 90);
  CHECK(stats.messages == (kind == Kind::kGso ? 10 : 90));
}

TEST_CASE("a datagram over the limit is counted, and its neighbours arrive") {
  const auto kind = GENERATE(Kind::kGso, Kind::kSendmmsg, Kind::kSendto);
  auto strategy = SendStrategy::Create(kind);
  if (!strategy.ok()) return;
  Peer from;
  Peer to;
  const Bytes small = Pattern(50, 3);
  const Bytes huge(65'508);  // one over
  const std::array<QueuedDatagram, 3> queue = {QueuedDatagram{small.data(), 50, to.address()},
                                               QueuedDatagram{huge.data(), 65'508, to.address()},
                                               QueuedDatagram{small.data(), 50, to.address()}};
  SendTarget target{from.fd(), false, true};
  SendStats stats;
  REQUIRE((*strategy)->Send(target, queue, stats) == 3);
  CHECK(to.ReceiveAll() == std::vector<Bytes>{small, small});
  CHECK(stats.too_big == 1);
}

}  // namespace
}  // namespace sluice::worker
