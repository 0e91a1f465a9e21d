#include "worker/media/paced_sender.h"

#include <cstring>

#include "worker/core/prefetch.h"
#include "worker/wire/rtp_packet.h"

namespace sluice::worker {

PacedSender::PacedSender(Environment& environment, bool encrypted, TransportTraffic& traffic,
                         SendLimit& limit)
    : environment_(environment), encrypted_(encrypted), traffic_(traffic), limit_(limit) {}

void PacedSender::KeepHistory() {
  if (history_ == nullptr) history_ = std::make_unique<SentPacketHistory>();
}

void PacedSender::PrefetchPath() const {
  Prefetch(&traffic_.sent);
  Prefetch(&traffic_.rtp_sent);
  Prefetch(srtp_);
}

uint8_t* PacedSender::BeginRtp(size_t capacity) {
  if (!connected_ || !path_ || (encrypted_ && srtp_ == nullptr)) {
    ++traffic_.counters.send_refused;
    return nullptr;
  }
  if (limit_.holds() && !limit_.Allows(capacity + kMaxSrtpTag, environment_.Now())) {
    ++traffic_.counters.send_withheld;
    return nullptr;
  }
  uint8_t* slot = path_.writer->Reserve(capacity + kMaxSrtpTag);
  if (slot == nullptr) ++traffic_.counters.send_refused;
  return slot;
}

uint32_t PacedSender::EndRtp(const OutgoingRtp& packet) {
  const Timestamp now = environment_.Now();
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
      return kNoNumber;
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
  if (history_ != nullptr && number != kNoNumber) {
    history_->Add(static_cast<uint16_t>(number), size, packet.rtp_class, now);
  }
  traffic_.sent.Add(size, now);
  (packet.rtp_class == RtpClass::kRetransmission ? traffic_.rtx_sent : traffic_.rtp_sent)
      .Add(plain_size, now);
  return number;
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
