#include "tests/unit/controller/fake_worker.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <utility>

namespace sluice::controller::test {

using FBS::Request::Method;
using flatbuffers::FlatBufferBuilder;
using flatbuffers::Offset;

namespace {

constexpr uint16_t kRtpPort = 40'000;

Offset<FBS::Transport::Dump> MakeBase(FlatBufferBuilder& builder, const char* id,
                                      const FBS::Transport::Options& options) {
  namespace fbs = FBS::Transport;
  const std::vector<Offset<flatbuffers::String>> none;
  const std::vector<Offset<FBS::Common::Uint32String>> no_ssrcs;
  const std::vector<Offset<FBS::Common::StringString>> no_strings;
  const std::vector<fbs::TraceEventType> no_events;
  const auto listener = fbs::CreateRtpListenerDirect(builder, &no_ssrcs, &no_strings, &no_strings);
  const auto extensions = fbs::CreateRecvRtpHeaderExtensions(builder);
  Offset<FBS::SctpParameters::SctpParameters> sctp;
  if (options.enable_sctp()) {
    sctp = FBS::SctpParameters::CreateSctpParameters(builder, 5000, options.max_send_message_size(),
                                                     options.max_receive_message_size());
  }
  return fbs::CreateDumpDirect(builder, id, false, &none, &none, &no_ssrcs, &no_ssrcs, &none, &none,
                               extensions, listener, 0, 0, sctp, {}, {}, {}, &no_events);
}

Offset<void> MakeWebRtc(FlatBufferBuilder& builder, const char* id,
                        const FBS::Transport::Options& options) {
  namespace fbs = FBS::WebRtcTransport;
  const auto base = MakeBase(builder, id, options);
  const auto ice =
      fbs::CreateIceParametersDirect(builder, "ufrag", "passwordpasswordpassword", true);
  const std::vector<Offset<fbs::IceCandidate>> candidates = {fbs::CreateIceCandidateDirect(
      builder, "udpcandidate", 1'076'302'079, "127.0.0.1", FBS::Transport::Protocol::UDP, 44'444)};
  const std::vector<Offset<fbs::Fingerprint>> fingerprints = {fbs::CreateFingerprintDirect(
      builder, fbs::FingerprintAlgorithm::SHA256,
      "AB:CD:EF:01:23:45:67:89:AB:CD:EF:01:23:45:67:89:AB:CD:EF:01:23:45:67:89:AB:CD:EF:01:23:"
      "45:67:89")};
  const auto dtls = fbs::CreateDtlsParametersDirect(builder, &fingerprints, fbs::DtlsRole::AUTO);
  return fbs::CreateDumpResponse(builder, base, fbs::IceRole::CONTROLLED, ice,
                                 builder.CreateVector(candidates), fbs::IceState::NEW, {}, dtls,
                                 fbs::DtlsState::NEW)
      .Union();
}

Offset<void> MakePlain(FlatBufferBuilder& builder, const char* id, bool rtcp_mux,
                       const FBS::Transport::Options& options) {
  const auto base = MakeBase(builder, id, options);
  const auto tuple = FBS::Transport::CreateTupleDirect(builder, "127.0.0.1", kRtpPort);
  Offset<FBS::Transport::Tuple> rtcp;
  if (!rtcp_mux) {
    rtcp = FBS::Transport::CreateTupleDirect(builder, "127.0.0.1", kRtpPort + 1);
  }
  return FBS::PlainTransport::CreateDumpResponse(builder, base, rtcp_mux, true, tuple, rtcp)
      .Union();
}

Offset<void> MakePlainStats(FlatBufferBuilder& builder, const char* id, uint64_t rtp_bytes,
                            uint64_t other_bytes) {
  const auto name = builder.CreateString(id);
  FBS::Transport::StatsBuilder stats(builder);
  stats.add_transport_id(name);
  stats.add_bytes_received(rtp_bytes + other_bytes);
  stats.add_rtp_bytes_received(rtp_bytes);
  const auto base = stats.Finish();
  const auto tuple = FBS::Transport::CreateTupleDirect(builder, "127.0.0.1", kRtpPort);
  return FBS::PlainTransport::CreateGetStatsResponse(builder, base, false, true, tuple).Union();
}

Offset<FBS::Consumer::ConsumerScore> MakeScore(FlatBufferBuilder& builder) {
  const std::vector<uint8_t> scores = {10};
  return FBS::Consumer::CreateConsumerScoreDirect(builder, 10, 10, &scores);
}

class FakeHandle : public WorkerHandle {
 public:
  explicit FakeHandle(std::shared_ptr<FakeWorker> worker) : worker_(std::move(worker)) {}
  void Kill() override { worker_->Die(); }
  void Terminate() override { worker_->Die(); }
  Task<std::string> WaitForExit() override { co_return "signal 9 (Killed)"; }

