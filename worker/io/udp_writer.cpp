#include "worker/io/udp_writer.h"

#include <utility>

namespace sluice::worker {

UdpWriter::UdpWriter(Egress& egress, Loop& loop, FdWatcher& watcher, int fd, bool ipv6)
    : egress_(egress),
      loop_(loop),
      watcher_(watcher),
      target_{fd, ipv6},
      backlog_(egress.backlog_budget(), egress.stats().dropped) {}

UdpWriter::~UdpWriter() { egress_.Retire(*this); }

uint8_t* UdpWriter::Reserve(size_t size) {
  if (size > kMaxDatagram) {
    ++egress_.stats().too_big;
    return nullptr;
  }
  reserved_ = egress_.Reserve(size);
  return reserved_.data;
}

void UdpWriter::Commit(size_t size, const SocketAddress& to, PacketKind kind) {
  const Egress::Slot slot = std::exchange(reserved_, {});
  if (!target_.ipv6 && !to.ip.is_v4()) {
    ++egress_.stats().unreachable;
    return;
  }
  if (!egress_.Commit(slot, size)) {
    ++egress_.stats().stale_commits;
    return;
  }
  queue_.push_back({slot.data, static_cast<uint16_t>(size), to, kind});
  egress_.MarkDirty(*this);
}

void UdpWriter::FlushQueue() {
  std::span<const QueuedDatagram> rest = queue_;
  const bool waits = !backlog_.empty();
  if (!waits) rest = rest.subspan(egress_.strategy().Send(target_, rest, egress_.stats()));
  if (!rest.empty()) {
    const Timestamp now = loop_.Now();
    backlog_.Sweep(now);
    for (const QueuedDatagram& datagram : rest) backlog_.Add(datagram, now);
    if (!waits) WaitForRoom();
  }
  queue_.clear();
}

/// After an attempt to send that left something.
void UdpWriter::WaitForRoom() {
  waits_for_socket_ = !target_.device_full;
  watcher_.Watch(true, waits_for_socket_);
  if (waits_for_socket_) {
    ++egress_.stats().would_block;
    return;
  }
  if (device_timer_ == nullptr) {
    device_timer_ = loop_.CreateTimer([this](Timestamp) { SendBacklog(); });
  }
  device_timer_->Start(kDeviceRetry);
}

void UdpWriter::OnWritable() { SendBacklog(); }

void UdpWriter::SendBacklog() {
  const Timestamp now = loop_.Now();
  backlog_.Sweep(now);
  for (;;) {
    const std::span<const QueuedDatagram> batch = backlog_.NextBatch(now);
    if (batch.empty()) break;
    const size_t done = egress_.strategy().Send(target_, batch, egress_.stats());
    const bool full = done < batch.size();
    backlog_.Pop(done);
    if (full) return WaitForRoom();
  }
  waits_for_socket_ = false;
  watcher_.Watch(true, false);
}

}  // namespace sluice::worker
