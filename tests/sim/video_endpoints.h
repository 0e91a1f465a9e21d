#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "tests/sim/virtual_environment.h"
#include "tests/sim/webrtc_peer.h"
#include "tests/unit/media/codec_samples.h"
#include "worker/wire/rtcp.h"

namespace sluice::worker {

/// Sends frames like those of a codec, VP8 unless another is set, at 30 fps; answers NACK with RTX,
/// PLI and FIR with a key frame, and sends a sender report each second.
class VideoSender final : private rtcp::Visitor {
 public:
  static constexpr int kPacketsPerFrame = 5;
  static constexpr Duration kFrame = Duration::Micros(33'333);
  static constexpr size_t kPayload = 1000;  // bytes: 1.2 Mbit/s

  VideoSender(VirtualEnvironment& environment, WebRtcPeer& peer, uint32_t ssrc, uint32_t rtx_ssrc);

  void SetCodec(const samples::VideoCodec& codec) { codec_ = &codec; }
  void Start() { SendFrame(); }
  void Stop() { timer_->Stop(); }

  uint64_t frames() const { return frames_; }
  uint64_t key_frames() const { return key_frames_; }
  uint64_t packets() const { return packets_; }
  uint64_t resent() const { return resent_; }
  uint64_t nacks() const { return nacks_; }
  uint64_t key_frame_requests() const { return key_frame_requests_; }
  uint64_t transport_feedbacks() const { return transport_feedbacks_; }
  uint64_t report_blocks() const { return report_blocks_; }

 private:
  static constexpr size_t kHistory = 1000;  // packets kept for RTX

  void SendFrame();
  void SendPacket(bool key_frame, bool marker);
  void SendReport();
  void Resend(uint16_t sequence);

  void OnNack(Ssrc media, const rtcp::NackItem& item) override;
  void OnPli(Ssrc media) override;
  void OnFir(Ssrc media, uint8_t) override { OnPli(media); }
  void OnReportBlock(Ssrc, const rtcp::ReportBlock&) override { ++report_blocks_; }
  void OnTransportFeedback(const rtcp::TransportFeedback&) override { ++transport_feedbacks_; }

  VirtualEnvironment& environment_;
  WebRtcPeer& peer_;
  const uint32_t ssrc_;
  const uint32_t rtx_ssrc_;
  const samples::VideoCodec* codec_ = nullptr;  ///< null: VP8 with picture ids
  std::unique_ptr<Timer> timer_;
  std::map<uint16_t, std::vector<uint8_t>> history_;
  uint16_t sequence_ = 65'000;  // wraps after seven seconds
  uint16_t rtx_sequence_ = 1;
  uint16_t transport_sequence_ = 1;
  uint16_t picture_id_ = 0;
  uint32_t timestamp_ = 90'000;
  bool key_frame_wanted_ = true;
  uint64_t frames_ = 0, key_frames_ = 0, packets_ = 0, payload_bytes_ = 0;
  uint64_t resent_ = 0, nacks_ = 0, key_frame_requests_ = 0;
  uint64_t transport_feedbacks_ = 0, report_blocks_ = 0;
};

/// Receives one consumer's video: unwraps RTX, asks for what is missing, and counts.
class VideoReceiver final : private rtcp::Visitor {
 public:
  VideoReceiver(VirtualEnvironment& environment, WebRtcPeer& peer, uint32_t ssrc,
                uint32_t rtx_ssrc);

  void SetCodec(const samples::VideoCodec& codec) { codec_ = &codec; }
  void RequestKeyFrame();

  /// Sequence numbers from the first to the newest.
  uint64_t expected() const;
  /// Of those, how many came, by whatever way.
  uint64_t received() const { return received_.size(); }
  uint64_t missing() const { return expected() - received(); }
  uint64_t repaired() const { return repaired_; }
  uint64_t duplicates() const { return duplicates_; }
  bool began_with_key_frame() const { return began_with_key_frame_; }
  uint64_t sender_reports() const { return sender_reports_; }
  Timestamp first_at() const { return first_at_; }
  /// The longest time without a packet so far.
  Duration longest_gap() const { return longest_gap_; }
  void ResetGap() {
    longest_gap_ = {};
    last_at_ = environment_.Now();
  }

 private:
  struct Missing {
    Timestamp asked_at;
    int tries = 0;
  };
  static constexpr Duration kNackInterval = Duration::Millis(10);
  static constexpr Duration kNackRepeat = Duration::Millis(60);
  static constexpr int kNackTries = 20;

  bool BeginsKeyFrame(std::span<const uint8_t> payload) const;
  void OnRtp(RtpPacket& packet);
  void OnSequence(uint16_t sequence, std::span<const uint8_t> payload, bool repaired);
  void SendNacks();
  void OnSenderReport(const rtcp::SenderInfo&) override { ++sender_reports_; }

  VirtualEnvironment& environment_;
  WebRtcPeer& peer_;
  const uint32_t ssrc_;
  const uint32_t rtx_ssrc_;
  const samples::VideoCodec* codec_ = nullptr;  ///< null: VP8 with picture ids
  std::unique_ptr<Timer> timer_;
  SeqNumberUnwrapper unwrapper_;
  std::map<int64_t, bool> received_;
  std::map<int64_t, Missing> missing_;
  std::optional<int64_t> first_, newest_;
  bool began_with_key_frame_ = false;
  uint64_t repaired_ = 0, duplicates_ = 0, sender_reports_ = 0;
  Timestamp first_at_, last_at_;
  Duration longest_gap_;
};

}  // namespace sluice::worker
