#pragma once

#include <string>
#include <utility>
#include <vector>

#include "worker/media/engine_events.h"

namespace sluice::bench {

/// Nobody listens.
class SilentEvents final : public EngineEvents {
 public:
  void OnIceSelectedTuple(const std::string&, const TupleReport&) override {}
  void OnIceState(const std::string&, IceState) override {}
  void OnDtlsState(const std::string&, DtlsState, const std::string&) override {}
  void OnPlainTuple(const std::string&, const TupleReport&) override {}
  void OnPlainRtcpTuple(const std::string&, const TupleReport&) override {}
  void OnProducerScore(const std::string&, const std::vector<ProducerScoreEntry>&) override {}
  void OnProducerVideoOrientation(const std::string&, const VideoOrientation&) override {}
  void OnProducerTrace(const std::string&, const TraceReport&) override {}
  void OnConsumerProducerPause(const std::string&) override {}
  void OnConsumerProducerResume(const std::string&) override {}
  void OnConsumerProducerClose(const std::string&) override {}
  void OnConsumerScore(const std::string&, const ConsumerScore&) override {}
  void OnConsumerLayers(const std::string&, const std::optional<ConsumerLayers>&) override {}
  void OnConsumerTrace(const std::string&, const TraceReport&) override {}
  void OnAudioLevelVolumes(const std::string&,
                           const std::vector<std::pair<std::string, int8_t>>&) override {}
  void OnAudioLevelSilence(const std::string&) override {}
};

}  // namespace sluice::bench
