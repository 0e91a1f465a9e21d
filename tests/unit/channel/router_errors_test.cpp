// What is answered to wrong ids, bodies and values (docs/protocols/router-protocol.md §2).
#include "tests/unit/channel/channel_fixture.h"

namespace sluice::worker {
namespace {

using M = FBS::Request::Method;
using B = FBS::Response::Body;

/// Methods that this version offers, by the class of object they address.
const std::vector<M> kRouterMethods = {M::ROUTER_DUMP,
                                       M::ROUTER_CREATE_WEBRTCTRANSPORT,
                                       M::ROUTER_CREATE_PLAINTRANSPORT,
                                       M::ROUTER_CREATE_PIPETRANSPORT,
                                       M::ROUTER_CREATE_DIRECTTRANSPORT,
                                       M::ROUTER_CLOSE_TRANSPORT,
                                       M::ROUTER_CREATE_ACTIVESPEAKEROBSERVER,
                                       M::ROUTER_CREATE_AUDIOLEVELOBSERVER,
                                       M::ROUTER_CLOSE_RTPOBSERVER};
const std::vector<M> kTransportMethods = {M::TRANSPORT_DUMP,
                                          M::TRANSPORT_GET_STATS,
                                          M::TRANSPORT_SET_MAX_INCOMING_BITRATE,
                                          M::TRANSPORT_SET_MAX_OUTGOING_BITRATE,
                                          M::TRANSPORT_SET_MIN_OUTGOING_BITRATE,
                                          M::TRANSPORT_RESTART_ICE,
                                          M::TRANSPORT_PRODUCE,
                                          M::TRANSPORT_CONSUME,
                                          M::TRANSPORT_ENABLE_TRACE_EVENT,
                                          M::TRANSPORT_CLOSE_PRODUCER,
                                          M::TRANSPORT_CLOSE_CONSUMER,
                                          M::PLAINTRANSPORT_CONNECT,
                                          M::PIPETRANSPORT_CONNECT,
                                          M::WEBRTCTRANSPORT_CONNECT};
const std::vector<M> kProducerMethods = {M::PRODUCER_DUMP, M::PRODUCER_GET_STATS, M::PRODUCER_PAUSE,
                                         M::PRODUCER_RESUME, M::PRODUCER_ENABLE_TRACE_EVENT};
const std::vector<M> kConsumerMethods = {M::CONSUMER_DUMP,
                                         M::CONSUMER_GET_STATS,
                                         M::CONSUMER_PAUSE,
                                         M::CONSUMER_RESUME,
                                         M::CONSUMER_SET_PREFERRED_LAYERS,
                                         M::CONSUMER_SET_WANTED_LAYERS,
                                         M::CONSUMER_SET_PRIORITY,
                                         M::CONSUMER_REQUEST_KEY_FRAME,
                                         M::CONSUMER_ENABLE_TRACE_EVENT};
const std::vector<M> kObserverMethods = {M::RTPOBSERVER_PAUSE, M::RTPOBSERVER_RESUME,
                                         M::RTPOBSERVER_ADD_PRODUCER,
                                         M::RTPOBSERVER_REMOVE_PRODUCER};

/// A well-formed body for each method that wants one.
frames::MakeBody BodyFor(M method) {
  const ProduceOptions audio = samples::Audio("x", 7001);
  switch (method) {
    case M::WORKER_UPDATE_SETTINGS:
      return frames::Settings("error");
    case M::WORKER_CREATE_WEBRTCSERVER:
      return frames::CreateServer("x", {ChannelFixture::Listen()});
    case M::WORKER_CREATE_ROUTER:
      return frames::CreateRouter("x");
    case M::WORKER_WEBRTCSERVER_CLOSE:
      return frames::CloseServer("nobody");
    case M::WORKER_CLOSE_ROUTER:
      return frames::CloseRouter("nobody");
    case M::ROUTER_CREATE_WEBRTCTRANSPORT:
    case M::ROUTER_CREATE_WEBRTCTRANSPORT_WITH_SERVER:
      return frames::CreateWebRtcTransport("x", ChannelFixture::OwnSockets());
    case M::ROUTER_CREATE_PLAINTRANSPORT:
      return frames::CreatePlainTransport("x", ChannelFixture::Comedia());
    case M::ROUTER_CREATE_PIPETRANSPORT:
      return frames::CreatePipeTransport("x", ChannelFixture::Pipe());
    case M::ROUTER_CREATE_DIRECTTRANSPORT:
      return frames::CreateDirectTransport("x", ChannelFixture::Direct());
    case M::ROUTER_CLOSE_TRANSPORT:
      return frames::CloseTransport("nobody");
    case M::ROUTER_CREATE_ACTIVESPEAKEROBSERVER:
      return frames::CreateActiveSpeakerObserver("x", {});
    case M::ROUTER_CREATE_AUDIOLEVELOBSERVER:
      return frames::CreateAudioLevelObserver("x", {});
    case M::ROUTER_CLOSE_RTPOBSERVER:
      return frames::CloseObserver("nobody");
    case M::TRANSPORT_SET_MAX_INCOMING_BITRATE:
      return frames::MaxIncomingBitrate(100'000);
    case M::TRANSPORT_SET_MAX_OUTGOING_BITRATE:
      return frames::MaxOutgoingBitrate(100'000);
    case M::TRANSPORT_SET_MIN_OUTGOING_BITRATE:
      return frames::MinOutgoingBitrate(100'000);
    case M::TRANSPORT_PRODUCE:
      return frames::Produce(audio);
    case M::TRANSPORT_CONSUME:
      return frames::Consume(samples::ConsumerOf(audio, "xc", 7003));
    case M::TRANSPORT_ENABLE_TRACE_EVENT:
      return frames::TransportTraces({0});
    case M::TRANSPORT_CLOSE_PRODUCER:
      return frames::CloseProducer("nobody");
    case M::TRANSPORT_CLOSE_CONSUMER:
      return frames::CloseConsumer("nobody");
    case M::PLAINTRANSPORT_CONNECT:
      return frames::ConnectPlain({});
    case M::PIPETRANSPORT_CONNECT:
      return frames::ConnectPipe({});
    case M::WEBRTCTRANSPORT_CONNECT:
      return frames::ConnectWebRtc({DtlsRole::kAuto, ChannelFixture::SharedDtls()->fingerprints()});
    case M::PRODUCER_ENABLE_TRACE_EVENT:
      return frames::ProducerTraces({0});
    case M::CONSUMER_SET_PREFERRED_LAYERS:
      return frames::PreferredLayers({0, {}});
    case M::CONSUMER_SET_WANTED_LAYERS:
      return frames::WantedLayers({{0, 0}});
    case M::CONSUMER_SET_PRIORITY:
      return frames::Priority(1);
    case M::CONSUMER_ENABLE_TRACE_EVENT:
      return frames::ConsumerTraces({0});
    case M::RTPOBSERVER_ADD_PRODUCER:
      return frames::AddProducer("audio");
    case M::RTPOBSERVER_REMOVE_PRODUCER:
      return frames::RemoveProducer("audio");
    default:
      return frames::NoBody;
  }
}

TEST_CASE_METHOD(ChannelFixture, "an unknown handler is not found, one of another class an error") {
  BuildCall();
  Do(M::WORKER_CREATE_WEBRTCSERVER, "", frames::CreateServer("s", {Listen()}));
  const std::vector<std::pair<std::vector<M>, std::vector<std::string>>> wrong = {
      {kRouterMethods, {"s", "w", "p", "audio", "video-out", "o"}},
      {kTransportMethods, {"r", "s", "audio", "video-out", "o", "speaker"}},
      {kProducerMethods, {"r", "s", "w", "p", "video-out", "o"}},
      {kConsumerMethods, {"r", "s", "w", "p", "audio", "o"}},
      {kObserverMethods, {"r", "s", "w", "p", "audio", "video-out"}},
      {{M::WEBRTCSERVER_DUMP}, {"r", "w", "p", "audio", "video-out", "o"}}};
  for (const auto& [methods, others] : wrong) {
    for (const M method : methods) {
      INFO(FBS::Request::EnumNameMethod(method));
      CHECK(ErrorOf(method, "nobody", BodyFor(method)) == "NotFoundError");
      CHECK(ErrorOf(method, "", BodyFor(method)) == "NotFoundError");
      for (const std::string& other : others) {
        INFO(other);
        CHECK(ErrorOf(method, other, BodyFor(method)) == "Error");
      }
    }
  }
  // Connect and restart of the other class of transport.
  CHECK(ErrorOf(M::WEBRTCTRANSPORT_CONNECT, "p", BodyFor(M::WEBRTCTRANSPORT_CONNECT)) == "Error");
  CHECK(ErrorOf(M::PLAINTRANSPORT_CONNECT, "w", BodyFor(M::PLAINTRANSPORT_CONNECT)) == "Error");
  for (const char* other : {"p", "pipe", "direct"}) {
    CHECK(ErrorOf(M::TRANSPORT_RESTART_ICE, other) == "Error");
    CHECK(ErrorOf(M::WEBRTCTRANSPORT_CONNECT, other, BodyFor(M::WEBRTCTRANSPORT_CONNECT)) ==
          "Error");
  }
  for (const char* other : {"w", "p", "direct"}) {
    CHECK(ErrorOf(M::PIPETRANSPORT_CONNECT, other, BodyFor(M::PIPETRANSPORT_CONNECT)) == "Error");
  }
  for (const char* other : {"pipe", "direct"}) {
    CHECK(ErrorOf(M::PLAINTRANSPORT_CONNECT, other, BodyFor(M::PLAINTRANSPORT_CONNECT)) == "Error");
  }
}

TEST_CASE_METHOD(ChannelFixture, "what a body names is not found either") {
  BuildCall();
  CHECK(ErrorOf(M::WORKER_CLOSE_ROUTER, "", frames::CloseRouter("nobody")) == "NotFoundError");
  CHECK(ErrorOf(M::WORKER_WEBRTCSERVER_CLOSE, "", frames::CloseServer("nobody")) ==
        "NotFoundError");
  CHECK(ErrorOf(M::ROUTER_CLOSE_TRANSPORT, "r", frames::CloseTransport("nobody")) ==
        "NotFoundError");
  CHECK(ErrorOf(M::ROUTER_CLOSE_RTPOBSERVER, "r", frames::CloseObserver("w")) == "NotFoundError");
  CHECK(ErrorOf(M::TRANSPORT_CLOSE_PRODUCER, "w", frames::CloseProducer("audio")) ==
        "NotFoundError");  // it is p's
  CHECK(ErrorOf(M::TRANSPORT_CLOSE_CONSUMER, "w", frames::CloseConsumer("audio")) ==
        "NotFoundError");
  CHECK(ErrorOf(M::TRANSPORT_CONSUME, "w",
                frames::Consume(samples::ConsumerOf(samples::Audio("nobody", 1), "c", 7))) ==
        "NotFoundError");
  CHECK(ErrorOf(M::RTPOBSERVER_ADD_PRODUCER, "o", frames::AddProducer("nobody")) ==
        "NotFoundError");
  // Objects of another router are out of reach.
  Do(M::WORKER_CREATE_ROUTER, "", frames::CreateRouter("r2"));
  CHECK(ErrorOf(M::ROUTER_CLOSE_TRANSPORT, "r2", frames::CloseTransport("w")) == "NotFoundError");
}

TEST_CASE_METHOD(ChannelFixture, "ids are unique over all classes, and bounded") {
  BuildCall();
  for (const std::string taken : {"r", "w", "p", "o", "audio", "video-out"}) {
    INFO(taken);
    CHECK(ErrorOf(M::WORKER_CREATE_ROUTER, "", frames::CreateRouter(taken)) == "Error");
    CHECK(ErrorOf(M::WORKER_CREATE_WEBRTCSERVER, "", frames::CreateServer(taken, {Listen()})) ==
          "Error");
    CHECK(ErrorOf(M::ROUTER_CREATE_WEBRTCTRANSPORT, "r",
                  frames::CreateWebRtcTransport(taken, OwnSockets())) == "Error");
    CHECK(ErrorOf(M::ROUTER_CREATE_PLAINTRANSPORT, "r",
                  frames::CreatePlainTransport(taken, Comedia())) == "Error");
    CHECK(ErrorOf(M::ROUTER_CREATE_AUDIOLEVELOBSERVER, "r",
                  frames::CreateAudioLevelObserver(taken, {})) == "Error");
    CHECK(ErrorOf(M::TRANSPORT_PRODUCE, "p", frames::Produce(samples::Audio(taken, 8001))) ==
          "Error");
    CHECK(ErrorOf(M::TRANSPORT_CONSUME, "w",
                  frames::Consume(samples::ConsumerOf(audio, taken, 8003))) == "Error");
  }
  CHECK(network.open_sockets() == 4);  // failures left no socket behind
  Do(M::WORKER_CREATE_ROUTER, "", frames::CreateRouter(std::string(256, 'i')));
  CHECK(ErrorOf(M::WORKER_CREATE_ROUTER, "", frames::CreateRouter(std::string(257, 'i'))) ==
        "TypeError");
}

TEST_CASE_METHOD(ChannelFixture, "a missing or wrong body is a TypeError") {
  BuildCall();
  Do(M::WORKER_CREATE_WEBRTCSERVER, "", frames::CreateServer("s", {Listen()}));
  const std::vector<std::pair<std::string, std::vector<M>>> targets = {
      {"",
       {M::WORKER_UPDATE_SETTINGS, M::WORKER_CREATE_WEBRTCSERVER, M::WORKER_CREATE_ROUTER,
        M::WORKER_WEBRTCSERVER_CLOSE, M::WORKER_CLOSE_ROUTER}},
      {"r", kRouterMethods},
      {"w", kTransportMethods},
      {"audio", kProducerMethods},
      {"video-out", kConsumerMethods},
      {"o", kObserverMethods}};
  size_t tried = 0;
  for (const auto& [handler, methods] : targets) {
    for (const M method : methods) {
      frames::Builder scratch;
      const frames::Body full = BodyFor(method)(scratch);
      if (full.type == frames::rq::NONE) continue;  // takes no body
      INFO(FBS::Request::EnumNameMethod(method));
      CHECK(ErrorOf(method, handler) == "TypeError");
      const bool is_router_body = method == M::WORKER_CREATE_ROUTER;
      CHECK(ErrorOf(method, handler,
                    is_router_body ? frames::CloseRouter("r") : frames::CreateRouter("y")) ==
            "TypeError");
      // The union says that there is a body, the table is not there.
      const auto empty = [&full](frames::Builder&) { return frames::Body{full.type, {}}; };
      CHECK(ErrorOf(method, handler, empty) == "TypeError");
      // A type number that the schema does not have.
      CHECK(ErrorOf(method, handler, [](frames::Builder& b) {
              return frames::Body{
                  static_cast<frames::rq>(200),
                  FBS::Worker::CreateCreateRouterRequest(b, b.CreateString("x")).Union()};
            }) == "TypeError");
      ++tried;
    }
  }
  CHECK(tried > 20);
}

TEST_CASE_METHOD(ChannelFixture,
                 "unknown and obsolete methods are an Error, no other is unsupported") {
  BuildCall();
  for (const int number : {20, 70, 71, 127, 200, 255}) {
    INFO(number);
    CHECK(ErrorOf(static_cast<M>(number), "w") == "Error");
  }
  for (const M method : FBS::Request::EnumValuesMethod()) {
    INFO(FBS::Request::EnumNameMethod(method));
    CHECK(Call(method, "r").error() != "UnsupportedError");
  }
}

TEST_CASE_METHOD(ChannelFixture, "values outside the schema's enums are a TypeError") {
  BuildCall();
  CHECK(ErrorOf(M::TRANSPORT_ENABLE_TRACE_EVENT, "w", frames::TransportTraces({2})) == "TypeError");
  CHECK(ErrorOf(M::PRODUCER_ENABLE_TRACE_EVENT, "audio", frames::ProducerTraces({6})) ==
        "TypeError");
  CHECK(ErrorOf(M::CONSUMER_ENABLE_TRACE_EVENT, "audio-out", frames::ConsumerTraces({5, 33})) ==
        "TypeError");
  ProduceOptions produce = samples::Audio("x", 7001);
  produce.kind = static_cast<MediaKind>(2);
  CHECK(ErrorOf(M::TRANSPORT_PRODUCE, "p", frames::Produce(produce)) == "TypeError");
  produce = samples::Audio("x", 7001);
  produce.rtp_parameters.header_extensions.push_back(
      {static_cast<RtpExtensionUri>(200), 1, {}, {}});
  CHECK(ErrorOf(M::TRANSPORT_PRODUCE, "p", frames::Produce(produce)) == "TypeError");
  ConsumeOptions consume = samples::ConsumerOf(audio, "x", 7003);
  consume.type = static_cast<RtpType>(4);
  CHECK(ErrorOf(M::TRANSPORT_CONSUME, "w", frames::Consume(consume)) == "TypeError");
  CHECK(ErrorOf(M::WEBRTCTRANSPORT_CONNECT, "w",
                frames::ConnectWebRtc({static_cast<DtlsRole>(3), SharedDtls()->fingerprints()})) ==
        "TypeError");
  DtlsParameters dtls{DtlsRole::kAuto, {{static_cast<FingerprintAlgorithm>(5), "AA"}}};
  CHECK(ErrorOf(M::WEBRTCTRANSPORT_CONNECT, "w", frames::ConnectWebRtc(dtls)) == "TypeError");
  PlainTransportOptions plain = Comedia();
  plain.enable_srtp = true;
  plain.srtp_crypto_suite = static_cast<SrtpProfile>(4);
  CHECK(ErrorOf(M::ROUTER_CREATE_PLAINTRANSPORT, "r", frames::CreatePlainTransport("x", plain)) ==
        "TypeError");
}

TEST_CASE_METHOD(ChannelFixture, "values out of range are a TypeError") {
  BuildCall();
  CHECK(ErrorOf(M::WORKER_CREATE_WEBRTCSERVER, "", frames::CreateServer("x", {})) == "TypeError");
  CHECK(ErrorOf(M::ROUTER_CREATE_WEBRTCTRANSPORT, "r", frames::CreateWebRtcTransport("x", [] {
                  WebRtcTransportOptions none = OwnSockets();
                  none.listen_infos.clear();
                  return none;
                }())) == "TypeError");
  WebRtcTransportOptions on_server;
  on_server.webrtc_server_id = "nobody";
  CHECK(ErrorOf(M::ROUTER_CREATE_WEBRTCTRANSPORT_WITH_SERVER, "r",
                frames::CreateWebRtcTransport("x", on_server)) == "Error");
  // The union member decides; the two methods do not mix.
  CHECK(ErrorOf(M::ROUTER_CREATE_WEBRTCTRANSPORT, "r",
                frames::CreateWebRtcTransport("x", on_server)) == "TypeError");
  CHECK(ErrorOf(M::ROUTER_CREATE_WEBRTCTRANSPORT_WITH_SERVER, "r",
                frames::CreateWebRtcTransport("x", OwnSockets())) == "TypeError");
  PlainTransportOptions tcp = Comedia();
  tcp.listen_info.protocol = TransportProtocol::kTcp;
  CHECK(ErrorOf(M::ROUTER_CREATE_PLAINTRANSPORT, "r", frames::CreatePlainTransport("x", tcp)) ==
        "TypeError");
  AudioLevelObserverOptions loud;
  loud.threshold = 1;
  CHECK(ErrorOf(M::ROUTER_CREATE_AUDIOLEVELOBSERVER, "r",
                frames::CreateAudioLevelObserver("x", loud)) == "TypeError");
  CHECK(ErrorOf(M::TRANSPORT_SET_MAX_INCOMING_BITRATE, "w",
                frames::MaxIncomingBitrate((1ull << 63) - 1)) == "TypeError");
  CHECK(ErrorOf(M::TRANSPORT_SET_MAX_OUTGOING_BITRATE, "w", frames::MaxOutgoingBitrate(29'999)) ==
        "TypeError");
  Do(M::TRANSPORT_SET_MAX_OUTGOING_BITRATE, "w", frames::MaxOutgoingBitrate(40'000));
  CHECK(ErrorOf(M::TRANSPORT_SET_MIN_OUTGOING_BITRATE, "w", frames::MinOutgoingBitrate(50'000)) ==
        "TypeError");
  CHECK(ErrorOf(M::CONSUMER_SET_PRIORITY, "audio-out", frames::Priority(0)) == "TypeError");
  CHECK(ErrorOf(M::WEBRTCTRANSPORT_CONNECT, "w", frames::ConnectWebRtc({})) == "TypeError");
  CHECK(ErrorOf(M::RTPOBSERVER_ADD_PRODUCER, "o", frames::AddProducer("video")) == "TypeError");
  CHECK(ErrorOf(M::TRANSPORT_PRODUCE, "p", frames::Produce(samples::Audio("x", 1001))) ==
        "Error");  // that ssrc is taken
}

TEST_CASE_METHOD(ChannelFixture, "a reason that quotes a whole frame is cut, and arrives") {
  const Reply reply = Call(M::ROUTER_DUMP, std::string(8'000'000, 'x'));
  CHECK(reply.error() == "NotFoundError");
  CHECK(reply.reason().size() <= 4096);
}

}  // namespace
}  // namespace sluice::worker
