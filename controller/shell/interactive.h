#pragma once

#include "controller/shell/line_input.h"
#include "controller/shell/worker_session.h"

namespace sluice::controller::shell {

/// Reads requests from `input`, a line each, until it ends; every request waits for its response
/// before the next line is read. Returns when all have their responses. A line that is wrong is
/// reported and passed over.
Task<void> RunInteractive(WorkerSession& session, LineInput& input, const Report& report);

}  // namespace sluice::controller::shell
