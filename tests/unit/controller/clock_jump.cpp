#include "tests/unit/controller/clock_jump.h"

#include <time.h>

#include <atomic>

namespace sluice::controller::test {
namespace {
std::atomic<std::chrono::nanoseconds> ahead{std::chrono::nanoseconds::zero()};
}  // namespace

std::chrono::nanoseconds TimeAhead() { return ahead; }

void JumpAhead(std::chrono::nanoseconds by) { ahead = ahead.load() + by; }

}  // namespace sluice::controller::test

/// Takes the place of the one in the shared standard library, for this program.
std::chrono::steady_clock::time_point std::chrono::steady_clock::now() noexcept {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return time_point(seconds(now.tv_sec) + nanoseconds(now.tv_nsec) +
                    sluice::controller::test::TimeAhead());
}
