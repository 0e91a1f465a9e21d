#pragma once

#include <catch2/catch.hpp>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/sim/virtual_environment.h"
#include "tests/unit/channel/request_frames.h"
#include "tests/unit/media/fake_sockets.h"
#include "tests/unit/media/media_samples.h"
#include "worker/channel/router_channel.h"
#include "worker/media/engine.h"

namespace sluice::worker {

/// A frame that the channel wrote. It passes the verifier, or the test fails.
class SentFrame {
 public:
  explicit SentFrame(std::span<const uint8_t> bytes) : bytes_(bytes.begin(), bytes.end()) {
    flatbuffers::Verifier verifier(bytes_.data(), bytes_.size());
    REQUIRE(verifier.VerifySizePrefixedBuffer<FBS::Message::Message>(nullptr));
  }
  const FBS::Message::Message& message() const {
    return *FBS::Message::GetSizePrefixedMessage(bytes_.data());
  }
  const FBS::Response::Response* response() const { return message().data_as_Response(); }
  const FBS::Notification::Notification* notification() const {
    return message().data_as_Notification();
  }
  /// Text of a log frame, level letter first; "" for other frames.
  std::string log() const {
    const auto* log = message().data_as_Log();
    return log == nullptr ? "" : log->data()->str();
  }

 private:
  std::vector<uint8_t> bytes_;
};

/// A response, kept with the memory that it lies in.
class Reply {
 public:
  explicit Reply(SentFrame frame) : frame_(std::move(frame)) {}
  const FBS::Response::Response& response() const { return *frame_.response(); }
  bool accepted() const { return response().accepted(); }
  std::string error() const { return response().error() ? response().error()->str() : ""; }
  std::string reason() const { return response().reason() ? response().reason()->str() : ""; }
  FBS::Response::Body type() const { return response().body_type(); }
  /// The body as table T; the caller has checked type().
  template <typename T>
  const T& body() const {
    return *static_cast<const T*>(response().body());
  }

 private:
  SentFrame frame_;
};

/// A channel in front of a real engine, in virtual time, on a network in memory.
struct ChannelFixture : private ChannelOutput, private ProcessInfo {
  ChannelFixture() {
    channel.SetEngine(engine.get());
    Log::SetSink(&channel);
    Log::SetLevel(LogLevel::kError);
    Log::SetTags(0);
    environment.AtTurnEnd(VirtualEnvironment::TurnStage::kEngine,
                          [this](Timestamp now) { engine->OnTurnEnd(now); });
    environment.AtTurnEnd(VirtualEnvironment::TurnStage::kWriters,
                          [this](Timestamp) { network.Flush(); });
  }
  ~ChannelFixture() override {
    Log::SetSink(nullptr);
    Log::SetLevel(LogLevel::kError);
  }

  /// Sends one request. Exactly one response comes, with its id, after everything else.
  Reply Call(FBS::Request::Method method, const std::string& handler = "",
             const frames::MakeBody& body = frames::NoBody) {
    return CallRaw(frames::Request(++last_id, method, handler, body));
  }
  /// `frame` is a request with id `last_id`.
  Reply CallRaw(const frames::Bytes& frame) {
    sent.clear();
    channel.OnBytes(frame);
    size_t responses = 0;
    for (const SentFrame& s : sent) responses += s.response() != nullptr ? 1u : 0u;
    REQUIRE(responses == 1);
    Reply reply(sent.back());
    REQUIRE(sent.back().response() != nullptr);
    CHECK(reply.response().id() == last_id);
    return reply;
  }
  /// The call, which must succeed and answer with body type `type`.
  Reply Do(FBS::Request::Method method, const std::string& handler = "",
           const frames::MakeBody& body = frames::NoBody,
           FBS::Response::Body type = FBS::Response::Body::NONE) {
    Reply reply = Call(method, handler, body);
    INFO(FBS::Request::EnumNameMethod(method) << ": " << reply.error() << " " << reply.reason());
    REQUIRE(reply.accepted());
    CHECK(reply.type() == type);
    CHECK(reply.error().empty());
    return reply;
  }
  /// The class of the error that the call is answered with.
  std::string ErrorOf(FBS::Request::Method method, const std::string& handler = "",
                      const frames::MakeBody& body = frames::NoBody) {
    const Reply reply = Call(method, handler, body);
    CHECK_FALSE(reply.accepted());
    CHECK_FALSE(reply.reason().empty());
    CHECK(reply.type() == FBS::Response::Body::NONE);
    // A log frame tells of it first.
    CHECK(std::any_of(sent.begin(), sent.end(),
                      [](const SentFrame& frame) { return frame.log().starts_with("E"); }));
    return reply.error();
  }
  /// "event id" of each notification written since the last call.
  std::vector<std::string> Notifications() const {
    std::vector<std::string> names;
    for (const SentFrame& frame : sent) {
      if (const auto* n = frame.notification()) {
        names.push_back(fmt::format("{} {}", FBS::Notification::EnumNameEvent(n->event()),
                                    n->handler_id()->string_view()));
      }
    }
    return names;
  }
  size_t Logs() const {
    size_t count = 0;
    for (const SentFrame& frame : sent) count += frame.log().empty() ? 0u : 1u;
    return count;
  }

