#pragma once

#include <boost/json/object.hpp>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/status.h"

namespace sluice::controller::shell {

/// One message of a recorded session.
struct TraceRecord {
  enum class Kind : uint8_t { kRequest, kResponse, kEvent };
  Kind kind = Kind::kRequest;
  boost::json::object message;
  size_t line = 0;  ///< where it begins, from 1
};

/// What a controller and a worker of the JSON protocol said to each other, in order.
struct Trace {
  std::vector<TraceRecord> records;
  /// Lines where JSON begins that is no message: whoever kept the log wrote it for himself.
  std::vector<size_t> skipped_lines;
};

constexpr size_t kMaxRecordText = size_t{1}
                                  << 20;  ///< bytes: a message has 64 KiB, and line breaks

/// Reads a log with messages in it. A message begins where a line does (blanks before it do not
/// count) and may go on over several lines, also within strings: breaks there are the editor's and
/// are dropped. All other text is passed over. The shell's own output, readable or JSON, is such a
/// log too. TypeErrors name the line: of JSON that is not valid, and of a response without request.
Result<Trace> ParseTrace(std::string_view text);

/// What kind of message it is; nullopt when it is none.
std::optional<TraceRecord::Kind> KindOf(const boost::json::object& message);

}  // namespace sluice::controller::shell
