#include <catch2/catch.hpp>
#include <string>
#include <utility>
#include <vector>

#include "tests/unit/producer/video_bed.h"
#include "worker/core/rtp/packet_ring.h"
#include "worker/core/rtp/sequence_tracker.h"

namespace sluice::worker {
namespace {

using namespace video_bed;  // NOLINT(google-build-using-namespace)

/// `packet` with one header extension, in the two-byte form (RFC 8285 §4.3).
std::vector<uint8_t> WithExtension(std::vector<uint8_t> packet, uint8_t id,
                                   const std::vector<uint8_t>& value) {
  std::vector<uint8_t> block = {id, static_cast<uint8_t>(value.size())};
  block.insert(block.end(), value.begin(), value.end());
  while (block.size() % 4 != 0) block.push_back(0);
  const std::vector<uint8_t> head = {0x10, 0x00, 0x00, static_cast<uint8_t>(block.size() / 4)};
  block.insert(block.begin(), head.begin(), head.end());
  packet.insert(packet.begin() + RtpPacket::kFixedHeader, block.begin(), block.end());
  packet[0] |= 0x10;
  return packet;
}

TEST_CASE("packets of a turn go to each consumer together, in order") {
  VideoBed f(2);
  for (int i = 0; i < 3; ++i) CHECK(f.Receive(VideoPacket(i, i == 0)) == Result::kMedia);
  CHECK(f.sent.empty());
  CHECK(f.bed.scheduled.size() == 1);
  f.bed.EndTurn();
  REQUIRE(f.sent.size() == 6);
  for (size_t i = 0; i < 6; ++i) {
    CHECK(f.sent[i].egress == f.egresses[i / 3].get());
    if (i % 3 > 0) CHECK(f.sent[i].sequence == static_cast<uint16_t>(f.sent[i - 1].sequence + 1));
  }
  f.sent.clear();
  f.bed.EndTurn();
  CHECK(f.sent.empty());
}

TEST_CASE("a paused consumer costs nothing, a detached one gets nothing") {
  VideoBed f(1);
  f.Receive(VideoPacket(0, true));
  f.bed.EndTurn();
  f.consumers[0]->Pause();
  f.Receive(VideoPacket(1));
  CHECK(f.bed.scheduled.empty());
  f.consumers.clear();
  CHECK(f.producer->consumers().empty());
}

TEST_CASE("a new stream is announced and asks for a key frame unless it starts with one") {
  VideoBed f;
  SECTION("starting with a key frame") {
    f.Receive(VideoPacket(5, true));
    CHECK(f.bed.plis.empty());
  }
  SECTION("starting in the middle") {
    f.Receive(VideoPacket(5));
    CHECK(f.bed.plis == std::vector<uint32_t>{kSsrc});
  }
  REQUIRE(f.bed.events.scores.size() == 1);
  CHECK(f.bed.events.scores[0].at(0).score == 10);
  CHECK(f.bed.events.order == std::vector<std::string>{"producer", "consumer"});
  CHECK(f.producer->encoding_scores() == std::vector<uint8_t>{10});
}

TEST_CASE("before media there are no stats, no score and no streams") {
  VideoBed f;
  CHECK(f.producer->GetStats(f.bed.environment.Now()).empty());
  CHECK(f.producer->encoding_score(0) == 0);
  CHECK(f.producer->encoding_score(9) == 0);
  CHECK(f.producer->ring(0) == nullptr);
  CHECK(f.producer->Dump().rtp_streams.empty());
  f.producer->RequestKeyFrame(Ssrc(kSsrc + 5'000'000));
  CHECK(f.bed.plis.empty());
}

TEST_CASE("key-frame requests use what the sender understands") {
  ProduceOptions options = samples::Video("p", kSsrc);
  auto& feedback = options.rtp_parameters.codecs[0].rtcp_feedback;
  size_t plis = 0;
  size_t firs = 0;
  SECTION("PLI") { plis = 1; }
  SECTION("FIR") {
    feedback = {{"ccm", "fir"}};
    firs = 1;
  }
  SECTION("nothing") { feedback.clear(); }
  VideoBed f(1, options);
  f.Receive(VideoPacket(5));
  CHECK(f.bed.plis.size() == plis);
  CHECK(f.bed.firs.size() == firs);
  CHECK(f.Stats().pli_count == plis);
  CHECK(f.Stats().fir_count == firs);
}

TEST_CASE("requests of many consumers become one to the sender") {
  VideoBed f(3);
  f.Receive(VideoPacket(1, true));
  for (int i = 0; i < 50; ++i) f.producer->RequestKeyFrame(Ssrc(kSsrc + 5'000'000));
  f.producer->RequestKeyFrame(Ssrc(4242));
  CHECK(f.bed.plis.size() == 1);
  f.Receive(VideoPacket(2, true));
  f.bed.AdvanceBy(5000);
  CHECK(f.bed.plis.size() == 1);
}

TEST_CASE("what cannot be a packet of the stream is discarded and counted") {
  VideoBed f;
  CHECK(f.Receive(Rtp(50, kSsrc, 1, 1, {1, 2, 3})) == Result::kDiscarded);  // unknown payload type
  CHECK(f.Receive(Rtp(samples::kVp8, 9999, 1, 1, {1})) == Result::kDiscarded);  // unknown SSRC
  CHECK(f.Receive(Rtp(samples::kVp8, 0, 1, 1, {1})) == Result::kDiscarded);
  CHECK(f.Receive(Rtp(samples::kVp8Rtx, kSsrc, 1, 1, {1, 2, 3})) == Result::kDiscarded);
  CHECK(f.bed.events.scores.empty());
  f.Receive(VideoPacket(100, true));
  CHECK(f.Receive(VideoPacket(100)) == Result::kDiscarded);   // duplicate
  CHECK(f.Receive(VideoPacket(9000)) == Result::kDiscarded);  // too far
  CHECK(f.Stats().packets_discarded == 2);
  CHECK(f.Stats().packet_count == 1);
}

TEST_CASE("padding is counted and only closes a gap in the consumers' numbers") {
  VideoBed f;
  f.Receive(VideoPacket(1, true));
  CHECK(f.Receive(PaddingPacket(2)) == Result::kMedia);
  CHECK(f.Receive(PaddingPacket(3)) == Result::kMedia);
  f.Receive(VideoPacket(4));
  f.bed.EndTurn();
  REQUIRE(f.sent.size() == 2);
  CHECK(f.sent[1].sequence == static_cast<uint16_t>(f.sent[0].sequence + 1));
  CHECK(f.Stats().packet_count == 4);
  CHECK(f.producer->ring(0)->HeldBytes() == 2 * PacketBuffer::kPooledCapacity);
}

// Parsed once, where the packet lives, for all consumers.
TEST_CASE("a packet's frame is known by its dependency descriptor, else by its payload") {
  constexpr uint8_t kDescriptorId = 9;
  ProduceOptions options = samples::Video("p", kSsrc);
  RtpHeaderExtensionParameters extension;
  extension.uri = RtpExtensionUri::kDependencyDescriptor;
  extension.id = kDescriptorId;
  options.rtp_parameters.header_extensions.push_back(extension);
  VideoBed f(1, options);
  const auto frame = [&](int sequence) {
    const auto* packet = f.producer->ring(0)->Find(
        ExtendedSeqNumber(SequenceTracker::kFirstCycle + sequence), f.bed.environment.Now());
    REQUIRE(packet != nullptr);
    return packet->frame;
  };
  // Start and end, template 0, number 7; structure: offset 0, one target; two templates, S0T0
  // twice; "S" and "R"; no references, 1; no chains; no resolutions.
  const std::vector<uint8_t> structure = {0xC0, 0x00, 0x07, 0x80, 0x00, 0x3B, 0x40, 0x00};
  f.Receive(WithExtension(VideoPacket(1, true), kDescriptorId, structure));
  REQUIRE(frame(1).descriptor != nullptr);
  CHECK(frame(1).key);
  CHECK(frame(1).end);
  CHECK(frame(1).switch_point);
  const auto* shared = frame(1).descriptor->structure.get();
  f.Receive(WithExtension(VideoPacket(2), kDescriptorId, {0x81, 0x00, 0x08}));
  REQUIRE(frame(2).descriptor != nullptr);
  CHECK(frame(2).descriptor->structure.get() == shared);
  CHECK(frame(2).start);
  CHECK_FALSE(frame(2).end);
  CHECK_FALSE(frame(2).switch_point);
  CHECK(f.producer->counters().unreadable_descriptor == 0);

  f.Receive(WithExtension(VideoPacket(3), kDescriptorId, {0x82, 0x00, 0x09}));  // no such template
  CHECK(frame(3).descriptor == nullptr);
  CHECK(f.producer->counters().unreadable_descriptor == 1);
  f.Receive(VideoPacket(4));
  CHECK(frame(4).descriptor == nullptr);
  CHECK(frame(4).start);
  CHECK_FALSE(frame(4).key);
  f.bed.EndTurn();
  CHECK(f.sent.size() == 4);
}

// A stream that stops must not keep two seconds of the worker's buffers for as long as it exists.
// RFC 9335: who encrypts header extensions says so in the profile word, packet by packet. We do not
// negotiate it; a sender that does it all the same, for some of its packets, loses those alone.
TEST_CASE("header extensions that are encrypted, in some packets, are left where they are") {
  VideoBed f(1);
  const auto encrypted = [](std::vector<uint8_t> packet, uint8_t profile) {
    // Read in the one-byte form it were an element longer than the block.
    const std::vector<uint8_t> block = {profile, 0xDE, 0, 1, 0x5F, 0xFF, 0xFF, 0xFF};
    packet.insert(packet.begin() + RtpPacket::kFixedHeader, block.begin(), block.end());
    packet[0] |= 0x10;
    return packet;
  };
  constexpr uint8_t kOneByteEncrypted = 0xC0;
  constexpr uint8_t kTwoByteEncrypted = 0xC2;
  for (int i = 0; i < 30; ++i) {
    std::vector<uint8_t> packet = VideoPacket(i, i == 0);
    if (i % 3 == 1) packet = encrypted(std::move(packet), kOneByteEncrypted);
    if (i % 3 == 2) packet = encrypted(std::move(packet), kTwoByteEncrypted);
    CHECK(f.Receive(packet) == Result::kMedia);
  }
  f.bed.EndTurn();
  REQUIRE(f.sent.size() == 30);
  for (size_t i = 0; i < f.sent.size(); ++i) {
    CHECK(f.sent[i].sequence == static_cast<uint16_t>(f.sent[0].sequence + i));
    CHECK(f.sent[i].payload == samples::Vp8Payload(i == 0, static_cast<uint16_t>(i)));
  }
}

TEST_CASE("a stream that has stopped lets its buffers go") {
  const bool delivered = GENERATE(true, false);
  CAPTURE(delivered);
  VideoBed f;
  f.Receive(VideoPacket(1, true));
  f.bed.EndTurn();
  f.bed.AdvanceBy(1500);
  f.Receive(VideoPacket(2));
  f.Receive(VideoPacket(3));
  if (delivered) f.bed.EndTurn();
  const PacketRing& ring = *f.producer->ring(0);
  f.bed.AdvanceBy(1999);
  CHECK(ring.size() == 2);
  // The timer looks once in the maximum age.
  f.bed.AdvanceBy(2100);
  CHECK(ring.size() == 0);
  if (!delivered) {
    // Too old, but the list of the turn still points to them.
    CHECK_FALSE(ring.idle());
    f.bed.EndTurn();
    CHECK(f.sent.size() == 3);
    f.bed.AdvanceBy(2100);
  }
  CHECK(ring.idle());
  CHECK(ring.RingBytes() == 0);
  CHECK(f.bed.buffers.free_buffers() * PacketBuffer::kPooledCapacity ==
        f.bed.buffers.allocated_bytes());
  f.Receive(VideoPacket(4));
  f.bed.EndTurn();
  CHECK(f.sent.size() == 4);
}

TEST_CASE("a hole is asked for and the RTX packet that fills it goes on as media") {
  VideoBed f;
  f.Receive(VideoPacket(1, true));
  f.Receive(VideoPacket(4));
  f.bed.EndTurn();
  CHECK(f.bed.nacked.empty());
  f.bed.AdvanceBy(10);
  CHECK(f.bed.nacked == std::vector<int>{2, 3});
  f.sent.clear();

  CHECK(f.Receive(RtxPacket(500, 2)) == Result::kRetransmission);
  f.bed.EndTurn();
  REQUIRE(f.sent.size() == 1);
  f.bed.AdvanceBy(200);
  CHECK(f.bed.nacked == std::vector<int>{2, 3, 3, 3});
  CHECK(f.Stats().packets_retransmitted == 1);
  CHECK(f.Stats().packets_repaired == 1);
  CHECK(f.Stats().packets_lost == 2);
  CHECK(f.Stats().nack_count == 3);
  CHECK(f.Stats().nack_packet_count == 4);

  // The original comes after all: once is enough.
  f.sent.clear();
  CHECK(f.Receive(VideoPacket(2)) == Result::kDiscarded);
  f.bed.EndTurn();
  CHECK(f.sent.empty());
}

TEST_CASE("RTX that brings nothing new is not forwarded") {
  VideoBed f;
  CHECK(f.Receive(RtxPacket(500, 2)) == Result::kRetransmission);  // before any media
  f.Receive(VideoPacket(1, true));
  f.Receive(VideoPacket(2));
  f.bed.EndTurn();
  f.sent.clear();
  f.Receive(RtxPacket(501, 2));                                      // there already
  f.Receive(RtxPacket(502, 40000));                                  // never heard of
  f.Receive(Rtp(samples::kVp8Rtx, kRtxSsrc, 503, 1, {}));            // empty: a probe
  f.Receive(Rtp(samples::kVp8Rtx, kRtxSsrc, 504, 1, {0, 3}));        // OSN alone
  f.Receive(Rtp(samples::kVp8, kRtxSsrc, 505, 1, {0, 3, 1, 2, 3}));  // wrong payload type
  f.bed.EndTurn();
  CHECK(f.sent.empty());
  CHECK(f.Stats().packet_count == 2);
}

TEST_CASE("a loss too large for NACK asks for a key frame") {
  VideoBed f;
  f.Receive(VideoPacket(1, true));
  f.bed.AdvanceBy(2000 * 33);
  f.Receive(VideoPacket(2000));
  CHECK(f.bed.plis.size() == 1);
  CHECK(f.bed.nacked.empty());
}

TEST_CASE("a sender that restarts its numbers is followed without a gap") {
  VideoBed f;
  f.Receive(VideoPacket(1, true));
  f.Receive(VideoPacket(2));
  bool begins_with_key_frame = true;
  SECTION("with a key frame") {}
  SECTION("without, so one is asked for") { begins_with_key_frame = false; }
  CHECK(f.Receive(VideoPacket(30000, begins_with_key_frame)) == Result::kDiscarded);
  CHECK(f.Receive(VideoPacket(30001)) == Result::kMedia);
  f.Receive(VideoPacket(30002));
  f.bed.EndTurn();
  // The packet that was not believed at once follows, too.
  REQUIRE(f.sent.size() == 5);
  CHECK(f.sent[2].payload[4] == (begins_with_key_frame ? 0x10 : 0x11));
  for (size_t i = 1; i < 5; ++i) {
    CHECK(f.sent[i].sequence == static_cast<uint16_t>(f.sent[i - 1].sequence + 1));
  }
  CHECK(f.bed.plis.size() == (begins_with_key_frame ? 0 : 1));
  CHECK(f.Stats().packets_discarded == 0);
}

TEST_CASE("suspects of a restart that was none are let go") {
  VideoBed f;
  f.Receive(VideoPacket(1, true));
  CHECK(f.Receive(VideoPacket(30000)) == Result::kDiscarded);
  f.Receive(VideoPacket(2));
  CHECK(f.Receive(VideoPacket(30001)) == Result::kDiscarded);
  f.Receive(VideoPacket(3));
  f.bed.EndTurn();
  CHECK(f.sent.size() == 3);
  CHECK(f.Stats().packets_discarded == 2);
}

TEST_CASE("a stream announced by MID only teaches its SSRCs once") {
  ProduceOptions options = samples::Video("p", kSsrc);
  options.rtp_parameters.mid = "v";
  options.rtp_parameters.encodings[0].ssrc.reset();
  options.rtp_mapping.encodings[0].ssrc.reset();
  VideoBed f(1, options);
  CHECK_FALSE(f.producer->HasSsrc(Ssrc(kSsrc)));
  CHECK(f.Receive(RtxPacket(1, 1)) == Result::kDiscarded);  // no media yet
  CHECK(f.Receive(VideoPacket(1, true)) == Result::kMedia);
  CHECK(f.Receive(RtxPacket(1, 1)) == Result::kRetransmission);
  CHECK(f.bed.learned == std::vector<uint32_t>{kSsrc, kRtxSsrc});
  CHECK(f.producer->HasSsrc(Ssrc(kSsrc)));
  CHECK(f.producer->HasSsrc(Ssrc(kRtxSsrc)));
  CHECK(f.Receive(Rtp(samples::kVp8, 777, 1, 1, {1})) == Result::kDiscarded);
  CHECK(f.bed.learned.size() == 2);
}

TEST_CASE("a paused producer counts and asks, but forwards and traces nothing") {
  VideoBed f;
  f.producer->EnableTraces(TraceBit(ProducerTraceType::kRtp) | TraceBit(ProducerTraceType::kPli));
  f.Receive(VideoPacket(1, true));
  f.producer->Pause();
  f.bed.EndTurn();
  CHECK(f.sent.empty());
  CHECK_FALSE(f.consumers[0]->active());
  const size_t traced = f.bed.events.traces.size();
  f.Receive(VideoPacket(2));
  f.Receive(VideoPacket(4));
  f.bed.AdvanceBy(10);
  CHECK(f.bed.nacked == std::vector<int>{3});
  CHECK(f.Stats().packet_count == 3);
  f.producer->RequestKeyFrame(Ssrc(kSsrc + 5'000'000));
  CHECK(f.bed.plis.empty());
  CHECK(f.bed.events.traces.size() == traced);

  f.producer->Resume();
  CHECK(f.consumers[0]->active());
  CHECK_FALSE(f.bed.plis.empty());
  std::vector<rtcp::ReportBlock> blocks;
  f.producer->FillReportBlocks(&blocks, f.bed.environment.Now());
  CHECK(blocks.size() == 1);
}

TEST_CASE("a packet is traced once: a key frame as such, PLI not as NACK") {
  VideoBed f;
  TraceMask all = 0;
  for (int type = 0; type <= 5; ++type) all |= 1u << type;
  f.producer->EnableTraces(all);
  f.Receive(VideoPacket(1));
  f.Receive(VideoPacket(2, true));
  rtcp::SenderInfo report;
  report.ssrc = Ssrc(kSsrc);
  report.ntp = NtpTime{100, 0};
  f.producer->OnSenderReport(report, f.bed.environment.Now());
  std::vector<TraceReport::Type> types;
  for (const TraceReport& trace : f.bed.events.traces) types.push_back(trace.type);
  CHECK(types == std::vector<TraceReport::Type>{TraceReport::Type::kPli, TraceReport::Type::kRtp,
                                                TraceReport::Type::kKeyFrame,
                                                TraceReport::Type::kSr});
  const auto& key_frame = f.bed.events.traces[2];
  CHECK(key_frame.incoming);
  CHECK(key_frame.rtp_packet->is_key_frame);
  CHECK(key_frame.rtp_packet->sequence_number == 2);
  CHECK(key_frame.rtp_packet->size == 212);
  CHECK_FALSE(f.bed.events.traces[0].incoming);
}

TEST_CASE("VP8 picture ids that vanish and come back go on where they were") {
  VideoBed f;
  uint16_t sequence = 0;
  // Sends a picture: with a long id, a short one or none; returns how it leaves.
  const auto send = [&](std::vector<uint8_t> descriptor, bool key) {
    std::vector<uint8_t> payload = std::move(descriptor);
    payload.insert(payload.end(), {static_cast<uint8_t>(key ? 0x10 : 0x11), 1, 2, 3});
    ++sequence;
    f.sent.clear();
    f.Receive(Rtp(samples::kVp8, kSsrc, sequence, sequence * 3000U, payload, true));
    f.bed.EndTurn();
    REQUIRE(f.sent.size() == 1);
    CHECK(f.sent[0].payload.size() == payload.size());
    return f.sent[0].payload;
  };
  const auto with_id = [&](uint16_t id, bool key = false) {
    const auto sent =
        send({0x90, 0x80, static_cast<uint8_t>(0x80 | id >> 8), static_cast<uint8_t>(id)}, key);
    return (sent[2] & 0x7f) << 8 | sent[3];
  };
  const auto with_short_id = [&](uint8_t id) { return send({0x90, 0x80, id}, false)[2]; };
  const auto without = [&](bool key = false) { CHECK(send({0x10}, key)[0] == 0x10); };
  CHECK(with_id(0x7ffe, true) == 0x7ffe);
  CHECK(with_id(0x7fff) == 0x7fff);
  f.consumers[0]->Pause();
  f.consumers[0]->Resume();
  CHECK(with_id(500, true) == 0);  // the next one over the wrap
  CHECK(with_id(501) == 1);
  for (int i = 0; i < 3; ++i) without();
  CHECK(with_id(505) == 5);
  CHECK(with_short_id(506 & 0x7f) == 6);
  CHECK(with_short_id(507 & 0x7f) == 7);
  CHECK(with_id(508) == 8);
  // Gone where it begins again, and back behind the next beginning.
  f.consumers[0]->Pause();
  f.consumers[0]->Resume();
  without(true);
  without();
  f.consumers[0]->Pause();
  f.consumers[0]->Resume();
  CHECK(with_id(9000, true) == 9);
  CHECK(with_id(9001) == 10);
}

TEST_CASE("what a producer asks its sender for is traced: NACK and FIR, or NACK and PLI") {
  const bool with_pli = GENERATE(true, false);
  ProduceOptions options = samples::Video("p", kSsrc, kRtxSsrc);
  if (!with_pli) {
    options.rtp_parameters.codecs[0].rtcp_feedback = {{"nack", ""}, {"ccm", "fir"}};
  }
  VideoBed f(1, options);
  const ProducerTraceType asked = with_pli ? ProducerTraceType::kPli : ProducerTraceType::kFir;
  f.producer->EnableTraces(TraceBit(ProducerTraceType::kNack) | TraceBit(asked));
  f.Receive(VideoPacket(1, true));
  f.bed.AdvanceBy(1500);
  f.Receive(VideoPacket(3));
  f.bed.AdvanceBy(10);
  f.producer->RequestKeyFrame(Ssrc(kSsrc + 5'000'000));
  CHECK(f.bed.nacked == std::vector<int>{2});
  CHECK((with_pli ? f.bed.plis : f.bed.firs) == std::vector<uint32_t>{kSsrc});
  REQUIRE(f.bed.events.traces.size() == 2);
  CHECK(f.bed.events.traces[0].type == TraceReport::Type::kNack);
  CHECK(f.bed.events.traces[1].type ==
        (with_pli ? TraceReport::Type::kPli : TraceReport::Type::kFir));
  for (const TraceReport& trace : f.bed.events.traces) {
    CHECK_FALSE(trace.incoming);
    CHECK(trace.ssrc == kSsrc);
    CHECK_FALSE(trace.rtp_packet);
    CHECK(trace.timestamp_ms == f.bed.environment.Now().ms());
  }

  // What was not asked for is not traced.
  f.producer->EnableTraces(TraceBit(ProducerTraceType::kSr));
  f.Receive(VideoPacket(5));
  f.bed.AdvanceBy(1500);
  f.producer->RequestKeyFrame(Ssrc(kSsrc + 5'000'000));
  CHECK(f.bed.nacked.size() > 1);
  CHECK(f.bed.events.traces.size() == 2);
}

TEST_CASE("a trace shows all that a packet says of itself") {
  ProduceOptions options = samples::Video("p", kSsrc, kRtxSsrc);
  options.rtp_parameters.mid = "cam";
  options.rtp_parameters.encodings[0].scalability_mode = "L1T3";
  options.rtp_parameters.header_extensions = {{RtpExtensionUri::kMid, 1, false, {}},
                                              {RtpExtensionUri::kRtpStreamId, 2, false, {}},
                                              {RtpExtensionUri::kRepairedRtpStreamId, 3, false, {}},
                                              {RtpExtensionUri::kTransportWideCc, 4, false, {}}};
  VideoBed f(1, options);
  f.producer->EnableTraces(TraceBit(ProducerTraceType::kRtp));
  // Key frame of temporal layer 0, then a frame of layer 2: VP8 with X, T and K bits (RFC 7741
  // §4.2).
  f.Receive(VideoPacket(1, true));
  const std::vector<uint8_t> block = {0xBE, 0xDE, 0,    5,    // one-byte form (RFC 8285 §4.2)
                                      0x12, 'c',  'a',  'm',  // id 1
                                      0x20, 'h',  0x33, 'r', '1', 'h', 'i',         // ids 2 and 3
                                      0x41, 0x12, 0x34, 0,   0,   0,   0,   0, 0};  // id 4, padding
  std::vector<uint8_t> packet =
      Rtp(samples::kVp8, kSsrc, 2, 4711, {0x90, 0x20, 0x80, 0x11, 1, 2, 3}, /*marker=*/true);
  packet[0] |= 0x10;
  packet.insert(packet.begin() + RtpPacket::kFixedHeader, block.begin(), block.end());
  f.Receive(packet);
  REQUIRE(f.bed.events.traces.size() == 2);
  const TraceReport& trace = f.bed.events.traces[1];
  CHECK(trace.type == TraceReport::Type::kRtp);
  CHECK(trace.incoming);
  CHECK_FALSE(trace.is_rtx);
  REQUIRE(trace.rtp_packet);
  const RtpPacketReport& shown = *trace.rtp_packet;
  CHECK(shown.payload_type == samples::kVp8);
  CHECK(shown.sequence_number == 2);
  CHECK(shown.timestamp == 4711);
  CHECK(shown.marker);
  CHECK(shown.ssrc == kSsrc);
  CHECK_FALSE(shown.is_key_frame);
  CHECK(shown.size == packet.size());
  CHECK(shown.payload_size == 7);
  CHECK(shown.spatial_layer == 0);
  CHECK(shown.temporal_layer == 2);
  CHECK(shown.mid == "cam");
  CHECK(shown.rid == "h");
  CHECK(shown.rrid == "r1hi");
  CHECK(shown.wide_sequence_number == 0x1234);

  // And nothing that it does not.
  const RtpPacketReport& plain = *f.bed.events.traces[0].rtp_packet;
  CHECK(plain.is_key_frame);
  CHECK_FALSE(plain.marker);
  CHECK(plain.mid.empty());
  CHECK(plain.rid.empty());
  CHECK(plain.rrid.empty());
  CHECK_FALSE(plain.wide_sequence_number);
}

TEST_CASE("video orientation is reported at first sight and at each change") {
  ProduceOptions options = samples::Video("p", kSsrc);
  options.rtp_parameters.header_extensions.push_back(
      {RtpExtensionUri::kVideoOrientation, 4, false, {}});
  VideoBed f(1, options);
  const std::vector<int> values = {1, 1, 0x0B, 0x0B};
  for (size_t i = 0; i < values.size(); ++i) {
    f.Receive(samples::WithExtension(VideoPacket(static_cast<int>(i), i == 0), 4,
                                     {static_cast<uint8_t>(values[i])}));
  }
  REQUIRE(f.bed.events.orientations.size() == 2);
  CHECK(f.bed.events.orientations[0].rotation == 90);
  CHECK(f.bed.events.orientations[1].rotation == 270);
  CHECK(f.bed.events.orientations[1].camera);
}

TEST_CASE("loss lowers the score: consumers hear it before the protocol") {
  VideoBed f;
  rtcp::SenderInfo report;
  report.ssrc = Ssrc(kSsrc);
  report.ntp = NtpTime{100, 0};
  for (int i = 0; i < 100; ++i) f.Receive(VideoPacket(i, i == 0));
  f.producer->OnSenderReport(report, f.bed.environment.Now());
  CHECK(f.bed.events.scores.size() == 1);  // 10 still
  f.bed.events.order.clear();
  for (int i = 100; i < 200; i += 2) f.Receive(VideoPacket(i));
  f.producer->OnSenderReport(report, f.bed.environment.Now());
  REQUIRE(f.bed.events.scores.size() == 2);
  CHECK(f.bed.events.scores[1].at(0).score == 4);  // (1·10 + 2·1) / 3
  CHECK(f.bed.events.order == std::vector<std::string>{"consumer", "producer"});
}

TEST_CASE(
    "a flood of sender reports changes the score once a second, and the last change is told") {
  VideoBed f;
  rtcp::SenderInfo report;
  report.ssrc = Ssrc(kSsrc);
  report.ntp = NtpTime{100, 0};
  f.Receive(VideoPacket(0, true));
  const size_t before = f.bed.events.scores.size();
  int sequence = 1;
  uint8_t score = 0;
  for (int ms = 0; ms < 3'000; ++ms) {
    // Half a second without loss, half a second with nothing but loss.
    sequence += ms % 1'000 < 500 ? 1 : 10;
    f.Receive(VideoPacket(sequence));
    f.producer->OnSenderReport(report, f.bed.environment.Now());
    score = f.producer->encoding_score(0);
    f.bed.AdvanceBy(1);
  }
  CHECK(f.bed.events.scores.size() - before <= 4);
  CHECK(f.bed.events.scores.size() - before >= 3);
  f.bed.AdvanceBy(1'000);
  CHECK(f.bed.events.scores.back().at(0).score == score);
}

TEST_CASE("the round trip comes from DLRR and spaces the NACKs") {
  VideoBed f;
  f.Receive(VideoPacket(1, true));
  f.bed.Dlrr(*f.producer, /*ago_ms=*/350, /*held_ms=*/50);
  CHECK(f.Stats().round_trip_time_ms == Approx(300).margin(1));
  f.bed.Dlrr(*f.producer, /*ago_ms=*/50, /*held_ms=*/350);  // negative: made up
  CHECK(f.Stats().round_trip_time_ms == Approx(300).margin(1));
  f.Receive(VideoPacket(3));
  f.bed.AdvanceBy(300);
  CHECK(f.bed.nacked.size() == 1);
  f.bed.AdvanceBy(20);
  CHECK(f.bed.nacked.size() == 2);
}

TEST_CASE("report blocks cover media and RTX") {
  VideoBed f;
  std::vector<rtcp::ReportBlock> blocks;
  f.producer->FillReportBlocks(&blocks, f.bed.environment.Now());
  CHECK(blocks.empty());
  f.Receive(VideoPacket(1, true));
  f.Receive(VideoPacket(3));
  f.Receive(RtxPacket(10, 2));
  f.producer->FillReportBlocks(&blocks, f.bed.environment.Now());
  REQUIRE(blocks.size() == 2);
  CHECK(blocks[0].ssrc == Ssrc(kSsrc));
  CHECK(blocks[0].cumulative_lost == 1);
  CHECK(blocks[1].ssrc == Ssrc(kRtxSsrc));
}

TEST_CASE("bitrates are of the whole window and, with temporal layers, by layer") {
  ProduceOptions options = samples::Video("p", kSsrc);
  options.rtp_parameters.encodings[0].scalability_mode = "L1T2";
  VideoBed f(1, options);
  CHECK(f.producer->type() == RtpType::kSvc);
  for (int i = 0; i < 250; ++i) {
    f.Receive(VideoPacket(i, i == 0));
    f.bed.AdvanceBy(10);
  }
  const auto stats = f.Stats();
  const uint64_t exact = 212 * 8 * 100;  // 100 packets a second
  CHECK(stats.bitrate == Approx(static_cast<double>(exact)).epsilon(0.05));
  REQUIRE(stats.bitrate_by_layer.size() == 2);
  CHECK(stats.bitrate_by_layer[0].first == "0.0");
  CHECK(stats.bitrate_by_layer[0].second == stats.bitrate);
  CHECK(stats.bitrate_by_layer[1].second == 0);
  CHECK(f.producer->encoding_bitrate(0, f.bed.environment.Now()).bps() ==
        static_cast<int64_t>(stats.bitrate));
}

TEST_CASE("closing a producer tells its consumers") {
  VideoBed f(2);
  f.Receive(VideoPacket(1, true));
  f.producer.reset();
  CHECK(f.consumers[0]->producer_closed());
  CHECK(f.consumers[1]->producer_closed());
}

}  // namespace
}  // namespace sluice::worker
