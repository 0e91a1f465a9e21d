#include "worker/io/tcp_send_queue.h"

#include <linux/sockios.h>
#include <linux/tcp.h>  // not netinet/tcp.h: its tcp_info ends before the rate
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <optional>
#include <utility>

namespace sluice::worker {

namespace {
/// Bytes a second beyond which nothing is limited: keeps products within 63 bits.
constexpr uint64_t kMaxRate = 10'000'000'000;
}  // namespace

// ---- TcpFlow ------------------------------------------------------------------------------------

void TcpFlow::Prepare() {
  const int on = 1;
  setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  setsockopt(fd_, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &kMaxUnsent, sizeof(kMaxUnsent));
}

TcpFlow::Room TcpFlow::Check(Timestamp now) {
  int held = 0;  // not acknowledged
  if (ioctl(fd_, SIOCOUTQ, &held) != 0 || held == 0) {
    unacknowledged_.clear();
    return {kMinInFlight, Limit::kNone};
  }
  const uint64_t acknowledged = written_ - static_cast<uint64_t>(held);
  while (!unacknowledged_.empty() && unacknowledged_.front().end <= acknowledged) {
    unacknowledged_.pop_front();
  }
  if (!unacknowledged_.empty() && now - unacknowledged_.front().at > kMaxInFlight) {
    return {0, Limit::kInFlightFull};
  }
  if (held < kMinInFlight) return {kMinInFlight - held, Limit::kNone};
  const int64_t in_flight = MaxInFlight() - held;
  if (in_flight <= 0) return {0, Limit::kInFlightFull};
  int unsent = 0;
  if (ioctl(fd_, SIOCOUTQNSD, &unsent) != 0) unsent = 0;
  if (unsent >= kMaxUnsent) return {0, Limit::kUnsentFull};
  return {std::min<int64_t>(in_flight, kMaxUnsent - unsent), Limit::kNone};
}

int64_t TcpFlow::MaxInFlight() const {
  tcp_info info{};
  socklen_t length = sizeof(info);
  if (getsockopt(fd_, IPPROTO_TCP, TCP_INFO, &info, &length) != 0) return kMinInFlight;
  const int64_t window_us = kMaxInFlight.us() + info.tcpi_min_rtt;
  const auto bytes_per_second =
      static_cast<int64_t>(std::min<uint64_t>(info.tcpi_delivery_rate, kMaxRate));
  return std::max<int64_t>(bytes_per_second * window_us / 1'000'000, kMinInFlight);
}

void TcpFlow::OnWritten(size_t bytes, Timestamp now) {
  written_ += bytes;
  if (!unacknowledged_.empty() && now - unacknowledged_.back().at < kResolution) {
    unacknowledged_.back().end = written_;
    return;
  }
  unacknowledged_.push_back({written_, now});
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
