#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "common/status.h"
#include "worker/core/environment.h"
#include "worker/core/rtp/speaker_activity.h"
#include "worker/media/engine_events.h"
#include "worker/media/options.h"
#include "worker/media/rtp_observer.h"

namespace sluice::worker {

/// Says who is the dominant speaker among audio producers, whenever that changes
/// (docs/protocols/router-protocol.md §14): looks once per interval, and at once when the dominant
/// one goes.
///
/// Owned by the router.
class ActiveSpeakerObserver final : public RtpObserver {
 public:
  static constexpr Duration kMinInterval = Duration::Millis(100);
  static constexpr Duration kMaxInterval = Duration::Millis(5000);
  /// Who has sent nothing for so long is not looked at, unless dominant.
  static constexpr Duration kForgotten = Duration::Seconds(3600);

  ActiveSpeakerObserver(const std::string& id, const ActiveSpeakerObserverOptions& options,
                        Environment& environment, EngineEvents& events);
  ~ActiveSpeakerObserver() override;

  /// "" before the first look, and without producers.
  const std::string& dominant() const { return dominant_; }

  // RtpObserver
  const std::string& id() const override { return id_; }
  bool Has(const Producer& producer) const override { return places_.contains(&producer); }
  /// TypeError for a producer that is not audio, Error for one that is there already.
  Status AddProducer(Producer& producer) override;
  void RemoveProducer(Producer& producer) override;
  void Pause() override;
  void Resume() override;

  // ProducerObserver
  void OnAudioLevel(Producer& producer, uint8_t level) override;
  void OnProducerPaused(Producer& producer) override;
  void OnProducerResumed(Producer& producer) override;
  void OnProducerClosed(Producer& producer) override;

 private:
  struct Entry {
    Producer* producer;
    SpeakerActivity activity;
    Timestamp added_at;
    bool paused = false;
  };

  void OnInterval();
  /// Looks who is dominant, and reports it when it is somebody else.
  void Elect(Timestamp now);

  const std::string id_;
  const Duration interval_;
  Environment& environment_;
  EngineEvents& events_;
  std::unique_ptr<Timer> timer_;
  std::vector<Entry> entries_;
  absl::flat_hash_map<const Producer*, size_t> places_;  ///< in entries_
  std::string dominant_;                                 ///< id of a producer in entries_
  bool paused_ = false;
};

}  // namespace sluice::worker
