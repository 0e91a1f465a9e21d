// Producers whose stream may be of any codec (ProduceOptions::takes_any_codec).
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "tests/unit/producer/producer_fixture.h"

namespace sluice::worker {
namespace {

using Result = Producer::ReceiveResult;

constexpr uint32_t kSsrc = 1111;
constexpr uint32_t kRtxSsrc = 2222;
constexpr uint8_t kVp9 = 98;
constexpr uint8_t kVp9Rtx = 99;
constexpr uint8_t kPcmu = 0;
constexpr uint8_t kNoise = 13;

RtpCodecParameters AudioCodec(const char* mime_type, uint8_t payload_type) {
  RtpCodecParameters codec;
  codec.mime_type = mime_type;
  codec.payload_type = payload_type;
  codec.clock_rate = 8'000;
  return codec;
}

/// VP8 with NACK, PLI, FIR and RTX; VP9 with NACK, FIR and RTX. Payload types as they came.
ProduceOptions TwoVideoCodecs() {
  ProduceOptions options = samples::Video("p", kSsrc, kRtxSsrc);
  RtpCodecParameters vp9 = samples::Vp8(kVp9);
  vp9.mime_type = "video/VP9";
  vp9.rtcp_feedback = {{"nack", ""}, {"ccm", "fir"}};
  auto& codecs = options.rtp_parameters.codecs;
  codecs.push_back(vp9);
  codecs.push_back(samples::Rtx(kVp9Rtx, kVp9));
  codecs.push_back(samples::Opus(samples::kOpus));
  options.rtp_mapping.codecs = {
      {samples::kVp8, samples::kVp8}, {kVp9, kVp9}, {samples::kOpus, samples::kOpus}};
  options.takes_any_codec = true;
  return options;
}
ProduceOptions TwoAudioCodecs() {
  ProduceOptions options = samples::Audio("p", kSsrc);
  options.rtp_parameters.codecs[0].parameters["usedtx"] = int32_t{1};
  options.rtp_parameters.codecs.push_back(AudioCodec("audio/PCMU", kPcmu));
  options.rtp_parameters.codecs.push_back(AudioCodec("audio/CN", kNoise));
  options.rtp_mapping.codecs = {{samples::kOpus, samples::kOpus}, {kPcmu, kPcmu}, {kNoise, kNoise}};
  options.takes_any_codec = true;
  return options;
}

std::vector<uint8_t> Media(uint8_t type, int sequence, bool key_frame = false,
                           uint32_t ssrc = kSsrc) {
  const auto number = static_cast<uint16_t>(sequence);
  const std::vector<uint8_t> vp9 = {static_cast<uint8_t>(key_frame ? 0x8c : 0xcc), 1, 1, 2};
  return samples::Rtp(type, ssrc, number, number * 3000u,
                      type == kVp9 ? vp9 : samples::Vp8Payload(key_frame, number));
}
std::vector<uint8_t> Repair(uint8_t type, uint16_t rtx_sequence, uint8_t original) {
  return samples::Rtp(type, kRtxSsrc, rtx_sequence, original * 3000u,
                      {0, original, 0xcc, 1, 1, 2, 3, 4});
}

struct CodecBed : ProducerBed {
  explicit CodecBed(const ProduceOptions& options = TwoVideoCodecs())
      : producer(Produce(options)) {}
  Result Take(const std::vector<uint8_t>& packet) {
    const Result result = Receive(*producer, packet);
    AdvanceBy(20);
    return result;
  }
  RtpStreamParams Params() const { return producer->Dump().rtp_streams.at(0).params; }
  RtpStreamStats Stats() { return producer->GetStats(environment.Now()).at(0); }
  std::unique_ptr<Producer> producer;
};

TEST_CASE("a stream is of the codec that starts it") {
  CodecBed bed;
  CHECK(bed.Take(Media(samples::kOpus, 1)) == Result::kDiscarded);  // no video
  CHECK(bed.Take(Media(kVp9, 1)) == Result::kMedia);
  const RtpStreamParams params = bed.Params();
  CHECK(params.payload_type == kVp9);
  CHECK(params.mime_type == "video/VP9");
  CHECK(params.rtx_payload_type == kVp9Rtx);
  CHECK(params.rtx_ssrc == kRtxSsrc);
  CHECK_FALSE(params.use_pli);
  CHECK(bed.Stats().mime_type == "video/VP9");
  CHECK(bed.plis.empty());
  CHECK(bed.firs == std::vector<uint32_t>{kSsrc});  // its own feedback
}

TEST_CASE("without the option only the encoding's codec starts a stream, which keeps it") {
  ProduceOptions options = TwoVideoCodecs();
  options.takes_any_codec = false;
  CodecBed bed(options);
  CHECK(bed.Take(Media(kVp9, 1, true)) == Result::kDiscarded);
  CHECK(bed.Take(Media(samples::kVp8, 1, true)) == Result::kMedia);
  CHECK(bed.Take(Media(kVp9, 2, true)) == Result::kMedia);
  CHECK(bed.Params().payload_type == samples::kVp8);
}

TEST_CASE("any media codec tells the SSRC, nothing else does") {
  ProduceOptions options = TwoVideoCodecs();
  options.rtp_parameters.encodings[0] = {};
  options.rtp_mapping.encodings[0].ssrc.reset();
  options.route_by_payload_type = {.media = true, .rtx = true};
  CodecBed bed(options);
  CHECK(bed.Take(Repair(kVp9Rtx, 1, 1)) == Result::kDiscarded);
  CHECK(bed.Take(Media(samples::kOpus, 1, false, 3)) == Result::kDiscarded);
  CHECK(bed.Take(Media(kVp9, 1, true)) == Result::kMedia);
  CHECK(bed.Take(Media(samples::kVp8, 1, true, 4)) == Result::kDiscarded);
  CHECK(bed.Take(Repair(samples::kVp8Rtx, 1, 2)) == Result::kDiscarded);
  CHECK(bed.Take(Repair(kVp9Rtx, 2, 2)) == Result::kRetransmission);
  bed.Take(Media(samples::kVp8, 4, true));
  CHECK(bed.Take(Repair(samples::kVp8Rtx, 3, 3)) == Result::kRetransmission);
  CHECK(bed.learned == std::vector<uint32_t>{kSsrc, kRtxSsrc});  // once for all codecs
}

TEST_CASE("a late key frame of the codec before answers no request") {
  CodecBed bed;
  bed.Take(Media(samples::kVp8, 1, true));
  bed.Take(Media(kVp9, 3));
  bed.Take(Media(samples::kVp8, 2, true));
  CHECK(bed.firs.size() == 1);
  bed.AdvanceBy(1500);
  CHECK(bed.firs.size() == 2);
  bed.Take(Media(kVp9, 4, true));
  bed.AdvanceBy(3000);
  CHECK(bed.firs.size() == 2);
}

TEST_CASE("neither a late packet nor padding changes the codec") {
  CodecBed bed;
  bed.Take(Media(samples::kVp8, 1, true));
  bed.Take(Media(kVp9, 3));
  CHECK(bed.Params().payload_type == kVp9);
  CHECK(bed.firs.size() == 1);  // no key frame: asked for
  bed.Take(Media(samples::kVp8, 2, true));
  CHECK(bed.Params().payload_type == kVp9);
  bed.Take(samples::Rtp(samples::kVp8, kSsrc, 4, 4 * 3000u, {}));
  CHECK(bed.Params().payload_type == kVp9);
  bed.Take(Media(samples::kVp8, 5, true));
  CHECK(bed.Params().payload_type == samples::kVp8);
}

TEST_CASE("a change of the codec forgets what is missing and goes on counting") {
  CodecBed bed;
  bed.Take(Media(samples::kVp8, 1, true));
  bed.Take(Media(samples::kVp8, 3));
  bed.Take(Media(samples::kVp8, 4));
  REQUIRE(bed.nacked == std::vector<int>{2});
  bed.Take(Media(kVp9, 6));
  CHECK(bed.Params().payload_type == kVp9);
  CHECK(bed.firs.size() == 1);  // in the stream's new way
  bed.nacked.clear();
  bed.AdvanceBy(150);
  for (const int number : bed.nacked) CHECK(number == 5);  // 2 is of no use any more
  CHECK_FALSE(bed.nacked.empty());
  CHECK(bed.Take(Repair(samples::kVp8Rtx, 1, 5)) == Result::kRetransmission);
  CHECK(bed.Stats().packet_count == 4);
  bed.Take(Repair(kVp9Rtx, 2, 5));
  CHECK(bed.Stats().packet_count == 5);
  // What the change has overtaken is counted, and changes nothing back.
  bed.Take(Media(samples::kVp8, 2, true));
  CHECK(bed.Stats().packet_count == 6);
  CHECK(bed.Params().payload_type == kVp9);
  // Nor does padding.
  auto padding = samples::Rtp(samples::kVp8, kSsrc, 7, 0, {0, 0, 0, 4});
  padding[0] |= 0x20;
  bed.Take(padding);
  CHECK(bed.Params().payload_type == kVp9);
  bed.Take(Media(samples::kVp8, 8, true));
  CHECK(bed.Params().payload_type == samples::kVp8);
  CHECK(bed.events.scores.size() == 1);  // one stream all along
}

TEST_CASE("another clock: jitter and capture time begin anew") {
  CodecBed bed(TwoAudioCodecs());
  const auto audio = [&](uint8_t type, uint16_t sequence, uint32_t timestamp) {
    return bed.Take(samples::Rtp(type, kSsrc, sequence, timestamp, {1, 2, 3, 4}));
  };
  CHECK(audio(kNoise, 1, 0) == Result::kDiscarded);  // does not start a stream
  for (uint16_t i = 1; i <= 20; ++i) audio(samples::kOpus, i, i * 960u);
  CHECK(bed.Params().use_dtx);
  rtcp::SenderInfo report;
  report.ssrc = Ssrc(kSsrc);
  report.ntp = bed.environment.NtpNow();
  report.rtp_timestamp = RtpTimestamp(20 * 960);
  bed.producer->OnSenderReport(report, bed.environment.Now());
  REQUIRE(bed.producer->CaptureTime(0, RtpTimestamp(20 * 960)));
  CHECK(audio(kNoise, 21, 21 * 960) == Result::kMedia);  // part of the stream, no change
  CHECK(bed.Params().payload_type == samples::kOpus);

  audio(kPcmu, 22, 22 * 960);
  CHECK_FALSE(bed.producer->CaptureTime(0, RtpTimestamp(22 * 960)));
  CHECK(bed.Params().clock_rate == 8000);
  CHECK_FALSE(bed.Params().use_dtx);
  for (uint16_t i = 23; i <= 40; ++i) audio(kPcmu, i, 22 * 960 + (i - 22u) * 160u);
  CHECK(bed.Stats().jitter <= 1);
}

TEST_CASE("the bitrate goes on over a change of the codec") {
  CodecBed bed;
  for (int i = 1; i <= 50; ++i) bed.Take(Media(samples::kVp8, i, i == 1));
  const auto before = bed.Stats().bitrate;
  REQUIRE(before > 0);
  bed.Take(Media(kVp9, 51, true));
  CHECK(bed.Params().payload_type == kVp9);
  CHECK(bed.Stats().bitrate > before / 2);
}

// docs/protocols/rtp-rtcp.md §6
TEST_CASE("the bitrate is measured over a longer time while the codec has DTX") {
  CodecBed bed(TwoAudioCodecs());
  uint16_t sequence = 0;
  const auto send = [&](uint8_t type) {
    for (int i = 0; i < 20; ++i) {
      ++sequence;
      bed.Take(samples::Rtp(type, kSsrc, sequence, sequence * 160u, {1, 2, 3, 4}));
    }
  };
  send(samples::kOpus);
  bed.AdvanceBy(2'700);
  CHECK(bed.Stats().bitrate > 0);
  send(kPcmu);
  bed.AdvanceBy(2'700);
  CHECK(bed.Stats().bitrate == 0);
  send(samples::kOpus);
  bed.AdvanceBy(2'700);
  CHECK(bed.Stats().bitrate > 0);
  bed.AdvanceBy(3'600);
  CHECK(bed.Stats().bitrate == 0);
}

TEST_CASE("a codec that changes with every packet costs requests no more than a steady one") {
  CodecBed bed;
  for (int i = 1; i <= 600; i += 2) {
    bed.Take(Media(samples::kVp8, i));
    bed.Take(Media(kVp9, i + 1));
  }
  CHECK(bed.Stats().packet_count == 600);
  CHECK(bed.plis.size() + bed.firs.size() <= 14);  // in 12 s
}

}  // namespace
}  // namespace sluice::worker
