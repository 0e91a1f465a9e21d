#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/status.h"
#include "controller/ops/config.h"
#include "controller/ops/config_defaults.h"

namespace sluice::controller {

/// What the command line asked for: a configuration, or a text to print (--help, --version).
struct CommandLine {
  Config config;
  std::optional<std::string> print;
  /// Where the value of each option that was given comes from, by its name: "--listenPort",
  /// "SLUICE_LISTEN_PORT" or "sluice.toml:3".
  std::map<std::string, std::string> places;
};

/// An OptionsError() with the places in front that do not name the option themselves: those in the
/// config file and in the environment.
Status PlaceError(const Status& status, const std::map<std::string, std::string>& places);

/// Reads flags, then the environment, then the config file (--config or SLUICE_CONFIG; TOML), each
/// only for what is not set yet; then resolves defaults and checks the whole. An error is one line
/// that names the option, where the value came from, the value (never of a secret) and what is
/// right.
Result<CommandLine> ReadCommandLine(const std::vector<std::string>& arguments,
                                    const HostFacts& host);

/// The option authSecret alone, for other commands: from `file` (--authSecret) or, when that is "",
/// the environment. An error when neither is given.
Result<Secret> ReadAuthSecret(const std::string& file, const HostFacts& host);

/// Erases the variables that hold secrets from this process's environment: to be called once they
/// have been read.
void ForgetSecrets();

}  // namespace sluice::controller
