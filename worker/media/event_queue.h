#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "worker/media/engine_events.h"
#include "worker/media/event_pacer.h"

namespace sluice::worker {

/// Holds what the object graph reports until no call into the graph is on the stack any more. So
/// whoever hears an event may close any object of the graph, and the graph may report at any point
/// of its work.
///
/// Owned by the engine, which is told when to deliver: after a command, before its response, and at
/// the end of a turn. Between two deliveries it grows by a few events for each packet that was read
/// at most, and what a turn reads is bounded. What a client can cause at any rate is paced for each
/// object (EventPacer).
class EventQueue final : public EngineEvents {
 public:
  EventQueue(EngineEvents& listener, Environment& environment);

  /// Reports that were left out because newer ones followed.
  uint64_t merged() const { return pacer_.merged(); }

  /// Delivers in order all that was reported, and what is reported meanwhile. Called from inside an
  /// event it does nothing: the outer call goes on.
  void Deliver();

  // EngineEvents
  void OnIceSelectedTuple(const std::string& transport_id, const TupleReport& tuple) override;
  void OnIceState(const std::string& transport_id, IceState state) override;
  void OnDtlsState(const std::string& transport_id, DtlsState state,
                   const std::string& remote_certificate_pem) override;
  void OnPlainTuple(const std::string& transport_id, const TupleReport& tuple) override;
  void OnPlainRtcpTuple(const std::string& transport_id, const TupleReport& tuple) override;
  void OnPlainReceiver(const std::string& transport_id, bool listens) override;
  void OnDirectRtcp(const std::string& transport_id, const DirectPacket& packet) override;
  void OnProducerScore(const std::string& producer_id,
                       const std::vector<ProducerScoreEntry>& scores) override;
  void OnProducerVideoOrientation(const std::string& producer_id,
                                  const VideoOrientation& orientation) override;
  void OnTransportTrace(const std::string& transport_id,
                        const TransportTraceReport& trace) override;
  void OnProducerWantedLayers(const std::string& producer_id,
                              const std::vector<WantedLayers>& wanted) override;
  void OnProducerTrace(const std::string& producer_id, const TraceReport& trace) override;
  void OnProducerPacket(const std::string& producer_id, const ReceivedPacket& packet) override;
  void OnConsumerRtp(const std::string& consumer_id, const DirectPacket& packet) override;
  void OnConsumerProducerPause(const std::string& consumer_id) override;
  void OnConsumerProducerResume(const std::string& consumer_id) override;
  void OnConsumerProducerClose(const std::string& consumer_id) override;
  void OnConsumerScore(const std::string& consumer_id, const ConsumerScore& score) override;
  void OnConsumerLayers(const std::string& consumer_id,
                        const std::optional<ConsumerLayers>& layers) override;
  void OnConsumerTrace(const std::string& consumer_id, const TraceReport& trace) override;
  void OnAudioLevelVolumes(const std::string& observer_id,
                           const std::vector<std::pair<std::string, int8_t>>& volumes) override;
  void OnAudioLevelSilence(const std::string& observer_id) override;
  void OnSctpState(const std::string& transport_id, SctpState state) override;
  void OnSctpNegotiated(const std::string& transport_id, const SctpStreamCounts& streams) override;
  void OnDataChannelOpen(const std::string& transport_id,
                         const DataProducerDump& producer) override;
  void OnDataChannelClose(const std::string& transport_id,
                          const std::string& data_producer_id) override;
  void OnDataConsumerProducerPause(const std::string& data_consumer_id) override;
  void OnDataConsumerProducerResume(const std::string& data_consumer_id) override;
  void OnDataConsumerProducerClose(const std::string& data_consumer_id) override;
  void OnDataConsumerBufferedAmountLow(const std::string& data_consumer_id,
                                       uint32_t bytes) override;
  void OnDataConsumerSendBufferFull(const std::string& data_consumer_id) override;
  void OnDataConsumerMessage(const std::string& data_consumer_id, uint32_t ppid,
                             const SctpPayload& payload) override;
  /// What the listener takes besides the messages that wait here.
  size_t RoomForData() const override;
  void OnDominantSpeaker(const std::string& observer_id, const std::string& producer_id) override;

 private:
  /// Bytes that a message is counted with beyond its payload: ids and framing.
  static constexpr size_t kMessageOverhead = 256;

  using Event = EventPacer::Event;
  using Kind = EventPacer::Kind;
  void AddPaced(Kind kind, const std::string& id, Event event);
  void Add(Event event) { events_.push_back(std::move(event)); }

  EngineEvents& listener_;
  std::deque<Event> events_;
  bool delivering_ = false;
  size_t waiting_data_ = 0;  ///< bytes of data messages in events_, with kMessageOverhead each
  EventPacer pacer_;
};

}  // namespace sluice::worker
