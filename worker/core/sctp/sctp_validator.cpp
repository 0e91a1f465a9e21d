#include "worker/core/sctp/sctp_validator.h"

#include <algorithm>

#include "worker/wire/bounded_reader.h"

namespace sluice::worker {
namespace {

using sctp::Chunk;
using sctp::ChunkType;

constexpr uint8_t kTagReflected = 0x01;  // the T bit of ABORT and SHUTDOWN-COMPLETE
constexpr size_t kInitFixed = 16;        // bytes of an INIT before its parameters

/// Whether `a` lies behind `b` in sequence space (RFC 1982).
bool Behind(uint32_t a, uint32_t b) { return static_cast<int32_t>(a - b) > 0; }

uint32_t FirstWord(std::span<const uint8_t> body) { return BoundedReader(body).ReadU32(); }

/// RFC 9260 §3.3.2, §3.3.3 and extensions: bytes of the value where they are fixed.
bool InitParameterIsRight(uint16_t type, size_t size) {
  constexpr uint16_t kIpv4 = 5;
  constexpr uint16_t kIpv6 = 6;
  constexpr uint16_t kCookie = 7;
  constexpr uint16_t kCookiePreservative = 9;
  constexpr uint16_t kHostName = 11;
  constexpr uint16_t kAddressTypes = 12;
  constexpr uint16_t kEcn = 0x8000;
  constexpr uint16_t kZeroChecksum = 0x8001;
  constexpr uint16_t kForwardTsn = 0xC000;
  constexpr uint16_t kAdaptation = 0xC006;
  switch (type) {
    case kIpv4:
    case kIpv6:
    case kHostName:
      return false;  // one path, which carries us (RFC 8261 §6)
    case kCookie:
      return size > 0 && size <= SctpValidator::kMaxCookie;
    case kCookiePreservative:
    case kZeroChecksum:
    case kAdaptation:
      return size == 4;
    case kAddressTypes:
      return size % 2 == 0;
    case kEcn:
    case kForwardTsn:
      return size == 0;
    default:
      return true;
  }
}

/// RFC 9260 §3.3.4: counts that fit the chunk, blocks in ascending order.
bool SackIsRight(std::span<const uint8_t> body) {
  BoundedReader reader(body);
  reader.Skip(8);  // cumulative TSN, window
  const size_t gaps = reader.ReadU16();
  const size_t duplicates = reader.ReadU16();
  if (!reader.ok() || reader.remaining() != 4 * (gaps + duplicates)) return false;
  int previous_end = 0;
  for (size_t i = 0; i < gaps; ++i) {
    const int start = reader.ReadU16();
    const int end = reader.ReadU16();
    if (start <= previous_end || end < start) return false;
    previous_end = end;
  }
  return true;
}

/// RFC 9260 §3.3.5: one parameter of type 1 that fills the chunk.
bool HeartbeatIsRight(std::span<const uint8_t> body) {
  sctp::ParameterReader parameters(body);
  const auto info = parameters.Next();
  return info && info->type == 1 && !info->value.empty() && !parameters.Next() && parameters.ok();
}

bool CausesAreRight(std::span<const uint8_t> body) {
  sctp::ParameterReader causes(body);
  while (causes.Next()) {
  }
  return causes.ok();
}

}  // namespace

SctpValidator::Verdict SctpValidator::Drop(uint64_t* counter) {
  ++*counter;
  return Verdict::kDrop;
}

SctpValidator::Verdict SctpValidator::Check(std::span<const uint8_t> packet, bool established) {
  const auto header = sctp::ParseHeader(packet);
  if (!header || packet.size() > kMaxPacket) return Drop(&refusals_.malformed);
  if (header->source_port != sctp::kPort || header->destination_port != sctp::kPort) {
    return Drop(&refusals_.wrong_port);
  }
  if (!sctp::ChecksumIsRight(packet)) return Drop(&refusals_.bad_checksum);
  Contents contents;
  sctp::ChunkReader chunks(packet);
  while (const std::optional<Chunk> chunk = chunks.Next()) {
    ++contents.chunks;
    const Fault fault = CheckChunk(*chunk, &contents);
    if (fault == Fault::kMalformed) return Drop(&refusals_.malformed);
    if (fault == Fault::kExtension) return Drop(&refusals_.extensions);
  }
  const bool bundled = contents.alone && contents.chunks > 1;
  if (!chunks.ok() || contents.chunks == 0 || bundled) return Drop(&refusals_.malformed);
  if (!TagIsRight(*header, contents)) return Drop(&refusals_.wrong_tag);
  if (contents.alone && contents.alone->type != ChunkType::kShutdownComplete) {
    return CheckInitState(*contents.alone, established);
  }
  if (contents.received) received_ = contents.received;
  reset_after_tsn_ = contents.reset_after_tsn;
  return reset_after_tsn_ ? CheckReset(*reset_after_tsn_) : Verdict::kPass;
}

SctpValidator::Fault SctpValidator::CheckChunk(const Chunk& chunk, Contents* contents) const {
  constexpr size_t kDataFixed = 12;  // bytes before the payload, which is never empty
  const size_t size = chunk.body.size();
  const auto right = [](bool is) { return is ? Fault::kNone : Fault::kMalformed; };
  switch (chunk.type) {
    case ChunkType::kData: {
      const uint32_t tsn = FirstWord(chunk.body);
      const std::optional<uint32_t> before = contents->received ? contents->received : received_;
      if (before && tsn == *before + 1) contents->received = tsn;
      return right(size > kDataFixed);
    }
    case ChunkType::kInit:
    case ChunkType::kInitAck:
      contents->alone = chunk;
      return right(CheckInit(chunk));
    case ChunkType::kSack:
      return right(SackIsRight(chunk.body));
    case ChunkType::kHeartbeat:
    case ChunkType::kHeartbeatAck:
      return right(HeartbeatIsRight(chunk.body));
    case ChunkType::kAbort:
      contents->reflected_tag = (chunk.flags & kTagReflected) != 0;
      return right(CausesAreRight(chunk.body));
    case ChunkType::kError:
      return right(size > 0 && CausesAreRight(chunk.body));
    case ChunkType::kShutdown:
      return right(size == 4);
    case ChunkType::kShutdownComplete:
      contents->alone = chunk;
      contents->reflected_tag = (chunk.flags & kTagReflected) != 0;
      return right(size == 0);
    case ChunkType::kShutdownAck:
    case ChunkType::kCookieAck:
      return right(size == 0);
    case ChunkType::kCookieEcho:
      return right(size > 0 && contents->chunks == 1);
    case ChunkType::kForwardTsn:
      return right(size >= 4 && size % 4 == 0);
    case ChunkType::kReConfig:
      return right(CheckReConfig(chunk.body, contents));
    case ChunkType::kPad:
      return Fault::kNone;
    case ChunkType::kEcne:
    case ChunkType::kCwr:
    case ChunkType::kAuth:
    case ChunkType::kNrSack:
    case ChunkType::kIData:
    case ChunkType::kAsconf:
    case ChunkType::kAsconfAck:
    case ChunkType::kPacketDrop:
    case ChunkType::kIForwardTsn:
      return Fault::kExtension;
  }
  // A type that nobody knows: skipped where its upper bit says so (RFC 9260 §3.2).
  const bool skipped = (static_cast<uint8_t>(chunk.type) & 0x80) != 0;
  return skipped ? Fault::kNone : Fault::kExtension;
}

bool SctpValidator::CheckInit(const Chunk& init) {
  constexpr uint32_t kMinWindow = 1500;  // RFC 9260 §3.3.2
  constexpr uint16_t kCookie = 7;
  BoundedReader reader(init.body);
  const uint32_t tag = reader.ReadU32();
  const uint32_t window = reader.ReadU32();
  const uint16_t out_streams = reader.ReadU16();
  const uint16_t in_streams = reader.ReadU16();
  reader.Skip(4);  // initial TSN
  if (!reader.ok() || tag == 0 || window < kMinWindow || out_streams == 0 || in_streams == 0) {
    return false;
  }
  size_t count = 0;
  size_t cookies = 0;
  sctp::ParameterReader parameters(init.body.subspan(kInitFixed));
  while (const auto parameter = parameters.Next()) {
    if (++count > kMaxParameters) return false;
    if (!InitParameterIsRight(parameter->type, parameter->value.size())) return false;
    if (parameter->type == kCookie) ++cookies;
  }
  return parameters.ok() && cookies == (init.type == ChunkType::kInitAck ? 1U : 0U);
}

bool SctpValidator::CheckReConfig(std::span<const uint8_t> body, Contents* contents) {
  // RFC 6525 §4: types of parameters, and bytes of the fixed part of each.
  constexpr uint16_t kOutgoingReset = 13;
  constexpr uint16_t kIncomingReset = 14;
  constexpr uint16_t kResponse = 16;
  constexpr uint16_t kAddOutgoing = 17;
  constexpr uint16_t kAddIncoming = 18;
  constexpr size_t kMaxRequests = 2;  // RFC 6525 §3.1
  size_t count = 0;
  sctp::ParameterReader parameters(body);
  while (const auto parameter = parameters.Next()) {
    if (++count > kMaxRequests) return false;
    const size_t size = parameter->value.size();
    switch (parameter->type) {
      case kOutgoingReset: {
        if (size < 12 || size % 2 != 0) return false;
        BoundedReader reader(parameter->value);
        reader.Skip(8);  // numbers of request and response
        contents->reset_after_tsn = reader.ReadU32();
        break;
      }
      case kIncomingReset:
        if (size < 4 || size % 2 != 0) return false;
        break;
      case kResponse:
        if (size != 8 && size != 16) return false;
        break;
      case kAddOutgoing:
      case kAddIncoming:
        if (size != 8) return false;
        break;
      default:  // a reset of all numbers, which we do not offer, or unknown
        return false;
    }
  }
  return parameters.ok() && count > 0;
}

bool SctpValidator::TagIsRight(const sctp::PacketHeader& header, const Contents& contents) const {
  const uint32_t tag = header.verification_tag;
  if (contents.alone && contents.alone->type == ChunkType::kInit) return tag == 0;
  if (contents.reflected_tag) return peer_tag_ == tag;
  return std::find(local_tags_.begin(), local_tags_.end(), tag) != local_tags_.end();
}

SctpValidator::Verdict SctpValidator::CheckInitState(const Chunk& init, bool established) {
  const uint32_t tag = FirstWord(init.body);
  if (!established) {
    constexpr size_t kFirstTsnAt = 12;
    peer_tag_ = tag;
    received_ = FirstWord(init.body.subspan(kFirstTsnAt)) - 1;
    return Verdict::kPass;
  }
  const bool restart = init.type == ChunkType::kInit && tag != peer_tag_ && authenticated_;
  ++refusals_.unexpected_init;
  return restart ? Verdict::kRestart : Verdict::kDrop;
}

SctpValidator::Verdict SctpValidator::CheckReset(uint32_t after_tsn) {
  std::erase_if(waiting_resets_, [this](uint32_t tsn) { return HasAll(tsn); });
  if (HasAll(after_tsn)) return Verdict::kPass;
  const auto same = std::find(waiting_resets_.begin(), waiting_resets_.end(), after_tsn);
  if (same != waiting_resets_.end()) return Verdict::kHoldReset;  // sent again
  if (waiting_resets_.size() >= kMaxWaitingResets) return Drop(&refusals_.too_many_resets);
  waiting_resets_.push_back(after_tsn);
  return Verdict::kHoldReset;
}

bool SctpValidator::HasAll(uint32_t tsn) const { return received_ && !Behind(tsn, *received_); }

void SctpValidator::OnSent(std::span<const uint8_t> packet) {
  sctp::ChunkReader chunks(packet);
  while (const std::optional<Chunk> chunk = chunks.Next()) {
    if (chunk->type == ChunkType::kSack) {
      const uint32_t cumulative = FirstWord(chunk->body);
      if (!received_ || Behind(cumulative, *received_)) received_ = cumulative;
    } else if (chunk->type == ChunkType::kInit || chunk->type == ChunkType::kInitAck) {
      const uint32_t tag = FirstWord(chunk->body);
      std::erase(local_tags_, tag);
      local_tags_.push_back(tag);
      if (local_tags_.size() > kMaxTags) local_tags_.erase(local_tags_.begin());
    }
  }
}

}  // namespace sluice::worker
