// Every method of the router protocol, once with success.
#include "tests/unit/channel/channel_fixture.h"

namespace sluice::worker {
namespace {

using M = FBS::Request::Method;
using B = FBS::Response::Body;

TEST_CASE_METHOD(ChannelFixture, "worker methods answer") {
  Do(M::WORKER_CREATE_ROUTER, "", frames::CreateRouter("r"));
  Do(M::WORKER_CREATE_WEBRTCSERVER, "",
     frames::CreateServer("s", {Listen(), Listen(TransportProtocol::kTcp)}));

  const Reply dump = Do(M::WORKER_DUMP, "", frames::NoBody, B::Worker_DumpResponse);
  const auto& worker = dump.body<FBS::Worker::DumpResponse>();
  CHECK(worker.pid() == 4321);
  REQUIRE(worker.router_ids()->size() == 1);
  CHECK(worker.router_ids()->Get(0)->str() == "r");
  REQUIRE(worker.web_rtc_server_ids()->size() == 1);
  CHECK(worker.channel_message_handlers()->channel_request_handlers()->size() == 2);
  CHECK(worker.channel_message_handlers()->channel_notification_handlers()->size() == 0);

  const Reply usage =
      Do(M::WORKER_GET_RESOURCE_USAGE, "", frames::NoBody, B::Worker_ResourceUsageResponse);
  CHECK(usage.body<FBS::Worker::ResourceUsageResponse>().ru_utime() == 11);
  CHECK(usage.body<FBS::Worker::ResourceUsageResponse>().ru_maxrss() == 22);
  CHECK(usage.body<FBS::Worker::ResourceUsageResponse>().ru_nivcsw() == 33);

  const Reply server = Do(M::WEBRTCSERVER_DUMP, "s", frames::NoBody, B::WebRtcServer_DumpResponse);
  const auto& sockets = server.body<FBS::WebRtcServer::DumpResponse>();
  REQUIRE(sockets.udp_sockets()->size() == 1);
  CHECK(sockets.udp_sockets()->Get(0)->ip()->str() == "127.0.0.1");
  CHECK(sockets.udp_sockets()->Get(0)->port() != 0);
  CHECK(sockets.tcp_servers()->size() == 1);

  Do(M::WORKER_WEBRTCSERVER_CLOSE, "", frames::CloseServer("s"));
  Do(M::WORKER_CLOSE_ROUTER, "", frames::CloseRouter("r"));
  CHECK(network.open_sockets() == 0);
}

TEST_CASE_METHOD(ChannelFixture, "settings: level if given, tags replaced if given") {
  Do(M::WORKER_UPDATE_SETTINGS, "", frames::Settings("DEBUG", {{"ice", "nonsense", "rtp"}}));
  CHECK(Log::level() == LogLevel::kDebug);
  CHECK(Log::Enabled(LogLevel::kDebug, LogTag::kIce));
  CHECK_FALSE(Log::Enabled(LogLevel::kDebug, LogTag::kDtls));
  Do(M::WORKER_UPDATE_SETTINGS, "", frames::Settings("", std::vector<std::string>{}));
  CHECK(Log::level() == LogLevel::kDebug);
  CHECK_FALSE(Log::Enabled(LogLevel::kDebug, LogTag::kIce));

  Do(M::WORKER_UPDATE_SETTINGS, "", frames::Settings("warn", {{"ice"}}));
  CHECK(ErrorOf(M::WORKER_UPDATE_SETTINGS, "", frames::Settings("chicken", {{"rtp"}})) ==
        "TypeError");
  CHECK(Log::level() == LogLevel::kWarn);
  CHECK(Log::Enabled(LogLevel::kWarn, LogTag::kIce));  // a bad level leaves the tags alone
  CHECK_FALSE(Log::Enabled(LogLevel::kWarn, LogTag::kRtp));
}

TEST_CASE_METHOD(ChannelFixture, "what the worker counts is told on the channel") {
  metrics.metrics = {{"packets_total", "", "", "Packets.", Metric::Type::kCounter, 7},
                     {"objects", "class", "router", "Objects.", Metric::Type::kGauge, 2}};
  metrics.histograms = {{"delay_seconds", "Delay.", {0.5, 1}, {1, 2, 3}, 2.5}};
  const Reply reply = Do(M::WORKER_GET_COUNTERS, "", frames::NoBody,
                         FBS::Response::Body::Worker_GetCountersResponse);
  const auto& body = reply.body<FBS::Worker::GetCountersResponse>();
  REQUIRE(body.metrics()->size() == 2);
  const FBS::Worker::Metric& packets = *body.metrics()->Get(0);
  CHECK(packets.name()->str() == "packets_total");
  CHECK(packets.label() == nullptr);
  CHECK(packets.help()->str() == "Packets.");
  CHECK(packets.type() == FBS::Worker::MetricType::COUNTER);
  CHECK(packets.value() == 7);
  const FBS::Worker::Metric& objects = *body.metrics()->Get(1);
  CHECK(objects.label()->str() == "class");
  CHECK(objects.label_value()->str() == "router");
  CHECK(objects.type() == FBS::Worker::MetricType::GAUGE);
  REQUIRE(body.histograms()->size() == 1);
  CHECK(body.histograms()->Get(0)->upper_bounds()->size() == 2);
  CHECK(body.histograms()->Get(0)->counts()->Get(2) == 3);
  CHECK(body.histograms()->Get(0)->sum() == 2.5);
}

TEST_CASE_METHOD(ChannelFixture, "router methods answer") {
  BuildCall();
  const Reply dump = Do(M::ROUTER_DUMP, "r", frames::NoBody, B::Router_DumpResponse);
  const auto& router = dump.body<FBS::Router::DumpResponse>();
  CHECK(router.id()->str() == "r");
  CHECK(router.transport_ids()->size() == 4);
  CHECK(router.rtp_observer_ids()->size() == 2);
  CHECK(router.map_producer_id_consumer_ids()->size() == 2);
  CHECK(router.map_consumer_id_producer_id()->size() == 2);
  CHECK(router.map_producer_id_observer_ids()->size() == 2);  // every producer, even with none
  CHECK(router.map_data_producer_id_data_consumer_ids()->size() == 0);

  Do(M::WORKER_CREATE_WEBRTCSERVER, "",
     frames::CreateServer("s", {Listen(), Listen(TransportProtocol::kTcp)}));
  WebRtcTransportOptions on_server;
  on_server.webrtc_server_id = "s";
  on_server.enable_tcp = false;
  const Reply created =
      Do(M::ROUTER_CREATE_WEBRTCTRANSPORT_WITH_SERVER, "r",
         frames::CreateWebRtcTransport("ws", on_server), B::WebRtcTransport_DumpResponse);
  const auto& transport = created.body<FBS::WebRtcTransport::DumpResponse>();
  REQUIRE(transport.ice_candidates()->size() == 1);
  CHECK(transport.ice_candidates()->Get(0)->protocol() == FBS::Transport::Protocol::UDP);
  CHECK(transport.ice_candidates()->Get(0)->tcp_type() == flatbuffers::nullopt);

  Do(M::ROUTER_CLOSE_RTPOBSERVER, "r", frames::CloseObserver("o"));
  Do(M::ROUTER_CLOSE_TRANSPORT, "r", frames::CloseTransport("ws"));
  Do(M::ROUTER_CLOSE_TRANSPORT, "r", frames::CloseTransport("p"));
  // Consumers learn of it before the response.
  CHECK(Notifications() == std::vector<std::string>{"CONSUMER_PRODUCER_CLOSE audio-out",
                                                    "CONSUMER_PRODUCER_CLOSE video-out"});
}

TEST_CASE_METHOD(ChannelFixture, "a WebRtcTransport is dumped with all that the library reads") {
  BuildCall();
  const Reply reply = Do(M::TRANSPORT_DUMP, "w", frames::NoBody, B::WebRtcTransport_DumpResponse);
  const auto& dump = reply.body<FBS::WebRtcTransport::DumpResponse>();
  CHECK(dump.base()->id()->str() == "w");
  CHECK(dump.base()->consumer_ids()->size() == 2);
  CHECK(dump.base()->map_ssrc_consumer_id()->size() == 2);
  CHECK(dump.base()->map_rtx_ssrc_consumer_id()->size() == 1);
  CHECK(dump.base()->sctp_parameters() == nullptr);
  CHECK(dump.base()->sctp_state() == flatbuffers::nullopt);
  CHECK(dump.base()->sctp_negotiated_capabilities() == nullptr);
  CHECK(dump.base()->sctp_listener() == nullptr);
  CHECK(dump.base()->recv_rtp_header_extensions()->mid() == flatbuffers::nullopt);
  CHECK(dump.ice_role() == FBS::WebRtcTransport::IceRole::CONTROLLED);
  CHECK(dump.ice_parameters()->ice_lite());
  CHECK(dump.ice_parameters()->username_fragment()->size() == 32);
  REQUIRE(dump.ice_candidates()->size() == 2);
  CHECK(dump.ice_candidates()->Get(0)->foundation()->str() == "udpcandidate");
  CHECK(dump.ice_candidates()->Get(0)->priority() == 1'076'302'079);
  CHECK(dump.ice_candidates()->Get(1)->tcp_type() ==
        FBS::WebRtcTransport::IceCandidateTcpType::PASSIVE);
  CHECK(dump.ice_state() == FBS::WebRtcTransport::IceState::NEW);
  CHECK(dump.ice_selected_tuple() == nullptr);
  CHECK(dump.dtls_parameters()->fingerprints()->size() == 5);
  CHECK(dump.dtls_parameters()->role() == FBS::WebRtcTransport::DtlsRole::AUTO);
}

TEST_CASE_METHOD(ChannelFixture, "what takes long to close is answered when it is closed") {
  Do(M::WORKER_CREATE_ROUTER, "", frames::CreateRouter("r"));
  Do(M::ROUTER_CREATE_PLAINTRANSPORT, "r", frames::CreatePlainTransport("p", Comedia()),
     B::PlainTransport_DumpResponse);
  Do(M::ROUTER_CREATE_DIRECTTRANSPORT, "r", frames::CreateDirectTransport("d", Direct()),
     B::DirectTransport_DumpResponse);
  Do(M::TRANSPORT_PRODUCE, "p", frames::Produce(audio), B::Transport_ProduceResponse);
  constexpr uint32_t kConsumers = 1200;
  for (uint32_t i = 0; i < kConsumers; ++i) {
    Do(M::TRANSPORT_CONSUME, "d",
       frames::Consume(samples::ConsumerOf(audio, "c" + std::to_string(i), 9000 + i)),
       B::Transport_ConsumeResponse);
  }
  sent.clear();
  const uint32_t id = ++last_id;
  channel.OnBytes(frames::Request(id, M::ROUTER_CLOSE_TRANSPORT, "r", frames::CloseTransport("p")));
  const auto answered = [&] {
    return !sent.empty() && sent.back().response() != nullptr && sent.back().response()->id() == id;
  };
  CHECK_FALSE(answered());
  size_t told = Notifications().size();
  CHECK(told < kConsumers);
  // Others are answered meanwhile, and do not find it.
  CHECK(ErrorOf(M::ROUTER_CLOSE_TRANSPORT, "r", frames::CloseTransport("p")) == "NotFoundError");
  told += Notifications().size();
  Do(M::ROUTER_CREATE_PLAINTRANSPORT, "r", frames::CreatePlainTransport("p", Comedia()),
     B::PlainTransport_DumpResponse);
  sent.clear();
  REQUIRE(environment.AdvanceUntil(answered, Duration::Seconds(1)));
  CHECK(sent.back().response()->accepted());
  CHECK(sent.back().response()->body_type() == B::NONE);
  told += Notifications().size();
  CHECK(told == kConsumers);
  CHECK(std::count_if(sent.begin(), sent.end(),
                      [](const SentFrame& frame) { return frame.response() != nullptr; }) == 1);
}

TEST_CASE_METHOD(ChannelFixture, "transport methods answer") {
  BuildCall();
  Do(M::TRANSPORT_SET_MAX_INCOMING_BITRATE, "w", frames::MaxIncomingBitrate(900'000));
  Do(M::TRANSPORT_SET_MAX_OUTGOING_BITRATE, "w", frames::MaxOutgoingBitrate(800'000));
  Do(M::TRANSPORT_SET_MIN_OUTGOING_BITRATE, "w", frames::MinOutgoingBitrate(30'000));
  Do(M::TRANSPORT_ENABLE_TRACE_EVENT, "w", frames::TransportTraces({0, 1}));
  const Reply dump = Do(M::TRANSPORT_DUMP, "w", frames::NoBody, B::WebRtcTransport_DumpResponse);
  CHECK(dump.body<FBS::WebRtcTransport::DumpResponse>().base()->trace_event_types()->size() == 2);

  const Reply webrtc =
      Do(M::TRANSPORT_GET_STATS, "w", frames::NoBody, B::WebRtcTransport_GetStatsResponse);
  const auto& stats = *webrtc.body<FBS::WebRtcTransport::GetStatsResponse>().base();
  CHECK(stats.transport_id()->str() == "w");
  CHECK(stats.timestamp() == static_cast<uint64_t>(environment.Now().ms()));
  CHECK(stats.max_incoming_bitrate() == uint64_t{900'000});
  CHECK(stats.max_outgoing_bitrate() == uint64_t{800'000});
  CHECK(stats.min_outgoing_bitrate() == uint64_t{30'000});
  CHECK(stats.sctp_state() == flatbuffers::nullopt);

  const Reply plain =
      Do(M::TRANSPORT_GET_STATS, "p", frames::NoBody, B::PlainTransport_GetStatsResponse);
  const auto& tuple = *plain.body<FBS::PlainTransport::GetStatsResponse>().tuple();
  CHECK(tuple.local_address()->str() == "127.0.0.1");
  CHECK(tuple.remote_ip() == nullptr);
  CHECK(plain.body<FBS::PlainTransport::GetStatsResponse>().base()->max_incoming_bitrate() ==
        flatbuffers::nullopt);
  Do(M::TRANSPORT_DUMP, "p", frames::NoBody, B::PlainTransport_DumpResponse);
  const Reply pipe = Do(M::TRANSPORT_DUMP, "pipe", frames::NoBody, B::PipeTransport_DumpResponse);
  CHECK(pipe.body<FBS::PipeTransport::DumpResponse>().tuple()->local_port() != 0);
  CHECK_FALSE(pipe.body<FBS::PipeTransport::DumpResponse>().rtx());
  CHECK(pipe.body<FBS::PipeTransport::DumpResponse>().srtp_parameters() == nullptr);
  Do(M::TRANSPORT_GET_STATS, "pipe", frames::NoBody, B::PipeTransport_GetStatsResponse);
  const Reply direct =
      Do(M::TRANSPORT_DUMP, "direct", frames::NoBody, B::DirectTransport_DumpResponse);
  CHECK(direct.body<FBS::DirectTransport::DumpResponse>().base()->direct());
  Do(M::TRANSPORT_GET_STATS, "direct", frames::NoBody, B::DirectTransport_GetStatsResponse);
  const Reply worker = Do(M::WORKER_DUMP, "", frames::NoBody, B::Worker_DumpResponse);
  const auto& handlers = *worker.body<FBS::Worker::DumpResponse>().channel_message_handlers();
  std::vector<std::string> notified;
  for (const auto* id : *handlers.channel_notification_handlers()) notified.push_back(id->str());
  CHECK(notified == std::vector<std::string>{"w", "p", "pipe", "direct", "audio", "video"});
  CHECK(handlers.channel_request_handlers()->size() == 11);

  const Reply ice =
      Do(M::TRANSPORT_RESTART_ICE, "w", frames::NoBody, B::Transport_RestartIceResponse);
  CHECK(ice.body<FBS::Transport::RestartIceResponse>().password()->size() == 32);
  CHECK(ice.body<FBS::Transport::RestartIceResponse>().ice_lite());

  Do(M::TRANSPORT_CLOSE_CONSUMER, "w", frames::CloseConsumer("audio-out"));
  CHECK(Notifications().empty());
  Do(M::TRANSPORT_CLOSE_PRODUCER, "p", frames::CloseProducer("video"));
  CHECK(Notifications() == std::vector<std::string>{"CONSUMER_PRODUCER_CLOSE video-out"});
}

TEST_CASE_METHOD(ChannelFixture, "transports connect") {
  Do(M::WORKER_CREATE_ROUTER, "", frames::CreateRouter("r"));
  PipeTransportOptions pipe = Pipe();
  pipe.enable_srtp = true;
  const Reply made = Do(M::ROUTER_CREATE_PIPETRANSPORT, "r",
                        frames::CreatePipeTransport("pipe", pipe), B::PipeTransport_DumpResponse);
  PipeConnectOptions other;
  other.ip = "127.0.0.1";
  other.port = uint16_t{4000};
  other.srtp_parameters = SrtpParameters{
      SrtpProfile::kAeadAes256Gcm,
      made.body<FBS::PipeTransport::DumpResponse>().srtp_parameters()->key_base64()->str()};
  const Reply joined = Do(M::PIPETRANSPORT_CONNECT, "pipe", frames::ConnectPipe(other),
                          B::PipeTransport_ConnectResponse);
  CHECK(joined.body<FBS::PipeTransport::ConnectResponse>().tuple()->remote_port() == 4000);
  CHECK(ErrorOf(M::PIPETRANSPORT_CONNECT, "pipe", frames::ConnectPipe(other)) == "Error");
  Do(M::ROUTER_CREATE_WEBRTCTRANSPORT, "r", frames::CreateWebRtcTransport("w", OwnSockets()),
     B::WebRtcTransport_DumpResponse);
  DtlsParameters dtls;
  dtls.role = DtlsRole::kClient;
  dtls.fingerprints = SharedDtls()->fingerprints();
  const Reply role = Do(M::WEBRTCTRANSPORT_CONNECT, "w", frames::ConnectWebRtc(dtls),
                        B::WebRtcTransport_ConnectResponse);
  CHECK(role.body<FBS::WebRtcTransport::ConnectResponse>().dtls_local_role() ==
        FBS::WebRtcTransport::DtlsRole::SERVER);
  CHECK(ErrorOf(M::WEBRTCTRANSPORT_CONNECT, "w", frames::ConnectWebRtc(dtls)) == "Error");

  PlainTransportOptions options;
  options.listen_info = Listen();
  options.rtcp_mux = false;
  options.enable_srtp = true;
  options.srtp_crypto_suite = SrtpProfile::kAeadAes128Gcm;
  const Reply created =
      Do(M::ROUTER_CREATE_PLAINTRANSPORT, "r", frames::CreatePlainTransport("p", options),
         B::PlainTransport_DumpResponse);
  const auto& dump = created.body<FBS::PlainTransport::DumpResponse>();
  REQUIRE(dump.rtcp_tuple() != nullptr);
  REQUIRE(dump.srtp_parameters() != nullptr);
  CHECK(dump.srtp_parameters()->crypto_suite() ==
        FBS::SrtpParameters::SrtpCryptoSuite::AEAD_AES_128_GCM);
  PlainConnectOptions connect;
  connect.ip = "127.0.0.2";
  connect.port = uint16_t{5000};
  connect.rtcp_port = uint16_t{5001};
  connect.srtp_parameters =
      SrtpParameters{SrtpProfile::kAeadAes128Gcm, dump.srtp_parameters()->key_base64()->str()};
  const Reply connected = Do(M::PLAINTRANSPORT_CONNECT, "p", frames::ConnectPlain(connect),
                             B::PlainTransport_ConnectResponse);
  const auto& tuples = connected.body<FBS::PlainTransport::ConnectResponse>();
  REQUIRE(tuples.tuple() != nullptr);
  CHECK(tuples.tuple()->remote_ip()->str() == "127.0.0.2");
  CHECK(tuples.tuple()->remote_port() == 5000);
  REQUIRE(tuples.rtcp_tuple() != nullptr);
  CHECK(tuples.rtcp_tuple()->remote_port() == 5001);
}

TEST_CASE_METHOD(ChannelFixture, "producer methods answer, and consumers learn first") {
  BuildCall();
  Do(M::PRODUCER_ENABLE_TRACE_EVENT, "video", frames::ProducerTraces({5, 0}));
  Do(M::PRODUCER_PAUSE, "video");
  CHECK(Notifications() == std::vector<std::string>{"CONSUMER_PRODUCER_PAUSE video-out"});
  Do(M::PRODUCER_PAUSE, "video");
  CHECK(Notifications().empty());

  // A consumer of a paused producer is told so before the response, when the library does not know
  // it yet.
  const Reply consumed =
      Do(M::TRANSPORT_CONSUME, "w", frames::Consume(samples::ConsumerOf(video, "late", 9101)),
         B::Transport_ConsumeResponse);
  CHECK(consumed.body<FBS::Transport::ConsumeResponse>().producer_paused());
  CHECK_FALSE(consumed.body<FBS::Transport::ConsumeResponse>().paused());
  CHECK(consumed.body<FBS::Transport::ConsumeResponse>().score() != nullptr);
  CHECK(consumed.body<FBS::Transport::ConsumeResponse>().preferred_layers() == nullptr);
  CHECK(Notifications() == std::vector<std::string>{"CONSUMER_PRODUCER_PAUSE late"});

  const Reply reply = Do(M::PRODUCER_DUMP, "video", frames::NoBody, B::Producer_DumpResponse);
  const auto& dump = reply.body<FBS::Producer::DumpResponse>();
  CHECK(dump.paused());
  CHECK(dump.kind() == FBS::RtpParameters::MediaKind::VIDEO);
  CHECK(dump.type() == FBS::RtpParameters::Type::SIMPLE);
  REQUIRE(dump.trace_event_types()->size() == 2);
  CHECK(dump.trace_event_types()->Get(0) == FBS::Producer::TraceEventType::KEYFRAME);
  CHECK(dump.trace_event_types()->Get(1) == FBS::Producer::TraceEventType::SR);
  const auto& parameters = *dump.rtp_parameters();
  CHECK(parameters.mid()->str().empty());  // never absent
  CHECK(parameters.msid()->str().empty());
  REQUIRE(parameters.codecs()->size() == 2);
  CHECK(parameters.codecs()->Get(0)->channels() == flatbuffers::nullopt);
  CHECK(parameters.codecs()->Get(0)->rtcp_feedback()->size() == 4);
  CHECK(parameters.codecs()->Get(1)->parameters()->Get(0)->value_as_Integer32()->value() == 96);
  REQUIRE(parameters.encodings()->size() == 1);
  CHECK(parameters.encodings()->Get(0)->ssrc() == uint32_t{2001});
  CHECK(parameters.encodings()->Get(0)->rtx()->ssrc() == 2002);
  CHECK(parameters.encodings()->Get(0)->rid() == nullptr);
  CHECK(parameters.rtcp()->cname()->str() == "cname-video");
  CHECK(dump.rtp_mapping()->encodings()->Get(0)->mapped_ssrc() == 5'002'001);

  Do(M::PRODUCER_RESUME, "video");
  CHECK(Notifications() == std::vector<std::string>{"CONSUMER_PRODUCER_RESUME video-out",
                                                    "CONSUMER_PRODUCER_RESUME late"});
  const Reply stats =
      Do(M::PRODUCER_GET_STATS, "video", frames::NoBody, B::Producer_GetStatsResponse);
  CHECK(stats.body<FBS::Producer::GetStatsResponse>().stats()->size() == 0);  // no media yet
}

TEST_CASE_METHOD(ChannelFixture, "packets handed in reach the producer and its statistics") {
  BuildCall();
  sent.clear();
  for (uint16_t i = 0; i < 3; ++i) {
    channel.OnBytes(frames::ProducerSend(
        "video", samples::Rtp(samples::kVp8, 2001, i, 3000u * i, samples::Vp8Payload(i == 0, i))));
    environment.EndTurn();
  }
  CHECK(Logs() == 0);
  const auto events = Notifications();  // a new stream: the producer's score first
  REQUIRE(events.size() >= 2);
  CHECK(events[0] == "PRODUCER_SCORE video");
  CHECK(events[1] == "CONSUMER_SCORE video-out");

  const Reply reply =
      Do(M::PRODUCER_GET_STATS, "video", frames::NoBody, B::Producer_GetStatsResponse);
  const auto& stats = *reply.body<FBS::Producer::GetStatsResponse>().stats();
  REQUIRE(stats.size() == 1);
  const auto* receive = stats.Get(0)->data_as_RecvStats();
  REQUIRE(receive != nullptr);
  CHECK(receive->packet_count() == 3);
  CHECK(receive->bitrate_by_layer() != nullptr);
  const auto* base = receive->base()->data_as_BaseStats();
  REQUIRE(base != nullptr);
  CHECK(base->ssrc() == 2001);
  CHECK(base->mime_type()->str() == "video/VP8");
  CHECK(base->rid() == nullptr);

  const Reply dump = Do(M::PRODUCER_DUMP, "video", frames::NoBody, B::Producer_DumpResponse);
  const auto& streams = *dump.body<FBS::Producer::DumpResponse>().rtp_streams();
  REQUIRE(streams.size() == 1);
  CHECK(streams.Get(0)->params()->rid() != nullptr);
  CHECK(streams.Get(0)->params()->cname() != nullptr);
}

TEST_CASE_METHOD(ChannelFixture,
                 "FlexFEC goes to the consumers that negotiate it, and to no other") {
  BuildCall();
  constexpr uint8_t kFec = 98;
  constexpr uint8_t kRoutedFec = 103;
  const auto fec_codec = [](uint8_t payload_type) {
    RtpCodecParameters codec;
    codec.mime_type = "video/flexfec-03";
    codec.payload_type = payload_type;
    codec.clock_rate = 90'000;
    codec.parameters["repair-window"] = int32_t{10'000'000};
    return codec;
  };
  ProduceOptions repaired = samples::Video("repaired", 4001);
  repaired.rtp_parameters.codecs.push_back(fec_codec(kFec));
  repaired.rtp_parameters.encodings[0].fec_ssrc = 4002;
  repaired.rtp_mapping.codecs.push_back({kFec, kRoutedFec});
  Do(M::TRANSPORT_PRODUCE, "p", frames::Produce(repaired), B::Transport_ProduceResponse);
  ConsumeOptions takes = samples::ConsumerOf(repaired, "takes", 4100);
  takes.rtp_parameters.codecs.push_back(fec_codec(kRoutedFec));
  takes.rtp_parameters.encodings[0].fec_ssrc = 4102;
  Do(M::TRANSPORT_CONSUME, "direct", frames::Consume(takes), B::Transport_ConsumeResponse);
  Do(M::TRANSPORT_CONSUME, "direct", frames::Consume(samples::ConsumerOf(repaired, "leaves", 4200)),
     B::Transport_ConsumeResponse);
  sent.clear();
  for (uint16_t i = 0; i < 3; ++i) {
    channel.OnBytes(frames::ProducerSend(
        "repaired", samples::Rtp(samples::kVp8, 4001, i, 3000, samples::Vp8Payload(i == 0, i))));
  }
  // Protects all three (draft-ietf-payload-flexible-fec-scheme-03 §4.2).
  const std::vector<uint8_t> repair = {0, 0x60, 0,    9,    1, 2, 3,    4,    1, 0, 0, 0,
                                       0, 0,    0x0F, 0xA1, 0, 0, 0xF0, 0x00, 7, 8, 9};
  channel.OnBytes(frames::ProducerSend("repaired", samples::Rtp(kFec, 4002, 1, 3000, repair)));
  environment.EndTurn();
  std::map<std::string, std::vector<uint32_t>> ssrcs;
  for (const SentFrame& frame : sent) {
    const auto* n = frame.notification();
    if (n == nullptr || n->event() != FBS::Notification::Event::CONSUMER_RTP) continue;
    const auto& data = *n->body_as_Consumer_RtpNotification()->data();
    const auto packet = RtpPacket::Parse({const_cast<uint8_t*>(data.data()), data.size()});
    REQUIRE(packet);
    ssrcs[n->handler_id()->str()].push_back(packet->ssrc().value());
  }
  CHECK(ssrcs["takes"] == std::vector<uint32_t>{4100, 4100, 4100, 4102});
  CHECK(ssrcs["leaves"] == std::vector<uint32_t>{4200, 4200, 4200});
}

TEST_CASE_METHOD(ChannelFixture, "a temporal layer alone keeps the spatial one") {
  BuildCall();
  ProduceOptions layered = samples::Video("layered", 7100);
  layered.rtp_parameters.encodings[0].scalability_mode = "L3T3";
  Do(M::TRANSPORT_PRODUCE, "p", frames::Produce(layered), B::Transport_ProduceResponse);
  ConsumeOptions consume = samples::ConsumerOf(layered, "layered-out", 7200);
  consume.rtp_parameters.encodings[0].scalability_mode = "L3T3";
  consume.consumable_rtp_encodings[0].scalability_mode = "L3T3";
  consume.type = RtpType::kSvc;
  Do(M::TRANSPORT_CONSUME, "w", frames::Consume(consume), B::Transport_ConsumeResponse);
  const auto prefer = [&](ConsumerLayers layers, bool keep) {
    const Reply reply =
        Do(M::CONSUMER_SET_PREFERRED_LAYERS, "layered-out", frames::PreferredLayers(layers, keep),
           B::Consumer_SetPreferredLayersResponse);
    const auto& set = *reply.body<FBS::Consumer::SetPreferredLayersResponse>().preferred_layers();
    return std::pair<int, int>(set.spatial_layer(), set.temporal_layer().value_or(99));
  };
  CHECK(prefer({1, uint8_t{2}}, false) == std::pair(1, 2));
  CHECK(prefer({0, uint8_t{0}}, true) == std::pair(1, 0));
  CHECK(prefer({2, std::nullopt}, true) == std::pair(1, 2));
  CHECK(prefer({0, std::nullopt}, false) == std::pair(0, 2));
}

TEST_CASE_METHOD(ChannelFixture, "what the far end of a pipe wants is checked and answered") {
  BuildCall();
  CHECK(ErrorOf(M::CONSUMER_SET_WANTED_LAYERS, "video-out", frames::WantedLayers({{0, 0}})) ==
        "Error");  // it is no pipe
  Do(M::TRANSPORT_CONSUME, "pipe", frames::Consume(samples::PipeConsumerOf(video, "piped", 7300)),
     B::Transport_ConsumeResponse);
  for (const std::vector<std::pair<int16_t, int16_t>>& wrong :
       {std::vector<std::pair<int16_t, int16_t>>{},
        {{0, 0}, {0, 0}},
        {{-1, 0}},
        {{0, -1}},
        {{-2, -2}}}) {
    CHECK(ErrorOf(M::CONSUMER_SET_WANTED_LAYERS, "piped", frames::WantedLayers(wrong)) ==
          "TypeError");
  }
  Do(M::CONSUMER_SET_WANTED_LAYERS, "piped", frames::WantedLayers({{-1, -1}}));
  Do(M::CONSUMER_SET_WANTED_LAYERS, "piped", frames::WantedLayers({{0, 1}}));
  Do(M::CONSUMER_SET_WANTED_LAYERS, "piped", frames::WantedLayers({{32767, 32767}}));
}

TEST_CASE_METHOD(ChannelFixture, "consumer methods answer") {
  BuildCall();
  Do(M::CONSUMER_PAUSE, "video-out");
  Do(M::CONSUMER_ENABLE_TRACE_EVENT, "video-out", frames::ConsumerTraces({4}));
  const Reply priority = Do(M::CONSUMER_SET_PRIORITY, "video-out", frames::Priority(7),
                            B::Consumer_SetPriorityResponse);
  CHECK(priority.body<FBS::Consumer::SetPriorityResponse>().priority() == 7);
  const Reply layers =
      Do(M::CONSUMER_SET_PREFERRED_LAYERS, "video-out", frames::PreferredLayers({1, uint8_t{1}}),
         B::Consumer_SetPreferredLayersResponse);
  CHECK(layers.body<FBS::Consumer::SetPreferredLayersResponse>().preferred_layers() == nullptr);

  const Reply reply = Do(M::CONSUMER_DUMP, "video-out", frames::NoBody, B::Consumer_DumpResponse);
  const auto& dump = *reply.body<FBS::Consumer::DumpResponse>().data();
  CHECK(dump.base()->id()->str() == "video-out");
  CHECK(dump.base()->producer_id()->str() == "video");
  CHECK(dump.base()->paused());
  CHECK(dump.base()->priority() == 7);
  CHECK(dump.base()->consumable_rtp_encodings()->size() == 1);
  CHECK(dump.base()->supported_codec_payload_types()->Get(0) == samples::kRoutedVp8);
  // The library takes the first stream, its rid's and its RTX rrid's length without asking.
  REQUIRE(dump.rtp_streams()->size() == 1);
  REQUIRE(dump.rtp_streams()->Get(0)->params()->rid() != nullptr);
  REQUIRE(dump.rtp_streams()->Get(0)->rtx_stream() != nullptr);
  CHECK(dump.rtp_streams()->Get(0)->rtx_stream()->params()->rrid() != nullptr);
  CHECK(dump.preferred_spatial_layer() == int16_t{-1});
  CHECK(dump.current_temporal_layer() == int16_t{-1});

  Do(M::CONSUMER_RESUME, "video-out");
  Do(M::CONSUMER_REQUEST_KEY_FRAME, "video-out");
  const Reply stats =
      Do(M::CONSUMER_GET_STATS, "video-out", frames::NoBody, B::Consumer_GetStatsResponse);
  const auto& list = *stats.body<FBS::Consumer::GetStatsResponse>().stats();
  REQUIRE(list.size() >= 1);
  REQUIRE(list.Get(0)->data_as_SendStats() != nullptr);
  const auto* base = list.Get(0)->data_as_SendStats()->base()->data_as_BaseStats();
  REQUIRE(base != nullptr);
  CHECK(base->ssrc() == 9003);
  CHECK(base->rtx_ssrc() == uint32_t{9004});
}

TEST_CASE_METHOD(ChannelFixture, "observer methods answer") {
  BuildCall();
  Do(M::RTPOBSERVER_ADD_PRODUCER, "o", frames::AddProducer("audio"));
  Do(M::RTPOBSERVER_ADD_PRODUCER, "o", frames::AddProducer("audio"));  // twice is fine
  Do(M::RTPOBSERVER_PAUSE, "o");
  Do(M::RTPOBSERVER_RESUME, "o");
  Do(M::RTPOBSERVER_REMOVE_PRODUCER, "o", frames::RemoveProducer("audio"));
  Do(M::RTPOBSERVER_REMOVE_PRODUCER, "o", frames::RemoveProducer("audio"));
}

}  // namespace
}  // namespace sluice::worker