  static ListenInfo Listen(TransportProtocol protocol = TransportProtocol::kUdp) {
    ListenInfo info;
    info.protocol = protocol;
    info.ip = "127.0.0.1";
    return info;
  }
  static WebRtcTransportOptions OwnSockets() {
    WebRtcTransportOptions options;
    options.listen_infos = {Listen(), Listen(TransportProtocol::kTcp)};
    return options;
  }
  static PlainTransportOptions Comedia() {
    PlainTransportOptions options;
    options.listen_info = Listen();
    options.comedia = true;
    return options;
  }

  static PipeTransportOptions Pipe() {
    PipeTransportOptions options;
    options.listen_info = Listen();
    return options;
  }
  static DirectTransportOptions Direct() {
    DirectTransportOptions options;
    options.base.direct = true;
    return options;
  }

  /// Router "r", WebRtcTransport "w", PlainTransport "p" (comedia), PipeTransport "pipe",
  /// DirectTransport "direct", observers "o" (audio level) and "speaker"; on p producers "audio"
  /// and "video", on w consumers "audio-out" and "video-out".
  void BuildCall() {
    using M = FBS::Request::Method;
    using B = FBS::Response::Body;
    Do(M::WORKER_CREATE_ROUTER, "", frames::CreateRouter("r"));
    Do(M::ROUTER_CREATE_WEBRTCTRANSPORT, "r", frames::CreateWebRtcTransport("w", OwnSockets()),
       B::WebRtcTransport_DumpResponse);
    Do(M::ROUTER_CREATE_PLAINTRANSPORT, "r", frames::CreatePlainTransport("p", Comedia()),
       B::PlainTransport_DumpResponse);
    Do(M::ROUTER_CREATE_PIPETRANSPORT, "r", frames::CreatePipeTransport("pipe", Pipe()),
       B::PipeTransport_DumpResponse);
    Do(M::ROUTER_CREATE_DIRECTTRANSPORT, "r", frames::CreateDirectTransport("direct", Direct()),
       B::DirectTransport_DumpResponse);
    Do(M::ROUTER_CREATE_ACTIVESPEAKEROBSERVER, "r",
       frames::CreateActiveSpeakerObserver("speaker", {}));
    Do(M::ROUTER_CREATE_AUDIOLEVELOBSERVER, "r", frames::CreateAudioLevelObserver("o", {}));
    Do(M::TRANSPORT_PRODUCE, "p", frames::Produce(audio), B::Transport_ProduceResponse);
    Do(M::TRANSPORT_PRODUCE, "p", frames::Produce(video), B::Transport_ProduceResponse);
    Do(M::TRANSPORT_CONSUME, "w", frames::Consume(samples::ConsumerOf(audio, "audio-out", 9001)),
       B::Transport_ConsumeResponse);
    Do(M::TRANSPORT_CONSUME, "w", frames::Consume(samples::ConsumerOf(video, "video-out", 9003)),
       B::Transport_ConsumeResponse);
  }

  // ProcessInfo
  uint32_t pid() const override { return 4321; }
  ResourceUsage GetResourceUsage() const override {
    ResourceUsage usage;
    usage.utime_ms = 11;
    usage.maxrss = 22;
    usage.nivcsw = 33;
    return usage;
  }
  MetricsReport ReadMetrics() const override { return metrics; }
  void RequestClose() override { ++close_requests; }
  // ChannelOutput
  void Write(std::span<const uint8_t> bytes) override { sent.emplace_back(bytes); }
  size_t backlog() const override { return unread; }

  /// One certificate for all tests: making it takes a while.
  static std::shared_ptr<DtlsContext> SharedDtls() {
    static const std::shared_ptr<DtlsContext> context = *DtlsContext::Generate();
    return context;
  }

  ProduceOptions audio = samples::Audio("audio", 1001);
  ProduceOptions video = samples::Video("video", 2001, 2002);
  uint32_t last_id = 0;
  int close_requests = 0;
  MetricsReport metrics;
  std::vector<SentFrame> sent;
  size_t unread = 0;  ///< bytes that the controller has not read

  VirtualEnvironment environment;
  PacketBufferPool pool;
  FakeNetwork network;
  RouterChannel channel{*this, *this};
  std::unique_ptr<SrtpEngine> srtp = *SrtpEngine::Create(SrtpEngine::Kind::kOpenSsl);
  std::unique_ptr<Engine> engine = std::make_unique<Engine>(
      EngineDependencies{environment, network, pool, *srtp, SharedDtls(), channel});
};

}  // namespace sluice::worker
