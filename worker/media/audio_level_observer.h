#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "common/status.h"
#include "worker/core/environment.h"
#include "worker/media/engine_events.h"
#include "worker/media/options.h"
#include "worker/media/rtp_observer.h"

namespace sluice::worker {

/// Says who is loud (docs/protocols/router-protocol.md §14): per interval the mean of the
/// audio-level header extension (RFC 6464) of each producer, loudest first, and once when nobody is
/// any more.
///
/// Owned by the router.
class AudioLevelObserver final : public RtpObserver {
 public:
  static constexpr Duration kMinInterval = Duration::Millis(250);
  static constexpr Duration kMaxInterval = Duration::Millis(5000);
  /// Fewer packets in an interval say nothing of who is speaking.
  static constexpr uint32_t kMinPackets = 10;

  /// TypeError: threshold outside −127…0 dBov, or maxEntries 0.
  static Result<std::unique_ptr<AudioLevelObserver>> Create(
      const std::string& id, const AudioLevelObserverOptions& options, Environment& environment,
      EngineEvents& events);
  ~AudioLevelObserver() override;

  bool paused() const { return paused_; }
  std::vector<std::string> producer_ids() const;

  // RtpObserver
  const std::string& id() const override { return id_; }
  bool Has(const Producer& producer) const override { return places_.contains(&producer); }
  /// TypeError for a producer that is not audio. One that is there already is accepted.
  Status AddProducer(Producer& producer) override;
  void RemoveProducer(Producer& producer) override;
  /// Emits silence when somebody was loud.
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
    bool paused = false;
    uint64_t sum = 0;  ///< of levels; 16 bits would overflow in 5 s
    uint32_t packets = 0;
  };

  AudioLevelObserver(const std::string& id, const AudioLevelObserverOptions& options,
                     Environment& environment, EngineEvents& events);
  void OnInterval();
  void ResetLevels();
  void EmitSilenceOnce();
  Entry* Find(const Producer& producer);

  const std::string id_;
  const size_t max_entries_;
  const int threshold_;  ///< dBov
  const Duration interval_;
  EngineEvents& events_;
  std::unique_ptr<Timer> timer_;
  std::vector<Entry> entries_;
  absl::flat_hash_map<const Producer*, size_t> places_;  ///< in entries_
  bool paused_ = false;
  bool silent_ = true;
};

}  // namespace sluice::worker
