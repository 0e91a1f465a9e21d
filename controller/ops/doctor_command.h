#pragma once

#include <string>
#include <vector>

#include "common/status.h"
#include "controller/ops/config_defaults.h"

namespace sluice::controller {

/// What `sluice doctor …` prints, and how it exits: 1 when something is to be mended.
struct DoctorOutcome {
  std::string text;
  int exit_code = 0;
};

/// `sluice doctor …`: takes the options of the server, and its environment and config file, and
/// looks whether this machine has what a server with them needs. An error when they are wrong
/// themselves. `coloured`: for a terminal.
Result<DoctorOutcome> RunDoctor(const std::vector<std::string>& arguments, const HostFacts& host,
                                bool coloured);

}  // namespace sluice::controller
