#include "worker/io/tcp_listener.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>
#include <vector>

namespace sluice::worker {

namespace {
bool IsStrangerTooLong(const TcpConnection& connection, Timestamp now) {
  return !connection.authenticated() &&
         now - connection.accepted_at() >= TcpListener::kAuthenticationTimeout;
}

bool IsIdle(const TcpConnection& connection, Timestamp now) {
  if (now - connection.last_packet_at() >= TcpListener::kIdleTimeout) return true;
  const auto partial = connection.partial_since();
  return partial && now - *partial >= TcpListener::kPartialPacketTimeout;
}

/// What one host can choose its address from: the address itself, or a /64 of IPv6.
IpAddress NetworkOf(const IpAddress& ip) {
  if (!ip.is_v6()) return ip;
  constexpr size_t kNetworkBytes = 8;
  std::array<uint8_t, 16> bytes = ip.bytes();
  std::fill(bytes.begin() + kNetworkBytes, bytes.end(), uint8_t{0});
  return IpAddress::V6(bytes);
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
  drop_timer_ = context_.loop.CreateTimer([this](Timestamp now) { ReportDrops(now); });
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
  if (!MakeRoom(remote)) return false;
  // The kernel lets a peer reuse a tuple only when its earlier connection is gone.
  if (const auto old = connections_.find(remote); old != connections_.end()) {
    if (!Close(*old->second)) return false;
  }
  const FiveTuple tuple{TransportProtocol::kTcp, local_address(), remote};
  auto connection = TcpConnection::Create(context_, std::move(fd), tuple, handler_, *this);
  if (!connection.ok()) {
    ++context_.stats.accept_errors;
    return true;
  }
  ++context_.stats.accepted;
  strangers_.push_back(connection->get());
  connections_[remote] = std::move(*connection);
  if (!sweep_timer_->armed()) sweep_timer_->Start(kSweepInterval);
  return true;
}

bool TcpListener::MakeRoom(const SocketAddress& remote) {
  std::erase_if(strangers_, [](const TcpConnection* known) { return known->authenticated(); });
  const IpAddress network = NetworkOf(remote.ip);
  TcpConnection* oldest = nullptr;  // of this network
  size_t count = 0;
  for (TcpConnection* stranger : strangers_) {
    if (NetworkOf(stranger->path().tuple.remote.ip) != network) continue;
    if (oldest == nullptr) oldest = stranger;
    ++count;
  }
  if (count < kMaxStrangersPerNetwork) {
    if (strangers_.size() < kMaxStrangers) return true;
    oldest = strangers_.front();
  }
  ++context_.stats.evicted_unauthenticated;
  return Close(*oldest);
}

void TcpListener::CloseIdle(Timestamp now) {
  std::vector<SocketAddress> due;
  for (const auto& [remote, connection] : connections_) {
    if (IsStrangerTooLong(*connection, now) || IsIdle(*connection, now)) due.push_back(remote);
  }
  for (const SocketAddress& remote : due) {
    const auto it = connections_.find(remote);
    if (it == connections_.end()) continue;
    const bool stranger = !it->second->authenticated();
    ++(stranger ? context_.stats.closed_unauthenticated : context_.stats.closed_idle);
    if (!Close(*it->second)) return;
  }
  if (!connections_.empty()) sweep_timer_->Start(kSweepInterval);
}

void TcpListener::OnConnectionClosed(TcpConnection& connection) { Close(connection); }

void TcpListener::OnConnectionDroppedVideo(TcpConnection& connection) {
  // From within a flush: what follows from it is for another turn.
  const auto [entry, added] =
      dropped_video_.try_emplace(connection.path().tuple.remote, context_.loop.Now());
  const Duration wait = entry->second - context_.loop.Now();
  if (!drop_timer_->armed()) drop_timer_->Start(wait);
}

/// An entry stays for kDropReportInterval after its report, so that the next one waits as long.
void TcpListener::ReportDrops(Timestamp now) {
  std::vector<SocketAddress> due;
  for (auto& [remote, at] : dropped_video_) {
    if (at <= now) due.push_back(remote);
  }
  for (const SocketAddress& remote : due) {
    const auto found = connections_.find(remote);
    const std::vector<Ssrc> ssrcs =
        found == connections_.end() ? std::vector<Ssrc>() : found->second->TakeDroppedSsrcs();
    if (ssrcs.empty()) {
      dropped_video_.erase(remote);
      continue;
    }
    dropped_video_[remote] = now + kDropReportInterval;
    bool destroyed = false;
    bool* const outer = std::exchange(destroyed_, &destroyed);
    handler_.OnVideoDropped(found->second->path(), ssrcs);
    if (destroyed) {
      if (outer != nullptr) *outer = true;
      return;
    }
    destroyed_ = outer;
  }
  if (!dropped_video_.empty()) drop_timer_->Start(kDropReportInterval / 4);
}

bool TcpListener::Close(TcpConnection& connection) {
  const NetworkPath path = connection.path();
  // Off the table first: whatever the handler does, this connection is closed once.
  auto owned = connections_.extract(path.tuple.remote);
  if (owned.empty()) return true;
  std::erase(strangers_, &connection);
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
