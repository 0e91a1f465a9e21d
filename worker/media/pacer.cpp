#include "worker/media/pacer.h"

namespace sluice::worker {

Ssrc Pacer::SsrcOf(const Held& held) {
  const uint8_t* at = held.packet.slot + 8;  // RFC 3550 §5.1
  return Ssrc(uint32_t{at[0]} << 24 | uint32_t{at[1]} << 16 | uint32_t{at[2]} << 8 | at[3]);
}

/// What is not used is lost, but for a burst; padding fills what media leaves.
void Pacer::Refill(Timestamp now) {
  const double seconds = std::clamp((now - at_).seconds(), 0.0, 1.0);
  at_ = now;
  double rate = rate_;
  if (queued_bytes_ > 0) {
    rate = std::max(rate, static_cast<double>(queued_bytes_) / kMaxWait.seconds());
  }
  budget_ = std::min(budget_ + rate * seconds, Burst());
  budget_ = std::max(budget_, -Burst());
}

bool Pacer::Hold(const OutgoingRtp& packet) {
  const size_t size = packet.header_size + packet.payload.size();
  if (queued_bytes_ + size > kMaxBytes || packet.header_size > borrowed_.capacity() ||
      size > borrowed_.capacity()) {
    ++counters_.dropped;
    borrowed_ = PacketRef();
    return false;
  }
  Held held{std::move(borrowed_), packet};
  uint8_t* body = held.buffer.data() + packet.header_size;
  if (packet.payload.data() != body) {
    std::copy(packet.payload.begin(), packet.payload.end(), body);
  }
  held.packet.slot = held.buffer.data();
  held.packet.payload = {body, packet.payload.size()};
  queued_bytes_ += size;
  ++counters_.held;
  const bool repair = packet.rtp_class == RtpClass::kRetransmission;
  (repair ? repairs_ : queue_).push_back(std::move(held));
  return true;
}

void Pacer::Purge(Ssrc ssrc) {
  for (std::deque<Held>* each : {&queue_, &repairs_}) {
    for (auto it = each->begin(); it != each->end();) {
      if (SsrcOf(*it) != ssrc) {
        ++it;
        continue;
      }
      queued_bytes_ -= it->size();
      it = each->erase(it);
    }
  }
}

std::vector<Ssrc> Pacer::DropAll() {
  std::vector<Ssrc> ssrcs;
  for (std::deque<Held>* each : {&queue_, &repairs_}) {
    for (const Held& held : *each) {
      const Ssrc ssrc = SsrcOf(held);
      if (std::find(ssrcs.begin(), ssrcs.end(), ssrc) == ssrcs.end()) ssrcs.push_back(ssrc);
    }
    counters_.dropped += each->size();
    each->clear();
  }
  queued_bytes_ = 0;
  return ssrcs;
}

void Pacer::BeginTick(Timestamp now) {
  kept_.clear();
  const double sent = static_cast<double>(sent_bytes_);
  if (now != at_) {
    const double seconds = std::min((now - at_).seconds(), 0.1);
    padding_budget_ = std::clamp(padding_budget_ + padding_rate_ * seconds, -padding_rate_,
                                 std::max(padding_rate_ * 2 * kTick.seconds(), 0.0));
    Refill(now);
  }
  // Media counts as padding: what it has sent since the last tick is not to be filled.
  padding_budget_ -= std::min(sent - static_cast<double>(counted_bytes_), 1e6);
  counted_bytes_ = sent_bytes_;
  if (padding_rate_ <= 0) padding_budget_ = 0;
}

Pacer::Held* Pacer::Front() {
  if (!repairs_.empty()) return &repairs_.front();
  return queue_.empty() ? nullptr : &queue_.front();
}

Pacer::Held* Pacer::Next(Timestamp now) {
  if (now != at_) Refill(now);
  if (rate_ > 0 && budget_ <= 0) return nullptr;
  return Front();
}

void Pacer::Pop() {
  std::deque<Held>& from = repairs_.empty() ? queue_ : repairs_;
  queued_bytes_ -= from.front().size();
  kept_.push_back(std::move(from.front().buffer));
  from.pop_front();
}

void Pacer::StartProbe(const ProbePlan& plan, Timestamp now) {
  plan_ = plan;
  probe_since_ = now;
  probe_bytes_ = 0;
  probe_packets_ = 0;
}

size_t Pacer::ProbeDue(Timestamp now) const {
  const double rate = static_cast<double>(plan_->rate.bps()) / 8;
  const auto due = static_cast<size_t>(rate * (now - probe_since_).seconds());
  return due > probe_bytes_ && !ProbeEnds(now) ? due - probe_bytes_ : 0;
}

void Pacer::OnProbeSent(size_t bytes, bool padding) {
  if (padding) counters_.padding += bytes;
  probe_bytes_ += bytes;
  ++probe_packets_;
}

bool Pacer::ProbeEnds(Timestamp now) const {
  if (now - probe_since_ > kMaxProbe) return true;
  // In three bursts at least: a rate takes two times of sending, and one burst is none.
  return probe_bytes_ >= plan_->min_bytes && probe_packets_ >= plan_->min_packets &&
         now - probe_since_ >= kTick + kTick;
}

}  // namespace sluice::worker
