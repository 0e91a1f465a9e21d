#include "controller/worker/output_lines.h"

#include <algorithm>

namespace sluice::controller {

std::vector<std::string> OutputLines::Feed(std::string_view bytes, Clock::time_point now) {
  const std::chrono::duration<double> passed = now - refilled_;
  const double refill = std::clamp(passed.count() * kBytesPerSecond, 0.0, double{kBurst});
  refilled_ = now;
  allowance_ = std::min(kBurst, allowance_ + static_cast<size_t>(refill));
  flooded_ = bytes.size() > allowance_;
  if (flooded_) {
    left_out_ += bytes.size();
    return {};
  }
  allowance_ -= bytes.size();
  std::vector<std::string> lines;
  const auto end_line = [&] {
    if (!line_.empty()) lines.push_back(TakeRest());
  };
  for (const char c : bytes) {
    if (c == '\n' || line_.size() >= kMaxLine) end_line();
    if (c != '\n' && c != '\r') line_ += c;
  }
  return lines;
}

}  // namespace sluice::controller
