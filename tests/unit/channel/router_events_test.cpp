// What the engine reports, read back from the frames that it became.
#include "tests/unit/channel/channel_fixture.h"

namespace sluice::worker {
namespace {

using Event = FBS::Notification::Event;

struct EventFixture : ChannelFixture {
  /// The one frame written since the last call.
  const FBS::Notification::Notification& Last(Event event, const std::string& id) {
    REQUIRE(sent.size() == 1);
    last_ = std::make_unique<SentFrame>(sent[0]);
    sent.clear();
    REQUIRE(last_->notification() != nullptr);
    CHECK(last_->notification()->event() == event);
    CHECK(last_->notification()->handler_id()->str() == id);
    return *last_->notification();
  }
  static TupleReport Tuple() {
    return {"192.0.2.1", 40'000, "198.51.100.7", 50'000, TransportProtocol::kTcp};
  }
  static void CheckTuple(const FBS::Transport::Tuple& tuple) {
    CHECK(tuple.local_address()->str() == "192.0.2.1");
    CHECK(tuple.local_port() == 40'000);
    REQUIRE(tuple.remote_ip() != nullptr);
    CHECK(tuple.remote_ip()->str() == "198.51.100.7");
    CHECK(tuple.remote_port() == 50'000);
    CHECK(tuple.protocol() == FBS::Transport::Protocol::TCP);
  }
  static RtpPacketReport Packet() {
    RtpPacketReport packet;
    packet.payload_type = 96;
    packet.sequence_number = 65'535;
    packet.timestamp = 4'000'000'000;
    packet.marker = true;
    packet.ssrc = 3'000'000'000;
    packet.is_key_frame = true;
    packet.size = 1200;
    packet.payload_size = 1188;
    packet.spatial_layer = 2;
    packet.temporal_layer = 1;
    packet.mid = "m";
    packet.wide_sequence_number = uint16_t{9};
    return packet;
  }
  static void CheckPacket(const FBS::RtpPacket::Dump& packet) {
    CHECK(packet.payload_type() == 96);
    CHECK(packet.sequence_number() == 65'535);
    CHECK(packet.timestamp() == 4'000'000'000);
    CHECK(packet.marker());
    CHECK(packet.ssrc() == 3'000'000'000);
    CHECK(packet.is_key_frame());
    CHECK(packet.size() == 1200);
    CHECK(packet.payload_size() == 1188);
    CHECK(packet.spatial_layer() == 2);
    CHECK(packet.temporal_layer() == 1);
    CHECK(packet.mid()->str() == "m");
    CHECK(packet.rid() == nullptr);
    CHECK(packet.rrid() == nullptr);
    CHECK(packet.wide_sequence_number() == uint16_t{9});
  }

 private:
  std::unique_ptr<SentFrame> last_;
};

TEST_CASE_METHOD(EventFixture, "channels that a peer opens and closes") {
  EngineEvents& events = channel;
  DataProducerDump producer;
  producer.id = "t/channel0";
  producer.sctp_stream_parameters = SctpStreamParameters{2, false, {}, 3};
  producer.label = "chat";
  producer.protocol = "text";
  events.OnDataChannelOpen("t", producer);
  const auto* open =
      Last(Event::TRANSPORT_DATA_CHANNEL_OPEN, "t").body_as_Transport_DataChannelOpenNotification();
  CHECK(open->data_producer_id()->str() == "t/channel0");
  CHECK(open->sctp_stream_parameters()->stream_id() == 2);
  CHECK(open->sctp_stream_parameters()->ordered() == false);
  CHECK(open->sctp_stream_parameters()->max_retransmits() == 3);
  CHECK(open->label()->str() == "chat");
  CHECK(open->protocol()->str() == "text");
  events.OnDataChannelClose("t", "t/channel0");
  CHECK(Last(Event::TRANSPORT_DATA_CHANNEL_CLOSE, "t")
            .body_as_Transport_DataChannelCloseNotification()
            ->data_producer_id()
            ->str() == "t/channel0");
}

TEST_CASE_METHOD(EventFixture, "transport events") {
  EngineEvents& events = channel;
  events.OnIceSelectedTuple("w", Tuple());
  CheckTuple(*Last(Event::WEBRTCTRANSPORT_ICE_SELECTED_TUPLE_CHANGE, "w")
                  .body_as_WebRtcTransport_IceSelectedTupleChangeNotification()
                  ->tuple());
  for (const auto& [state, wire] :
       {std::pair{IceState::kNew, FBS::WebRtcTransport::IceState::NEW},
        std::pair{IceState::kConnected, FBS::WebRtcTransport::IceState::CONNECTED},
        std::pair{IceState::kCompleted, FBS::WebRtcTransport::IceState::COMPLETED},
        std::pair{IceState::kDisconnected, FBS::WebRtcTransport::IceState::DISCONNECTED}}) {
    events.OnIceState("w", state);
    CHECK(Last(Event::WEBRTCTRANSPORT_ICE_STATE_CHANGE, "w")
              .body_as_WebRtcTransport_IceStateChangeNotification()
              ->ice_state() == wire);
  }
  for (const auto& [state, wire] :
       {std::pair{DtlsState::kConnecting, FBS::WebRtcTransport::DtlsState::CONNECTING},
        std::pair{DtlsState::kFailed, FBS::WebRtcTransport::DtlsState::FAILED},
        std::pair{DtlsState::kClosed, FBS::WebRtcTransport::DtlsState::CLOSED}}) {
    events.OnDtlsState("w", state, "");
    const auto* body = Last(Event::WEBRTCTRANSPORT_DTLS_STATE_CHANGE, "w")
                           .body_as_WebRtcTransport_DtlsStateChangeNotification();
    CHECK(body->dtls_state() == wire);
    CHECK(body->remote_cert() == nullptr);
  }
  events.OnDtlsState("w", DtlsState::kConnected, "PEM");
  const auto* connected = Last(Event::WEBRTCTRANSPORT_DTLS_STATE_CHANGE, "w")
                              .body_as_WebRtcTransport_DtlsStateChangeNotification();
  CHECK(connected->dtls_state() == FBS::WebRtcTransport::DtlsState::CONNECTED);
  CHECK(connected->remote_cert()->str() == "PEM");
  events.OnPlainTuple("p", Tuple());
  CheckTuple(
      *Last(Event::PLAINTRANSPORT_TUPLE, "p").body_as_PlainTransport_TupleNotification()->tuple());
  events.OnPlainRtcpTuple("p", Tuple());
  CheckTuple(*Last(Event::PLAINTRANSPORT_RTCP_TUPLE, "p")
                  .body_as_PlainTransport_RtcpTupleNotification()
                  ->tuple());
}

TEST_CASE_METHOD(EventFixture, "packets of direct transports, and the dominant speaker") {
  EngineEvents& events = channel;
  const std::vector<uint8_t> bytes = {0x80, 1, 2, 3};
  const DirectPacket packet{pool.Copy(bytes), bytes.size()};
  events.OnConsumerRtp("c", packet);
  const auto* rtp = Last(Event::CONSUMER_RTP, "c").body_as_Consumer_RtpNotification()->data();
  CHECK(std::vector<uint8_t>(rtp->begin(), rtp->end()) == bytes);
  events.OnDirectRtcp("d", packet);
  const auto* rtcp =
      Last(Event::DIRECTTRANSPORT_RTCP, "d").body_as_DirectTransport_RtcpNotification()->data();
  CHECK(std::vector<uint8_t>(rtcp->begin(), rtcp->end()) == bytes);
  events.OnDominantSpeaker("o", "a");
  CHECK(Last(Event::ACTIVESPEAKEROBSERVER_DOMINANT_SPEAKER, "o")
            .body_as_ActiveSpeakerObserver_DominantSpeakerNotification()
            ->producer_id()
            ->str() == "a");
}

TEST_CASE_METHOD(EventFixture, "media for a controller that does not read is dropped and counted") {
  EngineEvents& events = channel;
  const std::vector<uint8_t> bytes = {0x80, 1, 2, 3};
  const DirectPacket packet{pool.Copy(bytes), bytes.size()};
  unread = RouterChannel::kMaxWaitingMedia + 1;
  sent.clear();
  events.OnConsumerRtp("c", packet);
  events.OnDirectRtcp("d", packet);
  CHECK(sent.empty());
  CHECK(channel.dropped_media() == 2);
  events.OnConsumerProducerPause("c");  // only media is left out
  CHECK(sent.size() == 1);
  unread = 0;
  events.OnConsumerRtp("c", packet);
  CHECK(sent.size() == 2);
}

TEST_CASE_METHOD(EventFixture, "producer events") {
  EngineEvents& events = channel;
  events.OnProducerScore("a", {{0, 7, "", 10}, {1, 8, "r1", 3}});
  const auto* scores =
      Last(Event::PRODUCER_SCORE, "a").body_as_Producer_ScoreNotification()->scores();
  REQUIRE(scores->size() == 2);
  CHECK(scores->Get(0)->rid() == nullptr);
  CHECK(scores->Get(0)->score() == 10);
  CHECK(scores->Get(1)->encoding_idx() == 1);
  CHECK(scores->Get(1)->ssrc() == 8);
  CHECK(scores->Get(1)->rid()->str() == "r1");
  events.OnProducerScore("a", {});
  CHECK(Last(Event::PRODUCER_SCORE, "a").body_as_Producer_ScoreNotification()->scores()->size() ==
        0);
  events.OnProducerVideoOrientation("a", {true, false, 270});
  const auto* orientation = Last(Event::PRODUCER_VIDEO_ORIENTATION_CHANGE, "a")
                                .body_as_Producer_VideoOrientationChangeNotification();
  CHECK(orientation->camera());
  CHECK_FALSE(orientation->flip());
  CHECK(orientation->rotation() == 270);
}

TEST_CASE_METHOD(EventFixture, "traces of producers and consumers") {
  EngineEvents& events = channel;
  TraceReport trace;
  trace.timestamp_ms = 123'456;
  auto producer = [&] {
    events.OnProducerTrace("a", trace);
    return Last(Event::PRODUCER_TRACE, "a").body_as_Producer_TraceNotification();
  };
  auto consumer = [&] {
    events.OnConsumerTrace("c", trace);
    return Last(Event::CONSUMER_TRACE, "c").body_as_Consumer_TraceNotification();
  };
  trace.type = TraceReport::Type::kRtp;
  trace.rtp_packet = Packet();
  trace.is_rtx = true;
  CHECK(producer()->timestamp() == 123'456);
  CHECK(producer()->direction() == FBS::Common::TraceDirection::DIRECTION_IN);
  CHECK(producer()->type() == FBS::Producer::TraceEventType::RTP);
  CHECK(producer()->info_as_RtpTraceInfo()->is_rtx());
  CheckPacket(*producer()->info_as_RtpTraceInfo()->rtp_packet());
  CheckPacket(*consumer()->info_as_RtpTraceInfo()->rtp_packet());
  trace.type = TraceReport::Type::kKeyFrame;
  trace.incoming = false;
  CHECK(producer()->type() == FBS::Producer::TraceEventType::KEYFRAME);
  CheckPacket(*producer()->info_as_KeyFrameTraceInfo()->rtp_packet());
  CheckPacket(*consumer()->info_as_KeyFrameTraceInfo()->rtp_packet());
  CHECK(consumer()->direction() == FBS::Common::TraceDirection::DIRECTION_OUT);
  trace.rtp_packet.reset();
  trace.ssrc = 42;
  trace.type = TraceReport::Type::kPli;
  CHECK(producer()->info_as_PliTraceInfo()->ssrc() == 42);
  CHECK(consumer()->info_as_PliTraceInfo()->ssrc() == 42);
  trace.type = TraceReport::Type::kFir;
  CHECK(producer()->info_as_FirTraceInfo()->ssrc() == 42);
  CHECK(consumer()->info_as_FirTraceInfo()->ssrc() == 42);
  trace.type = TraceReport::Type::kNack;
  CHECK(producer()->type() == FBS::Producer::TraceEventType::NACK);
  CHECK(producer()->info_type() == FBS::Producer::TraceInfo::NONE);
  CHECK(consumer()->info_type() == FBS::Consumer::TraceInfo::NONE);
  trace.type = TraceReport::Type::kSr;
  trace.sender_report = SenderReportReport{42, NtpTime{1, 2}, 3, 4, 5};
  const auto* report = producer()->info_as_SrTraceInfo();
  REQUIRE(report != nullptr);
  CHECK(report->ssrc() == 42);
  CHECK(report->ntp_sec() == 1);
  CHECK(report->ntp_frac() == 2);
  CHECK(report->rtp_ts() == 3);
  CHECK(report->packet_count() == 4);
  CHECK(report->octet_count() == 5);
}

TEST_CASE_METHOD(EventFixture, "consumer events") {
  EngineEvents& events = channel;
  events.OnConsumerProducerPause("c");
  CHECK(Last(Event::CONSUMER_PRODUCER_PAUSE, "c").body_type() == FBS::Notification::Body::NONE);
  events.OnConsumerProducerResume("c");
  Last(Event::CONSUMER_PRODUCER_RESUME, "c");
  events.OnConsumerProducerClose("c");
  Last(Event::CONSUMER_PRODUCER_CLOSE, "c");
  events.OnConsumerScore("c", {9, 8, {8, 0, 7}});
  const auto* score =
      Last(Event::CONSUMER_SCORE, "c").body_as_Consumer_ScoreNotification()->score();
  CHECK(score->score() == 9);
  CHECK(score->producer_score() == 8);
  REQUIRE(score->producer_scores()->size() == 3);
  CHECK(score->producer_scores()->Get(2) == 7);
  events.OnConsumerLayers("c", ConsumerLayers{2, uint8_t{1}});
  const auto* layers =
      Last(Event::CONSUMER_LAYERS_CHANGE, "c").body_as_Consumer_LayersChangeNotification();
  REQUIRE(layers->layers() != nullptr);
  CHECK(layers->layers()->spatial_layer() == 2);
  CHECK(layers->layers()->temporal_layer() == uint8_t{1});
  events.OnConsumerLayers("c", std::nullopt);
  CHECK(Last(Event::CONSUMER_LAYERS_CHANGE, "c")
            .body_as_Consumer_LayersChangeNotification()
            ->layers() == nullptr);
}

TEST_CASE_METHOD(EventFixture, "transport traces") {
  EngineEvents& events = channel;
  TransportTraceReport trace;
  trace.type = TransportTraceType::kProbation;
  trace.timestamp_ms = 5;
  events.OnTransportTrace("t", trace);
  const auto* probation = Last(Event::TRANSPORT_TRACE, "t").body_as_Transport_TraceNotification();
  CHECK(probation->type() == FBS::Transport::TraceEventType::PROBATION);
  CHECK(probation->timestamp() == 5);
  CHECK(probation->direction() == FBS::Common::TraceDirection::DIRECTION_OUT);
  CHECK(probation->info_type() == FBS::Transport::TraceInfo::NONE);
  trace.type = TransportTraceType::kBwe;
  trace.bwe = BweTrace{BweTrace::Source::kRemb, 1, 2, 3, 4, 5, 6, 7};
  events.OnTransportTrace("t", trace);
  const auto* bwe = Last(Event::TRANSPORT_TRACE, "t").body_as_Transport_TraceNotification();
  CHECK(bwe->type() == FBS::Transport::TraceEventType::BWE);
  CHECK(bwe->direction() == FBS::Common::TraceDirection::DIRECTION_OUT);
  const auto* info = bwe->info_as_BweTraceInfo();
  REQUIRE(info != nullptr);
  CHECK(info->bwe_type() == FBS::Transport::BweType::REMB);
  CHECK(info->desired_bitrate() == 1);
  CHECK(info->effective_desired_bitrate() == 2);
  CHECK(info->min_bitrate() == 3);
  CHECK(info->max_bitrate() == 4);
  CHECK(info->start_bitrate() == 5);
  CHECK(info->max_padding_bitrate() == 6);
  CHECK(info->available_bitrate() == 7);
}

TEST_CASE_METHOD(EventFixture, "wanted layers") {
  EngineEvents& events = channel;
  events.OnProducerWantedLayers(
      "p", {WantedLayers{}, {true, 1, 2}, {true, WantedLayers::kAll, WantedLayers::kAll}});
  const auto* encodings = Last(Event::PRODUCER_WANTED_LAYERS, "p")
                              .body_as_Producer_WantedLayersNotification()
                              ->encodings();
  REQUIRE(encodings->size() == 3);
  CHECK(encodings->Get(0)->spatial_layer() == -1);
  CHECK(encodings->Get(0)->temporal_layer() == -1);
  CHECK(encodings->Get(1)->spatial_layer() == 1);
  CHECK(encodings->Get(1)->temporal_layer() == 2);
  CHECK(encodings->Get(2)->spatial_layer() == 32767);
}

TEST_CASE_METHOD(EventFixture, "audio levels") {
  EngineEvents& events = channel;
  events.OnAudioLevelVolumes("o", {{"a", int8_t{-20}}, {"b", int8_t{-127}}});
  const auto* volumes = Last(Event::AUDIOLEVELOBSERVER_VOLUMES, "o")
                            .body_as_AudioLevelObserver_VolumesNotification()
                            ->volumes();
  REQUIRE(volumes->size() == 2);
  CHECK(volumes->Get(0)->producer_id()->str() == "a");
  CHECK(volumes->Get(0)->volume() == -20);
  CHECK(volumes->Get(1)->volume() == -127);
  events.OnAudioLevelSilence("o");
  Last(Event::AUDIOLEVELOBSERVER_SILENCE, "o");
}

}  // namespace
}  // namespace sluice::worker
