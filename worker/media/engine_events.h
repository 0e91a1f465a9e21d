#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "worker/media/reports.h"

namespace sluice::worker {

/// What the object graph reports to whoever drives it: one of the pipe codecs. Implementations only
/// serialise and queue (never call back into the graph), so the graph may emit at any point.
/// First argument: the id of the object that changed. Order rules: router-protocol §2.8, §3. An
/// event that an implementation does not override is dropped.
class EngineEvents {
 public:
  virtual ~EngineEvents() = default;

  virtual void OnIceSelectedTuple(const std::string& /*transport_id*/,
                                  const TupleReport& /*tuple*/) {}
  virtual void OnIceState(const std::string& /*transport_id*/, IceState /*state*/) {}
  /// The certificate only with kConnected.
  virtual void OnDtlsState(const std::string& /*transport_id*/, DtlsState /*state*/,
                           const std::string& /*remote_certificate_pem*/) {}
  virtual void OnPlainTuple(const std::string& /*transport_id*/, const TupleReport& /*tuple*/) {}
  virtual void OnPlainRtcpTuple(const std::string& /*transport_id*/, const TupleReport& /*tuple*/) {
  }

  virtual void OnProducerScore(const std::string& /*producer_id*/,
                               const std::vector<ProducerScoreEntry>& /*scores*/) {}
  virtual void OnProducerVideoOrientation(const std::string& /*producer_id*/,
                                          const VideoOrientation& /*orientation*/) {}
  virtual void OnProducerTrace(const std::string& /*producer_id*/, const TraceReport& /*trace*/) {}

  virtual void OnConsumerProducerPause(const std::string& /*consumer_id*/) {}
  virtual void OnConsumerProducerResume(const std::string& /*consumer_id*/) {}
  virtual void OnConsumerProducerClose(const std::string& /*consumer_id*/) {}
  virtual void OnConsumerScore(const std::string& /*consumer_id*/, const ConsumerScore& /*score*/) {
  }
  /// nullopt: nothing is sent.
  virtual void OnConsumerLayers(const std::string& /*consumer_id*/,
                                const std::optional<ConsumerLayers>& /*layers*/) {}
  virtual void OnConsumerTrace(const std::string& /*consumer_id*/, const TraceReport& /*trace*/) {}

  /// Loudest first: producer id, level in dBov (−127…0).
  virtual void OnAudioLevelVolumes(const std::string& /*observer_id*/,
                                   const std::vector<std::pair<std::string, int8_t>>& /*volumes*/) {
  }
  virtual void OnAudioLevelSilence(const std::string& /*observer_id*/) {}
};

}  // namespace sluice::worker
