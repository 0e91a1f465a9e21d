#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <utility>

namespace sluice::worker {

/// Which of a few streams of the library carries which of the 65,535 on the wire, in one direction.
/// A number in use keeps its place until its stream has been reset, so that counting begins anew
/// for the next. Numbers below the count of places keep their own if nobody took it.
class SctpStreamMap {
 public:
  /// Before any place was given.
  void SetPlaces(uint16_t places) { places_ = places; }
  /// The place of a stream, a new one if it has none; nullopt when all are taken.
  std::optional<uint16_t> Take(uint16_t stream);
  /// The stream that has, or last had, this place.
  uint16_t StreamAt(uint16_t place) const;
  void Free(uint16_t stream) { place_of_.erase(stream); }
  size_t size() const { return place_of_.size(); }

 private:
  bool Used(uint16_t place) const;

  uint16_t places_ = 0;
  std::map<uint16_t, uint16_t> place_of_;   // by stream
  std::map<uint16_t, uint16_t> stream_at_;  // by place, free ones included
};

/// Calls `map` with every number of a stream of the sender's in a packet (DATA, FORWARD-TSN,
/// requests to reset streams) and writes what it answers; false, and the packet is of no use any
/// more, when it answers nothing. The packet has passed an SctpValidator, or is our own.
bool MapStreams(std::span<uint8_t> packet,
                const std::function<std::optional<uint16_t>(uint16_t)>& map);
/// Says in an INIT or INIT-ACK that there are so many streams each way.
void WriteStreamCounts(std::span<uint8_t> packet, uint16_t count);
/// The streams that an INIT or INIT-ACK offers: outbound and inbound.
std::optional<std::pair<uint16_t, uint16_t>> ReadStreamCounts(std::span<const uint8_t> packet);

}  // namespace sluice::worker
