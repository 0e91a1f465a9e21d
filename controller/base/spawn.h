#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace sluice::controller {

/// What a program that is started reads and writes: open descriptors of ours.
struct ProgramEnds {
  int input = -1;  ///< -1: /dev/null
  int output = -1;
  int errors = -1;
};

/// Whether a program gets a process group of its own: a Ctrl-C of the terminal then does not reach
/// it.
enum class ProgramGroup { kOurs, kOwn };

/// Starts a program, found as the shell finds it: with no other descriptor of ours, with all
/// signals as they are by default, and without our variables (SLUICE_…), which may hold secrets. 0,
/// and its `pid`; or an errno.
int SpawnProgram(const std::vector<std::string>& command, const ProgramEnds& ends,
                 ProgramGroup group, pid_t* pid);

}  // namespace sluice::controller
