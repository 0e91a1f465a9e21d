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
  RewriteVp8(wide, *ParsePayload(CodecKind::kVp8, wide), 0x7fff, 0xff);
  CHECK(wide == Hex("90 e0 ffff ff a0 00"));
  RewriteVp8(wide, *ParsePayload(CodecKind::kVp8, wide), 0x8000, 0);  // wraps at 15 bits
  CHECK(wide == Hex("90 e0 8000 00 a0 00"));
  Bytes narrow = Hex("90 80 7f 00");
  RewriteVp8(narrow, *ParsePayload(CodecKind::kVp8, narrow), 0x1281, 9);
  CHECK(narrow == Hex("90 80 01 00"));
  Bytes none = Hex("10 00");
  RewriteVp8(none, *ParsePayload(CodecKind::kVp8, none), 5, 9);
  CHECK(none == Hex("10 00"));
  // An info of another, longer payload does no harm.
  Bytes cut = Hex("90 e0 92");
  RewriteVp8(cut, *Parse(CodecKind::kVp8, "90 e0 9234 56 a0 00"), 5, 9);
  CHECK(cut == Hex("90 e0 92"));
}

TEST_CASE("VP9: key frame, layers", "[payload]") {
  CHECK(IsKey(CodecKind::kVp9, "88 05 aa"));              // I, B
  CHECK_FALSE(IsKey(CodecKind::kVp9, "c8 05 aa"));        // P
  CHECK_FALSE(IsKey(CodecKind::kVp9, "80 05 aa"));        // no B
  CHECK(IsKey(CodecKind::kVp9, "a8 9005 00 07 aa"));      // 15-bit id, layer 0, TL0PICIDX
  CHECK_FALSE(IsKey(CodecKind::kVp9, "a8 05 03 07 aa"));  // spatial layer 1 on a key picture
  const auto layers = Parse(CodecKind::kVp9, "e0 05 54 07 aa");
  REQUIRE(layers);
  CHECK(layers->temporal_layer == 2);
  CHECK(layers->spatial_layer == 2);
  CHECK(layers->layer_sync);
  CHECK_FALSE(layers->start_of_frame);
  CHECK(Parse(CodecKind::kVp9, "88 05 aa")->start_of_frame);
}

TEST_CASE("VP9: flexible mode references", "[payload]") {
  CHECK(Parse(CodecKind::kVp9, "d0 05 02 aa"));
  CHECK(Parse(CodecKind::kVp9, "d0 05 03 05 06 aa"));
  CHECK(IsMalformed(CodecKind::kVp9, "d0 05 03 05 07 08 aa"));  // a fourth announced
  CHECK(IsMalformed(CodecKind::kVp9, "d0 05 03"));
}

TEST_CASE("VP9: scalability structures", "[payload]") {
  // One layer with sizes and a picture group of two.
  CHECK(IsKey(CodecKind::kVp9, "0a 18 0140 00f0 02 04 01 08 01 02 aa"));
  // Eight layers with sizes.
  CHECK(IsKey(CodecKind::kVp9, "0a f0" + std::string(64, '1') + "aa"));
  CHECK(IsMalformed(CodecKind::kVp9, "0a f0" + std::string(62, '1')));
  // 255 pictures of three references each: all there, and one byte short.
  std::string group = "0a 08 ff";
  for (int i = 0; i < 255; ++i) group += "0c 010203";
  CHECK(IsKey(CodecKind::kVp9, group + "aa"));
  CHECK(IsMalformed(CodecKind::kVp9, group));
  CHECK(IsMalformed(CodecKind::kVp9, "0a 08 ff 0c 01"));
}

TEST_CASE("H264: an SPS makes a key frame, wherever it is packed", "[payload]") {
  CHECK(IsKey(CodecKind::kH264, "67 42e01f"));
  CHECK_FALSE(IsKey(CodecKind::kH264, "68 ce3c80"));         // PPS
  CHECK_FALSE(IsKey(CodecKind::kH264, "65 88"));             // IDR alone
  CHECK_FALSE(IsKey(CodecKind::kH264, "61 9a"));             // slice
  CHECK(IsKey(CodecKind::kH264, "78 0002 6742 0002 68ce"));  // STAP-A
  CHECK(IsKey(CodecKind::kH264, "78 0002 68ce 0002 6742"));  // in the second place
  CHECK_FALSE(IsKey(CodecKind::kH264, "78 0002 68ce"));
  CHECK(IsKey(CodecKind::kH264, "79 0000 0002 6742"));            // STAP-B
  CHECK(IsKey(CodecKind::kH264, "7a 0000 0002 00 0000 6742"));    // MTAP16
  CHECK(IsKey(CodecKind::kH264, "7b 0000 0002 00 000000 6742"));  // MTAP24
  CHECK(IsKey(CodecKind::kH264, "7c 87 42"));                     // FU-A start
  CHECK_FALSE(IsKey(CodecKind::kH264, "7c 07 42"));               // FU-A without start
  CHECK_FALSE(IsKey(CodecKind::kH264, "7c 47 42"));               // its end
  CHECK_FALSE(IsKey(CodecKind::kH264, "7c 85 42"));               // IDR fragment
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
}

TEST_CASE("H265: parameter sets and random-access pictures", "[payload]") {
  CHECK(IsKey(CodecKind::kH265, "40 01 0c"));                       // VPS
  CHECK(IsKey(CodecKind::kH265, "42 01 01"));                       // SPS
  CHECK_FALSE(IsKey(CodecKind::kH265, "44 01 c0"));                 // PPS
  CHECK(IsKey(CodecKind::kH265, "26 01 af"));                       // IDR, first slice
  CHECK_FALSE(IsKey(CodecKind::kH265, "26 01 2f"));                 // IDR, a later slice
  CHECK(IsKey(CodecKind::kH265, "2a 01 80"));                       // CRA
  CHECK_FALSE(IsKey(CodecKind::kH265, "02 01 80"));                 // trailing picture
  CHECK(IsKey(CodecKind::kH265, "60 01 0003 400101 0003 420101"));  // aggregate
  CHECK_FALSE(IsKey(CodecKind::kH265, "60 01 0003 440101"));
  CHECK(IsKey(CodecKind::kH265, "62 01 93 80"));        // fragment: IDR start
  CHECK_FALSE(IsKey(CodecKind::kH265, "62 01 13 80"));  // its middle
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

TEST_CASE("AV1: the N bit, sequence headers, layers", "[payload]") {
  CHECK(IsKey(CodecKind::kAv1, "18 0a aa"));        // N, W=1
  CHECK(IsKey(CodecKind::kAv1, "10 0a aa"));        // sequence header without N
  CHECK(IsKey(CodecKind::kAv1, "20 01 10 0a aa"));  // behind a temporal delimiter
  CHECK_FALSE(IsKey(CodecKind::kAv1, "10 32 aa"));  // frame
  CHECK_FALSE(IsKey(CodecKind::kAv1, "90 0a aa"));  // continuation of an OBU
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
