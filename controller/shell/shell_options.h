#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/status.h"
#include "controller/shell/replay.h"
#include "controller/shell/report.h"

namespace sluice::controller::shell {

/// What the command line of `sluice worker-shell` asks for.
struct ShellOptions {
  std::string worker_path;  ///< "" = sluice-worker next to this program
  std::vector<std::string> worker_arguments;
  std::string replay_file;  ///< "" = requests are read from the input
  ReportStyle style = ReportStyle::kOneLine;
  ReplayOptions replay;
  std::optional<std::string> print;  ///< --help
};

/// Reads the arguments behind `worker-shell`. What has the form --name=value and is no option of
/// ours is the worker's, and so is all behind `--`. TypeErrors name the option, its value and what
/// would be right.
Result<ShellOptions> ReadShellOptions(const std::vector<std::string>& arguments);

}  // namespace sluice::controller::shell
