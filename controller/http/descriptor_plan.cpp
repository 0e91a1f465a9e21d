#include "controller/http/descriptor_plan.h"

#include <sys/resource.h>

#include <algorithm>

namespace sluice::controller {

namespace {
constexpr size_t kOwnDescriptors = 64;     // listeners, event queue, log, files that are being read
constexpr size_t kPerWorker = 16;          // four pipes, both ends of them while it is started
constexpr size_t kUnlimited = 10'000'000;  // what RLIM_INFINITY counts as
}  // namespace

size_t RaiseDescriptorLimit() {
  rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  const rlim_t before = limit.rlim_cur;
  limit.rlim_cur = limit.rlim_max;
  const rlim_t now = setrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : before;
  return std::min<size_t>(now, kUnlimited);
}

DescriptorPlan PlanDescriptors(size_t limit, size_t workers, size_t wanted_connections) {
  DescriptorPlan plan;
  plan.limit = limit;
  plan.reserve = std::min(kOwnDescriptors + kPerWorker * workers, limit);
  plan.connections = std::max<size_t>(std::min(limit - plan.reserve, wanted_connections), 1);
  return plan;
}

}  // namespace sluice::controller
