#pragma once

#include "worker/channel/router_encode.h"

/// The parts of router_encode.h that dumps of several entities share.
namespace sluice::worker::router_protocol {

using Strings = flatbuffers::Vector<Offset<flatbuffers::String>>;

Offset<FBS::RtpParameters::RtpParameters> EncodeRtpParameters(Builder& b,
                                                              const RtpParameters& parameters);
Offset<FBS::RtpParameters::RtpEncodingParameters> EncodeEncoding(
    Builder& b, const RtpEncodingParameters& encoding);
Offset<FBS::RtpParameters::RtpMapping> EncodeMapping(Builder& b, const RtpMapping& mapping);
Offset<FBS::RtpStream::Dump> EncodeStreamDump(Builder& b, const RtpStreamDump& dump);
Offset<FBS::RtpPacket::Dump> EncodePacket(Builder& b, const RtpPacketReport& packet);

template <typename T>
flatbuffers::Optional<T> ToFlat(const std::optional<T>& value) {
  return value ? flatbuffers::Optional<T>(*value) : flatbuffers::nullopt;
}

/// A text that is absent on the wire when empty.
inline Offset<flatbuffers::String> OptionalText(Builder& b, const std::string& text) {
  return text.empty() ? Offset<flatbuffers::String>() : b.CreateString(text);
}

/// One vector of `encode(b, item)` per item.
template <typename T, typename Items, typename Fn>
Offset<flatbuffers::Vector<Offset<T>>> EncodeAll(Builder& b, const Items& items, Fn encode) {
  std::vector<Offset<T>> offsets;
  offsets.reserve(items.size());
  for (const auto& item : items) offsets.push_back(encode(b, item));
  return b.CreateVector(offsets);
}

/// The wire values whose bits are set in `mask`, ascending.
template <typename E>
Offset<flatbuffers::Vector<E>> EncodeTraceTypes(Builder& b, TraceMask mask) {
  std::vector<E> types;
  for (uint8_t bit = 0; bit < 32; ++bit) {
    if ((mask & (TraceMask{1} << bit)) != 0) types.push_back(static_cast<E>(bit));
  }
  return b.CreateVector(types);
}

}  // namespace sluice::worker::router_protocol
