#include "controller/ops/logging.h"

#include <spdlog/spdlog.h>

namespace sluice::controller {

void InitLogging(const std::string& level) {
  spdlog::set_level(spdlog::level::from_str(level));
  spdlog::set_pattern("%Y-%m-%d %H:%M:%S.%e %^%l%$ %v");
  spdlog::flush_on(spdlog::level::info);
}

}  // namespace sluice::controller
