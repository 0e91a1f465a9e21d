// The router protocol in front of a real engine, in virtual time, on a network in memory. One byte
// string is a script: frames that are valid, mutated or garbage, datagrams, and time that passes.
// Held throughout: what the channel writes passes the verifier, and a well-formed request gets
// exactly one response, after the notifications it caused.
#include <algorithm>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "fuzzers/engine_fuzzing.h"
#include "tests/unit/channel/request_frames.h"
#include "tests/unit/media/media_samples.h"
#include "worker/channel/router_channel.h"

namespace sluice::worker {
namespace {

using M = FBS::Request::Method;
using frames::Bytes;
using fuzz::Check;
using fuzz::Script;
using fuzz::Shared;

/// Few ids, so that they meet: of all classes, and some that exist nowhere.
std::string SomeId(Script& script) {
  static constexpr const char* kIds[] = {"r0", "r1", "s0", "w0", "w1", "p0", "p1",
                                         "a0", "a1", "v0", "v1", "c0", "c1", "c2",
                                         "c3", "o0", "o1", "i0", "d0", "",   "nobody"};
  return kIds[script.Below(std::size(kIds))];
}

ListenInfo Listen(Script& script) {
  static constexpr const char* kIps[] = {"127.0.0.1", "::1", "0.0.0.0", "1.2.3", ""};
  ListenInfo info;
  const uint8_t bits = script.Byte();
  info.ip = kIps[(bits & 7) < 4 ? 0 : (bits & 3) + 1];
  if ((bits & 8) != 0) info.protocol = TransportProtocol::kTcp;
  if ((bits & 16) != 0) info.port = static_cast<uint16_t>(40'000 + script.Below(8));
  if ((bits & 32) != 0) info.announced_address = "media.example";
  info.expose_internal_ip = (bits & 64) != 0;
  return info;
}

std::vector<ListenInfo> Listens(Script& script) {
  std::vector<ListenInfo> infos(script.Below(4));
  for (ListenInfo& info : infos) info = Listen(script);
  return infos;
}

/// Parameters of one of the samples, bent here and there.
ProduceOptions Produce(Script& script) {
  const std::string id = SomeId(script);
  const uint32_t ssrc = 1000 + script.Below(8);
  ProduceOptions options =
      script.Flag() ? samples::Audio(id, ssrc) : samples::Video(id, ssrc, ssrc + 100);
  const uint8_t bits = script.Byte();
  RtpParameters& parameters = options.rtp_parameters;
  if ((bits & 1) != 0) parameters.mid = script.Flag() ? "0" : "1";
  if ((bits & 2) != 0) parameters.encodings[0].rid = "r";
  if ((bits & 4) != 0) parameters.encodings[0].ssrc.reset();
  if ((bits & 8) != 0) parameters.codecs[0].payload_type = script.Byte();
  if ((bits & 16) != 0) {
    parameters.header_extensions.push_back(
        {static_cast<RtpExtensionUri>(script.Byte()), script.Byte(), script.Flag(), {}});
  }
  if ((bits & 32) != 0) options.rtp_mapping.codecs.clear();
  if ((bits & 64) != 0) parameters.encodings.push_back(parameters.encodings[0]);
  if ((bits & 128) != 0) {
    static constexpr const char* kMimeTypes[] = {"video/H264", "video/VP9", "audio/opus",
                                                 "video/rtx",  "audio/x",   "nothing"};
    parameters.codecs[0].mime_type = kMimeTypes[script.Below(std::size(kMimeTypes))];
  }
  options.paused = script.Flag();
  options.key_frame_request_delay = script.Byte();
  return options;
}

ConsumeOptions Consume(Script& script) {
  ProduceOptions produced = script.Flag() ? samples::Audio(SomeId(script), 1000 + script.Below(8))
                                          : samples::Video(SomeId(script), 1000 + script.Below(8));
  ConsumeOptions options = samples::ConsumerOf(produced, SomeId(script), 9000 + script.Below(8));
  const uint8_t bits = script.Byte();
  options.paused = (bits & 1) != 0;
  if ((bits & 2) != 0) options.type = static_cast<RtpType>(script.Below(5));
  if ((bits & 4) != 0) options.consumable_rtp_encodings.clear();
  if ((bits & 8) != 0) options.rtp_parameters.codecs.erase(options.rtp_parameters.codecs.begin());
  if ((bits & 16) != 0) options.rtp_parameters.encodings[0].ssrc.reset();
  if ((bits & 32) != 0) options.preferred_layers = ConsumerLayers{script.Byte(), script.Byte()};
  return options;
}

/// The body that `method` wants, with arguments from the script.
frames::MakeBody BodyOf(M method, Script& script, const Shared& shared) {
  switch (method) {
    case M::WORKER_UPDATE_SETTINGS:
      return frames::Settings(script.Flag() ? "none" : "chicken");
    case M::WORKER_CREATE_WEBRTCSERVER:
      return frames::CreateServer(SomeId(script), Listens(script));
    case M::WORKER_CREATE_ROUTER:
      return frames::CreateRouter(SomeId(script));
    case M::WORKER_WEBRTCSERVER_CLOSE:
      return frames::CloseServer(SomeId(script));
    case M::WORKER_CLOSE_ROUTER:
      return frames::CloseRouter(SomeId(script));
    case M::ROUTER_CREATE_WEBRTCTRANSPORT:
    case M::ROUTER_CREATE_WEBRTCTRANSPORT_WITH_SERVER: {
      WebRtcTransportOptions options;
      if (script.Flag()) options.webrtc_server_id = SomeId(script);
      options.listen_infos = Listens(script);
      options.ice_consent_timeout = script.Byte();
      options.enable_udp = !script.Flag();
      options.base.enable_sctp = script.Below(8) == 1;
      return frames::CreateWebRtcTransport(SomeId(script), options);
    }
    case M::ROUTER_CREATE_PLAINTRANSPORT: {
      PlainTransportOptions options;
      options.listen_info = Listen(script);
      const uint8_t bits = script.Byte();
      options.rtcp_mux = (bits & 1) == 0;
      options.comedia = (bits & 2) == 0;
      options.enable_srtp = (bits & 4) != 0;
      if ((bits & 8) != 0) options.srtp_crypto_suite = static_cast<SrtpProfile>(script.Below(6));
      if ((bits & 16) != 0) options.rtcp_listen_info = Listen(script);
      return frames::CreatePlainTransport(SomeId(script), options);
    }
    case M::ROUTER_CREATE_PIPETRANSPORT: {
      PipeTransportOptions options;
      options.listen_info = Listen(script);
      options.enable_srtp = script.Flag();
      return frames::CreatePipeTransport(SomeId(script), options);
    }
    case M::ROUTER_CREATE_DIRECTTRANSPORT: {
      DirectTransportOptions options;
      options.base.direct = script.Below(8) != 0;
      options.base.enable_sctp = script.Below(8) == 1;
      return frames::CreateDirectTransport(SomeId(script), options);
    }
    case M::ROUTER_CLOSE_TRANSPORT:
      return frames::CloseTransport(SomeId(script));
    case M::ROUTER_CREATE_ACTIVESPEAKEROBSERVER:
      return frames::CreateActiveSpeakerObserver(SomeId(script), {script.Byte()});
    case M::ROUTER_CREATE_AUDIOLEVELOBSERVER: {
      const auto threshold = static_cast<int8_t>(-static_cast<int>(script.Below(128)));
      return frames::CreateAudioLevelObserver(SomeId(script),
                                              {script.Byte(), threshold, script.Byte()});
    }
    case M::ROUTER_CLOSE_RTPOBSERVER:
      return frames::CloseObserver(SomeId(script));
    case M::TRANSPORT_SET_MAX_INCOMING_BITRATE:
      return frames::MaxIncomingBitrate(script.U32());
    case M::TRANSPORT_SET_MAX_OUTGOING_BITRATE:
      return frames::MaxOutgoingBitrate(script.U32());
    case M::TRANSPORT_SET_MIN_OUTGOING_BITRATE:
      return frames::MinOutgoingBitrate(script.U32());
    case M::TRANSPORT_PRODUCE:
      return frames::Produce(Produce(script));
    case M::TRANSPORT_CONSUME:
      return frames::Consume(Consume(script));
    case M::TRANSPORT_ENABLE_TRACE_EVENT:
      return frames::TransportTraces(script.Block());
    case M::TRANSPORT_CLOSE_PRODUCER:
      return frames::CloseProducer(SomeId(script));
    case M::TRANSPORT_CLOSE_CONSUMER:
      return frames::CloseConsumer(SomeId(script));
    case M::PLAINTRANSPORT_CONNECT: {
      PlainConnectOptions options;
      const uint8_t bits = script.Byte();
      if ((bits & 1) == 0) options.ip = "127.0.0.1";
      if ((bits & 2) == 0) options.port = uint16_t{50'000};
      if ((bits & 4) != 0) options.rtcp_port = uint16_t{50'001};
      if ((bits & 8) != 0) {
        options.srtp_parameters = SrtpParameters{static_cast<SrtpProfile>(script.Below(4)),
                                                 std::string(4 * script.Below(20), 'A')};
      }
      return frames::ConnectPlain(options);
    }
    case M::PIPETRANSPORT_CONNECT: {
      PipeConnectOptions options;
      const uint8_t bits = script.Byte();
      if ((bits & 1) == 0) options.ip = "127.0.0.1";
      if ((bits & 2) == 0) options.port = uint16_t{50'000};
      if ((bits & 4) != 0) {
        options.srtp_parameters = SrtpParameters{static_cast<SrtpProfile>(script.Below(4)),
                                                 std::string(4 * script.Below(20), 'A')};
      }
      return frames::ConnectPipe(options);
    }
    case M::WEBRTCTRANSPORT_CONNECT:
      return frames::ConnectWebRtc(
          {static_cast<DtlsRole>(script.Below(4)), shared.dtls->fingerprints()});
    case M::PRODUCER_ENABLE_TRACE_EVENT:
      return frames::ProducerTraces(script.Block());
    case M::CONSUMER_SET_PREFERRED_LAYERS:
      return frames::PreferredLayers({script.Byte(), script.Byte()});
    case M::CONSUMER_SET_WANTED_LAYERS:
      return frames::WantedLayers({{static_cast<int16_t>(script.Byte()) - 2, script.Byte()}});
    case M::CONSUMER_SET_PRIORITY:
      return frames::Priority(script.Byte());
    case M::CONSUMER_ENABLE_TRACE_EVENT:
      return frames::ConsumerTraces(script.Block());
    case M::RTPOBSERVER_ADD_PRODUCER:
      return frames::AddProducer(SomeId(script));
    case M::RTPOBSERVER_REMOVE_PRODUCER:
      return frames::RemoveProducer(SomeId(script));
    default:
      return frames::NoBody;
  }
}

/// A worker without its process, driven by one script.
class Run final : private ChannelOutput, private ProcessInfo {
 public:
  Run(Shared& shared, Script script) : shared_(shared), script_(script) {}

  void Play() {
    if (script_.Flag()) BuildCall();
    while (!script_.done() && !closed_) Step();
    environment_.AdvanceBy(Duration::Millis(100));
  }

 private:
  void Step() {
    switch (script_.Below(16)) {
      case 0:
        channel_.OnBytes(script_.Block());  // whatever it is, and the stream may be lost by it
        desynchronised_ = true;
        return;
      case 1:
        return Feed(script_.Block());
      case 2:
      case 3:
        return FeedMutated();
      case 4:
        return Feed(Payload(frames::Notification(
            static_cast<FBS::Notification::Event>(script_.Below(40)), SomeId(script_))));
      case 5:
        return Feed(Payload(script_.Flag() ? frames::ProducerSend(SomeId(script_), Packet())
                                           : frames::SendRtcp(SomeId(script_), script_.Block())));
      case 6:
      case 7:
        Deliver();
        return;
      case 8:
        return environment_.AdvanceBy(Duration::Millis(script_.Byte() * 20));
      case 9:
        return environment_.EndTurn();
      default:
        return Request(Method(), SomeId(script_));
    }
  }

  void BuildCall() {
    const ProduceOptions audio = samples::Audio("a0", 1000);
    const ProduceOptions video = samples::Video("v0", 1001, 1101);
    ListenInfo listen;
    listen.ip = "127.0.0.1";
    WebRtcTransportOptions webrtc;
    webrtc.listen_infos = {listen};
    PlainTransportOptions plain;
    plain.listen_info = listen;
    plain.comedia = true;
    PlainTransportOptions sender = plain;
    sender.comedia = false;
    PlainConnectOptions connect;
    connect.ip = "127.0.0.1";
    connect.port = uint16_t{50'000};
    Answer(M::WORKER_CREATE_ROUTER, "", frames::CreateRouter("r0"));
    Answer(M::ROUTER_CREATE_WEBRTCTRANSPORT, "r0", frames::CreateWebRtcTransport("w0", webrtc));
    Answer(M::ROUTER_CREATE_PLAINTRANSPORT, "r0", frames::CreatePlainTransport("p0", plain));
    Answer(M::ROUTER_CREATE_PLAINTRANSPORT, "r0", frames::CreatePlainTransport("p1", sender));
    Answer(M::PLAINTRANSPORT_CONNECT, "p1", frames::ConnectPlain(connect));
    Answer(M::TRANSPORT_PRODUCE, "p0", frames::Produce(audio));
    Answer(M::TRANSPORT_PRODUCE, "p0", frames::Produce(video));
    Answer(M::TRANSPORT_CONSUME, "w0", frames::Consume(samples::ConsumerOf(audio, "c0", 9000)));
    Answer(M::TRANSPORT_CONSUME, "p1", frames::Consume(samples::ConsumerOf(video, "c1", 9002)));
    Answer(M::ROUTER_CREATE_AUDIOLEVELOBSERVER, "r0", frames::CreateAudioLevelObserver("o0", {}));
    Answer(M::RTPOBSERVER_ADD_PRODUCER, "o0", frames::AddProducer("a0"));
    Answer(M::ROUTER_CREATE_ACTIVESPEAKEROBSERVER, "r0",
           frames::CreateActiveSpeakerObserver("o1", {}));
    Answer(M::RTPOBSERVER_ADD_PRODUCER, "o1", frames::AddProducer("a0"));
    PipeTransportOptions pipe;
    pipe.listen_info = listen;
    Answer(M::ROUTER_CREATE_PIPETRANSPORT, "r0", frames::CreatePipeTransport("i0", pipe));
    DirectTransportOptions direct;
    direct.base.direct = true;
    Answer(M::ROUTER_CREATE_DIRECTTRANSPORT, "r0", frames::CreateDirectTransport("d0", direct));
    Answer(M::TRANSPORT_CONSUME, "d0", frames::Consume(samples::ConsumerOf(video, "c2", 9004)));
  }

  M Method() { return static_cast<M>(script_.Below(70)); }

  void Request(M method, const std::string& handler) {
    Answer(method, handler, BodyOf(method, script_, shared_));
  }
  void Answer(M method, const std::string& handler, const frames::MakeBody& body) {
    responses_ = 0;
    last_was_response_ = false;
    expected_id_ = ++last_id_;
    channel_.OnBytes(frames::Request(last_id_, method, handler, body));
    if (desynchronised_) return;
    Check(responses_ == 1 && last_was_response_);
  }

  static Bytes Payload(const Bytes& frame) { return {frame.begin() + 4, frame.end()}; }
  void Feed(const Bytes& payload) {
    Bytes frame(4);
    for (size_t i = 0; i < 4; ++i) frame[i] = static_cast<uint8_t>(payload.size() >> (8 * i));
    frame.insert(frame.end(), payload.begin(), payload.end());
    expected_id_.reset();
    channel_.OnBytes(frame);
  }
  void FeedMutated() {
    const M method = Method();
    const std::string handler = SomeId(script_);
    Bytes payload =
        Payload(frames::Request(++last_id_, method, handler, BodyOf(method, script_, shared_)));
    for (uint32_t changes = script_.Below(8); changes > 0; --changes) {
      const size_t at = size_t{script_.Byte()} << 8 | script_.Byte();
      payload[at % payload.size()] = script_.Byte();
    }
    if (script_.Below(8) == 7) payload.resize(payload.size() - script_.Byte() % payload.size());
    Feed(payload);
  }

  /// RTP that a producer may know, or anything.
  Bytes Packet() {
    if (script_.Below(4) == 0) return script_.Block();
    const bool video = script_.Flag();
    const uint16_t sequence = script_.Byte();
    return samples::Rtp(video ? samples::kVp8 : samples::kOpus, 1000 + script_.Below(8), sequence,
                        sequence * 960u,
                        video ? samples::Vp8Payload(script_.Flag(), sequence) : script_.Block());
  }
  void Deliver() {
    const IpAddress ip = *IpAddress::Parse("127.0.0.1");
    const auto port = static_cast<uint16_t>(40'000 + script_.Below(8));
    bed_.network.Deliver(shared_.pool, Packet(), {ip, port}, {ip, uint16_t{50'000}},
                         environment_.Now());
  }

  // ChannelOutput
  void Write(std::span<const uint8_t> bytes) override {
    flatbuffers::Verifier verifier(bytes.data(), bytes.size());
    Check(verifier.VerifySizePrefixedBuffer<FBS::Message::Message>(nullptr));
    const auto* response = FBS::Message::GetSizePrefixedMessage(bytes.data())->data_as_Response();
    last_was_response_ = response != nullptr;
    if (response == nullptr) return;
    ++responses_;
    if (desynchronised_) return;
    Check(!expected_id_ || response->id() == *expected_id_);
    Check(response->accepted() == (response->error() == nullptr));
    Check(response->accepted() == (response->reason() == nullptr));
  }
  // ProcessInfo
  uint32_t pid() const override { return 1; }
  ResourceUsage GetResourceUsage() const override { return {}; }
  MetricsReport ReadMetrics() const override { return {}; }
  void RequestClose() override { closed_ = true; }

  Shared& shared_;
  Script script_;
  uint32_t last_id_ = 0;
  std::optional<uint32_t> expected_id_;
  size_t responses_ = 0;
  bool last_was_response_ = false;
  bool desynchronised_ = false;  // raw bytes were fed: frames may be swallowed from here on
  bool closed_ = false;

  VirtualEnvironment environment_;
  RouterChannel channel_{*this, *this};
  fuzz::EngineBed<RouterChannel> bed_{shared_, environment_, channel_};
};

}  // namespace
}  // namespace sluice::worker

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static auto* const shared = new sluice::worker::fuzz::Shared;
  sluice::worker::Run run(*shared, sluice::worker::fuzz::Script(data, size));
  run.Play();
  return 0;
}
