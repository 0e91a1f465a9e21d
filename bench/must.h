#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>

#include "common/status.h"

namespace sluice::worker::bench {

/// Ends a benchmark that cannot go on.
[[noreturn]] inline void Die(const std::string& why) {
  std::fprintf(stderr, "bench: %s\n", why.c_str());
  std::exit(1);
}

inline void Must(const Status& status) {
  if (!status.ok()) Die(std::string(status.message()));
}

template <typename T>
T Must(Result<T> result) {
  Must(result.status());
  return *std::move(result);
}

}  // namespace sluice::worker::bench
