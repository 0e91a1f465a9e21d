#include "worker/media/engine_events.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/sim/test_engine.h"
#include "tests/sim/virtual_environment.h"
#include "tests/unit/media/fake_sockets.h"
#include "tests/unit/media/media_samples.h"
#include "worker/media/engine.h"
#include "worker/wire/rtcp.h"

namespace sluice::worker {
namespace {

/// Hands the name of every event, whichever it is, to one function.
class AnyEvent final : public EngineEvents {
 public:
  std::function<void(const std::string&)> on_event;

  void OnPlainTuple(const std::string&, const TupleReport&) override { on_event("plain tuple"); }
  void OnPlainRtcpTuple(const std::string&, const TupleReport&) override {
    on_event("plain RTCP tuple");
  }
  void OnTransportTrace(const std::string&, const TransportTraceReport&) override {
    on_event("transport trace");
  }
  void OnPlainReceiver(const std::string&, bool) override { on_event("plain receiver"); }
  void OnProducerScore(const std::string&, const std::vector<ProducerScoreEntry>&) override {
    on_event("producer score");
  }
  void OnProducerVideoOrientation(const std::string&, const VideoOrientation&) override {
    on_event("orientation");
  }
  void OnProducerTrace(const std::string&, const TraceReport&) override {
    on_event("producer trace");
  }
  void OnProducerPacket(const std::string&, const ReceivedPacket&) override {
    on_event("producer packet");
  }
  void OnProducerWantedLayers(const std::string&, const std::vector<WantedLayers>&) override {
    on_event("wanted layers");
  }
  void OnConsumerProducerPause(const std::string&) override { on_event("producer pause"); }
  void OnConsumerProducerResume(const std::string&) override { on_event("producer resume"); }
  void OnConsumerProducerClose(const std::string&) override { on_event("producer close"); }
  void OnConsumerScore(const std::string&, const ConsumerScore&) override {
    on_event("consumer score");
  }
  void OnConsumerLayers(const std::string&, const std::optional<ConsumerLayers>&) override {
    on_event("consumer layers");
  }
  void OnConsumerTrace(const std::string&, const TraceReport&) override {
    on_event("consumer trace");
  }
  void OnAudioLevelVolumes(const std::string&,
                           const std::vector<std::pair<std::string, int8_t>>&) override {
    on_event("volumes");
  }
  void OnAudioLevelSilence(const std::string&) override { on_event("silence"); }
  void OnDominantSpeaker(const std::string&, const std::string&) override {
    on_event("dominant speaker");
  }
  void OnConsumerRtp(const std::string&, const DirectPacket&) override { on_event("direct RTP"); }
  void OnDirectRtcp(const std::string&, const DirectPacket&) override { on_event("direct RTCP"); }
};

/// A router with two speakers, one of them with ports apart for RTP and RTCP, viewers, one of which
/// says what its path takes, a pipe, a direct transport and observers, in which everything is
/// reported that can be.
class Stage {
 public:
  static constexpr uint8_t kLevelId = 10;
  static constexpr uint8_t kOrientationId = 11;
  static constexpr uint32_t kOtherSsrc = 7;

  explicit Stage(std::function<void(Stage&, const std::string&)> on_event)
      : on_event_(std::move(on_event)) {
    events.on_event = [this](const std::string& name) {
      REQUIRE_FALSE(inside_graph_);
      on_event_(*this, name);
    };
    environment.AtTurnEnd(VirtualEnvironment::TurnStage::kEngine,
                          [this](Timestamp now) { engine->OnTurnEnd(now); });
    environment.AtTurnEnd(VirtualEnvironment::TurnStage::kWriters,
                          [this](Timestamp) { network.Flush(); });
    audio_ = samples::Audio("audio", 1);
    AddExtension(RtpExtensionUri::kAudioLevel, kLevelId, &audio_);
    video_ = samples::Video("video", 2, 3);
    AddExtension(RtpExtensionUri::kVideoOrientation, kOrientationId, &video_);
    video_.report_wanted_layers = true;
    layers_ = samples::Video("layers", 5);
    RtpEncodingParameters second;
    second.ssrc = 6;
    layers_.rtp_parameters.encodings.push_back(second);
    layers_.rtp_mapping.encodings.push_back({"", 6, 5006});
    other_ = samples::Audio("other", kOtherSsrc);
  }

