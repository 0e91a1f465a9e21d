#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "controller/ops/config.h"

namespace sluice::controller {

/// What the program asks its surroundings; a test answers as it likes.
struct HostFacts {
  /// An environment variable.
  std::function<std::optional<std::string>(const std::string&)> environment;
  int processors = 1;
  /// Folder of this program's file.
  std::string program_folder;
  /// Addresses of this machine, as texts, loopback last.
  std::function<std::vector<std::string>()> addresses;
};

/// The real ones, but for `addresses`.
HostFacts ThisHost();

/// Takes a variable out of this process's environment and writes over its value, so that neither
/// /proc/PID/environ nor a program that we start has it. Nothing happens when it is not set.
void EraseFromEnvironment(const std::string& name);

/// Fills in what was left to be found out: number of workers, the worker's program, the web app,
/// the state folder, and the address that clients are told.
void ResolveDefaults(const HostFacts& host, Config* config);

}  // namespace sluice::controller
