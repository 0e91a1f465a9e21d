#include "tests/sim/layer_world.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <utility>

namespace sluice::worker {

namespace {

const char* MimeTypeOf(CodecKind codec) {
  switch (codec) {
    case CodecKind::kVp8:
      return "video/VP8";
    case CodecKind::kVp9:
      return "video/VP9";
    case CodecKind::kH264:
      return "video/H264";
    case CodecKind::kH265:
      return "video/H265";
    default:
      return "video/AV1";
  }
}

RtpCodecParameters CodecOf(CodecKind kind, uint8_t payload_type) {
  RtpCodecParameters codec;
  codec.mime_type = MimeTypeOf(kind);
  codec.clock_rate = 90'000;
  codec.payload_type = payload_type;
  codec.rtcp_feedback = {{"nack", ""}, {"nack", "pli"}, {"ccm", "fir"}};
  return codec;
}

template <typename T>
T Must(Result<T> result) {
  if (result.ok()) return *std::move(result);
  std::fprintf(stderr, "%s\n", std::string(result.status().message()).c_str());
  std::abort();
}

}  // namespace

LayerWorld::LayerWorld(Options options, uint64_t seed)
    : options_(std::move(options)),
      random_(seed),
      environment_(seed),
      spatial_layers_(options_.structure.spatial) {
  const auto count = static_cast<size_t>(options_.structure.encodings);
  for (size_t i = 0; i < count; ++i) {
    encoders_.emplace_back(options_.structure, static_cast<int>(i), seed);
  }
  history_.resize(count);
  newest_came_.resize(count);
  sending_.assign(count, true);
  key_due_.assign(count, environment_.Now());
  key_requests_.resize(count);
  reported_.assign(count, false);
  environment_.AtTurnEnd(VirtualEnvironment::TurnStage::kEngine, [this](Timestamp) { EndTurn(); });
  CreateProducer();
  CreateConsumer();
  if (options_.reports) {
    for (size_t i = 0; i < count; ++i) {
      const auto first = Duration::Millis(50 + static_cast<int64_t>(random_() % 2500));
      environment_.Schedule(first, [this, i] { SendReport(static_cast<int>(i)); });
    }
  }
  environment_.Schedule(Duration::Millis(1), [this] { Capture(); });
  environment_.Schedule(Duration::Millis(5), [this] { AskAgain(); });
}

LayerWorld::~LayerWorld() {
  twins_.clear();
  consumer_.reset();
}

size_t LayerWorld::Digest(const OutgoingRtp& packet) {
  std::string bytes(packet.slot, packet.slot + packet.header_size);
  bytes.append(packet.payload.begin(), packet.payload.end());
  return std::hash<std::string>()(bytes);
}

void LayerWorld::CreateProducer() {
  const auto count = static_cast<size_t>(options_.structure.encodings);
  ProduceOptions options;
  options.producer_id = "producer";
  options.kind = MediaKind::kVideo;
  options.rtp_parameters.codecs = {CodecOf(options_.structure.codec, kSourcePayloadType)};
  options.rtp_parameters.rtcp.cname = "sender";
  options.rtp_mapping.codecs = {{kSourcePayloadType, kRouterPayloadType}};
  if (options_.structure.descriptors) {
    options.rtp_parameters.header_extensions.push_back(
        {RtpExtensionUri::kDependencyDescriptor, kSourceDescriptorId, false, {}});
  }
  for (size_t i = 0; i < count; ++i) {
    const uint32_t ssrc = SsrcOf(static_cast<int>(i));
    RtpEncodingParameters& encoding = options.rtp_parameters.encodings.emplace_back();
    encoding.ssrc = ssrc;
    encoding.scalability_mode = options_.structure.ScalabilityMode();
    options.rtp_mapping.encodings.push_back({"", ssrc, ssrc + 100});
  }
  producer_ = Must(Producer::Create(options, *this, environment_, *this));
}

void LayerWorld::CreateConsumer() {
  const LayerStructure& structure = options_.structure;
  ConsumeOptions options;
  options.consumer_id = "consumer";
  options.producer_id = "producer";
  options.kind = MediaKind::kVideo;
  RtpCodecParameters rtx;
  rtx.mime_type = "video/rtx";
  rtx.clock_rate = 90'000;
  rtx.payload_type = kRtxPayloadType;
  rtx.parameters["apt"] = int32_t{kRouterPayloadType};
  options.rtp_parameters.codecs = {CodecOf(structure.codec, kRouterPayloadType), rtx};
  options.rtp_parameters.rtcp.cname = "sender";
  if (options_.receiver_takes_descriptors) {
    options.rtp_parameters.header_extensions.push_back(
        {RtpExtensionUri::kDependencyDescriptor, kOwnDescriptorId, false, {}});
  }
  RtpEncodingParameters& own = options.rtp_parameters.encodings.emplace_back();
  own.ssrc = kOwnSsrc;
  own.rtx_ssrc = kOwnRtxSsrc;
  own.scalability_mode = structure.encodings > 1
                             ? fmt::format("L{}T{}", structure.encodings, structure.temporal)
                             : structure.ScalabilityMode();
  for (int i = 0; i < structure.encodings; ++i) {
    RtpEncodingParameters& consumable = options.consumable_rtp_encodings.emplace_back();
    consumable.ssrc = SsrcOf(i) + 100;
    consumable.scalability_mode = structure.ScalabilityMode();
  }
  options.preferred_layers = options_.preferred;
  consumer_ = Must(Consumer::Create(options, *producer_, *this, environment_, *this));
  FirstNumbers& first = options.first_numbers.emplace_back();
  first.sequence = consumer_->stream(0).next_sequence;
  first.rtx_sequence = consumer_->stream(0).next_rtx_sequence;
  for (int i = 0; i < options_.twins; ++i) {
    auto twin = std::make_unique<Twin>();
    options.consumer_id = fmt::format("twin{}", i);
    twin->consumer = Must(Consumer::Create(options, *producer_, *twin, environment_, unheard_));
    twins_.push_back(std::move(twin));
  }
}

std::optional<ConsumerLayers> LayerWorld::Prefer(uint8_t spatial, std::optional<uint8_t> temporal) {
  for (auto& twin : twins_) twin->consumer->SetPreferredLayers({spatial, temporal});
  return consumer_->SetPreferredLayers({spatial, temporal});
}

void LayerWorld::Pause() {
  consumer_->Pause();
  for (auto& twin : twins_) twin->consumer->Pause();
}

/// The first twin comes back first: now it is the first to be served, too.
void LayerWorld::Resume() {
  for (auto& twin : twins_) twin->consumer->Resume();
  consumer_->Resume();
}

void LayerWorld::SetSending(int encoding, bool sends) {
  const auto index = static_cast<size_t>(encoding);
  if (sends && !sending_[index]) key_due_[index] = Now();
  sending_[index] = sends;
}

size_t LayerWorld::key_requests_total() const {
  size_t all = 0;
  for (const auto& each : key_requests_) all += each.size();
  return all;
}

const TrueFrame* LayerWorld::newest_sent() const {
  const auto found = frames_.find(newest_sent_);
  return found == frames_.end() ? nullptr : &found->second;
}

void LayerWorld::Tell(const char* what, int64_t number, uint32_t frame, int index,
                      bool marker) const {
  static const bool is_verbose = std::getenv("SLUICE_LAYERS_VERBOSE") != nullptr;
  const auto found = frames_.find(frame);
  if (!is_verbose || found == frames_.end()) return;
  const TrueFrame& of = found->second;
  fmt::print(stderr, "{:>9.1f} {} {} frame {:x} picture {} S{} T{}{} packet {} of {}{}\n",
             static_cast<double>(Now().us()) / 1000, what, number, frame, of.picture, of.spatial,
             of.temporal, of.key_picture ? " key" : "", index + 1, of.packets,
             marker ? " marker" : "");
}

bool LayerWorld::Chance(double share) {
  return share > 0 && static_cast<double>(random_() % 1'000'000) < share * 1e6;
}

Duration LayerWorld::DelayOf(const LayerPath& path) {
  if (!Chance(path.reorder)) return path.delay;
  return path.delay + Duration::Micros(static_cast<int64_t>(
                          random_() % static_cast<uint64_t>(path.jitter.us() + 1)));
}

}  // namespace sluice::worker
