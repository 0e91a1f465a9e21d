#pragma once

#include <string>
#include <vector>

namespace sluice::controller::shell {

/// Runs `sluice worker-shell`. `arguments`: behind that word. `default_worker`: the worker program
/// when none is given. Returns the exit code: 0; 1 when the worker died, could not start or did not
/// say what the trace says; 2 when the arguments or the trace are wrong.
int RunWorkerShell(const std::vector<std::string>& arguments, const std::string& default_worker);

}  // namespace sluice::controller::shell
