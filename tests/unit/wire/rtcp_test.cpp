#include "worker/wire/rtcp.h"

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <limits>
#include <string>
#include <vector>

#include "tests/unit/wire/hex.h"
#include "tests/unit/wire/recording_visitor.h"

namespace sluice::worker::rtcp {
namespace {

using sluice::worker::testing::Hex;
using testing::RecordingVisitor;
using Bytes = std::vector<uint8_t>;

constexpr Ssrc kSender(0x01020304);
constexpr Ssrc kMedia(0x0a0b0c0d);

Bytes ToBytes(std::span<const uint8_t> bytes) { return {bytes.begin(), bytes.end()}; }

/// True when the packet is refused and nothing of it was visited.
bool IsMalformed(std::string_view hex) {
  RecordingVisitor visitor;
  return !Parse(Hex(hex), visitor) && visitor.calls() == 0;
}
bool IsWellFormed(std::string_view hex) {
  RecordingVisitor visitor;
  return Parse(Hex(hex), visitor);
}

ReportBlock SampleBlock() {
  ReportBlock block;
  block.ssrc = kMedia;
  block.fraction_lost = 0xfe;
  block.cumulative_lost = -5;
  block.extended_highest_seq = 0x00010002;
  block.jitter = 77;
  block.last_sr = 0xaabbccdd;
  block.delay_since_last_sr = 0x10000;
  return block;
}

class Fixture {
 protected:
  std::array<uint8_t, Builder::kMaxCompound> buffer_{};
  Builder builder_{buffer_};
  RecordingVisitor visitor_;
};

}  // namespace

TEST_CASE("demultiplexing RTCP from RTP by the second byte", "[rtcp]") {
  Bytes bytes = Hex("80 00 0000");
  for (int type = 0; type < 256; ++type) {
    bytes[1] = static_cast<uint8_t>(type);
    CHECK(LooksLikeRtcp(bytes) == (type >= 192 && type <= 223));
  }
  bytes[1] = 200;
  for (int first = 0; first < 256; ++first) {
    bytes[0] = static_cast<uint8_t>(first);
    CHECK(LooksLikeRtcp(bytes) == (first >= 128 && first <= 191));
  }
  bytes[0] = 0x80;
  for (size_t size = 0; size < 4; ++size) CHECK_FALSE(LooksLikeRtcp(std::span(bytes).first(size)));
}

TEST_CASE_METHOD(Fixture, "sender report with blocks, there and back", "[rtcp]") {
  SenderInfo info;
  info.ssrc = kSender;
  info.ntp = {0xe1234567, 0x89abcdef};
  info.rtp_timestamp = RtpTimestamp(0xfffffff0);
  info.packet_count = 1000;
  info.octet_count = 1'000'000;
  REQUIRE(builder_.AddSenderReport(info, std::vector<ReportBlock>{SampleBlock(), SampleBlock()}));
  CHECK(builder_.size() == 28 + 48);
  REQUIRE(Parse(builder_.packet(), visitor_));
  REQUIRE(visitor_.sender_reports.size() == 1);
  const SenderInfo& got = visitor_.sender_reports[0];
  CHECK(got.ssrc == kSender);
  CHECK(got.ntp == info.ntp);
  CHECK(got.rtp_timestamp == info.rtp_timestamp);
  CHECK(got.packet_count == 1000);
  CHECK(got.octet_count == 1'000'000);
  REQUIRE(visitor_.report_blocks.size() == 2);
  const auto& [reporter, block] = visitor_.report_blocks[1];
  CHECK(reporter == kSender);
  CHECK(block.ssrc == kMedia);
  CHECK(block.fraction_lost == 0xfe);
  CHECK(block.cumulative_lost == -5);
  CHECK(block.extended_highest_seq == 0x00010002);
  CHECK(block.jitter == 77);
  CHECK(block.last_sr == 0xaabbccdd);
  CHECK(block.delay_since_last_sr == 0x10000);
}

TEST_CASE_METHOD(Fixture, "receiver reports of 0 and 31 blocks; 32 are refused", "[rtcp]") {
  REQUIRE(builder_.AddReceiverReport(kSender, {}));
  CHECK(ToBytes(builder_.packet()) == Hex("80 c9 0001 01020304"));
  REQUIRE(builder_.AddReceiverReport(kSender, std::vector<ReportBlock>(31, SampleBlock())));
  CHECK_FALSE(builder_.AddReceiverReport(kSender, std::vector<ReportBlock>(32)));
  CHECK_FALSE(builder_.AddSenderReport({}, std::vector<ReportBlock>(32)));
  REQUIRE(Parse(builder_.packet(), visitor_));
  CHECK(visitor_.report_blocks.size() == 31);
}

TEST_CASE_METHOD(Fixture, "cumulative loss stops at 24 bits", "[rtcp]") {
  ReportBlock high = SampleBlock();
  high.cumulative_lost = std::numeric_limits<int32_t>::max();
  ReportBlock low = SampleBlock();
  low.cumulative_lost = std::numeric_limits<int32_t>::min();
  REQUIRE(builder_.AddReceiverReport(kSender, std::vector<ReportBlock>{high, low}));
  REQUIRE(Parse(builder_.packet(), visitor_));
  CHECK(visitor_.report_blocks[0].second.cumulative_lost == 0x7fffff);
  CHECK(visitor_.report_blocks[1].second.cumulative_lost == -0x800000);
}

TEST_CASE_METHOD(Fixture, "a compound of everything, in order", "[rtcp]") {
  const std::string cname = "sluice@example";
  const DlrrItem dlrr{kMedia, 0x11112222, 0x33334444};
  const NackItem nack{SeqNumber(65535), 0x8001};
  REQUIRE(builder_.AddReceiverReport(kSender, {}));
  REQUIRE(builder_.AddSdesCname(kSender, cname));
  REQUIRE(builder_.AddReceiverReferenceTime(kSender, {1, 2}));
  REQUIRE(builder_.AddDlrr(kSender, std::vector<DlrrItem>{dlrr, dlrr}));
  REQUIRE(builder_.AddNack(kSender, kMedia, std::vector<NackItem>{nack}));
  REQUIRE(builder_.AddPli(kSender, kMedia));
  REQUIRE(builder_.AddFir(kSender, kMedia, 250));
  REQUIRE(builder_.AddRemb(kSender, DataRate::BitsPerSecond(123'456), std::vector<Ssrc>{kMedia}));
  REQUIRE(builder_.AddBye(kSender));
  REQUIRE(Parse(builder_.packet(), visitor_));
  CHECK(visitor_.cnames == std::vector<std::pair<Ssrc, std::string>>{{kSender, cname}});
  REQUIRE(visitor_.reference_times.size() == 1);
  CHECK(visitor_.reference_times[0].first == kSender);
  CHECK(visitor_.reference_times[0].second == NtpTime{1, 2});
  REQUIRE(visitor_.dlrr.size() == 2);
  CHECK(visitor_.dlrr[1].second.ssrc == kMedia);
  CHECK(visitor_.dlrr[1].second.last_rr == 0x11112222);
  CHECK(visitor_.dlrr[1].second.delay_since_last_rr == 0x33334444);
  REQUIRE(visitor_.nacks.size() == 1);
  CHECK(visitor_.nacks[0].first == kMedia);
  CHECK(visitor_.nacks[0].second.packet_id == SeqNumber(65535));
  CHECK(visitor_.nacks[0].second.following_lost == 0x8001);
  CHECK(visitor_.plis == std::vector<Ssrc>{kMedia});
  CHECK(visitor_.firs == std::vector<std::pair<Ssrc, uint8_t>>{{kMedia, uint8_t{250}}});
  REQUIRE(visitor_.rembs.size() == 1);
  CHECK(visitor_.rembs[0].first == DataRate::BitsPerSecond(123'456));
  CHECK(visitor_.rembs[0].second == std::vector<Ssrc>{kMedia});
  CHECK(visitor_.byes == std::vector<Ssrc>{kSender});
  CHECK(visitor_.unknown.empty());
}

TEST_CASE_METHOD(Fixture, "what does not fit leaves the compound as it was", "[rtcp]") {
  std::array<uint8_t, 20> small;
  Builder builder(small);
  REQUIRE(builder.AddPli(kSender, kMedia));
  const Bytes before = ToBytes(builder.packet());
  CHECK_FALSE(builder.AddPli(kSender, kMedia));
  CHECK_FALSE(builder.AddSdesCname(kSender, "name"));
  CHECK_FALSE(builder.AddSenderReport({}, {}));
  CHECK_FALSE(builder.AddNack(kSender, kMedia, std::vector<NackItem>(2)));
  CHECK(ToBytes(builder.packet()) == before);
  REQUIRE(builder.AddBye(kSender));
  CHECK(builder.size() == 20);
  CHECK_FALSE(builder.AddBye(kSender));
  builder.Reset();
  CHECK(builder.empty());
  REQUIRE(builder.AddPli(kSender, kMedia));
}

TEST_CASE_METHOD(Fixture, "values without an encoding are refused", "[rtcp]") {
  CHECK_FALSE(builder_.AddSdesCname(kSender, ""));
  CHECK_FALSE(builder_.AddSdesCname(kSender, std::string(256, 'c')));
  CHECK_FALSE(builder_.AddNack(kSender, kMedia, {}));
  CHECK_FALSE(builder_.AddDlrr(kSender, {}));
  CHECK_FALSE(builder_.AddRemb(kSender, DataRate::BitsPerSecond(-1), {}));
  CHECK_FALSE(builder_.AddRemb(kSender, DataRate::Zero(), std::vector<Ssrc>(256)));
  CHECK_FALSE(builder_.AddTransportFeedback({}));
  CHECK(builder_.empty());
  REQUIRE(builder_.AddSdesCname(kSender, std::string(255, 'c')));
  REQUIRE(Parse(builder_.packet(), visitor_));
  CHECK(visitor_.cnames[0].second.size() == 255);
}

TEST_CASE("CNAMEs of every length end in at least one zero", "[rtcp]") {
  for (size_t length = 1; length <= 255; ++length) {
    std::array<uint8_t, 300> buffer{};
    Builder builder(buffer);
    REQUIRE(builder.AddSdesCname(kSender, std::string(length, 'c')));
    RecordingVisitor visitor;
    REQUIRE(Parse(builder.packet(), visitor));
    CHECK(visitor.cnames[0].second.size() == length);
    CHECK(builder.packet().back() == 0);
  }
}

TEST_CASE("REMB rates, up to the largest", "[rtcp]") {
  for (const int64_t bps :
       {int64_t{0}, int64_t{1}, int64_t{0x3ffff}, int64_t{0x40000}, int64_t{30'000},
        int64_t{999'999'999}, std::numeric_limits<int64_t>::max()}) {
    std::array<uint8_t, 64> buffer{};
    Builder builder(buffer);
    REQUIRE(builder.AddRemb(kSender, DataRate::BitsPerSecond(bps), {}));
    RecordingVisitor visitor;
    REQUIRE(Parse(builder.packet(), visitor));
    const int64_t got = visitor.rembs[0].first.bps();
    CHECK(got <= bps);  // 18 bits of precision, rounded down
    CHECK(static_cast<double>(got) >= static_cast<double>(bps) * (1 - 1.0 / 0x20000));
  }
}

TEST_CASE("REMB: exponent overflow, 255 SSRCs, wrong counts", "[rtcp]") {
  const std::string head = "00000001 00000000 52454d42";
  CHECK(IsMalformed("8f ce 0004" + head + "00 ffffff"));   // 0x3ffff << 63
  CHECK(IsMalformed("8f ce 0004" + head + "00 bbffff"));   // 0x3ffff << 46 is above 2^63
  CHECK(IsWellFormed("8f ce 0004" + head + "00 b7ffff"));  // << 45 is not
  CHECK(IsWellFormed("8f ce 0004" + head + "00 b00001"));
  CHECK(IsWellFormed("8f ce 0004" + head + "00 fc0000"));  // 0 << 63
  CHECK(IsMalformed("8f ce 0004" + head + "01 000001"));   // an SSRC short
  CHECK(IsMalformed("8f ce 0003" + head));
  std::string all = "8f ce 0103" + head + "ff 000001";
  for (int i = 0; i < 255; ++i) all += "0000000a";
  RecordingVisitor visitor;
  REQUIRE(Parse(Hex(all), visitor));
  CHECK(visitor.rembs[0].second.size() == 255);
  CHECK(IsWellFormed("8f ce 0003 00000001 00000000 41424344"));  // another application's
}

TEST_CASE("header malformations", "[rtcp]") {
  CHECK(IsMalformed(""));
  CHECK(IsMalformed("80"));
  CHECK(IsMalformed("80 c9 00"));
  CHECK(IsMalformed("80 c9 0002 00000001"));  // length past the end
  CHECK(IsMalformed("80 c9 ffff 00000001"));
  CHECK(IsMalformed("40 c9 0001 00000001"));  // version 1
  CHECK(IsMalformed("80 60 0001 00000001"));  // an RTP payload type
  CHECK(IsWellFormed("80 c0 0000"));          // unknown, empty
}

TEST_CASE("what precedes a malformed packet has been visited", "[rtcp]") {
  RecordingVisitor visitor;
  CHECK_FALSE(Parse(Hex("81 ce 0002 00000001 00000002 80 c9 0005 00000001"), visitor));
  CHECK(visitor.plis.size() == 1);
  CHECK(visitor.calls() == 1);
  CHECK_FALSE(Parse(Hex("81 ce 0002 00000001 00000003 00"), visitor));  // trailing byte
  CHECK(visitor.plis.size() == 2);
}

TEST_CASE("RTCP padding", "[rtcp]") {
  CHECK(IsWellFormed("a1 ce 0003 00000001 00000002 00000004"));
  CHECK(IsMalformed("a1 ce 0003 00000001 00000002 00000000"));
  CHECK(IsMalformed("a1 ce 0003 00000001 00000002 0000000d"));
  CHECK(IsMalformed("a1 ce 0003 00000001 00000002 00000008"));  // eats the media SSRC
  CHECK(IsMalformed("a0 c9 0000"));
  CHECK(IsWellFormed("a0 ca 0001 00000004"));  // nothing else
  CHECK(IsMalformed("a0 ca 0001 00000005"));
}

TEST_CASE("reports whose count and length differ", "[rtcp]") {
  const std::string block(48, '0');
  CHECK(IsMalformed("80 c8 0001 00000001"));
  CHECK(IsMalformed("81 c8 0006 00000001" + block.substr(0, 40)));
  CHECK(IsMalformed("81 c9 0001 00000001"));
  CHECK(IsMalformed("82 c9 0007 00000001" + block));
  CHECK(IsMalformed("80 c9 0000"));
  CHECK(IsWellFormed("81 c9 0007 00000001" + block));
  CHECK(IsWellFormed("81 c9 0008 00000001" + block + "deadbeef"));  // profile-specific words
}

TEST_CASE("SDES", "[rtcp]") {
  CHECK(IsMalformed("81 ca 0002 00000001 01026162"));           // no end
  CHECK(IsMalformed("81 ca 0002 00000001 01ff6162"));           // text past the packet
  CHECK(IsMalformed("81 ca 0002 00000001 01026162 00"));        // end beyond the length
  CHECK(IsMalformed("82 ca 0003 00000001 01026162 00000000"));  // second chunk missing
  CHECK(IsMalformed("81 ca 0000"));
  CHECK(IsWellFormed("80 ca 0000"));
  RecordingVisitor visitor;
  REQUIRE(Parse(Hex("82 ca 0006 00000001 02016e 01 0161 0000 00000002 01016200"
                    "00000000"),
                visitor));
  REQUIRE(visitor.cnames.size() == 2);
  CHECK(visitor.cnames[0].second == "a");
  CHECK(visitor.cnames[1].first == Ssrc(2));
  CHECK(visitor.cnames[1].second == "b");
}

TEST_CASE("BYE", "[rtcp]") {
  CHECK(IsMalformed("82 cb 0001 00000001"));           // a source short
  CHECK(IsMalformed("81 cb 0002 00000001 04616263"));  // reason longer than the packet
  CHECK(IsWellFormed("80 cb 0000"));
  RecordingVisitor visitor;
  REQUIRE(Parse(Hex("82 cb 0003 00000001 00000002 03616263"), visitor));
  CHECK(visitor.byes == std::vector<Ssrc>{Ssrc(1), Ssrc(2)});
}

TEST_CASE("extended reports", "[rtcp]") {
  CHECK(IsMalformed("80 cf 0000"));
  CHECK(IsMalformed("80 cf 0002 00000001 04000002"));                   // block past the packet
  CHECK(IsMalformed("80 cf 0003 00000001 04000001 00000000"));          // RRT of one word
  CHECK(IsMalformed("80 cf 0004 00000001 05000002 0000000000000000"));  // DLRR of two words
  CHECK(IsWellFormed("80 cf 0002 00000001 05000000"));
  RecordingVisitor visitor;
  REQUIRE(Parse(Hex("80 cf 0006 00000001 63000001 ffffffff 04000002 0000000a 0000000b"), visitor));
  CHECK(visitor.reference_times.size() == 1);  // the unknown block before it is skipped
}

TEST_CASE("feedback malformations", "[rtcp]") {
  CHECK(IsMalformed("81 cd 0002 00000001 00000002"));           // NACK of no items
  CHECK(IsMalformed("81 cd 0001 00000001"));                    // no media SSRC
  CHECK(IsMalformed("81 ce 0001 00000001"));                    // PLI likewise
  CHECK(IsMalformed("84 ce 0002 00000001 00000000"));           // FIR of no items
  CHECK(IsMalformed("84 ce 0003 00000001 00000000 0000000a"));  // half an item
  RecordingVisitor visitor;
  REQUIRE(Parse(Hex("84 ce 0006 00000001 00000000 0000000a 01000000 0000000b 02000000"), visitor));
  CHECK(visitor.firs.size() == 2);
}

TEST_CASE("unknown types and formats are told by number", "[rtcp]") {
  RecordingVisitor visitor;
  REQUIRE(Parse(Hex("83 cc 0002 00000001 41424344 83 cd 0002 00000001 00000002"
                    "83 ce 0002 00000001 00000002 80 df 0000"),
                visitor));
  const std::vector<std::pair<uint8_t, uint8_t>> expected = {
      {204, 3}, {205, 3}, {206, 3}, {223, 0}};
  CHECK(visitor.unknown == expected);
}

TEST_CASE("every truncation and every flipped byte of a compound is survived", "[rtcp]") {
  std::array<uint8_t, Builder::kMaxCompound> buffer{};
  Builder builder(buffer);
  std::vector<size_t> boundaries;
  const auto add = [&](bool added) {
    REQUIRE(added);
    boundaries.push_back(builder.size());
  };
  add(builder.AddSenderReport({}, std::vector<ReportBlock>(2)));
  add(builder.AddSdesCname(kSender, "cname"));
  add(builder.AddReceiverReferenceTime(kSender, {}));
  add(builder.AddFir(kSender, kMedia, 1));
  add(builder.AddRemb(kSender, DataRate::BitsPerSecond(1), std::vector<Ssrc>(3)));
  for (size_t size = 0; size < builder.size(); ++size) {
    const Bytes cut = ToBytes(builder.packet().first(size));
    RecordingVisitor visitor;
    const bool at_boundary =
        std::find(boundaries.begin(), boundaries.end(), size) != boundaries.end();
    CHECK(Parse(cut, visitor) == at_boundary);
  }
  for (size_t at = 0; at < builder.size(); ++at) {
    Bytes bytes = ToBytes(builder.packet());
    bytes[at] ^= 0xff;
    RecordingVisitor visitor;
    Parse(bytes, visitor);
  }
}

TEST_CASE("NACK items from lost numbers", "[rtcp]") {
  const auto pack = [](std::initializer_list<int> numbers) {
    std::vector<SeqNumber> lost;
    for (const int number : numbers) lost.emplace_back(static_cast<uint16_t>(number));
    return PackNackItems(lost);
  };
  CHECK(pack({}).empty());
  const auto one = pack({10, 11, 26, 27});
  REQUIRE(one.size() == 2);
  CHECK(one[0].packet_id == SeqNumber(10));
  CHECK(one[0].following_lost == 0x8001);
  CHECK(one[1].packet_id == SeqNumber(27));
  CHECK(one[1].following_lost == 0);
  const auto wrapped = pack({65535, 0, 1});
  REQUIRE(wrapped.size() == 1);
  CHECK(wrapped[0].following_lost == 0x0003);
  CHECK(pack({5, 5, 5}).size() == 1);
  CHECK(pack({5, 40'000}).size() == 2);
}

}  // namespace sluice::worker::rtcp
