#include "worker/io/tcp_listener.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

namespace sluice::worker {

namespace {
bool IsStrangerTooLong(const TcpConnection& connection, const TcpLimits& limits, Timestamp now) {
  return !connection.authenticated() && now - connection.accepted_at() >= limits.check_timeout;
}

bool IsIdle(const TcpConnection& connection, const TcpLimits& limits, Timestamp now) {
  if (now - connection.last_check_at() >= limits.idle_timeout) return true;
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
  switch (MakeRoom(remote)) {
    case Room::kThere:
      break;
    case Room::kNone:
      ++context_.stats.refused_full;
      return true;
    case Room::kListenerGone:
      return false;
  }
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
  context_.census.Add(**connection);
  connections_[remote] = std::move(*connection);
  if (!sweep_timer_->armed()) sweep_timer_->Start(kSweepInterval);
  return true;
}

TcpListener::Room TcpListener::MakeRoom(const SocketAddress& remote) {
  using Action = TcpCensus::Verdict::Action;
  const TcpCensus::Verdict verdict = context_.census.Judge(remote.ip);
  if (verdict.action == Action::kAccept) return Room::kThere;
  if (verdict.action == Action::kRefuse) return Room::kNone;
  ++(verdict.action == Action::kEvictStranger ? context_.stats.evicted_unauthenticated
                                              : context_.stats.evicted_full);
  if (&verdict.victim->owner() != this) {
    verdict.victim->Abandon();
    return Room::kThere;
  }
  return Close(*verdict.victim) ? Room::kThere : Room::kListenerGone;
}

void TcpListener::CloseIdle(Timestamp now) {
  std::vector<SocketAddress> due;
  for (const auto& [remote, connection] : connections_) {
    const TcpLimits& limits = context_.limits;
    const bool ends =
        IsStrangerTooLong(*connection, limits, now) || IsIdle(*connection, limits, now);
    if (ends) due.push_back(remote);
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
  context_.census.Remove(connection);
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
