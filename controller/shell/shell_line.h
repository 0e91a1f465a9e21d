#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/status.h"

namespace sluice::controller::shell {

/// What a person asks for with one line.
struct ShellLine {
  enum class Kind : uint8_t {
    kNothing,  ///< blank, or a comment
    kRequest,  ///< `request`, perhaps without id
    kHelp,     ///< about the method `text`; all when it is empty
    kWait,     ///< for `seconds`
    kRaw,      ///< sends `text` as it is
    kQuit,
  };
  Kind kind = Kind::kNothing;
  boost::json::object request;
  std::string text;
  double seconds = 0;
};

constexpr double kMaxWaitSeconds = 3'600;

/// Reads a line: a request in JSON, or `METHOD [name=value…] [{INTERNAL}] [{DATA}]`, or one of the
/// words help, wait, raw and quit; `#` begins a comment. A value is JSON, or else a string. With
/// name=value pairs, which are internal's, an object is the data. TypeErrors name the field or the
/// word that is wrong, and what would be right.
Result<ShellLine> ParseShellLine(std::string_view line);

/// Reads `PATH=VALUE`: VALUE is JSON, or else a string. TypeError: there is no '='.
struct Setting {
  std::string path;
  boost::json::value value;
};
Result<Setting> ParseSetting(std::string_view text);

/// A setting for some requests of a trace.
struct Override {
  std::string method;
  size_t occurrence = 0;  ///< of that method in the trace, from 1; 0: every one
  Setting setting;        ///< path from the root of the request
};
/// Reads `METHOD[#N].PATH=VALUE`, e.g. "rtpReceiver.receive#2.data.encodings.0.ssrc=1234".
Result<Override> ParseOverride(std::string_view text);

}  // namespace sluice::controller::shell
