#include "worker/channel/router_channel.h"

#include <fmt/format.h>

#include <algorithm>

#include "proto/envelope_generated.h"
#include "worker/channel/router_data_codec.h"
#include "worker/channel/router_encode.h"
#include "worker/channel/router_methods.h"
#include "worker/media/direct_transport.h"
#include "worker/media/engine.h"

namespace sluice::worker {

namespace {

namespace rp = router_protocol;
using FBS::Notification::Event;
using NotificationBody = FBS::Notification::Body;

/// Nesting and table counts of honest messages are two orders below (deepest: rtpParameters of a
/// consume request).
constexpr flatbuffers::uoffset_t kMaxDepth = 64;
constexpr flatbuffers::uoffset_t kMaxTables = 100'000;
constexpr size_t kBuilderSize = 4096;  // bytes; grows when a dump needs more
/// Longest reason of an error, bytes: it may quote what the controller sent, which may be a frame
/// full.
constexpr size_t kMaxReason = 4096;
/// Bytes of one PRODUCER_SEND (docs/protocols/router-protocol.md §8).
constexpr size_t kMaxInjectedPacket = 65'536;

flatbuffers::Verifier MakeVerifier(std::span<const uint8_t> frame) {
  return flatbuffers::Verifier(frame.data(), frame.size(), kMaxDepth, kMaxTables);
}

}  // namespace

RouterChannel::RouterChannel(ChannelOutput& output, ProcessInfo& process)
    : output_(output),
      process_(process),
      builder_(kBuilderSize),
      reply_builder_(kBuilderSize),
      log_builder_(kBuilderSize) {}

RouterChannel::~RouterChannel() = default;

void RouterChannel::OnBytes(std::span<const uint8_t> bytes) {
  if (broken_) return;
  frames_.Append(bytes);
  // While the output is full, what is left waits for the next call, which may bring no bytes.
  while (const auto frame = frames_.Next()) {
    OnFrame(*frame);
    if (output_.full()) return;
  }
  if (!frames_.broken()) return;
  broken_ = true;
  SLUICE_ERROR("a frame announced more than {} bytes; closing the channel",
               FrameBuffer::kMaxFrame - FrameBuffer::kPrefix);
  process_.RequestClose();
}

void RouterChannel::NotifyRunning() {
  Notify(std::to_string(process_.pid()), Event::WORKER_RUNNING);
}

void RouterChannel::OnFrame(std::span<const uint8_t> frame) {
  flatbuffers::Verifier verifier = MakeVerifier(frame);
  if (!verifier.VerifySizePrefixedBuffer<FBS::Message::Message>(nullptr)) {
    RejectFrame(frame);
    return;
  }
  const auto* message = FBS::Message::GetSizePrefixedMessage(frame.data());
  if (const auto* request = message->data_as_Request()) {
    OnRequest(*request);
  } else if (const auto* notification = message->data_as_Notification()) {
    OnNotification(*notification);
  } else {
    ++rejected_frames_;
    SLUICE_ERROR("ignored a message of type {}; the worker takes requests and notifications",
                 static_cast<int>(message->data_type()));
  }
}

void RouterChannel::RejectFrame(std::span<const uint8_t> frame) {
  ++rejected_frames_;
  SLUICE_ERROR("dropped a frame of {} bytes that is not a well-formed message", frame.size());
  flatbuffers::Verifier verifier = MakeVerifier(frame);
  if (!verifier.VerifySizePrefixedBuffer<Sluice::Envelope::Message>(nullptr)) return;
  const auto* envelope = flatbuffers::GetSizePrefixedRoot<Sluice::Envelope::Message>(frame.data());
  if (envelope->data_type() != static_cast<uint8_t>(FBS::Message::Body::Request)) return;
  SendError(envelope->data()->id(), "Error", "the request is not well-formed");
}

void RouterChannel::OnRequest(const FBS::Request::Request& request) {
  reply_builder_.Clear();
  rp::MethodContext context{*engine_, process_, reply_builder_,
                            [this, id = request.id()] { SendDone(id); }};
  const Result<rp::Reply> reply = rp::RunMethod(request, context);
  engine_->DeliverEvents();  // before the response
  if (!reply.ok()) {
    SLUICE_ERROR("{} of '{}' failed: {}", FBS::Request::EnumNameMethod(request.method()),
                 request.handler_id()->string_view(), std::string(reply.status().message()));
    SendError(request.id(), ErrorClassName(reply.status()), std::string(reply.status().message()));
    return;
  }
  if (reply->later) return;
  const auto response =
      FBS::Response::CreateResponse(reply_builder_, request.id(), true, reply->type, reply->body);
  if (SendMessage(reply_builder_, FBS::Message::Body::Response, response.Union())) return;
  SendError(request.id(), "Error",
            fmt::format("the response is over the frame limit of {} bytes",
                        FrameBuffer::kMaxFrame - FrameBuffer::kPrefix));
}

void RouterChannel::OnNotification(const FBS::Notification::Notification& notification) {
  switch (notification.event()) {
    case Event::WORKER_CLOSE:
      process_.RequestClose();
      return;
    case Event::TRANSPORT_SEND_RTCP:
      if (const auto* body = notification.body_as_Transport_SendRtcpNotification()) {
        OnSendRtcp(notification.handler_id()->str(), *body->data());
        return;
      }
      break;
    case Event::PRODUCER_SEND:
      if (const auto* body = notification.body_as_Producer_SendNotification()) {
        OnProducerSend(notification.handler_id()->str(), *body->data());
        return;
      }
      break;
    case Event::DATAPRODUCER_SEND:
      if (const auto* body = notification.body_as_DataProducer_SendNotification()) {
        OnDataProducerSend(notification.handler_id()->str(), *body);
        return;
      }
      break;
    default:
      break;
  }
  SLUICE_ERROR("ignored notification {} for '{}': unknown event, missing body or not supported",
               static_cast<int>(notification.event()), notification.handler_id()->string_view());
}

void RouterChannel::OnSendRtcp(const std::string& transport_id,
                               const flatbuffers::Vector<uint8_t>& compound) {
  const Result<DirectTransport*> transport = engine_->Find<DirectTransport>(transport_id);
  if (!transport.ok()) {
    SLUICE_ERROR("ignored RTCP: {}", std::string(transport.status().message()));
    return;
  }
  (*transport)->ReceiveRtcp({compound.data(), compound.size()});
  engine_->DeliverEvents();
}

void RouterChannel::OnProducerSend(const std::string& producer_id,
                                   const flatbuffers::Vector<uint8_t>& packet) {
  if (packet.size() > kMaxInjectedPacket) {
    SLUICE_ERROR("ignored a packet of {} bytes for producer '{}'; the limit is {}", packet.size(),
                 producer_id, kMaxInjectedPacket);
    return;
  }
  const Status sent = engine_->ProducerSend(producer_id, {packet.data(), packet.size()});
  if (!sent.ok()) SLUICE_ERROR("ignored a packet: {}", std::string(sent.message()));
  engine_->DeliverEvents();
}

void RouterChannel::OnDataProducerSend(const std::string& data_producer_id,
                                       const FBS::DataProducer::SendNotification& body) {
  const Status sent = engine_->DataProducerSend(data_producer_id, rp::DecodeMessage(body));
  if (!sent.ok()) SLUICE_ERROR("ignored a message: {}", std::string(sent.message()));
  engine_->DeliverEvents();
}

void RouterChannel::SendDone(uint32_t id) {
  reply_builder_.Clear();
  const auto response = FBS::Response::CreateResponse(reply_builder_, id, true);
  SendMessage(reply_builder_, FBS::Message::Body::Response, response.Union());
}

void RouterChannel::SendError(uint32_t id, std::string_view error_class, std::string_view reason) {
  reason = reason.substr(0, kMaxReason);
  reply_builder_.Clear();
  const auto error = reply_builder_.CreateString(error_class.data(), error_class.size());
  const auto text = reply_builder_.CreateString(reason.data(), reason.size());
  const auto response = FBS::Response::CreateResponse(reply_builder_, id, false,
                                                      FBS::Response::Body::NONE, 0, error, text);
  SendMessage(reply_builder_, FBS::Message::Body::Response, response.Union());
}

void RouterChannel::Notify(const std::string& handler_id, Event event, NotificationBody type,
                           flatbuffers::Offset<void> body) {
  const auto id = builder_.CreateString(handler_id);
  const auto notification = FBS::Notification::CreateNotification(builder_, id, event, type, body);
  SendMessage(builder_, FBS::Message::Body::Notification, notification.Union());
}

bool RouterChannel::SendMessage(flatbuffers::FlatBufferBuilder& builder, FBS::Message::Body type,
                                flatbuffers::Offset<void> data) {
  builder.FinishSizePrefixed(FBS::Message::CreateMessage(builder, type, data));
  const bool fits = builder.GetSize() <= FrameBuffer::kMaxFrame;
  if (fits) {
    output_.Write({builder.GetBufferPointer(), builder.GetSize()});
  } else {
    SLUICE_ERROR("a message of {} bytes is over the frame limit and was not sent",
                 builder.GetSize());
  }
  builder.Clear();
  return fits;
}

void RouterChannel::WriteLog(LogLevel level, std::string_view line) {
  std::string text;
  text.reserve(line.size() + 1);
  text.push_back(level == LogLevel::kError ? 'E' : level == LogLevel::kWarn ? 'W' : 'D');
  text.append(line);
  log_builder_.Clear();
  const auto log = FBS::Log::CreateLog(log_builder_, log_builder_.CreateString(text));
  log_builder_.FinishSizePrefixed(
      FBS::Message::CreateMessage(log_builder_, FBS::Message::Body::Log, log.Union()));
  output_.Write({log_builder_.GetBufferPointer(), log_builder_.GetSize()});
}

void RouterChannel::OnIceSelectedTuple(const std::string& transport_id, const TupleReport& tuple) {
  const auto body = FBS::WebRtcTransport::CreateIceSelectedTupleChangeNotification(
      builder_, rp::Encode(builder_, tuple));
  Notify(transport_id, Event::WEBRTCTRANSPORT_ICE_SELECTED_TUPLE_CHANGE,
         NotificationBody::WebRtcTransport_IceSelectedTupleChangeNotification, body.Union());
}

void RouterChannel::OnIceState(const std::string& transport_id, IceState state) {
  const auto body = FBS::WebRtcTransport::CreateIceStateChangeNotification(
      builder_, static_cast<FBS::WebRtcTransport::IceState>(state));
  Notify(transport_id, Event::WEBRTCTRANSPORT_ICE_STATE_CHANGE,
         NotificationBody::WebRtcTransport_IceStateChangeNotification, body.Union());
}

void RouterChannel::OnDtlsState(const std::string& transport_id, DtlsState state,
                                const std::string& remote_certificate_pem) {
  flatbuffers::Offset<flatbuffers::String> certificate;
  if (!remote_certificate_pem.empty()) {
    certificate = builder_.CreateString(remote_certificate_pem);
  }
  const auto body = FBS::WebRtcTransport::CreateDtlsStateChangeNotification(
      builder_, static_cast<FBS::WebRtcTransport::DtlsState>(state), certificate);
  Notify(transport_id, Event::WEBRTCTRANSPORT_DTLS_STATE_CHANGE,
         NotificationBody::WebRtcTransport_DtlsStateChangeNotification, body.Union());
}

void RouterChannel::OnPlainTuple(const std::string& transport_id, const TupleReport& tuple) {
  const auto body =
      FBS::PlainTransport::CreateTupleNotification(builder_, rp::Encode(builder_, tuple));
  Notify(transport_id, Event::PLAINTRANSPORT_TUPLE,
         NotificationBody::PlainTransport_TupleNotification, body.Union());
}

void RouterChannel::OnPlainRtcpTuple(const std::string& transport_id, const TupleReport& tuple) {
  const auto body =
      FBS::PlainTransport::CreateRtcpTupleNotification(builder_, rp::Encode(builder_, tuple));
  Notify(transport_id, Event::PLAINTRANSPORT_RTCP_TUPLE,
         NotificationBody::PlainTransport_RtcpTupleNotification, body.Union());
}

void RouterChannel::OnPlainReceiver(const std::string& transport_id, bool listens) {
  const auto body = FBS::PlainTransport::CreateReceiverNotification(builder_, listens);
  Notify(transport_id, Event::PLAINTRANSPORT_RECEIVER,
         NotificationBody::PlainTransport_ReceiverNotification, body.Union());
}

void RouterChannel::OnTransportTrace(const std::string& transport_id,
                                     const TransportTraceReport& trace) {
  const auto body = rp::EncodeTransportTrace(builder_, trace);
  Notify(transport_id, Event::TRANSPORT_TRACE, NotificationBody::Transport_TraceNotification,
         body.Union());
}

void RouterChannel::OnProducerWantedLayers(const std::string& producer_id,
                                           const std::vector<WantedLayers>& wanted) {
  std::vector<flatbuffers::Offset<FBS::Producer::WantedEncoding>> encodings;
  for (const WantedLayers& each : wanted) {
    const auto layer = [&each](uint8_t value) {
      if (!each.any) return int16_t{-1};
      return value == WantedLayers::kAll ? int16_t{INT16_MAX} : int16_t{value};
    };
    encodings.push_back(
        FBS::Producer::CreateWantedEncoding(builder_, layer(each.spatial), layer(each.temporal)));
  }
  const auto body = FBS::Producer::CreateWantedLayersNotificationDirect(builder_, &encodings);
  Notify(producer_id, Event::PRODUCER_WANTED_LAYERS,
         NotificationBody::Producer_WantedLayersNotification, body.Union());
}

bool RouterChannel::HasRoomForMedia() {
  if (output_.backlog() <= kMaxWaitingMedia) return true;
  ++dropped_media_;
  return false;
}

void RouterChannel::OnDirectRtcp(const std::string& transport_id, const DirectPacket& packet) {
  if (!HasRoomForMedia()) return;
  const auto body = FBS::DirectTransport::CreateRtcpNotification(
      builder_, builder_.CreateVector(packet.buffer.data(), packet.size));
  Notify(transport_id, Event::DIRECTTRANSPORT_RTCP,
         NotificationBody::DirectTransport_RtcpNotification, body.Union());
}

void RouterChannel::OnProducerScore(const std::string& producer_id,
                                    const std::vector<ProducerScoreEntry>& scores) {
  const auto body = rp::Encode(builder_, scores);
  Notify(producer_id, Event::PRODUCER_SCORE, NotificationBody::Producer_ScoreNotification,
         body.Union());
}

void RouterChannel::OnProducerVideoOrientation(const std::string& producer_id,
                                               const VideoOrientation& orientation) {
  const auto body = FBS::Producer::CreateVideoOrientationChangeNotification(
      builder_, orientation.camera, orientation.flip, orientation.rotation);
  Notify(producer_id, Event::PRODUCER_VIDEO_ORIENTATION_CHANGE,
         NotificationBody::Producer_VideoOrientationChangeNotification, body.Union());
}

void RouterChannel::OnProducerTrace(const std::string& producer_id, const TraceReport& trace) {
  const auto body = rp::EncodeProducerTrace(builder_, trace);
  Notify(producer_id, Event::PRODUCER_TRACE, NotificationBody::Producer_TraceNotification,
         body.Union());
}

void RouterChannel::OnConsumerRtp(const std::string& consumer_id, const DirectPacket& packet) {
  if (!HasRoomForMedia()) return;
  const auto body = FBS::Consumer::CreateRtpNotification(
      builder_, builder_.CreateVector(packet.buffer.data(), packet.size));
  Notify(consumer_id, Event::CONSUMER_RTP, NotificationBody::Consumer_RtpNotification,
         body.Union());
}

void RouterChannel::OnConsumerProducerPause(const std::string& consumer_id) {
  Notify(consumer_id, Event::CONSUMER_PRODUCER_PAUSE);
}

void RouterChannel::OnConsumerProducerResume(const std::string& consumer_id) {
  Notify(consumer_id, Event::CONSUMER_PRODUCER_RESUME);
}

void RouterChannel::OnConsumerProducerClose(const std::string& consumer_id) {
  Notify(consumer_id, Event::CONSUMER_PRODUCER_CLOSE);
}

void RouterChannel::OnConsumerScore(const std::string& consumer_id, const ConsumerScore& score) {
  const auto body = FBS::Consumer::CreateScoreNotification(builder_, rp::Encode(builder_, score));
  Notify(consumer_id, Event::CONSUMER_SCORE, NotificationBody::Consumer_ScoreNotification,
         body.Union());
}

void RouterChannel::OnConsumerLayers(const std::string& consumer_id,
                                     const std::optional<ConsumerLayers>& layers) {
  const auto current =
      layers ? rp::Encode(builder_, *layers) : flatbuffers::Offset<FBS::Consumer::ConsumerLayers>();
  const auto body = FBS::Consumer::CreateLayersChangeNotification(builder_, current);
  Notify(consumer_id, Event::CONSUMER_LAYERS_CHANGE,
         NotificationBody::Consumer_LayersChangeNotification, body.Union());
}

void RouterChannel::OnConsumerTrace(const std::string& consumer_id, const TraceReport& trace) {
  const auto body = rp::EncodeConsumerTrace(builder_, trace);
  Notify(consumer_id, Event::CONSUMER_TRACE, NotificationBody::Consumer_TraceNotification,
         body.Union());
}

void RouterChannel::OnAudioLevelVolumes(
    const std::string& observer_id, const std::vector<std::pair<std::string, int8_t>>& volumes) {
  const auto body = rp::EncodeVolumes(builder_, volumes);
  Notify(observer_id, Event::AUDIOLEVELOBSERVER_VOLUMES,
         NotificationBody::AudioLevelObserver_VolumesNotification, body.Union());
}

void RouterChannel::OnAudioLevelSilence(const std::string& observer_id) {
  Notify(observer_id, Event::AUDIOLEVELOBSERVER_SILENCE);
}

void RouterChannel::OnSctpState(const std::string& transport_id, SctpState state) {
  const auto body = FBS::Transport::CreateSctpStateChangeNotification(
      builder_, static_cast<FBS::SctpAssociation::SctpState>(state));
  Notify(transport_id, Event::TRANSPORT_SCTP_STATE_CHANGE,
         NotificationBody::Transport_SctpStateChangeNotification, body.Union());
}

void RouterChannel::OnSctpNegotiated(const std::string& transport_id,
                                     const SctpStreamCounts& streams) {
  const auto body = FBS::Transport::CreateSctpNegotiatedCapabilitiesNotification(
      builder_, rp::Encode(builder_, streams));
  Notify(transport_id, Event::TRANSPORT_SCTP_NEGOTIATED_CAPABILITIES,
         NotificationBody::Transport_SctpNegotiatedCapabilitiesNotification, body.Union());
}

void RouterChannel::OnDataChannelOpen(const std::string& transport_id,
                                      const DataProducerDump& producer) {
  const auto body = rp::EncodeChannelOpen(builder_, producer);
  Notify(transport_id, Event::TRANSPORT_DATA_CHANNEL_OPEN,
         NotificationBody::Transport_DataChannelOpenNotification, body.Union());
}

void RouterChannel::OnDataChannelClose(const std::string& transport_id,
                                       const std::string& data_producer_id) {
  const auto body = FBS::Transport::CreateDataChannelCloseNotification(
      builder_, builder_.CreateString(data_producer_id));
  Notify(transport_id, Event::TRANSPORT_DATA_CHANNEL_CLOSE,
         NotificationBody::Transport_DataChannelCloseNotification, body.Union());
}

void RouterChannel::OnDataConsumerProducerPause(const std::string& data_consumer_id) {
  Notify(data_consumer_id, Event::DATACONSUMER_DATAPRODUCER_PAUSE);
}

void RouterChannel::OnDataConsumerProducerResume(const std::string& data_consumer_id) {
  Notify(data_consumer_id, Event::DATACONSUMER_DATAPRODUCER_RESUME);
}

void RouterChannel::OnDataConsumerProducerClose(const std::string& data_consumer_id) {
  Notify(data_consumer_id, Event::DATACONSUMER_DATAPRODUCER_CLOSE);
}

void RouterChannel::OnDataConsumerBufferedAmountLow(const std::string& data_consumer_id,
                                                    uint32_t bytes) {
  const auto body = FBS::DataConsumer::CreateBufferedAmountLowNotification(builder_, bytes);
  Notify(data_consumer_id, Event::DATACONSUMER_BUFFERED_AMOUNT_LOW,
         NotificationBody::DataConsumer_BufferedAmountLowNotification, body.Union());
}

void RouterChannel::OnDataConsumerSendBufferFull(const std::string& data_consumer_id) {
  Notify(data_consumer_id, Event::DATACONSUMER_SCTP_SENDBUFFER_FULL);
}

void RouterChannel::OnDataConsumerMessage(const std::string& data_consumer_id, uint32_t ppid,
                                          const SctpPayload& payload) {
  const auto data = builder_.CreateVector(*payload);
  const auto body = FBS::DataConsumer::CreateMessageNotification(builder_, ppid, data);
  Notify(data_consumer_id, Event::DATACONSUMER_MESSAGE,
         NotificationBody::DataConsumer_MessageNotification, body.Union());
}

size_t RouterChannel::RoomForData() const {
  return kMaxWaitingData - std::min(kMaxWaitingData, output_.backlog());
}

void RouterChannel::OnDominantSpeaker(const std::string& observer_id,
                                      const std::string& producer_id) {
  const auto body = FBS::ActiveSpeakerObserver::CreateDominantSpeakerNotification(
      builder_, builder_.CreateString(producer_id));
  Notify(observer_id, Event::ACTIVESPEAKEROBSERVER_DOMINANT_SPEAKER,
         NotificationBody::ActiveSpeakerObserver_DominantSpeakerNotification, body.Union());
}

}  // namespace sluice::worker