  /// The whole play. Once something has been closed its commands fail, which is as it should be.
  void Play() {
    (void)engine->CreateRouter("router");
    PlainTransportOptions options;
    options.listen_info.ip = "127.0.0.1";
    options.comedia = true;
    const auto sender = engine->CreatePlainTransport("router", "sender", options);
    options.comedia = false;
    options.receiver_timeout = 1000;  // it says nothing
    (void)engine->CreatePlainTransport("router", "receiver", options);
    PlainConnectOptions connect;
    connect.ip = "192.0.2.2";
    connect.port = 5000;
    (void)engine->ConnectPlainTransport("receiver", connect);
    if (!sender.ok()) return;
    local_ = {*IpAddress::Parse("127.0.0.1"), sender->tuple.local_port};
    (void)engine->Produce("sender", audio_);
    (void)engine->Produce("sender", video_);
    (void)engine->Produce("sender", layers_);
    (void)engine->CreateAudioLevelObserver("router", "observer", {});
    (void)engine->AddProducerToObserver("observer", "audio");
    (void)engine->Consume("receiver", samples::ConsumerOf(audio_, "listener", 10));
    (void)engine->Consume("receiver", samples::ConsumerOf(video_, "viewer", 20));
    (void)engine->Consume("receiver", Layered());
    (void)engine->Consume("sender", samples::ConsumerOf(video_, "mirror", 30));
    (void)engine->CreateActiveSpeakerObserver("router", "speaker", {});
    (void)engine->AddProducerToObserver("speaker", "audio");
    DirectTransportOptions direct;
    direct.base.direct = true;
    (void)engine->CreateDirectTransport("router", "direct", direct);
    (void)engine->Consume("direct", samples::ConsumerOf(video_, "tap", 40));
    PipeTransportOptions pipe;
    pipe.listen_info.ip = "127.0.0.1";
    (void)engine->CreatePipeTransport("router", "pipe", pipe);
    (void)engine->ConnectPipeTransport("pipe", {"192.0.2.3", 5000, {}});
    (void)engine->Consume("pipe", samples::PipeConsumerOf(video_, "through", 50));
    options.receiver_timeout = 0;
    const auto measured = engine->CreatePlainTransport("router", "measured", options);
    connect.ip = "192.0.2.4";
    (void)engine->ConnectPlainTransport("measured", connect);
    (void)engine->Consume("measured", Measured());
    if (measured.ok()) measured_ = {local_.ip, measured->tuple.local_port};
    options.comedia = true;
    options.rtcp_mux = false;
    const auto apart = engine->CreatePlainTransport("router", "apart", options);
    (void)engine->Produce("apart", other_);
    if (apart.ok()) apart_ = {local_.ip, apart->tuple.local_port};
    if (apart.ok()) apart_rtcp_ = {local_.ip, apart->rtcp_tuple->local_port};
    ReportEverything();
    environment.EndTurn();
    for (uint16_t turn = 0; turn < 4; ++turn) Turn(turn);
    for (const char* id : {"audio", "video"}) (void)engine->PauseProducer(id);
    Turn(4);
    for (const char* id : {"audio", "video"}) (void)engine->ResumeProducer(id);
    Turn(5);
    environment.AdvanceBy(Duration::Seconds(2));
    // Nobody wants the video any more.
    for (const char* id : {"viewer", "mirror", "tap", "through", "meter"}) Close(id);
    environment.AdvanceBy(Duration::Seconds(6));
    (void)engine->CloseProducer("sender", "video");
    environment.EndTurn();
    (void)engine->CloseTransport("router", "sender");
    environment.AdvanceBy(Duration::Seconds(2));
  }
  void Close(const std::string& id) {
    if (id == "router") (void)engine->CloseRouter(id);
    if (id == "sender" || id == "receiver" || id == "direct" || id == "pipe" || id == "measured" ||
        id == "apart") {
      (void)engine->CloseTransport("router", id);
    }
    if (id == "audio" || id == "video" || id == "layers") {
      (void)engine->CloseProducer("sender", id);
    }
    if (id == "other") (void)engine->CloseProducer("apart", id);
    if (id == "meter") (void)engine->CloseConsumer("measured", id);
    if (id == "listener" || id == "viewer" || id == "layered") {
      (void)engine->CloseConsumer("receiver", id);
    }
    if (id == "mirror") (void)engine->CloseConsumer("sender", id);
    if (id == "tap") (void)engine->CloseConsumer("direct", id);
    if (id == "through") (void)engine->CloseConsumer("pipe", id);
    if (id == "observer" || id == "speaker") (void)engine->CloseRtpObserver("router", id);
  }

