#include "tests/sim/network/tcp_flow.h"

#include <algorithm>

namespace sluice::worker {

TcpFlow::TcpFlow(VirtualEnvironment& environment, LinkModel& link, Duration return_delay)
    : environment_(environment),
      link_(link),
      return_delay_(return_delay),
      timeout_(environment.CreateTimer([this](Timestamp) { OnTimeout(); })) {}

TcpFlow::~TcpFlow() { *alive_ = false; }

void TcpFlow::Send(uint64_t bytes) {
  if (idle()) {
    window_ = kFirstWindow;
    threshold_ = kMaxWindow;
  }
  to_send_ += bytes;
  Fill();
}

void TcpFlow::Fill() {
  while (to_send_ > 0 && static_cast<double>(in_flight_.size()) < window_) {
    const Timestamp now = environment_.Now();
    const uint64_t number = next_number_++;
    to_send_ -= std::min<uint64_t>(to_send_, kPacket);
    in_flight_[number] = now;
    if (!timeout_->armed()) timeout_->Start(kMinTimeout);
    const auto arrival = link_.Send(kPacket, now);
    if (!arrival) continue;
    environment_.Schedule(*arrival + return_delay_ - now, [this, alive = alive_, number] {
      if (*alive) OnAck(number);
    });
  }
}

void TcpFlow::OnAck(uint64_t number) {
  if (in_flight_.erase(number) == 0) return;  // given up as lost
  delivered_bytes_ += kPacket;
  window_ += window_ < threshold_ ? 1 : 1 / window_;
  window_ = std::min(window_, kMaxWindow);
  while (!in_flight_.empty() && in_flight_.begin()->first + kDuplicates <= number) {
    OnLoss(in_flight_.begin()->first);
  }
  if (in_flight_.empty()) {
    timeout_->Stop();
  } else {
    timeout_->Start(kMinTimeout);
  }
  Fill();
}

void TcpFlow::OnLoss(uint64_t number) {
  ++losses_;
  in_flight_.erase(number);
  to_send_ += kPacket;
  if (number < recovery_until_) return;
  recovery_until_ = next_number_;
  threshold_ = std::max(window_ / 2, 2.0);
  window_ = threshold_;
}

void TcpFlow::OnTimeout() {
  losses_ += in_flight_.size();
  to_send_ += in_flight_.size() * kPacket;
  in_flight_.clear();
  recovery_until_ = next_number_;
  threshold_ = std::max(window_ / 2, 2.0);
  window_ = 1;
  Fill();
}

}  // namespace sluice::worker
