// H264 and H265 senders with their parameter sets in packets of their own: where a viewer starts.
#include "tests/unit/consumer/consumer_fixture.h"

namespace sluice::worker {
namespace {

class ParameterSetsTest : public ConsumerTest {
 protected:
  using Payload = std::vector<uint8_t>;
  inline static const Payload kSps = {0x67, 0x42, 0xe0, 0x1f};
  inline static const Payload kPps = {0x68, 0xce, 0x3c, 0x80};
  inline static const Payload kBoth = {0x78, 0, 4,    0x67, 0x42, 0xe0, 0x1f,
                                       0,    4, 0x68, 0xce, 0x3c, 0x80};
  inline static const Payload kIdr = {0x7c, 0x85, 0x88, 0x84};
  inline static const Payload kIdrEnd = {0x7c, 0x45, 0x11, 0x22};
  inline static const Payload kSlice = {0x5c, 0x81, 0x9a, 0x24};
  inline static const Payload kSliceEnd = {0x5c, 0x41, 0x33, 0x44};
  inline static const Payload kRecovery = {0x06, 0x06, 0x01, 0x84};

  explicit ParameterSetsTest(const char* mime_type = "video/H264") {
    Prepare(mime_type, true);
    Create();
  }
  /// The packets of one picture, all in one turn or each in its own.
  void Send(const std::vector<Payload>& picture, bool at_once = false) {
    for (const Payload& payload : picture) {
      Receive({.sequence = sequence_++, .timestamp = timestamp_, .payload = payload});
      if (!at_once) Deliver();
    }
    if (at_once) Deliver();
    NextPicture();
  }
  void NextPicture() {
    timestamp_ += 3000;
    environment_.AdvanceBy(Duration::Millis(33));
  }
  void CheckSent(const std::vector<Payload>& payloads) {
    std::vector<Payload> sent;
    for (size_t i = 0; i < egress_.packets.size(); ++i) {
      sent.push_back(egress_.packets[i].payload());
      CHECK(SequenceOf(egress_.packets[i]) == SequenceOf(egress_.packets[0]) + i);
    }
    CHECK(sent == payloads);
  }
  uint16_t sequence_ = 100;
  uint32_t timestamp_ = 90'000;
};

class HevcParameterSetsTest : public ParameterSetsTest {
 protected:
  HevcParameterSetsTest() : ParameterSetsTest("video/H265") {}
};

TEST_CASE_METHOD(ParameterSetsTest, "a picture behind repeated parameter sets starts no viewer") {
  const bool at_once = GENERATE(false, true);
  for (int i = 0; i < 40; ++i) Send({kBoth, kSlice, kSliceEnd}, at_once);
  for (int i = 0; i < 40; ++i) Send({kSps, kPps, kSlice, kSliceEnd}, at_once);
  CHECK(egress_.packets.empty());
  CHECK(plis_ >= 2);  // and it asks for what it needs
  Send({kBoth, kIdr, kIdrEnd}, at_once);
  Send({kBoth, kSlice, kSliceEnd}, at_once);
  CheckSent({kBoth, kIdr, kIdrEnd, kBoth, kSlice, kSliceEnd});
}

TEST_CASE_METHOD(ParameterSetsTest,
                 "a viewer gets the parameter sets in front of its first picture") {
  const bool at_once = GENERATE(false, true);
  SECTION("in one packet") {
    Send({kBoth, kIdr, kIdrEnd}, at_once);
    CheckSent({kBoth, kIdr, kIdrEnd});
    CHECK(plis_ == 0);  // that the stream begins with them is no reason to ask
  }
  SECTION("in two") {
    Send({kSps, kPps, kIdr, kIdrEnd}, at_once);
    CheckSent({kSps, kPps, kIdr, kIdrEnd});
  }
  SECTION("in front of a recovery point (intra refresh)") {
    Send({kBoth, kRecovery, kSlice, kSliceEnd}, at_once);
    CheckSent({kBoth, kRecovery, kSlice, kSliceEnd});
  }
  Send({kSlice}, at_once);
  CHECK(egress_.packets.back().payload() == kSlice);
}

TEST_CASE_METHOD(ParameterSetsTest, "parameter sets and picture in any order start a viewer") {
  const auto receive = [this](uint16_t ahead, const Payload& payload) {
    Forward({.sequence = static_cast<uint16_t>(sequence_ + ahead),
             .timestamp = timestamp_,
             .payload = payload});
  };
  Send({kBoth, kSlice});  // this sender has its sets in the stream
  SECTION("the picture first") {
    receive(1, kIdr);
    receive(2, kIdrEnd);
    CHECK(egress_.packets.empty());
    receive(0, kBoth);
    CheckSent({kBoth, kIdr, kIdrEnd});
  }
  SECTION("one of two sets is late, and fills the number that was left for it") {
    receive(0, kSps);
    receive(2, kIdr);
    receive(1, kPps);
    REQUIRE(egress_.packets.size() == 3);
    CHECK(egress_.packets[2].payload() == kPps);
    CHECK(SequenceOf(egress_.packets[2]) == SequenceOf(egress_.packets[0]) + 1);
    CHECK(SequenceOf(egress_.packets[1]) == SequenceOf(egress_.packets[0]) + 2);
  }
}

TEST_CASE_METHOD(ParameterSetsTest,
                 "who joins between parameter sets and picture waits for others") {
  consumer_->Pause();
  Forward({.sequence = sequence_++, .timestamp = timestamp_, .payload = kBoth});
  consumer_->Resume();
  Forward({.sequence = sequence_++, .timestamp = timestamp_, .payload = kIdr});
  NextPicture();
  CHECK(egress_.packets.empty());
  Send({kBoth, kIdr});
  CheckSent({kBoth, kIdr});
}

TEST_CASE_METHOD(HevcParameterSetsTest,
                 "H265: the random-access picture starts a viewer, not its sets") {
  const Payload vps = {0x40, 0x01, 0x0c, 0x01};
  const Payload sps = {0x42, 0x01, 0x01, 0x01};
  const Payload pps = {0x44, 0x01, 0xc0, 0xf1};
  const Payload slice = {0x62, 0x01, 0x81, 0xd0};
  const Payload cra = {0x62, 0x01, 0x95, 0xaf};
  for (int i = 0; i < 10; ++i) Send({vps, sps, pps, slice});
  CHECK(egress_.packets.empty());
  Send({vps, sps, pps, cra});
  CheckSent({vps, sps, pps, cra});
}

}  // namespace
}  // namespace sluice::worker
