#include <map>
#include <random>
#include <set>

#include "tests/unit/consumer/consumer_fixture.h"

namespace sluice::worker {
namespace {

PayloadInfo InfoOf(const RecordingEgress::Packet& packet) {
  const auto info = ParsePayload(CodecKind::kVp8, packet.payload());
  REQUIRE(info);
  return *info;
}

TEST_CASE_METHOD(ConsumerTest, "consumer: audio passes at once, with its own SSRC and numbers") {
  Prepare("audio/opus", false);
  Create();
  CHECK(consumer_->active());
  Forward(Opus(500, 10'000));
  Forward(Opus(501, 10'960));
  REQUIRE(egress_.packets.size() == 2);
  const RtpPacket first = egress_.packets[0].View();
  CHECK(first.ssrc() == Ssrc(kSsrc));
  CHECK(first.payload_type() == PayloadType(kPayloadType));
  CHECK(first.sequence_number().value() >= 1000);
  CHECK(first.sequence_number().value() <= 32'767);
  CHECK(first.timestamp() == RtpTimestamp(10'000));
  CHECK(egress_.packets[0].payload() == Opus(500, 10'000).payload);
  CHECK(egress_.packets[0].kind == PacketKind::kAudio);
  CHECK(SequenceOf(egress_.packets[1]) == SequenceOf(egress_.packets[0]) + 1);
  CHECK(plis_ == 0);
}

TEST_CASE_METHOD(ConsumerTest, "consumer: video waits for a key frame and asks for it") {
  Prepare("video/VP8", true);
  Create();
  Forward(Vp8(10, 0, false));
  const size_t asked = plis_;
  CHECK(asked >= 1);
  CHECK(egress_.packets.empty());
  for (uint16_t i = 11; i < 60; ++i) {
    environment_.AdvanceBy(Duration::Millis(33));
    Forward(Vp8(i, i * 3000u, false));
  }
  CHECK(egress_.packets.empty());
  CHECK(plis_ > asked);  // asked again

  SECTION("the key frame starts the stream") {
    Forward(Vp8(60, 180'000, true));
    Forward(Vp8(61, 183'000, false));
    REQUIRE(egress_.packets.size() == 2);
    CHECK(InfoOf(egress_.packets[0]).key_frame);
  }
  SECTION("packets that overtook it follow it, earlier ones are dropped") {
    Receive(Vp8(62, 186'000, false));
    Receive(Vp8(61, 183'000, false));
    Receive(Vp8(60, 180'000, true));
    Receive(Vp8(63, 189'000, false));
    Receive(Vp8(59, 177'000, false));
    Deliver();
    REQUIRE(egress_.packets.size() == 4);
    for (size_t i = 0; i < 4; ++i) {
      CHECK(SequenceOf(egress_.packets[i]) == SequenceOf(egress_.packets[0]) + i);
      CHECK(egress_.packets[i].payload() == Vp8(static_cast<uint16_t>(60 + i), 0, i == 0).payload);
    }
  }
}

TEST_CASE_METHOD(ConsumerTest, "consumer: padding, foreign payload types and DTX leave no gap") {
  Prepare("audio/opus", false);
  consume_.ignore_dtx = true;
  Create();
  Forward(Opus(1, 0));
  Forward(Padding(2, 0));
  Source silence = Opus(3, 960);
  silence.payload = {0x78};  // code 0 and nothing in it
  Forward(silence);
  Forward(Opus(5, 2880));  // 4 is late
  Forward(Opus(4, 1920));
  REQUIRE(egress_.packets.size() == 3);
  const uint16_t first = SequenceOf(egress_.packets[0]);
  CHECK(SequenceOf(egress_.packets[1]) == first + 2);
  CHECK(SequenceOf(egress_.packets[2]) == first + 1);
  CHECK(consumer_->counters().dtx_dropped == 1);
}

// The number of a packet that is not forwarded is closed up, unless the receiver has seen the next
// one already: then it asks for what it misses until it gets something.
TEST_CASE_METHOD(ConsumerTest,
                 "consumer: what comes late and is not forwarded goes out as padding") {
  const bool with_rtx = GENERATE(true, false);
  const int kind = GENERATE(range(0, 3));
  CAPTURE(with_rtx, kind);
  Prepare("audio/opus", with_rtx);
  AddExtension(RtpExtensionUri::kMid, 1);
  AddExtension(RtpExtensionUri::kAbsSendTime, 3);
  produce_.rtp_parameters.codecs.push_back(Codec("audio/telephone-event", 110));
  produce_.rtp_mapping.codecs.push_back({110, 111});
  consume_.ignore_dtx = true;
  Create();
  Forward(Opus(1, 0));
  Forward(Opus(3, 1920));
  Source late = kind == 0 ? Padding(2, 960) : Opus(2, 960);
  if (kind == 1) late.payload = {0x78};  // silence
  if (kind == 2) late.payload_type = 110;
  environment_.AdvanceBy(Duration::Millis(20));
  Forward(late);
  Forward(Opus(4, 2880));
  const auto sent = egress_.Take();
  REQUIRE(sent.size() == 4);
  const auto first = SequenceOf(sent[0]);
  const RtpPacket padding = sent[2].View();
  CHECK(padding.sequence_number().value() == first + 1);
  CHECK(padding.timestamp() == RtpTimestamp(960));
  CHECK(padding.payload_type() == PayloadType(kPayloadType));
  CHECK(padding.payload().empty());
  CHECK((sent[2].bytes[0] & 0x20) != 0);
  CHECK(ParseSdesItem(padding.Extension(1)) == std::string_view("7"));
  CHECK(SequenceOf(sent[3]) == first + 3);

  environment_.AdvanceBy(Duration::Millis(20));
  Nack(static_cast<uint16_t>(first + 1));
  const auto repaired = egress_.Take();
  REQUIRE(repaired.size() == 1);
  if (with_rtx) {
    const uint16_t own = static_cast<uint16_t>(first + 1);
    CHECK(repaired[0].View().payload_type() == PayloadType(kRtxPayloadType));
    CHECK(repaired[0].payload() ==
          std::vector<uint8_t>{static_cast<uint8_t>(own >> 8), static_cast<uint8_t>(own)});
  } else {
    CHECK(repaired[0].same_bytes_again);
    CHECK(repaired[0].bytes == sent[2].bytes);
  }
}

TEST_CASE_METHOD(ConsumerTest, "consumer: a payload type it did not negotiate is not forwarded") {
  Prepare("audio/opus", false);
  produce_.rtp_mapping.codecs[0].mapped_payload_type = 99;
  Create();
  Forward(Opus(1, 0));
  CHECK(egress_.packets.empty());
  CHECK(consumer_->counters().unsupported_payload == 1);
}

TEST_CASE_METHOD(ConsumerTest,
                 "consumer: writes MID, abs-send-time and transport-cc with its own ids") {
  Prepare("video/VP8", true);
  AddExtension(RtpExtensionUri::kMid, 3);
  AddExtension(RtpExtensionUri::kAbsSendTime, 9);
  AddExtension(RtpExtensionUri::kTransportWideCc, 2);
  Create();
  Forward(Vp8(1, 0, true));
  Forward(Vp8(2, 3000, false));
  REQUIRE(egress_.packets.size() == 2);
  const RtpPacket packet = egress_.packets[1].View();
  const auto mid = ParseSdesItem(packet.Extension(3));
  REQUIRE(mid);
  CHECK(*mid == "7");
  CHECK(ParseTransportSequence(packet.Extension(2)) == uint16_t{2});
  const auto time = packet.Extension(9);
  REQUIRE(time.size() == 3);
  const uint32_t value =
      static_cast<uint32_t>(time[0]) << 16 | static_cast<uint32_t>(time[1]) << 8 | time[2];
  CHECK(value == AbsSendTimeFromMicros(environment_.Now().us()));
}

TEST_CASE_METHOD(ConsumerTest, "consumer: goes on where it stopped after a pause") {
  Prepare("video/VP8", true);
  Create();
  Forward(Vp8(65'534, 0xFFFFF000u, true, 0x7ffe, 254));
  Forward(Vp8(65'535, 0xFFFFF000u + 3000, false, 0x7fff, 255));
  const uint16_t first = SequenceOf(egress_.packets[0]);

  consumer_->Pause();
  CHECK_FALSE(consumer_->active());
  uint16_t sequence = 0;
  uint32_t timestamp = 0xFFFFF000u + 6000;
  for (int i = 0; i < 30; ++i, ++sequence, timestamp += 3000) {
    environment_.AdvanceBy(Duration::Millis(33));
    Forward(Vp8(sequence, timestamp, i % 10 == 0, static_cast<uint16_t>(i)));
  }
  CHECK(egress_.packets.size() == 2);
  const size_t asked = plis_;
  consumer_->Resume();
  CHECK(plis_ == asked + 1);
  Forward(Vp8(sequence, timestamp, false, 30, 30));
  CHECK(egress_.packets.size() == 2);  // waits for a key frame again
  Forward(Vp8(static_cast<uint16_t>(sequence + 1), timestamp + 3000, true, 31, 31));
  Forward(Vp8(static_cast<uint16_t>(sequence + 2), timestamp + 6000, false, 32, 32));
  REQUIRE(egress_.packets.size() == 4);
  for (size_t i = 0; i < 4; ++i) {
    CHECK(SequenceOf(egress_.packets[i]) == static_cast<uint16_t>(first + i));
    CHECK(*InfoOf(egress_.packets[i]).picture_id == ((0x7ffe + i) & 0x7fff));
    CHECK(*InfoOf(egress_.packets[i]).tl0_picture_index == ((254 + i) & 0xff));
  }
  CHECK(egress_.packets[2].View().timestamp() == RtpTimestamp(timestamp + 3000));
  // Only the picture id and the index were touched.
  auto sent = egress_.packets[3].payload();
  const auto original = Vp8(static_cast<uint16_t>(sequence + 2), 0, false, 32, 32).payload;
  REQUIRE(sent.size() == original.size());
  CHECK(std::equal(sent.begin() + 5, sent.end(), original.begin() + 5));
}

TEST_CASE_METHOD(ConsumerTest, "consumer: tells of an unfinished frame by leaving a number out") {
  Prepare("video/VP8", true);
  Create();
  Source first = Vp8(1, 0, true);
  first.marker = false;
  Forward(first);
  consumer_->Pause();
  consumer_->Resume();
  Forward(Vp8(9, 9000, true));
  REQUIRE(egress_.packets.size() == 2);
  CHECK(SequenceOf(egress_.packets[1]) == SequenceOf(egress_.packets[0]) + 2);
}

TEST_CASE_METHOD(ConsumerTest,
                 "consumer: a late key frame begins nothing where what came behind it is gone") {
  Prepare("video/VP8", true);
  Create();
  Forward(Vp8(1, 0, true));
  consumer_->Pause();
  const bool was_heard = GENERATE(false, true);
  if (was_heard) consumer_->Resume();
  Forward(Vp8(4, 9000, false));  // refers to the key frame that is late
  if (was_heard) consumer_->Pause();
  consumer_->Resume();
  const size_t asked = plis_;
  Forward(Vp8(3, 6000, true));
  environment_.AdvanceBy(Duration::Seconds(2));
  Forward(Vp8(5, 12'000, false));
  if (!was_heard) {
    CHECK(egress_.packets.size() == 1);
    CHECK(plis_ > asked);
    Forward(Vp8(6, 15'000, true));
    Forward(Vp8(7, 18'000, false));
    REQUIRE(egress_.packets.size() == 3);
    CHECK(SequenceOf(egress_.packets[2]) == SequenceOf(egress_.packets[0]) + 2);
    return;
  }
  // It waits in the ring, and follows.
  REQUIRE(egress_.packets.size() == 4);
  CHECK(SequenceOf(egress_.packets[3]) == SequenceOf(egress_.packets[0]) + 3);
}

TEST_CASE_METHOD(ConsumerTest, "consumer: what was sent before a pause is not sent behind it") {
  Prepare("video/VP8", true);
  Create();
  Forward(Vp8(1, 0, true));
  Forward(Vp8(3, 3000, false));  // the rest of a key frame whose first packet is late
  consumer_->Pause();
  consumer_->Resume();
  Forward(Vp8(2, 3000, true));
  CHECK(egress_.packets.size() == 2);
  Forward(Vp8(4, 6000, true));
  CHECK(egress_.packets.size() == 3);
}

TEST_CASE_METHOD(ConsumerTest,
                 "consumer: a transport without room costs the packet, not the stream") {
  Prepare("audio/opus", false);
  Create();
  Forward(Opus(1, 0));
  egress_.full = true;
  Forward(Opus(2, 960));
  egress_.full = false;
  Forward(Opus(3, 1920));
  CHECK(consumer_->counters().refused == 1);
  REQUIRE(egress_.packets.size() == 2);
  CHECK(SequenceOf(egress_.packets[1]) == SequenceOf(egress_.packets[0]) + 2);
}

// Over loss, reordering, padding, pauses and wraps of every counter: numbers are never used twice
// and ascend with the source's; time ascends; picture ids follow the frames; without loss nothing
// is missing.
TEST_CASE_METHOD(ConsumerTest, "consumer: continuity holds over a disturbed source") {
  const auto seed = GENERATE(range(1u, 21u));
  CAPTURE(seed);
  std::mt19937 random(seed);
  const bool disturbed = seed % 2 == 0;
  const auto chance = [&random](unsigned percent) { return random() % 100 < percent; };
  environment_ = VirtualEnvironment(seed);
  Prepare("video/VP8", true);
  Create();

  auto sequence = static_cast<uint16_t>(65'000 + random() % 500);
  uint32_t timestamp = 0xFFFF0000u;
  auto picture = static_cast<uint16_t>(0x7f80 + random() % 100);
  auto tl0 = static_cast<uint8_t>(random());
  std::set<uint16_t> used;
  std::optional<uint32_t> last_time;
  std::optional<uint16_t> last_sequence;
  std::optional<uint16_t> last_picture;
  for (int turn = 0; turn < 700; ++turn) {
    environment_.AdvanceBy(Duration::Millis(33));
    std::vector<Source> frames;
    for (unsigned i = 0; i <= random() % 3; ++i) {
      if (chance(5)) frames.push_back(Padding(sequence++, timestamp));
      const bool key_frame = chance(10) || turn == 0;
      frames.push_back(Vp8(sequence++, timestamp, key_frame, picture & 0x7fff, tl0));
      timestamp += 3000;
      ++picture;
      ++tl0;
    }
    if (disturbed) {
      std::erase_if(frames, [&](const Source&) { return chance(5); });
      if (chance(20)) std::shuffle(frames.begin(), frames.end(), random);
    }
    for (const Source& frame : frames) Receive(frame);
    Deliver();
    if (chance(3)) {
      if (chance(50)) {
        consumer_->Pause();
        consumer_->Resume();
      } else {
        producer_->Pause();
        producer_->Resume();
      }
    }
    for (const auto& packet : egress_.Take()) {
      const RtpPacket view = packet.View();
      const uint16_t own = view.sequence_number().value();
      REQUIRE(used.insert(own).second);
      if (view.payload().empty()) {  // padding that came too late for its gap to be closed
        REQUIRE(disturbed);
        continue;
      }
      const uint16_t id = *InfoOf(packet).picture_id;
      const bool ahead = !last_sequence || IsNewer(SeqNumber(own), SeqNumber(*last_sequence));
      if (ahead) {
        if (last_time) REQUIRE(IsNewer(view.timestamp(), RtpTimestamp(*last_time)));
        if (last_picture) REQUIRE((((id - *last_picture) & 0x7fff) - 1) < 0x3fff);
        if (!disturbed && last_sequence) {
          REQUIRE(own == static_cast<uint16_t>(*last_sequence + 1));
          REQUIRE(id == ((*last_picture + 1) & 0x7fff));
        }
        last_sequence = own;
        last_time = view.timestamp().value();
        last_picture = id;
      } else {
        REQUIRE(disturbed);
      }
    }
  }
  CHECK(used.size() > 300);
}

}  // namespace
}  // namespace sluice::worker
