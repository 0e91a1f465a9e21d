#include "tests/sim/bwe/model_flow.h"

#include <algorithm>
#include <cmath>

#include "worker/core/bwe/rate_math.h"

namespace sluice::worker {
namespace {

constexpr Duration kFeedbackInterval = Duration::Millis(100);
constexpr size_t kFeedbackBytes = 100;
constexpr double kUpPart = 0.9;  // of the estimate: the next layer must fit
constexpr Duration kUpTime = Duration::Seconds(1);

}  // namespace

ModelFlow::ModelFlow(VirtualEnvironment& environment, LinkModel& forward, LinkModel& feedback,
                     ModelMedia media, std::unique_ptr<NetworkController> controller,
                     RateBounds bounds, uint64_t seed)
    : environment_(environment),
      forward_(forward),
      feedback_(feedback),
      media_(std::move(media)),
      controller_(std::move(controller)),
      bounds_(bounds),
      random_(seed),
      start_(VirtualEnvironment::kStart) {}

ModelFlow::~ModelFlow() { *alive_ = false; }

void ModelFlow::At(Duration delay, std::function<void()> event) {
  environment_.Schedule(delay, [this, alive = alive_, event = std::move(event)] {
    if (*alive && !stopped_) event();
  });
}

void ModelFlow::Start() {
  const Timestamp now = environment_.Now();
  budget_at_ = now;
  key_frame_at_ = now;
  controller_->SetDemand(Demand(), now);
  controller_->SetBounds(bounds_, now);
  const auto jitter = static_cast<int64_t>(random_.Uniform(0, 30'000));
  At(Duration::Micros(jitter), [this] { OnFrame(); });
  At(kPacerTick, [this] { OnPacer(); });
  At(NetworkController::kProcessInterval, [this] { OnProcess(); });
  At(kFeedbackInterval, [this] { OnFeedbackTimer(); });
}

DataRate ModelFlow::Demand() const {
  if (Paused()) return DataRate::Zero();
  const DataRate most = media_.most.At(environment_.Now() - start_);
  if (media_.layers.empty()) return most;
  DataRate demand;
  for (const DataRate layer : media_.layers) {
    if (layer <= most) demand = layer;
  }
  return demand;
}

bool ModelFlow::Paused() const {
  const Duration time = environment_.Now() - start_;
  return std::any_of(media_.pauses.begin(), media_.pauses.end(),
                     [&](const auto& each) { return each.first <= time && time < each.second; });
}

void ModelFlow::ChooseLayer() {
  const Timestamp now = environment_.Now();
  const DataRate demand = Demand();
  if (ignores_estimate_) {
    media_rate_ = demand;
    layer_ = static_cast<int>(media_.layers.size()) - 1;
    return;
  }
  const DataRate target = this->target();
  if (media_.layers.empty()) {
    media_rate_ = std::min(target, demand);
    return;
  }
  int fits = -1;
  int fits_well = -1;
  for (size_t i = 0; i < media_.layers.size() && media_.layers[i] <= demand; ++i) {
    if (media_.layers[i] <= target) fits = static_cast<int>(i);
    if (media_.layers[i] <= Times(target, kUpPart)) fits_well = static_cast<int>(i);
  }
  if (fits_well <= layer_) up_since_ = now;
  int chosen = layer_;
  if (fits < layer_) chosen = fits;
  if (fits_well > layer_ && (layer_ < 0 || now - up_since_ >= kUpTime)) chosen = fits_well;
  if (chosen != layer_) {
    ++totals_.switches;
    key_frame_at_ = now;
    layer_ = chosen;
    up_since_ = now;
  }
  media_rate_ = layer_ < 0 ? DataRate::Zero() : media_.layers[static_cast<size_t>(layer_)];
}

void ModelFlow::OnFrame() {
  const Timestamp now = environment_.Now();
  const double fps = media_.frames_per_second.At(now - start_);
  At(Duration::Micros(static_cast<int64_t>(1e6 / fps)), [this] { OnFrame(); });
  if (Paused()) return;
  ChooseLayer();
  double bytes = BpsOf(media_rate_) / fps / 8;
  bytes *= random_.Uniform(1 - media_.size_noise, 1 + media_.size_noise);
  if (now >= key_frame_at_) {
    if (media_.key_frame_interval != Duration::Infinite()) {
      bytes *= media_.key_frame_size;
      key_frame_at_ = now + media_.key_frame_interval;
    } else {
      key_frame_at_ = now + Duration::Seconds(1'000'000);
    }
  }
  if (static_cast<double>(queued_bytes_) * 8 >
      BpsOf(controller_->estimate().pacing) * kMaxQueue.seconds()) {
    ++totals_.frames_dropped;
    return;
  }
  for (double left = bytes; left >= 1;) {
    const auto size = static_cast<size_t>(std::min<double>(left, kMaxPacket));
    queue_.push_back({size, false});
    queued_bytes_ += size;
    left -= static_cast<double>(size);
  }
  OnPacerBudget();
}

void ModelFlow::OnPacer() {
  At(kPacerTick, [this] { OnPacer(); });
  OnPacerBudget();
}

/// What the pacing rate allows, a tick ahead.
void ModelFlow::OnPacerBudget() {
  const Timestamp now = environment_.Now();
  const double rate = ignores_estimate_ ? 1e9 : BpsOf(controller_->estimate().pacing);
  const double burst = rate / 8 * kPacerTick.seconds();
  budget_ = std::min(budget_ + rate / 8 * (now - budget_at_).seconds(), burst);
  budget_at_ = now;
  if (!probe_ && !ignores_estimate_) {
    probe_ = controller_->TakeProbe(now);
    if (probe_) {
      probe_bytes_ = 0;
      probe_packets_ = 0;
      probe_since_ = now;
    }
  }
  if (probe_ && !Paused()) return RunProbe(now);
  while (!queue_.empty() && budget_ > 0) {
    const Packet packet = queue_.front();
    queue_.pop_front();
    queued_bytes_ -= packet.size;
    Send(packet, 0);
  }
  const double padding = BpsOf(controller_->estimate().padding);
  if (padding <= BpsOf(media_rate_) || !queue_.empty() || Paused()) return;
  // Beside the media, up to the padding rate.
  padding_budget_ += (padding - BpsOf(media_rate_)) / 8 * kPacerTick.seconds();
  padding_budget_ = std::min(padding_budget_, 2.0 * kMaxPacket);
  while (padding_budget_ >= kMaxPacket && budget_ > 0) {
    padding_budget_ -= kMaxPacket;
    Send({kMaxPacket, true}, 0);
  }
}

void ModelFlow::RunProbe(Timestamp now) {
  const double due = BpsOf(probe_->rate) / 8 * ((now - probe_since_) + kPacerTick).seconds();
  while (static_cast<double>(probe_bytes_) < due) {
    Packet packet{kMaxPacket, true};
    if (!queue_.empty()) {
      packet = queue_.front();
      queue_.pop_front();
      queued_bytes_ -= packet.size;
    }
    probe_bytes_ += packet.size;
    ++probe_packets_;
    Send(packet, probe_->id);
    if (probe_bytes_ >= probe_->min_bytes && probe_packets_ >= probe_->min_packets &&
        now - probe_since_ >= kPacerTick * 2) {
      probe_.reset();
      return;
    }
  }
}

void ModelFlow::Send(const Packet& packet, uint8_t probe) {
  const Timestamp now = environment_.Now();
  const uint16_t number = number_++;
  const size_t size = packet.size + kOverhead;
  budget_ -= static_cast<double>(size);
  history_.Add(number, size, packet.padding ? RtpClass::kProbation : RtpClass::kMedia, probe, now);
  sent_since_ += size;
  ++totals_.packets;
  (packet.padding ? totals_.padding_bytes : totals_.media_bytes) += size;
  const auto arrival = forward_.Send(size, now);
  if (!arrival) {
    ++totals_.lost;
    return;
  }
  delays_.push_back(*arrival - now);
  totals_.worst_delay = std::max(totals_.worst_delay, *arrival - now);
  At(*arrival - now, [this, number, size, padding = packet.padding] {
    arrivals_.push_back({number, environment_.Now()});
    totals_.received_bytes += size;
    if (!padding) totals_.received_media_bytes += size;
  });
}

void ModelFlow::OnProcess() {
  At(NetworkController::kProcessInterval, [this] { OnProcess(); });
  const Timestamp now = environment_.Now();
  controller_->OnSent(std::exchange(sent_since_, 0), now);
  controller_->SetDemand(Demand(), now);
  controller_->OnProcess(now);
}

void ModelFlow::OnFeedbackTimer() {
  At(kFeedbackInterval, [this] { OnFeedbackTimer(); });
  if (arrivals_.empty()) return;
  rtcp::TransportFeedback feedback;
  if (!received_any_) next_report_ = arrivals_.front().number;
  received_any_ = true;
  uint16_t newest = next_report_;
  for (const Arrival& each : arrivals_) {
    if (static_cast<int16_t>(each.number - newest) > 0) newest = each.number;
  }
  feedback.base_sequence = next_report_;
  const int64_t reference = arrivals_.front().at.us() / 64'000;
  feedback.reference_time = static_cast<int32_t>(static_cast<uint32_t>(reference) << 8) >> 8;
  const auto count = static_cast<size_t>(static_cast<uint16_t>(newest - next_report_)) + 1;
  feedback.packets.resize(count);
  for (size_t i = 0; i < count; ++i) {
    feedback.packets[i].sequence = static_cast<uint16_t>(next_report_ + i);
  }
  for (const Arrival& each : arrivals_) {
    const auto index = static_cast<uint16_t>(each.number - next_report_);
    if (index >= count) continue;
    feedback.packets[index].received = true;
    // In steps of 250 µs, as on the wire.
    feedback.packets[index].arrival_us = (each.at.us() - reference * 64'000) / 250 * 250;
  }
  next_report_ = static_cast<uint16_t>(newest + 1);
  arrivals_.clear();
  const Timestamp now = environment_.Now();
  const auto arrival = feedback_.Send(kFeedbackBytes + 2 * count, now);
  if (!arrival) return;
  At(*arrival - now, [this, feedback = std::move(feedback)] {
    const Timestamp at = environment_.Now();
    controller_->OnSent(std::exchange(sent_since_, 0), at);
    controller_->OnFeedback(adapter_.Adapt(feedback, history_, at));
  });
}

}  // namespace sluice::worker
