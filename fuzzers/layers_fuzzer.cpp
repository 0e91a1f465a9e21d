#include <array>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "fuzzers/script.h"
#include "tests/sim/virtual_environment.h"
#include "worker/core/rtp/sender_clock.h"
#include "worker/media/consumer.h"
#include "worker/media/producer.h"
#include "worker/media/rtp_egress.h"
#include "worker/wire/rtp_packet.h"

// Frames and commands out of the input: packets of up to three encodings in any order, with
// whatever payload and dependency descriptor, go through a producer to a consumer of layers and to
// one of a pipe, whose wishes change meanwhile. A mode, the first byte, adds what else may be
// negotiated: retransmissions of the producer, FlexFEC, announced layers, redundant audio. What
// leaves is well-formed, stays within the room that was asked for, and no number is ever used for
// two contents.
namespace {

using namespace sluice;
using namespace sluice::worker;

constexpr uint32_t kSsrc = 1000;
constexpr uint8_t kType = 96;
constexpr uint8_t kRtx = 97;
constexpr uint8_t kFec = 98;
constexpr uint8_t kRed = 99;
constexpr uint8_t kDescriptorId = 3;
constexpr uint8_t kAllocationId = 4;
constexpr uint32_t kRtxSsrc = kSsrc + 200;
constexpr uint32_t kFecSsrc = kSsrc + 300;

// Bits of the mode.
constexpr uint8_t kWithRtx = 1;         // the producer sends again by a stream of its own
constexpr uint8_t kWithFec = 2;         // both sides negotiate FlexFEC
constexpr uint8_t kWithAllocation = 4;  // the producer announces its layers
constexpr uint8_t kWithRed = 8;         // audio; the receiver takes RED if kRedToReceiver
constexpr uint8_t kRedToReceiver = 16;
constexpr uint8_t kWithPictures = 32;  // what is said of pictures is negotiated by both sides
constexpr uint8_t kAllowMixed = 64;    // the receivers take both forms of header extensions

constexpr std::pair<RtpExtensionUri, uint8_t> kOfPictures[] = {
    {RtpExtensionUri::kVideoContentType, 13},
    {RtpExtensionUri::kVideoTiming, 5},
    {RtpExtensionUri::kColorSpace, 14}};
constexpr size_t kPictureSizes[] = {1, 13, 4, 28, 0, 16, 17};  // bytes, right ones and others

constexpr size_t kMaxSteps = 400;
constexpr uint8_t kGuard = 0xA5;
constexpr size_t kGuardSize = 16;

constexpr const char* kCodecs[] = {"video/VP8", "video/VP9", "video/H264", "video/H265",
                                   "video/AV1"};

class CheckingEgress final : public RtpEgress {
 public:
  bool connected() const override { return true; }
  uint8_t* BeginRtp(size_t capacity) override {
    capacity_ = capacity;
    slot_.assign(capacity + kGuardSize, kGuard);
    return slot_.data();
  }
  bool takes_both_forms = false;
  uint32_t EndRtp(const OutgoingRtp& out) override {
    const size_t size = out.header_size + out.payload.size();
    fuzz::Check(size <= capacity_);
    for (size_t i = 0; i < kGuardSize; ++i) fuzz::Check(slot_[capacity_ + i] == kGuard);
    std::vector<uint8_t> bytes(slot_.begin(),
                               slot_.begin() + static_cast<std::ptrdiff_t>(out.header_size));
    bytes.insert(bytes.end(), out.payload.begin(), out.payload.end());
    const auto packet = RtpPacket::Parse(bytes);
    fuzz::Check(packet.has_value());
    if ((bytes[0] & 0x10) != 0 && !takes_both_forms) fuzz::Check(bytes[12] == 0xBE);
    const auto name = std::pair(packet->ssrc().value(), packet->sequence_number().value());
    // A number of 16 bits comes again when there have been that many: not within a run.
    const auto [known, is_new] = sent_.try_emplace(name, bytes);
    if (!is_new) fuzz::Check(known->second == bytes);
    last_ = packet->sequence_number();
    return kNoNumber;
  }
  SeqNumber last() const { return last_; }

