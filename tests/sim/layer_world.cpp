#include "tests/sim/layer_world.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "worker/wire/rtcp.h"
#include "worker/wire/rtp_packet.h"

namespace sluice::worker {

namespace {

constexpr uint8_t kSourcePayloadType = 96;
constexpr uint8_t kRouterPayloadType = 101;
constexpr uint8_t kRtxPayloadType = 102;
constexpr uint32_t kOwnSsrc = 5000;
constexpr uint32_t kOwnRtxSsrc = 5001;
constexpr uint8_t kSourceDescriptorId = 9;
constexpr uint8_t kOwnDescriptorId = 7;
constexpr Duration kPacketSpacing = Duration::Micros(300);
constexpr Duration kEncodingSpacing = Duration::Micros(2500);
constexpr size_t kHistory = 3000;
constexpr int kMaxTries = 14;
constexpr size_t kMaxFaults = 5;
/// How long a packet can be asked for again, less the way of the request.
constexpr Duration kKept = Duration::Millis(1200);

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

struct RequestVisitor final : rtcp::Visitor {
  void OnPli(Ssrc media) override { key_frames.push_back(media.value()); }
  void OnFir(Ssrc media, uint8_t /*sequence*/) override { key_frames.push_back(media.value()); }
  void OnNack(Ssrc media, const rtcp::NackItem& item) override { nacks.emplace_back(media, item); }
  std::vector<uint32_t> key_frames;
  std::vector<std::pair<Ssrc, rtcp::NackItem>> nacks;
};

std::vector<uint8_t> ToRtp(const SourcePacket& packet, uint32_t ssrc) {
  std::vector<uint8_t> out = {static_cast<uint8_t>(packet.descriptor.empty() ? 0x80 : 0x90),
                              static_cast<uint8_t>((packet.marker ? 0x80 : 0) | kSourcePayloadType),
                              static_cast<uint8_t>(packet.sequence >> 8),
                              static_cast<uint8_t>(packet.sequence)};
  for (const uint32_t value : {packet.timestamp, ssrc}) {
    for (int shift = 24; shift >= 0; shift -= 8)
      out.push_back(static_cast<uint8_t>(value >> shift));
  }
  if (!packet.descriptor.empty()) {
    const size_t words = (2 + packet.descriptor.size() + 3) / 4;
    out.insert(out.end(),
               {0x10, 0x00, static_cast<uint8_t>(words >> 8), static_cast<uint8_t>(words),
                kSourceDescriptorId, static_cast<uint8_t>(packet.descriptor.size())});
    out.insert(out.end(), packet.descriptor.begin(), packet.descriptor.end());
    out.resize(12 + 4 + words * 4);
  }
  out.insert(out.end(), packet.payload.begin(), packet.payload.end());
  return out;
}

int32_t Ahead(uint32_t a, uint32_t b) { return static_cast<int32_t>(a - b); }

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

LayerWorld::~LayerWorld() { consumer_.reset(); }

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
}

std::optional<ConsumerLayers> LayerWorld::Prefer(uint8_t spatial, std::optional<uint8_t> temporal) {
  return consumer_->SetPreferredLayers({spatial, temporal});
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

bool LayerWorld::Chance(double share) {
  return share > 0 && static_cast<double>(random_() % 1'000'000) < share * 1e6;
}

Duration LayerWorld::DelayOf(const LayerPath& path) {
  if (!Chance(path.reorder)) return path.delay;
  return path.delay + Duration::Micros(static_cast<int64_t>(
                          random_() % static_cast<uint64_t>(path.jitter.us() + 1)));
}

// ---- The sender

void LayerWorld::Capture() {
  const Timestamp now = Now();
  ++picture_;
  for (size_t i = 0; i < encoders_.size(); ++i) {
    if (!sending_[i]) continue;
    const auto& divisors = options_.encoding_divisors;
    const int divisor = i < divisors.size() ? divisors[i] : 1;
    if (picture_ % static_cast<uint32_t>(divisor) != 0) continue;
    const bool key = key_due_[i] != Timestamp() && key_due_[i] <= now;
    if (key) key_due_[i] = Timestamp();
    const auto packets = encoders_[i].Encode(picture_, now.us(), key, spatial_layers_, &frames_);
    Duration after = Duration::Micros(static_cast<int64_t>(i) * kEncodingSpacing.us());
    if (options_.trailing) after = Duration::Micros(after.us() * 20);
    for (const SourcePacket& packet : packets) {
      auto& history = history_[i];
      history[packet.sequence] = packet;
      if (history.size() > kHistory) {
        history.erase(static_cast<uint16_t>(packet.sequence - kHistory));
      }
      SendUp(static_cast<int>(i), packet, after, false);
      after = after + kPacketSpacing;
    }
  }
  environment_.Schedule(Duration::Micros(1'000'000 / options_.frame_rate), [this] { Capture(); });
}

void LayerWorld::SendUp(int encoding, const SourcePacket& packet, Duration after, bool again) {
  const LayerPath& up = options_.up;
  up_was_clean_ = up_was_clean_ && up.loss == 0 && up.reorder == 0;
  // That a sender puts parameter sets in front of key frames is learned from its first one.
  const bool first_picture = frames_[packet.frame].picture == 1;
  if (!first_picture && Chance(up.loss)) return;
  const std::vector<uint8_t> bytes = ToRtp(packet, SsrcOf(encoding));
  const uint32_t frame = packet.frame;
  const int index = packet.index;
  const int copies = !again && Chance(up.duplicate) ? 2 : 1;
  for (int i = 0; i < copies; ++i) {
    environment_.Schedule(
        after + (first_picture ? up.delay : DelayOf(up)),
        [this, encoding, bytes, frame, index] { Receive(encoding, bytes, frame, index); });
  }
}

void LayerWorld::Receive(int /*encoding*/, const std::vector<uint8_t>& bytes, uint32_t frame,
                         int index) {
  PacketRef buffer = pool_.Allocate(bytes.size());
  std::copy(bytes.begin(), bytes.end(), buffer.data());
  auto packet = RtpPacket::Parse({buffer.data(), bytes.size()});
  if (!packet) std::abort();
  arrived_.emplace(std::make_pair(frame, index), Now());
  producer_->OnRtp(buffer, *packet, Now());
}

void LayerWorld::SendReport(int encoding) {
  const auto index = static_cast<size_t>(encoding);
  rtcp::SenderInfo info;
  info.ssrc = Ssrc(SsrcOf(encoding));
  // The sender's time of day is its own.
  info.ntp = NtpTime::FromMicros(environment_.NtpNow().ToMicros() + 3'600'000'000);
  info.rtp_timestamp = RtpTimestamp(encoders_[index].TimestampAt(Now().us()));
  environment_.Schedule(options_.up.delay, [this, info, index] {
    producer_->OnSenderReport(info, Now());
    reported_[index] = true;
    const bool all =
        std::all_of(reported_.begin(), reported_.end(), [](bool each) { return each; });
    if (all && all_reported_at_ == Timestamp()) all_reported_at_ = Now();
  });
  environment_.Schedule(Duration::Seconds(1), [this, encoding] { SendReport(encoding); });
}

void LayerWorld::SendRtcpToProducer(std::span<const uint8_t> compound) {
  RequestVisitor requests;
  rtcp::Parse(compound, requests);
  for (const uint32_t ssrc : requests.key_frames) {
    const size_t encoding = ssrc - SsrcOf(0);
    if (encoding >= key_due_.size()) continue;
    key_requests_[encoding].push_back(Now());
    if (ignores_requests_) continue;
    const Timestamp due = Now() + options_.up.delay + key_frame_delay_;
    if (key_due_[encoding] == Timestamp()) key_due_[encoding] = due;
  }
  for (const auto& [ssrc, item] : requests.nacks) {
    const size_t encoding = ssrc.value() - SsrcOf(0);
    if (encoding >= history_.size()) continue;
    const uint32_t lost = uint32_t{item.following_lost} << 1 | 1;
    for (int offset = 0; offset <= 16; ++offset) {
      if ((lost >> offset & 1) == 0) continue;
      const auto found =
          history_[encoding].find(static_cast<uint16_t>(item.packet_id.value() + offset));
      if (found == history_[encoding].end()) continue;
      SendUp(static_cast<int>(encoding), found->second, options_.up.delay, true);
    }
  }
}

// ---- What the consumer sends

uint8_t* LayerWorld::BeginRtp(size_t capacity) {
  if (capacity > slot_.size()) std::abort();
  return slot_.data();
}

uint32_t LayerWorld::EndRtp(const OutgoingRtp& out) {
  std::vector<uint8_t> bytes(out.slot, out.slot + out.header_size);
  bytes.insert(bytes.end(), out.payload.begin(), out.payload.end());
  auto packet = RtpPacket::Parse(bytes);
  if (!packet) {
    early_faults_.push_back("a packet that is no RTP was sent");
    return kNoNumber;
  }
  Sent sent;
  sent.at = Now();
  sent.timestamp = packet->timestamp().value();
  sent.marker = packet->marker();
  std::span<const uint8_t> payload = packet->payload();
  uint16_t number = packet->sequence_number().value();
  const bool again = packet->ssrc().value() == kOwnRtxSsrc;
  if (again) {
    if (payload.size() < 2) return kNoNumber;
    number = static_cast<uint16_t>(payload[0] << 8 | payload[1]);
    payload = payload.subspan(2);
  }
  sent.bytes.assign(payload.begin(), payload.end());
  const auto descriptor = packet->Extension(kOwnDescriptorId);
  sent.descriptor.assign(descriptor.begin(), descriptor.end());
  sent.padding = payload.empty() || packet->padding_size() > 0;
  if (!sent.padding) {
    const LayerEncoder::Tail tail = LayerEncoder::ReadTail(payload.data(), payload.size());
    sent.frame = tail.frame;
    sent.index = tail.index;
    if (frames_.find(tail.frame) == frames_.end()) {
      early_faults_.push_back("a payload that nobody sent");
      return kNoNumber;
    }
    if (const auto info = ParsePayload(options_.structure.codec, payload)) {
      sent.picture_id = info->picture_id;
      sent.tl0 = info->tl0_picture_index;
    }
  }
  int64_t own = number;
  if (last_own_) {
    own = newest_own_ + static_cast<int16_t>(number - static_cast<uint16_t>(newest_own_));
  } else {
    own += 65'536;
    newest_own_ = own;
    last_own_ = number;
    highest_received_ = own - 1;  // the receiver is told where it begins
  }
  newest_own_ = std::max(newest_own_, own);
  if (!again && !sent.padding) {
    ++sent_packets_;
    sent_payload_bytes_ += payload.size();
    if (!first_sent_at_) first_sent_at_ = Now();
    const TrueFrame& frame = frames_[sent.frame];
    const bool new_run = runs_.empty() || runs_.back().encoding != frame.encoding || break_;
    if (new_run) {
      if (!runs_.empty() && runs_.back().ended == Timestamp()) runs_.back().ended = Now();
      runs_.push_back({frame.encoding, Now(), Timestamp(), break_});
      break_ = false;
    }
    const auto newest = frames_.find(newest_sent_);
    const bool ahead = newest == frames_.end() || frame.picture > newest->second.picture ||
                       newest->second.encoding != frame.encoding;
    // A frame that has begun is completed, whatever is wanted by then.
    const bool begins = begun_.insert(sent.frame).second;
    if (ahead || frame.picture == newest->second.picture) {
      newest_sent_ = sent.frame;
      if (begins) turn_frames_.push_back(sent.frame);
    }
  }
  sent.run = static_cast<int>(runs_.size()) - 1;
  const auto first = sent_.find(own);
  if (first == sent_.end()) {
    // It had no number of its own before, but one between others.
    const auto above = sent_.lower_bound(own);
    if (again && above != sent_.begin()) sent.run = std::prev(above)->second.run;
    sent.only_again = again;
    sent_[own] = sent;
  } else if (!again) {
    early_faults_.push_back(fmt::format("number {} was used twice", number));
  } else {
    const Sent& before = first->second;
    sent.run = before.run;
    sent.only_again = before.only_again;
    sent.marker = before.marker;  // compared below where RTX carries it
    if (before.padding != sent.padding || before.frame != sent.frame ||
        before.index != sent.index || before.timestamp != sent.timestamp ||
        before.bytes != sent.bytes || before.marker != packet->marker()) {
      early_faults_.push_back(fmt::format("number {} was another packet when sent again", number));
    }
  }
  SendDown(own, sent);
  return kNoNumber;
}

void LayerWorld::SendDown(int64_t own, const Sent& packet) {
  const LayerPath& down = options_.down;
  if (Chance(down.loss)) return;
  const int copies = Chance(down.duplicate) ? 2 : 1;
  for (int i = 0; i < copies; ++i) {
    environment_.Schedule(DelayOf(down), [this, own, packet] { Arrive(own, packet); });
  }
}

void LayerWorld::Arrive(int64_t own, const Sent& packet) {
  received_.emplace(own, packet);
  missing_.erase(own);
  for (int64_t number = highest_received_ + 1; number < own; ++number) {
    if (received_.find(number) == received_.end()) missing_[number] = {Now(), Timestamp(), 0};
  }
  highest_received_ = std::max(highest_received_, own);
}

void LayerWorld::AskAgain() {
  std::vector<SeqNumber> due;
  for (auto& [number, missing] : missing_) {
    if (Now() - missing.since < Duration::Millis(15) || missing.tries >= kMaxTries) continue;
    if (missing.tries > 0 && Now() - missing.asked_at < Duration::Millis(110)) continue;
    missing.asked_at = Now();
    ++missing.tries;
    due.push_back(SeqNumber(static_cast<uint16_t>(number)));
  }
  if (!due.empty()) {
    const auto items = rtcp::PackNackItems(due);
    environment_.Schedule(options_.down.delay,
                          [this, items] { consumer_->OnNack(0, items, Now()); });
  }
  environment_.Schedule(Duration::Millis(10), [this] { AskAgain(); });
}

void LayerWorld::OnConsumerLayers(const std::string& /*id*/,
                                  const std::optional<ConsumerLayers>& now) {
  layers_ = now;
  ++layer_changes_;
  if (!consumer_ || consumer_->active()) return;
  break_ = true;  // it stands still
  standstills_.push_back(Now());
  if (runs_.empty() || runs_.back().ended != Timestamp()) return;
  runs_.back().ended = Now();
}

bool LayerWorld::WasForgotten(const Run_& run, Timestamp missed) const {
  if (run.ended == Timestamp()) return false;
  return std::any_of(standstills_.begin(), standstills_.end(), [&](Timestamp at) {
    return at >= run.ended && at - missed < Duration::Millis(2000);
  });
}

bool LayerWorld::Allows(const std::optional<ConsumerLayers>& layers, const TrueFrame& frame) const {
  if (!layers) return false;
  const LayerStructure& structure = options_.structure;
  int temporal = frame.temporal;
  // H264 says only of the highest layer that nothing refers to it.
  const bool blunt = structure.codec == CodecKind::kH264 && !structure.descriptors;
  if (blunt && temporal + 1 < structure.temporal) temporal = 0;
  if (temporal > layers->temporal_layer.value_or(0)) return false;
  if (structure.encodings > 1) return frame.encoding == layers->spatial_layer;
  if (frame.spatial > layers->spatial_layer) return false;
  const bool sees_modes = structure.descriptors || structure.codec == CodecKind::kVp9;
  if (structure.mode == LayerStructure::Spatial::kFull || !sees_modes) return true;
  const bool key = frame.key_picture && structure.mode == LayerStructure::Spatial::kKey;
  return frame.spatial == layers->spatial_layer || key;
}

void LayerWorld::EndTurn() {
  if (std::exchange(delivery_due_, false)) producer_->DeliverTurn(Now());
  for (const uint32_t id : turn_frames_) {
    const TrueFrame& frame = frames_[id];
    if (!Allows(layers_, frame) && !Allows(layers_before_, frame)) ++unwanted_;
  }
  turn_frames_.clear();
  layers_before_ = layers_;
}

// ---- The judge

std::vector<std::string> LayerWorld::Faults() {
  std::vector<std::string> faults = early_faults_;
  if (std::getenv("SLUICE_LAYERS_VERBOSE") != nullptr) {
    const ConsumerCounters& c = consumer_->counters();
    faults.push_back(fmt::format(
        "too_late {} refused {} nack: limited {} unknown {} missing {} too_soon {} over_budget {}",
        c.too_late, c.refused, c.nack_limited, c.nack_unknown, c.nack_missing, c.nack_too_soon,
        c.nack_over_budget));
  }
  if (unwanted_ > 0) {
    faults.push_back(fmt::format("{} packets of layers that were not to be sent", unwanted_));
  }
  JudgeNumbers(&faults);
  JudgeFrames(&faults);
  JudgeTimes(&faults);
  JudgePictureIds(&faults);
  JudgeDescriptors(&faults);
  if (faults.size() > kMaxFaults) faults.resize(kMaxFaults);
  return faults;
}

void LayerWorld::JudgeNumbers(std::vector<std::string>* faults) {
  const Timestamp settled = Now() - Duration::Millis(1500);
  size_t open = 0;
  std::string example;
  for (const auto& [number, missing] : missing_) {
    if (missing.since > settled) continue;
    const auto next = sent_.upper_bound(number);
    // A number left out before a new beginning says that the frame before it ends there.
    const bool at_break = next != sent_.end() && next->first == number + 1 &&
                          next->second.run >= 0 &&
                          runs_[static_cast<size_t>(next->second.run)].after_break;
    if (at_break) continue;
    const auto was = sent_.lower_bound(number);
    const int run = was == sent_.end() ? -1 : was->second.run;
    // The receiver learned of it when it was no longer kept.
    const bool forgotten =
        was != sent_.end() && was->first == number && missing.since - was->second.at > kKept;
    if (forgotten) {
      lost_.insert(was->second.frame);
      continue;
    }
    if (run >= 0 && WasForgotten(runs_[static_cast<size_t>(run)], missing.since)) continue;
    ++open;
    if (example.empty()) {
      example = fmt::format("{} (missed {} ms before the end, {} tries{})", number,
                            (Now() - missing.since).us() / 1000, missing.tries,
                            sent_.count(number) != 0 ? ", it was sent" : ", never sent");
    }
  }
  if (open > 0) faults->push_back(fmt::format("{} numbers stay open: {}", open, example));
}

void LayerWorld::JudgeFrames(std::vector<std::string>* faults) {
  struct Got {
    std::set<int> indices;
    int run = 0;
    bool chosen = false;  ///< the consumer sent of it by itself
  };
  std::map<uint32_t, Got> frames;
  for (const auto& [own, packet] : received_) {
    if (packet.padding) continue;
    Got& got = frames[packet.frame];
    if (!got.indices.insert(packet.index).second) {
      faults->push_back(
          fmt::format("packet {} of frame {} has two numbers", packet.index, packet.frame));
    }
    got.run = packet.run;
    got.chosen = got.chosen || !packet.only_again;
  }
  const Timestamp settled = Now() - Duration::Millis(2000);
  const auto whole = [&](uint32_t id) {
    const auto got = frames.find(id);
    return got != frames.end() &&
           static_cast<int>(got->second.indices.size()) == frames_[id].packets;
  };
  decodable_pictures_ = 0;
  for (const auto& [id, got] : frames) {
    const TrueFrame& frame = frames_[id];
    // Of an encoding that was left, what is asked for is sent without a judgement.
    if (!got.chosen) continue;
    if (!whole(id)) {
      const Run_& run = runs_[static_cast<size_t>(got.run)];
      const Timestamp ended = run.ended;
      bool excused = frame.captured_us > settled.us() || lost_.count(id) != 0 ||
                     WasForgotten(run, Timestamp::Micros(frame.captured_us));
      for (int i = 0; i < frame.packets && !excused; ++i) {
        if (got.indices.count(i) != 0) continue;
        const auto arrived = arrived_.find({id, i});
        excused = arrived == arrived_.end() || (ended != Timestamp() && arrived->second >= ended);
      }
      if (!excused) {
        std::string detail;
        for (int i = 0; i < frame.packets; ++i) {
          const auto arrived = arrived_.find({id, i});
          const int64_t at = arrived == arrived_.end() ? -1 : (arrived->second - run.begun).us();
          detail += fmt::format(" {}{}:{}us", got.indices.count(i) != 0 ? '+' : '-', i, at);
        }
        faults->push_back(fmt::format(
            "frame {:x} (picture {}, S{} T{}{}) has {} of {} packets: {} (run {})", id,
            frame.picture, frame.spatial, frame.temporal, frame.key_picture ? ", key" : "",
            got.indices.size(), frame.packets, detail, got.run));
        faults->back() += fmt::format(" number {}", frame.frame_number);
      }
      continue;
    }
    bool decodable = true;
    for (const uint32_t reference : frame.references) {
      if (whole(reference)) continue;
      decodable = false;
      if (lost_.count(reference) != 0) continue;
      const TrueFrame& other = frames_[reference];
      const Run_& run = runs_[static_cast<size_t>(got.run)];
      bool excused = frame.captured_us > settled.us() ||
                     WasForgotten(run, Timestamp::Micros(frame.captured_us));
      for (int i = 0; i < other.packets && !excused; ++i) {
        excused = arrived_.find({reference, i}) == arrived_.end();
      }
      if (excused) continue;
      faults->push_back(fmt::format(
          "frame {:x} (picture {}, S{} T{}{}) refers to {:x} (picture {}, S{} T{}), which {}", id,
          frame.picture, frame.spatial, frame.temporal, frame.key_picture ? ", key" : "", reference,
          other.picture, other.spatial, other.temporal,
          frames.count(reference) != 0 ? "is not whole" : "was not sent"));
      faults->back() += fmt::format(" number {}", other.frame_number);
    }
    if (decodable) ++decodable_pictures_;
    if (faults->size() > kMaxFaults) return;
  }
}

void LayerWorld::JudgeTimes(std::vector<std::string>* faults) {
  struct Picture {
    uint32_t timestamp = 0;
    int64_t captured_us = 0;
    int markers = 0;
    int64_t marker_own = -1;
    int64_t last_own = -1;
    bool whole = true;
  };
  std::map<std::pair<int, uint32_t>, Picture> pictures;  // by run, then picture
  std::map<uint32_t, size_t> got;
  for (const auto& [own, packet] : received_) {
    if (!packet.padding) ++got[packet.frame];
  }
  for (const auto& [own, packet] : received_) {
    if (packet.padding) continue;
    const TrueFrame& frame = frames_[packet.frame];
    // By the order of numbers: late packets of a run that has ended came before its end.
    Picture& picture = pictures[{packet.run, frame.picture}];
    if (picture.last_own < 0) {
      picture.timestamp = packet.timestamp;
      picture.captured_us = frame.captured_us;
    } else if (picture.timestamp != packet.timestamp) {
      faults->push_back(fmt::format("picture {} has two times", frame.picture));
      return;
    }
    picture.last_own = own;
    if (packet.marker) {
      ++picture.markers;
      picture.marker_own = own;
    }
    picture.whole = picture.whole && got[packet.frame] == static_cast<size_t>(frame.packets);
  }
  const Picture* before = nullptr;
  const Picture* anchor = nullptr;
  for (const auto& [key, picture] : pictures) {
    const Timestamp captured = Timestamp::Micros(picture.captured_us);
    const bool settled = captured < Now() - Duration::Millis(2000);
    if (before != nullptr && Ahead(picture.timestamp, before->timestamp) <= 0) {
      faults->push_back(fmt::format("run {} picture {}: time goes back by {} ticks", key.first,
                                    key.second, -Ahead(picture.timestamp, before->timestamp)));
      return;
    }
    if (settled && picture.whole &&
        (picture.markers != 1 || picture.marker_own != picture.last_own)) {
      const Run_& run = runs_[static_cast<size_t>(key.first)];
      const auto last = std::prev(pictures.upper_bound({key.first, UINT32_MAX}));
      const bool cut =
          run.ended != Timestamp() && (last->first == key || WasForgotten(run, captured));
      if (!cut) {
        faults->push_back(fmt::format("run {} picture {}: {} markers{}", key.first, key.second,
                                      picture.markers,
                                      picture.markers == 1 ? ", not on its last packet" : ""));
        return;
      }
    }
    before = &picture;
    if (anchor == nullptr) anchor = &picture;
    if (!options_.reports || all_reported_at_ == Timestamp()) continue;
    const Timestamp begun = std::max(runs_[static_cast<size_t>(key.first)].begun, all_reported_at_);
    if (captured < begun + Duration::Millis(1000)) continue;
    const int64_t ticks = (picture.captured_us - anchor->captured_us) * 9 / 100;
    const int32_t off = Ahead(picture.timestamp, anchor->timestamp + static_cast<uint32_t>(ticks));
    if (std::abs(off) <= 90'000 / 30 + 200) continue;
    faults->push_back(
        fmt::format("run {} picture {}: {} ms from its capture", key.first, key.second, off / 90));
    return;
  }
}

double LayerWorld::ClockError() const {
  const Sent* first = nullptr;
  const Sent* last = nullptr;
  for (const auto& [own, packet] : sent_) {
    if (packet.padding) continue;
    if (first == nullptr) first = &packet;
    last = &packet;
  }
  if (first == nullptr) return 0;
  const int64_t ticks =
      (frames_.at(last->frame).captured_us - frames_.at(first->frame).captured_us) * 9 / 100;
  return Ahead(last->timestamp, first->timestamp + static_cast<uint32_t>(ticks)) / 90.0;
}

void LayerWorld::JudgePictureIds(std::vector<std::string>* faults) {
  const CodecKind codec = options_.structure.codec;
  if ((codec != CodecKind::kVp8 && codec != CodecKind::kVp9) || !clean_uplink()) return;
  const Sent* before = nullptr;
  for (const auto& [own, packet] : sent_) {
    if (packet.padding || !packet.picture_id) continue;
    const TrueFrame& frame = frames_[packet.frame];
    if (before != nullptr) {
      const TrueFrame& last = frames_[before->frame];
      const bool same_run = before->run == packet.run;
      if (same_run && last.picture == frame.picture) continue;
      // VP9 counts what was left out, too: distances between pictures are part of its syntax.
      const uint32_t pictures = frame.picture - last.picture;
      const uint32_t step = same_run && codec == CodecKind::kVp9 ? pictures : 1;
      const uint32_t is = (*packet.picture_id - *before->picture_id) & 0x7fffu;
      if (is != step && options_.encoding_divisors.empty()) {
        faults->push_back(fmt::format("picture {}: picture id {} behind {}", frame.picture,
                                      *packet.picture_id, *before->picture_id));
        return;
      }
      if (packet.tl0 && before->tl0) {
        const auto rise = static_cast<uint8_t>(*packet.tl0 - *before->tl0);
        if (rise != (frame.temporal == 0 ? 1 : 0) && codec == CodecKind::kVp8) {
          faults->push_back(fmt::format("picture {}: TL0PICIDX {} behind {}", frame.picture,
                                        *packet.tl0, *before->tl0));
          return;
        }
      }
    }
    before = &packet;
  }
}

void LayerWorld::JudgeDescriptors(std::vector<std::string>* faults) {
  if (!options_.structure.descriptors || !options_.receiver_takes_descriptors) return;
  DependencyDescriptorReader reader;
  std::map<uint32_t, uint16_t> numbers;  // by frame
  std::optional<uint16_t> newest;
  int run = -1;
  for (const auto& [own, packet] : received_) {
    if (packet.padding) continue;
    DependencyDescriptor read;
    const TrueFrame& frame = frames_[packet.frame];
    if (!reader.Read(packet.descriptor, &read)) {
      if (frame.captured_us > (Now() - Duration::Millis(2000)).us()) return;
      faults->push_back(fmt::format("picture {}: descriptor of {} bytes cannot be read",
                                    frame.picture, packet.descriptor.size()));
      return;
    }
    newest_descriptor_ = read;
    if (read.frame.spatial_layer != frame.spatial || read.frame.temporal_layer != frame.temporal) {
      faults->push_back(fmt::format("picture {}: descriptor of another template", frame.picture));
      return;
    }
    const auto known = numbers.emplace(packet.frame, read.frame_number);
    if (!known.second && known.first->second != read.frame_number) {
      faults->push_back(fmt::format("picture {}: a frame with two numbers", frame.picture));
      return;
    }
    for (const uint32_t reference : frame.references) {
      const auto other = numbers.find(reference);
      if (other == numbers.end() || !known.second) continue;
      const auto distance = static_cast<uint16_t>(read.frame_number - other->second);
      const auto& all = read.frame.references;
      const auto end = all.begin() + read.frame.reference_count;
      if (std::find(all.begin(), end, distance) == end) {
        faults->push_back(fmt::format("picture {}: refers {} frames back, its descriptor does not",
                                      frame.picture, distance));
        return;
      }
    }
    if (run >= 0 && packet.run != run && newest) {
      const auto step = static_cast<int16_t>(read.frame_number - *newest);
      if (step <= 0) {
        faults->push_back(fmt::format("run {}: frame number {} behind {}", packet.run,
                                      read.frame_number, *newest));
        return;
      }
    }
    run = packet.run;
    if (!newest || static_cast<int16_t>(read.frame_number - *newest) > 0)
      newest = read.frame_number;
  }
}

}  // namespace sluice::worker
