#include "tests/sim/video_endpoints.h"

#include <algorithm>
#include <array>

#include "tests/unit/media/media_samples.h"

namespace sluice::worker {

// ---- VideoSender ------------------------------------------------------------------------------

VideoSender::VideoSender(VirtualEnvironment& environment, WebRtcPeer& peer, uint32_t ssrc,
                         uint32_t rtx_ssrc)
    : environment_(environment),
      peer_(peer),
      ssrc_(ssrc),
      rtx_ssrc_(rtx_ssrc),
      timer_(environment.CreateTimer([this](Timestamp) { SendFrame(); })) {
  peer_.on_rtcp = [this](std::span<const uint8_t> compound) { rtcp::Parse(compound, *this); };
}

void VideoSender::SendFrame() {
  timer_->Start(kFrame);
  if (!peer_.dtls_connected()) return;
  const bool key_frame = std::exchange(key_frame_wanted_, false);
  ++frames_;
  if (key_frame) ++key_frames_;
  picture_id_ = static_cast<uint16_t>((picture_id_ + 1) & 0x7fff);
  timestamp_ += 3000;
  for (int i = 0; i < kPacketsPerFrame; ++i) {
    SendPacket(key_frame && i == 0, i + 1 == kPacketsPerFrame);
  }
  if (frames_ % 30 == 0) SendReport();
}

void VideoSender::SendPacket(bool key_frame, bool marker) {
  auto payload = samples::Vp8Payload(key_frame, picture_id_, kPayload);
  const bool start = packets_ % kPacketsPerFrame == 0;
  if (!start) payload[0] = 0x80;  // not the start of a partition
  if (codec_ != nullptr) payload = samples::PayloadOf(*codec_, key_frame, kPayload);
  std::vector<uint8_t> packet =
      samples::Rtp(samples::kVp8, ssrc_, sequence_, timestamp_, payload, marker);
  packet = samples::WithExtension(
      std::move(packet), samples::kTransportCcId,
      {static_cast<uint8_t>(transport_sequence_ >> 8), static_cast<uint8_t>(transport_sequence_)});
  ++transport_sequence_;
  peer_.SendRtp(packet);
  history_[sequence_] = std::move(packet);
  history_.erase(static_cast<uint16_t>(sequence_ - kHistory));
  ++sequence_;
  ++packets_;
  payload_bytes_ += payload.size();
}

void VideoSender::SendReport() {
  std::array<uint8_t, 200> bytes{};
  rtcp::Builder builder(bytes);
  rtcp::SenderInfo info;
  info.ssrc = Ssrc(ssrc_);
  info.ntp = environment_.NtpNow();
  info.rtp_timestamp = RtpTimestamp(timestamp_);
  info.packet_count = static_cast<uint32_t>(packets_);
  info.octet_count = static_cast<uint32_t>(payload_bytes_);
  builder.AddSenderReport(info, {});
  builder.AddSdesCname(Ssrc(ssrc_), "peer");
  peer_.SendRtcp(builder.packet());
}

void VideoSender::Resend(uint16_t sequence) {
  const auto it = history_.find(sequence);
  if (it == history_.end()) return;
  const auto original = RtpPacket::Parse(it->second);
  std::vector<uint8_t> payload = {static_cast<uint8_t>(sequence >> 8),
                                  static_cast<uint8_t>(sequence)};
  payload.insert(payload.end(), original->payload().begin(), original->payload().end());
  peer_.SendRtp(samples::Rtp(samples::kVp8Rtx, rtx_ssrc_, rtx_sequence_++,
                             original->timestamp().value(), payload, original->marker()));
  ++resent_;
}

void VideoSender::OnNack(Ssrc media, const rtcp::NackItem& item) {
  if (media.value() != ssrc_) return;
  ++nacks_;
  Resend(item.packet_id.value());
  for (int bit = 0; bit < 16; ++bit) {
    if ((item.following_lost >> bit & 1) != 0) Resend((item.packet_id + (bit + 1)).value());
  }
}

void VideoSender::OnPli(Ssrc media) {
  if (media.value() != ssrc_) return;
  ++key_frame_requests_;
  key_frame_wanted_ = true;
}

// ---- VideoReceiver ----------------------------------------------------------------------------

VideoReceiver::VideoReceiver(VirtualEnvironment& environment, WebRtcPeer& peer, uint32_t ssrc,
                             uint32_t rtx_ssrc)
    : environment_(environment),
      peer_(peer),
      ssrc_(ssrc),
      rtx_ssrc_(rtx_ssrc),
      timer_(environment.CreateTimer([this](Timestamp) { SendNacks(); })) {
  peer_.on_rtp = [this](RtpPacket& packet) { OnRtp(packet); };
  peer_.on_rtcp = [this](std::span<const uint8_t> compound) { rtcp::Parse(compound, *this); };
  timer_->Start(kNackInterval);
}

void VideoReceiver::RequestKeyFrame() {
  std::array<uint8_t, 64> bytes{};
  rtcp::Builder builder(bytes);
  builder.AddReceiverReport(Ssrc(1), {});
  builder.AddPli(Ssrc(1), Ssrc(ssrc_));
  peer_.SendRtcp(builder.packet());
}

uint64_t VideoReceiver::expected() const {
  return first_ ? static_cast<uint64_t>(*newest_ - *first_ + 1) : 0;
}

bool VideoReceiver::BeginsKeyFrame(std::span<const uint8_t> payload) const {
  if (codec_ == nullptr) return payload.size() > 4 && payload[0] == 0x90 && (payload[4] & 1) == 0;
  const std::vector<uint8_t> key = samples::PayloadOf(*codec_, /*key=*/true, payload.size());
  return std::equal(key.begin(), key.end(), payload.begin(), payload.end());
}

void VideoReceiver::OnRtp(RtpPacket& packet) {
  const std::span<const uint8_t> payload = packet.payload();
  if (packet.ssrc().value() == ssrc_) {
    OnSequence(packet.sequence_number().value(), payload, /*repaired=*/false);
    return;
  }
  if (packet.ssrc().value() != rtx_ssrc_ || payload.size() < 2) return;
  OnSequence(static_cast<uint16_t>(payload[0] << 8 | payload[1]), payload.subspan(2),
             /*repaired=*/true);
}

void VideoReceiver::OnSequence(uint16_t sequence, std::span<const uint8_t> payload, bool repaired) {
  const Timestamp now = environment_.Now();
  const int64_t number = unwrapper_.Unwrap(SeqNumber(sequence)).value();
  if (!first_) {
    first_ = newest_ = number;
    first_at_ = last_at_ = now;
    began_with_key_frame_ = BeginsKeyFrame(payload);
  }
  if (number < *first_) return;  // older than where we came in
  if (!received_.emplace(number, true).second) {
    ++duplicates_;
    return;
  }
  longest_gap_ = std::max(longest_gap_, now - last_at_);
  last_at_ = now;
  if (repaired) ++repaired_;
  missing_.erase(number);
  for (int64_t gap = *newest_ + 1; gap < number; ++gap) missing_[gap];
  newest_ = std::max(*newest_, number);
}

void VideoReceiver::SendNacks() {
  timer_->Start(kNackInterval);
  const Timestamp now = environment_.Now();
  std::vector<SeqNumber> lost;
  for (auto& [number, state] : missing_) {
    if (state.tries == kNackTries) continue;
    if (state.tries > 0 && now - state.asked_at < kNackRepeat) continue;
    ++state.tries;
    state.asked_at = now;
    lost.push_back(SeqNumber(static_cast<uint16_t>(number)));
  }
  if (lost.empty()) return;
  std::array<uint8_t, rtcp::Builder::kMaxCompound> bytes{};
  rtcp::Builder builder(bytes);
  builder.AddReceiverReport(Ssrc(1), {});
  builder.AddNack(Ssrc(1), Ssrc(ssrc_), rtcp::PackNackItems(lost));
  peer_.SendRtcp(builder.packet());
}

}  // namespace sluice::worker
