#include "controller/broadcast/packetizer.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <optional>
#include <utility>

namespace sluice::controller::broadcast {

namespace {

using Bytes = std::span<const uint8_t>;

constexpr uint8_t kNalTypeMask = 0x1F;
constexpr uint8_t kNalSps = 7;
constexpr uint8_t kNalPps = 8;
constexpr uint8_t kNalDelimiter = 9;
constexpr uint8_t kNalFiller = 12;
constexpr uint8_t kNalFuA = 28;

constexpr uint8_t kObuSequenceHeader = 1;
constexpr uint8_t kObuTemporalDelimiter = 2;
constexpr uint8_t kObuTileList = 8;
constexpr uint8_t kObuPadding = 15;

constexpr uint16_t kPictureIdMask = 0x7FFF;

/// The NAL units of a byte stream (H.264 annex B).
std::vector<Bytes> SplitStartCodes(Bytes stream) {
  std::vector<Bytes> units;
  std::optional<size_t> start;
  const auto take = [&](size_t end) {
    if (!start) return;
    while (end > *start && stream[end - 1] == 0) --end;
    if (end > *start) units.push_back(stream.subspan(*start, end - *start));
  };
  for (size_t i = 0; i + 3 <= stream.size(); ++i) {
    if (stream[i] != 0 || stream[i + 1] != 0 || stream[i + 2] != 1) continue;
    take(i);
    start = i + 3;
    i += 2;
  }
  take(stream.size());
  return units;
}

/// The NAL units behind their lengths of `size` bytes each; none when that does not add up.
std::vector<Bytes> SplitLengths(Bytes stream, size_t size) {
  std::vector<Bytes> units;
  while (stream.size() >= size) {
    size_t length = 0;
    for (const uint8_t byte : stream.first(size)) length = length << 8 | byte;
    stream = stream.subspan(size);
    if (length > stream.size()) return {};
    if (length > 0) units.push_back(stream.first(length));
    stream = stream.subspan(length);
  }
  return units;
}

/// The parameter sets of an avcC (ISO/IEC 14496-15), and the size of lengths.
std::vector<Payload> ReadAvcc(Bytes avcc, size_t* length_size) {
  constexpr size_t kFixed = 5;
  std::vector<Payload> sets;
  *length_size = (avcc[4] & 3U) + 1;
  Bytes rest = avcc.subspan(kFixed);
  for (const uint8_t mask : {uint8_t{0x1F}, uint8_t{0xFF}}) {
    if (rest.empty()) return sets;
    const int count = rest[0] & mask;
    rest = rest.subspan(1);
    for (int i = 0; i < count && rest.size() >= 2; ++i) {
      const size_t size = static_cast<size_t>(rest[0]) << 8 | rest[1];
      if (size > rest.size() - 2) return sets;
      sets.emplace_back(rest.begin() + 2, rest.begin() + 2 + static_cast<std::ptrdiff_t>(size));
      rest = rest.subspan(2 + size);
    }
  }
  return sets;
}

void AppendLeb128(size_t value, Payload* out) {
  while (value >= 0x80) {
    out->push_back(static_cast<uint8_t>(value | 0x80U));
    value >>= 7;
  }
  out->push_back(static_cast<uint8_t>(value));
}

size_t Leb128Size(size_t value) {
  size_t size = 1;
  while (value >>= 7) ++size;
  return size;
}

uint8_t ObuType(uint8_t header) { return header >> 3 & 0xFU; }

/// The OBUs of a temporal unit without their size fields (AV1 §5.3), and without those that do not
/// travel (RTP Payload Format For AV1 §5). None when it is malformed.
std::vector<Payload> SplitObus(Bytes unit) {
  constexpr uint8_t kExtension = 4;
  constexpr uint8_t kHasSize = 2;
  std::vector<Payload> obus;
  while (!unit.empty()) {
    const uint8_t header = unit[0];
    size_t at = header & kExtension ? 2 : 1;
    if (at > unit.size()) return {};
    size_t size = unit.size() - at;
    const Bytes head = unit.first(at);
    if (header & kHasSize) {
      size = 0;
      for (int shift = 0;; shift += 7) {
        if (at >= unit.size() || shift > 28) return {};
        const uint8_t byte = unit[at++];
        size |= static_cast<size_t>(byte & 0x7FU) << shift;
        if ((byte & 0x80U) == 0) break;
      }
    }
    if (size > unit.size() - at) return {};
    const uint8_t type = ObuType(header);
    if (type != kObuTemporalDelimiter && type != kObuTileList && type != kObuPadding) {
      Payload obu(head.begin(), head.end());
      obu[0] &= static_cast<uint8_t>(~kHasSize);
      const Bytes content = unit.subspan(at, size);
      obu.insert(obu.end(), content.begin(), content.end());
      obus.push_back(std::move(obu));
    }
    unit = unit.subspan(at + size);
  }
  return obus;
}

}  // namespace

std::string_view NameOf(Codec codec) {
  switch (codec) {
    case Codec::kOpus:
      return "Opus";
    case Codec::kVp8:
      return "VP8";
    case Codec::kVp9:
      return "VP9";
    case Codec::kAv1:
      return "AV1";
    case Codec::kH264:
      break;
  }
  return "H264";
}

Packetizer::Packetizer(Codec codec, std::span<const uint8_t> codec_data, size_t max_payload)
    : codec_(codec), max_payload_(max_payload) {
  constexpr size_t kMinAvcc = 7;
  constexpr size_t kAv1cFixed = 4;
  if (codec == Codec::kH264 && codec_data.size() >= kMinAvcc && codec_data[0] == 1) {
    parameter_sets_ = ReadAvcc(codec_data, &length_size_);
  } else if (codec == Codec::kH264) {
    for (const Bytes unit : SplitStartCodes(codec_data)) {
      const uint8_t type = unit[0] & kNalTypeMask;
      if (type == kNalSps || type == kNalPps)
        parameter_sets_.emplace_back(unit.begin(), unit.end());
    }
  } else if (codec == Codec::kAv1 && codec_data.size() > kAv1cFixed) {
    const bool av1c = codec_data[0] == 0x81;  // marker and version 1 (AV1 in ISOBMFF)
    parameter_sets_ = SplitObus(av1c ? codec_data.subspan(kAv1cFixed) : codec_data);
  }
}

std::vector<Payload> Packetizer::Packetize(std::span<const uint8_t> frame, bool key) {
  if (frame.empty()) return {};
  switch (codec_) {
    case Codec::kOpus:
      return {Payload(frame.begin(), frame.end())};
    case Codec::kVp8:
    case Codec::kVp9:
      return Vpx(frame, key);
    case Codec::kAv1:
      return Av1(frame, key);
    case Codec::kH264:
      break;
  }
  return H264(frame, key);
}

std::vector<Payload> Packetizer::Vpx(std::span<const uint8_t> frame, bool key) {
  // Parts of about the same size: the last one is not a small one behind full ones.
  constexpr size_t kMaxDescriptor = 4;
  const size_t room = max_payload_ - kMaxDescriptor;
  const size_t parts = (frame.size() + room - 1) / room;
  std::vector<Payload> payloads;
  size_t start = 0;
  for (size_t part = 0; part < parts; ++part) {
    const size_t end = frame.size() * (part + 1) / parts;
    const bool first = part == 0;
    const bool last = part + 1 == parts;
    const auto high = static_cast<uint8_t>(0x80U | picture_id_ >> 8);
    const auto low = static_cast<uint8_t>(picture_id_);
    Payload payload;
    payload.reserve(kMaxDescriptor + end - start);
    if (codec_ == Codec::kVp8) {
      payload = {static_cast<uint8_t>(0x80U | (first ? 0x10U : 0U)), 0x80, high, low};
    } else {
      const unsigned flags =
          0x80U | (key ? 0U : 0x40U) | (first ? 0x08U : 0U) | (last ? 0x04U : 0U);
      payload = {static_cast<uint8_t>(flags), high, low};
    }
    const Bytes content = frame.subspan(start, end - start);
    payload.insert(payload.end(), content.begin(), content.end());
    payloads.push_back(std::move(payload));
    start = end;
  }
  picture_id_ = (picture_id_ + 1) & kPictureIdMask;
  return payloads;
}

std::vector<Payload> Packetizer::H264(std::span<const uint8_t> frame, bool key) {
  std::vector<Bytes> units =
      length_size_ > 0 ? SplitLengths(frame, length_size_) : SplitStartCodes(frame);
  std::erase_if(units, [](Bytes unit) {
    const uint8_t type = unit[0] & kNalTypeMask;
    return type == kNalDelimiter || type == kNalFiller;
  });
  const bool has_sps = std::any_of(units.begin(), units.end(),
                                   [](Bytes unit) { return (unit[0] & kNalTypeMask) == kNalSps; });
  if (key && !has_sps && !units.empty()) {
    units.insert(units.begin(), parameter_sets_.begin(), parameter_sets_.end());
  }
  std::vector<Payload> payloads;
  for (const Bytes unit : units) {
    if (unit.size() <= max_payload_) {
      payloads.emplace_back(unit.begin(), unit.end());
      continue;
    }
    constexpr size_t kFuHeader = 2;
    const Bytes content = unit.subspan(1);
    const size_t room = max_payload_ - kFuHeader;
    const size_t parts = (content.size() + room - 1) / room;
    size_t start = 0;
    for (size_t part = 0; part < parts; ++part) {
      const size_t end = content.size() * (part + 1) / parts;
      const unsigned edge = (part == 0 ? 0x80U : 0U) | (part + 1 == parts ? 0x40U : 0U);
      Payload payload = {static_cast<uint8_t>((unit[0] & ~kNalTypeMask & 0xFF) | kNalFuA),
                         static_cast<uint8_t>(edge | (unit[0] & kNalTypeMask))};
      const Bytes piece = content.subspan(start, end - start);
      payload.insert(payload.end(), piece.begin(), piece.end());
      payloads.push_back(std::move(payload));
      start = end;
    }
  }
  return payloads;
}

std::vector<Payload> Packetizer::Av1(std::span<const uint8_t> frame, bool key) {
  constexpr uint8_t kContinues = 0x80;     // Z
  constexpr uint8_t kWillContinue = 0x40;  // Y
  constexpr uint8_t kNewSequence = 0x08;   // N
  std::vector<Payload> obus = SplitObus(frame);
  if (obus.empty()) return {};
  const bool has_sequence = std::any_of(obus.begin(), obus.end(), [](const Payload& obu) {
    return ObuType(obu[0]) == kObuSequenceHeader;
  });
  if (key && !has_sequence) {
    obus.insert(obus.begin(), parameter_sets_.begin(), parameter_sets_.end());
  }
  std::vector<Payload> payloads;
  payloads.push_back({key ? kNewSequence : uint8_t{0}});
  for (const Payload& obu : obus) {
    size_t at = 0;
    while (at < obu.size()) {
      Payload* current = &payloads.back();
      const size_t room = max_payload_ - std::min(max_payload_, current->size());
      const size_t left = obu.size() - at;
      if (room > Leb128Size(left) && left <= room - Leb128Size(left)) {
        AppendLeb128(left, current);
        current->insert(current->end(), obu.begin() + static_cast<std::ptrdiff_t>(at), obu.end());
        break;
      }
      constexpr size_t kWorthwhile = 32;  // bytes of an OBU that are worth a length of their own
      if (room < kWorthwhile) {
        payloads.push_back({at > 0 ? kContinues : uint8_t{0}});
        continue;
      }
      const size_t piece = std::min(left, room - Leb128Size(room));
      AppendLeb128(piece, current);
      const auto from = obu.begin() + static_cast<std::ptrdiff_t>(at);
      current->insert(current->end(), from, from + static_cast<std::ptrdiff_t>(piece));
      at += piece;
      if (at < obu.size()) {
        (*current)[0] |= kWillContinue;
        payloads.push_back({kContinues});
      }
    }
  }
  return payloads;
}

uint32_t OpusSamples(std::span<const uint8_t> packet) {
  if (packet.empty()) return 0;
  constexpr std::array<uint32_t, 4> kSilk = {480, 960, 1920, 2880};
  constexpr std::array<uint32_t, 4> kCelt = {120, 240, 480, 960};
  const unsigned config = packet[0] >> 3;
  const uint32_t frame = config < 12   ? kSilk[config & 3]
                         : config < 16 ? kSilk[config & 1]
                                       : kCelt[config & 3];
  const unsigned code = packet[0] & 3U;
  if (code == 0) return frame;
  if (code < 3) return 2 * frame;
  return packet.size() < 2 ? 0 : frame * (packet[1] & 0x3FU);
}

int64_t OpusClock::TimeOf(int64_t time, uint32_t samples) {
  if (!started_ || std::abs(time - next_) > kTolerance) next_ = time;
  started_ = true;
  return std::exchange(next_, next_ + samples);
}

}  // namespace sluice::controller::broadcast
