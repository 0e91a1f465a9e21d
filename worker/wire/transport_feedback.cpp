#include <algorithm>
#include <limits>

#include "worker/wire/bounded_reader.h"
#include "worker/wire/rtcp_format.h"

// draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1
namespace sluice::worker::rtcp {
namespace {

// Packet status symbols.
constexpr uint8_t kNotReceived = 0;
constexpr uint8_t kSmallDelta = 1;  // one byte, 0…63.75 ms
constexpr uint8_t kLargeDelta = 2;  // two bytes, signed

// A status chunk: one bit of kind, then 13 bits of run length, or one bit of symbol size and 14
// bits of symbols.
constexpr uint16_t kVectorBit = 0x8000;
constexpr uint16_t kTwoBitSymbols = 0x4000;
constexpr size_t kOneBitCapacity = 14;
constexpr size_t kTwoBitCapacity = 7;
constexpr size_t kMaxRun = 0x1fff;

/// Appends `symbol` unless the feedback is full already: the last chunk may claim more packets than
/// the count says, they do not exist.
void AppendStatus(TransportFeedback& feedback, size_t count, uint8_t symbol) {
  if (feedback.packets.size() == count) return;
  TransportPacketStatus status;
  status.sequence = static_cast<uint16_t>(feedback.base_sequence + feedback.packets.size());
  status.received = symbol != kNotReceived;
  status.arrival_us = symbol;  // until ReadDeltas puts the time here
  feedback.packets.push_back(status);
}

bool ReadChunk(uint16_t chunk, size_t count, TransportFeedback& feedback) {
  if ((chunk & kVectorBit) == 0) {
    const auto symbol = static_cast<uint8_t>(chunk >> 13 & 3);
    if (symbol > kLargeDelta) return false;  // reserved
    const size_t run = std::min<size_t>(chunk & kMaxRun, count - feedback.packets.size());
    for (size_t i = 0; i < run; ++i) AppendStatus(feedback, count, symbol);
    return true;
  }
  if ((chunk & kTwoBitSymbols) == 0) {
    for (size_t i = kOneBitCapacity; i-- > 0;) AppendStatus(feedback, count, chunk >> i & 1);
    return true;
  }
  for (size_t i = kTwoBitCapacity; i-- > 0 && feedback.packets.size() < count;) {
    const auto symbol = static_cast<uint8_t>(chunk >> (2 * i) & 3);
    if (symbol > kLargeDelta) return false;
    AppendStatus(feedback, count, symbol);
  }
  return true;
}

void ReadDeltas(BoundedReader& reader, TransportFeedback& feedback) {
  int64_t arrival_us = 0;
  for (TransportPacketStatus& status : feedback.packets) {
    if (!status.received) continue;
    const int64_t delta =
        status.arrival_us == kSmallDelta ? reader.ReadU8() : static_cast<int16_t>(reader.ReadU16());
    arrival_us += delta * kTransportDeltaUs;
    status.arrival_us = arrival_us;
  }
}

/// Walks the deltas between received packets, in ticks. Rounds each arrival, not each delta, so
/// that rounding errors do not add up.
class DeltaWalk {
 public:
  /// Delta of a received packet; nullopt when 16 bits cannot hold it.
  std::optional<int16_t> Next(const TransportPacketStatus& status) {
    const int64_t half = status.arrival_us < 0 ? -kTransportDeltaUs / 2 : kTransportDeltaUs / 2;
    const int64_t tick = (status.arrival_us + half) / kTransportDeltaUs;
    const int64_t delta = tick - tick_;
    tick_ = tick;
    if (delta < std::numeric_limits<int16_t>::min() ||
        delta > std::numeric_limits<int16_t>::max()) {
      return std::nullopt;
    }
    return static_cast<int16_t>(delta);
  }

