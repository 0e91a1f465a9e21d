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
constexpr size_t kMaxWritePieces = 256;  // iovecs of one sendmsg
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
      accepted_at_(context.loop.Now()),
      last_packet_at_(accepted_at_),
      flow_(fd_.get()),
      waiting_(context.stats.dropped) {
  flow_.Prepare();
}

TcpConnection::~TcpConnection() {
  context_.egress.Retire(*this);
  if (destroyed_ != nullptr) *destroyed_ = true;
}

uint8_t* TcpConnection::Reserve(size_t size) {
  if (broken_ || size > TcpFrameReader::kMaxFrame - kHeaderSize || size > kMaxDatagram) {
    ++context_.stats.refused_closed;
    return nullptr;
  }
  reserved_ = context_.egress.Reserve(kHeaderSize + size);
  return reserved_.data + kHeaderSize;
}

void TcpConnection::Commit(size_t size, const SocketAddress& /*to*/, PacketKind kind) {
  const Egress::Slot slot = std::exchange(reserved_, {});
  if (!context_.egress.Commit(slot, kHeaderSize + size)) {
    ++context_.egress.stats().stale_commits;
    return;
  }
  uint8_t* frame = slot.data;
  frame[0] = static_cast<uint8_t>(size >> 8);
  frame[1] = static_cast<uint8_t>(size);
  queue_.push_back({{frame, kHeaderSize + size}, kind});
  context_.egress.MarkDirty(*this);
}

void TcpConnection::OnPeerAuthenticated() { authenticated_ = true; }

void TcpConnection::FlushQueue() {
  if (broken_) return queue_.clear();
  const Timestamp now = context_.loop.Now();
  const auto is_urgent = [](const Frame& frame) { return frame.kind != PacketKind::kVideo; };
  if (!std::is_partitioned(queue_.begin(), queue_.end(), is_urgent)) {
    std::stable_partition(queue_.begin(), queue_.end(), is_urgent);
  }
  size_t part = 0;
  size_t next = waiting_.empty() ? SendQueue(now, &part) : 0;
  context_.stats.packets_sent += next;
  if (part > 0) {
    waiting_.AddRest(queue_[next++].bytes.subspan(part));
    ++context_.stats.packets_sent;
  }
  for (; next < queue_.size() && !broken_; ++next) {
    waiting_.Add(queue_[next].bytes.subspan(kHeaderSize), queue_[next].kind, now);
  }
  queue_.clear();
  NoteDrops();
}

size_t TcpConnection::SendQueue(Timestamp now, size_t* part) {
  size_t next = 0;
  while (next < queue_.size()) {
    const int64_t room = FindRoom(now);
    if (room == 0) return next;
    std::array<iovec, kMaxWritePieces> pieces;
    size_t count = 0;
    size_t wanted = 0;
    while (count < kMaxWritePieces && next + count < queue_.size() &&
           wanted < static_cast<size_t>(room)) {
      const std::span<const uint8_t> bytes = queue_[next + count].bytes;
      pieces[count++] = {const_cast<uint8_t*>(bytes.data()), bytes.size()};
      wanted += bytes.size();
    }
    size_t sent = Send(std::span(pieces).first(count), now);
    if (broken_) return next;
    const bool full = sent < wanted;
    while (next < queue_.size() && sent >= queue_[next].bytes.size()) {
      sent -= queue_[next++].bytes.size();
    }
    if (!full) continue;
    *part = sent;
    watcher_->Watch(true, true);
    return next;
  }
  return next;
}

int64_t TcpConnection::FindRoom(Timestamp now) {
  const TcpFlow::Room room = flow_.Check(now);
  if (room.bytes > 0) return room.bytes;
  ++context_.stats.held_up;
  if (room.limit == TcpFlow::Limit::kUnsentFull) {
    watcher_->Watch(true, true);
    return 0;
  }
  if (retry_timer_ == nullptr) {
    retry_timer_ = context_.loop.CreateTimer([this](Timestamp) { SendWaiting(); });
  }
  watcher_->Watch(true, false);
  retry_timer_->Start(kRetry);
  return 0;
}

size_t TcpConnection::Send(std::span<const iovec> pieces, Timestamp now) {
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(pieces.data());
  message.msg_iovlen = pieces.size();
  for (;;) {
    const ssize_t sent = sendmsg(fd_.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent >= 0) {
      flow_.OnWritten(static_cast<size_t>(sent), now);
      return static_cast<size_t>(sent);
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK && errno != ENOBUFS) Break();
    return 0;
  }
}

void TcpConnection::NoteDrops() {
  if (waiting_.held().has_dropped_ssrcs()) owner_.OnConnectionDroppedVideo(*this);
}

/// A flush must not call the handler: the end of the stream is read, and told, in the next turn.
void TcpConnection::Break() {
  broken_ = true;
  shutdown(fd_.get(), SHUT_RDWR);
}

void TcpConnection::OnWritable() { SendWaiting(); }

void TcpConnection::SendWaiting() {
  const Timestamp now = context_.loop.Now();
  while (!broken_ && !waiting_.empty()) {
    if (FindRoom(now) == 0) return NoteDrops();
    const bool new_packet = !waiting_.in_progress();
    const std::span<const uint8_t> next = waiting_.Next(now);
    if (next.empty()) break;
    const iovec piece{const_cast<uint8_t*>(next.data()), next.size()};
    const size_t sent = Send({&piece, 1}, now);
    if (new_packet) ++context_.stats.packets_sent;
    waiting_.OnSent(sent);
    if (sent == next.size()) continue;
    if (!broken_) watcher_->Watch(true, true);
    return NoteDrops();
  }
  watcher_->Watch(true, false);
  NoteDrops();
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
