#pragma once

#include <cstdint>

namespace sluice::controller::broadcast {

// Times of the broadcast are microseconds.
inline constexpr int64_t kMillisecond = 1'000;
inline constexpr int64_t kSecond = 1'000'000;

}  // namespace sluice::controller::broadcast
