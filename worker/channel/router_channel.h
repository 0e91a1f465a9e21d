#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "common/frame_buffer.h"
#include "common/log.h"
#include "proto/message_generated.h"
#include "worker/channel/channel_output.h"
#include "worker/channel/process_info.h"
#include "worker/media/engine_events.h"

namespace sluice::worker {

class Engine;

/// The router protocol on the pipe (docs/protocols/worker-pipe.md, router-protocol.md): FlatBuffers
/// frames ⇄ the engine's typed commands and events. Frames are handled one after the other; every
/// request gets exactly one response, in request order, after the notifications that it caused.
/// Closing something large takes several turns: it is answered when it is done, and others
/// meanwhile.
///
/// Owned by main; also the process's log sink while the pipe lives. A frame passes the verifier
/// before anything in it is read; one that fails is logged, counted, and answered when its id can
/// be made out.
class RouterChannel final : public EngineEvents, public LogSink {
 public:
  /// Media of direct transports is dropped while more waits for the controller, bytes: requests are
  /// still answered then (ChannelPipe::kPauseReading), and 2 s of 8 Mbit/s are late enough.
  static constexpr size_t kMaxWaitingMedia = size_t{2} << 20;
  /// Data messages, which applications count on, are refused only beyond that, bytes: no request
  /// is read any more by then (ChannelPipe::kPauseReading), so what the controller itself hands in
  /// always gets through, and half of ChannelPipe::kMaxBacklog is left for everything else.
  static constexpr size_t kMaxWaitingData = size_t{32} << 20;

  RouterChannel(ChannelOutput& output, ProcessInfo& process);
  ~RouterChannel() override;

  /// Must be called before the first OnBytes: the engine needs the channel as its EngineEvents
  /// first.
  void SetEngine(Engine* engine) { engine_ = engine; }

  /// Bytes from the controller.
  void OnBytes(std::span<const uint8_t> bytes);
  /// WORKER_RUNNING: start is complete.
  void NotifyRunning();

  uint64_t rejected_frames() const { return rejected_frames_; }
  /// Packets of direct transports for which the controller was too slow.
  uint64_t dropped_media() const { return dropped_media_; }

  // LogSink: one Log frame, first character the level (docs/protocols/worker-pipe.md §4).
  void WriteLog(LogLevel level, std::string_view line) override;

  // EngineEvents
  void OnIceSelectedTuple(const std::string& transport_id, const TupleReport& tuple) override;
  void OnIceState(const std::string& transport_id, IceState state) override;
  void OnDtlsState(const std::string& transport_id, DtlsState state,
                   const std::string& remote_certificate_pem) override;
  void OnPlainTuple(const std::string& transport_id, const TupleReport& tuple) override;
  void OnPlainRtcpTuple(const std::string& transport_id, const TupleReport& tuple) override;
  void OnTransportTrace(const std::string& transport_id,
                        const TransportTraceReport& trace) override;
  void OnProducerWantedLayers(const std::string& producer_id,
                              const std::vector<WantedLayers>& wanted) override;
  void OnPlainReceiver(const std::string& transport_id, bool listens) override;
  void OnDirectRtcp(const std::string& transport_id, const DirectPacket& packet) override;
  void OnProducerScore(const std::string& producer_id,
                       const std::vector<ProducerScoreEntry>& scores) override;
  void OnProducerVideoOrientation(const std::string& producer_id,
                                  const VideoOrientation& orientation) override;
  void OnProducerTrace(const std::string& producer_id, const TraceReport& trace) override;
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
  size_t RoomForData() const override;
  void OnDominantSpeaker(const std::string& observer_id, const std::string& producer_id) override;

 private:
  void OnFrame(std::span<const uint8_t> frame);
  void OnRequest(const FBS::Request::Request& request);
  void OnNotification(const FBS::Notification::Notification& notification);
  /// Whether media may be written now; counted when not.
  bool HasRoomForMedia();
  void OnSendRtcp(const std::string& transport_id, const flatbuffers::Vector<uint8_t>& compound);
  void OnProducerSend(const std::string& producer_id, const flatbuffers::Vector<uint8_t>& packet);
  void OnDataProducerSend(const std::string& data_producer_id,
                          const FBS::DataProducer::SendNotification& body);
  /// Answers a frame that failed the verifier when its id is readable.
  void RejectFrame(std::span<const uint8_t> frame);
  /// Accepts a request, without a body.
  void SendDone(uint32_t id);
  void SendError(uint32_t id, std::string_view error_class, std::string_view reason);
  /// Sends a notification; `body` has been built in builder_.
  void Notify(const std::string& handler_id, FBS::Notification::Event event,
              FBS::Notification::Body type = FBS::Notification::Body::NONE,
              flatbuffers::Offset<void> body = 0);
  /// False, and nothing sent, when it is over the frame limit.
  bool SendMessage(flatbuffers::FlatBufferBuilder& builder, FBS::Message::Body type,
                   flatbuffers::Offset<void> data);

  ChannelOutput& output_;
  ProcessInfo& process_;
  Engine* engine_ = nullptr;
  FrameBuffer frames_;
  flatbuffers::FlatBufferBuilder builder_;        // of notifications
  flatbuffers::FlatBufferBuilder reply_builder_;  // events come while a reply waits to be sent
  flatbuffers::FlatBufferBuilder log_builder_;    // a log line may come while builder_ is in use
  uint64_t rejected_frames_ = 0;
  uint64_t dropped_media_ = 0;
  bool broken_ = false;  // the stream cannot be read any more
};

}  // namespace sluice::worker
