#include "worker/media/event_queue.h"

#include <algorithm>

namespace sluice::worker {

EventQueue::EventQueue(EngineEvents& listener, Environment& environment)
    : listener_(listener), pacer_(environment, [this](Event event) { Add(std::move(event)); }) {}

void EventQueue::AddPaced(Kind kind, const std::string& id, Event event) {
  std::optional<Event> now = pacer_.Pass(kind, id, std::move(event));
  if (now) Add(*std::move(now));
}

void EventQueue::Deliver() {
  if (std::exchange(delivering_, true)) return;
  while (!events_.empty()) {
    const Event event = std::move(events_.front());
    events_.pop_front();
    event(listener_);
  }
  delivering_ = false;
}

void EventQueue::OnIceSelectedTuple(const std::string& id, const TupleReport& tuple) {
  AddPaced(Kind::kIceTuple, id,
           [id, tuple](EngineEvents& to) { to.OnIceSelectedTuple(id, tuple); });
}
void EventQueue::OnIceState(const std::string& id, IceState state) {
  AddPaced(Kind::kIceState, id, [id, state](EngineEvents& to) { to.OnIceState(id, state); });
}
void EventQueue::OnDtlsState(const std::string& id, DtlsState state, const std::string& pem) {
  Add([id, state, pem](EngineEvents& to) { to.OnDtlsState(id, state, pem); });
}
void EventQueue::OnPlainTuple(const std::string& id, const TupleReport& tuple) {
  AddPaced(Kind::kPlainTuple, id, [id, tuple](EngineEvents& to) { to.OnPlainTuple(id, tuple); });
}
void EventQueue::OnPlainRtcpTuple(const std::string& id, const TupleReport& tuple) {
  AddPaced(Kind::kPlainRtcpTuple, id,
           [id, tuple](EngineEvents& to) { to.OnPlainRtcpTuple(id, tuple); });
}
void EventQueue::OnPlainReceiver(const std::string& id, bool listens) {
  AddPaced(Kind::kPlainReceiver, id,
           [id, listens](EngineEvents& to) { to.OnPlainReceiver(id, listens); });
}
void EventQueue::OnDirectRtcp(const std::string& id, const DirectPacket& packet) {
  Add([id, packet](EngineEvents& to) { to.OnDirectRtcp(id, packet); });
}
void EventQueue::OnProducerScore(const std::string& id,
                                 const std::vector<ProducerScoreEntry>& scores) {
  AddPaced(Kind::kProducerScore, id,
           [id, scores](EngineEvents& to) { to.OnProducerScore(id, scores); });
}
void EventQueue::OnProducerVideoOrientation(const std::string& id,
                                            const VideoOrientation& orientation) {
  AddPaced(Kind::kVideoOrientation, id,
           [id, orientation](EngineEvents& to) { to.OnProducerVideoOrientation(id, orientation); });
}
void EventQueue::OnTransportTrace(const std::string& id, const TransportTraceReport& trace) {
  Add([id, trace](EngineEvents& to) { to.OnTransportTrace(id, trace); });
}
void EventQueue::OnProducerWantedLayers(const std::string& id,
                                        const std::vector<WantedLayers>& wanted) {
  Add([id, wanted](EngineEvents& to) { to.OnProducerWantedLayers(id, wanted); });
}
void EventQueue::OnProducerTrace(const std::string& id, const TraceReport& trace) {
  Add([id, trace](EngineEvents& to) { to.OnProducerTrace(id, trace); });
}
void EventQueue::OnProducerPacket(const std::string& id, const ReceivedPacket& packet) {
  Add([id, packet](EngineEvents& to) { to.OnProducerPacket(id, packet); });
}
void EventQueue::OnConsumerRtp(const std::string& id, const DirectPacket& packet) {
  Add([id, packet](EngineEvents& to) { to.OnConsumerRtp(id, packet); });
}
void EventQueue::OnConsumerProducerPause(const std::string& id) {
  Add([id](EngineEvents& to) { to.OnConsumerProducerPause(id); });
}
void EventQueue::OnConsumerProducerResume(const std::string& id) {
  Add([id](EngineEvents& to) { to.OnConsumerProducerResume(id); });
}
void EventQueue::OnConsumerProducerClose(const std::string& id) {
  Add([id](EngineEvents& to) { to.OnConsumerProducerClose(id); });
}
void EventQueue::OnConsumerScore(const std::string& id, const ConsumerScore& score) {
  AddPaced(Kind::kConsumerScore, id,
           [id, score](EngineEvents& to) { to.OnConsumerScore(id, score); });
}
void EventQueue::OnConsumerLayers(const std::string& id,
                                  const std::optional<ConsumerLayers>& layers) {
  AddPaced(Kind::kConsumerLayers, id,
           [id, layers](EngineEvents& to) { to.OnConsumerLayers(id, layers); });
}
void EventQueue::OnConsumerTrace(const std::string& id, const TraceReport& trace) {
  Add([id, trace](EngineEvents& to) { to.OnConsumerTrace(id, trace); });
}
void EventQueue::OnAudioLevelVolumes(const std::string& id,
                                     const std::vector<std::pair<std::string, int8_t>>& volumes) {
  Add([id, volumes](EngineEvents& to) { to.OnAudioLevelVolumes(id, volumes); });
}
void EventQueue::OnAudioLevelSilence(const std::string& id) {
  Add([id](EngineEvents& to) { to.OnAudioLevelSilence(id); });
}
void EventQueue::OnDominantSpeaker(const std::string& id, const std::string& producer_id) {
  Add([id, producer_id](EngineEvents& to) { to.OnDominantSpeaker(id, producer_id); });
}

void EventQueue::OnSctpState(const std::string& id, SctpState state) {
  AddPaced(Kind::kSctpState, id, [id, state](EngineEvents& to) { to.OnSctpState(id, state); });
}
void EventQueue::OnSctpNegotiated(const std::string& id, const SctpStreamCounts& streams) {
  Add([id, streams](EngineEvents& to) { to.OnSctpNegotiated(id, streams); });
}
void EventQueue::OnDataChannelOpen(const std::string& id, const DataProducerDump& producer) {
  Add([id, producer](EngineEvents& to) { to.OnDataChannelOpen(id, producer); });
}
void EventQueue::OnDataChannelClose(const std::string& id, const std::string& data_producer_id) {
  Add([id, data_producer_id](EngineEvents& to) { to.OnDataChannelClose(id, data_producer_id); });
}
void EventQueue::OnDataConsumerProducerPause(const std::string& id) {
  Add([id](EngineEvents& to) { to.OnDataConsumerProducerPause(id); });
}
void EventQueue::OnDataConsumerProducerResume(const std::string& id) {
  Add([id](EngineEvents& to) { to.OnDataConsumerProducerResume(id); });
}
void EventQueue::OnDataConsumerProducerClose(const std::string& id) {
  Add([id](EngineEvents& to) { to.OnDataConsumerProducerClose(id); });
}
void EventQueue::OnDataConsumerBufferedAmountLow(const std::string& id, uint32_t bytes) {
  AddPaced(Kind::kSendBuffer, id,
           [id, bytes](EngineEvents& to) { to.OnDataConsumerBufferedAmountLow(id, bytes); });
}
void EventQueue::OnDataConsumerSendBufferFull(const std::string& id) {
  AddPaced(Kind::kSendBuffer, id, [id](EngineEvents& to) { to.OnDataConsumerSendBufferFull(id); });
}
void EventQueue::OnDataConsumerMessage(const std::string& id, uint32_t ppid,
                                       const SctpPayload& payload) {
  const size_t bytes = payload->size() + kMessageOverhead;
  waiting_data_ += bytes;
  Add([this, id, ppid, payload, bytes](EngineEvents& to) {
    waiting_data_ -= bytes;
    to.OnDataConsumerMessage(id, ppid, payload);
  });
}
size_t EventQueue::RoomForData() const {
  const size_t room = listener_.RoomForData();
  return room - std::min(room, waiting_data_);
}

}  // namespace sluice::worker
