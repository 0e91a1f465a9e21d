#include "worker/media/event_pacer.h"

#include <algorithm>

namespace sluice::worker {

EventPacer::Rate EventPacer::RateOf(Kind kind) {
  constexpr Duration kSecond = Duration::Seconds(1);
  switch (kind) {
    case Kind::kIceTuple:
      return {1, kSecond};
    case Kind::kPlainTuple:
    case Kind::kPlainRtcpTuple:
    case Kind::kPlainReceiver:
      return {2, kSecond};
    case Kind::kIceState:  // connected, completed, disconnected and back
    case Kind::kSctpState:
    case Kind::kProducerScore:
    case Kind::kVideoOrientation:
    case Kind::kConsumerScore:
      return {4, kSecond};
    case Kind::kConsumerLayers:  // a ladder that is climbed at the start
      return {8, kSecond};
    case Kind::kSendBuffer:  // an application sends on when it hears that it is low
      return {100, Duration::Millis(10)};
  }
  return {1, kSecond};
}

EventPacer::EventPacer(Environment& environment, std::function<void(Event)> release)
    : environment_(environment),
      release_(std::move(release)),
      timer_(environment.CreateTimer([this](Timestamp now) { OnTick(now); })) {}

bool EventPacer::MayPass(const Entries::value_type& entry, Timestamp now) {
  const Rate rate = RateOf(entry.first.kind);
  return entry.second.paid_until <= now + rate.interval * (rate.burst - 1);
}

void EventPacer::Pay(Entries::value_type* entry, Timestamp now) {
  Timestamp& paid_until = entry->second.paid_until;
  paid_until = std::max(paid_until, now) + RateOf(entry->first.kind).interval;
}

std::optional<EventPacer::Event> EventPacer::Pass(Kind kind, std::string_view id, Event event) {
  const Timestamp now = environment_.Now();
  if (entries_.size() >= sweep_at_) Sweep(now);
  Entries::value_type& entry = *entries_.try_emplace(Key{kind, std::string(id)}).first;
  if (entry.second.waiting) {
    entry.second.waiting = std::move(event);
    ++merged_;
    return std::nullopt;
  }
  if (MayPass(entry, now)) {
    Pay(&entry, now);
    return event;
  }
  entry.second.waiting = std::move(event);
  waiting_.push_back(&entry);
  if (!timer_->armed()) timer_->Start(kTick);
  return std::nullopt;
}

void EventPacer::OnTick(Timestamp now) {
  size_t kept = 0;
  for (Entries::value_type* entry : waiting_) {
    if (!MayPass(*entry, now)) {
      waiting_[kept++] = entry;
      continue;
    }
    Pay(entry, now);
    release_(*std::exchange(entry->second.waiting, std::nullopt));
  }
  waiting_.resize(kept);
  if (!waiting_.empty()) timer_->Start(kTick);
}

void EventPacer::Sweep(Timestamp now) {
  std::erase_if(entries_, [now](const Entries::value_type& entry) {
    return !entry.second.waiting && entry.second.paid_until <= now;
  });
  sweep_at_ = std::max(kMinSweep, 2 * entries_.size());
}

}  // namespace sluice::worker
