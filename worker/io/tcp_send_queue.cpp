#include "worker/io/tcp_send_queue.h"

#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <optional>
#include <utility>

namespace sluice::worker {

// ---- TcpFlow ------------------------------------------------------------------------------------

void TcpFlow::Prepare() {
  const int on = 1;
  setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  setsockopt(fd_, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &kMaxUnsent, sizeof(kMaxUnsent));
}

TcpFlow::Room TcpFlow::Check(Timestamp now) {
  int held = 0;  // not acknowledged
  if (ioctl(fd_, SIOCOUTQ, &held) != 0) return {kMinInFlight, Limit::kNone};
  OnAcknowledged(written_ - static_cast<uint64_t>(held), now);
  if (!unacknowledged_.empty() && now - unacknowledged_.front().at > kMaxInFlight) {
    return {0, Limit::kInFlightFull};
  }
  int64_t in_flight = max_in_flight_;
  // What is on its way for so long already cannot turn out to have been faster.
  if (!unacknowledged_.empty()) {
    in_flight = std::min(in_flight, InFlightBy(unacknowledged_.front(), now));
  }
  in_flight -= held;
  if (in_flight <= 0) return {0, Limit::kInFlightFull};
  int unsent = 0;
  if (ioctl(fd_, SIOCOUTQNSD, &unsent) != 0) unsent = 0;
  if (unsent >= kMaxUnsent) return {0, Limit::kUnsentFull};
  return {std::min<int64_t>(in_flight, kMaxUnsent - unsent), Limit::kNone};
}

void TcpFlow::OnAcknowledged(uint64_t acknowledged, Timestamp now) {
  while (!unacknowledged_.empty() && unacknowledged_.front().end <= acknowledged) {
    const Mark mark = unacknowledged_.front();
    unacknowledged_.pop_front();
    // It grows by no more than what has arrived, as TCP's own window at its start: the first bytes
    // after a pause pass a link at once, whatever its rate.
    const int64_t grown = max_in_flight_ + static_cast<int64_t>(mark.end - measured_);
    max_in_flight_ = std::min(InFlightBy(mark, now), grown);
    measured_ = mark.end;
  }
  acknowledged_ = acknowledged;
}

int64_t TcpFlow::InFlightBy(const Mark& mark, Timestamp now) {
  const int64_t took_us = std::max<int64_t>((now - mark.at).us(), 1);
  return std::max<int64_t>(mark.ahead * kMaxInFlight.us() / took_us, kMinInFlight);
}

void TcpFlow::OnWritten(size_t bytes, Timestamp now) {
  written_ += bytes;
  const auto ahead = static_cast<int64_t>(written_ - acknowledged_);
  if (!unacknowledged_.empty() && now - unacknowledged_.back().at < kResolution) {
    unacknowledged_.back().end = written_;
    unacknowledged_.back().ahead = ahead;
    return;
  }
  unacknowledged_.push_back({written_, ahead, now});
}

// ---- TcpSendQueue -------------------------------------------------------------------------------

void TcpSendQueue::Add(std::span<const uint8_t> packet, PacketKind kind, Timestamp now) {
  held_.Expire(now);
  while (held_.cost() + packet.size() + ReceiverBacklog::kOverhead > kMaxBytes) {
    if (held_.DropFrame()) continue;
    ++drops_.of(kind);
    return;
  }
  held_.Add(packet, kind, now);
}

void TcpSendQueue::AddRest(std::span<const uint8_t> rest) {
  current_.assign(rest.begin(), rest.end());
  current_sent_ = 0;
}

std::span<const uint8_t> TcpSendQueue::Next(Timestamp now) {
  if (!in_progress()) {
    current_.clear();
    current_sent_ = 0;
    held_.Expire(now);
    std::optional<HeldPacket> next = held_.TakeUrgent();
    if (!next) next = held_.TakeVideo();
    if (!next) return {};
    current_.reserve(2 + next->size);
    current_.push_back(static_cast<uint8_t>(next->size >> 8));
    current_.push_back(static_cast<uint8_t>(next->size));
    const auto bytes = next->bytes();
    current_.insert(current_.end(), bytes.begin(), bytes.end());
  }
  return std::span<const uint8_t>(current_).subspan(current_sent_);
}

}  // namespace sluice::worker
