#include "worker/io/udp_backlog.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <type_traits>
#include <utility>

namespace sluice::worker {

UdpBacklog::~UdpBacklog() { budget_.used -= bytes_; }

template <typename Change>
auto UdpBacklog::Apply(Receiver& receiver, Change change) {
  const size_t before = receiver.held.cost();
  const auto settle = [&] {
    bytes_ += receiver.held.cost() - before;  // unsigned arithmetic: a decrease wraps back
    budget_.used += receiver.held.cost() - before;
    Rerank(receiver);
  };
  if constexpr (std::is_void_v<decltype(change(receiver.held))>) {
    change(receiver.held);
    settle();
  } else {
    auto result = change(receiver.held);
    settle();
    return result;
  }
}

void UdpBacklog::Add(const QueuedDatagram& datagram, Timestamp now) {
  if (!MakeRoom(datagram.size + ReceiverBacklog::kOverhead)) {
    ++drops_.of(datagram.kind);
    return;
  }
  std::unique_ptr<Receiver>& slot = receivers_[datagram.to];
  if (slot == nullptr) slot = std::make_unique<Receiver>(datagram.to, next_serial_++, drops_);
  Receiver& receiver = *slot;
  Apply(receiver, [&](ReceiverBacklog& held) {
    held.Add({datagram.data, datagram.size}, datagram.kind, now);
  });
  if (receiver.held.has_urgent() && !std::exchange(receiver.in_urgent, true)) {
    urgent_.push_back(&receiver);
  }
  if (receiver.held.has_video() && !std::exchange(receiver.in_video, true)) {
    video_.push_back(&receiver);
  }
}

void UdpBacklog::Rerank(Receiver& receiver) {
  const Rank rank{receiver.held.cost(), receiver.serial, &receiver};
  if (!receiver.held.has_video()) {
    if (std::exchange(receiver.ranked, false)) ranking_.erase(receiver.rank);
  } else if (!std::exchange(receiver.ranked, true)) {
    receiver.rank = ranking_.insert(rank).first;
  } else if (receiver.rank->cost != rank.cost) {
    auto node = ranking_.extract(receiver.rank);
    node.value() = rank;
    receiver.rank = ranking_.insert(std::move(node)).position;
  }
}

bool UdpBacklog::MakeRoom(size_t cost) {
  while (budget_.used + cost > budget_.max_bytes) {
    if (ranking_.empty()) return false;
    Apply(*ranking_.begin()->receiver, [](ReceiverBacklog& held) { held.DropFrame(); });
  }
  return true;
}

std::span<const QueuedDatagram> UdpBacklog::NextBatch(Timestamp now) {
  if (batch_.empty()) FillBatch(now);
  return batch_;
}

void UdpBacklog::Append(Receiver& receiver, HeldPacket packet) {
  batch_.push_back(
      {packet.data.get(), static_cast<uint16_t>(packet.size), receiver.to, packet.kind});
  batch_packets_.push_back(std::move(packet));
}

void UdpBacklog::FillBatch(Timestamp now) {
  const auto expire = [&](ReceiverBacklog& held) { held.Expire(now); };
  while (batch_.size() < kBatch && !urgent_.empty()) {
    Receiver& receiver = *urgent_.front();
    urgent_.pop_front();
    Apply(receiver, expire);
    auto packet = Apply(receiver, [](ReceiverBacklog& held) { return held.TakeUrgent(); });
    if (packet) Append(receiver, *std::move(packet));
    receiver.in_urgent = receiver.held.has_urgent();
    if (receiver.in_urgent) urgent_.push_back(&receiver);
    ForgetIfEmpty(receiver);
  }
  while (batch_.size() < kBatch && !video_.empty()) {
    Receiver& receiver = *video_.front();
    video_.pop_front();
    Apply(receiver, expire);
    for (size_t i = 0; i < kVideoTurn && batch_.size() < kBatch; ++i) {
      auto packet = Apply(receiver, [](ReceiverBacklog& held) { return held.TakeVideo(); });
      if (!packet) break;
      Append(receiver, *std::move(packet));
    }
    receiver.in_video = receiver.held.has_video();
    if (receiver.in_video) video_.push_back(&receiver);
    ForgetIfEmpty(receiver);
  }
}

void UdpBacklog::ForgetIfEmpty(Receiver& receiver) {
  if (receiver.in_urgent || receiver.in_video || !receiver.held.empty()) return;
  receivers_.erase(SocketAddress(receiver.to));
}

void UdpBacklog::Pop(size_t count) {
  const auto end = static_cast<std::ptrdiff_t>(count);
  batch_.erase(batch_.begin(), batch_.begin() + end);
  batch_packets_.erase(batch_packets_.begin(), batch_packets_.begin() + end);
}

void UdpBacklog::Sweep(Timestamp now) {
  if (now - last_sweep_ < kSweepInterval) return;
  last_sweep_ = now;
  const auto is_late = [&](const HeldPacket& packet) {
    return now - packet.since > ReceiverBacklog::kMaxAge;
  };
  while (!batch_packets_.empty() && is_late(batch_packets_.front())) {
    ++drops_.of(batch_packets_.front().kind);
    Pop(1);
  }
  for (auto& [to, receiver] : receivers_) {
    Apply(*receiver, [&](ReceiverBacklog& held) { held.Expire(now); });
  }
  const auto leave = [](std::deque<Receiver*>& ring, auto has, bool Receiver::*flag) {
    std::erase_if(ring, [&](Receiver* receiver) {
      receiver->*flag = has(receiver->held);
      return !(receiver->*flag);
    });
  };
  leave(
      urgent_, [](const ReceiverBacklog& held) { return held.has_urgent(); }, &Receiver::in_urgent);
  leave(
      video_, [](const ReceiverBacklog& held) { return held.has_video(); }, &Receiver::in_video);
  absl::erase_if(receivers_, [](const auto& entry) { return entry.second->held.empty(); });
}

}  // namespace sluice::worker
