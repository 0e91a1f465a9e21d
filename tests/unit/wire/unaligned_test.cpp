// Bytes of the network begin at any address: behind the two bytes of a TCP frame's length, in the
// middle of a compound. What is read from them must not depend on that. Run with UBSan, which sees
// a load that is not aligned; without, a machine that allows such loads sees wrong values only.
#include <catch2/catch.hpp>
#include <cstring>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include <fmt/format.h>

#include "tests/unit/wire/hex.h"
#include "tests/unit/wire/recording_visitor.h"
#include "worker/wire/crc32.h"
#include "worker/wire/dcep.h"
#include "worker/wire/rtcp.h"
#include "worker/wire/rtp_packet.h"
#include "worker/wire/sctp.h"
#include "worker/wire/stun.h"

namespace sluice::worker {
namespace {

using testing::Hex;
using Bytes = std::vector<uint8_t>;
using Read = std::function<std::string(std::span<uint8_t>)>;

constexpr size_t kAlignment = 16;  // of the widest loads that a compiler makes of ours

/// What `read` makes of `bytes` is the same at each address.
void CheckAtEachAddress(const Bytes& bytes, const Read& read) {
  Bytes aligned = bytes;
  const std::string expected = read(aligned);
  CHECK_FALSE(expected.empty());
  for (size_t offset = 0; offset < kAlignment; ++offset) {
    // Exactly as large as it has to be: a sanitizer sees what reads beyond it.
    const auto memory = std::make_unique<uint8_t[]>(offset + bytes.size());
    std::memcpy(memory.get() + offset, bytes.data(), bytes.size());
    INFO("at offset " << offset);
    CHECK(read({memory.get() + offset, bytes.size()}) == expected);
  }
}

}  // namespace

TEST_CASE("unaligned: a STUN message", "[stun]") {
  // RFC 5769 §2.1
  const Bytes request = Hex(R"(
    00 01 00 58  21 12 a4 42  b7 e7 a7 01  bc 34 d6 86  fa 87 df ae
    80 22 00 10  53 54 55 4e  20 74 65 73  74 20 63 6c  69 65 6e 74
    00 24 00 04  6e 00 01 ff
    80 29 00 08  93 2f f9 b1  51 26 3b 36
    00 06 00 09  65 76 74 6a  3a 68 36 76  59 20 20 20
    00 08 00 14  9a ea a7 0c  bf d8 cb 56  78 1e f2 b5  b2 d3 f2 49  c1 b5 71 a2
    80 28 00 04  e5 7a 3b cf)");
  CheckAtEachAddress(request, [](std::span<uint8_t> bytes) {
    const auto message = StunMessage::Parse(bytes);
    if (!StunMessage::LooksLikeStun(bytes) || !message) return std::string();
    if (!message->has_fingerprint() || !message->CheckIntegrity("VOkJxbRl1RmTxUk/WvJxBt")) {
      return std::string();
    }
    return fmt::format("{} {} {}", *message->username(), *message->priority(),
                       *message->ice_controlled());
  });
}

TEST_CASE("unaligned: checksums and digests", "[stun]") {
  Bytes bytes;
  for (int i = 0; i < 257; ++i) bytes.push_back(static_cast<uint8_t>(i * 7));
  CheckAtEachAddress(bytes, [](std::span<uint8_t> at) {
    const std::string before = fmt::format("{} {}", Crc32(at), sctp::ChecksumIsRight(at));
    sctp::WriteChecksum(at);
    return fmt::format("{} {} {}", before, Crc32(at), sctp::ChecksumIsRight(at));
  });
}

TEST_CASE("unaligned: an RTP packet with extensions and padding", "[rtp]") {
  const Bytes packet = Hex(R"(
    b1 e0 12 34  01 02 03 04  0a 0b 0c 0d  11 22 33 44
    be de 00 02  10 aa 22 01 02 03 30 05
    c0 ff ee 00 00 03)");
  CheckAtEachAddress(packet, [](std::span<uint8_t> bytes) {
    auto parsed = RtpPacket::Parse(bytes);
    if (!parsed) return std::string();
    const auto time = ParseAbsSendTime(parsed->Extension(2));
    std::string text = fmt::format("{} {} {} {} {}", parsed->sequence_number().value(),
                                   parsed->timestamp().value(), parsed->ssrc().value(),
                                   parsed->payload().size(), time.value_or(0));
    parsed->set_sequence_number(SeqNumber(0xfffe));
    parsed->set_timestamp(RtpTimestamp(0xdeadbeef));
    parsed->set_ssrc(Ssrc(0x11223344));
    return text + std::string(bytes.begin(), bytes.end());
  });
}

TEST_CASE("unaligned: an RTCP compound", "[rtcp]") {
  const Bytes compound = Hex(R"(
    81 c8 00 0c  01 02 03 04  aa bb cc dd  00 00 00 01  00 00 00 02  00 00 00 03  00 00 00 04
                 0a 0b 0c 0d  fe ff ff fb  00 01 00 02  00 00 00 4d  aa bb cc dd  00 01 00 00
    81 ca 00 03  01 02 03 04  01 04 61 62 63 64 00 00
    81 cd 00 03  01 02 03 04  0a 0b 0c 0d  12 34 80 01
    8f cd 00 05  01 02 03 04  0a 0b 0c 0d  00 07 00 02  00 00 01 05  20 02 10 14)");
  CheckAtEachAddress(compound, [](std::span<uint8_t> bytes) {
    rtcp::testing::RecordingVisitor visitor;
    if (!rtcp::Parse(bytes, visitor)) return std::string();
    return fmt::format(
        "{} {} {} {} {}", visitor.calls(), visitor.report_blocks.at(0).second.extended_highest_seq,
        visitor.cnames.at(0).second, visitor.nacks.size(), visitor.transport_feedbacks.size());
  });
}

TEST_CASE("unaligned: an SCTP packet, and a request to open a channel", "[sctp]") {
  const Bytes packet = Hex(R"(
    13 88 13 88  01 02 03 04  00 00 00 00
    00 03 00 14  00 00 00 07  00 01 00 02  00 00 00 33  61 62 63 64)");
  CheckAtEachAddress(packet, [](std::span<uint8_t> bytes) {
    const auto header = sctp::ParseHeader(bytes);
    if (!header) return std::string();
    std::string text = std::to_string(header->verification_tag);
    sctp::ChunkReader chunks(bytes);
    while (const auto chunk = chunks.Next()) {
      text += fmt::format(" {} {}", static_cast<int>(chunk->type), chunk->body.size());
    }
    return text;
  });
  const Bytes open = Hex("03 00 01 00 00 00 00 05 00 02 00 01 61 62 63");
  CheckAtEachAddress(open, [](std::span<uint8_t> bytes) {
    const auto message = dcep::Parse(bytes);
    const auto* parsed = message ? std::get_if<dcep::Open>(&*message) : nullptr;
    return parsed == nullptr ? std::string()
                             : fmt::format("{} {}", parsed->label, parsed->protocol);
  });
}

}  // namespace sluice::worker
