#include "bench/forwarding_path.h"

#include <time.h>

#include <utility>

#include "bench/must.h"
#include "bench/viewer_client.h"
#include "tests/unit/media/media_samples.h"
#include "worker/media/producer.h"
#include "worker/media/rtp_core.h"
#include "worker/media/webrtc_transport.h"

namespace sluice::worker::bench {
namespace {

constexpr const char* kLoopback = "127.0.0.1";
constexpr uint8_t kRoutedVideo = 101;  // the router's payload types
constexpr uint8_t kRoutedRtx = 102;
constexpr uint8_t kRoutedAudio = 100;
constexpr uint32_t kMappedOffset = 5000;       // mapped SSRC of a producer − its own
constexpr uint32_t kConsumerSsrc = 10'000;     // SSRCs of viewer i start at kConsumerSsrc + 10 i
constexpr uint32_t kSocketBuffer = 4'000'000;  // bytes: a paced burst never overflows it

uint64_t ReadClock(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(time.tv_nsec);
}

ProduceOptions MakeProducer(bool video) {
  ProduceOptions options;
  options.producer_id = video ? "video" : "audio";
  options.kind = video ? MediaKind::kVideo : MediaKind::kAudio;
  const uint8_t payload_type =
      video ? ForwardingPath::kVideoPayloadType : ForwardingPath::kAudioPayloadType;
  const uint32_t ssrc = video ? ForwardingPath::kVideoSsrc : ForwardingPath::kAudioSsrc;
  options.rtp_parameters.codecs = {video ? samples::Vp8(payload_type)
                                         : samples::Opus(payload_type)};
  options.rtp_parameters.rtcp.cname = "source";
  RtpEncodingParameters encoding;
  encoding.ssrc = ssrc;
  options.rtp_parameters.encodings = {encoding};
  options.rtp_mapping.codecs = {{payload_type, video ? kRoutedVideo : kRoutedAudio}};
  options.rtp_mapping.encodings = {{"", ssrc, ssrc + kMappedOffset}};
  return options;
}

/// As a browser consumes: RTX for video, MID, abs-send-time and transport-cc on both.
ConsumeOptions MakeConsumer(bool video, size_t viewer) {
  ConsumeOptions options;
  options.consumer_id = (video ? "video-" : "audio-") + std::to_string(viewer);
  options.producer_id = video ? "video" : "audio";
  options.kind = video ? MediaKind::kVideo : MediaKind::kAudio;
  const auto ssrc = static_cast<uint32_t>(kConsumerSsrc + 10 * viewer);
  RtpParameters& parameters = options.rtp_parameters;
  RtpEncodingParameters encoding;
  encoding.ssrc = video ? ssrc : ssrc + 2;
  if (video) {
    parameters.codecs = {samples::Vp8(kRoutedVideo), samples::Rtx(kRoutedRtx, kRoutedVideo)};
    encoding.rtx_ssrc = ssrc + 1;
  } else {
    parameters.codecs = {samples::Opus(kRoutedAudio)};
  }
  parameters.encodings = {encoding};
  parameters.mid = video ? "1" : "0";
  parameters.header_extensions = {{RtpExtensionUri::kMid, 1, false, {}},
                                  {RtpExtensionUri::kAbsSendTime, 4, false, {}},
                                  {RtpExtensionUri::kTransportWideCc, 5, false, {}}};
  parameters.rtcp.cname = "source";
  RtpEncodingParameters consumable;
  consumable.ssrc =
      (video ? ForwardingPath::kVideoSsrc : ForwardingPath::kAudioSsrc) + kMappedOffset;
  options.consumable_rtp_encodings = {consumable};
  return options;
}

}  // namespace

PathCounts operator-(const PathCounts& a, const PathCounts& b) {
  return {a.packets - b.packets, a.messages - b.messages, a.lost - b.lost, a.cpu_ns - b.cpu_ns,
          a.wall_ns - b.wall_ns};
}

PathCounts& PathCounts::operator+=(const PathCounts& other) {
  packets += other.packets;
  messages += other.messages;
  lost += other.lost;
  cpu_ns += other.cpu_ns;
  wall_ns += other.wall_ns;
  return *this;
}

ForwardingPath::ForwardingPath(const PathKind& kind, SrtpProfile profile, size_t viewers,
                               Ports ports)
    : kind_(kind),
      profile_(profile),
      ports_(ports),
      loop_(Must(Loop::Create())),
      srtp_(Must(SrtpEngine::Create(kind.srtp))),
      dtls_(Must(DtlsContext::Generate())),
      sockets_(*loop_, buffers_, Must(SendStrategy::Create(kind.writer)), PortRange{}),
      flushing_sockets_(sockets_, sockets_.egress()),
      viewers_(viewers) {
  sockets_.egress().SetBeforeFlush([this] { srtp_->Flush(); });
  SocketFactory& factory =
      kind.flush_each ? static_cast<SocketFactory&>(flushing_sockets_) : sockets_;
  engine_ = std::make_unique<Engine>(
      EngineDependencies{*loop_, factory, buffers_, *srtp_, dtls_, events_});
  loop_->SetTurnEnd([this](Timestamp now) { OnTurnEnd(now); });
  ListenInfo listen;
  listen.ip = kLoopback;
  listen.recv_buffer_size = kSocketBuffer;
  Must(engine_->CreateWebRtcServer(ForwardingPath::kServer, {listen}));
  Must(engine_->CreateRouter(kRouter));
  CreateProducers();
}

ForwardingPath::~ForwardingPath() = default;

void ForwardingPath::RunTurn() {
  // A timer that is due already runs before the loop waits for something else, which may never be.
  constexpr Duration kLongest = Duration::Millis(10);
  if (!turn_timer_) turn_timer_ = loop_->CreateTimer([](Timestamp) {});
  turn_timer_->Start(kLongest);
  loop_->RunOnce();
}

void ForwardingPath::CreateProducers() {
  PlainTransportOptions options;
  options.comedia = true;
  options.listen_info.ip = kLoopback;
  options.listen_info.recv_buffer_size = kSocketBuffer;
  const PlainTransportDump dump = Must(engine_->CreatePlainTransport(kRouter, kSource, options));
  ingress_ = {*IpAddress::Parse(kLoopback), dump.tuple.local_port};
  RtpCore& source = *Must(engine_->Find<RtpCore>(kSource));
  Must(source.Produce(MakeProducer(/*video=*/false)).status());
  Must(source.Produce(MakeProducer(/*video=*/true)).status());
}

void ForwardingPath::SetUp() {
  CreateTransports();
  ConnectViewers();
  ConsumeAudio();
  ConsumeVideo();
}

void ForwardingPath::CreateTransports() {
  for (size_t i = 0; i < viewers_.size(); ++i) {
    WebRtcTransportOptions options;
    if (ports_ == Ports::kOne) {
      options.webrtc_server_id = ForwardingPath::kServer;
    } else {
      options.listen_infos.emplace_back().ip = kLoopback;
    }
    options.enable_tcp = false;
    options.ice_consent_timeout = 0;  // the viewers check once
    viewers_[i].transport_id = "viewer-" + std::to_string(i);
    Must(engine_->CreateWebRtcTransport(kRouter, viewers_[i].transport_id, options).status());
  }
}

void ForwardingPath::ConnectViewers() {
  const std::shared_ptr<DtlsContext> context = ViewerClient::MakeContext(profile_);
  DtlsParameters parameters;
  parameters.role = DtlsRole::kClient;
  parameters.fingerprints = {
      context->fingerprints()[static_cast<size_t>(FingerprintAlgorithm::kSha256)]};
  for (Viewer& viewer : viewers_) {
    WebRtcTransport& transport = *Must(engine_->Find<WebRtcTransport>(viewer.transport_id));
    Must(transport.Connect(parameters).status());
    ViewerClient client(*loop_, context);
    Must(client.Connect(transport.Dump()));
    viewer.socket = client.TakeSocket();
  }
}

void ForwardingPath::ConsumeAudio() {
  for (size_t i = 0; i < viewers_.size(); ++i) Consume(i, /*video=*/false);
}

void ForwardingPath::ConsumeVideo() {
  for (size_t i = 0; i < viewers_.size(); ++i) Consume(i, /*video=*/true);
}

void ForwardingPath::Consume(size_t viewer, bool video) {
  RtpCore& transport = *Must(engine_->Find<RtpCore>(viewers_[viewer].transport_id));
  Must(transport.Consume(MakeConsumer(video, viewer)).status());
}

void ForwardingPath::OnTurnEnd(Timestamp now) {
  const uint64_t datagrams = sockets_.receive_stats().packets;
  read_.store(datagrams, std::memory_order_release);
  if (engine_) engine_->OnTurnEnd(now);
  sockets_.egress().Flush();
  if (engine_ && engine_->forwarded()) engine_->OnFlushed(ReadMonotonicClock());
  done_.store(datagrams, std::memory_order_release);
}

PathCounts ForwardingPath::Run(Duration duration) {
  bool over = false;
  const auto end = loop_->CreateTimer([&over](Timestamp) { over = true; });
  const PathCounts before = Count();
  end->Start(duration);
  while (!over) loop_->RunOnce();
  return Count() - before;
}

PathCounts ForwardingPath::Count() {
  const SendStats& sent = sockets_.egress().stats();
  PathCounts counts;
  counts.packets = sent.packets_sent;
  counts.messages = sent.messages;
  counts.lost = sent.errors() + sent.dropped.total();
  counts.cpu_ns = ReadClock(CLOCK_THREAD_CPUTIME_ID);
  counts.wall_ns = ReadClock(CLOCK_MONOTONIC);
  return counts;
}

}  // namespace sluice::worker::bench
