#include "worker/core/bwe/acknowledged_rate.h"

#include <algorithm>
#include <utility>

namespace sluice::worker {
namespace {

DataRate RateOf(int64_t bytes, Duration time) {
  const int64_t us = std::max<int64_t>(time.us(), 1000);
  return DataRate::BitsPerSecond(std::max<int64_t>(bytes, 0) * 8 * 1'000'000 / us);
}

}  // namespace

void AcknowledgedRate::OnPackets(std::span<const PacketResult> packets) {
  for (const PacketResult& packet : packets) {
    if (packet.received) Insert(packet);
  }
  while (FirstIsOld()) {
    newest_discarded_ = std::max(newest_discarded_, window_.front().sent_at);
    window_.pop_front();
  }
  rate_ = Measure();
}

std::optional<DataRate> AcknowledgedRate::recent() const {
  if (window_.size() < kRequired) return std::nullopt;
  const Timestamp last = window_.back().received_at;
  int64_t bytes = 0;
  size_t count = 0;
  Timestamp first = last;
  for (auto it = window_.rbegin(); it != window_.rend(); ++it) {
    first = it->received_at;
    if (++count > kRequired && last - first > kRecentTime) break;  // where the interval begins
    bytes += it->size;
  }
  if (count == window_.size()) bytes -= window_.front().size;
  return RateOf(bytes, last - first);
}

void AcknowledgedRate::Reset() {
  window_.clear();
  newest_discarded_ = Timestamp();
  rate_.reset();
}

void AcknowledgedRate::Insert(const PacketResult& packet) {
  if (!window_.empty() && window_.back().received_at - packet.received_at > kMaxReordering) {
    Reset();
  }
  window_.push_back({packet.sent_at, packet.received_at, packet.size + packet.untracked});
  for (size_t i = window_.size() - 1; i > 0 && window_[i].received_at < window_[i - 1].received_at;
       --i) {
    std::swap(window_[i], window_[i - 1]);
  }
}

bool AcknowledgedRate::FirstIsOld() const {
  if (window_.empty()) return false;
  if (window_.size() > kMaxWindow) return true;
  const Duration time = window_.back().received_at - window_.front().received_at;
  return time > kMaxWindowTime || (window_.size() > kMinWindow && time > kMinWindowTime);
}

std::optional<DataRate> AcknowledgedRate::Measure() const {
  if (window_.size() < kRequired) return std::nullopt;
  Duration longest;
  Duration second;
  int64_t received = 0;
  int64_t sent = 0;
  size_t sent_count = 0;
  Timestamp first_sent;
  Timestamp last_sent;
  uint32_t last_sent_size = 0;
  for (size_t i = 0; i < window_.size(); ++i) {
    const Arrival& each = window_[i];
    if (i > 0) {
      const Duration pause = each.received_at - window_[i - 1].received_at;
      if (pause > longest) {
        second = std::exchange(longest, pause);
      } else {
        second = std::max(second, pause);
      }
    }
    received += each.size;
    if (each.sent_at < newest_discarded_) continue;  // overtook what has left the window
    if (sent_count == 0 || each.sent_at >= last_sent) {
      last_sent = each.sent_at;
      last_sent_size = each.size;
    }
    first_sent = sent_count == 0 ? each.sent_at : std::min(first_sent, each.sent_at);
    sent += each.size;
    ++sent_count;
  }
  // N packets take N − 1 intervals: one packet less on either side.
  const Duration time = window_.back().received_at - window_.front().received_at - longest + second;
  const DataRate arriving = RateOf(received - window_.front().size, time);
  if (sent_count < kRequired) return arriving;
  return std::min(arriving, RateOf(sent - last_sent_size, last_sent - first_sent));
}

}  // namespace sluice::worker
