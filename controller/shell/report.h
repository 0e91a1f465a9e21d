#pragma once

#include <boost/json/object.hpp>
#include <functional>
#include <string>
#include <string_view>

#include "controller/shell/received.h"

namespace sluice::controller::shell {

/// How the shell prints.
enum class ReportStyle : uint8_t {
  kOneLine,  ///< for people, a message a line
  kPretty,   ///< for people, messages indented over several lines
  kJson,     ///< one JSON object a line
};

/// What the shell has to say: a JSON object with "type" (request, response, event, closing, binary,
/// log, start, next, waiting, difference, notSeen, unexpected, note, error, exit, help, summary),
/// "time" in seconds since the start, and what belongs to the type. As text for one of the styles,
/// with a line break at the end.
std::string ReportText(const boost::json::object& item, ReportStyle style);

/// The item for what a worker said. `method`: of the request that a response answers.
boost::json::object ReportOf(const Received& received, std::string_view method);

}  // namespace sluice::controller::shell
