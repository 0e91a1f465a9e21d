#include "worker/media/send_bandwidth.h"

#include <algorithm>
#include <cstring>

#include "worker/core/bwe/rate_math.h"
#include "worker/media/consumer.h"
#include "worker/media/rtp_core.h"

namespace sluice::worker {
namespace {

DataRate RateOf(uint64_t bps) { return DataRate::BitsPerSecond(static_cast<int64_t>(bps)); }

PacingClock& ClockOf(std::unique_ptr<PacingClock>& clock, Environment& environment,
                     Duration interval) {
  if (clock == nullptr) clock = std::make_unique<PacingClock>(environment, interval);
  return *clock;
}

}  // namespace

SendBandwidth::SendBandwidth(RtpCore& core, PacedSender& sender, const Settings& settings)
    : core_(core),
      sender_(sender),
      context_(core.core().context()),
      settings_(settings),
      controller_(context_.environment.Now()),
      probation_(kProbationSsrc, "probator", settings.extension_ids) {
  sender_.Pace(context_.buffers, ClockOf(context_.pacing, context_.environment, Pacer::kTick),
               *this);
  controller_.SetBounds(Bounds(/*with_start=*/true), context_.environment.Now());
  ClockOf(context_.estimation, context_.environment, NetworkController::kProcessInterval)
      .Start(*this);
  for (const auto& consumer : core_.consumers()) consumer->TellBeforeStart(this);
}

SendBandwidth::~SendBandwidth() {
  for (const auto& consumer : core_.consumers()) consumer->TellBeforeStart(nullptr);
  context_.estimation->Stop(*this);
  sender_.Unpace();
}

RateBounds SendBandwidth::Bounds(bool with_start) const {
  RateBounds bounds;
  bounds.min = RateOf(std::max(settings_.min, kLeast));
  bounds.max = RateOf(settings_.max);
  const uint64_t start = settings_.start.value_or(0) == 0 ? kDefaultStart : *settings_.start;
  if (with_start) bounds.start = RateOf(std::max(start, kLeast));
  return bounds;
}

void SendBandwidth::SetLimits(uint64_t min, uint64_t max) {
  settings_.min = min;
  settings_.max = max;
  const Timestamp now = context_.environment.Now();
  controller_.SetBounds(Bounds(/*with_start=*/false), now);
  Follow(now);
}

void SendBandwidth::OnConsumerAdded(Consumer& consumer) {
  consumer.TellBeforeStart(this);
  is_released_ = false;
  Share(context_.environment.Now());
}

void SendBandwidth::OnConsumerStarts() {
  const Timestamp now = context_.environment.Now();
  if (std::exchange(started_at_, now) != now) starts_ = 0;
  if (++starts_ <= kMaxStarts) Share(now);
}

// ---- What the receiver says -------------------------------------------------------------------

void SendBandwidth::OnFeedback(const rtcp::TransportFeedback& feedback, Timestamp now) {
  if (settings_.source != BweTrace::Source::kTransportCc) return;
  const FeedbackReport report = adapter_.Adapt(feedback, sender_.pacer()->history(), now);
  if (report.packets.empty()) return;  // of packets that were never sent
  has_feedback_ = true;
  CountSent(now);
  controller_.OnFeedback(report);
  Follow(now);
}

void SendBandwidth::OnRemb(DataRate rate, Timestamp now) {
  ++rembs_;
  if (settings_.source == BweTrace::Source::kRemb) has_feedback_ = true;
  controller_.OnRemb(rate, now);
  Follow(now);
}

void SendBandwidth::OnReport(Duration round_trip, uint8_t lost, Timestamp now) {
  controller_.OnRtt(round_trip, now);
  if (settings_.source == BweTrace::Source::kRemb) {
    controller_.OnLossReport(static_cast<double>(lost) / 256, now);
  }
}

// ---- What follows from it ---------------------------------------------------------------------

void SendBandwidth::CountSent(Timestamp now) {
  const size_t bytes = sender_.pacer()->TakeSentBytes();
  if (bytes > 0 && first_sent_ == Timestamp()) {
    first_sent_ = now;
    controller_.SetBounds(Bounds(/*with_start=*/true), now);  // probing starts now
  }
  controller_.OnSent(bytes, now);
}

bool SendBandwidth::counts(Timestamp now) const {
  return has_feedback_ || first_sent_ == Timestamp() || now - first_sent_ < kGrace;
}

bool SendBandwidth::OnTick(Timestamp now) {
  CountSent(now);
  controller_.OnProcess(now);
  if (!dropped_.empty()) core_.OnVideoDropped(std::exchange(dropped_, {}));
  if (now - shared_at_ >= kShareInterval) Share(now);
  Follow(now);
  return true;
}

void SendBandwidth::Follow(Timestamp now) {
  const NetworkEstimate& estimate = controller_.estimate();
  if (has_feedback_ && estimate.target < Times(shared_, kFallen)) Share(now);
  if (has_feedback_) sender_.SetPathRate(estimate.target);
  Pacer& pacer = *sender_.pacer();
  const bool paces = has_feedback_ && settings_.source == BweTrace::Source::kTransportCc;
  const DataRate pacing = std::max(estimate.pacing, Times(granted_, kLeastPacing));
  pacer.SetRate(paces ? pacing : DataRate::Zero());
  pacer.SetPadding(paces ? estimate.padding : DataRate::Zero());
  if (!pacer.has_probe()) {
    if (const auto plan = controller_.TakeProbe(now)) {
      ++probes_;
      sender_.StartProbe(*plan);
    }
  }
  sender_.Wake();
  Trace(now);
}

void SendBandwidth::Release() {
  limited_ = resting_ = 0;
  if (std::exchange(is_released_, true)) return;
  for (const auto& consumer : core_.consumers()) {
    consumer->SetCeiling(nullptr);
    consumer->Starve(false);
  }
}

void SendBandwidth::Share(Timestamp now) {
  shared_at_ = now;
  shared_ = controller_.estimate().target;
  if (!counts(now)) {
    controller_.SetDemand(DataRate::Zero(), now);
    return Release();
  }
  is_released_ = false;
  sharers_.clear();
  steps_.clear();
  ends_.clear();
  for (const auto& consumer : core_.consumers()) {
    if (!consumer->wants_bandwidth()) continue;
    consumer->ExpectCeilings();
    sharers_.push_back(consumer.get());
    consumer->AddSteps(&steps_, now);
    ends_.push_back(steps_.size());
  }
  costs_.resize(steps_.size());
  std::transform(steps_.begin(), steps_.end(), costs_.begin(),
                 [](const LadderStep& step) { return step.bps; });
  requests_.clear();
  int64_t wanted = 0;
  for (size_t i = 0, begin = 0; i < sharers_.size(); begin = ends_[i++]) {
    BitrateAllocator::Request request;
    request.id = reinterpret_cast<uintptr_t>(sharers_[i]);
    request.priority = sharers_[i]->priority();
    // A stream without layers goes on as it is: after a pause it might stay dark for as long as its
    // sender takes to its next key frame. And a start rate alone lets nobody starve.
    request.may_starve = has_feedback_ && sharers_[i]->has_layers();
    request.steps = std::span(costs_).subspan(begin, ends_[i] - begin);
    if (!request.steps.empty()) wanted += request.steps.back();
    requests_.push_back(request);
  }
  // So much that the highest steps fit, with the room that going up takes.
  demand_ = RateOfBps(static_cast<double>(wanted) / BitrateAllocator::kHeadroom);
  controller_.SetDemand(demand_, now);
  limited_ = resting_ = 0;
  int64_t granted = 0;
  const std::span<const int> chosen = allocator_.Allocate(requests_, shared_, now);
  for (size_t i = 0, begin = 0; i < sharers_.size(); begin = ends_[i++]) {
    const auto count = static_cast<int>(ends_[i] - begin);
    const bool all = chosen[i] + 1 >= count;  // also of what has no steps yet
    const bool nothing = !all && chosen[i] < 0;
    limited_ += static_cast<size_t>(!all);
    resting_ += static_cast<size_t>(nothing);
    if (all || chosen[i] >= 0) {
      sharers_[i]->SetCeiling(all ? nullptr : &steps_[begin + static_cast<size_t>(chosen[i])]);
    }
    sharers_[i]->Starve(nothing);
    const size_t step = begin + static_cast<size_t>(std::max(chosen[i], 0));
    if (!nothing && count > 0) granted += costs_[step];
  }
  granted_ = DataRate::BitsPerSecond(granted);
}

void SendBandwidth::Trace(Timestamp now) {
  const uint64_t now_available = available();
  const double before = static_cast<double>(traced_);
  const auto value = static_cast<double>(now_available);
  if (now_available == traced_ || !has_feedback_) return;
  const bool jumps = value < kTraceFall * before || value > kTraceRise * before;
  if (traced_ != 0 && !jumps && now - traced_at_ < kTraceInterval) return;
  traced_ = now_available;
  traced_at_ = now;
  const RateBounds bounds = Bounds(/*with_start=*/true);
  BweTrace trace;
  trace.source = settings_.source;
  trace.desired = static_cast<uint64_t>(demand_.bps());
  trace.effective_desired = trace.desired;
  trace.min = static_cast<uint64_t>(bounds.min.bps());
  trace.max = static_cast<uint64_t>(bounds.max.bps());
  trace.start = static_cast<uint64_t>(bounds.start.bps());
  trace.max_padding = static_cast<uint64_t>(controller_.estimate().padding.bps());
  trace.available = now_available;
  core_.OnBandwidthEstimate(trace, now);
}

// ---- What was counted ---------------------------------------------------------------------------

BandwidthCounters SendBandwidth::counters() const {
  const FeedbackAdapter::Counters& feedback = adapter_.counters();
  const Pacer::Counters& paced = sender_.pacer()->counters();
  return {feedback.reports,
          rembs_,
          feedback.received_packets,
          feedback.lost_packets,
          feedback.unknown_packets,
          feedback.clock_steps,
          probes_,
          paced.padding,
          paced.held,
          paced.dropped};
}

void SendBandwidth::AddTo(PathStates* paths) const {
  if (!has_feedback_) {
    ++paths->unanswered;
  } else {
    ++(limited_ > 0 ? paths->limited : paths->unlimited);
    paths->available += available();
  }
  paths->wanted += static_cast<uint64_t>(demand_.bps());
  paths->resting += resting_;
  paths->queued_bytes += sender_.pacer()->queued_bytes();
}

// ---- Padding ----------------------------------------------------------------------------------

bool SendBandwidth::SendPadding(Timestamp now) {
  for (const auto& consumer : core_.consumers()) {
    if (consumer->SendPadding(now)) return true;
  }
  return SendProbation();
}

bool SendBandwidth::SendProbation() {
  const size_t room = probation_.MaxSize(std::span<const uint8_t>());
  uint8_t* slot = sender_.BeginRtp(room + kProbationSize);
  if (slot == nullptr) return false;
  RtpHeaderWriter::Fields fields;
  fields.payload_type = kProbationPayloadType;
  fields.sequence = SeqNumber(probation_sequence_);
  fields.timestamp = RtpTimestamp(probation_timestamp_);
  OutgoingRtp packet;
  packet.slot = slot;
  packet.kind = PacketKind::kVideo;
  packet.rtp_class = RtpClass::kProbation;
  packet.header_size = probation_.Write(slot, fields, RoutedExtensions(), {}, &packet.stamps);
  uint8_t* body = slot + packet.header_size;
  const size_t size = kProbationSize - packet.header_size;
  std::memset(body, 0, size);
  packet.payload = {body, size};
  if (sender_.EndRtp(packet) == RtpEgress::kNotSent) return false;
  ++probation_sequence_;
  probation_timestamp_ += kProbationTimestampStep;
  core_.OnProbation(context_.environment.Now());
  return true;
}

void SendBandwidth::OnPacketsDropped(std::span<const Ssrc> ssrcs) {
  dropped_.insert(dropped_.end(), ssrcs.begin(), ssrcs.end());
}

}  // namespace sluice::worker
