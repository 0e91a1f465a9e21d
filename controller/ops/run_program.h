#pragma once

#include <functional>
#include <string>
#include <vector>

#include "common/status.h"
#include "controller/base/task.h"

namespace sluice::controller {

/// Runs a program, found along PATH, and waits for its end. Its output; Error with the first line
/// of what it said when it does not end with 0, UnsupportedError when there is no such program.
using ProgramRunner = std::function<Task<Result<std::string>>(std::vector<std::string> command)>;

/// ProgramRunner for a tool of the system that is done within a moment: killed after five seconds,
/// and nothing beyond 64 KiB of its output is kept. It gets no descriptor and no option of ours.
Task<Result<std::string>> RunProgram(std::vector<std::string> command);

}  // namespace sluice::controller
