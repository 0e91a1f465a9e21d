#pragma once

#include <cstdint>
#include <memory>

#include "common/rtp_types.h"
#include "common/units.h"
#include "worker/core/environment.h"
#include "worker/core/rtp/key_frame_answers.h"

namespace sluice::worker {

/// Sends one request for a key frame (PLI or FIR).
class KeyFrameRequestSink {
 public:
  virtual ~KeyFrameRequestSink() = default;
  virtual void SendKeyFrameRequest() = 0;
};

/// Throttles the key-frame requests of all consumers of one encoding towards its sender, and
/// repeats one that stays without answer. A key frame is several times the size of other frames:
/// a sender that makes one for every viewer who joins has no bits left for its picture.
///
/// The first request goes out at once. Those that come within the interval after it are merged into
/// one at its end, unless a key frame has served them before. Owned by the receive stream.
class KeyFrameRequester {
 public:
  /// Least time between two requests, whatever asks for them.
  static constexpr Duration kMinInterval = Duration::Millis(1000);
  /// Least time instead while a key frame is still coming in, or when the last one took longer than
  /// kMinInterval from request to last packet: another request would only add to the sender's
  /// queue.
  static constexpr Duration kSlowInterval = Duration::Millis(2000);
  /// Repetitions while no key frame comes; each request renews them. Waiting consumers ask again
  /// for as long as media flows, so these matter while none does, as with a still screen.
  static constexpr int kRetries = 2;

  /// `delay`: what the application wants as least time between an answered request and the next
  /// one; without effect below kMinInterval.
  KeyFrameRequester(Environment& environment, Duration delay, KeyFrameRequestSink& sink);

  void Request(Timestamp now);
  /// Does not wait for the application's delay, only for the interval: after a resume, for a new
  /// stream.
  void RequestUrgently(Timestamp now);
  /// A packet of a key frame with that RTP timestamp has come: it serves all who asked before.
  void OnKeyFrame(RtpTimestamp timestamp, Timestamp now);
  /// A packet that begins no key frame. `ends_frame`: it has the marker bit.
  void OnPacket(RtpTimestamp timestamp, bool ends_frame, Timestamp now) {
    if (receiving_) [[unlikely]]
      OnPacketBehindKeyFrame(timestamp, ends_frame, now);
  }

  /// What has come of requests so far.
  const KeyFrameAnswers& answers() const { return answers_; }
  /// Requests that were not sent for themselves.
  uint64_t merged() const { return merged_; }

 private:
  enum class State : uint8_t {
    kIdle,
    kUnanswered,  ///< a request is out: repeated at next_at_
    kMerging,     ///< the last one was answered, and somebody asked since: sent at next_at_
  };

  void RequestFrom(Timestamp earliest, Timestamp now);
  void OnPacketBehindKeyFrame(RtpTimestamp timestamp, bool ends_frame, Timestamp now);
  Duration interval() const { return receiving_ || slow_ ? kSlowInterval : kMinInterval; }
  void Send(Timestamp now);
  void OnTimer(Timestamp now);
  void ArmFor(Timestamp at, Timestamp now);

  Duration delay_;
  KeyFrameRequestSink& sink_;
  KeyFrameAnswers answers_;
  std::unique_ptr<Timer> timer_;
  State state_ = State::kIdle;
  bool sent_any_ = false;
  Timestamp sent_at_;        ///< the last request
  Timestamp first_sent_at_;  ///< the first one that the same answer is awaited for
  Timestamp next_at_;
  int retries_left_ = 0;
  bool receiving_ = false;  ///< the key frame key_timestamp_ is not complete yet
  RtpTimestamp key_timestamp_;
  bool slow_ = false;
  uint64_t merged_ = 0;
};

}  // namespace sluice::worker
