#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common/status.h"
#include "controller/ops/config.h"

namespace sluice::controller {

/// What the command line asked for: a configuration, or a text to print (--help, --version).
struct CommandLine {
  Config config;
  std::optional<std::string> print;
};

/// Reads flags, then the environment (`environment` looks a variable up), then the config file
/// (--config or SLUICE_CONFIG; TOML), each only for what is not set yet. An error is one line that
/// names the option, where the value came from, the value and what is right.
Result<CommandLine> ReadCommandLine(
    const std::vector<std::string>& arguments,
    const std::function<std::optional<std::string>(const std::string&)>& environment);

}  // namespace sluice::controller