 private:
  int64_t tick_ = 0;
};

constexpr bool IsSmall(int16_t delta) { return delta >= 0 && delta <= 0xff; }

/// One symbol per packet; empty when a delta cannot be expressed. Called ten times a second per
/// transport, so the vector is not on the packet path.
std::vector<uint8_t> Symbols(std::span<const TransportPacketStatus> packets) {
  std::vector<uint8_t> symbols;
  symbols.reserve(packets.size());
  DeltaWalk walk;
  for (const TransportPacketStatus& status : packets) {
    if (!status.received) {
      symbols.push_back(kNotReceived);
      continue;
    }
    const auto delta = walk.Next(status);
    if (!delta) return {};
    symbols.push_back(IsSmall(*delta) ? kSmallDelta : kLargeDelta);
  }
  return symbols;
}

/// Writes the chunk that covers most of `symbols`; returns how many it covers.
size_t WriteChunk(std::span<const uint8_t> symbols, BoundedWriter& writer) {
  const auto other = std::find_if(symbols.begin(), symbols.end(),
                                  [&](uint8_t symbol) { return symbol != symbols[0]; });
  const auto run = std::min(static_cast<size_t>(other - symbols.begin()), kMaxRun);
  const auto candidates = symbols.first(std::min(symbols.size(), kOneBitCapacity));
  const bool one_bit =
      std::find(candidates.begin(), candidates.end(), kLargeDelta) == candidates.end();
  const size_t vector_size =
      one_bit ? candidates.size() : std::min(candidates.size(), kTwoBitCapacity);
  if (run >= vector_size) {
    writer.WriteU16(static_cast<uint16_t>(size_t{symbols[0]} << 13 | run));
    return run;
  }
  uint16_t chunk = one_bit ? kVectorBit : kVectorBit | kTwoBitSymbols;
  const size_t width = one_bit ? 1 : 2;
  for (size_t i = 0; i < vector_size; ++i) {
    chunk = static_cast<uint16_t>(chunk | symbols[i] << (14 - width * (i + 1)));
  }
  writer.WriteU16(chunk);
  return vector_size;
}

}  // namespace

bool ParseTransportFeedback(std::span<const uint8_t> fci, TransportFeedback& feedback) {
  BoundedReader reader(fci);
  feedback.base_sequence = reader.ReadU16();
  const size_t count = reader.ReadU16();
  const uint32_t reference = reader.ReadU24();
  feedback.reference_time = static_cast<int32_t>(reference << 8) >> 8;  // sign-extended
  feedback.feedback_count = reader.ReadU8();
  if (!reader.ok() || count == 0 || count > kMaxTransportFeedbackPackets) return false;

  // Not more at once than the chunks at hand can fill without run-lengths: what a packet claims is
  // believed only as it is read.
  feedback.packets.reserve(std::min(count, reader.remaining() * kOneBitCapacity / 2));
  while (feedback.packets.size() < count) {
    const uint16_t chunk = reader.ReadU16();
    if (!reader.ok() || !ReadChunk(chunk, count, feedback)) return false;
  }
  ReadDeltas(reader, feedback);
  return reader.ok();
}

bool WriteTransportFeedback(const TransportFeedback& feedback, BoundedWriter& writer) {
  const size_t count = feedback.packets.size();
  if (count == 0 || count > kMaxTransportFeedbackPackets) return false;
  const auto symbols = Symbols(feedback.packets);
  if (symbols.empty()) return false;
  writer.WriteU16(feedback.base_sequence);
  writer.WriteU16(static_cast<uint16_t>(count));
  writer.WriteU24(static_cast<uint32_t>(feedback.reference_time) & 0xffffff);
  writer.WriteU8(feedback.feedback_count);
  for (size_t at = 0; at < count && writer.ok();) {
    at += WriteChunk(std::span(symbols).subspan(at), writer);
  }
  DeltaWalk walk;
  for (size_t i = 0; i < count && writer.ok(); ++i) {
    if (symbols[i] == kNotReceived) continue;
    const int16_t delta = walk.Next(feedback.packets[i]).value_or(0);  // Symbols() has checked it
    if (symbols[i] == kSmallDelta) {
      writer.WriteU8(static_cast<uint8_t>(delta));
    } else {
      writer.WriteU16(static_cast<uint16_t>(delta));
    }
  }
  return writer.ok();
}

}  // namespace sluice::worker::rtcp
