#pragma once

#include <cstddef>

namespace sluice::controller {

/// How many file descriptors the process has and how many of them may be connections of clients.
struct DescriptorPlan {
  size_t limit = 0;        ///< RLIMIT_NOFILE
  size_t reserve = 0;      ///< kept for workers' pipes, listeners, files and the log
  size_t connections = 0;  ///< what is left, or what is wanted if that is less; at least 1
};

/// Raises the process's soft limit of descriptors to the hard limit. Returns the limit that holds.
size_t RaiseDescriptorLimit();

/// Divides `limit` descriptors: `workers` media workers must always be able to come back after a
/// death, however many clients there are.
DescriptorPlan PlanDescriptors(size_t limit, size_t workers, size_t wanted_connections);

}  // namespace sluice::controller
