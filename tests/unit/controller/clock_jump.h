#pragma once

#include <chrono>

namespace sluice::controller::test {

/// As if `by` had passed: std::chrono::steady_clock of the whole program jumps ahead, and with it
/// every timer of Asio, which fires as soon as its loop looks at timers again. For what is said to
/// have no time limit.
void JumpAhead(std::chrono::nanoseconds by);

}  // namespace sluice::controller::test
