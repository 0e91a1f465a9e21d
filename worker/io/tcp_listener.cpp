#include "worker/io/tcp_listener.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>
#include <vector>

namespace sluice::worker {

namespace {
bool IsDue(const TcpConnection& connection, Timestamp now) {
  const Duration limit =
      connection.has_spoken() ? TcpListener::kIdleTimeout : TcpListener::kFirstPacketTimeout;
  if (now - connection.last_packet_at() >= limit) return true;
  const auto partial = connection.partial_since();
  return partial && now - *partial >= TcpListener::kPartialPacketTimeout;
}
}  // namespace

Result<std::unique_ptr<TcpListener>> TcpListener::Create(TcpContext& context, BoundSocket socket,
                                                         DatagramHandler& handler) {
  std::unique_ptr<TcpListener> listener(new TcpListener(context, std::move(socket), handler));
  auto watcher = FdWatcher::Create(context.loop, listener->socket_.fd.get(), *listener);
  if (!watcher.ok()) return watcher.status();
  listener->watcher_ = std::move(*watcher);
  listener->watcher_->Watch(true, false);
  return listener;
}

TcpListener::TcpListener(TcpContext& context, BoundSocket socket, DatagramHandler& handler)
    : context_(context), handler_(handler), socket_(std::move(socket)) {
  sweep_timer_ = context_.loop.CreateTimer([this](Timestamp now) { CloseIdle(now); });
  accept_timer_ = context_.loop.CreateTimer([this](Timestamp) { watcher_->Watch(true, false); });
}

TcpListener::~TcpListener() {
  if (destroyed_ != nullptr) *destroyed_ = true;
}

void TcpListener::OnReadable() {
  for (int i = 0; i < kMaxAcceptsPerTurn; ++i) {
    sockaddr_storage storage{};
    socklen_t length = sizeof(storage);
    auto* address = reinterpret_cast<sockaddr*>(&storage);
    Fd fd(accept4(socket_.fd.get(), address, &length, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (fd.valid()) {
      if (!Accept(std::move(fd), SocketAddress::FromSockaddr(address))) return;
      continue;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) return;
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      return PauseAccepting();
    }
    // Else a connection died while it waited: go on with the next one.
  }
}

void TcpListener::PauseAccepting() {
  ++context_.stats.accept_errors;
  watcher_->Watch(false, false);
  accept_timer_->Start(kAcceptRetry);
}

void TcpListener::OnPollError() { PauseAccepting(); }

bool TcpListener::Accept(Fd fd, const SocketAddress& remote) {
  if (connections_.size() >= kMaxConnections) {
    ++context_.stats.refused_full;
    return true;
  }
  if (!MakeRoom()) return false;
  // The kernel lets a peer reuse a tuple only when its earlier connection is gone.
  if (const auto old = connections_.find(remote); old != connections_.end()) {
    if (!Close(*old->second)) return false;
  }
  const int on = 1;
  setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  const FiveTuple tuple{TransportProtocol::kTcp, local_address(), remote};
  auto connection = TcpConnection::Create(context_, std::move(fd), tuple, handler_, *this);
  if (!connection.ok()) {
    ++context_.stats.accept_errors;
    return true;
  }
  ++context_.stats.accepted;
  connections_[remote] = std::move(*connection);
  if (!sweep_timer_->armed()) sweep_timer_->Start(kSweepInterval);
  return true;
}

bool TcpListener::MakeRoom() {
  if (connections_.size() < kMaxSilent) return true;  // there cannot be too many silent ones
  size_t silent = 0;
  TcpConnection* oldest = nullptr;
  for (const auto& [remote, connection] : connections_) {
    if (connection->has_spoken()) continue;
    ++silent;
    if (oldest == nullptr || connection->last_packet_at() < oldest->last_packet_at()) {
      oldest = connection.get();
    }
  }
  if (silent < kMaxSilent) return true;
  ++context_.stats.evicted_silent;
  return Close(*oldest);
}

void TcpListener::CloseIdle(Timestamp now) {
  std::vector<SocketAddress> due;
  for (const auto& [remote, connection] : connections_) {
    if (IsDue(*connection, now)) due.push_back(remote);
  }
  for (const SocketAddress& remote : due) {
    const auto it = connections_.find(remote);
    if (it == connections_.end()) continue;
    ++context_.stats.closed_idle;
    if (!Close(*it->second)) return;
  }
  if (!connections_.empty()) sweep_timer_->Start(kSweepInterval);
}

void TcpListener::OnConnectionClosed(TcpConnection& connection) { Close(connection); }

bool TcpListener::Close(TcpConnection& connection) {
  const NetworkPath path = connection.path();
  // Off the table first: whatever the handler does, this connection is closed once.
  auto owned = connections_.extract(path.tuple.remote);
  if (owned.empty()) return true;
  // A connection that never sent a packet was never heard of.
  if (!connection.has_spoken()) return true;
  bool destroyed = false;
  bool* const outer = std::exchange(destroyed_, &destroyed);
  handler_.OnPathClosed(path);
  if (destroyed) {
    if (outer != nullptr) *outer = true;
    return false;
  }
  destroyed_ = outer;
  return true;
}

}  // namespace sluice::worker
