#include "worker/io/udp_writer.h"

#include <utility>

namespace sluice::worker {

UdpWriter::UdpWriter(Egress& egress, FdWatcher& watcher, int fd, bool ipv6)
    : egress_(egress), watcher_(watcher), target_{fd, ipv6, true} {}

UdpWriter::~UdpWriter() { egress_.Retire(*this); }

uint8_t* UdpWriter::Reserve(size_t size) {
  if (size > kMaxDatagram || backlog_bytes_ + size + kBacklogOverhead > kMaxBacklog) {
    ++egress_.stats().backlog_dropped;
    return nullptr;
  }
  reserved_ = egress_.Reserve(size);
  return reserved_;
}

void UdpWriter::Commit(size_t size, const SocketAddress& to, Timestamp /*release_at*/) {
  const uint8_t* data = std::exchange(reserved_, nullptr);
  if (!target_.ipv6 && !to.ip.is_v4()) {
    ++egress_.stats().unreachable;
    return;
  }
  if (!egress_.Commit(data, size)) {
    ++egress_.stats().stale_commits;
    return;
  }
  queue_.push_back({data, static_cast<uint32_t>(size), to});
  egress_.MarkDirty(*this);
}

void UdpWriter::FlushQueue() {
  std::span<const QueuedDatagram> rest = queue_;
  if (backlog_.empty()) {
    rest = rest.subspan(egress_.strategy().Send(target_, rest, egress_.stats()));
    if (!rest.empty()) {
      ++egress_.stats().would_block;
      watcher_.Watch(true, true);
    }
  }
  if (!rest.empty()) KeepBacklog(rest);
  queue_.clear();
}

void UdpWriter::KeepBacklog(std::span<const QueuedDatagram> rest) {
  Leftover leftover;
  size_t bytes = 0;
  size_t count = 0;
  for (const QueuedDatagram& datagram : rest) {
    const size_t cost = datagram.size + kBacklogOverhead;
    if (backlog_bytes_ + cost > kMaxBacklog) break;
    backlog_bytes_ += cost;
    bytes += datagram.size;
    ++count;
  }
  egress_.stats().backlog_dropped += rest.size() - count;
  if (count == 0) return;
  leftover.bytes.reserve(bytes);  // no growth below: the pointers stay good
  leftover.datagrams.reserve(count);
  for (const QueuedDatagram& datagram : rest.first(count)) {
    const uint8_t* copy = leftover.bytes.data() + leftover.bytes.size();
    leftover.bytes.insert(leftover.bytes.end(), datagram.data, datagram.data + datagram.size);
    leftover.datagrams.push_back({copy, datagram.size, datagram.to});
  }
  backlog_.push_back(std::move(leftover));
}

void UdpWriter::OnWritable() {
  if (SendBacklog()) watcher_.Watch(true, false);
}

bool UdpWriter::SendBacklog() {
  while (!backlog_.empty()) {
    Leftover& oldest = backlog_.front();
    const auto rest = std::span<const QueuedDatagram>(oldest.datagrams).subspan(oldest.sent);
    const size_t sent = egress_.strategy().Send(target_, rest, egress_.stats());
    for (const QueuedDatagram& datagram : rest.first(sent)) {
      backlog_bytes_ -= datagram.size + kBacklogOverhead;
    }
    if (sent < rest.size()) {
      oldest.sent += sent;
      ++egress_.stats().would_block;
      return false;
    }
    backlog_.pop_front();
  }
  return true;
}

}  // namespace sluice::worker
