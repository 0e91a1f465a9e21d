#pragma once

#include <memory>

#include "common/units.h"
#include "worker/core/environment.h"

namespace sluice::worker {

/// Sends one request for a key frame (PLI or FIR).
class KeyFrameRequestSink {
 public:
  virtual ~KeyFrameRequestSink() = default;
  virtual void SendKeyFrameRequest() = 0;
};

/// Throttles the key-frame requests of all consumers of one encoding towards its sender, and
/// repeats one that stays without answer (router-protocol §5.10): a storm of requests becomes one a
/// second, a lost one is made good.
class KeyFrameRequester {
 public:
  /// A request is taken to be on its way for this long.
  static constexpr Duration kPending = Duration::Millis(1000);
  /// Repetitions while no key frame comes. Each request renews them. The reference repeats once,
  /// which leaves a viewer dark where two of three requests are lost.
  static constexpr int kRetries = 2;

  /// `delay`: requests within it after one that went out are merged into one at its end; zero =
  /// off.
  KeyFrameRequester(Environment& environment, Duration delay, KeyFrameRequestSink& sink);

  void Request(Timestamp now);
  /// Skips the throttle and starts it anew: after a resume, for a new stream.
  void ForceRequest(Timestamp now);
  /// A key frame began: what was pending is answered.
  void OnKeyFrame();

 private:
  void Send(Timestamp now);
  void OnTimer(Timestamp now);
  void Rearm(Timestamp now);

  Duration delay_;
  KeyFrameRequestSink& sink_;
  std::unique_ptr<Timer> timer_;
  bool pending_ = false;
  Timestamp pending_until_;
  int retries_left_ = 0;
  bool delaying_ = false;
  Timestamp delaying_until_;
  bool requested_in_delay_ = false;
};

}  // namespace sluice::worker