 private:
  static void AddExtension(RtpExtensionUri uri, uint8_t id, ProduceOptions* options) {
    RtpHeaderExtensionParameters extension;
    extension.uri = uri;
    extension.id = id;
    options->rtp_parameters.header_extensions.push_back(extension);
  }
  ConsumeOptions Layered() const {
    ConsumeOptions options = samples::ConsumerOf(layers_, "layered", 60);
    options.consumable_rtp_encodings.clear();
    for (const RtpEncodingMapping& each : layers_.rtp_mapping.encodings) {
      options.consumable_rtp_encodings.emplace_back().ssrc = each.mapped_ssrc;
    }
    options.rtp_parameters.encodings[0].scalability_mode = "L2T1";
    return options;
  }
  /// One whose receiver says what its path takes.
  ConsumeOptions Measured() const {
    ConsumeOptions options = samples::ConsumerOf(video_, "meter", 70);
    options.rtp_parameters.codecs[0].rtcp_feedback.push_back({"goog-remb", ""});
    options.rtp_parameters.header_extensions = {{RtpExtensionUri::kAbsSendTime, 3, false, {}}};
    return options;
  }
  void ReportEverything() {
    (void)engine->EnableTransportTraces("measured", TraceMask{0xff});
    for (const char* id : {"audio", "video"}) {
      const auto producer = engine->Find<Producer>(id);
      if (!producer.ok()) continue;
      (*producer)->EnableTraces(TraceMask{0xff});
      (*producer)->ReportPackets(true);
    }
    for (const char* id : {"listener", "viewer", "mirror", "tap", "through", "meter"}) {
      const auto consumer = engine->Find<Consumer>(id);
      if (consumer.ok()) (*consumer)->EnableTraces(TraceMask{0xff});
    }
  }
  void Turn(uint16_t number) {
    const auto timestamp = static_cast<uint32_t>(number) * 3000;
    for (uint16_t i = 0; i < 12; ++i) {  // as many as an observer needs to believe them
      const auto sequence = static_cast<uint16_t>(number * 12 + i);
      Receive(samples::WithExtension(
          samples::Rtp(samples::kOpus, 1, sequence, timestamp, {1, 2, 3}), kLevelId, {30}));
    }
    for (uint16_t i = 0; i < 2; ++i) {
      const auto sequence = static_cast<uint16_t>(number * 2 + i);
      Receive(samples::WithExtension(
          samples::Rtp(samples::kVp8, 2, sequence, timestamp,
                       samples::Vp8Payload(sequence % 4 == 0, sequence), i == 1),
          kOrientationId, {static_cast<uint8_t>(number & 3)}));
    }
    for (const uint32_t ssrc : {5u, 6u}) {
      Receive(samples::Rtp(samples::kVp8, ssrc, number, timestamp,
                           samples::Vp8Payload(true, number), true));
    }
    Receive(samples::Rtp(samples::kOpus, kOtherSsrc, number, timestamp, {1, 2, 3}), apart_,
            "192.0.2.5");
    rtcp::SenderInfo report;
    report.ssrc = Ssrc(kOtherSsrc);
    report.ntp = environment.NtpNow();
    ReceiveRtcp(apart_rtcp_, "192.0.2.5",
                [&](rtcp::Builder& to) { return to.AddSenderReport(report, {}); });
    const auto rate = DataRate::BitsPerSecond(1'000'000 - 100'000 * number);
    ReceiveRtcp(measured_, "192.0.2.4",
                [&](rtcp::Builder& to) { return to.AddRemb(Ssrc(1), rate, {}); });
    environment.EndTurn();
    environment.AdvanceBy(Duration::Millis(400));
  }
  void Receive(const std::vector<uint8_t>& packet) { Receive(packet, local_, "192.0.2.1"); }
  void Receive(const std::vector<uint8_t>& packet, const SocketAddress& local, const char* from) {
    inside_graph_ = true;
    const SocketAddress remote{*IpAddress::Parse(from), 5000};
    network.Deliver(pool, packet, local, remote, environment.Now());
    inside_graph_ = false;
  }
  void ReceiveRtcp(const SocketAddress& local, const char* from,
                   const std::function<bool(rtcp::Builder&)>& write) {
    std::vector<uint8_t> bytes(rtcp::Builder::kMaxCompound);
    rtcp::Builder builder(bytes);
    REQUIRE(write(builder));
    bytes.resize(builder.size());
    Receive(bytes, local, from);
  }

  static std::shared_ptr<DtlsContext> SharedDtls() {
    static const std::shared_ptr<DtlsContext> context = *DtlsContext::Generate();
    return context;
  }

  std::function<void(Stage&, const std::string&)> on_event_;
  bool inside_graph_ = false;
  SocketAddress local_;
  SocketAddress measured_;
  SocketAddress apart_;
  SocketAddress apart_rtcp_;
  ProduceOptions audio_;
  ProduceOptions video_;
  ProduceOptions layers_;
  ProduceOptions other_;

 public:
  VirtualEnvironment environment;
  PacketBufferPool pool;
  FakeNetwork network;
  AnyEvent events;
  std::unique_ptr<SrtpEngine> srtp = *SrtpEngine::Create(SrtpEngine::Kind::kOpenSsl);
  std::unique_ptr<TestEngine> engine = std::make_unique<TestEngine>(EngineDependencies{
      environment, network, pool, *srtp, SharedDtls(), events, {}, {.estimate_bandwidth = true}});
};

/// Names of the events of an undisturbed play, in order.
std::vector<std::string> EventsOfPlay() {
  std::vector<std::string> names;
  Stage([&](Stage&, const std::string& name) { names.push_back(name); }).Play();
  return names;
}

TEST_CASE("events come from outside the graph: any object can be closed inside any", "[engine]") {
  const std::vector<std::string> names = EventsOfPlay();
  // All kinds that a graph without ICE and DTLS has.
  const std::set<std::string> kinds(names.begin(), names.end());
  CHECK(kinds.size() >= 20);
  CHECK(kinds.contains("plain RTCP tuple"));
  CHECK(kinds.contains("transport trace"));
  const std::vector<std::string> victims = {"layers",   "layered",  "video", "audio",    "viewer",
                                            "listener", "mirror",   "tap",   "through",  "receiver",
                                            "sender",   "direct",   "pipe",  "observer", "speaker",
                                            "meter",    "measured", "other", "apart",    "router"};
  for (const std::string& victim : victims) {
    for (size_t when = 0; when < names.size(); ++when) {
      CAPTURE(victim, when, names[when]);
      size_t seen = 0;
      Stage stage([&](Stage& self, const std::string&) {
        if (seen++ == when) self.Close(victim);
      });
      stage.Play();
      REQUIRE(seen > when);
      REQUIRE_FALSE(stage.engine->Find<Producer>("video").ok());
    }
  }
}

TEST_CASE("events: what is reported inside an event comes after it", "[engine]") {
  std::vector<std::string> names;
  bool inside = false;
  Stage stage([&](Stage& self, const std::string& name) {
    REQUIRE_FALSE(inside);
    inside = true;
    names.push_back(name);
    if (name == "orientation") (void)self.engine->PauseProducer("video");
    inside = false;
  });
  stage.Play();
  CHECK(std::count(names.begin(), names.end(), "producer pause") >= 3);
}

}  // namespace
}  // namespace sluice::worker
