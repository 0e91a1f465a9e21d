#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "common/netstring.h"

namespace sluice::controller::shell {

/// One thing that a worker of the JSON protocol said (docs/json-protocol.md §2).
struct Received {
  enum class Kind : uint8_t {
    kResponse,
    kEvent,
    kBinary,  ///< `text`: what belongs to the event before it
    kLog,     ///< `level` and `text`
    kBad,     ///< breaks the protocol; `text` says how
  };
  Kind kind = Kind::kBad;
  boost::json::object message;  ///< of responses and events
  std::string text;
  char level = 'E';  ///< 'D', 'W' or 'E'
};

/// Tells the frames of a worker apart, in its byte stream.
class ReceivedReader {
 public:
  explicit ReceivedReader(std::function<void(Received)> on_received);
  ReceivedReader(const ReceivedReader&) = delete;
  ReceivedReader& operator=(const ReceivedReader&) = delete;

  void OnBytes(std::span<const uint8_t> bytes) { netstrings_.OnBytes(bytes); }

 private:
  void OnPayload(std::string_view payload);
  Received ReadPayload(std::string_view payload);

  std::function<void(Received)> on_received_;
  NetstringReader netstrings_;
  bool binary_follows_ = false;
};

}  // namespace sluice::controller::shell
