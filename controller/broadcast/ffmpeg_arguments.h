#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "controller/broadcast/options.h"
#include "controller/broadcast/plan.h"
#include "controller/broadcast/source_info.h"

namespace sluice::controller::broadcast {

/// Arguments for ffmpeg, without its name: it reads the input from `at` seconds on and writes what
/// the plan says to its standard output as NUT, as fast as it can.
std::vector<std::string> FfmpegArguments(const Options& options, const Source& source,
                                         const Plan& plan, double at, int threads);

/// ffmpeg's own last words in what it wrote to its standard error, for one line: without the names
/// of its parts, and without its arguments.
std::string LastWords(std::string_view errors);

}  // namespace sluice::controller::broadcast
