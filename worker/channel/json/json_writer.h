#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/log.h"
#include "common/status.h"
#include "worker/channel/channel_output.h"

namespace sluice::worker::json_protocol {

/// Writes the messages of the JSON protocol (docs/json-protocol.md §2): netstrings, each one call
/// of ChannelOutput::Write, none over the limit that the other side can read.
///
/// Events can be held back while a request is handled whose response has to come first
/// (docs/json-protocol.md §7).
class JsonWriter {
 public:
  /// Raw media towards a controller that does not keep up is dropped beyond this backlog: a second
  /// of a fast video stream.
  static constexpr size_t kMaxBinaryBacklog = size_t{2} << 20;  // bytes

  JsonWriter(ChannelOutput& output, std::string worker_id);

  /// Error: an accepted response with this data would be over the limit. A method that changes
  /// something and answers at length asks before it does.
  static Status CheckResponse(uint32_t request_id, const boost::json::object& data);
  /// Empty data is written as {}. A response over the limit becomes a rejection that says so.
  void Accept(uint32_t request_id, const boost::json::object& data);
  void Reject(uint32_t request_id, std::string_view reason);
  /// `class_name` goes into the data. An event over the limit is logged and dropped.
  void Event(uint32_t target_id, const char* class_name, const char* event,
             boost::json::object data);
  /// The next event leaves after the controller has read the responses before it. The Node library
  /// handles an event ahead of a response when it reads both at once, as promises come last there.
  void HoldUntilResponsesAreRead();
  /// An event whose next frame is `binary`; nothing comes between the two.
  void BinaryEvent(uint32_t target_id, const char* class_name, const char* event,
                   boost::json::object data, std::span<const uint8_t> binary);
  /// `D`, `W` or `E`, then `[id:<worker id>] ` and the line, cut to what fits.
  void LogLine(LogLevel level, std::string_view line);

  /// Events wait until ReleaseEvents(); nothing else does.
  void HoldEvents() { holding_ = true; }
  void ReleaseEvents();

  /// Frames that were too large, and raw packets that found too much backlog.
  uint64_t dropped() const { return dropped_; }

 private:
  /// False, and nothing written, when the payload is over the limit.
  bool WriteFrame(std::string_view payload);
  void WriteEvent(std::string bytes);
  /// False while the controller does not keep up, which the log says once each time: this protocol
  /// has no counters.
  bool HasRoomForBinary();

  static constexpr uint64_t kNever = UINT64_MAX;

  ChannelOutput& output_;
  const std::string worker_id_;
  bool holding_ = false;
  std::vector<std::string> held_;   // finished frames, each one write
  bool responses_written_ = false;  // since the output was last told to hold
  uint64_t dropped_ = 0;
  uint64_t too_slow_since_ = kNever;  // dropped_ when the controller fell behind
};

}  // namespace sluice::worker::json_protocol
