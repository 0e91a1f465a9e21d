#include <algorithm>
#include <cstdlib>

#include "tests/sim/layer_world.h"
#include "worker/wire/rtcp.h"
#include "worker/wire/rtp_packet.h"

// The sender of a LayerWorld and its way to the producer.
namespace sluice::worker {

namespace {

constexpr Duration kPacketSpacing = Duration::Micros(300);
constexpr Duration kEncodingSpacing = Duration::Micros(2500);
constexpr size_t kHistory = 3000;

struct RequestVisitor final : rtcp::Visitor {
  void OnPli(Ssrc media) override { key_frames.push_back(media.value()); }
  void OnFir(Ssrc media, uint8_t /*sequence*/) override { key_frames.push_back(media.value()); }
  void OnNack(Ssrc media, const rtcp::NackItem& item) override { nacks.emplace_back(media, item); }
  std::vector<uint32_t> key_frames;
  std::vector<std::pair<Ssrc, rtcp::NackItem>> nacks;
};

}  // namespace

void LayerWorld::Capture() {
  const Timestamp now = Now();
  ++picture_;
  for (size_t i = 0; i < encoders_.size(); ++i) {
    if (!sending_[i]) continue;
    const auto& divisors = options_.encoding_divisors;
    const int divisor = i < divisors.size() ? divisors[i] : 1;
    if (picture_ % static_cast<uint32_t>(divisor) != 0) continue;
    const bool key = key_due_[i] != Timestamp() && key_due_[i] <= now;
    if (key) key_due_[i] = Timestamp();
    const auto packets = encoders_[i].Encode(picture_, now.us(), key, spatial_layers_, &frames_);
    Duration after = Duration::Micros(static_cast<int64_t>(i) * kEncodingSpacing.us());
    if (options_.trailing) after = Duration::Micros(after.us() * 20);
    for (const SourcePacket& packet : packets) {
      auto& history = history_[i];
      history[packet.sequence] = packet;
      if (history.size() > kHistory) {
        history.erase(static_cast<uint16_t>(packet.sequence - kHistory));
      }
      SendUp(static_cast<int>(i), packet, after, false);
      after = after + kPacketSpacing;
    }
  }
  environment_.Schedule(Duration::Micros(1'000'000 / options_.frame_rate), [this] { Capture(); });
}

std::vector<uint8_t> LayerWorld::ToRtp(const SourcePacket& packet, uint32_t ssrc) {
  std::vector<uint8_t> out = {static_cast<uint8_t>(packet.descriptor.empty() ? 0x80 : 0x90),
                              static_cast<uint8_t>((packet.marker ? 0x80 : 0) | kSourcePayloadType),
                              static_cast<uint8_t>(packet.sequence >> 8),
                              static_cast<uint8_t>(packet.sequence)};
  for (const uint32_t value : {packet.timestamp, ssrc}) {
    for (int shift = 24; shift >= 0; shift -= 8)
      out.push_back(static_cast<uint8_t>(value >> shift));
  }
  if (!packet.descriptor.empty()) {
    const size_t words = (2 + packet.descriptor.size() + 3) / 4;
    out.insert(out.end(),
               {0x10, 0x00, static_cast<uint8_t>(words >> 8), static_cast<uint8_t>(words),
                kSourceDescriptorId, static_cast<uint8_t>(packet.descriptor.size())});
    out.insert(out.end(), packet.descriptor.begin(), packet.descriptor.end());
    out.resize(12 + 4 + words * 4);
  }
  out.insert(out.end(), packet.payload.begin(), packet.payload.end());
  return out;
}

void LayerWorld::SendUp(int encoding, const SourcePacket& packet, Duration after, bool again) {
  const LayerPath& up = options_.up;
  up_was_clean_ = up_was_clean_ && up.loss == 0 && up.reorder == 0;
  // That a sender puts parameter sets in front of key frames is learned from its first one.
  const bool first_picture = frames_[packet.frame].picture == 1;
  if (!first_picture && Chance(up.loss)) return;
  const std::vector<uint8_t> bytes = ToRtp(packet, SsrcOf(encoding));
  const uint32_t frame = packet.frame;
  const int index = packet.index;
  const int copies = !again && Chance(up.duplicate) ? 2 : 1;
  for (int i = 0; i < copies; ++i) {
    environment_.Schedule(
        after + (first_picture ? up.delay : DelayOf(up)),
        [this, encoding, bytes, frame, index] { Receive(encoding, bytes, frame, index); });
  }
}

void LayerWorld::Receive(int /*encoding*/, const std::vector<uint8_t>& bytes, uint32_t frame,
                         int index) {
  PacketRef buffer = pool_.Allocate(bytes.size());
  std::copy(bytes.begin(), bytes.end(), buffer.data());
  auto packet = RtpPacket::Parse({buffer.data(), bytes.size()});
  if (!packet) std::abort();
  uint32_t& newest = newest_came_[static_cast<size_t>(frames_[frame].encoding)];
  newest = std::max(newest, frames_[frame].picture);
  Tell("came ", packet->sequence_number().value(), frame, index, packet->marker());
  if (consumer_->active()) arrived_.emplace(std::make_pair(frame, index), Now());
  producer_->OnRtp(buffer, *packet, Now());
}

void LayerWorld::SendReport(int encoding) {
  const auto index = static_cast<size_t>(encoding);
  rtcp::SenderInfo info;
  info.ssrc = Ssrc(SsrcOf(encoding));
  // The sender's time of day is its own.
  info.ntp = NtpTime::FromMicros(environment_.NtpNow().ToMicros() + 3'600'000'000);
  info.rtp_timestamp = RtpTimestamp(encoders_[index].TimestampAt(Now().us()));
  environment_.Schedule(options_.up.delay, [this, info, index] {
    producer_->OnSenderReport(info, Now());
    reported_[index] = true;
    const bool all =
        std::all_of(reported_.begin(), reported_.end(), [](bool each) { return each; });
    if (all && all_reported_at_ == Timestamp()) all_reported_at_ = Now();
  });
  environment_.Schedule(Duration::Seconds(1), [this, encoding] { SendReport(encoding); });
}

void LayerWorld::SendRtcpToProducer(std::span<const uint8_t> compound) {
  RequestVisitor requests;
  rtcp::Parse(compound, requests);
  for (const uint32_t ssrc : requests.key_frames) {
    const size_t encoding = ssrc - SsrcOf(0);
    if (encoding >= key_due_.size()) continue;
    key_requests_[encoding].push_back(Now());
    if (ignores_requests_) continue;
    const Timestamp due = Now() + options_.up.delay + key_frame_delay_;
    if (key_due_[encoding] == Timestamp()) key_due_[encoding] = due;
  }
  for (const auto& [ssrc, item] : requests.nacks) {
    const size_t encoding = ssrc.value() - SsrcOf(0);
    if (encoding >= history_.size()) continue;
    const uint32_t lost = uint32_t{item.following_lost} << 1 | 1;
    for (int offset = 0; offset <= 16; ++offset) {
      if ((lost >> offset & 1) == 0) continue;
      const auto found =
          history_[encoding].find(static_cast<uint16_t>(item.packet_id.value() + offset));
      if (found == history_[encoding].end()) continue;
      SendUp(static_cast<int>(encoding), found->second, options_.up.delay, true);
    }
  }
}

}  // namespace sluice::worker
