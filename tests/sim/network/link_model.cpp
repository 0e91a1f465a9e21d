#include "tests/sim/network/link_model.h"

#include <algorithm>
#include <cmath>

namespace sluice::worker {

LinkModel::LinkModel(LinkSettings settings, uint64_t seed, Timestamp start)
    : settings_(std::move(settings)),
      start_(start),
      random_(seed),
      tokens_(settings_.policer ? static_cast<double>(settings_.policer->burst) : 0),
      tokens_at_(start),
      free_at_(start),
      last_arrival_(start) {}

std::optional<Timestamp> LinkModel::Send(size_t bytes, Timestamp now) {
  ++stats_.sent;
  stats_.sent_bytes += bytes;
  // Each packet takes the same random numbers, whatever becomes of it.
  const bool lost = IsLostAtRandom();
  const double jitter = random_.Uniform();
  if (InBlackout(now)) {
    ++stats_.lost_in_blackout;
    return std::nullopt;
  }
  if (!PassesPolicer(bytes, now)) {
    ++stats_.lost_to_policer;
    return std::nullopt;
  }
  if (lost) {
    ++stats_.lost_at_random;
    return std::nullopt;
  }
  const std::optional<Timestamp> departure = PassQueue(bytes, now);
  if (!departure) {
    ++stats_.lost_in_queue;
    return std::nullopt;
  }
  ++stats_.delivered;
  stats_.delivered_bytes += bytes;
  const auto extra = static_cast<int64_t>(jitter * static_cast<double>(settings_.jitter.us()));
  const Timestamp arrival =
      *departure + settings_.delay.At(*departure - start_) + Duration::Micros(extra);
  if (settings_.reorder) return arrival;
  last_arrival_ = std::max(last_arrival_, arrival);
  return last_arrival_;
}

bool LinkModel::InBlackout(Timestamp now) const {
  const Duration time = now - start_;
  return std::any_of(settings_.blackouts.begin(), settings_.blackouts.end(),
                     [&](const auto& each) { return each.first <= time && time < each.second; });
}

bool LinkModel::PassesPolicer(size_t bytes, Timestamp now) {
  if (!settings_.policer) return true;
  const double earned =
      (now - tokens_at_).seconds() * static_cast<double>(settings_.policer->rate.bps()) / 8;
  tokens_ = std::min(tokens_ + earned, static_cast<double>(settings_.policer->burst));
  tokens_at_ = now;
  if (tokens_ < static_cast<double>(bytes)) return false;
  tokens_ -= static_cast<double>(bytes);
  return true;
}

bool LinkModel::IsLostAtRandom() {
  const bool changes = random_.Happens(bad_ ? settings_.loss.to_good : settings_.loss.to_bad);
  if (changes) bad_ = !bad_;
  return random_.Happens(bad_ ? settings_.loss.in_bad : settings_.loss.in_good);
}

std::optional<Timestamp> LinkModel::PassQueue(size_t bytes, Timestamp now) {
  if (settings_.capacity.empty()) return now;
  while (!queue_.empty() && queue_.front().departure <= now) {
    queued_bytes_ -= queue_.front().bytes;
    queue_.pop_front();
  }
  const Timestamp begin = std::max(free_at_, now);
  if (queued_bytes_ + bytes > settings_.queue_bytes || queue_.size() >= settings_.queue_packets ||
      begin - now > settings_.queue) {
    return std::nullopt;
  }
  free_at_ = Transmit(bytes, begin);
  queue_.push_back({free_at_, bytes});
  queued_bytes_ += bytes;
  return free_at_;
}

/// When the last bit has left, if the first leaves at `begin`.
Timestamp LinkModel::Transmit(size_t bytes, Timestamp begin) const {
  double bits = static_cast<double>(bytes) * 8;
  Duration at = begin - start_;
  while (true) {
    const auto bps = static_cast<double>(settings_.capacity.At(at).bps());
    const Duration change = settings_.capacity.NextChange(at);
    const double room = change == Duration::Infinite() ? HUGE_VAL : bps * (change - at).seconds();
    if (bits <= room && bps > 0) {
      return start_ + at + Duration::Micros(static_cast<int64_t>(std::ceil(bits / bps * 1e6)));
    }
    if (change == Duration::Infinite()) return start_ + Duration::Seconds(1'000'000);  // never
    bits -= room;
    at = change;
  }
}

Duration LinkModel::QueueDelay(Timestamp now) const {
  return std::max(free_at_ - now, Duration::Zero());
}

}  // namespace sluice::worker
