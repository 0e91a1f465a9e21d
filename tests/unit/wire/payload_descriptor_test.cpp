#include "worker/wire/payload_descriptor.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "tests/unit/wire/hex.h"

namespace sluice::worker {
namespace {

using testing::Hex;
using Bytes = std::vector<uint8_t>;

std::optional<PayloadInfo> Parse(CodecKind codec, std::string_view hex) {
  return ParsePayload(codec, Hex(hex));
}
bool IsKey(CodecKind codec, std::string_view hex) {
  const auto info = Parse(codec, hex);
  return info && info->key_frame;
}
bool IsMalformed(CodecKind codec, std::string_view hex) { return !Parse(codec, hex); }

}  // namespace

TEST_CASE("codecs by MIME type", "[payload]") {
  CHECK(CodecKindFromMimeType("video/VP8") == CodecKind::kVp8);
  CHECK(CodecKindFromMimeType("VIDEO/vp9") == CodecKind::kVp9);
  CHECK(CodecKindFromMimeType("video/H264") == CodecKind::kH264);
  CHECK(CodecKindFromMimeType("video/H265") == CodecKind::kH265);
  CHECK(CodecKindFromMimeType("video/AV1") == CodecKind::kAv1);
  CHECK(CodecKindFromMimeType("audio/opus") == CodecKind::kOpus);
  CHECK(CodecKindFromMimeType("audio/multiopus") == CodecKind::kOpus);
  CHECK(CodecKindFromMimeType("audio/VP8") == CodecKind::kOther);
  CHECK(CodecKindFromMimeType("") == CodecKind::kOther);
  CHECK(HasKeyFrames(CodecKind::kAv1));
  CHECK_FALSE(HasKeyFrames(CodecKind::kOpus));
  CHECK_FALSE(HasKeyFrames(CodecKind::kOther));
}

TEST_CASE("an empty payload is malformed for every codec with a descriptor", "[payload]") {
  for (const auto codec :
       {CodecKind::kVp8, CodecKind::kVp9, CodecKind::kH264, CodecKind::kH265, CodecKind::kAv1}) {
    CHECK_FALSE(ParsePayload(codec, {}));
  }
  CHECK(ParsePayload(CodecKind::kOpus, {}));
  CHECK(ParsePayload(CodecKind::kOther, {}));
}

TEST_CASE("VP8: key frame, start and continuation", "[payload]") {
  CHECK(IsKey(CodecKind::kVp8, "10 00"));
  CHECK_FALSE(IsKey(CodecKind::kVp8, "10 01"));  // inter frame
  CHECK_FALSE(IsKey(CodecKind::kVp8, "00 00"));  // not the start of a partition
  CHECK_FALSE(IsKey(CodecKind::kVp8, "11 00"));  // another partition
  CHECK(Parse(CodecKind::kVp8, "10 01")->start_of_frame);
  CHECK_FALSE(Parse(CodecKind::kVp8, "00 01")->start_of_frame);
}

TEST_CASE("VP8: picture ids of 7 and 15 bits, TL0PICIDX, layers", "[payload]") {
  const auto all = Parse(CodecKind::kVp8, "90 f0 9234 56 a0 00");
  REQUIRE(all);
  CHECK(all->key_frame);
  CHECK(all->picture_id == 0x1234);
  CHECK(all->picture_id_long);
  CHECK(all->picture_id_offset == 2);
  CHECK(all->tl0_picture_index == 0x56);
  CHECK(all->tl0_picture_index_offset == 4);
  CHECK(all->temporal_layer == 2);
  CHECK(all->layer_sync);

  const auto brief = Parse(CodecKind::kVp8, "90 80 7f 01");
  REQUIRE(brief);
  CHECK(brief->picture_id == 0x7f);
  CHECK_FALSE(brief->picture_id_long);
  CHECK_FALSE(brief->tl0_picture_index);
  CHECK(brief->tl0_picture_index_offset == 0);

  const auto key_index_only = Parse(CodecKind::kVp8, "90 10 ff 01");
  REQUIRE(key_index_only);
  CHECK(key_index_only->temporal_layer == 0);
  CHECK_FALSE(key_index_only->layer_sync);
}

TEST_CASE("VP8: every truncation is malformed", "[payload]") {
  const Bytes bytes = Hex("90 f0 9234 56 a0 00");
  for (size_t size = 0; size < bytes.size(); ++size) {
    CHECK_FALSE(ParsePayload(CodecKind::kVp8, std::span(bytes).first(size)));
  }
}

TEST_CASE("VP8: picture id and TL0PICIDX are rewritten in place", "[payload]") {
  Bytes wide = Hex("90 e0 9234 56 a0 00");
  RewriteContinuity(wide, *ParsePayload(CodecKind::kVp8, wide), {0x7fff, 0xff});
  CHECK(wide == Hex("90 e0 ffff ff a0 00"));
  RewriteContinuity(wide, *ParsePayload(CodecKind::kVp8, wide), {0x8000, 0});  // wraps at 15 bits
  CHECK(wide == Hex("90 e0 8000 00 a0 00"));
  Bytes narrow = Hex("90 80 7f 00");
  RewriteContinuity(narrow, *ParsePayload(CodecKind::kVp8, narrow), {0x1281, 9});
  CHECK(narrow == Hex("90 80 01 00"));
  Bytes key_index = Hex("90 f0 9234 56 a1 00");
  RewriteContinuity(key_index, *ParsePayload(CodecKind::kVp8, key_index), {1, 2, 0xff});
  CHECK(key_index == Hex("90 f0 8001 02 bf 00"));
  Bytes vp9 = Hex("a8 05 03 07 82");
  RewriteContinuity(vp9, *ParsePayload(CodecKind::kVp9, vp9), {0x86, 9});
  CHECK(vp9 == Hex("a8 06 03 09 82"));
  Bytes none = Hex("10 00");
  RewriteContinuity(none, *ParsePayload(CodecKind::kVp8, none), {5, 9});
  CHECK(none == Hex("10 00"));
  // An info of another, longer payload does no harm.
  Bytes cut = Hex("90 e0 92");
  RewriteContinuity(cut, *Parse(CodecKind::kVp8, "90 e0 9234 56 a0 00"), {5, 9});
  CHECK(cut == Hex("90 e0 92"));
}

TEST_CASE("VP9: key frame, layers", "[payload]") {
  // 82 49 83 42 …: the uncompressed header of a key frame of profile 0.
  CHECK(IsKey(CodecKind::kVp9, "88 05 82498342"));              // I, B
  CHECK_FALSE(IsKey(CodecKind::kVp9, "c8 05 86004092"));        // P
  CHECK_FALSE(IsKey(CodecKind::kVp9, "80 05 82498342"));        // no B
  CHECK(IsKey(CodecKind::kVp9, "a8 9005 00 07 82498342"));      // 15-bit id, layer 0, TL0PICIDX
  CHECK_FALSE(IsKey(CodecKind::kVp9, "a8 05 03 07 82498342"));  // spatial layer 1, key picture
  const auto layers = Parse(CodecKind::kVp9, "e0 05 54 07 aa");
  REQUIRE(layers);
  CHECK(layers->temporal_layer == 2);
  CHECK(layers->spatial_layer == 2);
  CHECK(layers->layer_sync);
  CHECK_FALSE(layers->start_of_frame);
  CHECK(Parse(CodecKind::kVp9, "88 05 aa")->start_of_frame);
}

TEST_CASE("VP9: the frame's own header decides, whatever the P bit says", "[payload]") {
  struct Row {
    std::string name;
    std::string frame;
    bool key;
  };
  const std::vector<Row> rows = {
      {"key frame, profile 0", "82 49 83 42 00 27 f0 1d f6", true},
      {"key frame that is not shown", "80 49 83 42 00", true},
      {"key frame, error resilient", "83 49 83 42 20", true},
      {"key frame, profile 1", "a2 49 83 42 00", true},
      {"key frame, profile 2", "92 49 83 42 08", true},
      {"key frame, profile 3 has a reserved bit", "b1 24 c1 a1", true},
      {"inter frame as ffmpeg sends it: P is 0", "86 00 40 92 9c", false},
      {"inter frame that is not shown (alternate reference)", "84 00 40 92", false},
      {"inter frame, profile 2", "96 00 40 92", false},
      {"inter frame, profile 3", "b3 00 40 92", false},
      {"intra-only frame", "85 49 83 42 80", false},
      {"a stored frame is shown again", "88", false},
      {"a stored frame is shown again, profile 3", "b4", false},
      {"encrypted from end to end: only P tells", "5c 11 22 33", true},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    CHECK(IsKey(CodecKind::kVp9, "88 05" + row.frame) == row.key);  // non-flexible
    CHECK(IsKey(CodecKind::kVp9, "98 05" + row.frame) == row.key);  // flexible
    CHECK(IsKey(CodecKind::kVp9, "8a 05 18 0280 0168 01 00" + row.frame) == row.key);  // structure
    CHECK_FALSE(IsKey(CodecKind::kVp9, "c8 05" + row.frame));                          // P
    CHECK_FALSE(IsKey(CodecKind::kVp9, "80 05" + row.frame));  // not its start
  }
}

TEST_CASE("VP9: flexible mode references", "[payload]") {
  CHECK(Parse(CodecKind::kVp9, "d0 05 02 aa"));
  CHECK(Parse(CodecKind::kVp9, "d0 05 03 05 06 aa"));
  CHECK(IsMalformed(CodecKind::kVp9, "d0 05 03 05 07 08 aa"));  // a fourth announced
  CHECK(IsMalformed(CodecKind::kVp9, "d0 05 03"));
}

TEST_CASE("VP9: what a frame refers to", "[payload]") {
  const auto flexible = Parse(CodecKind::kVp9, "fd 8105 55 03 04 82");  // I P L F B E Z
  REQUIRE(flexible);
  CHECK(flexible->picture_id == 0x105);
  CHECK(flexible->picture_id_long);
  CHECK(flexible->inter_picture);
  CHECK(flexible->references_known);
  CHECK(flexible->not_for_upper);
  CHECK(flexible->start_of_frame);
  CHECK(flexible->end_of_frame);
  CHECK(flexible->temporal_layer == 2);
  CHECK(flexible->spatial_layer == 2);
  CHECK(flexible->inter_layer);
  REQUIRE(flexible->reference_count == 2);
  CHECK(flexible->references[0] == 1);
  CHECK(flexible->references[1] == 2);
  const auto upper = Parse(CodecKind::kVp9, "a8 05 03 07 82");  // a key picture's second layer
  REQUIRE(upper);
  CHECK_FALSE(upper->inter_picture);
  CHECK(upper->inter_layer);
  CHECK(upper->tl0_picture_index == 7);
  CHECK(upper->tl0_picture_index_offset == 3);
  CHECK(upper->picture_id_offset == 1);
  CHECK(upper->reference_count == 0);
  // Other codecs never say that a frame stands for itself.
  CHECK(Parse(CodecKind::kVp8, "10 01")->inter_picture);
}

TEST_CASE("VP9: the pictures of a group", "[payload]") {
  const Bytes bytes = Hex("8b 8005 18 0140 00f0 04 04 04 54 01 34 02 58 01 02 82");
  REQUIRE(ParsePayload(CodecKind::kVp9, bytes)->has_structure);
  Vp9Structure structure;
  REQUIRE(ParseVp9Structure(bytes, &structure));
  CHECK(structure.spatial_layers == 1);
  CHECK(structure.resolutions[0].width == 320);
  CHECK(structure.resolutions[0].height == 240);
  REQUIRE(structure.picture_count == 4);
  CHECK(structure.pictures[0].temporal_layer == 0);
  CHECK(structure.pictures[0].references[0] == 4);
  CHECK(structure.pictures[1].temporal_layer == 2);
  CHECK(structure.pictures[1].switching_point);
  CHECK(structure.pictures[2].temporal_layer == 1);
  CHECK(structure.pictures[2].references[0] == 2);
  REQUIRE(structure.pictures[3].reference_count == 2);
  CHECK(structure.pictures[3].references[1] == 2);
  for (size_t size = 0; size + 1 < bytes.size(); ++size) {
    CAPTURE(size);
    CHECK_FALSE(ParseVp9Structure(std::span(bytes).first(size), &structure));
  }
  CHECK_FALSE(ParseVp9Structure(Hex("88 05 82"), &structure));  // it has none
}

TEST_CASE("H265: temporal layers and where to switch to them", "[payload]") {
  CHECK(Parse(CodecKind::kH265, "06 02 aa")->layer_sync);        // TSA_R, temporal id 1
  CHECK(Parse(CodecKind::kH265, "0a 03 aa")->layer_sync);        // STSA_R, temporal id 2
  CHECK_FALSE(Parse(CodecKind::kH265, "02 02 aa")->layer_sync);  // TRAIL_R
  CHECK(Parse(CodecKind::kH265, "62 02 83 aa")->layer_sync);     // fragments of TSA_R: the first
  CHECK(Parse(CodecKind::kH265, "62 02 03 aa")->layer_sync);     // and one in the middle
  for (uint8_t type = 0; type < 16; ++type) {
    const bool access = type >= 2 && type <= 5;  // TSA_N to STSA_R
    const auto is_access = [](std::vector<uint8_t> payload) {
      return ParsePayload(CodecKind::kH265, payload)->layer_sync;
    };
    CHECK(is_access({static_cast<uint8_t>(type << 1), 0x02, 0xaa}) == access);
    CHECK(is_access({0x62, 0x02, static_cast<uint8_t>(0x80 | type), 0xaa}) == access);
    CHECK(is_access({0x62, 0x02, type, 0xaa}) == access);
  }
  CHECK(Parse(CodecKind::kH265, "0a 03 aa")->temporal_layer == 2);
}

TEST_CASE("H264: frames that nothing refers to", "[payload]") {
  CHECK(Parse(CodecKind::kH264, "01 9a")->discardable);
  CHECK_FALSE(Parse(CodecKind::kH264, "41 9a")->discardable);
  CHECK(Parse(CodecKind::kH264, "1c 81 9a")->discardable);  // FU-A
  CHECK_FALSE(Parse(CodecKind::kH264, "5c 81 9a")->discardable);
}

TEST_CASE("VP9: scalability structures", "[payload]") {
  // One layer with sizes and a picture group of two.
  CHECK(IsKey(CodecKind::kVp9, "0a 18 0140 00f0 02 04 01 08 01 02 82"));
  // Eight layers with sizes.
  CHECK(IsKey(CodecKind::kVp9, "0a f0" + std::string(64, '1') + "82"));
  CHECK(IsMalformed(CodecKind::kVp9, "0a f0" + std::string(62, '1')));
  // 255 pictures of three references each: all there, and one byte short.
  std::string group = "0a 08 ff";
  for (int i = 0; i < 255; ++i) group += "0c 010203";
  CHECK(IsKey(CodecKind::kVp9, group + "82"));
  CHECK(IsMalformed(CodecKind::kVp9, group));
  CHECK(IsMalformed(CodecKind::kVp9, "0a 08 ff 0c 01"));
}

/// What a packet says of a decoder that wants to start.
enum class Start { kNo, kHere, kWithParameterSetsFromElsewhere, kParameterSetsAlone };
Start StartOf(CodecKind codec, std::string_view hex) {
  const auto info = Parse(codec, hex);
  REQUIRE(info);
  if (info->key_frame) return Start::kHere;
  if (info->parameter_sets && !info->other_picture) return Start::kParameterSetsAlone;
  return info->bare_random_access ? Start::kWithParameterSetsFromElsewhere : Start::kNo;
}
struct StartRow {
  std::string name;
  std::string payload;
  Start start;
};

TEST_CASE("VP8: what a decoder can start from", "[payload]") {
  const std::vector<StartRow> rows = {
      {"key frame as Chromium sends it", "90 e0 8001 01 20 50 0d 00 9d012a 8002 6801",
       Start::kHere},
      {"its second packet", "80 e0 8001 01 20 50 0d 00", Start::kNo},
      {"its second partition", "91 e0 8001 01 20 50 0d 00", Start::kNo},
      {"inter frame", "90 e0 8002 02 20 31 04 00 11", Start::kNo},
      {"key frame without extensions (ffmpeg)", "10 f0 0a 00 9d012a 4001 f000", Start::kHere},
      {"golden frame with prediction", "90 80 05 d1 02 00", Start::kNo},
  };
  for (const StartRow& row : rows) {
    INFO(row.name);
    CHECK(StartOf(CodecKind::kVp8, row.payload) == row.start);
  }
}

TEST_CASE("H264: what a decoder can start from", "[payload]") {
  const std::string sps = "6742e01f da014016 e9";
  const std::string pps = "68ce3c80";
  const std::vector<StartRow> rows = {
      {"SPS in a packet of its own", sps, Start::kParameterSetsAlone},
      {"PPS alone", pps, Start::kNo},
      {"access unit delimiter", "09f0", Start::kNo},
      {"IDR slice, first of its picture", "65 88840a", Start::kWithParameterSetsFromElsewhere},
      {"IDR slice, not the first", "65 1e21", Start::kNo},
      {"slice", "61 9a24", Start::kNo},
      {"slice that nothing refers to", "01 9a24", Start::kNo},
      {"STAP-A of SPS and PPS (libwebrtc)", "78 0009" + sps + "0004" + pps,
       Start::kParameterSetsAlone},
      {"STAP-A of PPS and SPS", "78 0004" + pps + "0009" + sps, Start::kParameterSetsAlone},
      {"STAP-A with IDR", "78 0009" + sps + "0004" + pps + "0003 658884", Start::kHere},
      {"STAP-A with AUD and SEI first (x264)",
       "78 0002 09f0 0004 06050100 0009" + sps + "0004" + pps + "0003 658884", Start::kHere},
      {"STAP-A of a slice behind repeated parameter sets",
       "78 0009" + sps + "0004" + pps + "0003 619a24", Start::kNo},
      {"the same at a recovery point (intra refresh)",
       "78 0009" + sps + "0004" + pps + "0004 06060184 0003 619a24", Start::kHere},
      {"a recovery point behind another SEI message",
       "78 0009" + sps + "0004" + pps + "0007 060501aa060184 0003 619a24", Start::kHere},
      {"an SEI message whose size is 255 + 1 and more than there is",
       "78 0009" + sps + "0004" + pps + "0005 0605ff0101 0003 619a24", Start::kNo},
      {"recovery point without parameter sets", "78 0004 06060184 0003 619a24", Start::kNo},
      {"STAP-A of PPS and IDR", "78 0004" + pps + "0003 658884",
       Start::kWithParameterSetsFromElsewhere},
      {"STAP-A of PPS", "78 0004" + pps, Start::kNo},
      {"STAP-B", "79 0000 0009" + sps, Start::kParameterSetsAlone},
      {"MTAP16", "7a 0000 0009 00 0000" + sps, Start::kParameterSetsAlone},
      {"MTAP24", "7b 0000 0009 00 000000" + sps, Start::kParameterSetsAlone},
      {"FU-A of an SPS", "7c 87 42e01f", Start::kParameterSetsAlone},
      {"its middle", "7c 07 42e01f", Start::kNo},
      {"its end", "7c 47 42e01f", Start::kNo},
      {"FU-A of an IDR slice", "7c 85 8884", Start::kWithParameterSetsFromElsewhere},
      {"FU-A of a later IDR slice", "7c 85 1e21", Start::kNo},
      {"middle of an IDR slice", "7c 05 8884", Start::kNo},
      {"FU-B of an IDR slice", "7d 85 0102 8884", Start::kWithParameterSetsFromElsewhere},
      {"FU-A of a slice", "5c 81 9a24", Start::kNo},
  };
  for (const StartRow& row : rows) {
    INFO(row.name);
    CHECK(StartOf(CodecKind::kH264, row.payload) == row.start);
  }
}

TEST_CASE("H264: malformed payloads", "[payload]") {
  CHECK(IsMalformed(CodecKind::kH264, "60"));                    // type 0
  CHECK(IsMalformed(CodecKind::kH264, "7e 00"));                 // type 30
  CHECK(IsMalformed(CodecKind::kH264, "78"));                    // STAP-A of nothing
  CHECK(IsMalformed(CodecKind::kH264, "78 0000"));               // NAL of 0 bytes
  CHECK(IsMalformed(CodecKind::kH264, "78 0003 6742"));          // size past the end
  CHECK(IsMalformed(CodecKind::kH264, "78 0002 6742 00"));       // half a size
  CHECK(IsMalformed(CodecKind::kH264, "78 0002 6742 ffff 68"));  // key frame first, then rubbish
  CHECK(IsMalformed(CodecKind::kH264, "7a 0000 0002 00 00"));    // MTAP16 cut in its fields
  CHECK(IsMalformed(CodecKind::kH264, "7c"));                    // FU-A without a header
  CHECK(IsMalformed(CodecKind::kH264, "7c c7 42"));              // start and end at once
  CHECK(IsMalformed(CodecKind::kH264, "7d 85 01"));              // FU-B cut in its order number
}

TEST_CASE("H265: what a decoder can start from", "[payload]") {
  const std::string vps = "40010c01";
  const std::string sps = "42010101";
  const std::string pps = "4401c0f1";
  const auto bare = Start::kWithParameterSetsFromElsewhere;
  const std::vector<StartRow> rows = {
      {"VPS", vps, Start::kParameterSetsAlone},
      {"SPS", sps, Start::kParameterSetsAlone},
      {"PPS", pps, Start::kNo},
      {"access unit delimiter", "460110", Start::kNo},
      {"IDR_W_RADL, first slice", "2601af08", bare},
      {"IDR_W_RADL, a later slice", "26012f08", Start::kNo},
      {"IDR_N_LP", "2801af08", bare},
      {"CRA", "2a01af08", bare},
      {"BLA_W_LP", "2001af08", bare},
      {"BLA_W_RADL", "2201af08", bare},
      {"BLA_N_LP", "2401af08", bare},
      {"reserved for random access", "2c01af08", bare},
      {"trailing picture", "0201d009", Start::kNo},
      {"leading picture (RASL)", "1201d009", Start::kNo},
      {"aggregate of VPS, SPS, PPS", "6001 0004" + vps + "0004" + sps + "0004" + pps,
       Start::kParameterSetsAlone},
      {"the same with IDR", "6001 0004" + vps + "0004" + sps + "0004" + pps + "0004 2601af08",
       Start::kHere},
      {"the same with CRA", "6001 0004" + vps + "0004" + sps + "0004" + pps + "0004 2a01af08",
       Start::kHere},
      {"the same with a trailing picture",
       "6001 0004" + vps + "0004" + sps + "0004" + pps + "0004 0201d009", Start::kNo},
      {"aggregate of PPS and IDR", "6001 0004" + pps + "0004 2601af08", bare},
      {"aggregate of PPS", "6001 0004" + pps, Start::kNo},
      {"fragment: start of an IDR", "6201 93 af08", bare},
      {"fragment: start of a CRA", "6201 95 af08", bare},
      {"fragment: its middle", "6201 13 af08", Start::kNo},
      {"fragment: its end", "6201 53 af08", Start::kNo},
      {"fragment: a later slice of an IDR", "6201 93 2f08", Start::kNo},
      {"fragment: start of a trailing picture", "6201 81 d009", Start::kNo},
  };
  for (const StartRow& row : rows) {
    INFO(row.name);
    CHECK(StartOf(CodecKind::kH265, row.payload) == row.start);
  }
  CHECK(Parse(CodecKind::kH265, "02 03 80")->temporal_layer == 2);
}

TEST_CASE("H265: malformed payloads", "[payload]") {
  CHECK(IsMalformed(CodecKind::kH265, "40"));
  CHECK(IsMalformed(CodecKind::kH265, "40 00 0c"));           // temporal id + 1 of 0
  CHECK(IsMalformed(CodecKind::kH265, "66 01 00"));           // type 51
  CHECK(IsMalformed(CodecKind::kH265, "60 01"));              // aggregate of nothing
  CHECK(IsMalformed(CodecKind::kH265, "60 01 0001 40"));      // half a NAL header
  CHECK(IsMalformed(CodecKind::kH265, "60 01 0004 400101"));  // past the end
  CHECK(IsMalformed(CodecKind::kH265, "62 01"));              // no FU header
  CHECK(IsMalformed(CodecKind::kH265, "62 01 d3 80"));        // start and end at once
}

TEST_CASE("AV1: what a decoder can start from", "[payload]") {
  // 0a…: sequence header OBU (0a0b with a size field of its own). 32 / 1a: frame, frame header; the
  // next bits are show_existing_frame, frame_type (0 key, 1 inter, 2 intra-only, 3 switch).
  const std::string sequence_header = "08 00 00 00 42 a7 bf e4 60 0d";
  const std::vector<StartRow> rows = {
      {"N bit, sequence header and key frame (libwebrtc)", "28 0a" + sequence_header + "30 10aa",
       Start::kHere},
      {"the same without the N bit", "20 0a" + sequence_header + "30 10aa", Start::kHere},
      {"with a frame header apart", "20 0a" + sequence_header + "18 10aa", Start::kHere},
      {"with sizes inside the OBUs (0b with extension)", "20 0b 0a09 00000042a7bfe4600d 32 02 10aa",
       Start::kHere},
      {"behind a temporal delimiter (ffmpeg)", "30 01 10 0a" + sequence_header + "30 10aa",
       Start::kHere},
      {"sequence header alone in its packet", "10" + sequence_header, Start::kHere},
      {"N bit, sequence header alone", "18" + sequence_header, Start::kHere},
      {"N bit in front of an inter frame", "28 0a" + sequence_header + "30 30aa", Start::kNo},
      {"N bit and an inter frame without a sequence header", "18 30 30aa", Start::kNo},
      {"sequence header repeated in front of an inter frame", "20 0a" + sequence_header + "30 30aa",
       Start::kNo},
      {"sequence header in front of an intra-only frame", "20 0a" + sequence_header + "30 50aa",
       Start::kNo},
      {"sequence header in front of a switch frame", "20 0a" + sequence_header + "30 70aa",
       Start::kNo},
      {"sequence header in front of a stored frame", "20 0a" + sequence_header + "18 80aa",
       Start::kNo},
      {"key frame without a sequence header", "10 30 10aa", Start::kNo},
      {"inter frame", "10 30 30aa", Start::kNo},
      {"layers: key frame of the lowest, with extension bytes",
       "28 0b 0c 00 000000 42a7bfe4600d 34 00 10aa", Start::kHere},
      {"layers: an upper one behind it", "10 34 08 30aa", Start::kNo},
      {"second packet of a key frame", "90 aabbcc", Start::kNo},
      {"second packet, then a sequence header that is not its start",
       "a0 02 aabb" + sequence_header, Start::kNo},
      {"frame cut right behind its header", "20 0a" + sequence_header + "30", Start::kHere},
  };
  for (const StartRow& row : rows) {
    INFO(row.name);
    CHECK(StartOf(CodecKind::kAv1, row.payload) == row.start);
  }
  CHECK(Parse(CodecKind::kAv1, "10 32 aa")->start_of_frame);
  CHECK_FALSE(Parse(CodecKind::kAv1, "90 0a aa")->start_of_frame);
  const auto layers = Parse(CodecKind::kAv1, "10 36 48 aa");
  REQUIRE(layers);
  CHECK(layers->temporal_layer == 2);
  CHECK(layers->spatial_layer == 1);
  CHECK(Parse(CodecKind::kAv1, "00 02 32aa 03 32aaaa"));  // W=0: all have lengths
  CHECK(Parse(CodecKind::kAv1, "00 00 02 32aa"));         // an empty element
}

TEST_CASE("AV1: malformed payloads", "[payload]") {
  CHECK(IsMalformed(CodecKind::kAv1, "10"));                          // nothing behind the header
  CHECK(IsMalformed(CodecKind::kAv1, "98 0a aa"));                    // Z and N exclude each other
  CHECK(IsMalformed(CodecKind::kAv1, "00 03 32aa"));                  // element past the end
  CHECK(IsMalformed(CodecKind::kAv1, "20 02 32aa"));                  // W=2, one element
  CHECK(IsMalformed(CodecKind::kAv1, "10 b2 aa"));                    // forbidden bit
  CHECK(IsMalformed(CodecKind::kAv1, "10 36"));                       // extension byte missing
  CHECK(IsMalformed(CodecKind::kAv1, "00 80808080808080808001 32"));  // leb128 of ten bytes
  CHECK(IsMalformed(CodecKind::kAv1, "00 ffffffffffffff7f 32"));      // 2^56 - 1 bytes
  CHECK(Parse(CodecKind::kAv1, "00 8280808080808000 32aa"));          // eight bytes that say 2
}

std::vector<uint8_t> Joined(std::string_view payload, bool to_previous, bool to_next) {
  const auto bytes = Hex(payload);
  std::vector<uint8_t> out(bytes.size() + kMaxAv1JoinGrowth, 0xee);
  const size_t size = JoinAv1(bytes, {to_previous, to_next}, out.data());
  REQUIRE(size <= out.size());
  out.resize(size);
  return out;
}

TEST_CASE("AV1: packets that are joined", "[payload]") {
  // To the next: Y.
  CHECK(Joined("18 30 aa bb", false, true) == Hex("58 30 aa bb"));
  CHECK(Joined("00 03 30 aa bb", false, true) == Hex("40 03 30 aa bb"));
  // To the one before: Z, and a fragment of no bytes, which counts as an element.
  CHECK(Joined("10 30 aa bb", true, false) == Hex("a0 00 30 aa bb"));
  CHECK(Joined("18 30 aa bb", true, false) == Hex("a0 00 30 aa bb"));  // Z and N exclude each other
  CHECK(Joined("20 02 32aa 30 bb", true, true) == Hex("f0 00 02 32aa 30 bb"));
  CHECK(Joined("00 02 32aa 02 30bb", true, false) == Hex("80 00 02 32aa 02 30bb"));
  // Three elements and one more cannot be counted: each has its length.
  CHECK(Joined("30 02 32aa 01 12 30 bb cc", true, true) == Hex("c0 00 02 32aa 01 12 03 30 bb cc"));
  std::string text = "30 02 32aa 01 12 30";
  for (int i = 0; i < 299; ++i) text += " bb";
  const auto longer = Joined(text, true, false);
  CHECK(longer.size() == Hex(text).size() + 3);
  CHECK(std::vector(longer.begin(), longer.begin() + 10) == Hex("80 00 02 32aa 01 12 ac02 30"));
  CHECK(ParsePayload(CodecKind::kAv1, longer));
  // Nothing to do, or nothing that can be done.
  CHECK(Joined("90 30 aa", true, false) == Hex("90 30 aa"));
  CHECK(Joined("", true, true).empty());
  CHECK(Joined("30 02 32aa 7f 12 30", true, false) == Hex("30 02 32aa 7f 12 30"));
}

TEST_CASE("Opus DTX", "[payload]") {
  CHECK(IsOpusDtx(Hex("78")));
  CHECK(IsOpusDtx(Hex("79")));
  CHECK_FALSE(IsOpusDtx(Hex("7800")));
  CHECK_FALSE(IsOpusDtx(Hex("7900")));
  CHECK(IsOpusDtx(Hex("7a")));
  CHECK(IsOpusDtx(Hex("7a00")));
  CHECK_FALSE(IsOpusDtx(Hex("7a0000")));
  CHECK_FALSE(IsOpusDtx(Hex("7b")));
  CHECK_FALSE(IsOpusDtx({}));
}

}  // namespace sluice::worker