 private:
  std::shared_ptr<FakeWorker> worker_;
};

/// A counter, one with a label, a gauge and a histogram.
Offset<void> MakeCounters(FlatBufferBuilder& builder) {
  using FBS::Worker::MetricType;
  const auto metric = [&](const char* name, const char* value, MetricType type, uint64_t count) {
    const bool labelled = *value != '\0';
    return FBS::Worker::CreateMetricDirect(builder, name, labelled ? "reason" : nullptr,
                                           labelled ? value : nullptr, type, "Counted.", count);
  };
  const std::vector<Offset<FBS::Worker::Metric>> metrics = {
      metric("rtp_packets_sent_total", "", MetricType::COUNTER, 7),
      metric("refused_total", "full", MetricType::COUNTER, 8),
      metric("refused_total", "late", MetricType::COUNTER, 9),
      metric("backlog_bytes", "", MetricType::GAUGE, 10)};
  const std::vector<double> bounds = {0.001, 0.1};
  const std::vector<uint64_t> counts = {3, 2, 1};
  const std::vector<Offset<FBS::Worker::Histogram>> histograms = {
      FBS::Worker::CreateHistogramDirect(builder, "delay_seconds", "Delay.", &bounds, &counts,
                                         0.25)};
  return FBS::Worker::CreateGetCountersResponseDirect(builder, &metrics, &histograms).Union();
}

}  // namespace

FakeWorker::FakeWorker(const asio::any_io_executor& executor, int read_fd, int write_fd)
    : read_(executor, read_fd), write_(executor, write_fd), chunk_(64 * 1024) {}

void FakeWorker::Start(const std::string& ready_id) {
  if (!ready_id.empty()) Notify(ready_id, FBS::Notification::Event::WORKER_RUNNING);
  ReadSome();
}

void FakeWorker::Die() {
  boost::system::error_code ignored;
  read_.close(ignored);
  write_.close(ignored);
}

void FakeWorker::ReadSome() {
  read_.async_read_some(
      asio::buffer(chunk_),
      [self = shared_from_this()](const boost::system::error_code& error, size_t size) {
        if (error) {
          self->Die();
          return;
        }
        self->frames_.Append(std::span(self->chunk_.data(), size));
        while (auto frame = self->frames_.Next()) self->OnFrame(*frame);
        if (self->read_.is_open()) self->ReadSome();
      });
}

void FakeWorker::SendRaw(const std::vector<uint8_t>& bytes) {
  outgoing_.insert(outgoing_.end(), bytes.begin(), bytes.end());
  if (std::exchange(writing_, true)) return;
  // What is sent until the loop turns goes in one write, and comes in one read.
  asio::post(write_.get_executor(), [self = shared_from_this()] { self->WriteNext(); });
}

void FakeWorker::WriteNext() {
  writing_ = !outgoing_.empty() && write_.is_open();
  if (!writing_) return;
  sending_ = std::exchange(outgoing_, {});
  asio::async_write(write_, asio::buffer(sending_),
                    [self = shared_from_this()](const boost::system::error_code& error, size_t) {
                      if (!error) self->WriteNext();
                    });
}

void FakeWorker::SendMessage(FlatBufferBuilder& builder, FBS::Message::Body type,
                             Offset<void> body) {
  builder.FinishSizePrefixed(FBS::Message::CreateMessage(builder, type, body));
  SendRaw({builder.GetBufferPointer(), builder.GetBufferPointer() + builder.GetSize()});
}

void FakeWorker::Notify(const std::string& handler_id, FBS::Notification::Event event) {
  FlatBufferBuilder builder;
  const auto body = FBS::Notification::CreateNotificationDirect(builder, handler_id.c_str(), event);
  SendMessage(builder, FBS::Message::Body::Notification, body.Union());
}

void FakeWorker::NotifyVolume(const std::string& observer, const std::string& producer_id,
                              int8_t volume) {
  FlatBufferBuilder builder;
  const std::vector<Offset<FBS::AudioLevelObserver::Volume>> volumes = {
      FBS::AudioLevelObserver::CreateVolumeDirect(builder, producer_id.c_str(), volume)};
  const auto list = FBS::AudioLevelObserver::CreateVolumesNotificationDirect(builder, &volumes);
  const auto body = FBS::Notification::CreateNotificationDirect(
      builder, observer.c_str(), FBS::Notification::Event::AUDIOLEVELOBSERVER_VOLUMES,
      FBS::Notification::Body::AudioLevelObserver_VolumesNotification, list.Union());
  SendMessage(builder, FBS::Message::Body::Notification, body.Union());
}

void FakeWorker::NotifyIceState(const std::string& transport_id,
                                FBS::WebRtcTransport::IceState state) {
  FlatBufferBuilder builder;
  const auto change = FBS::WebRtcTransport::CreateIceStateChangeNotification(builder, state);
  const auto body = FBS::Notification::CreateNotificationDirect(
      builder, transport_id.c_str(), FBS::Notification::Event::WEBRTCTRANSPORT_ICE_STATE_CHANGE,
      FBS::Notification::Body::WebRtcTransport_IceStateChangeNotification, change.Union());
  SendMessage(builder, FBS::Message::Body::Notification, body.Union());
}

void FakeWorker::NotifyDtlsState(const std::string& transport_id,
                                 FBS::WebRtcTransport::DtlsState state) {
  FlatBufferBuilder builder;
  const auto change = FBS::WebRtcTransport::CreateDtlsStateChangeNotification(builder, state);
  const auto body = FBS::Notification::CreateNotificationDirect(
      builder, transport_id.c_str(), FBS::Notification::Event::WEBRTCTRANSPORT_DTLS_STATE_CHANGE,
      FBS::Notification::Body::WebRtcTransport_DtlsStateChangeNotification, change.Union());
  SendMessage(builder, FBS::Message::Body::Notification, body.Union());
}

void FakeWorker::NotifyTuple(const std::string& transport_id, const std::string& ip,
                             uint16_t port) {
  FlatBufferBuilder builder;
  const auto tuple =
      FBS::Transport::CreateTupleDirect(builder, "127.0.0.1", kRtpPort, ip.c_str(), port);
  const auto learned = FBS::PlainTransport::CreateTupleNotification(builder, tuple);
  const auto body = FBS::Notification::CreateNotificationDirect(
      builder, transport_id.c_str(), FBS::Notification::Event::PLAINTRANSPORT_TUPLE,
      FBS::Notification::Body::PlainTransport_TupleNotification, learned.Union());
  SendMessage(builder, FBS::Message::Body::Notification, body.Union());
}

void FakeWorker::NotifyChannel(const std::string& transport_id, const std::string& data_producer_id,
                               uint16_t stream, const std::string& label) {
  FlatBufferBuilder builder;
  const auto parameters =
      FBS::SctpParameters::CreateSctpStreamParameters(builder, stream, /*ordered=*/true);
  const auto opened = FBS::Transport::CreateDataChannelOpenNotificationDirect(
      builder, data_producer_id.c_str(), parameters, label.c_str(), "");
  const auto body = FBS::Notification::CreateNotificationDirect(
      builder, transport_id.c_str(), FBS::Notification::Event::TRANSPORT_DATA_CHANNEL_OPEN,
      FBS::Notification::Body::Transport_DataChannelOpenNotification, opened.Union());
  SendMessage(builder, FBS::Message::Body::Notification, body.Union());
}

void FakeWorker::NotifyChannelClosed(const std::string& transport_id,
                                     const std::string& data_producer_id) {
  FlatBufferBuilder builder;
  const auto closed =
      FBS::Transport::CreateDataChannelCloseNotificationDirect(builder, data_producer_id.c_str());
  const auto body = FBS::Notification::CreateNotificationDirect(
      builder, transport_id.c_str(), FBS::Notification::Event::TRANSPORT_DATA_CHANNEL_CLOSE,
      FBS::Notification::Body::Transport_DataChannelCloseNotification, closed.Union());
  SendMessage(builder, FBS::Message::Body::Notification, body.Union());
}

void FakeWorker::NotifyWanted(const std::string& producer_id) {
  FlatBufferBuilder builder;
  constexpr int16_t kWhole = 32767;
  const std::vector<Offset<FBS::Producer::WantedEncoding>> encodings = {
      FBS::Producer::CreateWantedEncoding(builder, kWhole, kWhole),
      FBS::Producer::CreateWantedEncoding(builder, -1, -1),
      FBS::Producer::CreateWantedEncoding(builder, 1, kWhole)};
  const auto change = FBS::Producer::CreateWantedLayersNotificationDirect(builder, &encodings);
  const auto body = FBS::Notification::CreateNotificationDirect(
      builder, producer_id.c_str(), FBS::Notification::Event::PRODUCER_WANTED_LAYERS,
      FBS::Notification::Body::Producer_WantedLayersNotification, change.Union());
  SendMessage(builder, FBS::Message::Body::Notification, body.Union());
}

void FakeWorker::NotifyScore(const std::string& consumer_id, uint8_t score) {
  FlatBufferBuilder builder;
  const std::vector<uint8_t> scores = {score};
  const auto encoded = FBS::Consumer::CreateConsumerScoreDirect(builder, score, score, &scores);
  const auto change = FBS::Consumer::CreateScoreNotification(builder, encoded);
  const auto body = FBS::Notification::CreateNotificationDirect(
      builder, consumer_id.c_str(), FBS::Notification::Event::CONSUMER_SCORE,
      FBS::Notification::Body::Consumer_ScoreNotification, change.Union());
  SendMessage(builder, FBS::Message::Body::Notification, body.Union());
}

void FakeWorker::NotifyLayers(const std::string& consumer_id,
                              const std::optional<std::pair<uint8_t, uint8_t>>& layers) {
  FlatBufferBuilder builder;
  Offset<FBS::Consumer::ConsumerLayers> encoded;
  if (layers) {
    encoded = FBS::Consumer::CreateConsumerLayers(builder, layers->first, layers->second);
  }
  const auto change = FBS::Consumer::CreateLayersChangeNotification(builder, encoded);
  const auto body = FBS::Notification::CreateNotificationDirect(
      builder, consumer_id.c_str(), FBS::Notification::Event::CONSUMER_LAYERS_CHANGE,
      FBS::Notification::Body::Consumer_LayersChangeNotification, change.Union());
  SendMessage(builder, FBS::Message::Body::Notification, body.Union());
}

void FakeWorker::NotifyProducerScore(const std::string& producer_id, uint8_t score) {
  FlatBufferBuilder builder;
  constexpr uint32_t kSsrc = 1111;
  const std::vector<Offset<FBS::Producer::Score>> scores = {
      FBS::Producer::CreateScoreDirect(builder, /*encoding_idx=*/0, kSsrc, "r0", score)};
  const auto change = FBS::Producer::CreateScoreNotificationDirect(builder, &scores);
  const auto body = FBS::Notification::CreateNotificationDirect(
      builder, producer_id.c_str(), FBS::Notification::Event::PRODUCER_SCORE,
      FBS::Notification::Body::Producer_ScoreNotification, change.Union());
  SendMessage(builder, FBS::Message::Body::Notification, body.Union());
}

void FakeWorker::NotifyReceiver(const std::string& transport_id, bool listens) {
  FlatBufferBuilder builder;
  const auto change = FBS::PlainTransport::CreateReceiverNotification(builder, listens);
  const auto body = FBS::Notification::CreateNotificationDirect(
      builder, transport_id.c_str(), FBS::Notification::Event::PLAINTRANSPORT_RECEIVER,
      FBS::Notification::Body::PlainTransport_ReceiverNotification, change.Union());
  SendMessage(builder, FBS::Message::Body::Notification, body.Union());
}

void FakeWorker::NotifyMessage(const std::string& data_consumer_id, uint32_t ppid,
                               const std::string& text) {
  FlatBufferBuilder builder;
  const std::vector<uint8_t> bytes(text.begin(), text.end());
  const auto message = FBS::DataConsumer::CreateMessageNotificationDirect(builder, ppid, &bytes);
  const auto body = FBS::Notification::CreateNotificationDirect(
      builder, data_consumer_id.c_str(), FBS::Notification::Event::DATACONSUMER_MESSAGE,
      FBS::Notification::Body::DataConsumer_MessageNotification, message.Union());
  SendMessage(builder, FBS::Message::Body::Notification, body.Union());
}

void FakeWorker::CloseDataConsumersOf(const std::string& transport_id) {
  const auto [first, last] = data_producers_.equal_range(transport_id);
  for (auto it = first; it != last; ++it) {
    for (const DataConsumed& consumer : data_consumers) {
      if (consumer.producer_id != it->second) continue;
      Notify(consumer.id, FBS::Notification::Event::DATACONSUMER_DATAPRODUCER_CLOSE);
    }
  }
  data_producers_.erase(first, last);
}

size_t FakeWorker::Count(Method method) const {
  return static_cast<size_t>(
      std::count_if(received.begin(), received.end(),
                    [&](const Received& request) { return request.method == method; }));
}

void FakeWorker::CloseConsumersOf(const std::string& producer_id) {
  const auto [first, last] = consumers_.equal_range(producer_id);
  for (auto it = first; it != last; ++it) {
    Notify(it->second, FBS::Notification::Event::CONSUMER_PRODUCER_CLOSE);
  }
  consumers_.erase(first, last);
}

void FakeWorker::OnFrame(std::span<const uint8_t> frame) {
  flatbuffers::Verifier verifier(frame.data(), frame.size());
  if (!verifier.VerifySizePrefixedBuffer<FBS::Message::Message>(nullptr)) return;
  const auto* message = flatbuffers::GetSizePrefixedRoot<FBS::Message::Message>(frame.data());
  if (const auto* notification = message->data_as_Notification()) {
    if (notification->event() == FBS::Notification::Event::WORKER_CLOSE) Die();
    if (const auto* sent = notification->body_as_DataProducer_SendNotification()) {
      data_sent.emplace_back(sent->data()->begin(), sent->data()->end());
    }
    return;
  }
  const auto* request = message->data_as_Request();
  if (!request) return;
  received.push_back({request->method(), request->handler_id()->str()});
  const bool held = hold || delay.contains(request->method());
  if (held) held_.emplace_back(frame.begin(), frame.end());
  if (held || mute || ignore.contains(request->method())) return;
  if (before_answer) before_answer(*request);
  Answer(*request);
  if (after_answer) after_answer(*request);
}

void FakeWorker::Release() {
  hold = false;
  delay.clear();
  for (const std::vector<uint8_t>& frame : std::exchange(held_, {})) {
    const auto* message = flatbuffers::GetSizePrefixedRoot<FBS::Message::Message>(frame.data());
    Answer(*message->data_as_Request());
  }
}

void FakeWorker::Answer(const FBS::Request::Request& request) {
  FlatBufferBuilder builder;
  if (refuse.contains(request.method())) {
    const auto body = FBS::Response::CreateResponseDirect(builder, request.id(), false, {}, {},
                                                          "TypeError", "refused by the test");
    SendMessage(builder, FBS::Message::Body::Response, body.Union());
    return;
  }
  if (const auto failing = fail_once.find(request.method()); failing != fail_once.end()) {
    fail_once.erase(failing);
    const auto body = FBS::Response::CreateResponseDirect(builder, request.id(), false, {}, {},
                                                          "Error", "not now");
    SendMessage(builder, FBS::Message::Body::Response, body.Union());
    return;
  }
  FBS::Response::Body type = FBS::Response::Body::NONE;
  Offset<void> body;
  switch (request.method()) {
    case Method::ROUTER_CREATE_AUDIOLEVELOBSERVER:
      observer_id =
          request.body_as_Router_CreateAudioLevelObserverRequest()->rtp_observer_id()->str();
      break;
    case Method::ROUTER_CREATE_WEBRTCTRANSPORT:
    case Method::ROUTER_CREATE_WEBRTCTRANSPORT_WITH_SERVER: {
      const auto* create = request.body_as_Router_CreateWebRtcTransportRequest();
      transport_ids.push_back(create->transport_id()->str());
      type = FBS::Response::Body::WebRtcTransport_DumpResponse;
      body = MakeWebRtc(builder, create->transport_id()->c_str(), *create->options()->base());
      break;
    }
    case Method::PLAINTRANSPORT_CONNECT: {
      const auto* asked = request.body_as_PlainTransport_ConnectRequest();
      std::string text = asked->ip()->str();
      for (const auto& port : {asked->port(), asked->rtcp_port()}) {
        if (port) text += " " + std::to_string(*port);
      }
      destinations.push_back(text);
      break;
    }
    case Method::ROUTER_CREATE_PLAINTRANSPORT: {
      const auto* create = request.body_as_Router_CreatePlainTransportRequest();
      transport_ids.push_back(create->transport_id()->str());
      type = FBS::Response::Body::PlainTransport_DumpResponse;
      body = MakePlain(builder, create->transport_id()->c_str(), create->options()->rtcp_mux(),
                       *create->options()->base());
      plain_ports.push_back(create->options()->listen_info()->port());
      const auto& options = *create->options();
      plain_protection = {options.source_ip() ? options.source_ip()->str() : "",
                          options.source_only(),
                          options.source_receives(),
                          options.relock(),
                          options.receiver_timeout(),
                          options.public_destinations()};
      if (const auto* rtcp = create->options()->rtcp_listen_info()) {
        plain_ports.push_back(rtcp->port());
      }
      break;
    }
    case Method::TRANSPORT_PRODUCE:
      key_frame_delays.push_back(
          request.body_as_Transport_ProduceRequest()->key_frame_request_delay());
      reports_wanted.push_back(request.body_as_Transport_ProduceRequest()->report_wanted_layers());
      cnames.push_back(
          request.body_as_Transport_ProduceRequest()->rtp_parameters()->rtcp()->cname()->str());
      producers_.emplace(request.handler_id()->str(),
                         request.body_as_Transport_ProduceRequest()->producer_id()->str());
      type = FBS::Response::Body::Transport_ProduceResponse;
      body =
          FBS::Transport::CreateProduceResponse(builder, FBS::RtpParameters::Type::SIMPLE).Union();
      break;
    case Method::TRANSPORT_CONSUME: {
      const auto* consume = request.body_as_Transport_ConsumeRequest();
      consumers_.emplace(consume->producer_id()->str(), consume->consumer_id()->str());
      consumer_ids.push_back(consume->consumer_id()->str());
      consumer_ssrcs.push_back(consume->rtp_parameters()->encodings()->Get(0)->ssrc().value_or(0));
      consumer_types.push_back(
          std::to_string(consume->rtp_parameters()->codecs()->Get(0)->payload_type()));
      if (consume->source_payload_type()) {
        consumer_types.back() += "<" + std::to_string(*consume->source_payload_type());
      }
      consumer_mixed.push_back(consume->extmap_allow_mixed());
      type = FBS::Response::Body::Transport_ConsumeResponse;
      body = FBS::Transport::CreateConsumeResponse(builder, consume->paused(), producer_paused,
                                                   MakeScore(builder))
                 .Union();
      break;
    }
    case Method::CONSUMER_SET_PREFERRED_LAYERS: {
      const auto* wish = request.body_as_Consumer_SetPreferredLayersRequest();
      const auto& layers = *wish->preferred_layers();
      const auto temporal = layers.temporal_layer();
      preferred.push_back(
          (wish->keep_spatial_layer() ? "keep" : std::to_string(layers.spatial_layer())) + " " +
          (temporal ? std::to_string(*temporal) : "highest"));
      break;
    }
    case Method::TRANSPORT_PRODUCE_DATA:
      data_producer_ids.push_back(
          request.body_as_Transport_ProduceDataRequest()->data_producer_id()->str());
      data_producers_.emplace(request.handler_id()->str(), data_producer_ids.back());
      break;
    case Method::TRANSPORT_CONSUME_DATA: {
      const auto* consume = request.body_as_Transport_ConsumeDataRequest();
      DataConsumed made;
      made.id = consume->data_consumer_id()->str();
      made.producer_id = consume->data_producer_id()->str();
      made.direct = consume->type() == FBS::DataConsumer::Type::DIRECT;
      made.label = consume->label()->str();
      made.opens_channel = consume->open_channel();
      if (const auto* stream = consume->sctp_stream_parameters()) {
        made.stream_id = stream->stream_id();
        made.ordered = stream->ordered().value_or(true);
        if (stream->max_retransmits()) made.max_retransmits = *stream->max_retransmits();
      }
      data_consumers.push_back(std::move(made));
      break;
    }
    case Method::DATAPRODUCER_GET_STATS:
      type = FBS::Response::Body::DataProducer_GetStatsResponse;
      body = FBS::DataProducer::CreateGetStatsResponseDirect(builder, 1, "chat", "", 2, 3).Union();
      break;
    case Method::DATACONSUMER_GET_STATS:
      type = FBS::Response::Body::DataConsumer_GetStatsResponse;
      body =
          FBS::DataConsumer::CreateGetStatsResponseDirect(builder, 1, "chat", "", 4, 5, 6).Union();
      break;
    case Method::TRANSPORT_CLOSE_PRODUCER:
      CloseConsumersOf(request.body_as_Transport_CloseProducerRequest()->producer_id()->str());
      break;
    case Method::ROUTER_CLOSE_TRANSPORT: {
      const auto [first, last] = producers_.equal_range(
          request.body_as_Router_CloseTransportRequest()->transport_id()->str());
      for (auto it = first; it != last; ++it) CloseConsumersOf(it->second);
      producers_.erase(first, last);
      CloseDataConsumersOf(request.body_as_Router_CloseTransportRequest()->transport_id()->str());
      break;
    }
    case Method::TRANSPORT_GET_STATS:
      rtp_bytes += rtp_bytes_step;
      other_bytes += other_bytes_step;
      type = FBS::Response::Body::PlainTransport_GetStatsResponse;
      body = MakePlainStats(builder, request.handler_id()->c_str(), rtp_bytes, other_bytes);
      break;
    case Method::WORKER_GET_COUNTERS:
      type = FBS::Response::Body::Worker_GetCountersResponse;
      body = MakeCounters(builder);
      break;
    case Method::TRANSPORT_RESTART_ICE:
      type = FBS::Response::Body::Transport_RestartIceResponse;
      body = FBS::Transport::CreateRestartIceResponseDirect(builder, "ufrag2",
                                                            "password2password2password2", true)
                 .Union();
      break;
    default:
      break;
  }
  const auto response =
      FBS::Response::CreateResponseDirect(builder, request.id(), true, type, body);
  SendMessage(builder, FBS::Message::Body::Response, response.Union());
}

Result<LaunchedWorker> FakeLauncher::Launch(int /*index*/) {
  if (failures_left > 0) {
    --failures_left;
    return Error("no such program");
  }
  std::array<int, 2> to_worker{};
  std::array<int, 2> from_worker{};
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, to_worker.data()) != 0 ||
      socketpair(AF_UNIX, SOCK_STREAM, 0, from_worker.data()) != 0) {
    return Error("no socket pair");
  }
  const std::string ready_id = "fake-" + std::to_string(workers.size());
  auto worker = std::make_shared<FakeWorker>(executor_, to_worker[1], from_worker[1]);
  workers.push_back(worker);
  worker->Start(start_silent ? "" : ready_id);
  LaunchedWorker launched;
  launched.read_fd = from_worker[0];
  launched.write_fd = to_worker[0];
  launched.ready_id = ready_id;
  launched.handle = std::make_unique<FakeHandle>(worker);
  return launched;
}

bool RunUntil(asio::io_context& context, const std::function<bool()>& done) {
  constexpr std::chrono::seconds kNeverReached{30};  // only a failing test waits this long
  context.restart();
  const auto until = std::chrono::steady_clock::now() + kNeverReached;
  while (!done() && context.run_one_until(until) > 0) {
  }
  return done();
}

}  // namespace sluice::controller::test