 private:
  size_t capacity_ = 0;
  std::vector<uint8_t> slot_;
  std::map<std::pair<uint32_t, uint16_t>, std::vector<uint8_t>> sent_;
  SeqNumber last_;
};

class Host final : public ProducerHost {
 public:
  void SendRtcpToProducer(std::span<const uint8_t>) override {}
  void ScheduleDelivery(Producer&) override {}
  void OnSsrcLearned(Producer&, Ssrc) override {}
  std::shared_ptr<SenderClock> ClockOf(const std::string&) override { return clock_; }

 private:
  std::shared_ptr<SenderClock> clock_ = std::make_shared<SenderClock>();
};

RtpCodecParameters Codec(const char* mime_type, uint8_t payload_type, int clock_rate) {
  RtpCodecParameters codec;
  codec.mime_type = mime_type;
  codec.payload_type = payload_type;
  codec.clock_rate = static_cast<uint32_t>(clock_rate);
  return codec;
}

RtpParameters AudioParameters(bool with_red) {
  RtpParameters parameters;
  parameters.codecs = {Codec("audio/opus", kType, 48'000)};
  if (with_red) parameters.codecs.push_back(Codec("audio/red", kRed, 48'000));
  for (RtpCodecParameters& codec : parameters.codecs) codec.channels = 2;
  parameters.codecs[0].rtcp_feedback = {{"nack", ""}};
  parameters.rtcp.cname = "c";
  return parameters;
}

RtpParameters Parameters(const char* mime_type, uint8_t mode) {
  RtpParameters parameters;
  RtpCodecParameters codec;
  codec.mime_type = mime_type;
  codec.payload_type = kType;
  codec.clock_rate = 90'000;
  codec.rtcp_feedback = {{"nack", ""}, {"nack", "pli"}};
  RtpCodecParameters rtx;
  rtx.mime_type = "video/rtx";
  rtx.payload_type = kRtx;
  rtx.clock_rate = 90'000;
  rtx.parameters["apt"] = int32_t{kType};
  parameters.codecs = {codec, rtx};
  if ((mode & kWithFec) != 0) {
    parameters.codecs.push_back(Codec("video/flexfec-03", kFec, 90'000));
  }
  parameters.rtcp.cname = "c";
  RtpHeaderExtensionParameters extension;
  extension.uri = RtpExtensionUri::kDependencyDescriptor;
  extension.id = kDescriptorId;
  parameters.header_extensions = {extension};
  if ((mode & kWithAllocation) != 0) {
    extension.uri = RtpExtensionUri::kVideoLayersAllocation;
    extension.id = kAllocationId;
    parameters.header_extensions.push_back(extension);
  }
  if ((mode & kWithPictures) != 0) {
    for (const auto& [uri, id] : kOfPictures) {
      parameters.header_extensions.push_back({uri, id, false, {}});
    }
  }
  return parameters;
}

class World {
 public:
  explicit World(fuzz::Script& script) : script_(script), environment_(1) {
    mode_ = script.Byte();
    const char* codec = kCodecs[script.Below(std::size(kCodecs))];
    count_ = script.Flag() && !audio() ? 3 : 1;
    takes_descriptor_ = script.Flag();
    ProduceOptions produce;
    produce.producer_id = "p";
    produce.kind = audio() ? MediaKind::kAudio : MediaKind::kVideo;
    produce.rtp_parameters = audio() ? AudioParameters(true) : Parameters(codec, mode_);
    produce.report_wanted_layers = true;
    produce.rtp_mapping.codecs = {{kType, kType}, {kRtx, kRtx}};
    if (audio()) produce.rtp_mapping.codecs = {{kType, kType}, {kRed, kRed}};
    if (has(kWithFec)) produce.rtp_mapping.codecs.push_back({kFec, kFec});
    for (uint32_t i = 0; i < count_; ++i) {
      RtpEncodingParameters encoding;
      encoding.ssrc = kSsrc + i;
      if (!audio()) encoding.scalability_mode = count_ == 1 ? "L3T3" : "L1T3";
      if (has(kWithRtx)) encoding.rtx_ssrc = kRtxSsrc + i;
      if (has(kWithFec)) encoding.fec_ssrc = kFecSsrc + i;
      produce.rtp_parameters.encodings.push_back(encoding);
      produce.rtp_mapping.encodings.push_back({"", encoding.ssrc, kSsrc + 100 + i});
    }
    auto producer = Producer::Create(produce, host_, environment_, events_);
    fuzz::Check(producer.ok());
    producer_ = *std::move(producer);
    consumers_[0] = Consume(codec, false, 2000);
    consumers_[1] = Consume(codec, true, 3000);
  }

  void Run() {
    for (size_t step = 0; step < kMaxSteps && !script_.done(); ++step) Step();
    producer_->DeliverTurn(environment_.Now());
    for (auto& consumer : consumers_) {
      consumer->Dump();
      consumer->GetStats(environment_.Now());
    }
  }

 private:
  bool audio() const { return (mode_ & kWithRed) != 0; }
  /// Of video.
  bool has(uint8_t mode) const { return !audio() && (mode_ & mode) != 0; }

  std::unique_ptr<Consumer> Consume(const char* codec, bool pipe, uint32_t ssrc) {
    ConsumeOptions consume;
    consume.consumer_id = pipe ? "pipe" : "c";
    consume.producer_id = "p";
    consume.kind = audio() ? MediaKind::kAudio : MediaKind::kVideo;
    consume.type = pipe ? RtpType::kPipe : RtpType::kSimple;
    consume.rtp_parameters =
        audio() ? AudioParameters((mode_ & kRedToReceiver) != 0) : Parameters(codec, mode_);
    if (!takes_descriptor_) {
      std::erase_if(consume.rtp_parameters.header_extensions, [](const auto& extension) {
        return extension.uri == RtpExtensionUri::kDependencyDescriptor ||
               extension.uri == RtpExtensionUri::kVideoLayersAllocation;
      });
    }
    consume.extmap_allow_mixed = has(kAllowMixed);
    egress_[pipe ? 1 : 0].takes_both_forms =
        consume.extmap_allow_mixed || (takes_descriptor_ && !audio());
    for (uint32_t i = 0; i < count_; ++i) {
      RtpEncodingParameters consumable;
      consumable.ssrc = kSsrc + 100 + i;
      if (!audio()) consumable.scalability_mode = count_ == 1 ? "L3T3" : "L1T3";
      consume.consumable_rtp_encodings.push_back(consumable);
      if (!pipe && i > 0) continue;
      RtpEncodingParameters encoding;
      encoding.ssrc = ssrc + i;
      if (!audio()) encoding.rtx_ssrc = ssrc + 100 + i;
      if (has(kWithFec)) encoding.fec_ssrc = ssrc + 200 + i;
      if (!audio()) encoding.scalability_mode = pipe && count_ > 1 ? "L1T3" : "L3T3";
      consume.rtp_parameters.encodings.push_back(encoding);
    }
    auto consumer =
        Consumer::Create(consume, *producer_, egress_[pipe ? 1 : 0], environment_, events_);
    fuzz::Check(consumer.ok());
    return *std::move(consumer);
  }

  void Step() {
    Consumer& consumer = *consumers_[script_.Below(2)];
    switch (script_.Below(16)) {
      case 0:
        consumer.SetPreferredLayers(
            {static_cast<uint8_t>(script_.Below(4)), static_cast<uint8_t>(script_.Below(4))});
        return;
      case 1:
        return consumer.active() ? consumer.Pause() : consumer.Resume();
      case 2:
        return producer_->paused() ? producer_->Resume() : producer_->Pause();
      case 3:
      case 4:
        return environment_.AdvanceBy(Duration::Millis(script_.Byte() * 10));
      case 5: {
        const SeqNumber base = egress_[&consumer == consumers_[1].get() ? 1 : 0].last();
        const rtcp::NackItem item{base + -static_cast<int>(script_.Below(40)), script_.Word()};
        consumer.OnNack(script_.Below(static_cast<uint32_t>(consumer.stream_count())), {&item, 1},
                        environment_.Now());
        return;
      }
      case 6:
        return consumer.OnPli(0, environment_.Now());
      default:
        return Receive();
    }
  }

  void Receive() {
    const uint32_t encoding = script_.Below(count_);
    Source& source = sources_[encoding];
    const uint8_t how = script_.Byte();
    if ((how & 1) != 0) source.timestamp += 3000;
    source.sequence = static_cast<uint16_t>(source.sequence + (how >> 1 & 3) - ((how & 8) >> 2));
    if ((how & 0xf0) == 0xf0) source.sequence = script_.Word();
    const bool marker = (how & 16) != 0;
    const std::vector<uint8_t> descriptor =
        (how & 32) != 0 ? script_.Block() : std::vector<uint8_t>();
    const uint8_t kind = mode_ == 0 ? 0 : script_.Byte();
    const std::vector<uint8_t> allocation =
        has(kWithAllocation) && (kind & 4) != 0 ? script_.Block() : std::vector<uint8_t>();
    const std::vector<uint8_t> payload = script_.Block();
    RtpExtensionWriter extensions;
    if (!descriptor.empty() && descriptor.size() < 200) extensions.Add(kDescriptorId, descriptor);
    if (!allocation.empty() && allocation.size() < 200) extensions.Add(kAllocationId, allocation);
    if (has(kWithPictures) && (kind & 8) != 0) AddPicture(&extensions);
    std::vector<uint8_t> bytes(RtpPacket::kFixedHeader + extensions.Size());
    extensions.Write(std::span(bytes).subspan(RtpPacket::kFixedHeader));
    bytes[0] = static_cast<uint8_t>(0x80 | (extensions.Size() > 0 ? 0x10 : 0));
    bytes[1] = kType;
    uint32_t ssrc = kSsrc;
    if ((kind & 3) == 1 && has(kWithRtx)) {  // the payload begins with a number
      bytes[1] = kRtx;
      ssrc = kRtxSsrc;
    } else if ((kind & 3) == 2 && has(kWithFec)) {
      bytes[1] = kFec;
      ssrc = kFecSsrc;
    } else if ((kind & 1) != 0 && audio()) {
      bytes[1] = kRed;
    }
    bytes.insert(bytes.end(), payload.begin(), payload.end());
    const PacketRef buffer = pool_.Copy(bytes);
    auto packet = RtpPacket::Parse({buffer.data(), bytes.size()});
    fuzz::Check(packet.has_value());
    packet->set_marker(marker);
    packet->set_sequence_number(SeqNumber(source.sequence));
    packet->set_timestamp(RtpTimestamp(source.timestamp));
    packet->set_ssrc(Ssrc(ssrc + encoding));
    producer_->OnRtp(buffer, *packet, environment_.Now());
    if ((how & 64) != 0) producer_->DeliverTurn(environment_.Now());
  }

  /// What it says of a picture, of sizes that are right and others.
  void AddPicture(RtpExtensionWriter* extensions) {
    for (const auto& [uri, id] : kOfPictures) {
      const size_t size = kPictureSizes[script_.Below(std::size(kPictureSizes))];
      extensions->Add(id, std::vector<uint8_t>(size, script_.Byte()));
    }
  }

  struct Source {
    uint16_t sequence = 100;
    uint32_t timestamp = 0;
  };

  fuzz::Script& script_;
  VirtualEnvironment environment_;
  PacketBufferPool pool_;
  EngineEvents events_;
  Host host_;
  uint8_t mode_ = 0;
  uint32_t count_ = 1;
  bool takes_descriptor_ = false;
  std::array<Source, 3> sources_;
  std::array<CheckingEgress, 2> egress_;
  std::unique_ptr<Producer> producer_;
  std::array<std::unique_ptr<Consumer>, 2> consumers_;  ///< these go first
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Script script(data, size);
  World(script).Run();
  return 0;
}
