#include "worker/io/tcp_connection.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace sluice::worker {

namespace {
constexpr size_t kHeaderSize = TcpFrameReader::kHeaderSize;
constexpr size_t kMaxPieces = 256;  // iovecs of one sendmsg
}  // namespace

Result<std::unique_ptr<TcpConnection>> TcpConnection::Create(TcpContext& context, Fd fd,
                                                             const FiveTuple& tuple,
                                                             DatagramHandler& handler,
                                                             Owner& owner) {
  const int raw = fd.get();
  std::unique_ptr<TcpConnection> connection(
      new TcpConnection(context, std::move(fd), tuple, handler, owner));
  auto watcher = FdWatcher::Create(context.loop, raw, *connection);
  if (!watcher.ok()) return watcher.status();
  connection->watcher_ = std::move(*watcher);
  connection->watcher_->Watch(true, false);
  return connection;
}

TcpConnection::TcpConnection(TcpContext& context, Fd fd, const FiveTuple& tuple,
                             DatagramHandler& handler, Owner& owner)
    : context_(context),
      fd_(std::move(fd)),
      tuple_(tuple),
      handler_(handler),
      owner_(owner),
      last_packet_at_(context.loop.Now()) {}

TcpConnection::~TcpConnection() {
  context_.egress.Retire(*this);
  if (destroyed_ != nullptr) *destroyed_ = true;
}

uint8_t* TcpConnection::Reserve(size_t size) {
  const size_t waiting = backlog_.size() - backlog_sent_;
  if (broken_ || size > TcpFrameReader::kMaxFrame - kHeaderSize || size > kMaxDatagram ||
      waiting + kHeaderSize + size > kMaxBacklog) {
    ++context_.stats.backlog_dropped;
    return nullptr;
  }
  reserved_ = context_.egress.Reserve(kHeaderSize + size);
  return reserved_.data + kHeaderSize;
}

void TcpConnection::Commit(size_t size, const SocketAddress& /*to*/, PacketKind /*kind*/) {
  const Egress::Slot slot = std::exchange(reserved_, {});
  if (!context_.egress.Commit(slot, kHeaderSize + size)) {
    ++context_.egress.stats().stale_commits;
    return;
  }
  uint8_t* frame = slot.data;
  frame[0] = static_cast<uint8_t>(size >> 8);
  frame[1] = static_cast<uint8_t>(size);
  queue_.emplace_back(frame, kHeaderSize + size);
  context_.egress.MarkDirty(*this);
}

void TcpConnection::FlushQueue() {
  size_t first = 0;  // frame that is not sent whole
  size_t part = 0;   // bytes of it that are
  if (backlog_.empty() && !broken_) {
    part = Send(queue_);
    while (first < queue_.size() && part >= queue_[first].size()) part -= queue_[first++].size();
  }
  context_.stats.packets_sent += first;
  for (; first < queue_.size() && !broken_; ++first, part = 0) {
    const auto rest = queue_[first].subspan(part);
    // A frame that has begun must be finished, whatever the bound says.
    if (part == 0 && backlog_.size() - backlog_sent_ + rest.size() > kMaxBacklog) break;
    backlog_.insert(backlog_.end(), rest.begin(), rest.end());
    ++context_.stats.packets_sent;
  }
  context_.stats.backlog_dropped += queue_.size() - first;
  queue_.clear();
  if (!backlog_.empty() && !broken_) watcher_->Watch(true, true);
}

size_t TcpConnection::Send(std::span<const std::span<const uint8_t>> pieces) {
  size_t total = 0;
  while (!pieces.empty()) {
    std::array<iovec, kMaxPieces> vectors;
    const size_t count = std::min(pieces.size(), kMaxPieces);
    size_t wanted = 0;
    for (size_t i = 0; i < count; ++i) {
      vectors[i] = {const_cast<uint8_t*>(pieces[i].data()), pieces[i].size()};
      wanted += pieces[i].size();
    }
    msghdr message{};
    message.msg_iov = vectors.data();
    message.msg_iovlen = count;
    const ssize_t sent = sendmsg(fd_.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN && errno != EWOULDBLOCK && errno != ENOBUFS) Break();
      break;
    }
    total += static_cast<size_t>(sent);
    if (static_cast<size_t>(sent) < wanted) break;
    pieces = pieces.subspan(count);
  }
  return total;
}

/// A flush must not call the handler: the end of the stream is read, and told, in the next turn.
void TcpConnection::Break() {
  broken_ = true;
  shutdown(fd_.get(), SHUT_RDWR);
}

void TcpConnection::OnWritable() {
  const std::span<const uint8_t> rest = std::span<const uint8_t>(backlog_).subspan(backlog_sent_);
  backlog_sent_ += Send(std::span(&rest, 1));
  if (backlog_sent_ == backlog_.size() || broken_) {
    backlog_ = {};
    backlog_sent_ = 0;
    watcher_->Watch(true, false);
  } else if (backlog_sent_ >= kMaxBacklog / 2) {
    backlog_.erase(backlog_.begin(), backlog_.begin() + static_cast<ptrdiff_t>(backlog_sent_));
    backlog_sent_ = 0;
  }
}

void TcpConnection::OnReadable() {
  for (int i = 0; i < TcpContext::kMaxReadsPerTurn; ++i) {
    std::vector<uint8_t>& buffer = context_.read_buffer;
    const ssize_t got = recv(fd_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
    if (got <= 0) return owner_.OnConnectionClosed(*this);
    if (!Deliver(std::span(buffer).first(static_cast<size_t>(got)))) return;
    if (reader_.broken()) {
      ++context_.stats.closed_framing;
      return owner_.OnConnectionClosed(*this);
    }
    if (static_cast<size_t>(got) < buffer.size()) return;
  }
}

bool TcpConnection::Deliver(std::span<const uint8_t> bytes) {
  bool destroyed = false;
  destroyed_ = &destroyed;
  reader_.Push(bytes);
  const Timestamp now = context_.loop.Now();
  while (const auto packet = reader_.Next()) {
    has_spoken_ = true;
    last_packet_at_ = now;
    partial_since_.reset();
    ++context_.stats.packets_received;
    handler_.OnDatagram(context_.buffers.Copy(*packet), packet->size(), path(), now);
    if (destroyed) return false;
  }
  destroyed_ = nullptr;
  if (!reader_.has_partial()) {
    partial_since_.reset();
  } else if (!partial_since_) {
    partial_since_ = now;
  }
  return true;
}

void TcpConnection::OnPollError() { owner_.OnConnectionClosed(*this); }

}  // namespace sluice::worker
