#include "worker/media/paced_sender.h"

#include <cstring>

#include "worker/core/prefetch.h"
#include "worker/wire/rtp_packet.h"

namespace sluice::worker {

PacedSender::PacedSender(Environment& environment, bool encrypted, TransportTraffic& traffic,
                         SendLimit& limit)
    : environment_(environment), encrypted_(encrypted), traffic_(traffic), limit_(limit) {}

PacedSender::~PacedSender() { Unpace(); }

void PacedSender::Pace(PacketBufferPool& buffers, PacingClock& clock, PaddingSource& padding) {
  if (pacer_ == nullptr) pacer_ = std::make_unique<Pacer>(buffers, environment_.Now());
  clock_ = &clock;
  padding_ = &padding;
}

void PacedSender::Unpace() {
  if (clock_ != nullptr) clock_->Stop(*this);
  clock_ = nullptr;
  padding_ = nullptr;
  path_rate_.reset();
  pacer_.reset();
}

void PacedSender::PrefetchPath() const {
  Prefetch(&traffic_.sent);
  Prefetch(&traffic_.rtp_sent);
  Prefetch(srtp_);
  if (pacer_ != nullptr) Prefetch(pacer_.get());
}

uint8_t* PacedSender::Reserve(size_t capacity) {
  if (limit_.holds() && !limit_.Allows(capacity + kMaxSrtpTag, environment_.Now())) {
    ++traffic_.counters.send_withheld;
    return nullptr;
  }
  uint8_t* slot = path_.writer->Reserve(capacity + kMaxSrtpTag);
  if (slot == nullptr) ++traffic_.counters.send_refused;
  return slot;
}

uint8_t* PacedSender::BeginRtp(size_t capacity) {
  if (!connected_ || !path_ || (encrypted_ && srtp_ == nullptr)) {
    ++traffic_.counters.send_refused;
    return nullptr;
  }
  if (pacer_ != nullptr && pacer_->MustWait(environment_.Now())) [[unlikely]]
    return pacer_->Borrow(capacity);
  return Reserve(capacity);
}

uint32_t PacedSender::EndRtp(const OutgoingRtp& packet) {
  if (pacer_ != nullptr && pacer_->IsBorrowed(packet.slot)) [[unlikely]]
    return EndBorrowed(packet);
  return Leave(packet, environment_.Now());
}

uint32_t PacedSender::Leave(const OutgoingRtp& packet, Timestamp now) {
  const uint32_t number = Stamp(packet.slot, packet.stamps, now);
  const size_t plain_size = packet.header_size + packet.payload.size();
  size_t size = plain_size;
  if (encrypted_) {
    size =
        srtp_->ProtectRtp(packet.slot, packet.header_size, packet.payload, packet.same_bytes_again);
    if (size == 0) {
      ++traffic_.counters.send_refused;
      // A number that does not leave would look lost.
      if (number != kNoNumber) next_number_ = static_cast<uint16_t>(number);
      return kNotSent;
    }
  } else {
    uint8_t* body = packet.slot + packet.header_size;
    const auto payload = packet.payload;
    if (payload.data() != body && !payload.empty()) {
      std::memcpy(body, payload.data(), payload.size());
    }
  }
  path_.writer->Commit(size, path_.tuple.remote, packet.kind);
  limit_.OnSent(size);
  if (pacer_ != nullptr) {
    pacer_->OnSent(size);
    if (number != kNoNumber) {
      pacer_->history().Add(static_cast<uint16_t>(number), size, packet.rtp_class, pacer_->probe(),
                            now);
    } else {
      pacer_->history().AddUntracked(size);
    }
  }
  traffic_.sent.Add(size, now);
  switch (packet.rtp_class) {
    case RtpClass::kRetransmission:
      traffic_.rtx_sent.Add(plain_size, now);
      break;
    case RtpClass::kProbation:
      traffic_.probation_sent.Add(plain_size, now);
      break;
    default:
      traffic_.rtp_sent.Add(plain_size, now);
  }
  return number;
}

/// Audio does not wait, nor does what found no room to.
uint32_t PacedSender::EndBorrowed(const OutgoingRtp& packet) {
  if (packet.kind != PacketKind::kAudio) {
    if (pacer_->Hold(packet)) {
      if (clock_ != nullptr) clock_->Start(*this);
      return kNoNumber;
    }
    DropWaiting();
    return kNotSent;
  }
  uint8_t* slot = Reserve(packet.header_size + packet.payload.size());
  if (slot == nullptr) return kNotSent;
  std::memcpy(slot, packet.slot, packet.header_size);
  OutgoingRtp moved = packet;
  moved.slot = slot;
  pacer_->Keep();
  if (clock_ != nullptr) clock_->Start(*this);
  return Leave(moved, environment_.Now());
}

size_t PacedSender::Release(const Pacer::Held& held, Timestamp now) {
  const size_t plain_size = held.size();
  uint8_t* slot = Reserve(plain_size);
  if (slot == nullptr) return 0;
  std::memcpy(slot, held.packet.slot, held.packet.header_size);
  OutgoingRtp packet = held.packet;
  packet.slot = slot;
  return Leave(packet, now) == kNotSent ? 0 : plain_size;
}

void PacedSender::DropWaiting() {
  const std::vector<Ssrc> ssrcs = pacer_->DropAll();
  if (padding_ != nullptr && !ssrcs.empty()) padding_->OnPacketsDropped(ssrcs);
}

void PacedSender::StartProbe(const ProbePlan& plan) {
  if (pacer_ == nullptr || pacer_->has_probe()) return;
  pacer_->StartProbe(plan, environment_.Now());
  Wake();
}

void PacedSender::Wake() {
  if (pacer_ != nullptr && pacer_->busy() && clock_ != nullptr) clock_->Start(*this);
}

bool PacedSender::OnTick(Timestamp now) {
  pacer_->BeginTick(now);
  if (!connected_ || !path_ || (encrypted_ && srtp_ == nullptr)) {
    pacer_->DropAll();
    if (pacer_->has_probe()) pacer_->EndProbe();
    return false;
  }
  if (pacer_->has_probe()) RunProbe(now);
  while (const Pacer::Held* next = pacer_->Next(now)) {
    Release(*next, now);
    pacer_->Pop();
  }
  if (pacer_->queued_bytes() == 0 && pacer_->PaddingDue() > 0) {
    pacer_->SetPasses(true);
    while (pacer_->PaddingDue() > 0) {
      const uint64_t before = traffic_.sent.bytes();
      if (!padding_->SendPadding(now)) break;
      pacer_->OnPadding(traffic_.sent.bytes() - before);
    }
    pacer_->SetPasses(false);
  }
  return pacer_->busy();
}

/// What waits goes first; then what carries nothing new.
void PacedSender::RunProbe(Timestamp now) {
  pacer_->SetProbe(pacer_->plan().id);
  while (pacer_->ProbeDue(now) > 0) {
    const uint64_t before = traffic_.sent.bytes();
    bool sent = true;
    const Pacer::Held* next = pacer_->Front();
    if (next != nullptr) {
      Release(*next, now);
      pacer_->Pop();
    } else {
      sent = padding_->SendPadding(now);
    }
    const uint64_t bytes = traffic_.sent.bytes() - before;
    if (!sent || bytes == 0) break;
    pacer_->OnProbeSent(bytes, next == nullptr);
  }
  pacer_->SetProbe(0);
  if (pacer_->ProbeEnds(now)) pacer_->EndProbe();
}

/// Writes what is only known now into the places that the header has for it.
uint32_t PacedSender::Stamp(uint8_t* header, const RtpHeaderStamps& stamps, Timestamp now) {
  if (stamps.abs_send_time_at != 0) {
    if (now != stamped_at_) {
      stamped_at_ = now;
      abs_send_time_ = AbsSendTimeFromMicros(now.us());
    }
    WriteAbsSendTime(header, stamps, abs_send_time_);
  }
  if (stamps.transport_sequence_at == 0) return kNoNumber;
  const uint16_t number = next_number_++;
  WriteTransportSequence(header, stamps, number);
  return number;
}

}  // namespace sluice::worker
